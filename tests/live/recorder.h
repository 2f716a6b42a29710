/* SPDX-License-Identifier: MIT */
/*
 * tests/live/recorder.h - a class 3 subscription and an observer that write
 * down what they are told, in arrival order.
 */
#ifndef TESTS_LIVE_RECORDER_H
#define TESTS_LIVE_RECORDER_H

#include <mmun/coverage.h>
#include <mmun/mmu_interval_notifier.h>
#include <mmun/observe.h>
#include <sys/syscall.h>

#include "tests/tap.h"

#define PAGE 4096ul
#define MAP_RW (PROT_READ | PROT_WRITE), (MAP_PRIVATE | MAP_ANONYMOUS)

/**
 * struct recorder - what a watch saw.
 * @probe: if set, its byte is read inside the first begin.
 * @hook: if set, called inside the begin.
 */
struct recorder {
	struct mmu_interval_notifier mni;
	const volatile char *probe;
	void (*hook)(struct recorder *r);
	int begins, ends, open;
	char byte;
	struct mmu_notifier_range begin, end;
};

static bool recorder_invalidate(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long seq)
{
	struct recorder *r = (struct recorder *)mni;

	mmu_interval_set_seq(mni, seq);
	r->begins++;
	r->open++;
	r->begin = *range;
	if (r->probe && r->begins == 1)
		r->byte = *r->probe;
	if (r->hook)
		r->hook(r);
	return true;
}

static void recorder_invalidated(struct mmu_interval_notifier *mni,
				 const struct mmu_notifier_range *range)
{
	struct recorder *r = (struct recorder *)mni;

	r->ends++;
	r->open--;
	r->end = *range;
}

static const struct mmu_interval_notifier_ops recorder_ops = {
	recorder_invalidate, recorder_invalidated};

static inline void record(struct recorder *r, const void *p, size_t size)
{
	ASSERT_EQ(mmu_interval_notifier_insert(&r->mni, mm_self(),
					       (unsigned long)p, size,
					       &recorder_ops),
		  0);
}

static inline char *map_pages(unsigned long pages)
{
	char *p = mmap(NULL, pages * PAGE, MAP_RW, -1, 0);

	ASSERT_NE(p, MAP_FAILED);
	memset(p, 'a', pages * PAGE);
	return p;
}

/* Is there a mapping? Asked without touching it. */
static inline bool is_mapped(const void *p)
{
	return msync((void *)((unsigned long)p & ~(PAGE - 1)), PAGE,
		     MS_ASYNC) == 0;
}

/* The same system call from inline assembly, number known to the scanner. */
#define INLINE_CALL(name, nr)                                                 \
	static __attribute__((noinline, unused)) long inline_##name(          \
		long a, long b, long c, long d, long e, long f)               \
	{                                                                     \
		register long r10 __asm__("r10") = d;                         \
		register long r8 __asm__("r8") = e;                           \
		register long r9 __asm__("r9") = f;                           \
		long result;                                                  \
                                                                              \
		__asm__ volatile("mov %1, %%eax\n\tsyscall"                   \
				 : "=a"(result)                               \
				 : "i"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), \
				   "r"(r8), "r"(r9)                           \
				 : "rcx", "r11", "memory");                   \
		return result;                                                \
	}

#endif /* TESTS_LIVE_RECORDER_H */
