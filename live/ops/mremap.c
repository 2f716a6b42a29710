/* SPDX-License-Identifier: MIT */
/*
 * live/ops/mremap.c - mremap in its forms.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define KNOWN_FLAGS (MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)

static bool is_refused(unsigned long old, unsigned long old_size,
		       unsigned long new_size, unsigned long flags)
{
	if ((flags & ~(unsigned long)KNOWN_FLAGS) || !page_aligned(old) ||
	    !new_size)
		return true;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) &&
	    !(flags & MREMAP_MAYMOVE))
		return true;
	return (flags & MREMAP_DONTUNMAP) && old_size != new_size;
}

/* To a given place: whatever is there goes, and the old place as well. */
static void decode_fixed(unsigned long old, unsigned long old_size,
			 unsigned long new, unsigned long new_size,
			 enum mmu_notifier_event old_event,
			 struct live_change *c)
{
	if (!page_aligned(new) || (old < new + new_size &&new < old + old_size))
		return;
	/* No old size: a second mapping of shared pages, the first stays. */
	live_add(c, old, old_size, old_event);
	live_add(c, new, new_size, MMU_NOTIFY_UNMAP);
}

void live_decode_mremap(const unsigned long *a, struct live_change *c)
{
	unsigned long old = a[0], flags = a[3];
	unsigned long old_size = page_align(a[1]), new_size = page_align(a[2]);
	enum mmu_notifier_event event = MMU_NOTIFY_UNMAP;

	if (is_refused(old, old_size, new_size, flags))
		return;
	if (flags & MREMAP_DONTUNMAP) /* the mapping stays, its pages go */
		event = MMU_NOTIFY_CLEAR;
	if (flags & MREMAP_FIXED)
		decode_fixed(old, old_size, a[4], new_size, event, c);
	else if (new_size < old_size)
		live_add(c, old + new_size, old_size - new_size,
			 MMU_NOTIFY_UNMAP);
	else if (flags & MREMAP_DONTUNMAP ||
		 (new_size > old_size && (flags & MREMAP_MAYMOVE)))
		live_add(c, old, old_size, event);
}

/* With MREMAP_FIXED the new place may be lost before it fails. */
bool live_untouched_mremap(const unsigned long *a, long err)
{
	return !(a[3] & MREMAP_FIXED);
}
