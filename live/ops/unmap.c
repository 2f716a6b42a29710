/* SPDX-License-Identifier: MIT */
/*
 * live/ops/unmap.c - munmap, brk, remap_file_pages.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

void live_decode_munmap(const unsigned long *a, struct live_change *c)
{
	if (page_aligned(a[0]))
		live_add(c, a[0], page_align(a[1]), MMU_NOTIFY_UNMAP);
}

/* Growth takes nothing away, and brk(0) is the question where it ends. */
void live_decode_brk(const unsigned long *a, struct live_change *c)
{
	unsigned long new = page_align(a[0]), old;

	if (!a[0])
		return;
	old = page_align(sys_call1(SYS_brk, 0));
	if (new < old)
		live_add(c, new, old - new, MMU_NOTIFY_UNMAP);
}

/* It rounds down, where everybody else refuses or rounds up. */
void live_decode_remap_file_pages(const unsigned long *a, struct live_change *c)
{
	if (!a[2])
		live_add(c, a[0] & SYS_PAGE_MASK, a[1] & SYS_PAGE_MASK,
			 MMU_NOTIFY_UNMAP);
}

/* It maps anew, and can fail after the old mapping has gone. */
bool live_untouched_remap_file_pages(const unsigned long *a, long err)
{
	return false;
}
