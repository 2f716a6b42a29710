/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/startup.c - from the start to the end of programs that do nothing,
 * as wall time and as processor time (which a busy machine moves less): plain,
 * with libmmun preloaded, preloaded and armed, and with UCX's libucs
 * preloaded, which patches its functions when it is loaded.
 */
#include <spawn.h>
#include <sys/resource.h>

#include "benchmarks/bench.h"

extern char **environ;

static double ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static double run(bool cpu, const char *file, const char *a, const char *b)
{
	char *argv[] = {(char *)file, (char *)a, (char *)b, NULL};
	double start = bench_now();
	struct rusage used;
	int status;
	pid_t pid;

	if (posix_spawn(&pid, file, NULL, NULL, argv, environ) ||
	    wait4(pid, &status, 0, &used) != pid || status)
		return NAN;
	return cpu ? ms(used.ru_utime) + ms(used.ru_stime)
		   : (bench_now() - start) / 1e6;
}

#define PROGRAM(name, ...)                      \
	static double wall_##name(void)         \
	{                                       \
		return run(false, __VA_ARGS__); \
	}                                       \
	static double cpu_##name(void)          \
	{                                       \
		return run(true, __VA_ARGS__);  \
	}

PROGRAM(true, "/bin/true", NULL, NULL)
PROGRAM(python3, "/usr/bin/python3", "-c", "pass")
PROGRAM(node, "/usr/bin/node", "-e", "0")

static const bench_op ops[] = {wall_true,   cpu_true,  wall_python3,
			       cpu_python3, wall_node, cpu_node};

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
#define ROW(text, number, with, peer, limit) \
	{.what = text, .op = number, .side = {PLAIN, with, peer}, \
	 .target = limit}
#define ROWS(text, number, limit) \
	ROW(text ", loaded, wall", number, LOADED, -1, ""), \
	ROW(text ", loaded, cpu", number + 1, LOADED, -1, ""), \
	ROW(text ", armed, wall", number, ARMED, UCX, limit), \
	ROW(text ", armed, cpu", number + 1, ARMED, UCX, limit)

static struct bench_row rows[] = {
	ROWS("true", 0, "<= +2"),
	ROWS("python3 -c pass", 2, "<= +5"),
	ROWS("node -e 0", 4, "<= +15"),
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
