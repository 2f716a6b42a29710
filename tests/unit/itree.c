/* SPDX-License-Identifier: MIT */
/*
 * The interval tree against a plain array, in random order, with everything
 * that is awkward: equal starts, equal ranges, ranges around ranges; its
 * snapshots, while writers change everything; and its pool.
 */
#include "core/itree.h"

#include <pthread.h>

#include "core/mm.h"
#include "tests/tap.h"

static struct itree tree;
static struct srcu_struct *srcu;

static void tree_new(void)
{
	ASSERT_EQ(sys_init(), 0);
	srcu = sys_alloc((sizeof(*srcu) + 4095) & ~4095ul);
	ASSERT_TRUE(srcu);
}

static unsigned long seed = 1;

static unsigned long below(unsigned long n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 8) % n;
}

/* ---- the reference ---- */

#define MAX 2000

static struct mmu_interval_notifier sub[MAX];
static bool in[MAX];

static unsigned long naive_count(unsigned long start, unsigned long last)
{
	unsigned long i, n = 0;

	for (i = 0; i < MAX; i++)
		n += in[i] && sub[i].start <= last && sub[i].last >= start;
	return n;
}

/* How many the tree finds; each must fit, and come once, in order. */
static unsigned long tree_count(unsigned long start, unsigned long last)
{
	struct mmu_interval_notifier *p, *before = NULL;
	unsigned long n = 0;
	struct itree_iter it;

	for (p = itree_first(itree_snapshot(&tree), start, last, &it); p;
	     p = itree_next(&it)) {
		ASSERT_TRUE(p >= sub && p < sub + MAX && in[p - sub]);
		EXPECT_TRUE(p->start <= last && p->last >= start);
		EXPECT_TRUE(!before || before->start < p->start ||
			    (before->start == p->start && before < p));
		before = p;
		n++;
	}
	return n;
}

static void check_hull(void)
{
	unsigned long i, start = ~0ul, last = 0, s, l;
	bool any = false;

	for (i = 0; i < MAX; i++) {
		if (!in[i])
			continue;
		any = true;
		start = sub[i].start < start ? sub[i].start : start;
		last = sub[i].last > last ? sub[i].last : last;
	}
	ASSERT_EQ(itree_hull(&tree, &s, &l), any);
	if (any) {
		EXPECT_EQ(s, start);
		EXPECT_EQ(l, last);
	}
}

static void choose(struct mmu_interval_notifier *p, unsigned long space)
{
	switch (below(8)) {
	case 0: /* around everything */
		p->start = below(4);
		p->last = ~0ul - below(4);
		return;
	case 1: /* one of few starts, one of few lengths */
		p->start = below(8) * 4096;
		p->last = p->start + below(2) * 4096 + 4095;
		return;
	case 2: /* nested: all around the middle */
		p->start = space / 2 - below(space / 2);
		p->last = space / 2 + below(space / 2);
		return;
	default:
		p->start = below(space);
		p->last = p->start + below(below(64) + 1);
	}
}

static void turn(unsigned long i, unsigned long space)
{
	if (in[i]) {
		ASSERT_EQ(itree_remove(&tree, srcu, &sub[i]), 0);
	} else {
		choose(&sub[i], space);
		ASSERT_EQ(itree_insert(&tree, srcu, &sub[i]), 0);
	}
	in[i] = !in[i];
}

static void query(unsigned long space)
{
	unsigned long start = below(space);
	unsigned long last = start + below(below(space / 8) + 1);

	ASSERT_EQ(tree_count(start, last), naive_count(start, last));
}

static void random_walk(unsigned long space, int steps)
{
	int i;

	tree_new();
	for (i = 0; i < steps; i++) {
		/* Grow, then shrink, so that it is built and torn down. */
		unsigned long k = below(MAX);

		if (in[k] == (i / (2 * MAX) % 2 == 0) && below(4))
			continue;
		turn(k, space);
		if (i % 2)
			query(space);
		if (i % 64 == 0) {
			check_hull();
			ASSERT_EQ(tree_count(0, ~0ul), naive_count(0, ~0ul));
			ASSERT_EQ(tree.nr, naive_count(0, ~0ul));
		}
	}
	for (i = 0; i < MAX; i++)
		if (in[i])
			turn(i, space);
	ASSERT_TRUE(tree.root == NULL);
	ASSERT_EQ(tree.nr, 0);
	check_hull();
}

TEST_TIMEOUT(random_sparse, 60)
{
	random_walk(1ul << 40, 12000);
}

TEST_TIMEOUT(random_dense, 60)
{
	random_walk(512, 8000);
}

TEST(all_the_same_range)
{
	int i;

	tree_new();
	for (i = 0; i < MAX; i++) {
		sub[i].start = 4096;
		sub[i].last = 8191;
		ASSERT_EQ(itree_insert(&tree, srcu, &sub[i]), 0);
		in[i] = true;
	}
	EXPECT_EQ(tree_count(8191, 8191), MAX);
	EXPECT_EQ(tree_count(8192, ~0ul), 0);
	EXPECT_EQ(tree_count(0, 4095), 0);
	for (i = 0; i < MAX; i += 2) {
		ASSERT_EQ(itree_remove(&tree, srcu, &sub[i]), 0);
		in[i] = false;
		ASSERT_EQ(itree_remove(&tree, srcu, &sub[i]), -ENOENT);
	}
	EXPECT_EQ(tree_count(4096, 4096), MAX / 2);
	itree_destroy(&tree);
}

TEST(first_and_last_byte)
{
	tree_new();
	sub[0].start = sub[0].last = 0;
	sub[1].start = sub[1].last = ~0ul;
	sub[2].start = 0;
	sub[2].last = ~0ul;
	in[0] = in[1] = in[2] = true;
	ASSERT_EQ(itree_insert(&tree, srcu, &sub[0]), 0);
	ASSERT_EQ(itree_insert(&tree, srcu, &sub[1]), 0);
	ASSERT_EQ(itree_insert(&tree, srcu, &sub[2]), 0);
	EXPECT_EQ(tree_count(0, 0), 2);
	EXPECT_EQ(tree_count(~0ul, ~0ul), 2);
	EXPECT_EQ(tree_count(1, ~0ul - 1), 1);
	EXPECT_EQ(tree_count(0, ~0ul), 3);
	itree_destroy(&tree);
}

TEST(empty)
{
	unsigned long start, last;

	tree_new();
	EXPECT_EQ(tree_count(0, ~0ul), 0);
	EXPECT_FALSE(itree_hull(&tree, &start, &last));
	EXPECT_EQ(itree_remove(&tree, srcu, &sub[0]), -ENOENT);
	itree_destroy(&tree);
}

/* ---- a million, and where their nodes go ---- */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MANY 50000ul
#else
#define MANY 1000000ul
#endif

static unsigned long walk(unsigned long start, unsigned long last)
{
	struct mmu_interval_notifier *p;
	struct itree_iter it;
	unsigned long n = 0;

	for (p = itree_first(itree_snapshot(&tree), start, last, &it); p;
	     p = itree_next(&it))
		n++;
	return n;
}

TEST_TIMEOUT(a_million, 120)
{
	unsigned long many = getenv("MMUN_UNDER_VALGRIND") ? MANY / 50 : MANY;
	struct mmu_interval_notifier *subs = calloc(many, sizeof(*subs));
	unsigned long i, step = 0x9e3779b1; /* odd, prime to many */

	ASSERT_TRUE(subs);
	tree_new();
	for (i = 0; i < many; i++) {
		struct mmu_interval_notifier *p = &subs[i * step % many];

		p->start = (unsigned long)(p - subs) * 8192;
		p->last = p->start + 4095;
		ASSERT_EQ(itree_insert(&tree, srcu, p), 0);
	}
	EXPECT_EQ(tree.nr, many);
	EXPECT_EQ(walk(0, ~0ul), many);
	for (i = 0; i < 1000; i++) {
		unsigned long k = below(many - 10);

		EXPECT_EQ(walk(k * 8192, k * 8192 + 9 * 8192), 10);
		EXPECT_EQ(walk(k * 8192 + 4096, k * 8192 + 8191), 0);
	}
	for (i = 0; i < many; i++)
		ASSERT_EQ(itree_remove(&tree, srcu, &subs[i * step % many]), 0);
	EXPECT_TRUE(tree.root == NULL);
	itree_destroy(&tree);
	free(subs);
}

/*
 * All of the pool's nodes come back: filling and emptying the tree again and
 * again needs no more memory than the first time.
 */
TEST(nodes_come_back)
{
	unsigned long at_first = 0;
	int round, i;

	tree_new();
	for (round = 0; round < 50; round++) {
		for (i = 0; i < MAX; i++)
			turn(i, 1ul << 30);
		for (i = 0; i < MAX; i++)
			turn(i, 1ul << 30);
		itree_destroy(&tree);
		if (round == 0)
			at_first = itree_pool_nodes();
		ASSERT_EQ(itree_pool_free(), itree_pool_nodes());
	}
	EXPECT_GT(at_first, 0);
	EXPECT_LE(itree_pool_nodes(), 2 * at_first);
}

/* ---- snapshots ---- */

static int over;
static unsigned long walks, wrong;

/* What a walk finds of the first half, which stays, is always all of it. */
static void *snapshot_walker(void *arg)
{
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		struct srcu_token t = srcu_read_lock(srcu);
		struct mmu_interval_notifier *p;
		struct itree_iter it;
		unsigned long n = 0;

		for (p = itree_first(itree_snapshot(&tree), 0, ~0ul, &it); p;
		     p = itree_next(&it))
			n += p < sub + MAX / 2;
		if (n != MAX / 2)
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		srcu_read_unlock(srcu, t);
		__atomic_fetch_add(&walks, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST(walks_while_everything_changes)
{
	long long end = tap_now_ms() + 1500;
	pthread_t walker[2];
	int i;

	tree_new();
	for (i = 0; i < MAX / 2; i++) {
		choose(&sub[i], 1ul << 20);
		ASSERT_EQ(itree_insert(&tree, srcu, &sub[i]), 0);
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(&walker[i], NULL, snapshot_walker,
					 NULL),
			  0);
	while (tap_now_ms() < end)
		turn(MAX / 2 + below(MAX / 2), 1ul << 20);
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(pthread_join(walker[i], NULL), 0);
	EXPECT_EQ(wrong, 0);
	EXPECT_GT(walks, 0);
	itree_destroy(&tree);
	EXPECT_EQ(itree_pool_free(), itree_pool_nodes());
}

/* A section that began before holds what it may stand on. */
TEST(a_reader_holds_its_snapshot)
{
	const struct itree_node *root;
	struct srcu_token t;
	struct itree_iter it;
	unsigned long n = 0;
	int i;

	tree_new();
	for (i = 0; i < MAX; i++) {
		sub[i].start = sub[i].last = (unsigned long)i;
		ASSERT_EQ(itree_insert(&tree, srcu, &sub[i]), 0);
	}
	t = srcu_read_lock(srcu);
	root = itree_snapshot(&tree);
	for (i = 0; i < MAX; i++)
		ASSERT_EQ(itree_remove(&tree, srcu, &sub[i]), 0);
	for (i = 0; i < MAX; i++) { /* others take what was given back */
		sub[i].start = sub[i].last = 1ul << 40;
		ASSERT_EQ(itree_insert(&tree, srcu, &sub[i]), 0);
	}
	if (itree_first(root, 0, MAX - 1, &it))
		for (n = 1; itree_next(&it); n++)
			;
	EXPECT_EQ(n, MAX);
	srcu_read_unlock(srcu, t);
	itree_destroy(&tree);
}
