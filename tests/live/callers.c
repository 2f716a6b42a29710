/* SPDX-License-Identifier: MIT */
/*
 * Who really unmaps in a program: malloc, the dynamic linker, threads.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <malloc.h>
#include <pthread.h>

#include "tests/live/recorder.h"

#define BIG (8ul << 20)

TEST(free_of_a_big_chunk)
{
	static struct recorder r;
	char *p = malloc(BIG);

	memset(p, 'a', BIG);
	record(&r, p + PAGE, PAGE);
	r.probe = p + PAGE;
	free(p);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.byte, 'a');
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_UNMAP);
	EXPECT_FALSE(is_mapped(p + PAGE));
}

TEST(realloc_moves_a_big_chunk)
{
	static struct recorder r;
	char *p = malloc(BIG), *block, *moved;

	memset(p, 'a', BIG);
	record(&r, p + PAGE, PAGE);
	r.probe = p + PAGE;
	/* In the way of growing where it is. */
	block = mmap(p - 2 * sizeof(size_t) + BIG + PAGE, PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	moved = realloc(p, 4 * BIG);
	ASSERT_NE(moved, NULL);
	EXPECT_GE(r.begins, 1);
	EXPECT_EQ(r.ends, r.begins);
	EXPECT_EQ(r.byte, 'a');
	EXPECT_EQ(moved[PAGE], 'a');
	free(moved);
	if (block != MAP_FAILED)
		munmap(block, PAGE);
}

TEST(malloc_trim_returns_the_heap)
{
	static struct recorder r;
	char *p[2000];
	int i;

	for (i = 0; i < 2000; i++) {
		p[i] = malloc(2000);
		memset(p[i], 'a', 2000);
	}
	record(&r, p[1000], 2000);
	r.probe = p[1000] + 1000;
	for (i = 0; i < 2000; i++)
		free(p[i]);
	malloc_trim(0);
	EXPECT_GE(r.begins, 1);
	EXPECT_EQ(r.ends, r.begins);
	EXPECT_EQ(r.byte, 'a');
}

TEST(dlclose_unmaps_the_library)
{
	static struct recorder r;
	void *lib = dlopen("libmvec.so.1", RTLD_NOW | RTLD_LOCAL), *symbol;

	if (!lib)
		SKIP("no libmvec.so.1 here");
	symbol = dlsym(lib, "_ZGVbN2v_sin");
	ASSERT_NE(symbol, NULL);
	record(&r, symbol, 64);
	r.probe = symbol;
	dlclose(lib);
	EXPECT_GE(r.begins, 1);
	EXPECT_EQ(r.ends, r.begins);
	EXPECT_FALSE(is_mapped(symbol));
}

static void *local_address(void *unused)
{
	char here;

	return (void *)((unsigned long)&here & -PAGE);
}

static char *a_stack_that_was_used(bool detached, size_t size)
{
	pthread_attr_t attr;
	pthread_t t;
	void *at = NULL;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, size);
	if (detached)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ASSERT_EQ(pthread_create(&t, &attr, local_address, NULL), 0);
	if (!detached)
		pthread_join(t, &at);
	return at;
}

/* More than glibc keeps for later. */
TEST(thread_stack_is_released)
{
	static struct recorder r;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	/* Class 1: told of everything, so the address need not be known. */
	record(&r, (void *)PAGE, (1ul << 47) - 2 * PAGE);
	a_stack_that_was_used(false, 64ul << 20);
	EXPECT_GE(r.begins, 1);
	EXPECT_EQ(r.open, 0);
}

static int released;

static void *exits_on_a_watched_stack(void *p)
{
	static struct recorder r;
	char here;

	(void)p;
	record(&r, (void *)((unsigned long)&here & -(1ul << 16)), 1ul << 16);
	__atomic_store_n(&released, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* The thread gives up part of its stack by itself; nobody is left stuck. */
TEST(detached_threads_end_on_watched_stacks)
{
	pthread_attr_t attr;
	pthread_t t;
	int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64ul << 20);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ASSERT_EQ(pthread_create(&t, &attr, exits_on_a_watched_stack, NULL), 0);
	while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE))
		usleep(100);
	for (i = 0; i < 50; i++)
		a_stack_that_was_used(i & 1, 64ul << 20);
}

static void *trace[64];
static int nr_trace;

static void take_trace(struct recorder *r)
{
	nr_trace = backtrace(trace, 64);
}

static __attribute__((noinline)) void frees_it(char *p)
{
	free(p);
	__asm__ volatile("");
}

/* The way from the callback stack back into the program is described. */
TEST(backtrace_from_a_callback)
{
	static struct recorder r;
	char *p = malloc(BIG);
	int i, found = 0;

	record(&r, p + PAGE, PAGE);
	backtrace(trace, 1); /* loads what it needs */
	r.hook = take_trace;
	frees_it(p);
	for (i = 0; i < nr_trace; i++)
		found += (char *)trace[i] > (char *)frees_it &&
			 (char *)trace[i] < (char *)frees_it + 64;
	EXPECT_EQ(found, 1);
}
