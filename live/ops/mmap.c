/* SPDX-License-Identifier: MIT */
/*
 * live/ops/mmap.c - mmap over old pages, and new program text.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "live/maps.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define HUGE_SHIFT(flags) ((flags) >> 26 & 63)

/* Of MAP_HUGETLB without a size; an administrator may have chosen. */
static unsigned long default_huge_page = 2ul << 20;

void live_mmap_init(void)
{
	static const char key[] = "Hugepagesize:";
	char buffer[4096];
	const char *p = buffer;

	if (sys_read_file("/proc/meminfo", buffer, sizeof(buffer)) < 0)
		return;
	while (*p && !str_prefix(p, key))
		p++;
	for (p += *p ? sizeof(key) - 1 : 0; *p == ' '; p++)
		;
	if (*p >= '1' && *p <= '9')
		default_huge_page = parse_dec(&p) << 10;
}

/* What the length is rounded to. */
static unsigned long granularity(const unsigned long *a)
{
	unsigned long flags = a[3];
	struct statfs fs;

	if (flags & MAP_ANONYMOUS) {
		if (!(flags & MAP_HUGETLB))
			return SYS_PAGE_SIZE;
		return HUGE_SHIFT(flags) ? 1ul << HUGE_SHIFT(flags)
					 : default_huge_page;
	}
	/* A file of hugetlbfs needs no flag. */
	if ((a[1] & ((2ul << 20) - 1)) && !sys_call2(SYS_fstatfs, a[4], &fs) &&
	    fs.f_type == HUGETLBFS_MAGIC)
		return fs.f_bsize;
	return SYS_PAGE_SIZE;
}

static bool replaces(unsigned long flags)
{
	return (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);
}

void live_decode_mmap(const unsigned long *a, struct live_change *c)
{
	unsigned long size;

	c->text = (a[2] & PROT_EXEC) && !(a[3] & MAP_ANONYMOUS);
	if (!replaces(a[3]) || !page_aligned(a[0]) || !a[1])
		return;
	size = granularity(a);
	live_add(c, a[0], (a[1] + size - 1) & ~(size - 1), MMU_NOTIFY_UNMAP);
}

/*
 * Kernels before 6.12 unmap first and may fail then, a file's own mmap with
 * any error at all. Sure is only what is looked at before.
 */
bool live_untouched_mmap(const unsigned long *a, long err)
{
	if (err == -EBADF || err == -EOVERFLOW)
		return true;
	return (a[3] & MAP_ANONYMOUS) && err != -ENOMEM;
}
