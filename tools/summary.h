/* SPDX-License-Identifier: MIT */
/*
 * tools/summary.h - what mmun trace says at the end.
 */
#ifndef MMUN_TOOLS_SUMMARY_H
#define MMUN_TOOLS_SUMMARY_H

#include <stdint.h>
#include <stdio.h>

#include "ring.h"

#define SUMMARY_OPS 64

struct summary_op {
	char name[sizeof(((struct ring_op *)0)->name)];
	uint64_t calls;
	uint64_t failed;
	uint64_t bytes; /* of calls that did not fail */
	uint64_t ticks;
	uint64_t timed; /* calls that @ticks is the sum of */
};

struct summary {
	struct summary_op ops[SUMMARY_OPS];
	int nr_ops;
	uint64_t start_ticks;
	uint64_t start_ns;
	uint64_t lost;
};

void summary_start(struct summary *s);
/* @ticks: how long the operation took, 0 if that is not known. */
void summary_add(struct summary *s, const struct ring_op *op, uint64_t ticks);
void summary_print(struct summary *s, const struct ring *ring, FILE *out);
void summary_print_json(struct summary *s, const struct ring *ring, FILE *out);

#endif /* MMUN_TOOLS_SUMMARY_H */
