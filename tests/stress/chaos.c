/* SPDX-License-Identifier: MIT */
/*
 * Forks in the middle of everything, and signals at 1 kHz whose handlers raise
 * on the same address space. The callbacks only count: they may run anywhere.
 */
#include "tests/stress/stress.h"

#include <mmun/workqueue.h>

#define NSUBS 64
#define NWORKERS 3
#define SPACE (1ul << 24)

struct sub {
	struct mmu_interval_notifier mni;
	unsigned long open, told;
	int in;
};

static struct note {
	struct mmu_notifier mn;
	unsigned long open, told;
} stays;

static struct mm_struct *mm;
static unsigned long unbalanced, failed, raised, handled, worked;

static bool sub_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	struct sub *s = (struct sub *)((char *)mni - offsetof(struct sub, mni));

	mmu_interval_set_seq(mni, cur_seq);
	add(&s->open, 1);
	add(&s->told, 1);
	return true;
}

static void sub_invalidated(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range)
{
	struct sub *s = (struct sub *)((char *)mni - offsetof(struct sub, mni));

	if ((long)add(&s->open, -1) < 0)
		add(&unbalanced, 1);
}

static const struct mmu_interval_notifier_ops sub_ops = {
	.invalidate = sub_invalidate,
	.invalidated = sub_invalidated,
};

static void note_begin(struct mmu_notifier *mn, struct mm_struct *m,
		       unsigned long start, unsigned long end, int atomic)
{
	add(&((struct note *)mn)->open, 1);
	add(&((struct note *)mn)->told, 1);
}

static void note_end(struct mmu_notifier *mn, struct mm_struct *m, int atomic)
{
	if ((long)add(&((struct note *)mn)->open, -1) < 0)
		add(&unbalanced, 1);
}

static const struct mmu_notifier_ops note_ops = {
	.invalidate_range_begin = note_begin,
	.invalidate_range_end = note_end,
};

static void raise_at(struct random *r)
{
	unsigned long start = below(r, SPACE), end = start + 1 + below(r, 8192);
	struct mmu_notifier_range range;

	add(&raised, 1);
	if (below(r, 2)) {
		mmu_notifier(invalidate_range_begin, mm, start, end, 1);
		mmu_notifier(invalidate_range_end, mm, 1);
		return;
	}
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, start, end);
	if (mmu_notifier_invalidate_range_start_nonblock(&range))
		return;
	if (below(r, 4) == 0)
		sched_yield();
	mmu_notifier_invalidate_range_end(&range);
}

static void turn(struct sub *s, struct random *r)
{
	if (s->in && mmu_interval_notifier_remove(&s->mni))
		add(&failed, 1);
	if (!s->in) {
		s->open = 0;
		if (mmu_interval_notifier_insert(&s->mni, mm, below(r, SPACE),
						 1 + below(r, SPACE / 8),
						 &sub_ops))
			add(&failed, 1);
	}
	s->in = !s->in;
}

static void step(struct worker *w)
{
	struct sub *subs = (struct sub *)w->shared + w->nr * NSUBS;
	struct sub *s = &subs[below(&w->random, NSUBS)];
	unsigned long seq;
	int i;

	for (i = 0; i < 8; i++)
		raise_at(&w->random);
	turn(s, &w->random);
	if (s->in) {
		seq = mmu_interval_read_begin(&s->mni);
		mmu_interval_read_retry(&s->mni, seq);
	}
}

static void start(struct worker *workers, struct sub *subs)
{
	uint64_t seed = stress_seed();
	int i;

	mm = mm_alloc();
	stays.mn.ops = &note_ops;
	ASSERT_EQ(mmu_notifier_register(&stays.mn, mm), 0);
	for (i = 0; i < NWORKERS; i++)
		worker_start(&workers[i], i, seed, step, subs);
}

static void finish(struct worker *workers, struct sub *subs, long ms)
{
	int i;

	workers_run(workers, NWORKERS, ms);
	for (i = 0; i < NWORKERS * NSUBS; i++) {
		if (!subs[i].in) /* removed before an end: is not told */
			continue;
		EXPECT_EQ(subs[i].open, 0);
		EXPECT_EQ(mmu_interval_notifier_remove(&subs[i].mni), 0);
	}
	EXPECT_EQ(stays.open, 0);
	EXPECT_GT(stays.told, 0);
	EXPECT_EQ(mmu_notifier_unregister(&stays.mn, mm), 0);
	mmput(mm);
	EXPECT_EQ(unbalanced, 0);
	EXPECT_EQ(failed, 0);
}

/* ---- fork ---- */

static void do_work(struct work_struct *work)
{
	add(&worked, 1);
}

/*
 * What the parent's other threads held or had open is not there; what they
 * had subscribed (as far as it was complete) is.
 */
static void child(void)
{
	static struct work_struct work;
	static struct sub mine[NSUBS];
	struct random r = {.state = (uint64_t)getpid() | 1};
	unsigned long seq, before = stays.told;
	int i;

	INIT_WORK(&work, do_work);
	alarm(20);
	unbalanced = failed = 0;
	for (i = 0; i < 2000; i++) {
		turn(&mine[below(&r, NSUBS)], &r);
		add(&stays.open, 1ul << 40); /* its ends are the parent's */
		raise_at(&r);
		add(&stays.open, -(1l << 40));
		schedule_work(&work);
	}
	for (i = 0; i < NSUBS; i++)
		if (mine[i].in) {
			EXPECT_EQ(mine[i].open, 0);
			seq = mmu_interval_read_begin(&mine[i].mni);
			EXPECT_FALSE(
				mmu_interval_read_retry(&mine[i].mni, seq));
			EXPECT_EQ(mmu_interval_notifier_remove(&mine[i].mni),
				  0);
		}
	EXPECT_GT(worked, 0);
	EXPECT_GT(stays.told, before);
	EXPECT_EQ(mmu_notifier_unregister(&stays.mn, mm), 0);
	EXPECT_EQ(failed, 0);
	_exit(0);
}

TEST_TIMEOUT(forks, 60)
{
	static struct sub subs[NWORKERS * NSUBS];
	struct worker workers[NWORKERS];
	long long end = tap_now_ms() + stress_ms(2);
	int status, forks = 0;

	start(workers, subs);
	do {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid)
			child();
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
		forks++;
	} while (tap_now_ms() < end);
	finish(workers, subs, 0);
	tap_say("# forks %d, raised %lu", forks, raised);
}

/* ---- signals ---- */

static void handler(int nr)
{
	static __thread struct random r;
	int e = errno;

	if (!r.state)
		r.state = (uint64_t)gettid() * 0x9e3779b97f4a7c15ull | 1;
	raise_at(&r);
	raise_at(&r);
	add(&handled, 1);
	errno = e;
}

TEST_TIMEOUT(signals, 60)
{
	static struct sub subs[NWORKERS * NSUBS];
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct worker workers[NWORKERS];
	long long end = tap_now_ms() + stress_ms(2);
	unsigned long n = 0;

	ASSERT_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	start(workers, subs);
	do {
		struct timespec t = {0, 1000000 / NWORKERS};

		nanosleep(&t, NULL);
		ASSERT_EQ(pthread_kill(workers[n++ % NWORKERS].thread, SIGUSR1),
			  0);
	} while (tap_now_ms() < end);
	finish(workers, subs, 0);
	tap_say("# raised %lu, of them by handlers %lu", raised, 2 * handled);
	EXPECT_GT(handled, 0);
}
