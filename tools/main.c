/* SPDX-License-Identifier: MIT */
/*
 * tools/main.c - the mmun program: finds the subcommand.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mmun.h"

static const char help[] =
	"Usage: mmun COMMAND [OPTIONS] [ARGS]\n"
	"\n"
	"See which memory a program loses, and what goes wrong when nobody\n"
	"tells those who still refer to it.\n"
	"\n"
	"Commands:\n"
	"  trace PROG [ARGS]   print each operation that takes pages away\n"
	"  demo [uring|tlb]    corrupt data through a stale reference, then\n"
	"                      the same with mmun\n"
	"\n"
	"Options:\n"
	"  -h, --help          print this help\n"
	"  -V, --version       print the version\n"
	"\n"
	"mmun COMMAND --help says more about a command.\n"
	"\n"
	"Examples:\n"
	"  mmun trace ls\n"
	"  mmun trace -c -- python3 script.py\n"
	"  mmun trace --json -o events.json ./server\n"
	"  mmun demo\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"trace", cmd_trace},
	{"demo", cmd_demo},
};

static void vwarn(const char *fmt, va_list args)
{
	char line[4096];

	/* One write, so that it stays one line between those of others. */
	vsnprintf(line, sizeof(line), fmt, args);
	fprintf(stderr, "mmun: %s\n", line);
}

void warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vwarn(fmt, args);
	va_end(args);
}

int complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vwarn(fmt, args);
	va_end(args);
	return EXIT_TOOL;
}

int print_help(const char *text)
{
	if (fputs(text, stdout) < 0 || fflush(stdout))
		return complain("cannot write to standard output: %m");
	return 0;
}

static bool is_option(const char *arg, const char *brief, const char *full)
{
	return !strcmp(arg, brief) || !strcmp(arg, full);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return complain("a command is missing: trace or demo; "
				"see mmun --help");
	if (is_option(argv[1], "-h", "--help"))
		return print_help(help);
	if (is_option(argv[1], "-V", "--version"))
		return print_help("mmun " MMUN_VERSION "\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return complain("unknown %s '%s'; commands are trace and demo, "
			"see mmun --help",
			argv[1][0] == '-' ? "option" : "command", argv[1]);
}
