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
 *	look at hull, list, tree	number itself (full barrier)
 *	  -> tells those born before	look at records
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

#define OPEN_FILLING (1ull << 32)  /* range not yet written: covers all */
#define OPEN_CALLBACK (1ull << 33) /* its raiser is inside callbacks */
#define OPEN_TID(key) ((uint32_t)(key))

struct open *open_claim_slow(struct mm *m, uint32_t tid, unsigned long sp);
void open_wake(struct mm *m);

/*
 * open_claim - record that the calling thread is about to change [start, end).
 * @sp: a stack address of the frame that will close it.
 *
 * Any context, never waits. Returns the record, or NULL if all are taken:
 * then the invalidation is counted in overflow, covers everything, and is
 * closed with open_close(m, NULL). The record names nobody until
 * open_begin() is called on it.
 */
static inline __attribute__((always_inline)) struct open *
open_claim(struct mm *m, unsigned long start, unsigned long end,
	   unsigned long sp)
{
	uint32_t tid = sys_tid();
	struct open *o = &m->v->open[tid % MM_OPEN_MAX];
	uint64_t free = 0;

	/* Full barrier; pairs with the numbering of a newcomer (above). */
	if (unlikely(!__atomic_compare_exchange_n(
		    &o->key, &free, tid | OPEN_FILLING, false, __ATOMIC_SEQ_CST,
		    __ATOMIC_RELAXED))) {
		o = open_claim_slow(m, tid, sp);
		if (unlikely(!o))
			return NULL;
	}
	o->start = start;
	o->end = end;
	o->seq = 0;
	o->sp = sp;
	__atomic_store_n(&o->gen, o->gen + 1, __ATOMIC_RELAXED);
	/* Pairs with the acquire load of key in open_overlaps(). */
	__atomic_store_n(&o->key, tid, __ATOMIC_RELEASE);
	return o;
}

/*
 * open_close - the change is over.
 *
 * No barrier between the two accesses: a waiter executes one on our behalf
 * (sys_membarrier), or polls where it cannot.
 */
static inline __attribute__((always_inline)) void open_close(struct mm *m,
							     struct open *o)
{
	if (likely(o))
		__atomic_store_n(&o->key, 0, __ATOMIC_RELEASE);
	else
		__atomic_fetch_sub(&m->v->overflow, 1, __ATOMIC_RELEASE);
	barrier();
	if (unlikely(__atomic_load_n(&m->v->waiters, __ATOMIC_RELAXED)))
		open_wake(m);
}

/*
 * open_begin - tell everybody whom range hits. @o may be NULL (overflow).
 *
 * Returns 0, or -EAGAIN (not blockable, and somebody would block: those told
 * have been told the end; the record is still to be closed). *seq is the
 * number of the begin, which open_end() wants back.
 */
int open_begin(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	       unsigned long *seq);
/* open_end - tell those who were told; does not close the record. */
void open_end(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	      unsigned long seq);

/* Mark that the calling thread is inside callbacks; nests. */
uint64_t open_enter_callbacks(struct open *o);
void open_leave_callbacks(struct open *o, uint64_t was);

/* Is the calling thread inside a callback of m? Inside any open record? */
bool open_in_callback(struct mm *m);
bool open_by_me(struct mm *m);

/* The calling thread's youngest record that has been begun; or NULL. */
struct open *open_youngest(struct mm *m);

/* Is an invalidation of another thread open that overlaps? */
bool open_overlaps(struct mm *m, unsigned long start, unsigned long last);
/* Wait until those that are open now and overlap are closed. */
void open_wait(struct mm *m, unsigned long start, unsigned long last);

/*
 * live/ runs callbacks on stacks of its own: a raise from there is nested in
 * the record, whatever the stack pointers say. [lo, hi), 0 if there are none.
 */
extern unsigned long mmun_callback_stacks_lo, mmun_callback_stacks_hi;

#endif /* MMUN_CORE_OPEN_H */
