/* SPDX-License-Identifier: MIT */
/*
 * Subscriptions of classes 1 and 3 that come and go while threads raise. What
 * was removed is poisoned at once: no callback may see it. Every end has its
 * begin.
 */
#include "tests/stress/stress.h"

#define ALIVE 0x600d600d600d600dul
#define NRAISERS 2
#define NCHURNERS 2
#define WINDOW 50000 /* subscriptions a churner has at a time */
#define SPACE (1ul << 30)

static struct mm_struct *mm;
static unsigned long poisoned, unbalanced, raised, told, turned, failed;

/* ---- class 3 ---- */

struct sub {
	struct mmu_interval_notifier mni;
	unsigned long canary;
	unsigned long open;
};

static struct sub *to_sub(struct mmu_interval_notifier *mni)
{
	return (struct sub *)((char *)mni - offsetof(struct sub, mni));
}

static bool sub_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	struct sub *s = to_sub(mni);

	if (get(&s->canary) != ALIVE)
		add(&poisoned, 1);
	mmu_interval_set_seq(mni, cur_seq);
	add(&s->open, 1);
	add(&told, 1);
	return true;
}

static void sub_invalidated(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range)
{
	struct sub *s = to_sub(mni);

	if (get(&s->canary) != ALIVE)
		add(&poisoned, 1);
	if ((long)add(&s->open, -1) < 0)
		add(&unbalanced, 1);
}

static const struct mmu_interval_notifier_ops sub_ops = {
	.invalidate = sub_invalidate,
	.invalidated = sub_invalidated,
};

static void sub_insert(struct worker *w, struct sub *s)
{
	unsigned long start = below(&w->random, SPACE);
	unsigned long length = 1 + below(&w->random, 64 * PAGE);

	memset(s, 0, sizeof(*s));
	set(&s->canary, ALIVE);
	if (mmu_interval_notifier_insert(&s->mni, mm, start, length, &sub_ops))
		add(&failed, 1);
}

static void sub_remove(struct sub *s)
{
	if (mmu_interval_notifier_remove(&s->mni))
		add(&failed, 1);
	/* Not ops: a late callback shall be counted, not crash. */
	set(&s->canary, 0xdead);
}

static void churn_subs(struct worker *w)
{
	struct sub **subs = w->shared;
	struct sub *s = &subs[w->nr][below(&w->random, WINDOW)];

	if (s->canary == ALIVE)
		sub_remove(s);
	else
		sub_insert(w, s);
	add(&turned, 1);
}

static void raise_somewhere(struct worker *w)
{
	unsigned long start = below(&w->random, SPACE);
	unsigned long length = 1 + below(&w->random, 16 * PAGE);
	struct mmu_notifier_range range;

	add(&raised, 1);
	if (below(&w->random, 512) == 0) {
		mmu_notifier(invalidate_all, mm, 0);
		return;
	}
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, start,
				start + length);
	if (below(&w->random, 4)) {
		mmu_notifier_invalidate_range_start(&range);
		if (below(&w->random, 8) == 0)
			sched_yield();
		mmu_notifier_invalidate_range_end(&range);
	} else {
		mmu_notifier(invalidate_range_begin, mm, start, start + length,
			     1);
		mmu_notifier(invalidate_range_end, mm, 1);
	}
}

TEST(interval_subscriptions_come_and_go)
{
	static struct sub *subs[NCHURNERS];
	struct worker workers[NCHURNERS + NRAISERS];
	uint64_t seed = stress_seed();
	int i, k;

	mm = mm_alloc();
	for (i = 0; i < NCHURNERS; i++) {
		subs[i] = calloc(WINDOW, sizeof(struct sub));
		workers[0].random.state = seed * 2 + 1;
		for (k = 0; k < WINDOW; k++)
			sub_insert(&workers[0], &subs[i][k]);
	}
	for (i = 0; i < NCHURNERS + NRAISERS; i++)
		worker_start(&workers[i], i, seed,
			     i < NCHURNERS ? churn_subs : raise_somewhere,
			     subs);
	workers_run(workers, i, stress_ms(3));
	for (i = 0; i < NCHURNERS; i++)
		for (k = 0; k < WINDOW; k++)
			if (subs[i][k].canary == ALIVE) {
				if (subs[i][k].open)
					add(&unbalanced, 1);
				sub_remove(&subs[i][k]);
			}
	for (i = 0; i < NCHURNERS; i++)
		free(subs[i]);
	mmput(mm);
	tap_say("# turned %lu, raised %lu, told %lu", turned, raised, told);
	EXPECT_EQ(poisoned, 0);
	EXPECT_EQ(unbalanced, 0);
	EXPECT_EQ(failed, 0);
	EXPECT_GT(told, 0);
}

/* ---- class 1 ---- */

struct note {
	struct mmu_notifier mn;
	unsigned long canary;
	unsigned long open;
	unsigned long released;
};

static unsigned long freed, put, released;

static struct note *to_note(struct mmu_notifier *mn)
{
	return (struct note *)((char *)mn - offsetof(struct note, mn));
}

static void note_check(struct note *n)
{
	if (get(&n->canary) != ALIVE)
		add(&poisoned, 1);
}

static void note_begin(struct mmu_notifier *mn, struct mm_struct *m,
		       unsigned long start, unsigned long end, int atomic)
{
	note_check(to_note(mn));
	add(&to_note(mn)->open, 1);
	add(&told, 1);
}

static void note_end(struct mmu_notifier *mn, struct mm_struct *m, int atomic)
{
	note_check(to_note(mn));
	if ((long)add(&to_note(mn)->open, -1) < 0)
		add(&unbalanced, 1);
}

static void note_all(struct mmu_notifier *mn, struct mm_struct *m, int dummy)
{
	note_check(to_note(mn));
}

static void note_release(struct mmu_notifier *mn, struct mm_struct *m)
{
	note_check(to_note(mn));
	if (add(&to_note(mn)->released, 1) != 1)
		add(&unbalanced, 1);
	add(&released, 1);
}

static void note_free(struct mmu_notifier *mn)
{
	struct note *n = to_note(mn);

	note_check(n);
	set(&n->canary, 0xdead);
	free(n);
	add(&freed, 1);
}

static const struct mmu_notifier_ops note_ops = {
	.invalidate_range_begin = note_begin,
	.invalidate_range_end = note_end,
	.invalidate_all = note_all,
	.release = note_release,
	.free_notifier = note_free,
};

static struct note *note_new(void)
{
	struct note *n = calloc(1, sizeof(*n));

	n->mn.ops = &note_ops;
	set(&n->canary, ALIVE);
	return n;
}

static void churn_notes(struct worker *w)
{
	struct note *n = note_new();
	int i;

	if (mmu_notifier_register(&n->mn, mm)) {
		add(&failed, 1);
		return;
	}
	add(&turned, 1);
	for (i = below(&w->random, 4); i; i--)
		sched_yield();
	if (below(&w->random, 2)) {
		add(&put, 1);
		if (mmu_notifier_put(&n->mn))
			add(&failed, 1);
	} else {
		if (mmu_notifier_unregister(&n->mn, mm))
			add(&failed, 1);
		set(&n->canary, 0xdead);
		free(n);
	}
	if (below(&w->random, 16) == 0)
		mmu_notifier_synchronize();
}

TEST(notifiers_come_and_go)
{
	struct worker workers[NCHURNERS + NRAISERS];
	struct note *stays = note_new();
	uint64_t seed = stress_seed();
	int i;

	mm = mm_alloc();
	ASSERT_EQ(mmu_notifier_register(&stays->mn, mm), 0);
	for (i = 0; i < NCHURNERS + NRAISERS; i++)
		worker_start(&workers[i], i, seed,
			     i < NCHURNERS ? churn_notes : raise_somewhere,
			     NULL);
	workers_run(workers, i, stress_ms(3));
	mmu_notifier_synchronize();
	EXPECT_EQ(freed, put);
	EXPECT_EQ(stays->open, 0);
	EXPECT_EQ(mmu_notifier_unregister(&stays->mn, mm), 0);
	free(stays);
	mmput(mm);
	tap_say("# turned %lu, put %lu, raised %lu, told %lu", turned, put,
		raised, told);
	EXPECT_EQ(poisoned, 0);
	EXPECT_EQ(unbalanced, 0);
	EXPECT_EQ(failed, 0);
	EXPECT_GT(told, 0);
}

/* ---- death, against raises, registrations and unregistrations ---- */

#define NNOTES 4

struct round {
	struct mm_struct *mm;
	struct note *note[NNOTES];
	struct sub sub;
	int dead;
};

static void *round_raises(void *arg)
{
	struct round *r = arg;
	struct mmu_notifier_range range;

	while (!__atomic_load_n(&r->dead, __ATOMIC_ACQUIRE)) {
		mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, r->mm, 0,
					PAGE);
		mmu_notifier_invalidate_range_start(&range);
		mmu_notifier_invalidate_range_end(&range);
	}
	mmdrop(r->mm);
	return NULL;
}

/* Either it gets there first or release() was, or is being, called. */
static void *round_unregisters(void *arg)
{
	struct round *r = arg;
	int i, rc;

	for (i = 0; i < NNOTES; i++) {
		rc = mmu_notifier_unregister(&r->note[i]->mn, r->mm);
		if (rc)
			add(&failed, 1);
		set(&r->note[i]->canary, 0xdead);
		if (r->note[i]->released == 0)
			add(&turned, 1);
	}
	mmdrop(r->mm);
	return NULL;
}

static void *round_registers(void *arg)
{
	struct round *r = arg;
	struct note *n = note_new();
	int rc = mmu_notifier_register(&n->mn, r->mm);

	if (rc && rc != -ESRCH)
		add(&failed, 1);
	if (!rc && mmu_notifier_unregister(&n->mn, r->mm))
		add(&failed, 1);
	free(n);
	mmdrop(r->mm);
	return NULL;
}

static void one_round(void)
{
	static void *(*const all[])(void *) = {round_raises, round_unregisters,
					       round_registers};
	struct round r = {.mm = mm_alloc()};
	pthread_t thread[3];
	int i;

	for (i = 0; i < NNOTES; i++) {
		r.note[i] = note_new();
		ASSERT_EQ(mmu_notifier_register(&r.note[i]->mn, r.mm), 0);
	}
	set(&r.sub.canary, ALIVE);
	ASSERT_EQ(mmu_interval_notifier_insert(&r.sub.mni, r.mm, 0, PAGE,
					       &sub_ops),
		  0);
	for (i = 0; i < 3; i++) {
		mmgrab(r.mm);
		ASSERT_EQ(pthread_create(&thread[i], NULL, all[i], &r), 0);
	}
	sched_yield();
	mmput(r.mm);
	__atomic_store_n(&r.dead, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(pthread_join(thread[i], NULL), 0);
	EXPECT_EQ(r.sub.open, 0);
	EXPECT_GT(get(&told), 0);
	ASSERT_EQ(mmu_interval_notifier_remove(&r.sub.mni), 0);
	for (i = 0; i < NNOTES; i++)
		free(r.note[i]);
}

TEST(death)
{
	long long end = tap_now_ms() + stress_ms(3);
	unsigned long rounds = 0;

	do {
		one_round();
		rounds++;
	} while (tap_now_ms() < end);
	tap_say("# rounds %lu, released %lu, unregistered before %lu", rounds,
		released, turned);
	EXPECT_EQ(poisoned, 0);
	EXPECT_EQ(unbalanced, 0);
	EXPECT_EQ(failed, 0);
}
