/* SPDX-License-Identifier: MIT */
/*
 * core/workqueue.c - deferred work: a lock-free stack that is taken whole.
 *
 * Pushing is all that a callback may do; the taker reverses what it took, so
 * work runs in the order of queueing.
 */
#include "sys/general_regs.h"

#include <mmun/workqueue.h>

#include "sys/sys.h"

bool mmun_schedule_work(struct work_struct *work)
{
	struct work_struct *head;
	unsigned int me, was;

	/* What a parent of this process queued is not pending here. */
	sys_init();
	me = sys_fork_gen();
	was = __atomic_load_n(&work->pending, __ATOMIC_RELAXED);
	do {
		if (was == me)
			return false;
		/* Pairs with the release store below: it may queue itself. */
	} while (!__atomic_compare_exchange_n(&work->pending, &was, me, true,
					      __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	head = __atomic_load_n(&mmun_process.work, __ATOMIC_RELAXED);
	do {
		work->next = head;
	} while (!__atomic_compare_exchange_n(&mmun_process.work, &head, work,
					      true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	return true;
}

unsigned int mmun_flush_scheduled_work(void)
{
	struct work_struct *list = NULL, *w, *next;
	unsigned int n = 0;

	if (likely(!__atomic_load_n(&mmun_process.work, __ATOMIC_RELAXED)))
		return 0;
	w = __atomic_exchange_n(&mmun_process.work, NULL, __ATOMIC_ACQUIRE);
	for (; w; w = next) {
		next = w->next;
		w->next = list;
		list = w;
	}
	for (; list; list = next, n++) {
		work_func_t func = list->func;

		next = list->next;
		__atomic_store_n(&list->pending, 0, __ATOMIC_RELEASE);
		func(list); /* may free it */
	}
	return n;
}
