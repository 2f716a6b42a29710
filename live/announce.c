/* SPDX-License-Identifier: MIT */
/*
 * live/announce.c - telling subscribers and observers.
 *
 * Runs on a callback stack with the vector state saved, so callbacks are
 * ordinary code; in whatever context the system call was made.
 */
#include <errno.h>
#include <sys/mman.h>

#include "live/live.h"

static void fill_range(struct mmu_notifier_range *r,
		       const struct live_range *from)
{
	mmu_notifier_range_init_owner(r, from->event, 0, mm_self(), from->start,
				      from->end, mmun_tls.owner);
}

/* The word on top of the stack; it may end right there. */
static unsigned long stack_top(unsigned long sp)
{
	unsigned long word = 0;

	if (!page_aligned(sp))
		return *(const unsigned long *)sp;
	sys_peek(&word, sp, sizeof(word));
	return word;
}

static void fill_ranges(struct live_call *call)
{
	unsigned int i;

	call->op.nr_ranges = call->change.nr;
	for (i = 0; i < call->change.nr; i++)
		fill_range(&call->op.ranges[i], &call->change.range[i]);
}

/* What only observers want to know. */
static void fill_op(struct live_call *call)
{
	const struct live_frame *f = call->frame;
	struct mmun_op *op = &call->op;
	unsigned int i;

	op->name = call->how->name;
	for (i = 0; i < 6; i++)
		op->args[i] = f->args[i];
	op->site = f->site->address;
	op->caller = stack_top(f->sp);
	op->result = 0;
	op->tid = sys_tid();
	op->pid = sys_getpid();
}

/* Exact ranges in place of the upper bound that was claimed. */
static void resolve(struct live_call *call)
{
	struct live_change *c = &call->change;
	struct open *o = call->frame->open[0];

	c->nr = 0;
	call->how->resolve(call->frame->args, c);
	if (!o)
		return;
	/* Narrower only: who looks meanwhile sees too much, not too little. */
	if (c->nr) {
		__atomic_store_n(&o->start, c->range[0].start,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&o->end, c->range[0].end, __ATOMIC_RELAXED);
	} else {
		__atomic_store_n(&o->end, o->start + 1, __ATOMIC_RELAXED);
	}
}

static void tell_before(struct live_call *call)
{
	struct mmun_observer *obs =
		__atomic_load_n(&mmun_live_observers, __ATOMIC_ACQUIRE);

	/* Those who come later are not told the end of this one either. */
	call->observers = obs;
	if (!obs || !call->op.nr_ranges)
		return;
	fill_op(call);
	for (; obs; obs = obs->next)
		if (obs->before)
			obs->before(obs, &call->op);
}

static void tell_after(struct live_call *call)
{
	struct mmun_observer *obs = call->observers;

	if (!call->op.nr_ranges)
		return;
	for (; obs; obs = obs->next)
		if (obs->after)
			obs->after(obs, &call->op);
}

static struct open *record(const struct live_call *call, unsigned int i)
{
	return i < call->claimed ? call->frame->open[i] : NULL;
}

void live_announce_begin(struct live_call *call)
{
	struct mmun_op *op = &call->op;
	int saved = errno;
	unsigned int i;

	if (call->how->resolve && call->change.nr)
		resolve(call);
	fill_ranges(call);
	op->nr = call->frame->nr;
	for (i = 0; i < op->nr_ranges; i++) {
		call->seq[i] = 0;
		if (mm_may_hit(&mmun_self, op->ranges[i].start,
			       op->ranges[i].end))
			open_begin(&mmun_self, record(call, i), &op->ranges[i],
				   &call->seq[i]);
	}
	tell_before(call);
	errno = saved;
}

/* Did the call fail, so that certainly nothing has changed? */
static bool nothing_changed(const struct live_call *call)
{
	const unsigned long *args = call->frame->args;
	long result = call->op.result;

	if (call->op.nr == SYS_brk)
		return (unsigned long)result != args[0];
	if (result >= 0 || result < -4095)
		return false;
	return !call->how->untouched || call->how->untouched(args, result);
}

/* Look at new text, and at what could not be looked at before. */
static void new_text(const struct live_call *call)
{
	const unsigned long *args = call->frame->args;
	unsigned long size = page_align(args[1]);
	unsigned long start = call->op.result;
	long nr = call->op.nr;

	if (call->op.result < 0 && call->op.result >= -4095)
		return;
	if (nr == SYS_mmap && (args[2] & PROT_EXEC) && (args[2] & PROT_READ) &&
	    !(args[3] & MAP_ANONYMOUS))
		live_text_mapped(start, start + size, (int)args[4]);
	else if ((nr == SYS_mprotect || nr == SYS_pkey_mprotect) &&
		 (args[2] & PROT_EXEC))
		live_text_protected(args[0], args[0] + size);
	else
		live_text_retry();
}

void live_announce_end(struct live_call *call)
{
	struct mmun_op *op = &call->op;
	bool failed = nothing_changed(call);
	int saved = errno;
	unsigned int i;

	for (i = 0; i < op->nr_ranges; i++)
		if (failed)
			op->ranges[i].flags |= MMU_NOTIFIER_RANGE_FAILED;
	tell_after(call);
	for (i = op->nr_ranges; i--;)
		open_end(&mmun_self, record(call, i), &op->ranges[i],
			 call->seq[i]);
	if (call->change.text)
		new_text(call);
	errno = saved;
}

/* exit_group(): the document's exit_mmap(). */
void live_announce_exit(struct live_call *call)
{
	fill_ranges(call);
	call->op.nr = call->frame->nr;
	tell_before(call);
	mmun_notifier_invalidate_all(mm_self(), 0);
	mmun_notifier_release(mm_self());
}

/* In a forked child, when there are observers: they go on. */
void live_announce_child(struct live_call *call)
{
	(void)call;
	mmun_mm_arm(mm_self());
}
