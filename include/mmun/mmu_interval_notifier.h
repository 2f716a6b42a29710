/* SPDX-License-Identifier: MIT */
/*
 * mmun/mmu_interval_notifier.h - class 3: a subscription to a range of an mm,
 * with the collision-retry lock of Linux 5.5. What most users should use.
 *
 * Making a reference to [start, start + length):
 *
 *	again:
 *		seq = mmu_interval_read_begin(&mni);
 *		... resolve or pin the pages; may sleep, no user lock ...
 *		lock(user_lock);
 *		if (mmu_interval_read_retry(&mni, seq)) {
 *			unlock(user_lock);
 *			... drop what was pinned ...
 *			goto again;			(bound the retries)
 *		}
 *		... publish the reference ...
 *		unlock(user_lock);
 *
 * Dropping it, in invalidate():
 *
 *		lock(user_lock);
 *		mmu_interval_set_seq(mni, cur_seq);	(always, first)
 *		... unpublish everything in the range; report dirt ...
 *		unlock(user_lock);
 *		return true;
 *
 * For mm_self() user_lock is taken in atomic context (see mmu_notifier.h): it
 * must be a spinlock of the user's own that is never held across a call that
 * may allocate, free or unmap.
 */
#ifndef MMUN_MMU_INTERVAL_NOTIFIER_H
#define MMUN_MMU_INTERVAL_NOTIFIER_H

#include <mmun/mmu_notifier.h>

MMUN_BEGIN_DECLS

struct mmu_interval_notifier;

struct mmu_interval_notifier_ops {
	/*
	 * Something in *range is about to change. Call
	 * mmu_interval_set_seq(mni, cur_seq) under the user lock first, drop
	 * every reference in the overlap, return true. range may be wider
	 * than the subscription. If !mmu_notifier_range_blockable(range) it
	 * must not sleep and may return false without having changed
	 * anything: then it is called again, or the change is called off.
	 */
	bool (*invalidate)(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq);

	/*
	 * Optional: that change is over. Exactly once per invalidate() that
	 * returned true, unless the subscription was removed between.
	 * range->flags has MMU_NOTIFIER_RANGE_FAILED if nothing changed.
	 * Must not sleep if !mmu_notifier_range_blockable(range).
	 */
	void (*invalidated)(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range);
};

/**
 * struct mmu_interval_notifier - a range subscription; embedded by its owner.
 * @start: first byte; after insertion read only.
 * @last: last byte (inclusive, as in the kernel's interval tree).
 * @ops: the callbacks.
 * @mm: where it is inserted, or NULL; library's.
 * @invalidate_seq: collision-retry sequence; use the accessors.
 * @born: which begins it is told of; library's.
 * @owner: not told of changes that carry this owner; NULL: told of all.
 * @events: bit mask of the events it is told of.
 * @magic: library's, must start as 0.
 */
struct mmu_interval_notifier {
	unsigned long start;
	unsigned long last;
	const struct mmu_interval_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned long invalidate_seq;
	unsigned long born;
	void *owner;
	unsigned long events;
	unsigned long magic;
};

/**
 * struct mmu_interval_options - for mmu_interval_notifier_insert_options().
 * @size: sizeof(struct mmu_interval_options).
 * @owner: do not tell of changes that carry this owner (NULL: tell of all).
 * @events: mask of 1ul << MMU_NOTIFY_...; 0 means all. Events that are not
 *          in enum mmu_notifier_event count as CLEAR.
 */
struct mmu_interval_options {
	size_t size;
	void *owner;
	unsigned long events;
};

#ifdef CONFIG_MMU_NOTIFIER

int mmun_interval_insert(struct mmu_interval_notifier *mni,
			 struct mm_struct *mm, unsigned long start,
			 unsigned long length,
			 const struct mmu_interval_notifier_ops *ops,
			 const struct mmu_interval_options *options);
int mmun_interval_remove(struct mmu_interval_notifier *mni);
unsigned long mmun_interval_read_begin(struct mmu_interval_notifier *mni);
bool mmun_interval_try_read_begin(struct mmu_interval_notifier *mni,
				  unsigned long *seq);
void mmun_interval_retried(struct mmu_interval_notifier *mni);

/**
 * mmu_interval_notifier_insert - subscribe to [start, start + length).
 * @mni: the owner's; zero it before its first use.
 * @mm: the address space.
 * @start: first byte, need not be aligned nor mapped.
 * @length: bytes, not 0, must not wrap.
 * @ops: the callbacks; ops->invalidate is required.
 *
 * O(log n), never waits for an invalidation (mmu_interval_read_begin() does:
 * a newcomer inherits those that are open). May be called while other threads
 * raise, walk, insert and remove; not from atomic context. Holds the
 * structure of @mm.
 *
 * Returns 0; -EINVAL (bad range, no ops, no mm), -EEXIST (is inserted),
 * -ESRCH (@mm is dying), -ENOMEM, -EDEADLK (from a callback of @mm), or for
 * mm_self() the error of mm_arm().
 */
static inline int
mmu_interval_notifier_insert(struct mmu_interval_notifier *mni,
			     struct mm_struct *mm, unsigned long start,
			     unsigned long length,
			     const struct mmu_interval_notifier_ops *ops)
{
	return mmun_interval_insert(mni, mm, start, length, ops, NULL);
}

/**
 * mmu_interval_notifier_insert_options - the same, with owner and events.
 *
 * Additionally -E2BIG or -EINVAL for options this version does not know.
 */
static inline int mmu_interval_notifier_insert_options(
	struct mmu_interval_notifier *mni, struct mm_struct *mm,
	unsigned long start, unsigned long length,
	const struct mmu_interval_notifier_ops *ops,
	const struct mmu_interval_options *options)
{
	return mmun_interval_insert(mni, mm, start, length, ops, options);
}

/**
 * mmu_interval_notifier_remove - no callback runs or will run on return.
 *
 * Waits for running callbacks; never call it holding a lock that they take.
 * Returns 0; -ENOENT (not inserted, or into mm_self() by the parent of a
 * forked process);
 * -EDEADLK (from a callback of this mm).
 */
static inline int
mmu_interval_notifier_remove(struct mmu_interval_notifier *mni)
{
	return mmun_interval_remove(mni);
}

/**
 * mmu_interval_read_begin - start to make a reference.
 *
 * Waits until no invalidation that overlaps @mni is open. Not from a callback
 * nor inside an invalidation of the calling thread: there it returns 0, with
 * which mmu_interval_read_retry() always says true. Sleepable context.
 */
static inline unsigned long
mmu_interval_read_begin(struct mmu_interval_notifier *mni)
{
	return mmun_interval_read_begin(mni);
}

/**
 * mmu_interval_try_read_begin - the same, never waits.
 * @seq: out, set on success only.
 *
 * Any context. false: an invalidation that overlaps @mni is open. It never
 * looks whether the thread of that one still lives; read_begin does.
 */
static inline bool
mmu_interval_try_read_begin(struct mmu_interval_notifier *mni,
			    unsigned long *seq)
{
	return mmun_interval_try_read_begin(mni, seq);
}

/**
 * mmu_interval_check_retry - has a collision happened? A cheap hint while
 * resolving, without the user lock; false proves nothing.
 */
static inline bool mmu_interval_check_retry(struct mmu_interval_notifier *mni,
					    unsigned long seq)
{
	/* Pairs with the store in mmu_interval_set_seq(); a hint only. */
	return __atomic_load_n(&mni->invalidate_seq, __ATOMIC_RELAXED) != seq;
}

/**
 * mmu_interval_read_retry - must what was resolved since read_begin be
 * thrown away? Call it under the user lock, publish under the same.
 */
static inline bool mmu_interval_read_retry(struct mmu_interval_notifier *mni,
					   unsigned long seq)
{
	if (mmun_unlikely(mmu_interval_check_retry(mni, seq))) {
		mmun_interval_retried(mni);
		return true;
	}
	return false;
}

/**
 * mmu_interval_set_seq - in invalidate(), under the user lock, always.
 */
static inline void mmu_interval_set_seq(struct mmu_interval_notifier *mni,
					unsigned long cur_seq)
{
	__atomic_store_n(&mni->invalidate_seq, cur_seq, __ATOMIC_RELAXED);
}

#else /* !CONFIG_MMU_NOTIFIER */

static inline int
mmu_interval_notifier_insert(struct mmu_interval_notifier *mni,
			     struct mm_struct *mm, unsigned long start,
			     unsigned long length,
			     const struct mmu_interval_notifier_ops *ops)
{
	(void)mni;
	(void)mm;
	(void)start;
	(void)length;
	(void)ops;
	return 0;
}

static inline int mmu_interval_notifier_insert_options(
	struct mmu_interval_notifier *mni, struct mm_struct *mm,
	unsigned long start, unsigned long length,
	const struct mmu_interval_notifier_ops *ops,
	const struct mmu_interval_options *options)
{
	(void)options;
	return mmu_interval_notifier_insert(mni, mm, start, length, ops);
}

static inline int
mmu_interval_notifier_remove(struct mmu_interval_notifier *mni)
{
	(void)mni;
	return 0;
}

static inline unsigned long
mmu_interval_read_begin(struct mmu_interval_notifier *mni)
{
	(void)mni;
	return 1;
}

static inline bool
mmu_interval_try_read_begin(struct mmu_interval_notifier *mni,
			    unsigned long *seq)
{
	(void)mni;
	*seq = 1;
	return true;
}

static inline bool mmu_interval_check_retry(struct mmu_interval_notifier *mni,
					    unsigned long seq)
{
	(void)mni;
	(void)seq;
	return false;
}

static inline bool mmu_interval_read_retry(struct mmu_interval_notifier *mni,
					   unsigned long seq)
{
	(void)mni;
	(void)seq;
	return false;
}

static inline void mmu_interval_set_seq(struct mmu_interval_notifier *mni,
					unsigned long cur_seq)
{
	(void)mni;
	(void)cur_seq;
}

#endif /* CONFIG_MMU_NOTIFIER */

MMUN_END_DECLS

#endif /* MMUN_MMU_INTERVAL_NOTIFIER_H */
