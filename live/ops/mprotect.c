/* SPDX-License-Identifier: MIT */
/*
 * live/ops/mprotect.c - mprotect and pkey_mprotect.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <sys/mman.h>

void live_decode_mprotect(const unsigned long *a, struct live_change *c)
{
	unsigned long start = a[0], size = page_align(a[1]);

	if (!page_aligned(start) || !size)
		return;
	c->text = a[2] & PROT_EXEC;
	/* Down to where the stack begins, wherever that is. */
	if (a[2] & PROT_GROWSDOWN) {
		size += start;
		start = 0;
	}
	live_add(c, start, size, MMU_NOTIFY_PROTECTION_VMA);
}

/* It stops at the first mapping that refuses. */
bool live_untouched_mprotect(const unsigned long *a, long err)
{
	return page_align(a[1]) == SYS_PAGE_SIZE;
}
