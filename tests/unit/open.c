/* SPDX-License-Identifier: MIT */
/*
 * Records of open invalidations: more than there is room for, those of dead
 * threads, those of frames that were jumped out of, and what fork leaves.
 */
#include "core/open.h"

#include <setjmp.h>

#include "tests/unit/witness.h"

#define MANY 300 /* more than MM_OPEN_MAX */

static struct mm *m;
static struct interval_witness sub;

static void start_test(void)
{
	struct mm_struct *mm = mm_alloc();

	ASSERT_TRUE(mm);
	m = to_mm(mm);
	ASSERT_EQ(interval_witness_insert(&sub, mm, 0, 16 * PAGE), 0);
}

static unsigned int records_open(void)
{
	unsigned int n = 0;
	int i;

	for (i = 0; i < MM_OPEN_MAX; i++)
		n += __atomic_load_n(&m->v.open[i].owner, __ATOMIC_ACQUIRE) !=
		     0;
	return n;
}

static void nothing_is_open(void)
{
	EXPECT_EQ(records_open(), 0);
	EXPECT_EQ(m->v.overflow, 0);
	EXPECT_EQ(m->v.abandoned, 0);
	EXPECT_FALSE(interval_is_open(&sub));
	EXPECT_EQ(sub.invalidate, sub.invalidated);
}

/* ---- claiming ---- */

TEST(an_incarnation_has_a_number_of_its_own)
{
	struct open *first, *again;
	uint32_t gen;

	start_test();
	first = open_claim(m, 0, PAGE, 0);
	gen = first->gen;
	EXPECT_TRUE(interval_is_open(&sub));
	open_close(m, first);
	EXPECT_FALSE(interval_is_open(&sub));
	again = open_claim(m, 0, PAGE, 0);
	EXPECT_EQ(again, first);
	EXPECT_NE(again->gen, gen);
	open_close(m, again);
	nothing_is_open();
}

TEST(claims_nest)
{
	struct open *o[10];
	int i, k;

	start_test();
	for (i = 0; i < 10; i++) {
		o[i] = open_claim(m, (unsigned long)i * PAGE, 10 * PAGE, 0);
		for (k = 0; k < i; k++)
			EXPECT_NE(o[i], o[k]);
	}
	EXPECT_EQ(records_open(), 10);
	for (i = 9; i >= 0; i--)
		open_close(m, o[i]);
	nothing_is_open();
}

static void *read_begin_thread(void *arg)
{
	mmu_interval_read_begin(&sub.mni);
	bump(arg);
	return NULL;
}

TEST(more_open_than_records)
{
	static struct mmu_notifier_range range[MANY];
	static struct witness w;
	unsigned int through = 0;
	pthread_t reader;
	int i;

	start_test();
	w.mn.ops = &witness_ops;
	for (i = 0; i < MANY; i++)
		range_open(&range[i], &m->pub, i % 16 * PAGE,
			   (i % 16 + 1) * PAGE);
	EXPECT_EQ(sub.invalidate, MANY);
	EXPECT_EQ(records_open(), MM_OPEN_MAX);
	EXPECT_EQ(m->v.overflow, MANY - MM_OPEN_MAX);
	EXPECT_EQ(mmu_notifier_register(&w.mn, &m->pub), -EDEADLK);
	reader = spawn(read_begin_thread, &through);
	/* Those without a record last: they cover everything. */
	for (i = 0; i < MANY; i++) {
		EXPECT_TRUE(interval_is_open(&sub));
		EXPECT_EQ(count(&through), 0);
		if (i == MM_OPEN_MAX)
			msleep(20);
		mmu_notifier_invalidate_range_end(&range[i]);
	}
	EXPECT_EQ(pthread_join(reader, NULL), 0);
	EXPECT_EQ(sub.invalidated, MANY);
	nothing_is_open();
}

/* A callback that was entered without a record must be seen as well. */
static int overflow_rc;

static void insert_in_callback(struct interval_witness *w)
{
	static struct interval_witness other;

	overflow_rc = interval_witness_insert(&other, &m->pub, 0, PAGE);
}

TEST(callbacks_without_a_record)
{
	static struct mmu_notifier_range range[MM_OPEN_MAX + 1];
	int i;

	start_test();
	for (i = 0; i < MM_OPEN_MAX; i++)
		range_open(&range[i], &m->pub, 1ul << 40, 1ul << 41);
	sub.act = insert_in_callback;
	range_open(&range[i], &m->pub, 0, PAGE);
	EXPECT_EQ(m->v.overflow, 1);
	EXPECT_EQ(overflow_rc, -EDEADLK);
	EXPECT_FALSE(mmun_tls.blind);
	for (; i >= 0; i--)
		mmu_notifier_invalidate_range_end(&range[i]);
	nothing_is_open();
}

TEST(end_of_another_incarnation_closes_nothing)
{
	struct mmu_notifier_range a, stale, b;

	start_test();
	range_open(&a, &m->pub, 0, PAGE);
	stale = a;
	mmu_notifier_invalidate_range_end(&a);
	range_open(&b, &m->pub, 0, PAGE);
	mmu_notifier_invalidate_range_end(&stale);
	EXPECT_TRUE(interval_is_open(&sub));
	EXPECT_EQ(sub.invalidated, 1);
	mmu_notifier_invalidate_range_end(&b);
	nothing_is_open();
}

/* ---- newcomers ---- */

/*
 * A begin that meets a subscription without a number gives it one, so that
 * begin and end agree about it.
 */
TEST(newcomer_is_numbered_by_a_begin)
{
	struct mmu_notifier_range range;
	unsigned long born;

	start_test();
	__atomic_store_n(&sub.mni.born, 0, __ATOMIC_SEQ_CST);
	range_open(&range, &m->pub, 0, PAGE);
	EXPECT_EQ(sub.invalidate, 0);
	born = sub.mni.born;
	EXPECT_NE(born, 0);
	EXPECT_EQ(mm_number(m, &sub.mni.born), born);
	EXPECT_TRUE(interval_is_open(&sub)); /* so it waits */
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(sub.invalidated, 0);
	range_open(&range, &m->pub, 0, PAGE);
	EXPECT_EQ(sub.invalidate, 1);
	mmu_notifier_invalidate_range_end(&range);
	nothing_is_open();
}

/* ---- abandoned by a thread that died ---- */

static void *open_and_die(void *arg)
{
	struct mmu_notifier_range range;

	range_open(&range, &m->pub, 0, PAGE);
	return NULL;
}

TEST(dead_thread)
{
	long long t0;

	start_test();
	pthread_join(spawn(open_and_die, NULL), NULL);
	EXPECT_TRUE(interval_is_open(&sub));
	t0 = tap_now_ms();
	mmu_interval_read_begin(&sub.mni);
	EXPECT_LT(tap_now_ms() - t0, 5000);
	EXPECT_EQ(sub.invalidated, 1);
	EXPECT_FALSE(mmu_notifier_range_blockable(&sub.after));
	EXPECT_EQ(sub.after.start, 0);
	EXPECT_EQ(sub.after.end, PAGE);
	nothing_is_open();
}

static void *claim_and_die(void *arg)
{
	struct open *o = open_claim(m, 0, PAGE, 0);

	/* As if it had died between the two stores of open_claim(). */
	o->seq = 1ul << 40;
	__atomic_fetch_or(&o->owner, OPEN_FILLING, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(dead_before_its_range_was_written)
{
	start_test();
	pthread_join(spawn(claim_and_die, NULL), NULL);
	mmu_interval_read_begin(&sub.mni);
	EXPECT_EQ(sub.invalidated, 0);
	nothing_is_open();
}

static void exit_thread(struct interval_witness *w)
{
	w->act = NULL;
	pthread_exit(NULL);
}

/* Its SRCU section must not keep remove() waiting for ever. */
TEST(dead_in_a_callback)
{
	struct mm_struct *mm;

	start_test();
	mm = &m->pub;
	mmgrab(mm);
	sub.act = exit_thread;
	pthread_join(spawn(open_and_die, NULL), NULL);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	EXPECT_EQ(records_open(), 0);
	EXPECT_EQ(sub.invalidated, 0); /* nobody knows who was told */
	mmput(mm);
	mmdrop(mm);
}

/* ---- abandoned by a jump ---- */

static sigjmp_buf out;

/* A live raise: its record knows the frame that will close it. */
static __attribute__((noinline)) void raise_and_jump(void)
{
	char deep[16384];
	struct mmu_notifier_range range;
	unsigned long seq;
	struct open *o;

	memset(deep, 1, sizeof(deep));
	__asm__ volatile("" : : "r"(deep) : "memory");
	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, &m->pub, 0, PAGE);
	o = open_claim(m, 0, PAGE, (unsigned long)deep);
	open_begin(m, o, &range, &seq);
	siglongjmp(out, 1);
}

static void jump(void)
{
	if (!sigsetjmp(out, 0))
		raise_and_jump();
}

/* Another raise of the same thread. */
static void raise_again(void)
{
	struct mmu_notifier_range range;
	struct open *volatile frame;
	struct open *o = open_claim(m, 0, PAGE, (unsigned long)&frame);
	unsigned long seq;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, &m->pub, 0, PAGE);
	open_begin(m, o, &range, &seq);
	open_end(m, o, &range, seq);
	open_close(m, o);
}

static void start_jump_test(void)
{
	if (getenv("MMUN_UNDER_VALGRIND"))
		SKIP("valgrind minds a look at a dead frame");
	start_test();
}

TEST(jump_then_raise)
{
	start_jump_test();
	jump();
	EXPECT_EQ(sub.invalidate, 1);
	EXPECT_EQ(sub.invalidated, 0);
	raise_again();
	EXPECT_EQ(sub.invalidate, 2);
	EXPECT_EQ(sub.invalidated, 2);
	nothing_is_open();
}

TEST(jump_then_read)
{
	unsigned long seq;

	start_jump_test();
	jump();
	seq = mmu_interval_read_begin(&sub.mni);
	EXPECT_NE(seq, 0);
	EXPECT_FALSE(mmu_interval_read_retry(&sub.mni, seq));
	raise_again();
	nothing_is_open();
}

/* Deeper than the frame was: it is written over. */
static __attribute__((noinline)) unsigned long deeper(bool read)
{
	char space[65536];

	memset(space, 1, sizeof(space));
	__asm__ volatile("" : : "r"(space) : "memory");
	return read ? mmu_interval_read_begin(&sub.mni) : 0;
}

TEST(jump_then_read_from_deeper)
{
	start_jump_test();
	jump();
	EXPECT_NE(deeper(true), 0);
	nothing_is_open();
}

TEST(jump_then_register)
{
	static struct witness w;

	start_jump_test();
	jump();
	EXPECT_EQ(witness_register(&w, &m->pub), 0);
	EXPECT_EQ(w.end, 0);
	nothing_is_open();
}

static void *jump_and_sleep(void *arg)
{
	jump();
	bump(arg);
	pause();
	return NULL;
}

TEST(jump_then_sleep)
{
	unsigned int jumped = 0;
	long long t0;

	start_jump_test();
	spawn(jump_and_sleep, &jumped);
	await(&jumped, 1);
	t0 = tap_now_ms();
	mmu_interval_read_begin(&sub.mni);
	EXPECT_GE(tap_now_ms() - t0, 900); /* it looks, it does not guess */
	EXPECT_LT(tap_now_ms() - t0, 10000);
	EXPECT_EQ(sub.invalidated, 1);
	nothing_is_open();
}

static void jump_out(struct interval_witness *w)
{
	w->act = NULL;
	siglongjmp(out, 1);
}

/* It never sleeps, and does not raise again: only its stack can tell. */
static void *jump_and_spin(void *arg)
{
	jump();
	deeper(false);
	for (;;)
		bump(arg);
	return NULL;
}

TEST(jump_then_spin)
{
	static unsigned int spun;

	start_jump_test();
	spawn(jump_and_spin, &spun);
	await(&spun, 1);
	mmu_interval_read_begin(&sub.mni);
	EXPECT_EQ(sub.invalidated, 1);
	nothing_is_open();
}

TEST(jump_out_of_a_callback)
{
	start_jump_test();
	sub.act = jump_out;
	jump();
	mmgrab(&m->pub);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	EXPECT_EQ(records_open(), 0);
	mmput(&m->pub);
	mmdrop(&m->pub);
}

static void nested_raise(struct interval_witness *w)
{
	w->act = NULL;
	raise_again();
	EXPECT_EQ(records_open(), 1);
	EXPECT_EQ(m->v.abandoned, 0);
}

TEST(a_nested_raise_leaves_nothing)
{
	start_test();
	sub.act = nested_raise;
	raise_again();
	EXPECT_EQ(sub.invalidate, 2);
	nothing_is_open();
}

static void raise_in_handler(int nr)
{
	raise_again();
	EXPECT_EQ(records_open(), 1);
	EXPECT_EQ(m->v.abandoned, 0);
}

/* The alternate stack may lie above or below the frame. */
static void handler_nested(void *stack)
{
	stack_t ss = {.ss_sp = stack, .ss_size = 65536};
	struct sigaction sa = {.sa_handler = raise_in_handler,
			       .sa_flags = SA_ONSTACK};
	struct open *volatile frame;
	struct open *o;

	ASSERT_EQ(sigaltstack(&ss, NULL), 0);
	ASSERT_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	o = open_claim(m, 0, PAGE, (unsigned long)&frame);
	raise(SIGUSR1);
	open_close(m, o);
	nothing_is_open();
}

TEST(handler_on_the_alternate_stack)
{
	static char low[65536] __attribute__((aligned(64)));
	char high[65536] __attribute__((aligned(64)));

	start_test();
	handler_nested(low);
	handler_nested(high);
}

/* ---- a sleeping raiser is not abandoned ---- */

static unsigned int asleep;

static void sleep_in_callback(struct interval_witness *w)
{
	bump(&asleep);
	msleep(1600);
}

static void *raise_asleep(void *arg)
{
	raise_again();
	return NULL;
}

TEST(a_sleeping_raiser_is_waited_for)
{
	pthread_t raiser;

	start_test();
	sub.act = sleep_in_callback;
	raiser = spawn(raise_asleep, NULL);
	await(&asleep, 1);
	EXPECT_EQ(count(&sub.invalidated), 0);
	mmu_interval_read_begin(&sub.mni);
	EXPECT_EQ(count(&sub.invalidated), 1);
	pthread_join(raiser, NULL);
	nothing_is_open();
}

/* ---- the hull ---- */

static void expect_hull(unsigned long start, unsigned long last)
{
	EXPECT_EQ(m->hull_start, start);
	EXPECT_EQ(m->hull_last, last);
}

TEST(hull)
{
	static struct interval_witness a, b;
	static struct witness w;
	struct mm_struct *mm = mm_alloc();

	m = to_mm(mm);
	expect_hull(~0ul, 0);
	EXPECT_FALSE(mm_may_hit(m, 0, ~0ul));
	interval_witness_insert(&a, mm, 10 * PAGE, PAGE);
	expect_hull(10 * PAGE, 11 * PAGE - 1);
	EXPECT_FALSE(mm_may_hit(m, 9 * PAGE, 10 * PAGE));
	EXPECT_TRUE(mm_may_hit(m, 9 * PAGE, 10 * PAGE + 1));
	EXPECT_TRUE(mm_may_hit(m, 11 * PAGE - 1, 11 * PAGE));
	EXPECT_FALSE(mm_may_hit(m, 11 * PAGE, 12 * PAGE));
	interval_witness_insert(&b, mm, 2 * PAGE, PAGE);
	expect_hull(2 * PAGE, 11 * PAGE - 1);
	EXPECT_FALSE(open_would_hit(m, 5 * PAGE, 6 * PAGE));
	EXPECT_TRUE(open_would_hit(m, 5 * PAGE, 11 * PAGE));
	witness_register(&w, mm);
	expect_hull(0, ~0ul);
	EXPECT_TRUE(open_would_hit(m, 5 * PAGE, 6 * PAGE));
	mmu_interval_notifier_remove(&a.mni);
	expect_hull(0, ~0ul);
	mmu_notifier_unregister(&w.mn, mm);
	expect_hull(2 * PAGE, 3 * PAGE - 1);
	mmu_interval_notifier_remove(&b.mni);
	expect_hull(~0ul, 0);
}

/* ---- fork ---- */

static void in_child(struct mmu_notifier_range *with, unsigned int n)
{
	unsigned int i, told = sub.invalidate;
	struct mmu_notifier_range range;

	alarm(10);
	EXPECT_EQ(records_open(), 0);
	for (i = 0; i < n; i++) /* what the forking thread had open */
		mmu_notifier_invalidate_range_end(&with[i]);
	EXPECT_EQ(m->v.overflow, 0);
	EXPECT_FALSE(interval_is_open(&sub));
	range_open(&range, &m->pub, 0, PAGE);
	EXPECT_EQ(sub.invalidate, told + 1);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	_exit(0);
}

TEST(child_of_a_thread_with_all_records_open)
{
	static struct mmu_notifier_range range[MANY];
	int i, status;
	pid_t pid;

	start_test();
	for (i = 0; i < MANY; i++)
		range_open(&range[i], &m->pub, 0, PAGE);
	pid = fork();
	if (!pid)
		in_child(range, MANY);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(records_open(), MM_OPEN_MAX);
	for (i = 0; i < MANY; i++)
		mmu_notifier_invalidate_range_end(&range[i]);
	nothing_is_open();
}

/* Both locks are held by the thread that forks, and by no one in the child. */
TEST(child_of_a_thread_with_locks)
{
	int status;
	pid_t pid;

	start_test();
	mmap_write_lock(&m->pub);
	pid = fork();
	if (!pid) {
		alarm(10);
		mmap_write_unlock(&m->pub);
		mmap_read_unlock(&m->pub);
		EXPECT_TRUE(mmap_read_trylock(&m->pub));
		mmap_read_unlock(&m->pub);
		mmap_write_lock(&m->pub);
		EXPECT_FALSE(mmap_read_trylock(&m->pub));
		mmap_write_unlock(&m->pub);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_FALSE(mmap_read_trylock(&m->pub));
	mmap_write_unlock(&m->pub);
	EXPECT_TRUE(mmap_read_trylock(&m->pub));
	mmap_read_unlock(&m->pub);
}

static void begin_and_end(void)
{
	struct mmu_notifier_range range;

	range_open(&range, &m->pub, 0, PAGE);
	mmu_notifier_invalidate_range_end(&range);
}

/*
 * Subscriptions to a managed mm live on in a forked child, records do not: a
 * begin on the same record, at the same incarnation, as the parent's last one
 * must still be a collision. Fork until a child's tid leads to that record.
 */
TEST(child_collides_with_what_the_parent_left)
{
	int i, status = 0;

	start_test();
	begin_and_end();
	for (i = 0; i < 4 * MM_OPEN_MAX && !status; i++) {
		pid_t pid = fork();
		unsigned long seq;

		if (!pid && (getpid() - getppid()) % MM_OPEN_MAX)
			_exit(0);
		if (!pid) {
			seq = mmu_interval_read_begin(&sub.mni);
			begin_and_end();
			EXPECT_TRUE(mmu_interval_read_retry(&sub.mni, seq));
			_exit(1);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
	}
	if (!status)
		SKIP("no child had a fitting tid");
	EXPECT_TRUE(WIFEXITED(status));
}
