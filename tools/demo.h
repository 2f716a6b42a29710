/* SPDX-License-Identifier: MIT */
/*
 * tools/demo.h - a consumer that keeps external references to memory, and
 * the ways in which the memory behind them goes away.
 */
#ifndef MMUN_TOOLS_DEMO_H
#define MMUN_TOOLS_DEMO_H

#include <stdbool.h>
#include <stddef.h>

#define DEMO_WAYS 5
/* What a consumer refers to: so many bytes at area->buf, page aligned. */
#define DEMO_BYTES 65536ul

/* Memory that a program uses for a while. */
struct area {
	char *block; /* what was allocated */
	size_t size;
	char *buf;
};

/**
 * struct way - how a program loses pages and has others at the same address.
 * @name: for the table.
 * @get: allocate; 0 or a negative errno.
 * @lose: afterwards area->buf is the same address with other pages. 0, or a
 *        negative errno (-EADDRNOTAVAIL: the address was not given again).
 * @put: free.
 */
struct way {
	const char *name;
	int (*get)(struct area *area);
	int (*lose)(struct area *area);
	void (*put)(struct area *area);
};

extern const struct way demo_ways[DEMO_WAYS];

/* What one run of a consumer found, way by way. */
struct outcome {
	int error; /* negative errno: the consumer cannot run here */
	unsigned long tries[DEMO_WAYS];
	unsigned long wrong[DEMO_WAYS];
	unsigned long wrong_reads;
	unsigned long wrong_writes;
	unsigned long renewed; /* references made again because of mmun */
};

/**
 * struct consumer - one demonstration.
 * @run: go through all ways, bare or with mmun; in a process of its own.
 */
struct consumer {
	const char *name;
	const char *title;
	const char *tries; /* heading of the column */
	const char *reads; /* what a wrong one means */
	const char *writes;
	const char *renewed;
	void (*run)(bool protect, struct outcome *out);
};

extern const struct consumer demo_uring, demo_tlb;

#endif /* MMUN_TOOLS_DEMO_H */
