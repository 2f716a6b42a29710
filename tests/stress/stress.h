/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/stress.h - threads that run for a while, and random numbers.
 *
 * A program runs for STRESS_SECONDS (default 5), shared by its cases. The
 * seed is STRESS_SEED, else the clock's, and is printed.
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <mmun/mm.h>
#include <mmun/mmu_interval_notifier.h>
#include <mmun/mmu_notifier.h>
#include <mmun/mmu_rmap_notifier.h>

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "tests/tap.h"

#define PAGE 4096ul

/* How long a case may run that has 1/parts of the program's time. */
static inline long stress_ms(int parts)
{
	const char *s = getenv("STRESS_SECONDS");

	return (s && atoi(s) > 0 ? atoi(s) : 5) * 1000l / parts;
}

static inline uint64_t stress_seed(void)
{
	const char *s = getenv("STRESS_SEED");
	uint64_t seed = s ? strtoull(s, NULL, 0) : (uint64_t)tap_now_ms();

	tap_say("# STRESS_SEED=%llu", (unsigned long long)seed);
	return seed;
}

struct random {
	uint64_t state;
};

static inline uint64_t next_random(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

static inline unsigned long below(struct random *r, unsigned long n)
{
	return (next_random(r) >> 16) % n;
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	struct random random;
	int nr;
	void *shared;
	void (*step)(struct worker *w);
};

static int stress_over;

static inline bool is_over(void)
{
	return __atomic_load_n(&stress_over, __ATOMIC_RELAXED);
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	while (!is_over())
		w->step(w);
	return NULL;
}

static inline void worker_start(struct worker *w, int nr, uint64_t seed,
				void (*step)(struct worker *), void *shared)
{
	w->nr = nr;
	w->shared = shared;
	w->step = step;
	w->random.state = (seed + (uint64_t)nr) * 0x9e3779b97f4a7c15ull | 1;
	ASSERT_EQ(pthread_create(&w->thread, NULL, worker_run, w), 0);
}

/* Let them run; then they are over. */
static inline void workers_run(struct worker *w, int n, long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
	__atomic_store_n(&stress_over, 1, __ATOMIC_RELAXED);
	for (; n; n--, w++)
		ASSERT_EQ(pthread_join(w->thread, NULL), 0);
	__atomic_store_n(&stress_over, 0, __ATOMIC_RELAXED);
}

static inline unsigned long add(unsigned long *n, long by)
{
	return __atomic_add_fetch(n, (unsigned long)by, __ATOMIC_SEQ_CST);
}

static inline unsigned long get(const unsigned long *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

static inline void set(unsigned long *n, unsigned long value)
{
	__atomic_store_n(n, value, __ATOMIC_SEQ_CST);
}

#endif /* TESTS_STRESS_H */
