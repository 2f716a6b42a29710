/* SPDX-License-Identifier: MIT */
/*
 * tools/demo.c - mmun demo: what goes wrong without mmun, and not with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"
#include "mmun.h"

#define DEADLINE_S 60

static const char help[] =
	"Usage: mmun demo [uring|tlb]\n"
	"\n"
	"Lose pages in several ways under a consumer that refers to them, "
	"first\n"
	"without mmun, then with it, and count what goes wrong.\n"
	"\n"
	"  uring   a file, io_uring and registered buffers (the default); "
	"where\n"
	"          there is no io_uring it says so and does the other\n"
	"  tlb     an emulator's software TLB with decoded pages\n"
	"\n"
	"Options:\n"
	"  -h, --help   print this help\n"
	"\n"
	"Exit status: 0 if something went wrong without mmun and nothing with\n"
	"it, 1 if not, 125 if the demonstration cannot run.\n";

static const struct consumer *const consumers[] = {&demo_uring, &demo_tlb};

/* A process of its own: the bare run knows nothing of mmun's arming. */
static int run_apart(const struct consumer *c, bool protect,
		     struct outcome *out)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		alarm(DEADLINE_S);
		c->run(protect, out);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		return complain("%s: the run %s mmun died of signal %d",
				c->name, protect ? "with" : "without",
				WTERMSIG(status)),
		       -EIO;
	return out->error;
}

static unsigned long sum(const unsigned long *n)
{
	unsigned long s = 0;

	for (int i = 0; i < DEMO_WAYS; i++)
		s += n[i];
	return s;
}

static void print_rule(void)
{
	puts("-----------------------------------------------------------------"
	     "-----");
}

static void print_table(const struct consumer *c, const struct outcome *bare,
			const struct outcome *safe)
{
	printf("%s\n\n%-28s %10s %14s %14s\n%-28s %10s %14s %14s\n", c->title,
	       "how the pages went", c->tries, "wrong without", "wrong with",
	       "", "", "mmun", "mmun");
	print_rule();
	for (int i = 0; i < DEMO_WAYS; i++)
		printf("%-28s %10lu %14lu %14lu\n", demo_ways[i].name,
		       bare->tries[i], bare->wrong[i], safe->wrong[i]);
	print_rule();
	printf("%-28s %10lu %14lu %14lu\n\n", "total", sum(bare->tries),
	       sum(bare->wrong), sum(safe->wrong));
}

static void print_meaning(const struct consumer *c, const struct outcome *bare,
			  const struct outcome *safe)
{
	printf("without mmun: %lu %s\n", bare->wrong_reads, c->reads);
	if (c->writes)
		printf("              %lu %s\n", bare->wrong_writes, c->writes);
	printf("with mmun:    %lu %s\n", safe->renewed, c->renewed);
}

static int judge(const struct outcome *bare, const struct outcome *safe)
{
	unsigned long without = sum(bare->wrong), with = sum(safe->wrong);

	if (with)
		printf("\nWRONG: mmun let %lu through\n", with);
	else if (!without)
		puts("\nNOTHING SHOWN: the run without mmun was right as well");
	else if (sum(bare->tries) != sum(safe->tries))
		puts("\nWRONG: the two runs did not do the same");
	return with || !without || sum(bare->tries) != sum(safe->tries);
}

static int show(const struct consumer *c, struct outcome *out)
{
	int error;

	memset(out, 0, 2 * sizeof(*out));
	error = run_apart(c, false, &out[0]);
	if (!error)
		error = run_apart(c, true, &out[1]);
	if (error)
		return error;
	print_table(c, &out[0], &out[1]);
	print_meaning(c, &out[0], &out[1]);
	return judge(&out[0], &out[1]);
}

static bool unsupported(int error)
{
	return error == -ENOSYS || error == -EPERM || error == -EOPNOTSUPP ||
	       error == -EACCES ||
	       error == -ENOMEM; /* too little may be locked */
}

static int demonstrate(const struct consumer *c)
{
	struct outcome *out = mmap(NULL, 2 * sizeof(*out),
				   PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (out == MAP_FAILED)
		return complain("cannot map memory: %m");
	ret = show(c, out);
	if (c == &demo_uring && unsupported(ret)) {
		printf("no io_uring here (%s); the software TLB instead\n\n",
		       strerror(-ret));
		ret = show(&demo_tlb, out);
	}
	if (ret < 0)
		ret = complain("the demonstration cannot run: %s",
			       strerror(-ret));
	if (fflush(stdout))
		return complain("cannot write to standard output: %m");
	return ret;
}

int cmd_demo(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
		return print_help(help);
	if (argc > 2)
		return complain("one demonstration at a time; see mmun demo "
				"--help");
	if (argc < 2)
		return demonstrate(&demo_uring);
	for (size_t i = 0; i < sizeof(consumers) / sizeof(consumers[0]); i++)
		if (!strcmp(argv[1], consumers[i]->name))
			return demonstrate(consumers[i]);
	return complain("unknown demonstration '%s': uring or tlb", argv[1]);
}
