/* SPDX-License-Identifier: MIT */
/*
 * live/ops/madvise.c - madvise and process_madvise.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "live/maps.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef PIDFD_SELF_THREAD
#define PIDFD_SELF_THREAD -10000
#define PIDFD_SELF_THREAD_GROUP -10001
#endif
#define IOV_AT_ONCE 16

/* Advice after which an address may have another page than before. */
static bool drops(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTNEED_LOCKED:
	case MADV_PAGEOUT:
	case MADV_COLLAPSE:
	case MADV_GUARD_INSTALL:
	case MADV_HWPOISON:
	case MADV_SOFT_OFFLINE:
		return true;
	}
	return false;
}

void live_decode_madvise(const unsigned long *a, struct live_change *c)
{
	if (drops((int)a[2]) && page_aligned(a[0]))
		live_add(c, a[0], page_align(a[1]), MMU_NOTIFY_CLEAR);
}

/* It stops at the first mapping that refuses; the ones before have gone. */
bool live_untouched_madvise(const unsigned long *a, long err)
{
	return page_align(a[1]) == SYS_PAGE_SIZE || err == -EPERM;
}

/* ---- process_madvise ---- */

/* Which ranges, and whether it is about us, is found out only if it matters. */
void live_decode_process_madvise(const unsigned long *a, struct live_change *c)
{
	if (drops((int)a[3]) && a[2])
		live_add(c, 0, LIVE_TASK_SIZE, MMU_NOTIFY_CLEAR);
}

static char *put_dec(char *p, unsigned long v)
{
	if (v >= 10)
		p = put_dec(p, v / 10);
	*p++ = '0' + v % 10;
	return p;
}

/* /proc/self/fdinfo/N of a pidfd has a line "Pid:". */
static bool is_self(int pidfd)
{
	static const char dir[] = "/proc/thread-self/fdinfo/", key[] = "\nPid:";
	char path[64], buffer[512];
	const char *p = buffer;
	unsigned long i;

	if (pidfd == PIDFD_SELF_THREAD || pidfd == PIDFD_SELF_THREAD_GROUP)
		return true;
	if (pidfd < 0)
		return false;
	for (i = 0; dir[i]; i++)
		path[i] = dir[i];
	*put_dec(path + i, pidfd) = 0;
	/* If nobody can tell, it could be us. */
	if (sys_read_file(path, buffer, sizeof(buffer)) < 0)
		return true;
	while (*p && !str_prefix(p, key))
		p++;
	for (p += *p ? sizeof(key) - 1 : 0; *p == ' ' || *p == '\t'; p++)
		;
	return parse_dec(&p) == (unsigned long)sys_getpid();
}

/* From the lowest to the highest page of all its parts. */
static bool hull(unsigned long iov, unsigned long nr, unsigned long *start,
		 unsigned long *end)
{
	struct iovec part[IOV_AT_ONCE];
	unsigned long i, n;

	*start = ~0ul;
	*end = 0;
	for (; nr; nr -= n, iov += n * sizeof(part[0])) {
		n = nr < IOV_AT_ONCE ? nr : IOV_AT_ONCE;
		if (!sys_peek(part, iov, n * sizeof(part[0])))
			return false;
		for (i = 0; i < n; i++) {
			unsigned long at = (unsigned long)part[i].iov_base;
			unsigned long size = page_align(part[i].iov_len);

			if (!size || at + size < at)
				continue;
			if (at < *start)
				*start = at;
			if (at + size > *end)
				*end = at + size;
		}
	}
	return *start < *end;
}

void live_resolve_process_madvise(const unsigned long *a, struct live_change *c)
{
	unsigned long start, end;

	if (a[2] > 1024 || a[4] || !is_self((int)a[0]) ||
	    !hull(a[1], a[2], &start, &end))
		return;
	live_add(c, start & SYS_PAGE_MASK, end - (start & SYS_PAGE_MASK),
		 MMU_NOTIFY_CLEAR);
}

bool live_untouched_process_madvise(const unsigned long *a, long err)
{
	return err == -EBADF || err == -ESRCH || err == -EPERM ||
	       err == -EFAULT;
}
