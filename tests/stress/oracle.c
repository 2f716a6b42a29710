/* SPDX-License-Identifier: MIT */
/*
 * The collision-retry oracle: a page table that mutators change under begin
 * and end, and shadows of it that readers make under the protocol of class 3.
 * Whoever looks at a shadow under its lock must find the table's value or
 * nothing: all else is a stale use. None may happen, and each step of the
 * protocol that is left out must make some happen, or the oracle is blind.
 */
#include "tests/stress/stress.h"

#define NPAGES 64
#define NSHADOWS 8 /* they overlap: NPAGES / 4 pages each */
#define SHADOWED (NPAGES / 4)
#define NREADERS 3
#define NMUTATORS 2

enum leave_out { NOTHING, RETRY, BEGIN, WAIT };

struct shadow {
	struct mmu_interval_notifier mni;
	pthread_mutex_t lock;
	unsigned long first; /* page number */
	unsigned long pte[SHADOWED];
	unsigned long open; /* told and not yet untold */
};

static struct vm {
	struct mm_struct *mm;
	enum leave_out out;
	unsigned long pte[NPAGES];
	struct shadow shadow[NSHADOWS];
	unsigned long made, retried, used, stale, changed, unbalanced;
} vm;

static struct shadow *to_shadow(struct mmu_interval_notifier *mni)
{
	return (struct shadow *)((char *)mni - offsetof(struct shadow, mni));
}

static bool shadow_invalidate(struct mmu_interval_notifier *mni,
			      const struct mmu_notifier_range *range,
			      unsigned long cur_seq)
{
	struct shadow *s = to_shadow(mni);
	unsigned long i;

	if (mmu_notifier_range_blockable(range))
		pthread_mutex_lock(&s->lock);
	else if (pthread_mutex_trylock(&s->lock))
		return false;
	mmu_interval_set_seq(mni, cur_seq);
	for (i = 0; i < SHADOWED; i++)
		if ((s->first + i) * PAGE >= range->start &&
		    (s->first + i) * PAGE < range->end)
			s->pte[i] = 0;
	pthread_mutex_unlock(&s->lock);
	add(&s->open, 1);
	return true;
}

static void shadow_invalidated(struct mmu_interval_notifier *mni,
			       const struct mmu_notifier_range *range)
{
	if ((long)add(&to_shadow(mni)->open, -1) < 0)
		add(&vm.unbalanced, 1);
}

static const struct mmu_interval_notifier_ops shadow_ops = {
	.invalidate = shadow_invalidate,
	.invalidated = shadow_invalidated,
};

static void maybe_yield(struct worker *w)
{
	if (below(&w->random, 4) == 0)
		sched_yield();
}

/* Shadow lock held. */
static void use(struct shadow *s, unsigned long i)
{
	if (!s->pte[i])
		return;
	add(&vm.used, 1);
	if (s->pte[i] != get(&vm.pte[s->first + i]))
		add(&vm.stale, 1);
}

static unsigned long read_begin(struct shadow *s)
{
	/* A generation that moves at begin and is not waited for. */
	if (vm.out == WAIT)
		return get(&s->mni.invalidate_seq);
	return mmu_interval_read_begin(&s->mni);
}

static void make(struct worker *w, struct shadow *s, unsigned long i)
{
	unsigned long seq = read_begin(s);
	unsigned long pte = get(&vm.pte[s->first + i]);

	maybe_yield(w);
	pthread_mutex_lock(&s->lock);
	if (vm.out == RETRY || !mmu_interval_read_retry(&s->mni, seq)) {
		s->pte[i] = pte;
		add(&vm.made, 1);
		use(s, i);
	} else {
		add(&vm.retried, 1);
	}
	pthread_mutex_unlock(&s->lock);
}

static void reader(struct worker *w)
{
	struct shadow *s = &vm.shadow[below(&w->random, NSHADOWS)];
	unsigned long i = below(&w->random, SHADOWED);

	make(w, s, i);
	pthread_mutex_lock(&s->lock);
	for (i = 0; i < SHADOWED; i++)
		use(s, i);
	pthread_mutex_unlock(&s->lock);
}

static void change(struct worker *w, unsigned long first, unsigned long n)
{
	for (; n; n--, first++) {
		add(&vm.pte[first], 1);
		maybe_yield(w);
	}
	add(&vm.changed, 1);
}

static void mutator(struct worker *w)
{
	unsigned long n = 1 + below(&w->random, 4);
	unsigned long first = below(&w->random, NPAGES - n);
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, vm.mm,
				first * PAGE, (first + n) * PAGE);
	if (vm.out == BEGIN) {
		change(w, first, n);
		return;
	}
	if (below(&w->random, 2)) {
		mmu_notifier_invalidate_range_start(&range);
	} else if (mmu_notifier_invalidate_range_start_nonblock(&range)) {
		return;
	}
	maybe_yield(w);
	change(w, first, n);
	mmu_notifier_invalidate_range_end(&range);
}

static void run(enum leave_out out)
{
	struct worker workers[NREADERS + NMUTATORS];
	uint64_t seed = stress_seed();
	int i;

	vm.out = out;
	vm.mm = mm_alloc();
	for (i = 0; i < NPAGES; i++)
		vm.pte[i] = 1;
	for (i = 0; i < NSHADOWS; i++) {
		struct shadow *s = &vm.shadow[i];

		pthread_mutex_init(&s->lock, NULL);
		s->first = i * (NPAGES - SHADOWED) / (NSHADOWS - 1);
		ASSERT_EQ(mmu_interval_notifier_insert(
				  &s->mni, vm.mm, s->first * PAGE,
				  SHADOWED * PAGE, &shadow_ops),
			  0);
	}
	for (i = 0; i < NREADERS + NMUTATORS; i++)
		worker_start(&workers[i], i, seed,
			     i < NREADERS ? reader : mutator, NULL);
	workers_run(workers, i, stress_ms(4));
	for (i = 0; i < NSHADOWS; i++) {
		EXPECT_EQ(vm.shadow[i].open, 0);
		EXPECT_EQ(mmu_interval_notifier_remove(&vm.shadow[i].mni), 0);
	}
	mmput(vm.mm);
	tap_say("# made %lu, retried %lu, used %lu, stale %lu, changed %lu",
		vm.made, vm.retried, vm.used, vm.stale, vm.changed);
	EXPECT_EQ(vm.unbalanced, 0);
	EXPECT_GT(vm.changed, 0);
	EXPECT_GT(vm.used, 0);
}

TEST(protocol_kept)
{
	run(NOTHING);
	EXPECT_EQ(vm.stale, 0);
	EXPECT_GT(vm.retried, 0);
}

TEST(without_retry)
{
	run(RETRY);
	EXPECT_GT(vm.stale, 0);
}

TEST(without_begin)
{
	run(BEGIN);
	EXPECT_GT(vm.stale, 0);
}

TEST(generation_that_moves_at_begin_only)
{
	run(WAIT);
	EXPECT_GT(vm.stale, 0);
}
