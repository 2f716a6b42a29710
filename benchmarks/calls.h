/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/calls.h - the calls that are measured with nothing, with mmun and
 * with the peer underneath: the same code for all of them.
 */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#include "benchmarks/side.h"

#define PAGE 4096ul
#define FIELD_RANGES 100000ul
#define FIELD_SIZE (FIELD_RANGES * 2 * PAGE)

/*
 * field: addresses where nothing is mapped, so that munmap() has nothing to
 * do and what is added to it shows. Interleaved sides watch its even pages.
 * spare: a mapped page that nobody touches.
 */
static char *field, *spare;

static inline unsigned long calls_random(unsigned long below)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned long)((x >> 32) * below >> 32);
}

static inline void calls_init(void)
{
	/* Far from where the kernel puts what is mapped without an address. */
	field = mmap((void *)(1ul << 44), FIELD_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			     MAP_FIXED_NOREPLACE,
		     -1, 0);
	spare = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (field == MAP_FAILED || spare == MAP_FAILED)
		abort();
	munmap(field, FIELD_SIZE);
}

static inline char *calls_even(void)
{
	return field + calls_random(FIELD_RANGES) * 2 * PAGE;
}

/* ---- one thread ---- */

static inline double call_getpid(void)
{
	return BENCH_BATCH(500, getpid());
}

static inline double call_munmap_fixed(void)
{
	return BENCH_BATCH(500, munmap(field, PAGE));
}

/* Long batches: what the look-up reads is as warm as its size allows. */
static inline double call_munmap_odd(void)
{
	return BENCH_BATCH(5000, munmap(calls_even() + PAGE, PAGE));
}

static inline double call_munmap_even(void)
{
	return BENCH_BATCH(5000, munmap(calls_even(), PAGE));
}

static inline double call_madvise(void)
{
	return BENCH_BATCH(500, madvise(spare, PAGE, MADV_DONTNEED));
}

/* Really unmap: pages that were written, with gaps, so that none merge. */
static inline double call_munmap_page(void)
{
	enum { NR = 64 };
	char *p[NR];
	int k;

	for (k = 0; k < NR; k++) {
		p[k] = mmap(field + 2 * k * PAGE, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*p[k] = 1;
	}
	return BENCH_NS(NR, munmap(p[i], PAGE));
}

/* ---- two threads: how much more do two of them get done than one? ---- */

struct calls_thread {
	void (*call)(int thread);
	unsigned int nr;
	int thread;
	unsigned int *missing; /* at the start */
	double wall, cpu;      /* ns per call */
};

static inline double calls_cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static inline void *calls_thread(void *arg)
{
	struct calls_thread *t = arg;
	double cpu;

	bench_pin(t->thread);
	__atomic_fetch_sub(t->missing, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(t->missing, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
	cpu = calls_cpu_now();
	t->wall = BENCH_NS(t->nr, t->call(t->thread));
	t->cpu = (calls_cpu_now() - cpu) / t->nr;
	return NULL;
}

/* ns per call of the slower of two threads; NAN if one had to share a CPU. */
static inline double calls_parallel(void (*call)(int thread), unsigned int nr)
{
	unsigned int missing = 2;
	struct calls_thread t[2] = {{call, nr, 0, &missing, 0, 0},
				    {call, nr, 1, &missing, 0, 0}};
	pthread_t id;

	if (pthread_create(&id, NULL, calls_thread, &t[1]))
		abort();
	calls_thread(&t[0]);
	pthread_join(id, NULL);
	if (t[0].wall > 1.1 * t[0].cpu || t[1].wall > 1.1 * t[1].cpu)
		return NAN;
	return t[0].wall > t[1].wall ? t[0].wall : t[1].wall;
}

/* Other programs are about: only batches count that had both CPUs. */
static inline double calls_scaling(void (*call)(int thread))
{
	double one = BENCH_BATCH(1000, call(0)), two = NAN;
	unsigned int nr = (unsigned int)(300e3 / one), tries;

	for (tries = 0; tries < 100 && isnan(two); tries++)
		two = calls_parallel(call, nr);
	one = BENCH_BATCH(nr, call(0));
	return 2 * one / two;
}

static inline void call_madvise_of_thread(int thread)
{
	static char *page[2];

	if (!page[thread])
		page[thread] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(page[thread] + PAGE, PAGE, MADV_DONTNEED);
}

static inline double call_madvise_threads(void)
{
	return calls_scaling(call_madvise_of_thread);
}

/* ---- what a side registers, and a raise without a system call ---- */

static void (*calls_dispatch)(int thread);

static inline void calls_nothing(int thread)
{
}

static inline double call_dispatch(void)
{
	return BENCH_BATCH(2000, calls_dispatch(0));
}

static inline double call_dispatch_threads(void)
{
	return calls_scaling(calls_dispatch);
}

enum {
	CALL_GETPID,
	CALL_MUNMAP_FIXED,
	CALL_MUNMAP_ODD,
	CALL_MUNMAP_EVEN,
	CALL_MADVISE,
	CALL_MUNMAP_PAGE,
	CALL_MADVISE_THREADS,
	CALL_DISPATCH,
	CALL_DISPATCH_THREADS,
};

static const bench_op calls[] = {
	[CALL_GETPID] = call_getpid,
	[CALL_MUNMAP_FIXED] = call_munmap_fixed,
	[CALL_MUNMAP_ODD] = call_munmap_odd,
	[CALL_MUNMAP_EVEN] = call_munmap_even,
	[CALL_MADVISE] = call_madvise,
	[CALL_MUNMAP_PAGE] = call_munmap_page,
	[CALL_MADVISE_THREADS] = call_madvise_threads,
	[CALL_DISPATCH] = call_dispatch,
	[CALL_DISPATCH_THREADS] = call_dispatch_threads,
};

#endif /* BENCH_CALLS_H */
