/* SPDX-License-Identifier: MIT */
/*
 * live/ops/process.c - fork and its relatives, exec, exit.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <linux/sched.h>

static void everything(struct live_change *c, enum mmu_notifier_event event)
{
	live_add(c, 0, LIVE_TASK_SIZE, event);
}

static void decode_flags(unsigned long flags, bool stack, struct live_change *c)
{
	if (!(flags & CLONE_VM)) {
		c->child_stack = stack;
		everything(c, MMU_NOTIFY_PROTECTION_PAGE);
		return;
	}
	c->shares_stack = true;
	if (flags & CLONE_VFORK)
		sys_tls_shared(SYS_TLS_VFORK);
	else if (!(flags & CLONE_SETTLS))
		sys_tls_shared(SYS_TLS_CLONE);
}

void live_decode_fork(const unsigned long *a, struct live_change *c)
{
	decode_flags(0, false, c);
}

void live_decode_vfork(const unsigned long *a, struct live_change *c)
{
	decode_flags(CLONE_VM | CLONE_VFORK, false, c);
}

void live_decode_clone(const unsigned long *a, struct live_change *c)
{
	decode_flags(a[0], a[1], c);
}

/* struct clone_args: flags first, then four more words, then the stack. */
void live_decode_clone3(const unsigned long *a, struct live_change *c)
{
	uint64_t args[6];

	if (a[1] >= sizeof(args) && sys_peek(args, a[0], sizeof(args)))
		decode_flags(args[0], args[5], c);
}

void live_decode_exec(const unsigned long *a, struct live_change *c)
{
	everything(c, MMU_NOTIFY_UNMAP);
}

void live_decode_exit(const unsigned long *a, struct live_change *c)
{
	everything(c, MMU_NOTIFY_RELEASE);
}
