/* SPDX-License-Identifier: MIT */
/*
 * tools/ring.h - how records travel from the traced processes to mmun trace.
 *
 * One shared mapping, made by the tool, mapped by the agent in every traced
 * process: many producers, one reader, bounded, lock-free. Producers run in
 * any context (inside malloc, signal handlers, vfork children), make no
 * system call and never wait: a full ring drops the record and counts it.
 *
 * Positions count records; position p lies in slot p % n, in lap p - p % n. A
 * slot belongs to whom its turn says; a ring of zeroes is empty:
 *
 *	turn == lap		free, for the producer that moves head behind it
 *	turn == lap + 1		filled, for the reader, who makes it lap + n
 *	turn == RING_DEAD	given up for ever, both sides step over it
 *
 * The reader gives a slot up when its producer has not filled it for long:
 * the producer was killed, or is stopped. It may still wake up and write into
 * the slot, so the slot is never used again; the producer's commit fails.
 */
#ifndef MMUN_TOOLS_RING_H
#define MMUN_TOOLS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC 0x31676e69726d756dull /* "mumring1" */
/* Names the ring to the agent: /proc/PID/fd/N, a memfd of this name. */
#define RING_ENV "MMUN_TRACE"
#define RING_MEMFD "mmun-trace"
#define RING_LINK "/memfd:" RING_MEMFD
#define RING_SLOTS 65536u
#define RING_PATHS 512u
#define RING_PATH_SIZE 4096u
#define RING_RANGES 2
#define RING_DEAD UINT64_MAX
/* A producer gives up after so many collisions; it must not spin for ever. */
#define RING_TRIES 4096

enum ring_kind {
	RING_BEFORE = 1, /* op: about to happen */
	RING_AFTER,	 /* op: has happened, or failed */
	RING_CALIBRATE,	 /* op: of the agent's own, not to be shown */
	RING_ATTACH,	 /* attach: a program image or a forked child */
	RING_MODULE,	 /* module: where a piece of program text comes from */
};

struct ring_op {
	uint64_t ticks; /* before: at its end; after: at its start */
	uint64_t start[RING_RANGES];
	uint64_t end[RING_RANGES];
	uint64_t site;
	uint64_t caller;
	int64_t result;
	int32_t pid;
	int32_t tid;
	uint16_t nr;
	uint8_t nr_ranges;
	uint8_t event[RING_RANGES];
	char name[19];
};

struct ring_attach {
	uint64_t scratch; /* page that the agent calibrated with, or 0 */
	uint32_t parent;  /* space that was forked, or 0 */
	int32_t pid;
	int32_t error;
	uint32_t sites;
	uint32_t unpatchable;
};

struct ring_module {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint32_t path; /* index into the table of paths */
};

struct ring_slot {
	uint64_t turn;
	uint32_t kind;
	uint32_t space; /* address space, numbered by the agents */
	union {
		struct ring_op op;
		struct ring_attach attach;
		struct ring_module module;
	};
} __attribute__((aligned(64)));

/* Paths are written once: 0 free, 1 being written, 2 there. */
struct ring_path {
	uint32_t state;
	char name[RING_PATH_SIZE - sizeof(uint32_t)];
};

struct ring {
	uint64_t magic;
	uint32_t nr_slots; /* a power of two, 2 at least */
	uint32_t closed;   /* the tool has gone: write nothing more */
	uint64_t head __attribute__((aligned(64)));
	uint64_t lost __attribute__((aligned(64)));
	uint32_t spaces;   /* numbers given out */
	uint32_t attached; /* program images armed */
	uint32_t refused;  /* program images that could not be armed */
	int32_t error;	   /* of the last one refused */
	uint64_t cost;	   /* ticks per operation, summed over @attached */
	uint32_t images;   /* sums of struct mmun_coverage's counters */
	uint32_t sites;
	uint32_t unpatchable;
	uint32_t unscanned;
	struct ring_path paths[RING_PATHS] __attribute__((aligned(4096)));
	struct ring_slot slots[];
};

static inline size_t ring_size(uint32_t nr_slots)
{
	return sizeof(struct ring) + nr_slots * sizeof(struct ring_slot);
}

/* A clock that needs no system call; the tool finds out how fast it runs. */
static inline uint64_t ring_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t t;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
#error "no cycle counter known for this architecture"
#endif
}

static inline struct ring_slot *ring_at(struct ring *r, uint32_t nr_slots,
					uint64_t pos)
{
	return &r->slots[pos & (nr_slots - 1)];
}

static inline uint64_t ring_lap(uint32_t nr_slots, uint64_t pos)
{
	return pos & ~(uint64_t)(nr_slots - 1);
}

/*
 * ring_reserve - a slot to fill, or NULL: the record is lost, and counted.
 * @pos: out, for ring_commit().
 */
static inline struct ring_slot *ring_reserve(struct ring *r, uint32_t nr_slots,
					     uint64_t *pos)
{
	uint64_t p = __atomic_load_n(&r->head, __ATOMIC_RELAXED);

	for (int i = 0; i < RING_TRIES; i++) {
		struct ring_slot *s = ring_at(r, nr_slots, p);
		/* Pairs with the release of turn in ring_read(). */
		uint64_t turn = __atomic_load_n(&s->turn, __ATOMIC_ACQUIRE);
		int64_t ahead = (int64_t)(turn - ring_lap(nr_slots, p));

		if (turn != RING_DEAD && ahead < 0)
			break; /* not read since the last lap: full */
		if (turn != RING_DEAD && ahead > 0) {
			p = __atomic_load_n(&r->head, __ATOMIC_RELAXED);
			continue;
		}
		if (!__atomic_compare_exchange_n(&r->head, &p, p + 1, false,
						 __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			continue;
		if (turn != RING_DEAD) {
			*pos = p;
			return s;
		}
		p++;
	}
	__atomic_fetch_add(&r->lost, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* ring_commit - hand a filled slot to the reader, unless it was given up. */
static inline void ring_commit(struct ring_slot *s, uint32_t nr_slots,
			       uint64_t pos)
{
	uint64_t lap = ring_lap(nr_slots, pos);

	/* Release: pairs with the acquire load of turn in ring_read(). */
	__atomic_compare_exchange_n(&s->turn, &lap, lap + 1, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

enum ring_state {
	RING_EMPTY,
	RING_RECORD,
	RING_STUCK, /* the next slot is taken and not yet filled */
};

/*
 * ring_read - copy the record at *tail and step behind it.
 *
 * The one reader's. Whatever a hostile producer writes, this reads and writes
 * inside the ring only.
 */
static inline enum ring_state ring_read(struct ring *r, uint32_t nr_slots,
					uint64_t *tail, struct ring_slot *copy)
{
	for (uint32_t i = 0; i <= nr_slots; i++) {
		struct ring_slot *s = ring_at(r, nr_slots, *tail);
		uint64_t lap = ring_lap(nr_slots, *tail);
		uint64_t head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
		/* Pairs with ring_commit(). */
		uint64_t turn = __atomic_load_n(&s->turn, __ATOMIC_ACQUIRE);

		if (turn == lap + 1) {
			*copy = *s;
			/* Release: pairs with the load in ring_reserve(). */
			__atomic_store_n(&s->turn, lap + nr_slots,
					 __ATOMIC_RELEASE);
			++*tail;
			return RING_RECORD;
		}
		if (head == *tail)
			return RING_EMPTY;
		/* Dead slots apart, head is a lap ahead at most. */
		if (head - *tail > 2 * (uint64_t)nr_slots) {
			*tail = head;
			return RING_EMPTY;
		}
		if (turn != RING_DEAD)
			return RING_STUCK;
		++*tail;
	}
	return RING_EMPTY;
}

/*
 * ring_give_up - the slot at *tail is stuck: step over it for ever.
 *
 * Returns false if it was filled just now.
 */
static inline bool ring_give_up(struct ring *r, uint32_t nr_slots,
				uint64_t *tail)
{
	struct ring_slot *s = ring_at(r, nr_slots, *tail);
	uint64_t turn = ring_lap(nr_slots, *tail);

	if (!__atomic_compare_exchange_n(&s->turn, &turn, RING_DEAD, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		if (turn == ring_lap(nr_slots, *tail) + 1)
			return false;
		__atomic_store_n(&s->turn, RING_DEAD, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&r->lost, 1, __ATOMIC_RELAXED);
	++*tail;
	return true;
}

#endif /* MMUN_TOOLS_RING_H */
