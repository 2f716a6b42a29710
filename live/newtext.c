/* SPDX-License-Identifier: MIT */
/*
 * live/newtext.c - program text that appears while we are armed.
 *
 * The dynamic linker maps a library's text before the read-only data that
 * holds its table of functions. So text with a syscall instruction but no
 * table is remembered, and looked at again after each further operation on
 * mappings; making the relocated data read-only is the last of them before
 * dlopen() returns. Runs on callback stacks.
 */
#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "live/coverage.h"
#include "live/live.h"
#include "live/maps.h"

#define PENDING_MAX 16
/* Then it is taken as it is: more operations than a library has segments. */
#define ATTEMPTS 24

struct pending {
	unsigned long start, end;
	unsigned int attempts;
};

/* Under mmun_live_v.lock; the number is read without. */
static struct pending pending[PENDING_MAX];
uint32_t mmun_live_pending;

/* Returns whether it is done with. */
static bool scan(unsigned long start, unsigned long end, bool last_chance)
{
	struct scan s = {.coverage = &mmun_live_coverage,
			 .threaded = live_is_threaded(),
			 .last_chance = last_chance};
	int rc = scan_range(&s, start, end);

	if (rc)
		mmun_live_coverage.error = rc;
	return rc || !s.pending;
}

static void retry_pending(void)
{
	uint32_t i, kept = 0;

	for (i = 0; i < mmun_live_pending; i++) {
		struct pending p = pending[i];

		if (!scan(p.start, p.end, ++p.attempts >= ATTEMPTS))
			pending[kept++] = p;
	}
	__atomic_store_n(&mmun_live_pending, kept, __ATOMIC_RELAXED);
}

static void add_pending(unsigned long start, unsigned long end)
{
	struct pending *p = &pending[mmun_live_pending];

	if (mmun_live_pending == PENDING_MAX) {
		scan(start, end, true);
		return;
	}
	*p = (struct pending){start, end, 0};
	__atomic_store_n(&mmun_live_pending, mmun_live_pending + 1,
			 __ATOMIC_RELAXED);
}

static void look_at(unsigned long start, unsigned long end)
{
	if (!scan(start, end, false))
		add_pending(start, end);
}

/*
 * A compiler's second view of memory that it has not written yet: looking at
 * it would allocate all of it.
 */
static bool is_sparse_memory(int fd)
{
	struct statfs fs;
	struct stat st;

	return !sys_call2(SYS_fstatfs, fd, &fs) && fs.f_type == TMPFS_MAGIC &&
	       !sys_call2(SYS_fstat, fd, &st) &&
	       st.st_blocks * 512 < st.st_size;
}

/* Most libraries have no system call of their own. */
void live_text_mapped(unsigned long start, unsigned long end, int fd)
{
	bool sparse = is_sparse_memory(fd);
	bool clean = !sparse && scan_is_clean(start, end);
	struct sys_sigset signals;

	sys_mutex_lock(&mmun_live_v.lock, &signals);
	retry_pending();
	if (sparse)
		mmun_live_coverage.unscanned++;
	else if (clean)
		mmun_live_coverage.images++;
	else
		look_at(start, end);
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
}

/* What compilers at run time make executable is not worth a look. */
void live_text_protected(unsigned long start, unsigned long end)
{
	struct sys_sigset signals;

	if (!mmun_live_pending && !maps_may_have_text(start, end))
		return;
	sys_mutex_lock(&mmun_live_v.lock, &signals);
	retry_pending();
	look_at(start, end);
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
}

void live_text_retry(void)
{
	struct sys_sigset signals;

	sys_mutex_lock(&mmun_live_v.lock, &signals);
	retry_pending();
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
}
