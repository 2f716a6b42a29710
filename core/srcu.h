/* SPDX-License-Identifier: MIT */
/*
 * core/srcu.h - sleepable RCU, one domain per address space.
 *
 * Readers are any threads, signal handlers or vfork children; they need no
 * registration, may block, and may nest. See srcu.c for the protocol.
 */
#ifndef MMUN_CORE_SRCU_H
#define MMUN_CORE_SRCU_H

#include "sys/lock.h"

#define SRCU_STRIPES 64

struct srcu_stripe {
	unsigned long lock[2];
	unsigned long unlock[2];
} __attribute__((aligned(64)));

/* Must lie on memory that is wiped on fork. All zero is a valid start. */
struct srcu_struct {
	struct srcu_stripe stripe[SRCU_STRIPES];
	unsigned long idx;	  /* parity: which counters readers use */
	unsigned long started;	  /* grace periods begun */
	unsigned long completed;  /* grace periods over */
	uint32_t phase;		  /* of the one under way; under gp_lock */
	struct sys_mutex gp_lock; /* held for steps only */
	uint32_t waiting;	  /* somebody sleeps on wake */
	uint32_t wake;
};

/* What a section returns to its end: which counter, and of which process. */
struct srcu_token {
	struct srcu_stripe *stripe;
	uint32_t idx;
	uint32_t fork_gen;
};

void srcu_wake(struct srcu_struct *s);

/*
 * srcu_read_lock - begin a section. Any context, never fails, never waits.
 *
 * The increment is a full barrier: what is read after it is not older than
 * the counter (pairs with the barrier between the two sums of a drain).
 */
static inline __attribute__((always_inline)) struct srcu_token
srcu_read_lock(struct srcu_struct *s)
{
	struct srcu_token t;

	/* A number that changes inside the section would lose its end. */
	if (unlikely(
		    !__atomic_load_n(&mmun_process.fork_gen, __ATOMIC_ACQUIRE)))
		sys_init();
	t.idx = __atomic_load_n(&s->idx, __ATOMIC_RELAXED) & 1;
	t.stripe = &s->stripe[sys_tid() % SRCU_STRIPES];
	t.fork_gen = sys_fork_gen();
	__atomic_fetch_add(&t.stripe->lock[t.idx], 1, __ATOMIC_SEQ_CST);
	return t;
}

/*
 * srcu_read_unlock - end a section, by the same task.
 *
 * A section begun before fork() is over in the child: its counter was wiped.
 */
static inline __attribute__((always_inline)) void
srcu_read_unlock(struct srcu_struct *s, struct srcu_token t)
{
	if (unlikely(t.fork_gen != sys_fork_gen()))
		return;
	__atomic_fetch_add(&t.stripe->unlock[t.idx], 1, __ATOMIC_SEQ_CST);
	/* Pairs with the store of waiting before the last look at the sums. */
	if (unlikely(__atomic_load_n(&s->waiting, __ATOMIC_SEQ_CST)))
		srcu_wake(s);
}

/* Wait until every section that was open at the call is over. */
void srcu_synchronize(struct srcu_struct *s);
/* The same for a cookie, up to ns: is the grace period over? */
bool srcu_wait(struct srcu_struct *s, unsigned long cookie, unsigned long ns);
/* The same without waiting: a cookie now, a question later. */
unsigned long srcu_start_poll(struct srcu_struct *s);
bool srcu_poll(struct srcu_struct *s, unsigned long cookie);

#endif /* MMUN_CORE_SRCU_H */
