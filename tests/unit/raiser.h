/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/raiser.h - a thread that keeps a range of shared_mm open until
 * it is told to close it, and one that tells it, once somebody else has said
 * that he waits (a second bump of opened).
 */
#ifndef TESTS_UNIT_RAISER_H
#define TESTS_UNIT_RAISER_H

#include "tests/unit/witness.h"

static struct mm_struct *shared_mm;
static unsigned int opened, may_close, done;

static inline void *open_a_range(void *arg)
{
	struct mmu_notifier_range range;

	range_open(&range, shared_mm, 0, 8 * PAGE);
	bump(&opened);
	await(&may_close, 1);
	bump(&done);
	mmu_notifier_invalidate_range_end(&range);
	return NULL;
}

static inline void *close_it_soon(void *arg)
{
	await(&opened, 2);
	msleep(50);
	bump(&may_close);
	return NULL;
}

#endif /* TESTS_UNIT_RAISER_H */
