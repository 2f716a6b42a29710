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

	/* Pairs with the release store below: @func may queue itself again. */
	if (__atomic_exchange_n(&work->pending, 1, __ATOMIC_ACQ_REL))
		return false;
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
		next = list->next;
		__atomic_store_n(&list->pending, 0, __ATOMIC_RELEASE);
		list->func(list); /* may free it */
	}
	return n;
}
