/* SPDX-License-Identifier: MIT */
/*
 * tools/print.c - one line of text, or one JSON object, per operation.
 */
#include <inttypes.h>
#include <string.h>

#include <mmun/mmu_notifier.h>

#include "print.h"
#include "spaces.h"

#define RESET "\033[0m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define BLUE "\033[34m"
#define DIM "\033[2m"

static const struct {
	const char *name;
	const char *colour;
} events[] = {
	[MMU_NOTIFY_UNMAP] = {"UNMAP", RED},
	[MMU_NOTIFY_CLEAR] = {"CLEAR", YELLOW},
	[MMU_NOTIFY_PROTECTION_VMA] = {"PROTECTION_VMA", BLUE},
	[MMU_NOTIFY_PROTECTION_PAGE] = {"PROTECTION_PAGE", BLUE},
	[MMU_NOTIFY_SOFT_DIRTY] = {"SOFT_DIRTY", BLUE},
	[MMU_NOTIFY_RELEASE] = {"RELEASE", RED},
	[MMU_NOTIFY_MIGRATE] = {"MIGRATE", YELLOW},
	[MMU_NOTIFY_EXCLUSIVE] = {"EXCLUSIVE", YELLOW},
};

static unsigned int known_event(unsigned int event)
{
	return event < sizeof(events) / sizeof(events[0]) ? event
							  : MMU_NOTIFY_CLEAR;
}

const char *event_name(unsigned int event)
{
	return events[known_event(event)].name;
}

void result_name(int64_t result, char *buf, size_t size)
{
	const char *name = result < 0 && result > -4096
				   ? strerrorname_np((int)-result)
				   : NULL;

	if (name)
		snprintf(buf, size, "-%s", name);
	else
		snprintf(buf, size, "%" PRId64, result);
}

void size_name(uint64_t bytes, char *buf)
{
	static const char units[] = "BKMGT";
	double v = (double)bytes;
	int i = 0;

	if (bytes >= WHOLE_SPACE) {
		strcpy(buf, "all");
		return;
	}
	for (; v >= 1023.5 && units[i + 1]; i++)
		v /= 1024;
	snprintf(buf, 16, i && v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[i]);
}

void print_json_string(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

/* Names come from files: no control character reaches the terminal. */
static void print_plain(FILE *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\%03o", c);
		else
			putc(c, out);
	}
}

static const char *colour(const struct printer *p, const char *code)
{
	return p->colour ? code : "";
}

static void print_prefix(struct printer *p, const struct ring_op *op)
{
	if (op->tid != p->first_tid)
		p->more_threads = true;
	if (!p->more_threads)
		return;
	if (op->tid == op->pid)
		fprintf(p->out, "[pid %d] ", op->pid);
	else
		fprintf(p->out, "[pid %d/%d] ", op->pid, op->tid);
}

static void print_result(const struct printer *p, const struct ring_op *op,
			 enum outcome outcome)
{
	char buf[32];

	if (outcome == OUTCOME_UNFINISHED) {
		fputs(" = ?", p->out);
	} else if (outcome == OUTCOME_RETURNED && op->result < 0 &&
		   op->result > -4096) {
		result_name(op->result, buf, sizeof(buf));
		fprintf(p->out, " %s= %s%s", colour(p, DIM), buf,
			colour(p, RESET));
	}
}

static void print_text(struct printer *p, const struct ring_op *op, int i,
		       const char *site, enum outcome outcome)
{
	char size[16];

	print_prefix(p, op);
	fprintf(p->out, "%s%s%s", colour(p, BOLD), op->name, colour(p, RESET));
	if (i < op->nr_ranges) {
		size_name(op->end[i] - op->start[i], size);
		fprintf(p->out, " 0x%" PRIx64 "-0x%" PRIx64 " %s%s%s %s",
			op->start[i], op->end[i],
			colour(p, events[known_event(op->event[i])].colour),
			event_name(op->event[i]), colour(p, RESET), size);
	}
	putc(' ', p->out);
	print_plain(p->out, site);
	print_result(p, op, outcome);
	putc('\n', p->out);
}

static void print_json(struct printer *p, const struct ring_op *op, int i,
		       const char *site, enum outcome outcome)
{
	fputs("{\"v\":1,\"op\":", p->out);
	print_json_string(p->out, op->name);
	if (i < op->nr_ranges)
		fprintf(p->out,
			",\"event\":\"%s\",\"start\":\"0x%" PRIx64
			"\",\"end\":\"0x%" PRIx64 "\"",
			event_name(op->event[i]), op->start[i], op->end[i]);
	if (op->nr_ranges > 1)
		fprintf(p->out, ",\"part\":%d,\"parts\":%d", i + 1,
			op->nr_ranges);
	fprintf(p->out, ",\"pid\":%d,\"tid\":%d", op->pid, op->tid);
	if (outcome == OUTCOME_RETURNED)
		fprintf(p->out, ",\"result\":%" PRId64, op->result);
	else
		fputs(",\"result\":null", p->out);
	fputs(",\"site\":", p->out);
	print_json_string(p->out, site);
	fputs("}\n", p->out);
}

void print_op(struct printer *p, const struct ring_op *op, uint32_t space,
	      enum outcome outcome)
{
	char site[SITE_SIZE];
	int n = op->nr_ranges ? op->nr_ranges : 1;

	site_name(op, space, site);
	for (int i = 0; i < n; i++) {
		if (p->json)
			print_json(p, op, i, site, outcome);
		else
			print_text(p, op, i, site, outcome);
	}
}

void print_attach(struct printer *p, const struct ring_attach *attach)
{
	if (!p->first_tid)
		p->first_tid = attach->pid;
	if (!p->json)
		return;
	fprintf(p->out, "{\"v\":1,\"op\":\"%s\",\"pid\":%d",
		attach->parent ? "fork-child" : "attach", attach->pid);
	if (!attach->parent)
		fprintf(p->out,
			",\"error\":%d,\"sites\":%u,\"unpatchable\":%u,"
			"\"scratch\":\"0x%" PRIx64 "\"",
			attach->error, attach->sites, attach->unpatchable,
			attach->scratch);
	fputs("}\n", p->out);
}
