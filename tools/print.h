/* SPDX-License-Identifier: MIT */
/*
 * tools/print.h - one line of text, or one JSON object, per operation.
 */
#ifndef MMUN_TOOLS_PRINT_H
#define MMUN_TOOLS_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ring.h"

struct printer {
	FILE *out;
	bool json;
	bool colour;
	int first_tid; /* of the program; prefix lines once there is another */
	bool more_threads;
};

/* What is known of an operation's end. */
enum outcome {
	OUTCOME_RETURNED,   /* result is valid */
	OUTCOME_NO_RETURN,  /* exec, exit */
	OUTCOME_UNFINISHED, /* its thread died inside */
};

void print_op(struct printer *p, const struct ring_op *op, uint32_t space,
	      enum outcome outcome);
void print_attach(struct printer *p, const struct ring_attach *attach);

const char *event_name(unsigned int event);
/* "-EINVAL", or "-4095" where the number has no name. */
void result_name(int64_t result, char *buf, size_t size);
/* Longer ranges are the whole address space: no number of bytes is lost. */
#define WHOLE_SPACE (1ull << 46)

/* "4.0K", "2.0M", "all"; buf of 16 bytes. */
void size_name(uint64_t bytes, char *buf);
void print_json_string(FILE *out, const char *s);

#endif /* MMUN_TOOLS_PRINT_H */
