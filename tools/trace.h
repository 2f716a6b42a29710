/* SPDX-License-Identifier: MIT */
/*
 * tools/trace.h - what mmun trace was asked for, and how it runs PROG.
 */
#ifndef MMUN_TOOLS_TRACE_H
#define MMUN_TOOLS_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "events.h"
#include "ring.h"

enum colour {
	COLOUR_AUTO,
	COLOUR_ALWAYS,
	COLOUR_NEVER,
};

struct trace {
	const char *output; /* NULL: stderr */
	bool json;
	bool count_only;
	bool quiet;
	enum colour colour;
	uint32_t nr_slots;
	char **argv; /* PROG and its arguments */
	char *path;  /* of PROG */
	char *agent; /* library to preload */
	pid_t pid;   /* of the tool */
	struct ring *ring;
	int ring_fd;
	FILE *out;
	struct events events;
};

/*
 * run - start PROG with the agent, and handle events until all of its
 * descendants are gone.
 * @status: out, as waitpid() has it; set on success only.
 *
 * Returns 0, or the exit status after having said why PROG did not start.
 */
int run(struct trace *t, int *status);

/* Find the agent's library; false if there is none. @path: PATH_MAX bytes. */
bool find_agent(char *path);

#endif /* MMUN_TOOLS_TRACE_H */
