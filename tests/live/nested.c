/* SPDX-License-Identifier: MIT */
/*
 * Raising while raising: in callbacks, in signal handlers, and jumping out.
 */
#include <pthread.h>
#include <setjmp.h>

#include "tests/live/recorder.h"

static char *inner_area;
static volatile int depth;

static void raise_again(struct recorder *r)
{
	if (++depth <= 20)
		munmap(inner_area + depth * PAGE, PAGE);
}

TEST(callback_that_unmaps)
{
	static struct recorder outer, inner;
	char *p = map_pages(1);

	inner_area = map_pages(32);
	outer.hook = raise_again;
	inner.hook = raise_again;
	record(&outer, p, PAGE);
	record(&inner, inner_area, 32 * PAGE);
	munmap(p, PAGE);
	EXPECT_EQ(outer.begins, 1);
	EXPECT_EQ(outer.ends, 1);
	EXPECT_EQ(inner.begins, 20);
	EXPECT_EQ(inner.ends, 20);
}

static struct recorder handled;
static volatile sig_atomic_t signals;

static void handler(int sig)
{
	signals++;
	madvise(inner_area, PAGE, MADV_DONTNEED);
}

static void send_signal(struct recorder *r)
{
	raise(SIGUSR1);
}

TEST(signal_handler_inside_a_callback)
{
	static struct recorder r;
	char *p = map_pages(1);

	inner_area = map_pages(1);
	signal(SIGUSR1, handler);
	r.hook = send_signal;
	record(&r, p, PAGE);
	record(&handled, inner_area, PAGE);
	madvise(p, PAGE, MADV_DONTNEED);
	EXPECT_EQ(signals, 1);
	EXPECT_EQ(handled.begins, 1);
	EXPECT_EQ(handled.ends, 1);
	EXPECT_EQ(r.ends, 1);
}

/* Hits at any instruction of the way in and out. */
TEST_TIMEOUT(signals_anywhere, 60)
{
	static struct recorder r;
	struct itimerspec often = {{0, 50000}, {0, 50000}};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL,
			      .sigev_signo = SIGUSR1};
	char *p = map_pages(2);
	timer_t timer;
	long i, n = 0;

	inner_area = map_pages(1);
	record(&r, p, PAGE);
	record(&handled, inner_area, PAGE);
	signal(SIGUSR1, handler);
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	ASSERT_EQ(timer_settime(timer, 0, &often, NULL), 0);
	for (i = 0; signals < 20000 && i < 4000000; i++) {
		ASSERT_EQ(madvise(p + (i & 1) * PAGE, PAGE, MADV_DONTNEED), 0);
		n += !(i & 1);
	}
	timer_delete(timer);
	signal(SIGUSR1, SIG_IGN);
	EXPECT_GT(signals, 1000);
	EXPECT_EQ(r.begins, n);
	EXPECT_EQ(r.ends, n);
	EXPECT_EQ(handled.begins, signals);
	EXPECT_EQ(handled.ends, signals);
}

static sigjmp_buf out;

static void jump_out(struct recorder *r)
{
	siglongjmp(out, 1);
}

/* The change never happens; a reader must not wait for its end for ever. */
TEST(jump_out_of_a_callback)
{
	static struct recorder r;
	char *p = map_pages(1);
	volatile int i;
	unsigned long seq;

	record(&r, p, PAGE);
	r.hook = jump_out;
	for (i = 0; i < 300; i++) {
		if (!sigsetjmp(out, 1))
			madvise(p, PAGE, MADV_DONTNEED);
		EXPECT_EQ(*p, 'a');
	}
	EXPECT_EQ(r.begins, 300);
	r.hook = NULL;
	seq = mmu_interval_read_begin(&r.mni);
	EXPECT_FALSE(mmu_interval_read_retry(&r.mni, seq));
	EXPECT_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(r.begins, 301);
	EXPECT_EQ(*p, 0);
}

static void fork_inside(struct recorder *r)
{
	char *p;
	pid_t pid;
	int status;

	r->hook = NULL;
	pid = fork();
	if (!pid) {
		static struct recorder mine;

		p = map_pages(1);
		record(&mine, p, PAGE);
		munmap(p, PAGE);
		_exit(mine.begins == 1 && mine.ends == 1 ? 0 : 1);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
}

TEST(callback_that_forks)
{
	static struct recorder r;
	char *p = map_pages(1);

	record(&r, p, PAGE);
	r.hook = fork_inside;
	madvise(p, PAGE, MADV_DONTNEED);
	EXPECT_EQ(r.begins, 2);
	EXPECT_EQ(r.ends, 2);
}

/* ---- many at once ---- */

#define THREADS 8
#define ROUNDS 20000

static void *unmapper(void *arg)
{
	struct recorder *r = arg;
	char *p = map_pages(1);
	int i;

	record(r, p, PAGE);
	for (i = 0; i < ROUNDS; i++)
		madvise(p, PAGE, MADV_DONTNEED);
	return NULL;
}

TEST_TIMEOUT(threads, 60)
{
	static struct recorder r[THREADS];
	pthread_t t[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, unmapper, &r[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(r[i].begins, ROUNDS);
		EXPECT_EQ(r[i].ends, ROUNDS);
	}
}
