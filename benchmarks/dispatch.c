/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/dispatch.c - telling 1, 8 and 64 notifiers of a change, from one
 * thread and from two, without a system call: begin and end of a managed mm
 * and of mm_self(), beside UCX telling as many handlers once.
 *
 * Plain is the same announcement while nobody has registered. The last rows
 * are the throughput of two threads over that of one.
 */
#include "benchmarks/bench.h"
#include "benchmarks/calls.h"
#include "benchmarks/subscribers.h"

static struct mm_struct *mm;

static void dispatch(int thread)
{
	announce(mm, (1ul << 40) + 2 * PAGE * (unsigned long)thread);
}

static void setup_managed(long nr)
{
	mm = mm_alloc();
	calls_dispatch = dispatch;
	if (nr)
		subscribe(mm, nr);
}

static void setup_self(long nr)
{
	mm = mm_self();
	calls_dispatch = dispatch;
	subscribe(mm, nr);
}

enum { NOBODY, M1, M8, M64, S1, S8, S64, U1, U8, U64 };

static struct bench_side sides[] = {
	[NOBODY] = {.setup = setup_managed, .arg = 0},
	[M1] = {.setup = setup_managed, .arg = 1},
	[M8] = {.setup = setup_managed, .arg = 8},
	[M64] = {.setup = setup_managed, .arg = 64},
	[S1] = {.setup = setup_self, .arg = 1},
	[S8] = {.setup = setup_self, .arg = 8},
	[S64] = {.setup = setup_self, .arg = 64},
	[U1] = {.program = BENCH_UCX, .arg = 1},
	[U8] = {.program = BENCH_UCX, .arg = 8},
	[U64] = {.program = BENCH_UCX, .arg = 64},
};

/* clang-format off */
#define ROW(text, number, with, peer) \
	{.what = text, .op = number, .side = {NOBODY, with, peer}, .target = ""}

#define SCALING(text, with, peer) \
	{.what = text, .op = CALL_DISPATCH_THREADS, \
	 .side = {NOBODY, with, peer}, .target = ">= 1.8"}

static struct bench_row rows[] = {
	ROW("managed mm, 1 notifier", CALL_DISPATCH, M1, U1),
	ROW("managed mm, 8", CALL_DISPATCH, M8, U8),
	ROW("managed mm, 64", CALL_DISPATCH, M64, U64),
	ROW("mm_self(), 1 notifier", CALL_DISPATCH, S1, U1),
	ROW("mm_self(), 8", CALL_DISPATCH, S8, U8),
	ROW("mm_self(), 64", CALL_DISPATCH, S64, U64),
};

static struct bench_row threads[] = {
	SCALING("managed mm, 1 notifier", M1, U1),
	SCALING("managed mm, 8", M8, U8),
	SCALING("managed mm, 64", M64, U64),
	SCALING("mm_self(), 1 notifier", S1, U1),
};
/* clang-format on */

int main(int argc, char **argv)
{
	struct bench bench = {
		.name = "dispatch",
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
	int rc = bench_main(argc, argv, &bench);

	bench.name = "dispatch by two threads";
	bench.unit = "throughput of two threads, one = 1";
	bench.rows = threads;
	bench.nr_rows = ARRAY_SIZE(threads);
	bench.digits = 2;
	return bench_main(argc, argv, &bench) | rc;
}
