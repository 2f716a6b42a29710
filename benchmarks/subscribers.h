/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/subscribers.h - subscriptions whose callbacks do nothing.
 */
#ifndef BENCH_SUBSCRIBERS_H
#define BENCH_SUBSCRIBERS_H

#include <mmun/mmu_interval_notifier.h>
#include <mmun/mmu_notifier.h>

#include "benchmarks/calls.h"

static inline void nothing_begin(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end,
				 int atomic)
{
}

static inline void nothing_end(struct mmu_notifier *mn, struct mm_struct *mm,
			       int atomic)
{
}

static const struct mmu_notifier_ops nothing_ops = {
	.invalidate_range_begin = nothing_begin,
	.invalidate_range_end = nothing_end,
};

static inline bool nothing_invalidate(struct mmu_interval_notifier *mni,
				      const struct mmu_notifier_range *range,
				      unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static inline void nothing_invalidated(struct mmu_interval_notifier *mni,
				       const struct mmu_notifier_range *range)
{
}

static const struct mmu_interval_notifier_ops nothing_interval_ops = {
	.invalidate = nothing_invalidate,
	.invalidated = nothing_invalidated,
};

/* A side without its subscriptions has nothing to measure. */
static inline void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-rc));
	_exit(1);
}

static inline void subscribe(struct mm_struct *mm, long nr)
{
	struct mmu_notifier *mn = calloc((size_t)nr, sizeof(*mn));

	for (; nr; nr--, mn++) {
		mn->ops = &nothing_ops;
		must(mmu_notifier_register(mn, mm), "register");
	}
}

static inline void subscribe_range(struct mm_struct *mm, unsigned long start,
				   unsigned long length)
{
	struct mmu_interval_notifier *mni = calloc(1, sizeof(*mni));

	must(mmu_interval_notifier_insert(mni, mm, start, length,
					  &nothing_interval_ops),
	     "insert");
}

/* Every other page from start on; returns the subscriptions. */
static inline struct mmu_interval_notifier *
subscribe_even(struct mm_struct *mm, unsigned long start, unsigned long nr)
{
	struct mmu_interval_notifier *mni = calloc(nr, sizeof(*mni));
	unsigned long i;

	for (i = 0; i < nr; i++)
		must(mmu_interval_notifier_insert(mni + i, mm,
						  start + i * 2 * PAGE, PAGE,
						  &nothing_interval_ops),
		     "insert");
	return mni;
}

/* One invalidation, from start to end, as an embedder announces it. */
static inline void announce(struct mm_struct *mm, unsigned long start)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, start,
				start + PAGE);
	if (!mmu_notifier_invalidate_range_start_nonblock(&range))
		mmu_notifier_invalidate_range_end(&range);
}

#endif /* BENCH_SUBSCRIBERS_H */
