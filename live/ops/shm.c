/* SPDX-License-Identifier: MIT */
/*
 * live/ops/shm.c - System V shared memory: the calls do not say how long it is.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <errno.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "live/maps.h"

void live_decode_shmdt(const unsigned long *a, struct live_change *c)
{
	if (page_aligned(a[0]) && a[0] < LIVE_TASK_SIZE)
		live_add(c, a[0], LIVE_TASK_SIZE - a[0], MMU_NOTIFY_UNMAP);
}

/*
 * As the kernel does it: the first mapping of a segment that would begin at
 * the address if it were whole, and all other pieces of that attachment.
 */
void live_resolve_shmdt(const unsigned long *a, struct live_change *c)
{
	unsigned long start = 0, end = 0, inode = 0;
	struct map_entry e;
	struct maps maps;

	if (maps_open(&maps))
		return live_decode_shmdt(a, c);
	while (maps_next(&maps, &e) > 0) {
		if (e.start < a[0] || !str_prefix(e.path, "/SYSV") ||
		    e.start - a[0] != e.offset || (end && e.inode != inode))
			continue;
		inode = e.inode;
		start = end ? start : e.start;
		end = e.end;
	}
	maps_close(&maps);
	live_add(c, start, end - start, MMU_NOTIFY_UNMAP);
}

static unsigned long attach_address(const unsigned long *a)
{
	return a[2] & SHM_RND ? a[1] & SYS_PAGE_MASK : a[1];
}

void live_decode_shmat(const unsigned long *a, struct live_change *c)
{
	unsigned long at = attach_address(a);

	if ((a[2] & SHM_REMAP) && at && page_aligned(at) && at < LIVE_TASK_SIZE)
		live_add(c, at, LIVE_TASK_SIZE - at, MMU_NOTIFY_UNMAP);
}

void live_resolve_shmat(const unsigned long *a, struct live_change *c)
{
	struct shmid_ds ds;
	long r = sys_call3(SYS_shmctl, a[0], IPC_STAT, &ds);

	if (r < 0)
		return live_decode_shmat(a, c);
	live_add(c, attach_address(a), page_align(ds.shm_segsz),
		 MMU_NOTIFY_UNMAP);
}

/* All that is looked at before the old mapping goes. */
bool live_untouched_shmat(const unsigned long *a, long err)
{
	return err != -ENOMEM;
}
