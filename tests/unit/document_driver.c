/* SPDX-License-Identifier: MIT */
/*
 * A driver as the document describes one, written against its interface
 * alone: struct mmu_notifier_ops with its six members and their signatures,
 * functions whose results are not looked at, both macros, one header. It has
 * to compile unchanged; the cases at the end drive it.
 */
#include <mmun/mmu_notifier.h>

#include <pthread.h>

#include "tests/tap.h"

#define NPAGES 8
#define PAGE 4096ul

/* ---- the driver: a device with a page table of its own ---- */

struct device {
	struct mmu_notifier mn;
	struct mmu_rmap_notifier mrn;
	pthread_mutex_t lock; /* the driver lock */
	int ranges_open;
	struct page *pte[NPAGES];
	int young[NPAGES];
	int dirty[NPAGES];
	int all, released;
};

static struct device *mn_to_device(struct mmu_notifier *mn)
{
	return (struct device *)((char *)mn - offsetof(struct device, mn));
}

static struct device *mrn_to_device(struct mmu_rmap_notifier *mrn)
{
	return (struct device *)((char *)mrn - offsetof(struct device, mrn));
}

/* Driver lock held: no page can go now, so that no reference is needed. */
static void device_unmap(struct device *d, unsigned long address)
{
	int i = address / PAGE;

	if (d->pte[i] && d->dirty[i])
		set_page_dirty(d->pte[i]);
	d->pte[i] = NULL;
	d->young[i] = d->dirty[i] = 0;
}

static void device_unmap_all(struct device *d)
{
	unsigned long address;

	pthread_mutex_lock(&d->lock);
	for (address = 0; address < NPAGES * PAGE; address += PAGE)
		device_unmap(d, address);
	pthread_mutex_unlock(&d->lock);
}

static void device_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	mn_to_device(mn)->released++;
}

static void device_invalidate_all(struct mmu_notifier *mn, struct mm_struct *mm,
				  int dummy)
{
	mn_to_device(mn)->all++;
	device_unmap_all(mn_to_device(mn));
}

static int device_age_page(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long address)
{
	struct device *d = mn_to_device(mn);
	int young;

	pthread_mutex_lock(&d->lock);
	young = d->young[address / PAGE];
	d->young[address / PAGE] = 0;
	pthread_mutex_unlock(&d->lock);
	return young;
}

static void device_invalidate_page(struct mmu_notifier *mn,
				   struct mm_struct *mm, unsigned long address)
{
	struct device *d = mn_to_device(mn);

	pthread_mutex_lock(&d->lock);
	device_unmap(d, address);
	pthread_mutex_unlock(&d->lock);
}

static void device_range_begin(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end,
			       int atomic)
{
	struct device *d = mn_to_device(mn);

	pthread_mutex_lock(&d->lock);
	d->ranges_open++;
	for (; start < end; start += PAGE)
		device_unmap(d, start);
	pthread_mutex_unlock(&d->lock);
}

static void device_range_end(struct mmu_notifier *mn, struct mm_struct *mm,
			     int atomic)
{
	struct device *d = mn_to_device(mn);

	pthread_mutex_lock(&d->lock);
	d->ranges_open--;
	pthread_mutex_unlock(&d->lock);
}

static const struct mmu_notifier_ops device_ops = {
	.release = device_release,
	.invalidate_all = device_invalidate_all,
	.age_page = device_age_page,
	.invalidate_page = device_invalidate_page,
	.invalidate_range_begin = device_range_begin,
	.invalidate_range_end = device_range_end,
};

/* A fault of the device; no new reference while any range is open. */
static int device_fault(struct device *d, struct mm_struct *mm,
			unsigned long address, int write)
{
	struct page *page = NULL;

	pthread_mutex_lock(&d->lock);
	if (!d->ranges_open)
		page = follow_page(mm, address);
	if (page) {
		d->pte[address / PAGE] = page;
		d->young[address / PAGE] = 1;
		d->dirty[address / PAGE] |= write;
	}
	pthread_mutex_unlock(&d->lock);
	return page != NULL;
}

/* The second class: the device has a reverse map and is told by page. */
static void device_rmap_invalidate_page(struct mmu_rmap_notifier *mrn,
					struct page *page)
{
	struct device *d = mrn_to_device(mrn);
	int i;

	pthread_mutex_lock(&d->lock);
	for (i = 0; i < NPAGES; i++)
		if (d->pte[i] == page)
			device_unmap(d, i * PAGE);
	pthread_mutex_unlock(&d->lock);
}

static const struct mmu_rmap_notifier_ops device_rmap_ops = {
	.invalidate_page = device_rmap_invalidate_page,
};

static int device_rmap_fault(struct device *d, struct page *page, int i)
{
	lock_page(page);
	mmu_rmap_export_page(page);
	pthread_mutex_lock(&d->lock);
	d->pte[i] = page;
	d->dirty[i] = 1;
	pthread_mutex_unlock(&d->lock);
	unlock_page(page);
	return PageExternalRmap(page);
}

static void device_open(struct device *d, struct mm_struct *mm)
{
	pthread_mutex_init(&d->lock, NULL);
	d->mn.ops = &device_ops;
	d->mrn.ops = &device_rmap_ops;
	mmu_notifier_register(&d->mn, mm);
	mmu_rmap_notifier_register(&d->mrn);
}

static void device_close(struct device *d, struct mm_struct *mm)
{
	mmu_notifier_unregister(&d->mn, mm);
	mmu_rmap_notifier_unregister(&d->mrn);
}

/* ---- the VM, with the document's hooks ---- */

static struct page pages[NPAGES];

static struct page *vm_follow_page(struct mm_struct *mm, unsigned long address)
{
	return address < NPAGES * PAGE ? &pages[address / PAGE] : NULL;
}

static const struct mm_operations vm_ops = {
	.size = sizeof(vm_ops),
	.follow_page = vm_follow_page,
};

/* The hook in mm_init(). */
static struct mm_struct *vm_alloc(void)
{
	struct mm_struct *mm = NULL;
	int i;

	ASSERT_EQ(mm_alloc_ops(&vm_ops, NULL, &mm), 0);
	mmu_notifier_head_init(&mm->mmu_notifier);
	for (i = 0; i < NPAGES; i++)
		page_init(&pages[i], mm, i * PAGE);
	return mm;
}

/* The hooks in exit_mmap(). */
static void vm_exit(struct mm_struct *mm)
{
	mmu_notifier(invalidate_all, mm, 0);
	mmu_notifier_release(mm);
	mmput(mm);
}

static struct device device;

TEST(page_goes)
{
	struct mm_struct *mm = vm_alloc();

	device_open(&device, mm);
	ASSERT_TRUE(device_fault(&device, mm, 3 * PAGE, 1));
	ASSERT_TRUE(device_fault(&device, mm, 4 * PAGE, 0));
	mmu_notifier(invalidate_page, mm, 3 * PAGE);
	EXPECT_EQ(device.pte[3], NULL);
	EXPECT_EQ(device.pte[4], &pages[4]);
	EXPECT_TRUE(PageDirty(&pages[3]));
	EXPECT_FALSE(PageDirty(&pages[4]));
	device_close(&device, mm);
	mmput(mm);
}

TEST(range_goes)
{
	struct mm_struct *mm = vm_alloc();
	int i;

	device_open(&device, mm);
	for (i = 0; i < NPAGES; i++)
		ASSERT_TRUE(device_fault(&device, mm, i * PAGE, 0));
	mmu_notifier(invalidate_range_begin, mm, 2 * PAGE, 5 * PAGE, 0);
	for (i = 0; i < NPAGES; i++)
		EXPECT_EQ(device.pte[i], i >= 2 && i < 5 ? NULL : &pages[i]);
	EXPECT_FALSE(device_fault(&device, mm, 2 * PAGE, 0));
	mmu_notifier(invalidate_range_end, mm, 0);
	EXPECT_TRUE(device_fault(&device, mm, 2 * PAGE, 0));
	device_close(&device, mm);
	mmput(mm);
}

TEST(page_ages)
{
	struct mm_struct *mm = vm_alloc();

	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 0);
	device_open(&device, mm);
	ASSERT_TRUE(device_fault(&device, mm, PAGE, 0));
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 1);
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 0);
	device_close(&device, mm);
	mmput(mm);
}

TEST(process_exits)
{
	struct mm_struct *mm = vm_alloc();

	device_open(&device, mm);
	ASSERT_TRUE(device_fault(&device, mm, PAGE, 1));
	vm_exit(mm);
	EXPECT_GE(device.all, 1);
	EXPECT_EQ(device.released, 1);
	EXPECT_EQ(device.pte[1], NULL);
	EXPECT_TRUE(PageDirty(&pages[1]));
	mmu_rmap_notifier_unregister(&device.mrn);
}

TEST(exported_page_is_reclaimed)
{
	struct mm_struct *mm = vm_alloc();

	device_open(&device, mm);
	EXPECT_TRUE(device_rmap_fault(&device, &pages[6], 6));
	lock_page(&pages[6]);
	if (PageExternalRmap(&pages[6]))
		mmu_rmap_notifier(invalidate_page, &pages[6]);
	else
		EXPECT_TRUE(!"exported");
	unlock_page(&pages[6]);
	EXPECT_EQ(device.pte[6], NULL);
	EXPECT_TRUE(PageDirty(&pages[6]));
	device_close(&device, mm);
	mmput(mm);
}

TEST(closed_device_hears_nothing)
{
	struct mm_struct *mm = vm_alloc();

	device_open(&device, mm);
	ASSERT_TRUE(device_fault(&device, mm, PAGE, 0));
	device_close(&device, mm);
	mmu_notifier(invalidate_page, mm, PAGE);
	EXPECT_EQ(device.pte[1], &pages[1]);
	mmput(mm);
	EXPECT_EQ(device.released, 0);
}
