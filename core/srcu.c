/* SPDX-License-Identifier: MIT */
/*
 * core/srcu.c - sleepable RCU with two counters per stripe and a double flip.
 *
 * A reader adds one to lock[idx] of its stripe when it begins and one to
 * unlock[idx] when it ends, idx being the parity of s->idx when it began. The
 * counters of one parity are drained when sum(unlock) == sum(lock), the
 * unlocks being summed first, with a full barrier between the sums: then
 * every section counted in lock had ended when the unlocks were summed.
 *
 * A grace period is
 *
 *	PREPARE	 drain the parity that readers do not use
 *	FLIP	 idx++: new readers use the drained parity
 *	FINISH	 drain the other one
 *
 * Why twice: a reader may load idx, be preempted, and add to the counters of
 * that parity only after a flip. It is a new reader (it read nothing yet), but
 * it stands in the old parity, and could keep a drain waiting or, worse,
 * slip in after FINISH summed the locks while an *older* reader of the next
 * period is judged by the same counters. Draining the unused parity first
 * makes every such straggler that the previous period left behind count as a
 * reader of this one. (Linux, kernel/rcu/srcutree.c; models/srcu.pml.)
 *
 * The barrier in srcu_read_lock() (its locked add) pairs with the one between
 * the sums: if the drain did not see a reader's lock, that reader sees
 * everything the updater did before the drain, the unlinking above all. The
 * locked add in srcu_read_unlock() pairs likewise: if the drain saw the
 * unlock, the updater sees all that the reader did.
 *
 * Grace periods are numbered: started, then completed. Whoever wants one asks
 * for the number after the last started (srcu_start_poll): one that began
 * earlier may have missed its readers. gp_lock is held for the steps, never
 * while waiting; a waiter that is jumped out of leaves nothing behind.
 */
#include "sys/general_regs.h"

#include "core/srcu.h"

#include "sys/lock.h"

enum { SRCU_IDLE, SRCU_PREPARE, SRCU_FINISH };

static bool srcu_drained(struct srcu_struct *s, unsigned long parity)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < SRCU_STRIPES; i++)
		sum -= __atomic_load_n(&s->stripe[i].unlock[parity],
				       __ATOMIC_ACQUIRE);
	/* Unlocks before locks; pairs with the adds of the readers. */
	sys_full_barrier();
	for (i = 0; i < SRCU_STRIPES; i++)
		sum += __atomic_load_n(&s->stripe[i].lock[parity],
				       __ATOMIC_ACQUIRE);
	return sum == 0;
}

/* Take what steps can be taken without waiting; gp_lock held. */
static void srcu_advance(struct srcu_struct *s)
{
	unsigned long idx = __atomic_load_n(&s->idx, __ATOMIC_RELAXED);

	if (s->phase == SRCU_IDLE) {
		__atomic_store_n(&s->started, s->started + 1, __ATOMIC_SEQ_CST);
		s->phase = SRCU_PREPARE;
	}
	if (s->phase == SRCU_PREPARE) {
		if (!srcu_drained(s, ~idx & 1))
			return;
		/* After the drain, so that stragglers were counted in it. */
		__atomic_store_n(&s->idx, ++idx, __ATOMIC_SEQ_CST);
		s->phase = SRCU_FINISH;
	}
	if (!srcu_drained(s, ~idx & 1))
		return;
	s->phase = SRCU_IDLE;
	/* Pairs with the load in srcu_poll(). */
	__atomic_store_n(&s->completed, s->started, __ATOMIC_RELEASE);
}

static bool srcu_done(struct srcu_struct *s, unsigned long cookie)
{
	return (long)(__atomic_load_n(&s->completed, __ATOMIC_ACQUIRE) -
		      cookie) >= 0;
}

unsigned long srcu_start_poll(struct srcu_struct *s)
{
	/* What the caller unlinked comes before the next period's drains. */
	sys_full_barrier();
	return __atomic_load_n(&s->started, __ATOMIC_SEQ_CST) + 1;
}

bool srcu_poll(struct srcu_struct *s, unsigned long cookie)
{
	struct sys_mutex *gp = &s->gp_lock;
	struct sys_sigset old;

	if (srcu_done(s, cookie))
		return true;
	sys_mutex_lock(gp, &old);
	while (!srcu_done(s, cookie)) {
		unsigned long completed = s->completed;

		srcu_advance(s);
		if (s->completed == completed)
			break;
	}
	sys_mutex_unlock(gp, &old);
	return srcu_done(s, cookie);
}

bool srcu_wait(struct srcu_struct *s, unsigned long cookie, unsigned long ns)
{
	unsigned long until = ns ? sys_now_ns() + ns : 0, now = 0;

	while (!srcu_poll(s, cookie)) {
		uint32_t wake = __atomic_load_n(&s->wake, __ATOMIC_SEQ_CST);

		/* Pairs with the load after the add in srcu_read_unlock(). */
		__atomic_store_n(&s->waiting, 1, __ATOMIC_SEQ_CST);
		if (srcu_poll(s, cookie))
			break;
		if (ns)
			now = sys_now_ns();
		if (now > until)
			return false;
		sys_futex_wait(&s->wake, wake, ns ? until - now + 1 : 0);
	}
	return true;
}

void srcu_synchronize(struct srcu_struct *s)
{
	srcu_wait(s, srcu_start_poll(s), 0);
}

void srcu_wake(struct srcu_struct *s)
{
	__atomic_store_n(&s->waiting, 0, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&s->wake, 1, __ATOMIC_SEQ_CST);
	sys_futex_wake(&s->wake, INT32_MAX);
}
