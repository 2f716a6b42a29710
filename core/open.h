/* SPDX-License-Identifier: MIT */
/*
 * core/open.h - records of open invalidations.
 *
 * Every raise on an armed mm claims a record before it looks whether anybody
 * is subscribed, and gives it back when the change is over, hit or miss. So a
 * newcomer that publishes its subscription and then looks at the records
 * either finds the change that did not tell it, or is told:
 *
 *	raiser				newcomer
 *	claim record (full barrier)	publish in list or tree
 *	seq = the last number
 *	look at hull, list, tree	number itself (full barrier)
 *	  -> tells born <= seq		look at records
 *	change				  -> waits for those open
 *	close record
 *
 * [Required: raiser sees newcomer || newcomer sees record]
 *
 * A record belongs to a thread (by tid) and a stack frame (by sp): one whose
 * thread died or whose frame was jumped out of is abandoned, and is closed by
 * the next raise of that thread or by whoever waits for it.
 */
#ifndef MMUN_CORE_OPEN_H
#define MMUN_CORE_OPEN_H

#include "core/mm.h"

/* Bits of open->owner above the tid. */
#define OPEN_FILLING (1u << 31)	  /* range not yet written: covers all */
#define OPEN_CALLBACK (1u << 30)  /* its raiser is inside callbacks */
#define OPEN_ABANDONED (1u << 29) /* to be closed by somebody else */
#define OPEN_TID (OPEN_ABANDONED - 1)

/* In range->flags, internal, not shown to callbacks. */
#define OPEN_MAY_FAIL (1u << 31)      /* open_begin() may say -EAGAIN */
#define OPEN_INTERVAL_ONLY (1u << 30) /* class 1 is told in another way */

/* A frame that is gone when the change is over: below all stacks. */
#define OPEN_NEVER_BACK 2ul

struct open *open_claim_slow(struct mm *m, uint32_t tid, unsigned long sp);
void open_uncount(struct mm *m);
void open_wake(struct mm *m);

/* Claim one record, if it is free. */
static inline __attribute__((always_inline)) bool open_try(struct open *o,
							   uint32_t tid)
{
	uint64_t word = __atomic_load_n(&o->word, __ATOMIC_RELAXED);
	uint64_t mine = ((word >> 32) + 1) << 32 | OPEN_FILLING | tid;

	/* Full barrier; pairs with the numbering of a newcomer (above). */
	return !(uint32_t)word &&
	       __atomic_compare_exchange_n(&o->word, &word, mine, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/*
 * open_claim - record that the calling thread is about to change [start, end).
 * @sp: address of a word in the frame that will close it, lower than that of
 *      every outer frame; the word holds the record's address while the frame
 *      lives. 0 if it may be closed from elsewhere, OPEN_NEVER_BACK if the
 *      change takes the frame.
 *
 * Any context, never waits. Returns the record, or NULL if all are taken:
 * then the invalidation is counted in overflow, covers everything, and is
 * closed with open_close(m, NULL). Nobody is told before open_begin().
 */
static inline __attribute__((always_inline)) struct open *
open_claim(struct mm *m, unsigned long start, unsigned long end,
	   unsigned long sp)
{
	uint32_t tid = sys_tid();
	struct open *o = &m->v.open[tid % MM_OPEN_MAX];

	if (unlikely(!open_try(o, tid))) {
		o = open_claim_slow(m, tid, sp);
		if (unlikely(!o))
			return NULL;
	}
	__atomic_store_n(&o->start, start, __ATOMIC_RELAXED);
	__atomic_store_n(&o->end, end, __ATOMIC_RELAXED);
	__atomic_store_n(&o->seq, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&o->sp, sp, __ATOMIC_RELAXED);
	if (sp > OPEN_NEVER_BACK)
		__atomic_store_n((struct open **)sp, o, __ATOMIC_RELAXED);
	/* Pairs with the acquire load of word in those who look at it. */
	__atomic_store_n(&o->owner, tid, __ATOMIC_RELEASE);
	return o;
}

/*
 * open_close - the change is over.
 *
 * In a child that was forked in between, the record or the count is wiped.
 *
 * No barrier between the two accesses: a waiter executes one on our behalf
 * (sys_membarrier), or polls where it cannot. live/entry.S does the same.
 */
static inline __attribute__((always_inline)) void open_close(struct mm *m,
							     struct open *o)
{
	if (likely(o))
		__atomic_store_n(&o->owner, 0, __ATOMIC_RELEASE);
	else
		open_uncount(m);
	barrier();
	if (unlikely(__atomic_load_n(&m->v.waiters, __ATOMIC_RELAXED)))
		open_wake(m);
}

/*
 * open_would_hit - is anybody subscribed to something in [start, end)?
 *
 * To be asked after the claim; exact where mm_may_hit() is not. Touches no
 * vector register.
 */
bool open_would_hit(struct mm *m, unsigned long start, unsigned long end);

/*
 * open_begin - tell everybody whom range hits. @o may be NULL (overflow).
 *
 * Returns 0, or -EAGAIN (not blockable, and somebody would block: those told
 * have been told the end; the record is still to be closed). *seq is the
 * number of the begin, which open_end() wants back; 0 if nobody was told.
 */
int open_begin(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	       unsigned long *seq);
/* open_end - tell those who were told; does not close the record. */
void open_end(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	      unsigned long seq);

/*
 * A walk in which callbacks are called: marks that the calling thread is
 * inside them, and begins the SRCU section. @o may be NULL.
 */
struct srcu_token open_walk_begin(struct mm *m, struct open *o);
void open_walk_end(struct mm *m, struct open *o, struct srcu_token t);

/* Is the calling thread inside a callback of m? Inside any open record? */
bool open_in_callback(struct mm *m);
bool open_by_me(struct mm *m);

/*
 * Is an invalidation open that overlaps [start, last]? 0: no; 1: yes; 2: one
 * of the calling thread.
 */
int open_overlaps(struct mm *m, unsigned long start, unsigned long last);
/* Wait until those that are open now and overlap are closed. May sleep. */
void open_wait(struct mm *m, unsigned long start, unsigned long last);
/*
 * srcu_synchronize() of the mm, which ends the sections of those who were
 * jumped out of a callback, or died in one. May sleep.
 */
void open_synchronize(struct mm *m);

/*
 * MMUN_DEBUG: around a callback of a raiser that cannot wait. A thread that
 * is merely preempted neither waits nor works.
 */
static inline struct sys_usage callback_clock(bool blockable)
{
	struct sys_usage began = {.wall_ns = 0};

	if (unlikely(sys_debug()) && !blockable)
		sys_usage(&began);
	return began;
}

void callback_check(const struct sys_usage *began, const void *sub);

/*
 * live/ runs callbacks on stacks of its own: a raise from there is nested in
 * the record, whatever the stack pointers say. [lo, hi), 0 if there are none.
 */
extern unsigned long mmun_callback_stacks_lo, mmun_callback_stacks_hi;

#endif /* MMUN_CORE_OPEN_H */
