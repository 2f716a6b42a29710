/* SPDX-License-Identifier: MIT */
/*
 * tools/summary.c - what mmun trace says at the end.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "print.h"
#include "summary.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

void summary_start(struct summary *s)
{
	memset(s, 0, sizeof(*s));
	s->start_ns = now_ns();
	s->start_ticks = ring_ticks();
}

static struct summary_op *op_get(struct summary *s, const char *name)
{
	int i = 0;

	while (i < s->nr_ops && strcmp(s->ops[i].name, name))
		i++;
	if (i == SUMMARY_OPS)
		return NULL;
	if (i == s->nr_ops) {
		s->nr_ops++;
		strcpy(s->ops[i].name, name);
	}
	return &s->ops[i];
}

void summary_add(struct summary *s, const struct ring_op *op, uint64_t ticks)
{
	struct summary_op *o = op_get(s, op->name);

	if (!o)
		return;
	o->calls++;
	o->ticks += ticks;
	o->timed += ticks != 0;
	if (op->result < 0 && op->result > -4096) {
		o->failed++;
		return;
	}
	for (int i = 0; i < op->nr_ranges; i++)
		if (op->end[i] - op->start[i] < WHOLE_SPACE)
			o->bytes += op->end[i] - op->start[i];
}

static double ns_per_tick(const struct summary *s)
{
	uint64_t ticks = ring_ticks() - s->start_ticks;

	return ticks ? (double)(now_ns() - s->start_ns) / (double)ticks : 0;
}

/* What one operation costs more because it is traced, as the agents found. */
static double cost_per_op(const struct ring *ring, double ns)
{
	return ring->attached ? (double)ring->cost / ring->attached * ns : 0;
}

static int by_ticks(const void *a, const void *b)
{
	const struct summary_op *x = a, *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? 1 : -1;
	return strcmp(x->name, y->name);
}

static struct summary_op total(struct summary *s)
{
	struct summary_op sum = {.name = "total"};

	qsort(s->ops, s->nr_ops, sizeof(s->ops[0]), by_ticks);
	for (int i = 0; i < s->nr_ops; i++) {
		sum.calls += s->ops[i].calls;
		sum.failed += s->ops[i].failed;
		sum.bytes += s->ops[i].bytes;
		sum.ticks += s->ops[i].ticks;
	}
	return sum;
}

static void time_name(double ns, char *buf, size_t size)
{
	if (ns < 1e4)
		snprintf(buf, size, "%.0f ns", ns);
	else if (ns < 1e7)
		snprintf(buf, size, "%.0f us", ns / 1e3);
	else if (ns < 1e10)
		snprintf(buf, size, "%.0f ms", ns / 1e6);
	else
		snprintf(buf, size, "%.1f s", ns / 1e9);
}

static void print_row(const struct summary_op *o, double ns, FILE *out)
{
	char bytes[16], inside[32];

	size_name(o->bytes, bytes);
	time_name((double)o->ticks * ns, inside, sizeof(inside));
	fprintf(out, "%-20s %10" PRIu64 " %8" PRIu64 " %8s %10s\n", o->name,
		o->calls, o->failed, bytes, inside);
}

static void print_notes(const struct summary *s, const struct ring *ring,
			uint64_t calls, double ns, FILE *out)
{
	double cost = cost_per_op(ring, ns);
	char each[32], all[32];

	time_name(cost, each, sizeof(each));
	time_name(cost * (double)calls, all, sizeof(all));
	fprintf(out, "lost records: %" PRIu64 "\n", s->lost);
	fprintf(out, "overhead: %s per operation, %s in all\n", each, all);
	fprintf(out,
		"coverage: %u program image%s, %u call sites watched, "
		"%u not patchable\n",
		ring->attached, ring->attached == 1 ? "" : "s", ring->sites,
		ring->unpatchable);
}

void summary_print(struct summary *s, const struct ring *ring, FILE *out)
{
	struct summary_op sum = total(s);
	double ns = ns_per_tick(s);

	fprintf(out, "%-20s %10s %8s %8s %10s\n", "operation", "calls",
		"failed", "bytes", "inside");
	for (int i = 0; i < s->nr_ops; i++)
		print_row(&s->ops[i], ns, out);
	print_row(&sum, ns, out);
	print_notes(s, ring, sum.calls, ns, out);
}

static void print_op_json(const struct summary_op *o, double ns, FILE *out)
{
	fputs("{\"op\":", out);
	print_json_string(out, o->name);
	fprintf(out,
		",\"calls\":%" PRIu64 ",\"failed\":%" PRIu64
		",\"bytes\":%" PRIu64 ",\"inside_ns\":%.0f}",
		o->calls, o->failed, o->bytes, (double)o->ticks * ns);
}

void summary_print_json(struct summary *s, const struct ring *ring, FILE *out)
{
	struct summary_op sum = total(s);
	double ns = ns_per_tick(s);
	double cost = cost_per_op(ring, ns);

	fputs("{\"v\":1,\"op\":\"summary\",\"operations\":[", out);
	for (int i = 0; i < s->nr_ops; i++) {
		if (i)
			putc(',', out);
		print_op_json(&s->ops[i], ns, out);
	}
	fprintf(out,
		"],\"calls\":%" PRIu64 ",\"lost\":%" PRIu64
		",\"overhead_ns_per_op\":%.0f,\"overhead_ns\":%.0f,"
		"\"images\":%u,\"refused\":%u,\"sites\":%u,"
		"\"unpatchable\":%u,\"unscanned\":%u}\n",
		sum.calls, s->lost, cost, cost * (double)sum.calls,
		ring->attached, ring->refused, ring->sites, ring->unpatchable,
		ring->unscanned);
}
