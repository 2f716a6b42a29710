/* SPDX-License-Identifier: MIT */
/*
 * core/mm.h - what is behind a struct mm_struct.
 *
 * Lock order (outermost first):
 *	mmap_lock  ->  lock  ->  (nothing)
 * lock protects the class 1 list, the interval tree and the hull. It is held
 * with signals blocked, never across a callback, and no raise takes it.
 */
#ifndef MMUN_CORE_MM_H
#define MMUN_CORE_MM_H

#include <mmun/mm.h>
#include <mmun/mmu_interval_notifier.h>
#include <mmun/mmu_notifier.h>

#include "core/itree.h"
#include "core/srcu.h"
#include "sys/lock.h"
#include "sys/sys.h"

#define MM_OPEN_MAX 256

/*
 * struct open - the record of one open invalidation, from before begin until
 * after end. See open.h. Everything but word is written by its raiser only.
 */
struct open {
	union {
		uint64_t word; /* owner and gen in one */
		struct {
			uint32_t owner; /* 0: free; else tid and OPEN_ bits */
			uint32_t gen;	/* incarnation; counts claims */
		};
	};
	unsigned long start; /* half-open */
	unsigned long end;
	unsigned long seq; /* number of the begin; 0: nobody was told */
	unsigned long sp;  /* of the raiser, to find abandoned ones; or 0 */
	void *tag;	   /* range->owner */
	uint16_t event;
	uint16_t flags;
	uint32_t stamp;	  /* order among the macro begins of one thread */
	uint32_t section; /* SRCU section of its raiser, for the reaper; or 0 */
} __attribute__((aligned(64)));

/* The part of an mm that no child may inherit; page aligned, wiped on fork. */
struct mm_volatile {
	struct open open[MM_OPEN_MAX];
	struct srcu_struct srcu;
	struct sys_mutex lock;
	struct sys_mutex arm_lock;
	struct sys_rwlock mmap_lock;
	uint32_t overflow;  /* open invalidations that found no record */
	uint32_t abandoned; /* records marked OPEN_ABANDONED */
	uint32_t waiters;   /* threads that wait for a record to close */
	uint32_t wake;	    /* futex for them */
} __attribute__((aligned(4096)));

/* Page aligned, so that mm_self() can be wiped as a whole. */
struct mm {
	struct mm_struct pub;
	/*
	 * The hull: every subscription lies in [hull_start, hull_last], all
	 * addresses do while there is a class 1 notifier, none (1, 0) while
	 * there is nobody. A raise outside of it looks no further.
	 */
	unsigned long hull_start;
	unsigned long hull_last;
	unsigned long invalidate_seq; /* counts newcomers; see mm_seq() */
	struct itree itree;
	const struct mm_operations *ops;
	void *private_data;
	unsigned int users;
	unsigned int count;
	unsigned int dying;
	unsigned int ready; /* arming is complete */
	struct mm_volatile v;
};

static inline struct mm *to_mm(const struct mm_struct *mm)
{
	return container_of(mm, struct mm, pub);
}

/* The live address space; lies on wiped pages as a whole. */
extern struct mm mmun_self;

static inline bool mm_is_self(const struct mm *m)
{
	return m == &mmun_self;
}

/* Has anybody subscribed to something in [start, end)? Racy, conservative. */
static inline __attribute__((always_inline)) bool
mm_may_hit(const struct mm *m, unsigned long start, unsigned long end)
{
	return start <= __atomic_load_n(&m->hull_last, __ATOMIC_RELAXED) &&
	       end > __atomic_load_n(&m->hull_start, __ATOMIC_RELAXED);
}

/*
 * Newcomers are numbered: odd, never 0, ever growing. A begin has the number
 * of the last one, and is told to those up to it. It only reads the counter,
 * so raises on different processors do not fight for it.
 */
static inline unsigned long mm_seq(const struct mm *m)
{
	/*
	 * Not before the claim of the record; and who has that number or
	 * less is found by the walk.
	 */
	return __atomic_load_n(&m->invalidate_seq, __ATOMIC_SEQ_CST) | 1;
}

static inline unsigned long mm_next_seq(struct mm *m)
{
	return (__atomic_add_fetch(&m->invalidate_seq, 2, __ATOMIC_SEQ_CST)) |
	       1;
}

/*
 * Walk the class 1 list inside an SRCU section. A node that is unlinked
 * meanwhile keeps its next pointer until the section is over.
 */
static inline struct mmu_notifier *mmu_notifier_entry(struct hlist_node *n)
{
	return n ? container_of(n, struct mmu_notifier, hlist) : NULL;
}

#define mmu_notifier_for_each(mn, m)                                        \
	for (mn = mmu_notifier_entry(__atomic_load_n(                       \
		     &(m)->pub.mmu_notifier.head.first, __ATOMIC_ACQUIRE)); \
	     mn; mn = mmu_notifier_entry(                                   \
			 __atomic_load_n(&mn->hlist.next, __ATOMIC_ACQUIRE)))

/*
 * The number of a subscription, drawn by whoever needs it first: itself, or a
 * begin that meets it without one. So a begin that passed it by has a smaller
 * number than it for ever, and its end passes it by as well.
 */
static inline unsigned long mm_number(struct mm *m, unsigned long *born)
{
	unsigned long n, b = __atomic_load_n(born, __ATOMIC_ACQUIRE);

	if (likely(b))
		return b;
	n = mm_next_seq(m);
	return __atomic_compare_exchange_n(born, &b, n, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_ACQUIRE)
		       ? n
		       : b;
}

/* Is mn to be told of the begin numbered seq? */
static inline bool mmu_notifier_born_before(struct mmu_notifier *mn,
					    unsigned long seq)
{
	return (long)(seq - mm_number(to_mm(mn->mm), &mn->born)) >= 0;
}

/* Recompute the hull around a change of the index; lock held. */
void mm_hull_widen(struct mm *m, unsigned long start, unsigned long last);
void mm_hull_update(struct mm *m);

/*
 * Before the first subscription: 0 when raises are recorded from here on.
 * For mm_self() this patches the call sites, through mmun_live_arm.
 */
int mm_ensure_armed(struct mm *m);

/*
 * Set by live/ when it is linked in: arms interception, returns 0 or why not.
 * core must not depend on live, so it asks through this pointer.
 */
extern int (*mmun_live_arm)(void);

/*
 * What callbacks left for a sleepable context: scheduled work, and
 * free_notifier of notifiers that were put, as far as their grace period has
 * passed (wait: it is waited for).
 */
void mm_run_deferred(bool wait);
void mmu_notifier_run_put(bool wait);

#endif /* MMUN_CORE_MM_H */
