/* SPDX-License-Identifier: MIT */
/*
 * tests/tools/ring.c - the ring between traced processes and the tool.
 */
#include <pthread.h>

#include "tests/tap.h"
#include "tools/ring.h"

#define SLOTS 64u
#define PRODUCERS 4

static struct ring *make_ring(void)
{
	struct ring *r = mmap(NULL, ring_size(SLOTS), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE((long)r, (long)MAP_FAILED);
	return r;
}

static bool put(struct ring *r, int tid, uint64_t value)
{
	uint64_t pos;
	struct ring_slot *s = ring_reserve(r, SLOTS, &pos);

	if (!s)
		return false;
	s->kind = RING_BEFORE;
	s->op.tid = tid;
	s->op.site = value;
	s->op.caller = ~value;
	ring_commit(s, SLOTS, pos);
	return true;
}

TEST(records_come_out_in_order)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0};
	uint64_t tail = 0;

	for (uint64_t i = 0; i < 10 * SLOTS; i++) {
		ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_EMPTY);
		ASSERT_EQ(put(r, 1, i), true);
		ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
		ASSERT_EQ(s.op.site, i);
	}
	EXPECT_EQ(r->lost, 0);
}

TEST(a_full_ring_loses_and_counts)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0};
	uint64_t tail = 0;

	for (uint64_t i = 0; i < SLOTS; i++)
		ASSERT_EQ(put(r, 1, i), true);
	EXPECT_EQ(put(r, 1, 1000), false);
	EXPECT_EQ(put(r, 1, 1001), false);
	EXPECT_EQ(r->lost, 2);
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
	EXPECT_EQ(s.op.site, 0);
	EXPECT_EQ(put(r, 1, 1002), true);
	for (uint64_t i = 1; i < SLOTS; i++) {
		ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
		EXPECT_EQ(s.op.site, i);
	}
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
	EXPECT_EQ(s.op.site, 1002);
	EXPECT_EQ(ring_read(r, SLOTS, &tail, &s), RING_EMPTY);
}

TEST(a_dead_producer_costs_its_slot_only)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0}, *dead;
	uint64_t tail = 0, pos = 0;

	ASSERT_EQ(put(r, 1, 0), true);
	dead = ring_reserve(r, SLOTS, &pos);
	ASSERT_EQ(put(r, 1, 2), true);
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_STUCK);
	EXPECT_EQ(ring_give_up(r, SLOTS, &tail), true);
	EXPECT_EQ(r->lost, 1);
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
	EXPECT_EQ(s.op.site, 2);

	/* It was stopped only, and wakes up: nobody gets to see that. */
	dead->op.site = 666;
	ring_commit(dead, SLOTS, pos);
	for (uint64_t i = 0; i < 5 * SLOTS; i++) {
		ASSERT_EQ(put(r, 1, i), true);
		ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
		ASSERT_EQ(s.op.site, i);
	}
	EXPECT_EQ(ring_read(r, SLOTS, &tail, &s), RING_EMPTY);
	EXPECT_EQ(r->lost, 1);
}

TEST(giving_up_what_was_filled_just_now_gives_up_nothing)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0};
	uint64_t tail = 0;

	ASSERT_EQ(put(r, 1, 7), true);
	EXPECT_EQ(ring_give_up(r, SLOTS, &tail), false);
	ASSERT_EQ(ring_read(r, SLOTS, &tail, &s), RING_RECORD);
	EXPECT_EQ(s.op.site, 7);
}

TEST(all_slots_dead_end_in_losses_not_in_loops)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0};
	uint64_t tail = 0, pos = 0;

	for (unsigned int i = 0; i < SLOTS; i++)
		ASSERT_NE((long)ring_reserve(r, SLOTS, &pos), 0);
	while (ring_read(r, SLOTS, &tail, &s) == RING_STUCK)
		ring_give_up(r, SLOTS, &tail);
	EXPECT_EQ(put(r, 1, 0), false);
	EXPECT_EQ(ring_read(r, SLOTS, &tail, &s), RING_EMPTY);
}

/* Whatever a traced process writes into the ring. */
TEST(the_reader_survives_garbage)
{
	struct ring *r = make_ring();
	struct ring_slot s = {0};
	uint64_t tail = 0;
	unsigned int seed = 1;

	for (int round = 0; round < 2000; round++) {
		for (unsigned int i = 0; i < SLOTS; i++)
			r->slots[i].turn = rand_r(&seed) % 4
						   ? tail / SLOTS * SLOTS + 1
						   : (uint64_t)rand_r(&seed);
		r->head = tail + (unsigned int)rand_r(&seed);
		for (unsigned int i = 0; i < 3 * SLOTS; i++)
			if (ring_read(r, SLOTS, &tail, &s) == RING_STUCK)
				ring_give_up(r, SLOTS, &tail);
	}
	EXPECT_GT(tail, 0);
}

struct producer {
	pthread_t thread;
	struct ring *ring;
	int id;
	uint64_t put;
};

static _Atomic bool stop;

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (uint64_t i = 0; !stop; i++)
		if (put(p->ring, p->id, i))
			p->put++;
	return NULL;
}

/* Each producer's records arrive in order, whole, and all that were put. */
TEST(many_producers_one_reader)
{
	struct ring *r = make_ring();
	struct producer p[PRODUCERS];
	uint64_t next[PRODUCERS] = {0}, got[PRODUCERS] = {0};
	struct ring_slot s = {0};
	uint64_t tail = 0, n = 0;

	for (int i = 0; i < PRODUCERS; i++) {
		p[i] = (struct producer){.ring = r, .id = i};
		pthread_create(&p[i].thread, NULL, produce, &p[i]);
	}
	for (;;) {
		if (ring_read(r, SLOTS, &tail, &s) != RING_RECORD) {
			if (stop)
				break;
			continue;
		}
		ASSERT_LT(s.op.tid, PRODUCERS);
		ASSERT_EQ(s.op.caller, ~s.op.site);
		ASSERT_GE(s.op.site, next[s.op.tid]);
		next[s.op.tid] = s.op.site + 1;
		got[s.op.tid]++;
		if (++n == 100000) {
			stop = true;
			for (int i = 0; i < PRODUCERS; i++)
				pthread_join(p[i].thread, NULL);
		}
	}
	for (int i = 0; i < PRODUCERS; i++)
		EXPECT_EQ(got[i], p[i].put);
	EXPECT_GE(n, 100000);
}
