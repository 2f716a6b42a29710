/* SPDX-License-Identifier: MIT */
/*
 * What the document demands, R1..R35, as far as managed address spaces can
 * show it; docs/requirements.md is the index. The calling process's own
 * address space has its tests in tests/live.
 */
#include "tests/unit/raiser.h"

/* ---- R2: two classes, one by address space, one by page ---- */

TEST(r02_each_mm_has_its_own_notifiers)
{
	struct mm_struct *a = vm_alloc(), *b = vm_alloc();
	static struct witness wa, wb;
	static struct rmap_witness wr;

	ASSERT_EQ(witness_register(&wa, a), 0);
	ASSERT_EQ(witness_register(&wb, b), 0);
	ASSERT_EQ(rmap_witness_register(&wr), 0);
	mmu_notifier(invalidate_page, a, PAGE);
	EXPECT_EQ(wa.page, 1);
	EXPECT_EQ(wb.page, 0);
	EXPECT_EQ(wr.told, 0);
	mmput(a);
	EXPECT_EQ(wa.release, 1);
	EXPECT_EQ(wb.release, 0);
	mmput(b);
}

TEST(r02_rmap_class_is_global)
{
	struct mm_struct *mm[2] = {vm_alloc(), vm_alloc()};
	static struct rmap_witness w;
	struct page page;
	int i;

	ASSERT_EQ(rmap_witness_register(&w), 0);
	for (i = 0; i < 2; i++) {
		page_init(&page, mm[i], PAGE);
		lock_page(&page);
		ASSERT_EQ(mmu_rmap_export_page(&page), 0);
		EXPECT_EQ(mmu_rmap_invalidate_page(&page), 0);
		unlock_page(&page);
	}
	EXPECT_EQ(w.told, 2);
	EXPECT_EQ(w.page, &page);
}

/* ---- R4, R5: which calls may sleep ---- */

TEST(r04_page_calls_are_atomic)
{
	struct mm_struct *mm = vm_alloc();
	static struct interval_witness w;

	ASSERT_EQ(interval_witness_insert(&w, mm, 0, NPAGES * PAGE), 0);
	mmu_notifier(invalidate_page, mm, 2 * PAGE);
	EXPECT_EQ(w.invalidate, 1);
	EXPECT_FALSE(mmu_notifier_range_blockable(&w.range));
}

TEST(r05_atomic_says_what_the_raiser_said)
{
	struct mm_struct *mm = vm_alloc();
	static struct interval_witness wi;
	static struct witness w;
	int atomic;

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&wi, mm, 0, PAGE), 0);
	for (atomic = 0; atomic < 2; atomic++) {
		w.atomic = -1;
		mmu_notifier(invalidate_range_begin, mm, 0, PAGE, atomic);
		EXPECT_EQ(w.atomic, atomic);
		EXPECT_EQ(mmu_notifier_range_blockable(&wi.range), !atomic);
		w.atomic = -1;
		mmu_notifier(invalidate_range_end, mm, atomic);
		EXPECT_EQ(w.atomic, atomic);
		EXPECT_EQ(mmu_notifier_range_blockable(&wi.after), !atomic);
	}
}

/* ---- R6: the second class ---- */

static pthread_mutex_t a_mutex = PTHREAD_MUTEX_INITIALIZER;

static void sleep_with_a_lock(struct rmap_witness *w, struct page *page)
{
	pthread_mutex_lock(&a_mutex);
	msleep(20);
	pthread_mutex_unlock(&a_mutex);
}

TEST(r06_rmap_call_has_the_page_lock_and_may_sleep)
{
	static struct rmap_witness w = {.act = sleep_with_a_lock};

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&w), 0);
	lock_page(&vm_page[1]);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[1]), 0);
	mmu_rmap_notifier(invalidate_page, &vm_page[1]);
	EXPECT_TRUE(PageLocked(&vm_page[1]));
	unlock_page(&vm_page[1]);
	EXPECT_EQ(w.told, 1);
	EXPECT_TRUE(w.was_locked);
}

/* ---- R7, R30: the page flag ---- */

TEST(r07_flag_follows_the_count)
{
	struct page *page = &vm_page[0];

	vm_alloc();
	lock_page(page);
	EXPECT_EQ(page->flags >> PG_external_rmap & 1, 0);
	ASSERT_EQ(mmu_rmap_export_page(page), 0);
	EXPECT_EQ(page->flags >> PG_external_rmap & 1, 1);
	ASSERT_EQ(mmu_rmap_withdraw_page(page), 0);
	EXPECT_EQ(page->flags >> PG_external_rmap & 1, 0);
	unlock_page(page);
}

TEST(r30_page_flag_macros)
{
	struct page *page = &vm_page[0];

	vm_alloc();
	EXPECT_EQ(PG_external_rmap, 30);
	lock_page(page);
	EXPECT_FALSE(PageExternalRmap(page));
	SetPageExternalRmap(page);
	EXPECT_TRUE(PageExternalRmap(page));
	SetPageExternalRmap(page);
	ClearPageExternalRmap(page);
	EXPECT_FALSE(PageExternalRmap(page));
	EXPECT_TRUE(PageLocked(page));
	unlock_page(page);
	EXPECT_FALSE(PageLocked(page));
}

/* ---- R8: dirty bits ---- */

static void report_dirt(struct witness *w)
{
	set_page_dirty(follow_page(w->mn.mm, w->address));
}

TEST(r08_dirt_reported_in_the_callback_is_there_after_it)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w = {.act = report_dirt};

	ASSERT_EQ(witness_register(&w, mm), 0);
	mmu_notifier(invalidate_page, mm, 5 * PAGE);
	EXPECT_TRUE(PageDirty(&vm_page[5]));
	EXPECT_FALSE(PageDirty(&vm_page[6]));
	EXPECT_TRUE(TestClearPageDirty(&vm_page[5]));
	EXPECT_FALSE(PageDirty(&vm_page[5]));
}

TEST(r08_dirt_by_range)
{
	struct mm_struct *mm = vm_alloc();
	unsigned long i;

	/* Half a page at each end is a page written to. */
	EXPECT_EQ(mm_set_dirty(mm, 2 * PAGE + 100, 4 * PAGE + 1), 0);
	for (i = 0; i < NPAGES; i++)
		EXPECT_EQ(PageDirty(&vm_page[i]), i >= 2 && i <= 4);
	EXPECT_EQ(mm_set_dirty(mm, PAGE, PAGE), -EINVAL);
}

/* ---- R9, R10: pairs ---- */

TEST(r09_begin_and_end_are_paired)
{
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range outer, inner;
	static struct witness w;
	int i;

	ASSERT_EQ(witness_register(&w, mm), 0);
	for (i = 0; i < 10; i++) {
		range_open(&outer, mm, 0, 4 * PAGE);
		mmu_notifier(invalidate_range_begin, mm, PAGE, 2 * PAGE, 0);
		EXPECT_EQ(w.begin - w.end, 2);
		mmu_notifier(invalidate_range_end, mm, 0);
		range_open(&inner, mm, 8 * PAGE, 9 * PAGE);
		inner.flags |= MMU_NOTIFIER_RANGE_FAILED;
		mmu_notifier_invalidate_range_end(&inner);
		mmu_notifier_invalidate_range_end(&outer);
		EXPECT_EQ(w.begin, w.end);
	}
	EXPECT_EQ(w.begin, 30);
}

TEST(r09_a_newcomer_hears_no_end_without_its_begin)
{
	static struct witness w;
	pthread_t raiser, closer;

	shared_mm = vm_alloc();
	ASSERT_EQ(mm_arm(shared_mm), 0);
	raiser = spawn(open_a_range, NULL);
	await(&opened, 1);
	closer = spawn(close_it_soon, NULL);
	bump(&opened);
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	EXPECT_EQ(count(&done), 1);
	pthread_join(raiser, NULL);
	pthread_join(closer, NULL);
	EXPECT_EQ(w.begin, 0);
	EXPECT_EQ(w.end, 0);
}

TEST(r10_pairs_nest_and_overlap)
{
	static struct witness w;
	static struct interval_witness wi;
	struct mmu_notifier_range range;
	pthread_t thread[4];
	int i;

	shared_mm = vm_alloc();
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	ASSERT_EQ(interval_witness_insert(&wi, shared_mm, 0, PAGE), 0);
	range_open(&range, shared_mm, 0, PAGE);
	for (i = 0; i < 4; i++)
		thread[i] = spawn(open_a_range, NULL);
	await(&opened, 4);
	EXPECT_EQ(w.begin, 5);
	EXPECT_EQ(w.end, 0);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_TRUE(interval_is_open(&wi));
	bump(&may_close);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(w.end, 5);
	EXPECT_FALSE(interval_is_open(&wi));
	EXPECT_EQ(wi.invalidate, wi.invalidated);
}

/* ---- R1, R11: no reference while anything is open ---- */

TEST(r11_no_new_reference_between_begin_and_end)
{
	struct mm_struct *mm = vm_alloc();
	static struct interval_witness in, out;
	struct mmu_notifier_range range;
	unsigned long seq;

	ASSERT_EQ(interval_witness_insert(&in, mm, PAGE, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&out, mm, 4 * PAGE, PAGE), 0);
	ASSERT_TRUE(mmu_interval_try_read_begin(&in.mni, &seq));
	range_open(&range, mm, 0, 2 * PAGE);
	EXPECT_TRUE(mmu_interval_read_retry(&in.mni, seq));
	EXPECT_TRUE(interval_is_open(&in));
	EXPECT_FALSE(interval_is_open(&out));
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_FALSE(interval_is_open(&in));
	EXPECT_TRUE(mmu_interval_read_retry(&in.mni, seq));
	EXPECT_FALSE(mmu_interval_read_retry(&in.mni,
					     mmu_interval_read_begin(&in.mni)));
}

/* ---- R12, R13, R14: the driver lock ---- */

/*
 * A page has a version; the raiser moves it on inside begin and end. The
 * driver keeps the version it saw, under its lock and not while a range is
 * open, as the document says; whatever it keeps must be the present one.
 */
static struct driver {
	struct mmu_notifier mn;
	pthread_mutex_t lock;
	int ranges_open;
	unsigned long kept[NPAGES]; /* 0: no reference */
} driver;

static unsigned long version[NPAGES];
static unsigned int stop, stale, kept;

static void driver_begin(struct mmu_notifier *mn, struct mm_struct *mm,
			 unsigned long start, unsigned long end, int atomic)
{
	pthread_mutex_lock(&driver.lock);
	driver.ranges_open++;
	for (; start < end; start += PAGE)
		driver.kept[start / PAGE] = 0;
	pthread_mutex_unlock(&driver.lock);
}

static void driver_end(struct mmu_notifier *mn, struct mm_struct *mm,
		       int atomic)
{
	pthread_mutex_lock(&driver.lock);
	driver.ranges_open--;
	pthread_mutex_unlock(&driver.lock);
}

static const struct mmu_notifier_ops driver_ops = {
	.invalidate_range_begin = driver_begin,
	.invalidate_range_end = driver_end,
};

static void *driver_faults(void *arg)
{
	unsigned long i = 0, now;

	while (!count(&stop)) {
		i = (i + 1) % NPAGES;
		pthread_mutex_lock(&driver.lock);
		now = __atomic_load_n(&version[i], __ATOMIC_RELAXED);
		if (driver.kept[i] && driver.kept[i] != now)
			bump(&stale);
		if (!driver.ranges_open) {
			driver.kept[i] = now;
			bump(&kept);
		}
		pthread_mutex_unlock(&driver.lock);
	}
	return NULL;
}

static void change_pages(struct mm_struct *mm, int rounds)
{
	struct mmu_notifier_range range;
	unsigned long i;

	while (rounds--) {
		i = rounds % (NPAGES - 2);
		range_open(&range, mm, i * PAGE, (i + 2) * PAGE);
		__atomic_fetch_add(&version[i], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&version[i + 1], 1, __ATOMIC_RELAXED);
		mmu_notifier_invalidate_range_end(&range);
	}
}

static unsigned int run_driver(bool registered)
{
	struct mm_struct *mm = vm_alloc();
	pthread_t thread;
	unsigned long i;

	for (i = 0; i < NPAGES; i++)
		version[i] = 1;
	pthread_mutex_init(&driver.lock, NULL);
	driver.mn.ops = &driver_ops;
	if (registered)
		ASSERT_EQ(mmu_notifier_register(&driver.mn, mm), 0);
	thread = spawn(driver_faults, NULL);
	await(&kept, 1);
	for (i = 0; i < 200; i++) {
		change_pages(mm, 50);
		/* The driver runs in between, however busy the machine. */
		await(&kept, count(&kept) + 1);
	}
	bump(&stop);
	pthread_join(thread, NULL);
	return stale;
}

TEST(r12_driver_lock_keeps_references_right)
{
	EXPECT_EQ(run_driver(true), 0);
}

TEST(r12_and_without_the_notifier_they_are_stale)
{
	EXPECT_NE(run_driver(false), 0);
}

/* ---- R15..R18: types ---- */

#define SAME(a, b) _Static_assert(__builtin_types_compatible_p(a, b), #b)
#define MEMBER(type, member) __typeof__(((struct type *)0)->member)

SAME(MEMBER(mmu_notifier_head, head), struct hlist_head);
SAME(MEMBER(mm_struct, mmu_notifier), struct mmu_notifier_head);
SAME(MEMBER(mmu_notifier, hlist), struct hlist_node);
SAME(MEMBER(mmu_notifier, ops), const struct mmu_notifier_ops *);
SAME(MEMBER(mmu_rmap_notifier, hlist), struct hlist_node);
SAME(MEMBER(mmu_rmap_notifier, ops), const struct mmu_rmap_notifier_ops *);
SAME(MEMBER(mmu_notifier_ops, release),
     void (*)(struct mmu_notifier *, struct mm_struct *));
SAME(MEMBER(mmu_notifier_ops, invalidate_all),
     void (*)(struct mmu_notifier *, struct mm_struct *, int));
SAME(MEMBER(mmu_notifier_ops, age_page),
     int (*)(struct mmu_notifier *, struct mm_struct *, unsigned long));
SAME(MEMBER(mmu_notifier_ops, invalidate_page),
     void (*)(struct mmu_notifier *, struct mm_struct *, unsigned long));
SAME(MEMBER(mmu_notifier_ops, invalidate_range_begin),
     void (*)(struct mmu_notifier *, struct mm_struct *, unsigned long,
	      unsigned long, int));
SAME(MEMBER(mmu_notifier_ops, invalidate_range_end),
     void (*)(struct mmu_notifier *, struct mm_struct *, int));
SAME(MEMBER(mmu_rmap_notifier_ops, invalidate_page),
     void (*)(struct mmu_rmap_notifier *, struct page *));

TEST(r15_the_list_is_where_the_document_has_it)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w;

	EXPECT_EQ(mm->mmu_notifier.head.first, NULL);
	ASSERT_EQ(witness_register(&w, mm), 0);
	EXPECT_EQ(mm->mmu_notifier.head.first, &w.mn.hlist);
	ASSERT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	EXPECT_EQ(mm->mmu_notifier.head.first, NULL);
}

TEST(r16_the_owner_allocates)
{
	struct mm_struct *mm = vm_alloc();
	struct witness *w = calloc(2, sizeof(*w));

	ASSERT_TRUE(w);
	ASSERT_EQ(witness_register(&w[1], mm), 0);
	mmu_notifier(invalidate_page, mm, PAGE);
	EXPECT_EQ(w[1].page, 1);
	ASSERT_EQ(mmu_notifier_unregister(&w[1].mn, mm), 0);
	free(w);
	mmu_notifier(invalidate_page, mm, PAGE);
	mmput(mm);
}

TEST(r17_every_member_is_optional)
{
	static const struct mmu_notifier_ops no_ops;
	static struct mmu_notifier mn = {.ops = &no_ops};
	struct mm_struct *mm = vm_alloc();

	ASSERT_EQ(mmu_notifier_register(&mn, mm), 0);
	mmu_notifier(invalidate_page, mm, PAGE);
	mmu_notifier(invalidate_range_begin, mm, 0, PAGE, 0);
	mmu_notifier(invalidate_range_end, mm, 0);
	mmu_notifier(invalidate_all, mm, 0);
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 0);
	mmu_notifier_release(mm);
	mmput(mm);
}

TEST(r18_rmap_member_is_optional)
{
	static const struct mmu_rmap_notifier_ops no_ops;
	static struct mmu_rmap_notifier mrn = {.ops = &no_ops};

	vm_alloc();
	ASSERT_EQ(mmu_rmap_notifier_register(&mrn), 0);
	lock_page(&vm_page[0]);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[0]), 0);
	EXPECT_EQ(mmu_rmap_invalidate_page(&vm_page[0]), 0);
	unlock_page(&vm_page[0]);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&mrn), 0);
}

/* ---- R19..R22: registration ---- */

TEST(r19_caller_holds_mmap_lock_and_order_is_last_first)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness a, b;

	a.mn.ops = b.mn.ops = &witness_ops;
	EXPECT_EQ(__mmu_notifier_register(&a.mn, mm), -EPERM);
	mmap_read_lock(mm);
	EXPECT_EQ(__mmu_notifier_register(&a.mn, mm), -EPERM);
	mmap_read_unlock(mm);
	mmap_write_lock(mm);
	EXPECT_EQ(__mmu_notifier_register(&a.mn, mm), 0);
	EXPECT_EQ(__mmu_notifier_register(&b.mn, mm), 0);
	mmap_write_unlock(mm);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(a.page, 1);
	EXPECT_EQ(b.page, 1);
	EXPECT_LT(b.when_page, a.when_page);
}

static struct witness late;

static void *register_late(void *arg)
{
	bump(&opened);
	ASSERT_EQ(witness_register(&late, shared_mm), 0);
	bump(&done);
	return NULL;
}

TEST(r20_register_takes_mmap_lock_itself)
{
	pthread_t thread;

	shared_mm = vm_alloc();
	mmap_write_lock(shared_mm);
	thread = spawn(register_late, NULL);
	await(&opened, 1);
	msleep(50);
	EXPECT_EQ(count(&done), 0);
	EXPECT_EQ(shared_mm->mmu_notifier.head.first, NULL);
	mmap_write_unlock(shared_mm);
	pthread_join(thread, NULL);
	EXPECT_EQ(count(&done), 1);
}

static void *raise_once(void *arg)
{
	mmu_notifier(invalidate_page, shared_mm, PAGE);
	return NULL;
}

TEST(r21_visible_to_all_threads_on_return)
{
	static struct witness w;
	unsigned int i;

	shared_mm = vm_alloc();
	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(witness_register(&w, shared_mm), 0);
		pthread_join(spawn(raise_once, NULL), NULL);
		EXPECT_EQ(w.page, i);
		ASSERT_EQ(mmu_notifier_unregister(&w.mn, shared_mm), 0);
	}
}

static void *raise_until_stop(void *arg)
{
	struct mmu_notifier_range range;

	while (!count(&stop)) {
		range_open(&range, shared_mm, 0, PAGE);
		bump(&opened);
		mmu_notifier_invalidate_range_end(&range);
	}
	return NULL;
}

static void is_it_alive(struct witness *w)
{
	EXPECT_EQ(__atomic_load_n(&w->young, __ATOMIC_RELAXED), 0x600d);
}

TEST(r22_after_unregister_the_memory_is_free)
{
	pthread_t thread;
	struct witness *w;
	int i;

	shared_mm = vm_alloc();
	ASSERT_EQ(mm_arm(shared_mm), 0);
	thread = spawn(raise_until_stop, NULL);
	for (i = 0; i < 500; i++) {
		w = calloc(1, sizeof(*w));
		ASSERT_TRUE(w);
		w->young = 0x600d;
		w->act = is_it_alive;
		ASSERT_EQ(witness_register(w, shared_mm), 0);
		await(&opened, count(&opened) + 1);
		ASSERT_EQ(mmu_notifier_unregister(&w->mn, shared_mm), 0);
		/* A begin that was open then has lost its end, at most. */
		EXPECT_LE(w->begin - w->end, 1);
		memset(w, 0xdd, sizeof(*w));
		free(w);
	}
	bump(&stop);
	pthread_join(thread, NULL);
}

/* ---- R23, R34: death ---- */

static void is_unlinked(struct witness *w)
{
	EXPECT_EQ(w->mn.hlist.pprev, NULL);
}

TEST(r23_release_unlinks_each_and_calls_it)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w[5];
	int i;

	for (i = 0; i < 5; i++) {
		w[i].act = is_unlinked;
		ASSERT_EQ(witness_register(&w[i], mm), 0);
	}
	mmu_notifier_release(mm);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(w[i].release, 1);
	EXPECT_EQ(mm->mmu_notifier.head.first, NULL);
	mmu_notifier_release(mm);
	mmput(mm);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(w[i].release, 1);
}

TEST(r34_last_user_invalidates_all_then_releases)
{
	struct mm_struct *mm = vm_alloc();
	static struct interval_witness wi;
	static struct witness w;

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&wi, mm, 0, PAGE), 0);
	mmget(mm);
	mmput(mm);
	EXPECT_EQ(w.all, 0);
	mmput(mm);
	EXPECT_EQ(w.all, 1);
	EXPECT_EQ(w.release, 1);
	EXPECT_LT(w.when_all, w.when_release);
	EXPECT_GE(wi.invalidate, 1);
	EXPECT_EQ(wi.range.event, MMU_NOTIFY_RELEASE);
	EXPECT_EQ(mmu_interval_notifier_remove(&wi.mni), 0);
}

/* ---- R24: age ---- */

TEST(r24_age_is_the_or_and_all_are_asked)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w[3];
	int i;

	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 0);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(witness_register(&w[i], mm), 0);
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 0);
	for (i = 0; i < 3; i++) {
		w[i].young = 1;
		EXPECT_EQ(mmu_notifier_age_page(mm, 7 * PAGE), 1);
		w[i].young = 0;
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(w[i].age, 4);
		EXPECT_EQ(w[i].address, 7 * PAGE);
	}
}

/* ---- R25, R26: head_init and the macro ---- */

TEST(r25_head_init_is_an_empty_list)
{
	struct mmu_notifier_head head = {{(struct hlist_node *)&head}};

	mmu_notifier_head_init(&head);
	EXPECT_EQ(head.head.first, NULL);
}

TEST(r26_nobody_registered_nothing_done)
{
	struct mm_struct *mm = vm_alloc();
	unsigned long address = 0;

	EXPECT_FALSE(mm_has_notifiers(mm));
	mmu_notifier(invalidate_page, mm, address++);
	EXPECT_EQ(address, 0);
}

TEST(r26_macro_calls_everyone_who_has_the_member)
{
	static const struct mmu_notifier_ops only_page = {
		.invalidate_page = witness_page,
	};
	struct mm_struct *mm = vm_alloc();
	static struct witness a, b;

	b.mn.ops = &only_page;
	ASSERT_EQ(witness_register(&a, mm), 0);
	ASSERT_EQ(mmu_notifier_register(&b.mn, mm), 0);
	mmu_notifier(invalidate_all, mm, 0);
	mmu_notifier(invalidate_page, mm, 3 * PAGE);
	EXPECT_EQ(a.all, 1);
	EXPECT_EQ(b.all, 0);
	EXPECT_EQ(a.page, 1);
	EXPECT_EQ(b.page, 1);
	EXPECT_EQ(b.address, 3 * PAGE);
}

/* ---- R27, R28, R29: the second class ---- */

TEST(r27_rmap_register_and_unregister)
{
	static struct rmap_witness a, b;

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&a), 0);
	ASSERT_EQ(rmap_witness_register(&b), 0);
	EXPECT_EQ(rmap_witness_register(&b), -EEXIST);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&a.mrn), 0);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&a.mrn), -ENOENT);
	lock_page(&vm_page[0]);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[0]), 0);
	mmu_rmap_notifier(invalidate_page, &vm_page[0]);
	unlock_page(&vm_page[0]);
	EXPECT_EQ(a.told, 0);
	EXPECT_EQ(b.told, 1);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&b.mrn), 0);
}

TEST(r28_export_needs_the_page_lock)
{
	static struct rmap_witness w;
	struct page *page = &vm_page[0];

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&w), 0);
	EXPECT_EQ(mmu_rmap_export_page(page), -EPERM);
	EXPECT_FALSE(PageExternalRmap(page));
	EXPECT_EQ(mmu_rmap_invalidate_page(page), -EPERM);
	ASSERT_TRUE(trylock_page(page));
	EXPECT_FALSE(trylock_page(page));
	EXPECT_EQ(mmu_rmap_export_page(page), 0);
	EXPECT_TRUE(PageExternalRmap(page));
	unlock_page(page);
	EXPECT_EQ(mmu_rmap_withdraw_page(page), -EPERM);
}

TEST(r29_list_and_macro)
{
	static struct rmap_witness w[3];
	int i;

	vm_alloc();
	EXPECT_EQ(mmu_rmap_notifier_list.first, NULL);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(rmap_witness_register(&w[i]), 0);
	EXPECT_EQ(mmu_rmap_notifier_list.first, &w[2].mrn.hlist);
	lock_page(&vm_page[0]);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[0]), 0);
	mmu_rmap_notifier(invalidate_page, &vm_page[0]);
	unlock_page(&vm_page[0]);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(w[i].told, 1);
}

/* ---- R31: on unless switched off; R32 is tests/lint/config-off ---- */

TEST(r31_on_by_default)
{
#ifdef CONFIG_MMU_NOTIFIER
	EXPECT_EQ(CONFIG_MMU_NOTIFIER, 1);
#else
	EXPECT_TRUE(!"CONFIG_MMU_NOTIFIER is not defined");
#endif
}

/* ---- R33: fork ---- */

static void child_has_no_rmap_notifiers(struct rmap_witness *w)
{
	unsigned int told = w->told;

	EXPECT_EQ(mmu_rmap_notifier_list.first, NULL);
	lock_page(&vm_page[1]);
	mmu_rmap_export_page(&vm_page[1]);
	mmu_rmap_invalidate_page(&vm_page[1]);
	unlock_page(&vm_page[1]);
	EXPECT_EQ(w->told, told);
	EXPECT_EQ(rmap_witness_register(w), 0);
}

TEST(r33_rmap_notifiers_stay_with_the_parent)
{
	static struct rmap_witness w;
	int status;

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&w), 0);
	if (fork() == 0) {
		child_has_no_rmap_notifiers(&w);
		_exit(0);
	}
	ASSERT_TRUE(wait(&status) > 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(rmap_witness_register(&w), -EEXIST);
}

/* A managed mm is data like any other: the child has a copy of its own. */
TEST(r33_a_managed_mm_is_copied_with_its_notifiers)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w;
	int status;

	ASSERT_EQ(witness_register(&w, mm), 0);
	if (fork() == 0) {
		mmu_notifier(invalidate_page, mm, PAGE);
		EXPECT_EQ(w.page, 1);
		EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
		_exit(0);
	}
	ASSERT_TRUE(wait(&status) > 0);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(w.page, 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
}

/* ---- R35: the VM's call-outs, each of the four kinds ---- */

TEST(r35_range_page_age_and_rmap_callouts)
{
	struct mm_struct *mm = vm_alloc();
	static struct rmap_witness wr;
	static struct witness w = {.young = 1};

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(rmap_witness_register(&wr), 0);
	mmu_notifier(invalidate_range_begin, mm, PAGE, 3 * PAGE, 0);
	EXPECT_EQ(w.first, PAGE);
	EXPECT_EQ(w.last, 3 * PAGE - 1);
	mmu_notifier(invalidate_range_end, mm, 0);
	EXPECT_EQ(w.end, 1);
	EXPECT_EQ(mmu_notifier_age_page(mm, 2 * PAGE), 1);
	mmu_notifier(invalidate_page, mm, 2 * PAGE);
	EXPECT_EQ(w.page, 1);
	lock_page(&vm_page[2]);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[2]), 0);
	EXPECT_EQ(mmu_rmap_invalidate_page(&vm_page[2]), 0);
	unlock_page(&vm_page[2]);
	EXPECT_EQ(wr.told, 1);
}
