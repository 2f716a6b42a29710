/* SPDX-License-Identifier: MIT */
/*
 * The defects of the document, D1..D26, and what this library does instead;
 * docs/defects.md is the index.
 */
#include "tests/unit/raiser.h"

/* ---- D1: sleeping in a walk ---- */

static void sleep_until_told(struct witness *w)
{
	bump(&opened);
	await(&may_close, 1);
}

static void *raise_once(void *arg)
{
	struct mmu_notifier_range range;

	range_open(&range, shared_mm, 0, PAGE);
	mmu_notifier_invalidate_range_end(&range);
	bump(&done);
	return NULL;
}

/* A callback sleeps; neither other raisers nor other mms wait for it. */
TEST(d01_callbacks_may_sleep)
{
	static struct witness sleeper = {.act = sleep_until_told}, other;
	struct mm_struct *mm = vm_alloc();
	pthread_t thread;

	shared_mm = vm_alloc();
	ASSERT_EQ(witness_register(&sleeper, shared_mm), 0);
	thread = spawn(raise_once, NULL);
	await(&opened, 1);
	ASSERT_EQ(witness_register(&other, mm), 0);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(other.page, 1);
	EXPECT_EQ(mmu_notifier_unregister(&other.mn, mm), 0);
	EXPECT_EQ(count(&done), 0);
	bump(&may_close);
	pthread_join(thread, NULL);
}

/* ---- D2, D3: atomic, and a callee that cannot ---- */

TEST(d02_not_blockable_may_be_refused)
{
	static struct interval_witness a, b = {.refuse = true};
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range range;

	ASSERT_EQ(interval_witness_insert(&a, mm, 0, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&b, mm, PAGE, PAGE), 0);
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, 2 * PAGE);
	EXPECT_EQ(mmu_notifier_invalidate_range_start_nonblock(&range),
		  -EAGAIN);
	EXPECT_EQ(b.invalidate, 0);
	/* Nothing is open any more, and who was told has been told the end. */
	EXPECT_EQ(a.invalidate, a.invalidated);
	EXPECT_FALSE(interval_is_open(&a));
	EXPECT_FALSE(interval_is_open(&b));
	EXPECT_EQ(range.open, 0);
}

TEST(d03_blockable_may_not_be_refused)
{
	static struct interval_witness w = {.refuse = true};
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range range;

	ASSERT_EQ(interval_witness_insert(&w, mm, 0, PAGE), 0);
	range_open(&range, mm, 0, PAGE);
	EXPECT_EQ(w.invalidate, 1);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.invalidated, 1);
}

TEST(d03_class_one_hears_no_begin_of_what_was_called_off)
{
	static struct interval_witness refuser = {.refuse = true};
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range range;
	static struct witness w;

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&refuser, mm, 0, PAGE), 0);
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, PAGE);
	EXPECT_EQ(mmu_notifier_invalidate_range_start_nonblock(&range),
		  -EAGAIN);
	EXPECT_EQ(w.begin, w.end);
}

/* ---- D4: missing a begin is never right ---- */

static void with_an_open_range(pthread_t thread[2])
{
	shared_mm = vm_alloc();
	ASSERT_EQ(mm_arm(shared_mm), 0);
	thread[0] = spawn(open_a_range, NULL);
	await(&opened, 1);
	thread[1] = spawn(close_it_soon, NULL);
}

static void join_both(pthread_t thread[2])
{
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
}

TEST(d04_register_waits_for_what_it_was_not_told_of)
{
	static struct witness w;
	pthread_t thread[2];

	with_an_open_range(thread);
	bump(&opened);
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	EXPECT_EQ(count(&done), 1);
	join_both(thread);
}

TEST(d04_insert_does_not_wait_and_inherits)
{
	static struct interval_witness in, out;
	pthread_t thread[2];
	unsigned long seq;

	with_an_open_range(thread);
	ASSERT_EQ(interval_witness_insert(&in, shared_mm, PAGE, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&out, shared_mm, 9 * PAGE, PAGE), 0);
	EXPECT_EQ(count(&done), 0);
	EXPECT_TRUE(interval_is_open(&in));
	EXPECT_FALSE(interval_is_open(&out));
	bump(&opened);
	seq = mmu_interval_read_begin(&in.mni);
	EXPECT_EQ(count(&done), 1);
	EXPECT_FALSE(mmu_interval_read_retry(&in.mni, seq));
	join_both(thread);
	/* It was not told of the begin, so it is not told of the end. */
	EXPECT_EQ(in.invalidate, 0);
	EXPECT_EQ(in.invalidated, 0);
}

/* ---- D5, D25: publication ---- */

static unsigned int stop;

static void *raise_until_stop(void *arg)
{
	while (!count(&stop)) {
		mmu_notifier(invalidate_page, shared_mm, PAGE);
		bump(&done);
	}
	return NULL;
}

static void is_whole(struct witness *w)
{
	EXPECT_EQ(w->mn.ops, &witness_ops);
	EXPECT_EQ(w->mn.mm, shared_mm);
	EXPECT_EQ(w->young, 0x600d);
}

TEST(d05_walkers_see_whole_notifiers)
{
	struct witness w[8];
	pthread_t thread;
	int i, round;

	shared_mm = vm_alloc();
	thread = spawn(raise_until_stop, NULL);
	for (round = 0; round < 300; round++) {
		memset(w, 0, sizeof(w));
		for (i = 0; i < 8; i++) {
			w[i].young = 0x600d;
			w[i].act = is_whole;
			ASSERT_EQ(witness_register(&w[i], shared_mm), 0);
		}
		if (round % 16 == 0)
			await(&done, count(&done) + 2);
		for (i = 0; i < 8; i++)
			ASSERT_EQ(mmu_notifier_unregister(&w[i].mn, shared_mm),
				  0);
	}
	bump(&stop);
	pthread_join(thread, NULL);
	EXPECT_GT(done, 0);
}

/* ---- D6: results of registration ---- */

TEST(d06_registration_says_why_not)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness w, late;
	static struct interval_witness wi;
	static struct mmu_notifier no_ops;

	EXPECT_EQ(mmu_notifier_register(&no_ops, mm), -EINVAL);
	EXPECT_EQ(mmu_notifier_register(&no_ops, NULL), -EINVAL);
	EXPECT_EQ(witness_register(&w, mm), 0);
	EXPECT_EQ(witness_register(&w, mm), -EEXIST);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(w.page, 1);
	EXPECT_EQ(interval_witness_insert(&wi, mm, PAGE, 0), -EINVAL);
	EXPECT_EQ(interval_witness_insert(&wi, mm, ~0ul - PAGE, 2 * PAGE),
		  -EINVAL);
	mmgrab(mm);
	mmput(mm);
	EXPECT_EQ(witness_register(&late, mm), -ESRCH);
	EXPECT_EQ(interval_witness_insert(&wi, mm, PAGE, PAGE), -ESRCH);
	mmdrop(mm);
}

static int result_in_callback;

static void register_another(struct witness *w)
{
	static struct witness another;

	result_in_callback = witness_register(&another, w->mn.mm);
}

TEST(d06_registration_from_a_callback_is_refused)
{
	static struct witness w = {.act = register_another};
	struct mm_struct *mm = vm_alloc();

	ASSERT_EQ(witness_register(&w, mm), 0);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(result_in_callback, -EDEADLK);
}

/* ---- D7: unregister waits, put does not ---- */

static void *unregister_sleeper(void *arg)
{
	ASSERT_EQ(mmu_notifier_unregister(arg, shared_mm), 0);
	bump(&stop);
	return NULL;
}

TEST(d07_unregister_waits_for_running_callbacks)
{
	static struct witness w = {.act = sleep_until_told};
	pthread_t raiser, closer;

	shared_mm = vm_alloc();
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	raiser = spawn(raise_once, NULL);
	await(&opened, 1);
	closer = spawn(unregister_sleeper, &w.mn);
	msleep(50);
	EXPECT_EQ(count(&stop), 0);
	bump(&may_close);
	pthread_join(closer, NULL);
	pthread_join(raiser, NULL);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, shared_mm), -ENOENT);
}

static void put_itself(struct witness *w)
{
	result_in_callback = mmu_notifier_put(&w->mn);
	EXPECT_EQ(w->freed, 0);
}

TEST(d07_put_works_in_a_callback_and_frees_later)
{
	static struct witness w = {.act = put_itself};
	struct mm_struct *mm = vm_alloc();

	ASSERT_EQ(witness_register(&w, mm), 0);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(result_in_callback, 0);
	mmu_notifier_synchronize();
	EXPECT_EQ(w.freed, 1);
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(w.page, 1);
	EXPECT_EQ(mmu_notifier_put(&w.mn), -ENOENT);
	mmu_notifier_synchronize();
	EXPECT_EQ(w.freed, 1);
	mmput(mm);
}

/* ---- D8: unregister in, and after, release ---- */

static void unregister_itself(struct witness *w)
{
	result_in_callback = mmu_notifier_unregister(&w->mn, shared_mm);
}

TEST(d08_unregister_from_release_is_harmless)
{
	static struct witness w = {.act = unregister_itself};

	shared_mm = vm_alloc();
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	mmgrab(shared_mm);
	result_in_callback = -1;
	mmu_notifier_release(shared_mm);
	EXPECT_EQ(w.release, 1);
	EXPECT_EQ(result_in_callback, 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, shared_mm), 0);
	mmput(shared_mm);
	mmdrop(shared_mm);
}

TEST(d08_unregister_from_another_callback_is_refused)
{
	static struct witness w = {.act = unregister_itself};

	shared_mm = vm_alloc();
	ASSERT_EQ(witness_register(&w, shared_mm), 0);
	mmu_notifier(invalidate_page, shared_mm, 0);
	EXPECT_EQ(result_in_callback, -EDEADLK);
	w.act = NULL;
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, shared_mm), 0);
}

/* ---- D9: release callbacks that change the list or raise ---- */

static struct witness crowd[6];

static void put_the_others_and_raise(struct witness *w)
{
	struct mmu_notifier_range range;
	int i;

	if (!w->release)
		return;
	for (i = 0; i < 6; i++)
		if (&crowd[i] != w)
			mmu_notifier_put(&crowd[i].mn);
	range_open(&range, shared_mm, 0, PAGE);
	mmu_notifier_invalidate_range_end(&range);
	mmu_notifier(invalidate_page, shared_mm, PAGE);
}

TEST(d09_release_may_change_the_list_and_raise)
{
	unsigned int released = 0, freed = 0;
	int i;

	shared_mm = vm_alloc();
	for (i = 0; i < 6; i++) {
		crowd[i].act = put_the_others_and_raise;
		ASSERT_EQ(witness_register(&crowd[i], shared_mm), 0);
	}
	mmu_notifier_release(shared_mm);
	mmu_notifier_synchronize();
	for (i = 0; i < 6; i++) {
		EXPECT_LE(crowd[i].release + crowd[i].freed, 1);
		released += crowd[i].release;
		freed += crowd[i].freed;
	}
	EXPECT_EQ(released, 1);
	EXPECT_EQ(freed, 5);
}

/* ---- D10: two deaths at once ---- */

static void *release_it(void *arg)
{
	bump(&opened);
	while (count(&opened) < 3)
		sched_yield();
	mmu_notifier_release(shared_mm);
	return NULL;
}

TEST(d10_release_is_called_once)
{
	static struct witness w[4];
	pthread_t thread[3];
	int i;

	shared_mm = vm_alloc();
	for (i = 0; i < 4; i++)
		ASSERT_EQ(witness_register(&w[i], shared_mm), 0);
	for (i = 0; i < 3; i++)
		thread[i] = spawn(release_it, NULL);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(w[i].release, 1);
	mmput(shared_mm);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(w[i].release, 1);
}

static void *unregister_it(void *arg)
{
	bump(&opened);
	while (count(&opened) < 2)
		sched_yield();
	ASSERT_EQ(mmu_notifier_unregister(arg, shared_mm), 0);
	return NULL;
}

TEST(d10_release_and_unregister_at_once)
{
	struct witness *w;
	pthread_t thread;
	int i;

	for (i = 0; i < 200; i++) {
		shared_mm = vm_alloc();
		w = calloc(1, sizeof(*w));
		ASSERT_TRUE(w);
		ASSERT_EQ(witness_register(w, shared_mm), 0);
		mmgrab(shared_mm);
		opened = 0;
		thread = spawn(unregister_it, &w->mn);
		bump(&opened);
		while (count(&opened) < 2)
			sched_yield();
		mmput(shared_mm);
		pthread_join(thread, NULL);
		EXPECT_LE(w->release, 1);
		free(w);
		mmdrop(shared_mm);
	}
}

/* ---- D11: invalidate_all ---- */

TEST(d11_invalidate_all_may_sleep_where_pages_belong_to_an_embedder)
{
	static struct interval_witness wi;
	struct mm_struct *mm = vm_alloc();
	static struct witness w;

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&wi, mm, 5 * PAGE, PAGE), 0);
	mmu_notifier(invalidate_all, mm, 0);
	EXPECT_EQ(w.all, 1);
	EXPECT_EQ(w.begin, 0);
	EXPECT_EQ(wi.invalidate, 1);
	EXPECT_TRUE(mmu_notifier_range_blockable(&wi.range));
	EXPECT_TRUE(wi.range.start <= 5 * PAGE && wi.range.end >= 6 * PAGE);
}

/* ---- D12, D22, D23: ranges that end by name, before and after, nested ---- */

TEST(d12_an_end_says_which_range)
{
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range ra, rb;
	static struct interval_witness a, b;

	ASSERT_EQ(interval_witness_insert(&a, mm, 0, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&b, mm, 4 * PAGE, PAGE), 0);
	range_open(&ra, mm, 0, PAGE);
	range_open(&rb, mm, 4 * PAGE, 5 * PAGE);
	mmu_notifier_invalidate_range_end(&ra);
	EXPECT_FALSE(interval_is_open(&a));
	EXPECT_TRUE(interval_is_open(&b));
	EXPECT_EQ(a.invalidated, 1);
	EXPECT_EQ(a.after.start, 0);
	EXPECT_EQ(a.after.end, PAGE);
	EXPECT_EQ(b.invalidated, 0);
	mmu_notifier_invalidate_range_end(&rb);
	EXPECT_EQ(b.after.start, 4 * PAGE);
	EXPECT_FALSE(interval_is_open(&b));
}

TEST(d22_begin_before_and_end_after_the_change)
{
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range range;
	static struct interval_witness wi;
	static struct witness w;
	unsigned int changed;

	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&wi, mm, 0, PAGE), 0);
	range_open(&range, mm, 0, PAGE);
	changed = tick();
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_LT(w.when_begin, changed);
	EXPECT_LT(wi.when_invalidate, changed);
	EXPECT_GT(w.when_end, changed);
	EXPECT_GT(wi.when_invalidated, changed);
}

TEST(d23_an_inner_end_does_not_end_the_outer)
{
	struct mm_struct *mm = vm_alloc();
	struct mmu_notifier_range outer, inner;
	static struct interval_witness w;

	ASSERT_EQ(interval_witness_insert(&w, mm, 4 * PAGE, PAGE), 0);
	range_open(&outer, mm, 4 * PAGE, 5 * PAGE);
	range_open(&inner, mm, 0, NPAGES * PAGE);
	mmu_notifier_invalidate_range_end(&inner);
	EXPECT_TRUE(interval_is_open(&w));
	mmu_notifier_invalidate_range_end(&outer);
	EXPECT_FALSE(interval_is_open(&w));
	EXPECT_EQ(w.invalidate, 2);
	EXPECT_EQ(w.invalidated, 2);
}

/* ---- D13, D14: macros ---- */

TEST(d13_arguments_are_evaluated_once)
{
	struct mm_struct *mm[2] = {vm_alloc(), NULL}, **next = mm;
	static struct witness a, b, c;
	unsigned long address = PAGE;

	ASSERT_EQ(witness_register(&a, mm[0]), 0);
	ASSERT_EQ(witness_register(&b, mm[0]), 0);
	ASSERT_EQ(witness_register(&c, mm[0]), 0);
	mmu_notifier(invalidate_page, *next++, address += PAGE);
	EXPECT_EQ(address, 2 * PAGE);
	EXPECT_EQ(next - mm, 1);
	EXPECT_EQ(a.page + b.page + c.page, 3);
	EXPECT_EQ(a.address, 2 * PAGE);
}

static int rmap_or_not(struct page *page)
{
	if (PageExternalRmap(page))
		mmu_rmap_notifier(invalidate_page, page);
	else
		return 0;
	return 1;
}

TEST(d14_macros_are_one_statement)
{
	static struct rmap_witness w;

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&w), 0);
	lock_page(&vm_page[0]);
	EXPECT_EQ(rmap_or_not(&vm_page[0]), 0);
	ASSERT_EQ(mmu_rmap_export_page(&vm_page[0]), 0);
	EXPECT_EQ(rmap_or_not(&vm_page[0]), 1);
	unlock_page(&vm_page[0]);
	EXPECT_EQ(w.told, 1);
}

/* ---- D17: what everybody pays ---- */

TEST(d17_an_mm_nobody_watches_is_two_words)
{
	EXPECT_LE(sizeof(struct mm_struct), 2 * sizeof(void *));
}

/* ---- D18: one bit cannot represent two exporters ---- */

TEST(d18_exports_are_counted)
{
	struct page *page = &vm_page[0];

	vm_alloc();
	lock_page(page);
	ASSERT_EQ(mmu_rmap_export_page(page), 0);
	ASSERT_EQ(mmu_rmap_export_page(page), 0);
	EXPECT_EQ(mmu_rmap_withdraw_page(page), 0);
	EXPECT_TRUE(PageExternalRmap(page));
	EXPECT_EQ(mmu_rmap_withdraw_page(page), 0);
	EXPECT_FALSE(PageExternalRmap(page));
	EXPECT_EQ(mmu_rmap_withdraw_page(page), -ENOENT);
	unlock_page(page);
}

static int keeping;

static void keep(struct rmap_witness *w, struct page *page)
{
	if (keeping)
		ASSERT_EQ(mmu_rmap_keep_page(page), 0);
}

TEST(d18_exports_end_with_the_page_unless_it_is_kept)
{
	static struct rmap_witness keeper = {.act = keep}, other;
	struct page *page = &vm_page[0];

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&other), 0);
	ASSERT_EQ(rmap_witness_register(&keeper), 0);
	lock_page(page);
	ASSERT_EQ(mmu_rmap_export_page(page), 0);
	ASSERT_EQ(mmu_rmap_export_page(page), 0);
	keeping = 1;
	EXPECT_EQ(mmu_rmap_invalidate_page(page), -EBUSY);
	EXPECT_TRUE(PageExternalRmap(page));
	EXPECT_EQ(other.told, 1);
	keeping = 0;
	EXPECT_EQ(mmu_rmap_invalidate_page(page), 0);
	EXPECT_FALSE(PageExternalRmap(page));
	EXPECT_EQ(mmu_rmap_keep_page(page), -EPERM);
	/* Nobody exports it: nobody is asked. */
	EXPECT_EQ(mmu_rmap_invalidate_page(page), 0);
	EXPECT_EQ(keeper.told, 2);
	unlock_page(page);
}

/* ---- D20: what mixed and odd answers of age_page mean ---- */

TEST(d20_any_answer_but_zero_is_young)
{
	struct mm_struct *mm = vm_alloc();
	static struct witness a, b;

	ASSERT_EQ(witness_register(&a, mm), 0);
	ASSERT_EQ(witness_register(&b, mm), 0);
	a.young = -1;
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 1);
	a.young = 2;
	b.young = 4;
	EXPECT_EQ(mmu_notifier_age_page(mm, PAGE), 1);
	EXPECT_EQ(b.age, 2);
}

/* ---- D21: a page is a range ---- */

TEST(d21_invalidate_page_is_a_range_for_class_three)
{
	struct mm_struct *mm = vm_alloc();
	static struct interval_witness in, before, after;

	ASSERT_EQ(interval_witness_insert(&in, mm, 3 * PAGE + 8, 1), 0);
	ASSERT_EQ(interval_witness_insert(&before, mm, 0, 3 * PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&after, mm, 4 * PAGE, PAGE), 0);
	mmu_notifier(invalidate_page, mm, 3 * PAGE + 100);
	EXPECT_EQ(in.invalidate, 1);
	EXPECT_EQ(in.invalidated, 1);
	EXPECT_EQ(in.range.start, 3 * PAGE);
	EXPECT_EQ(in.range.end, 4 * PAGE);
	EXPECT_EQ(before.invalidate + after.invalidate, 0);
}

/* ---- D26: the collision-retry lock ---- */

/*
 * A consumer keeps the version of a page that it looked up without its lock;
 * the raiser moves it on. With the retry whatever is kept is the present one;
 * with the retry left out it is not, or this test would prove nothing.
 */
static struct consumer {
	struct interval_witness w;
	pthread_mutex_t lock;
	unsigned long kept;
	unsigned int stale, lookups;
	bool careless;
} consumer;

static unsigned long version = 1;

static bool consumer_invalidate(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long cur_seq)
{
	pthread_mutex_lock(&consumer.lock);
	mmu_interval_set_seq(mni, cur_seq);
	consumer.kept = 0;
	pthread_mutex_unlock(&consumer.lock);
	return true;
}

static const struct mmu_interval_notifier_ops consumer_ops = {
	.invalidate = consumer_invalidate,
};

static void look_up(struct mmu_interval_notifier *mni)
{
	unsigned long seq = mmu_interval_read_begin(mni);
	unsigned long now = __atomic_load_n(&version, __ATOMIC_RELAXED);

	sched_yield(); /* resolving takes its time */
	pthread_mutex_lock(&consumer.lock);
	if (consumer.careless || !mmu_interval_read_retry(mni, seq))
		consumer.kept = now;
	pthread_mutex_unlock(&consumer.lock);
}

static void *look_up_and_use(void *arg)
{
	while (!count(&stop)) {
		look_up(arg);
		bump(&consumer.lookups);
		pthread_mutex_lock(&consumer.lock);
		if (consumer.kept &&
		    consumer.kept !=
			    __atomic_load_n(&version, __ATOMIC_RELAXED))
			bump(&consumer.stale);
		pthread_mutex_unlock(&consumer.lock);
	}
	return NULL;
}

static unsigned int run_consumer(bool careless)
{
	struct mm_struct *mm = vm_alloc();
	struct mmu_interval_notifier *mni = &consumer.w.mni;
	struct mmu_notifier_range range;
	pthread_t thread;
	int i;

	consumer.careless = careless;
	pthread_mutex_init(&consumer.lock, NULL);
	ASSERT_EQ(mmu_interval_notifier_insert(mni, mm, 0, PAGE, &consumer_ops),
		  0);
	thread = spawn(look_up_and_use, mni);
	await(&consumer.lookups, 1);
	for (i = 0; i < 20000; i++) {
		range_open(&range, mm, 0, PAGE);
		__atomic_fetch_add(&version, 1, __ATOMIC_RELAXED);
		mmu_notifier_invalidate_range_end(&range);
		if (i % 4 == 0)
			sched_yield();
	}
	bump(&stop);
	pthread_join(thread, NULL);
	return consumer.stale;
}

TEST(d26_nothing_stale_with_the_retry)
{
	EXPECT_EQ(run_consumer(false), 0);
}

TEST(d26_and_without_the_retry_it_is)
{
	EXPECT_NE(run_consumer(true), 0);
}
