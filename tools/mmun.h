/* SPDX-License-Identifier: MIT */
/*
 * tools/mmun.h - what the parts of the mmun program share.
 */
#ifndef MMUN_TOOLS_MMUN_H
#define MMUN_TOOLS_MMUN_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of our own failures, as env(1) and timeout(1) have them. */
enum {
	EXIT_TOOL = 125,
	EXIT_CANNOT_EXECUTE = 126,
	EXIT_NOT_FOUND = 127,
};

int cmd_trace(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* One line on stderr, "mmun: " in front. complain() returns EXIT_TOOL. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Help that cannot be written is a failure too. */
int print_help(const char *text);

#endif /* MMUN_TOOLS_MMUN_H */
