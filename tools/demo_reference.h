/* SPDX-License-Identifier: MIT */
/*
 * tools/demo_reference.h - what a consumer does to be coherent: all of it.
 *
 * This is the pattern of <mmun/mmu_interval_notifier.h>, for one reference.
 */
#ifndef MMUN_TOOLS_DEMO_REFERENCE_H
#define MMUN_TOOLS_DEMO_REFERENCE_H

#include <mmun/mmu_interval_notifier.h>

/**
 * struct reference - an external reference to a piece of memory.
 * @lock: a spinlock; taken in callbacks, which must not sleep, so it is never
 *        held across anything that allocates, frees or unmaps.
 * @stale: the memory behind the reference has gone.
 * @renew: make the reference anew; 0 or a negative errno. May sleep.
 */
struct reference {
	struct mmu_interval_notifier mni;
	unsigned char lock;
	bool stale;
	unsigned long renewed;
	int (*renew)(struct reference *ref);
};

static inline void reference_lock(struct reference *ref)
{
	while (__atomic_test_and_set(&ref->lock, __ATOMIC_ACQUIRE))
		;
}

static inline void reference_unlock(struct reference *ref)
{
	__atomic_clear(&ref->lock, __ATOMIC_RELEASE);
}

static inline bool reference_invalidate(struct mmu_interval_notifier *mni,
					const struct mmu_notifier_range *range,
					unsigned long cur_seq)
{
	struct reference *ref =
		(struct reference *)((char *)mni -
				     offsetof(struct reference, mni));

	reference_lock(ref);
	mmu_interval_set_seq(mni, cur_seq);
	ref->stale = true;
	reference_unlock(ref);
	return true;
}

static const struct mmu_interval_notifier_ops reference_ops = {
	.invalidate = reference_invalidate,
};

/* Watch [start, start + length); the reference counts as fresh. */
static inline int reference_watch(struct reference *ref, void *start,
				  unsigned long length)
{
	ref->stale = false;
	return mmu_interval_notifier_insert(&ref->mni, mm_self(),
					    (unsigned long)start, length,
					    &reference_ops);
}

/* Before each use: make it anew if the memory went away meanwhile. */
static inline int reference_refresh(struct reference *ref)
{
	unsigned long seq;
	bool again;
	int ret;

	reference_lock(ref);
	again = ref->stale;
	reference_unlock(ref);
	while (again) {
		seq = mmu_interval_read_begin(&ref->mni);
		ret = ref->renew(ref);
		if (ret)
			return ret;
		ref->renewed++;
		reference_lock(ref);
		again = mmu_interval_read_retry(&ref->mni, seq);
		if (!again)
			ref->stale = false;
		reference_unlock(ref);
	}
	return 0;
}

#endif /* MMUN_TOOLS_DEMO_REFERENCE_H */
