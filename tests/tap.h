/* SPDX-License-Identifier: MIT */
/*
 * tests/tap.h - test cases that may crash, hang, fork and unmap.
 *
 *	#include "tests/tap.h"
 *
 *	TEST(name) { ASSERT_EQ(f(), 0); EXPECT_LT(a, b); }
 *	TEST_TIMEOUT(slow, 60) { if (!have_x()) SKIP("no x here"); ... }
 *
 * Each case runs in a forked child, in a process group of its own, with a
 * time limit of 30 s unless it says otherwise (plus the environment's
 * STRESS_SECONDS; times TAP_SLOW, for valgrind). EXPECT_ reports and goes on,
 *ASSERT_ ends the process that it is in; both count from any thread and any
 *descendant. The output is TAP. PROGRAM [TEXT] runs the cases whose name
 *contains TEXT, PROGRAM -l lists them.
 *
 * Comparisons are made as long long; both sides are printed.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TAP_EXIT_SKIP 77

struct tap_case {
	const char *name;
	void (*run)(void);
	unsigned int seconds;
	struct tap_case *next;
};

/* What a child and its descendants tell the parent. */
struct tap_shared {
	unsigned int failures;
	char why_skipped[200];
};

static struct tap_case *tap_first, **tap_last = &tap_first;
static struct tap_shared *tap_shared;

#define TEST_TIMEOUT(case_name, limit)                                     \
	static void test_##case_name(void);                                \
	static __attribute__((constructor)) void tap_add_##case_name(void) \
	{                                                                  \
		static struct tap_case c = {#case_name, test_##case_name,  \
					    limit, NULL};                  \
                                                                           \
		*tap_last = &c;                                            \
		tap_last = &c.next;                                        \
	}                                                                  \
	static void test_##case_name(void)
#define TEST(case_name) TEST_TIMEOUT(case_name, 30)

/* One write each, so that lines of threads and children stay whole. */
static __attribute__((format(printf, 1, 2), unused)) void
tap_say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, n) < 0)
		_exit(1);
}

static __attribute__((unused)) void tap_failed(int fatal)
{
	__atomic_fetch_add(&tap_shared->failures, 1, __ATOMIC_RELAXED);
	if (fatal)
		_exit(1);
}

#define SKIP(...)                                                       \
	do {                                                            \
		snprintf(tap_shared->why_skipped,                       \
			 sizeof(tap_shared->why_skipped), __VA_ARGS__); \
		_exit(TAP_EXIT_SKIP);                                   \
	} while (0)

#define TAP_COMPARE(fatal, a, op, b)                                        \
	do {                                                                \
		long long tap_a = (long long)(a), tap_b = (long long)(b);   \
                                                                            \
		if (!(tap_a op tap_b)) {                                    \
			tap_say("# %s:%d: wanted %s " #op " %s, have %lld " \
				"(%#llx) and %lld (%#llx)",                 \
				__FILE__, __LINE__, #a, #b, tap_a, tap_a,   \
				tap_b, tap_b);                              \
			tap_failed(fatal);                                  \
		}                                                           \
	} while (0)

#define TAP_STREQ(fatal, a, b)                                         \
	do {                                                           \
		const char *tap_a = (a), *tap_b = (b);                 \
                                                                       \
		if (!tap_a || !tap_b || strcmp(tap_a, tap_b) != 0) {   \
			tap_say("# %s:%d: wanted %s same as %s, have " \
				"\"%s\" and \"%s\"",                   \
				__FILE__, __LINE__, #a, #b,            \
				tap_a ? tap_a : "(null)",              \
				tap_b ? tap_b : "(null)");             \
			tap_failed(fatal);                             \
		}                                                      \
	} while (0)

#define EXPECT_EQ(a, b) TAP_COMPARE(0, a, ==, b)
#define EXPECT_NE(a, b) TAP_COMPARE(0, a, !=, b)
#define EXPECT_LT(a, b) TAP_COMPARE(0, a, <, b)
#define EXPECT_LE(a, b) TAP_COMPARE(0, a, <=, b)
#define EXPECT_GT(a, b) TAP_COMPARE(0, a, >, b)
#define EXPECT_GE(a, b) TAP_COMPARE(0, a, >=, b)
#define EXPECT_TRUE(a) TAP_COMPARE(0, (a) != 0, ==, 1)
#define EXPECT_FALSE(a) TAP_COMPARE(0, (a) != 0, ==, 0)
#define EXPECT_STREQ(a, b) TAP_STREQ(0, a, b)
#define ASSERT_EQ(a, b) TAP_COMPARE(1, a, ==, b)
#define ASSERT_NE(a, b) TAP_COMPARE(1, a, !=, b)
#define ASSERT_LT(a, b) TAP_COMPARE(1, a, <, b)
#define ASSERT_LE(a, b) TAP_COMPARE(1, a, <=, b)
#define ASSERT_GT(a, b) TAP_COMPARE(1, a, >, b)
#define ASSERT_GE(a, b) TAP_COMPARE(1, a, >=, b)
#define ASSERT_TRUE(a) TAP_COMPARE(1, (a) != 0, ==, 1)
#define ASSERT_FALSE(a) TAP_COMPARE(1, (a) != 0, ==, 0)
#define ASSERT_STREQ(a, b) TAP_STREQ(1, a, b)

static _Noreturn void tap_child(const struct tap_case *c, const sigset_t *mask)
{
	static const struct rlimit none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	sigprocmask(SIG_SETMASK, mask, NULL);
	c->run();
	/* Not _exit(): sanitizers look for leaks, the library is released. */
	exit(tap_shared->failures != 0);
}

static long long tap_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* Waits for the child, SIGCHLD being blocked; false: it took too long. */
static int tap_wait(pid_t pid, long long limit_ms, const sigset_t *chld,
		    int *status)
{
	long long end = tap_now_ms() + limit_ms, left;
	struct timespec t;

	while (waitpid(pid, status, WNOHANG) == 0) {
		left = end - tap_now_ms();
		if (left <= 0)
			return 0;
		t.tv_sec = left / 1000;
		t.tv_nsec = left % 1000 * 1000000;
		sigtimedwait(chld, NULL, &t);
	}
	return 1;
}

static int tap_report(int nr, const struct tap_case *c, int in_time, int status)
{
	int skipped = in_time && WIFEXITED(status) &&
		      WEXITSTATUS(status) == TAP_EXIT_SKIP;
	int ok = in_time && WIFEXITED(status) && !tap_shared->failures &&
		 (WEXITSTATUS(status) == 0 || skipped);

	if (!in_time)
		tap_say("# %s: not finished after its time limit", c->name);
	else if (WIFSIGNALED(status))
		tap_say("# %s: killed by signal %d (%s)", c->name,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (!ok)
		tap_say("# %s: exit status %d, %u failed checks", c->name,
			WEXITSTATUS(status), tap_shared->failures);
	tap_say("%sok %d - %s%s%s", ok ? "" : "not ", nr, c->name,
		ok && skipped ? " # SKIP " : "",
		ok && skipped ? tap_shared->why_skipped : "");
	return ok;
}

static long long tap_limit_ms(const struct tap_case *c)
{
	const char *slow = getenv("TAP_SLOW"), *more = getenv("STRESS_SECONDS");
	long long s = c->seconds + (more ? atoi(more) : 0);

	return s * 1000 * (slow && atoi(slow) > 0 ? atoi(slow) : 1);
}

static int tap_run(int nr, const struct tap_case *c)
{
	int in_time, status = 0;
	sigset_t chld, old;
	pid_t pid;

	memset(tap_shared, 0, sizeof(*tap_shared));
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	pid = fork();
	if (pid == 0)
		tap_child(c, &old);
	setpgid(pid, pid);
	in_time = tap_wait(pid, tap_limit_ms(c), &chld, &status);
	kill(-pid, SIGKILL); /* what it left behind, or itself */
	if (!in_time)
		waitpid(pid, &status, 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return tap_report(nr, c, in_time, status);
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	int list = !strcmp(only, "-l"), nr = 0, bad = 0;
	struct tap_case *c;

	tap_shared = mmap(NULL, sizeof(*tap_shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tap_shared == MAP_FAILED)
		return 1;
	for (c = tap_first; c; c = c->next)
		if (list)
			puts(c->name);
		else if (strstr(c->name, only))
			bad += !tap_run(++nr, c);
	if (list)
		return 0;
	tap_say("1..%d", nr);
	return bad != 0 || nr == 0;
}

#endif /* TESTS_TAP_H */
