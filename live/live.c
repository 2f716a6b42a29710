/* SPDX-License-Identifier: MIT */
/*
 * live/live.c - arming: find the sites, redirect them, then let the stubs in.
 */
#include <errno.h>
#include <signal.h>

#include "live/coverage.h"
#include "live/live.h"

struct live_volatile mmun_live_v;
struct mmun_coverage mmun_live_coverage;

/* Not wiped: the text of a forked child is redirected already. */
static bool redirected;

/* core's question; see core/mm.h. */
int (*mmun_live_arm)(void) = live_arm;

static unsigned int count_sites(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < mmun_nr_sites; i++)
		n += mmun_sites[i].live;
	return n;
}

static int redirect(bool threaded)
{
	struct scan s = {.coverage = &mmun_live_coverage, .threaded = threaded};
	int rc;

	/* Most sites are in libc; this is there, and nobody copies it. */
	rc = stub_arena_init((unsigned long)__libc_current_sigrtmin);
	if (!rc)
		rc = live_hook_init();
	if (rc)
		return rc;
	live_mmap_init();
	mmun_live_coverage = (struct mmun_coverage){0};
	s.last_chance = true;
	rc = scan_range(&s, 0, ~0ul);
	/*
	 * Two copies cannot both stand before a system call, and to be told
	 * of some calls but not of libc's is worse than an error.
	 */
	if (!rc && s.foreign)
		rc = -EBUSY;
	if (!rc && !count_sites())
		rc = -ENOEXEC;
	redirected = !rc;
	return rc;
}

/*
 * Operations that other threads began before the sites were redirected, or
 * before the stubs saw the word, go by unseen: give them time to end.
 */
static void let_in(bool threaded)
{
	struct mmun_coverage *c = &mmun_live_coverage;

	/* Seen by every thread at its next passage: the waiting below. */
	__atomic_store_n(&mmun_live_v.armed, 1, __ATOMIC_SEQ_CST);
	if (!threaded)
		return;
	sys_membarrier();
	c->late = 1;
	c->late_ns = live_wait_in_flight();
}

static int arm_locked(void)
{
	bool threaded = live_is_threaded();
	int rc = 0;

	mmun_live_v.pid = sys_getpid();
	if (!redirected)
		rc = redirect(threaded);
	mmun_live_coverage.error = rc;
	if (!rc)
		let_in(threaded);
	return rc;
}

int live_arm(void)
{
	struct sys_sigset signals;
	int rc;

	if (__atomic_load_n(&mmun_live_v.armed, __ATOMIC_ACQUIRE))
		return 0;
	rc = sys_wipe_on_fork(&mmun_live_v, sizeof(mmun_live_v));
	if (rc)
		return rc;
	sys_mutex_lock(&mmun_live_v.lock, &signals);
	if (!mmun_live_v.armed)
		rc = arm_locked();
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
	return rc;
}

int mmun_coverage_read(struct mmun_coverage *coverage)
{
	struct sys_sigset signals;

	if (!coverage || coverage->size != sizeof(*coverage))
		return -EINVAL;
	sys_mutex_lock(&mmun_live_v.lock, &signals);
	*coverage = mmun_live_coverage;
	coverage->size = sizeof(*coverage);
	coverage->armed = mmun_live_v.armed;
	coverage->method = text_method();
	coverage->sites = count_sites();
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
	return 0;
}
