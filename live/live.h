/* SPDX-License-Identifier: MIT */
/*
 * live/live.h - the calling process's own address space, layer L1.
 *
 * The way of a system call through a patched site:
 *
 *	site		jmp stub		(was: mov $nr,%eax)
 *			syscall			(stays, never reached from here)
 *	stub		mov $nr,%eax
 *			is armed? no: syscall, jmp back behind the site
 *	entry.S		save the registers on the caller's stack, below its
 *			red zone; general registers only
 *	live_pre()	decode (ops/), claim a record (core/open.h) and look
 *			whether anybody could be told
 *	  LIVE_RESUME	not ours after all: registers back, and on in the stub
 *	  LIVE_MISS	syscall; close the records; jmp back
 *	  LIVE_HIT	the callbacks have run, on the callback stack that goes
 *			with the record, vector state saved; syscall;
 *			live_post() runs the other half; jmp back
 *	  LIVE_OWN	a hit, but all records are taken: room for the call is
 *			made on the caller's stack, then as LIVE_HIT
 *
 * Rules:
 *  1. A stub or entry.S may be interrupted, forked or cloned at any
 *     instruction, so all state is in registers, on the stack, or belongs to
 *     the record.
 *  2. What came back from a syscall returns by jmp: the processor's return
 *     predictor does not survive it.
 *  3. A task that shares or replaces its stack (clone with CLONE_VM, vfork)
 *     does its syscall in the stub, with nothing on the stack.
 *  4. So does a change that takes the pages that our own frame is on. Its
 *     record stays open; it is reaped when the thread is dead or raises again.
 *  5. What runs before the vector state is saved includes
 *     sys/general_regs.h first, and uses less than 1 KiB of stack.
 */
#ifndef MMUN_LIVE_LIVE_H
#define MMUN_LIVE_LIVE_H

#include <mmun/coverage.h>
#include <mmun/observe.h>

#include "core/open.h"
#include "live/frame.h"
#include "live/ops/ops.h"
#include "live/sites/sites.h"

/*
 * struct live_frame - what entry.S saves; offsets in frame.h.
 * @args: rdi, rsi, rdx, r10, r8, r9: the arguments of a system call.
 * @nr: rax.
 * @flags: ah and al as lahf and seto leave them.
 * @sp: of the caller at the site.
 * @open: the records of the ranges; [1] may be NULL.
 * @waiters: &mmun_self.v.waiters.
 * @call: after LIVE_HIT.
 * @sp_in: stack pointer at the syscall.
 * @sp_out: and behind it; not the same in a child with a stack of its own.
 */
struct live_frame {
	unsigned long args[6];
	unsigned long nr;
	unsigned long flags;
	struct site *site;
	unsigned long bp;
	unsigned long sp;
	struct open *open[2];
	uint32_t *waiters;
	struct live_call *call;
	unsigned long sp_in;
	unsigned long sp_out;
};

_Static_assert(offsetof(struct live_frame, nr) == F_NR, "frame.h");
_Static_assert(offsetof(struct live_frame, flags) == F_FLAGS, "frame.h");
_Static_assert(offsetof(struct live_frame, site) == F_SITE, "frame.h");
_Static_assert(offsetof(struct live_frame, bp) == F_BP, "frame.h");
_Static_assert(offsetof(struct live_frame, sp) == F_SP, "frame.h");
_Static_assert(offsetof(struct live_frame, open) == F_OPEN0, "frame.h");
_Static_assert(offsetof(struct live_frame, waiters) == F_WAITERS, "frame.h");
_Static_assert(offsetof(struct live_frame, call) == F_CALL, "frame.h");
_Static_assert(offsetof(struct live_frame, sp_in) == F_SP_IN, "frame.h");
_Static_assert(offsetof(struct live_frame, sp_out) == F_SP_OUT, "frame.h");
_Static_assert(sizeof(struct live_frame) == F_SIZE, "frame.h");
_Static_assert(offsetof(struct open, owner) == 0, "entry.S");
_Static_assert(offsetof(struct site, fast) == SITE_FAST, "frame.h");
_Static_assert(offsetof(struct site, back) == SITE_BACK, "frame.h");

/*
 * struct live_call - one operation that is told to somebody, from begin to
 * end. At the top of the callback stack of its record, the vector state above.
 */
struct live_call {
	struct live_frame *frame;
	const struct live_op *how;
	struct live_change change;
	struct mmun_op op;
	unsigned long seq[LIVE_RANGES];
	struct mmun_observer *observers; /* those who were told */
	unsigned int claimed; /* records; change.nr may become smaller */
} __attribute__((aligned(64)));

/*
 * On a page of its own that reads as zero in a forked child.
 * @armed: looked at by every stub: enter the slow path?
 * @pid: of the process; a CLONE_VM child has another one.
 */
struct live_volatile {
	uint32_t armed;
	int pid;
	struct sys_mutex lock; /* sites, text, pending; signals blocked */
	uint32_t ready;
} __attribute__((aligned(4096)));

extern struct live_volatile mmun_live_v;

/* The way into the slow path, known to the stubs. */
void mmun_live_entry(void);

/* ---- hook.c ---- */

/* Make the callback stacks; once, before arming. 0 or a negative errno. */
int live_hook_init(void);
/* Called from entry.S. */
long mmun_live_pre(struct live_frame *f);
void mmun_live_pre_own(struct live_frame *f, struct live_call *call);
void mmun_live_post(struct live_frame *f, long result);
void mmun_live_wake(void);

/* ---- announce.c: on a callback stack ---- */

void live_announce_begin(struct live_call *call);
void live_announce_end(struct live_call *call);
void live_announce_exit(struct live_call *call);
void live_announce_child(struct live_call *call);

/* ---- observe.c ---- */

extern struct mmun_observer *mmun_live_observers;

/* ---- live.c ---- */

int live_arm(void);

/* ---- newtext.c: program text that appears later ---- */

extern uint32_t mmun_live_pending;
/* A file was mapped executable; protection became executable; neither. */
void live_text_mapped(unsigned long start, unsigned long end, int fd);
void live_text_protected(unsigned long start, unsigned long end);
void live_text_retry(void);

/* ---- flight.c ---- */

/*
 * Wait, not for long, until no other thread is in a system call of ours that
 * began before the sites were patched. Returns nanoseconds.
 */
unsigned long live_wait_in_flight(void);
/* Other threads than the caller, or another process with this memory? */
bool live_is_threaded(void);

#endif /* MMUN_LIVE_LIVE_H */
