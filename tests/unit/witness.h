/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/witness.h - subscriptions that write down what they are told,
 * and a managed address space of a few pages to tell them of.
 */
#ifndef TESTS_UNIT_WITNESS_H
#define TESTS_UNIT_WITNESS_H

#include <mmun/mm.h>
#include <mmun/mmu_interval_notifier.h>
#include <mmun/mmu_notifier.h>
#include <mmun/mmu_rmap_notifier.h>

#include <pthread.h>

#include "tests/tap.h"

#define PAGE 4096ul
#define NPAGES 16ul

/* One clock for all, to see who was told first. 0 is never. */
static unsigned int clock_now __attribute__((unused));

static inline unsigned int tick(void)
{
	return __atomic_add_fetch(&clock_now, 1, __ATOMIC_SEQ_CST);
}

static inline unsigned int count(const unsigned int *n)
{
	return __atomic_load_n(n, __ATOMIC_ACQUIRE);
}

static inline void bump(unsigned int *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_ACQ_REL);
}

/* Callbacks run several at a time. */
#define note(where, value) __atomic_store_n(where, value, __ATOMIC_RELAXED)

static pthread_mutex_t note_lock
	__attribute__((unused)) = PTHREAD_MUTEX_INITIALIZER;

/* ---- class 1 ---- */

struct witness {
	struct mmu_notifier mn;
	unsigned int release, all, age, page, begin, end, freed;
	unsigned int when_all, when_release, when_begin, when_end, when_page;
	unsigned long address, first, last; /* of the latest event */
	int atomic;
	int young;
	void (*act)(struct witness *w); /* runs in every callback */
};

static inline struct witness *to_witness(struct mmu_notifier *mn)
{
	return (struct witness *)((char *)mn - offsetof(struct witness, mn));
}

static void witness_act(struct witness *w)
{
	if (w->act)
		w->act(w);
}

static void witness_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct witness *w = to_witness(mn);

	bump(&w->release);
	note(&w->when_release, tick());
	witness_act(w);
}

static void witness_all(struct mmu_notifier *mn, struct mm_struct *mm,
			int dummy)
{
	struct witness *w = to_witness(mn);

	bump(&w->all);
	note(&w->when_all, tick());
	witness_act(w);
}

static int witness_age(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long address)
{
	struct witness *w = to_witness(mn);

	bump(&w->age);
	note(&w->address, address);
	witness_act(w);
	return w->young;
}

static void witness_page(struct mmu_notifier *mn, struct mm_struct *mm,
			 unsigned long address)
{
	struct witness *w = to_witness(mn);

	bump(&w->page);
	note(&w->when_page, tick());
	note(&w->address, address);
	witness_act(w);
}

static void witness_begin(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end, int atomic)
{
	struct witness *w = to_witness(mn);

	bump(&w->begin);
	note(&w->when_begin, tick());
	note(&w->first, start);
	note(&w->last, end - 1);
	note(&w->atomic, atomic);
	witness_act(w);
}

static void witness_end(struct mmu_notifier *mn, struct mm_struct *mm,
			int atomic)
{
	struct witness *w = to_witness(mn);

	bump(&w->end);
	note(&w->when_end, tick());
	note(&w->atomic, atomic);
	witness_act(w);
}

static void witness_free(struct mmu_notifier *mn)
{
	bump(&to_witness(mn)->freed);
}

static const struct mmu_notifier_ops witness_ops = {
	.release = witness_release,
	.invalidate_all = witness_all,
	.age_page = witness_age,
	.invalidate_page = witness_page,
	.invalidate_range_begin = witness_begin,
	.invalidate_range_end = witness_end,
	.free_notifier = witness_free,
};

static inline int witness_register(struct witness *w, struct mm_struct *mm)
{
	w->mn.ops = &witness_ops;
	return mmu_notifier_register(&w->mn, mm);
}

/* ---- class 2 ---- */

struct rmap_witness {
	struct mmu_rmap_notifier mrn;
	unsigned int told;
	struct page *page;
	int was_locked;
	void (*act)(struct rmap_witness *w, struct page *page);
};

static void rmap_witness_page(struct mmu_rmap_notifier *mrn, struct page *page)
{
	struct rmap_witness *w =
		(struct rmap_witness *)((char *)mrn -
					offsetof(struct rmap_witness, mrn));

	bump(&w->told);
	w->page = page;
	w->was_locked = PageLocked(page);
	if (w->act)
		w->act(w, page);
}

static const struct mmu_rmap_notifier_ops rmap_witness_ops = {
	.invalidate_page = rmap_witness_page,
};

static inline int rmap_witness_register(struct rmap_witness *w)
{
	w->mrn.ops = &rmap_witness_ops;
	return mmu_rmap_notifier_register(&w->mrn);
}

/* ---- class 3 ---- */

struct interval_witness {
	struct mmu_interval_notifier mni;
	unsigned int invalidate, invalidated;
	unsigned int when_invalidate, when_invalidated;
	struct mmu_notifier_range range; /* of the latest invalidate */
	struct mmu_notifier_range after; /* of the latest invalidated */
	bool refuse;			 /* if it may */
	void (*act)(struct interval_witness *w);
};

static inline struct interval_witness *
to_interval_witness(struct mmu_interval_notifier *mni)
{
	return (struct interval_witness *)((char *)mni -
					   offsetof(struct interval_witness,
						    mni));
}

static inline void note_range(struct mmu_notifier_range *where,
			      const struct mmu_notifier_range *range)
{
	pthread_mutex_lock(&note_lock);
	*where = *range;
	pthread_mutex_unlock(&note_lock);
}

static bool interval_invalidate(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long cur_seq)
{
	struct interval_witness *w = to_interval_witness(mni);

	if (w->refuse && !mmu_notifier_range_blockable(range))
		return false;
	mmu_interval_set_seq(mni, cur_seq);
	bump(&w->invalidate);
	note(&w->when_invalidate, tick());
	note_range(&w->range, range);
	if (w->act)
		w->act(w);
	return true;
}

static void interval_invalidated(struct mmu_interval_notifier *mni,
				 const struct mmu_notifier_range *range)
{
	struct interval_witness *w = to_interval_witness(mni);

	bump(&w->invalidated);
	note(&w->when_invalidated, tick());
	note_range(&w->after, range);
}

static const struct mmu_interval_notifier_ops interval_witness_ops = {
	.invalidate = interval_invalidate,
	.invalidated = interval_invalidated,
};

static inline int interval_witness_insert(struct interval_witness *w,
					  struct mm_struct *mm,
					  unsigned long start,
					  unsigned long length)
{
	return mmu_interval_notifier_insert(&w->mni, mm, start, length,
					    &interval_witness_ops);
}

/* Is an invalidation open that concerns w? */
static inline bool interval_is_open(struct interval_witness *w)
{
	unsigned long seq;

	return !mmu_interval_try_read_begin(&w->mni, &seq);
}

/* ---- a managed address space ---- */

static struct page vm_page[NPAGES] __attribute__((unused));

static inline struct page *vm_follow_page(struct mm_struct *mm,
					  unsigned long address)
{
	return address / PAGE < NPAGES ? &vm_page[address / PAGE] : NULL;
}

static inline struct mm_struct *vm_alloc(void)
{
	static const struct mm_operations ops = {
		.size = sizeof(ops),
		.follow_page = vm_follow_page,
	};
	struct mm_struct *mm = NULL;
	unsigned long i;

	ASSERT_EQ(mm_alloc_ops(&ops, NULL, &mm), 0);
	for (i = 0; i < NPAGES; i++)
		page_init(&vm_page[i], mm, i * PAGE);
	return mm;
}

static inline void range_open(struct mmu_notifier_range *range,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long end)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, start, end);
	mmu_notifier_invalidate_range_start(range);
}

/* ---- threads ---- */

static inline pthread_t spawn(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, run, arg), 0);
	return thread;
}

static inline void msleep(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* Waits up to ten seconds for a counter to reach n. */
static inline void await(const unsigned int *n, unsigned int wanted)
{
	int i;

	for (i = 0; i < 10000 && count(n) < wanted; i++)
		msleep(1);
	ASSERT_GE(count(n), wanted);
}

#endif /* TESTS_UNIT_WITNESS_H */
