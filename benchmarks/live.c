/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/live.c - what the process's own munmap() and madvise() cost once
 * the system call sites are patched, beside UCX's hooks: nobody watching, one
 * watching something else, and hits.
 *
 * Plain is the same call in a process that was never armed. UCX has no ranges:
 * whoever has a handler is told of everything, once, before the call.
 */
#include "benchmarks/bench.h"
#include "benchmarks/calls.h"
#include "benchmarks/subscribers.h"

enum { PLAIN, ARMED, ELSEWHERE, FIELD, RANGE, C1, C8, C64, U0, U1, U8, U64 };

static void setup_plain(long mode)
{
}

static void setup_armed(long mode)
{
	must(mm_arm(mm_self()), "mm_arm");
}

static void setup_elsewhere(long mode)
{
	subscribe_range(mm_self(), (unsigned long)field + FIELD_SIZE + PAGE,
			PAGE);
}

static void setup_field(long mode)
{
	subscribe_even(mm_self(), (unsigned long)field, FIELD_RANGES);
}

static void setup_range(long mode)
{
	subscribe_range(mm_self(), (unsigned long)field, FIELD_SIZE);
	subscribe_range(mm_self(), (unsigned long)spare, PAGE);
}

static void setup_class1(long nr)
{
	subscribe(mm_self(), nr);
}

static struct bench_side sides[] = {
	[PLAIN] = {.setup = setup_plain},
	[ARMED] = {.setup = setup_armed},
	[ELSEWHERE] = {.setup = setup_elsewhere},
	[FIELD] = {.setup = setup_field},
	[RANGE] = {.setup = setup_range},
	[C1] = {.setup = setup_class1, .arg = 1},
	[C8] = {.setup = setup_class1, .arg = 8},
	[C64] = {.setup = setup_class1, .arg = 64},
	[U0] = {.program = BENCH_UCX, .arg = 0},
	[U1] = {.program = BENCH_UCX, .arg = 1},
	[U8] = {.program = BENCH_UCX, .arg = 8},
	[U64] = {.program = BENCH_UCX, .arg = 64},
};

/* clang-format off */
#define ROW(text, number, with, peer, limit) \
	{.what = text, .op = CALL_##number, .side = {PLAIN, with, peer}, \
	 .target = limit}

static struct bench_row rows[] = {
	ROW("getpid, armed", GETPID, ARMED, U0, "+0"),
	ROW("munmap of nothing, nobody watching", MUNMAP_FIXED, ARMED, U0, "<= +10"),
	ROW("madvise(DONTNEED), nobody watching", MADVISE, ARMED, U0, "<= +10"),
	ROW("munmap of nothing, one elsewhere", MUNMAP_FIXED, ELSEWHERE, U1, "<= +15"),
	ROW("madvise(DONTNEED), one elsewhere", MADVISE, ELSEWHERE, U1, "<= +15"),
	ROW("munmap, random miss among 100,000 ranges", MUNMAP_ODD, FIELD, U1, "<= +200"),
	ROW("munmap of nothing, class 1 hit", MUNMAP_FIXED, C1, U1, "<= +400"),
	ROW("madvise(DONTNEED), class 1 hit", MADVISE, C1, U1, "<= +400"),
	ROW("munmap of nothing, class 3 hit", MUNMAP_FIXED, RANGE, U1, "<= +400"),
	ROW("madvise(DONTNEED), class 3 hit", MADVISE, RANGE, U1, "<= +400"),
	ROW("munmap, hit of one of 100,000 ranges", MUNMAP_EVEN, FIELD, U1, ""),
	ROW("munmap of nothing, hit of 8", MUNMAP_FIXED, C8, U8, ""),
	ROW("munmap of nothing, hit of 64", MUNMAP_FIXED, C64, U64, ""),
	ROW("munmap of a written page, nobody watching", MUNMAP_PAGE, ARMED, U0, "<= +10"),
	ROW("munmap of a written page, class 1 hit", MUNMAP_PAGE, C1, U1, "<= +400"),
};

static struct bench_row threads[] = {
	ROW("madvise(DONTNEED), nobody watching", MADVISE_THREADS, ARMED, U0, ""),
	ROW("madvise(DONTNEED), one elsewhere", MADVISE_THREADS, ELSEWHERE, U1, ""),
	ROW("madvise(DONTNEED), class 1 hit", MADVISE_THREADS, C1, U1, ">= 1.8"),
};
/* clang-format on */

int main(int argc, char **argv)
{
	struct bench bench = {
		.name = "live",
		.unit = "ns a call",
		.peer = "UCX",
		.rows = rows,
		.nr_rows = ARRAY_SIZE(rows),
		.sides = sides,
		.nr_sides = ARRAY_SIZE(sides),
		.ops = calls,
		.passes = 8,
		.turns = 20,
		.digits = 1,
	};
	int rc;

	calls_init();
	rc = bench_main(argc, argv, &bench);
	bench.name = "live, two threads";
	bench.unit = "throughput of two threads, one = 1";
	bench.rows = threads;
	bench.nr_rows = ARRAY_SIZE(threads);
	bench.digits = 2;
	return bench_main(argc, argv, &bench) | rc;
}
