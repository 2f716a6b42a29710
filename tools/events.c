/* SPDX-License-Identifier: MIT */
/*
 * tools/events.c - records from the ring become operations.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "events.h"
#include "spaces.h"

/* A producer that has not filled its slot for so long was killed. */
#define STUCK_NS 1000000000ull
/* After so many records the tool looks at its children again. */
#define BATCH 4096

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static void show(struct events *ev, const struct ring_op *op, uint32_t space,
		 enum outcome outcome, uint64_t ticks)
{
	summary_add(&ev->summary, op, ticks);
	if (!ev->quiet_ops)
		print_op(&ev->printer, op, space, outcome);
}

static bool is_exec(const struct ring_op *op)
{
	return op->nr == SYS_execve || op->nr == SYS_execveat;
}

static bool never_returns(const struct ring_op *op)
{
	return op->nr == SYS_exit || op->nr == SYS_exit_group;
}

static void drop_pending(struct events *ev, size_t i)
{
	memmove(&ev->pending[i], &ev->pending[i + 1],
		(ev->nr_pending - i - 1) * sizeof(*ev->pending));
	ev->nr_pending--;
}

static void show_pending(struct events *ev, size_t i)
{
	struct pending p = ev->pending[i];

	drop_pending(ev, i);
	show(ev, &p.op, p.space,
	     is_exec(&p.op) ? OUTCOME_NO_RETURN : OUTCOME_UNFINISHED, 0);
}

static void handle_before(struct events *ev, const struct ring_slot *s)
{
	if (never_returns(&s->op)) {
		show(ev, &s->op, s->space, OUTCOME_NO_RETURN, 0);
		return;
	}
	if (ev->nr_pending == ev->max_pending) {
		size_t max = ev->max_pending ? 2 * ev->max_pending : 64;
		struct pending *all;

		all = realloc(ev->pending, max * sizeof(*all));
		if (!all)
			return; /* the second record tells enough */
		ev->pending = all;
		ev->max_pending = max;
	}
	ev->pending[ev->nr_pending++] =
		(struct pending){.op = s->op, .space = s->space};
}

/* In two PID namespaces two threads can have the same number. */
static bool same_thread(const struct pending *p, const struct ring_op *op,
			uint32_t space)
{
	return p->op.tid == op->tid && p->space == space;
}

static bool same_op(const struct ring_op *a, const struct ring_op *b)
{
	return a->nr == b->nr && a->site == b->site &&
	       a->nr_ranges == b->nr_ranges &&
	       (!a->nr_ranges || a->start[0] == b->start[0]);
}

/*
 * Operations of a thread nest (signal handlers): those begun later that are
 * still pending were abandoned. Returns the ticks at which @op began, or 0.
 */
static uint64_t end_pending(struct events *ev, const struct ring_op *op,
			    uint32_t space)
{
	size_t i = ev->nr_pending;
	uint64_t ticks;

	while (i-- && !(same_thread(&ev->pending[i], op, space) &&
			same_op(&ev->pending[i].op, op)))
		;
	if (i == (size_t)-1)
		return 0;
	for (size_t j = ev->nr_pending; --j > i;)
		if (same_thread(&ev->pending[j], op, space))
			show_pending(ev, j);
	ticks = ev->pending[i].op.ticks;
	drop_pending(ev, i);
	return ticks;
}

/* The child's side of fork: the parent's is the one that is shown. */
static bool is_fork_child(const struct ring_op *op)
{
	return op->result == 0 && (op->nr == SYS_fork || op->nr == SYS_clone ||
				   op->nr == SYS_clone3);
}

static void handle_after(struct events *ev, const struct ring_slot *s)
{
	uint64_t began = end_pending(ev, &s->op, s->space);

	if (!began && is_fork_child(&s->op))
		return;
	show(ev, &s->op, s->space, OUTCOME_RETURNED,
	     began && s->op.ticks > began ? s->op.ticks - began : 0);
}

/* A new program image: what its process had begun, exec was the end of. */
static void handle_attach(struct events *ev, const struct ring_slot *s)
{
	for (size_t i = 0; !s->attach.parent && i < ev->nr_pending;) {
		if (ev->pending[i].op.pid == s->attach.pid)
			show_pending(ev, i);
		else
			i++;
	}
	space_attach(s->space, s->attach.parent);
	if (!ev->quiet_ops)
		print_attach(&ev->printer, &s->attach);
}

static void handle_module(const struct ring_slot *s, const struct ring *ring)
{
	char path[RING_PATH_SIZE];
	const struct ring_path *p;

	if (s->module.path >= RING_PATHS)
		return;
	p = &ring->paths[s->module.path];
	/* Pairs with the release in the agent's path_take(). */
	if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) != 2)
		return;
	memcpy(path, p->name, sizeof(p->name));
	path[sizeof(p->name) - 1] = 0;
	space_add_module(s->space, &s->module, path);
}

/* The ring is writable for those we trace: trust nothing in it. */
static void sanitize(struct ring_op *op)
{
	op->name[sizeof(op->name) - 1] = 0;
	for (char *p = op->name; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			*p = '?';
	if (op->nr_ranges > RING_RANGES)
		op->nr_ranges = RING_RANGES;
}

static void handle(struct events *ev, struct ring_slot *s,
		   const struct ring *ring)
{
	switch (s->kind) {
	case RING_BEFORE:
		sanitize(&s->op);
		handle_before(ev, s);
		break;
	case RING_AFTER:
		sanitize(&s->op);
		handle_after(ev, s);
		break;
	case RING_ATTACH:
		handle_attach(ev, s);
		break;
	case RING_MODULE:
		handle_module(s, ring);
		break;
	}
}

/* Is the slot that stops us to be given up? */
static bool waited_enough(struct events *ev, bool ended)
{
	uint64_t now = now_ns();

	if (ended)
		return true;
	if (!ev->stuck_since_ns)
		ev->stuck_since_ns = now;
	return now - ev->stuck_since_ns > STUCK_NS;
}

unsigned long events_drain(struct events *ev, struct ring *ring, bool ended)
{
	unsigned long n = 0;
	struct ring_slot s;

	while (ended || n < BATCH) {
		enum ring_state st =
			ring_read(ring, ev->nr_slots, &ev->tail, &s);

		if (st == RING_EMPTY)
			break;
		if (st == RING_RECORD) {
			handle(ev, &s, ring);
			n++;
		} else if (waited_enough(ev, ended)) {
			ring_give_up(ring, ev->nr_slots, &ev->tail);
		} else {
			break;
		}
		ev->stuck_since_ns = 0;
	}
	return n;
}

void events_finish(struct events *ev)
{
	while (ev->nr_pending)
		show_pending(ev, 0);
	free(ev->pending);
	ev->pending = NULL;
	ev->max_pending = 0;
}
