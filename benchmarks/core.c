/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/core.c - a managed mm with 1 to 1,000,000 range subscriptions:
 * what a change (start and end) costs that misses or hits them, and what it
 * costs to insert, to remove, and to use one.
 *
 * Plain is the same change while nobody has ever registered.
 */
#include "benchmarks/bench.h"
#include "benchmarks/calls.h"
#include "benchmarks/subscribers.h"

#define BASE (1ul << 40)

static struct mm_struct *mm;
static struct mmu_interval_notifier *intervals;
static unsigned long nr_intervals;

static double outside(void)
{
	return BENCH_BATCH(2000, announce(mm, PAGE));
}

static unsigned long even(void)
{
	return BASE + calls_random(nr_intervals) * 2 * PAGE;
}

/* Long batches: the tree is as warm in the caches as its size allows. */
static double miss(void)
{
	return BENCH_BATCH(30000, announce(mm, even() + PAGE));
}

static double hit(void)
{
	return BENCH_BATCH(30000, announce(mm, even()));
}

static double insert_remove(bool removal)
{
	static struct mmu_interval_notifier mni[100];
	double in = BENCH_NS(
		100, mmu_interval_notifier_insert(&mni[i], mm, even() + PAGE,
						  PAGE, &nothing_interval_ops));
	double out = BENCH_NS(100, mmu_interval_notifier_remove(&mni[i]));

	return removal ? out : in;
}

static double insert(void)
{
	return insert_remove(false);
}

static double remove_(void)
{
	return insert_remove(true);
}

/* The collision-retry lock, as one who makes a reference uses it. */
static bool lookup(struct mmu_interval_notifier *mni)
{
	return mmu_interval_read_retry(mni, mmu_interval_read_begin(mni));
}

static double read_begin(void)
{
	return BENCH_BATCH(1000,
			   lookup(&intervals[calls_random(nr_intervals)]));
}

static double register_unregister(void)
{
	static struct mmu_notifier mn = {.ops = &nothing_ops};

	return BENCH_BATCH(100, ({
				   mmu_notifier_register(&mn, mm);
				   mmu_notifier_unregister(&mn, mm);
			   }));
}

enum {
	OP_OUTSIDE,
	OP_MISS,
	OP_HIT,
	OP_INSERT,
	OP_REMOVE,
	OP_READ_BEGIN,
	OP_REGISTER,
};

static const bench_op ops[] = {
	[OP_OUTSIDE] = outside,
	[OP_MISS] = miss,
	[OP_HIT] = hit,
	[OP_INSERT] = insert,
	[OP_REMOVE] = remove_,
	[OP_READ_BEGIN] = read_begin,
	[OP_REGISTER] = register_unregister,
};

static void setup_class1(long nr)
{
	mm = mm_alloc();
	nr_intervals = 1;
	if (nr)
		subscribe(mm, nr);
}

static void setup_class3(long nr)
{
	mm = mm_alloc();
	nr_intervals = (unsigned long)nr;
	intervals = subscribe_even(mm, BASE, nr_intervals);
}

enum { NOBODY, REGISTER, MANY, R1, R1K, R100K, R1M };

static struct bench_side sides[] = {
	[NOBODY] = {.setup = setup_class1, .arg = 0},
	[REGISTER] = {.setup = setup_class1, .arg = 0},
	[MANY] = {.setup = setup_class1, .arg = 64},
	[R1] = {.setup = setup_class3, .arg = 1},
	[R1K] = {.setup = setup_class3, .arg = 1000},
	[R100K] = {.setup = setup_class3, .arg = 100000},
	[R1M] = {.setup = setup_class3, .arg = 1000000},
};

/* clang-format off */
#define ROW(text, number, with, limit) \
	{.what = text, .op = number, .side = {NOBODY, with, -1}, .target = limit}
#define ALONE(text, number, with) \
	{.what = text, .op = number, .side = {-1, with, -1}, .target = ""}

static struct bench_row rows[] = {
	ROW("change outside of the only range", OP_OUTSIDE, R1, ""),
	ROW("outside of 1,000 ranges", OP_OUTSIDE, R1K, ""),
	ROW("outside of 100,000", OP_OUTSIDE, R100K, ""),
	ROW("outside of 1,000,000", OP_OUTSIDE, R1M, ""),
	ROW("random miss between 1,000 interleaved", OP_MISS, R1K, ""),
	ROW("between 100,000", OP_MISS, R100K, "<= +200"),
	ROW("between 1,000,000", OP_MISS, R1M, ""),
	ROW("hit of the only range", OP_HIT, R1, ""),
	ROW("hit of one of 1,000", OP_HIT, R1K, ""),
	ROW("hit of one of 100,000", OP_HIT, R100K, ""),
	ROW("hit of one of 1,000,000", OP_HIT, R1M, ""),
	ALONE("read_begin and retry, 1 range", OP_READ_BEGIN, R1),
	ALONE("read_begin and retry, 1,000,000 ranges", OP_READ_BEGIN, R1M),
	ALONE("insert, beside 1 range", OP_INSERT, R1),
	ALONE("insert, 1,000", OP_INSERT, R1K),
	ALONE("insert, 100,000", OP_INSERT, R100K),
	ALONE("insert, 1,000,000", OP_INSERT, R1M),
	ALONE("remove, beside 1 range", OP_REMOVE, R1),
	ALONE("remove, 1,000", OP_REMOVE, R1K),
	ALONE("remove, 100,000", OP_REMOVE, R100K),
	ALONE("remove, 1,000,000", OP_REMOVE, R1M),
	ALONE("class 1 register + unregister", OP_REGISTER, REGISTER),
	ALONE("class 1 register + unregister, beside 64", OP_REGISTER, MANY),
};
/* clang-format on */

int main(int argc, char **argv)
{
	struct bench bench = {
		.name = "core",
		.unit = "ns a call",
		.peer = "",
		.rows = rows,
		.nr_rows = ARRAY_SIZE(rows),
		.sides = sides,
		.nr_sides = ARRAY_SIZE(sides),
		.ops = ops,
		.passes = 3,
		.turns = 30,
		.digits = 1,
	};

	return bench_main(argc, argv, &bench);
}
