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
 * after end. See open.h.
 */
struct open {
	uint64_t key;	     /* 0 free; else tid, and OPEN_ bits above */
	unsigned long start; /* half-open */
	unsigned long end;
	unsigned long seq; /* number of the begin; 0: nobody was told */
	unsigned long sp;  /* of the raiser, to find abandoned ones */
	uint32_t gen;	   /* incarnation of this record */
	uint16_t event;
	uint16_t flags;
	void *owner;
	unsigned long spare;
} __attribute__((aligned(64)));

/* The part of an mm that no child may inherit; page aligned, wiped on fork. */
struct mm_volatile {
	struct open open[MM_OPEN_MAX];
	struct srcu_struct srcu;
	struct sys_mutex lock;
	struct sys_rwlock mmap_lock;
	uint32_t overflow; /* open invalidations that found no record */
	uint32_t waiters;  /* threads that wait for a record to close */
	uint32_t wake;	   /* futex for them */
} __attribute__((aligned(4096)));

struct mm {
	struct mm_struct pub;
	/*
	 * The hull: every subscription lies in [hull_start, hull_last], all
	 * addresses do while there is a class 1 notifier, none (1, 0) while
	 * there is nobody. A raise outside of it looks no further.
	 */
	unsigned long hull_start;
	unsigned long hull_last;
	unsigned long invalidate_seq; /* numbers begins and newcomers; odd */
	struct itree itree;
	struct mm_volatile *v;
	const struct mm_operations *ops;
	void *private_data;
	unsigned int users;
	unsigned int count;
	unsigned int dying;
	struct mmu_notifier *put_list; /* waiting for free_notifier */
	struct mm *put_mm_next;	       /* on the list of mms with put_list */
	uint32_t put_queued;
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

/* Free what mmu_notifier_put() left, as far as grace periods allow. */
void mm_run_put(struct mm *m, bool wait);

#endif /* MMUN_CORE_MM_H */
