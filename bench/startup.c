/* SPDX-License-Identifier: MIT */
/*
 * bench/startup.c - wall time from the start to the end of programs that do
 * nothing: plain, with libmmun preloaded, preloaded and armed, and with UCX's
 * libucs preloaded, which patches its functions when it is loaded.
 */
#include <spawn.h>

#include "bench/bench.h"

extern char **environ;

static double run(const char *file, const char *a, const char *b)
{
	char *argv[] = {(char *)file, (char *)a, (char *)b, NULL};
	double start = bench_now();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, file, NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		return NAN;
	return (bench_now() - start) / 1e6;
}

static double run_true(void)
{
	return run("/bin/true", NULL, NULL);
}

static double run_python3(void)
{
	return run("/usr/bin/python3", "-c", "pass");
}

static double run_node(void)
{
	return run("/usr/bin/node", "-e", "0");
}

static const bench_op ops[] = {run_true, run_python3, run_node};

static const char *const preload[] = {NULL, BENCH_MMUN, BENCH_ARM,
				      "libucs.so.0"};

static void setup(long which)
{
	if (preload[which])
		setenv("LD_PRELOAD", preload[which], 1);
}

enum { PLAIN, LOADED, ARMED, UCX };

static struct bench_side sides[] = {
	[PLAIN] = {.setup = setup, .arg = PLAIN},
	[LOADED] = {.setup = setup, .arg = LOADED},
	[ARMED] = {.setup = setup, .arg = ARMED},
	[UCX] = {.setup = setup, .arg = UCX},
};

/* clang-format off */
#define ROWS(text, number, limit) \
	{.what = text ", loaded", .op = number, .side = {PLAIN, LOADED, -1}, \
	 .target = ""}, \
	{.what = text ", armed", .op = number, .side = {PLAIN, ARMED, UCX}, \
	 .target = limit}

static struct bench_row rows[] = {
	ROWS("true", 0, "<= +2"),
	ROWS("python3 -c pass", 1, "<= +5"),
	ROWS("node -e 0", 2, "<= +15"),
};
/* clang-format on */

int main(int argc, char **argv)
{
	struct bench bench = {
		.name = "startup",
		.unit = "ms a run",
		.peer = "UCX",
		.rows = rows,
		.nr_rows = ARRAY_SIZE(rows),
		.sides = sides,
		.nr_sides = ARRAY_SIZE(sides),
		.ops = ops,
		.passes = 1,
		.turns = 25,
		.digits = 2,
	};

	return bench_main(argc, argv, &bench);
}
