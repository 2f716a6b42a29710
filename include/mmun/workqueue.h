/* SPDX-License-Identifier: MIT */
/*
 * mmun/workqueue.h - deferred work: what a callback may not do itself.
 *
 * A callback in atomic context cannot free, unpin or print. It can queue a
 * preallocated work_struct, without a lock and without memory; the work runs
 * later in a sleepable context: in flush_scheduled_work(), which the
 * application calls from a place of its own (its event loop, a worker
 * thread), and in register, unregister, insert and remove.
 */
#ifndef MMUN_WORKQUEUE_H
#define MMUN_WORKQUEUE_H

#include <mmun/types.h>

MMUN_BEGIN_DECLS

struct work_struct;

typedef void (*work_func_t)(struct work_struct *work);

/**
 * struct work_struct - one piece of work; embedded by its owner.
 * @next: library's.
 * @func: what to run.
 * @pending: nonzero from schedule_work() until @func is called.
 */
struct work_struct {
	struct work_struct *next;
	work_func_t func;
	unsigned int pending;
};

bool mmun_schedule_work(struct work_struct *work);
unsigned int mmun_flush_scheduled_work(void);

#define INIT_WORK(_work, _func)          \
	do {                             \
		(_work)->next = NULL;    \
		(_work)->func = (_func); \
		(_work)->pending = 0;    \
	} while (0)

/**
 * schedule_work - run work->func later, once.
 *
 * Any context: lock-free, no allocation, async-signal-safe. The memory is the
 * library's until @func is called, which may free it. Returns false if it was
 * pending already.
 */
static inline bool schedule_work(struct work_struct *work)
{
	return mmun_schedule_work(work);
}

/**
 * flush_scheduled_work - run what is queued, in the order of queueing.
 *
 * Sleepable context, any thread; not from a callback. Does not wait for work
 * that another thread is running. Returns how many were run here.
 */
static inline unsigned int flush_scheduled_work(void)
{
	return mmun_flush_scheduled_work();
}

MMUN_END_DECLS

#endif /* MMUN_WORKQUEUE_H */
