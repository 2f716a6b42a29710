/* SPDX-License-Identifier: MIT */
/* Every call of the notifier headers; see config-off, which compiles this. */
#include <mmun/mmu_interval_notifier.h>
#include <mmun/mmu_notifier.h>
#include <mmun/mmu_rmap_notifier.h>

#if defined(CONFIG_MMU_NOTIFIER) == defined(EXPECT_OFF)
#error "a driver's own #ifdef CONFIG_MMU_NOTIFIER would not work"
#endif

int driver(struct mmu_notifier *mn, struct mmu_rmap_notifier *mrn,
	   struct mmu_interval_notifier *mni, struct mm_struct *mm,
	   struct page *page, unsigned long address);

#ifdef WITH_CALLS
static int class1(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long address)
{
	mmu_notifier_head_init(&mm->mmu_notifier);
	mmu_notifier(invalidate_all, mm, 0);
	mmu_notifier(invalidate_page, mm, address);
	mmu_notifier(invalidate_range_begin, mm, address, address + 1, 0);
	mmu_notifier(invalidate_range_end, mm, 0);
	mmu_notifier_release(mm);
	mmu_notifier_synchronize();
	mmu_notifier_set_owner(mmu_notifier_set_owner(mm));
	return mmu_notifier_register(mn, mm) | __mmu_notifier_register(mn, mm) |
	       mmu_notifier_unregister(mn, mm) | mmu_notifier_put(mn) |
	       mmu_notifier_age_page(mm, address) | mm_has_notifiers(mm);
}

static int ranges(struct mm_struct *mm, unsigned long address)
{
	struct mmu_notifier_range range;
	int err;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, address,
				address + 1);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	err = mmu_notifier_invalidate_range_start_nonblock(&range);
	mmu_notifier_invalidate_range_end(&range);
	return err;
}

static int class2(struct mmu_rmap_notifier *mrn, struct page *page)
{
	mmu_rmap_notifier(invalidate_page, page);
	return mmu_rmap_notifier_register(mrn) | mmu_rmap_export_page(page) |
	       mmu_rmap_withdraw_page(page) | mmu_rmap_keep_page(page) |
	       mmu_rmap_invalidate_page(page) |
	       mmu_rmap_notifier_unregister(mrn);
}

static int class3(struct mmu_interval_notifier *mni, struct mm_struct *mm,
		  unsigned long address)
{
	unsigned long seq;
	int err;

	err = mmu_interval_notifier_insert(mni, mm, address, 1, NULL) |
	      mmu_interval_notifier_insert_options(mni, mm, address, 1, NULL,
						   NULL);
	seq = mmu_interval_read_begin(mni);
	mmu_interval_set_seq(mni, seq);
	return err | mmu_interval_check_retry(mni, seq) |
	       mmu_interval_read_retry(mni, seq) |
	       !mmu_interval_try_read_begin(mni, &seq) |
	       mmu_interval_notifier_remove(mni);
}
#endif

int driver(struct mmu_notifier *mn, struct mmu_rmap_notifier *mrn,
	   struct mmu_interval_notifier *mni, struct mm_struct *mm,
	   struct page *page, unsigned long address)
{
	int err = 0;

#ifdef WITH_CALLS
	err |= class1(mn, mm, address);
	err |= ranges(mm, address);
	err |= class2(mrn, page);
	err |= class3(mni, mm, address);
#else
	(void)mn, (void)mrn, (void)mni, (void)mm, (void)page, (void)address;
#endif
	return err;
}
