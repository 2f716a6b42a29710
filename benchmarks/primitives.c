/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/primitives.c - what the notifier classes are made of: sleepable
 * RCU (beside liburcu-bp), the page lock, deferred work, mmap_lock.
 */
#include <mmun/mmu_notifier.h>
#include <mmun/workqueue.h>

#include "benchmarks/bench.h"
#include "benchmarks/pairs.h"

static struct mm_struct *mm;

static double pair(void)
{
	return srcu_pair(20000);
}

static double sync_idle(void)
{
	return srcu_sync(1000);
}

static double page_lock(void)
{
	static struct page page;

	return BENCH_BATCH(10000, ({
				   lock_page(&page);
				   unlock_page(&page);
			   }));
}

static void nothing(struct work_struct *work)
{
}

static double work(void)
{
	static struct work_struct w = {.func = nothing};

	return BENCH_BATCH(10000, ({
				   schedule_work(&w);
				   flush_scheduled_work();
			   }));
}

static double mmap_lock(void)
{
	return BENCH_BATCH(10000, ({
				   mmap_read_lock(mm);
				   mmap_read_unlock(mm);
			   }));
}

enum { OP_PAIR, OP_SYNC, OP_PAGE, OP_WORK, OP_MMAP_LOCK };

static bench_op ops[] = {
	[OP_PAIR] = pair, [OP_SYNC] = sync_idle,      [OP_PAGE] = page_lock,
	[OP_WORK] = work, [OP_MMAP_LOCK] = mmap_lock,
};

static void setup_mmun(long arg)
{
	mm = mm_alloc();
}

#ifdef BENCH_URCU
static double urcu_pair_20000(void)
{
	return urcu_pair(20000);
}

static double urcu_sync_1000(void)
{
	return urcu_sync(1000);
}

static void setup_urcu(long arg)
{
	ops[OP_PAIR] = urcu_pair_20000;
	ops[OP_SYNC] = urcu_sync_1000;
}
#else
static void setup_urcu(long arg)
{
	_exit(0); /* its column stays empty */
}
#endif

enum { MMUN, URCU };

static struct bench_side sides[] = {
	[MMUN] = {.setup = setup_mmun},
	[URCU] = {.setup = setup_urcu},
};

/* clang-format off */
#define ROW(text, number, peer, limit) \
	{.what = text, .op = number, .side = {-1, MMUN, peer}, .target = limit}

static struct bench_row rows[] = {
	ROW("srcu lock + unlock", OP_PAIR, URCU, "~ 5"),
	ROW("srcu synchronize, idle", OP_SYNC, URCU, "< 1000"),
	ROW("lock_page + unlock_page", OP_PAGE, -1, ""),
	ROW("schedule_work + flush", OP_WORK, -1, ""),
	ROW("mmap_read_lock + unlock", OP_MMAP_LOCK, -1, ""),
};
/* clang-format on */

int main(int argc, char **argv)
{
	struct bench bench = {
		.name = "primitives",
		.unit = "ns a call",
		.peer = "urcu-bp",
		.rows = rows,
		.nr_rows = ARRAY_SIZE(rows),
		.sides = sides,
		.nr_sides = ARRAY_SIZE(sides),
		.ops = ops,
		.passes = 4,
		.turns = 30,
		.digits = 1,
	};

	return bench_main(argc, argv, &bench);
}
