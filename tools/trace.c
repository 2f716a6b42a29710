/* SPDX-License-Identifier: MIT */
/*
 * tools/trace.c - mmun trace: options, output, and the way out.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mmun.h"
#include "spaces.h"
#include "target.h"
#include "trace.h"

#define AGENT "libmmun-trace.so"

static const char help[] =
	"Usage: mmun trace [OPTIONS] [--] PROG [ARGS]\n"
	"\n"
	"Run PROG and print each operation by which it or a child of it loses\n"
	"pages: what is lost, why, and from where in the program. A summary\n"
	"ends it. PROG's output, exit status and fatal signal stay its own.\n"
	"\n"
	"Options:\n"
	"  -o, --output=FILE   write to FILE, not to standard error\n"
	"  -j, --json          one JSON object a line, the summary last\n"
	"  -c, --summary-only  do not print the operations\n"
	"  -q, --quiet         do not print the summary\n"
	"      --color=WHEN    auto (a terminal), always or never\n"
	"      --records=N     room for N records on their way (65536)\n"
	"  -h, --help          print this help\n"
	"\n"
	"A line is: operation, range, event, size, place, and = error if it\n"
	"failed. Exit status: PROG's; 125 if mmun failed, 126 if PROG cannot\n"
	"be executed, 127 if it is not found.\n"
	"\n"
	"Examples:\n"
	"  mmun trace ls\n"
	"  mmun trace -c -- python3 script.py\n"
	"  mmun trace --json -o events.json ./server\n";

enum { OPT_COLOUR = 256, OPT_RECORDS };

static const struct option options[] = {
	{"output", required_argument, NULL, 'o'},
	{"json", no_argument, NULL, 'j'},
	{"summary-only", no_argument, NULL, 'c'},
	{"quiet", no_argument, NULL, 'q'},
	{"color", required_argument, NULL, OPT_COLOUR},
	{"colour", required_argument, NULL, OPT_COLOUR},
	{"records", required_argument, NULL, OPT_RECORDS},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int set_colour(struct trace *t, const char *when)
{
	static const char *const names[] = {"auto", "always", "never"};

	for (int i = 0; i < 3; i++) {
		if (!strcmp(when, names[i])) {
			t->colour = (enum colour)i;
			return 0;
		}
	}
	return complain("--color=%s: use auto, always or never", when);
}

static int set_records(struct trace *t, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*end || n < 2 || n > 1u << 24 || n & (n - 1))
		return complain("--records=%s: use a power of two from 2 to "
				"16777216",
				arg);
	t->nr_slots = (uint32_t)n;
	return 0;
}

static int wrong_option(const char *what, char **argv)
{
	char brief[] = {'-', (char)optopt, 0};
	const char *last = argv[optind - 1];

	/* getopt stays at a cluster of short ones, steps over a long one. */
	return complain("%s '%s'; see mmun trace --help", what,
			!strncmp(last, "--", 2) && last[2] ? last : brief);
}

/* 0, -1 to end with success, or the exit status. */
static int set_option(struct trace *t, int c, char **argv)
{
	switch (c) {
	case 'o':
		t->output = optarg;
		return 0;
	case 'j':
		t->json = true;
		return 0;
	case 'c':
		t->count_only = true;
		return 0;
	case 'q':
		t->quiet = true;
		return 0;
	case OPT_COLOUR:
		return set_colour(t, optarg);
	case OPT_RECORDS:
		return set_records(t, optarg);
	case 'h':
		return print_help(help) ? EXIT_TOOL : -1;
	case ':':
		return wrong_option("a value is missing after option", argv);
	default:
		return wrong_option("unknown option", argv);
	}
}

static int parse(struct trace *t, int argc, char **argv)
{
	int c, ret = 0;

	opterr = 0;
	while (!ret &&
	       (c = getopt_long(argc, argv, "+:o:jcqh", options, NULL)) != -1)
		ret = set_option(t, c, argv);
	if (!ret && optind == argc)
		ret = complain("a program to run is missing; see mmun trace "
			       "--help");
	t->argv = argv + optind;
	return ret;
}

static bool in_directory(const char *dir, const char *rest, char *path)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, rest);

	return n > 0 && n < PATH_MAX && !access(path, R_OK);
}

/* Beside the program (as built), else where it was installed. */
bool find_agent(char *path)
{
	char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	const char *asked = getenv("MMUN_AGENT");

	if (asked && *asked)
		return snprintf(path, PATH_MAX, "%s", asked) < PATH_MAX &&
		       !access(path, R_OK);
	dir[n > 0 ? n : 0] = 0;
	if (n > 0)
		*strrchr(dir, '/') = 0;
	return in_directory(dir, AGENT, path) ||
	       in_directory(dir, "tools/" AGENT, path) ||
	       in_directory(dir, "../" MMUN_LIBDIR "/mmun/" AGENT, path) ||
	       in_directory(MMUN_AGENT_DIR, AGENT, path);
}

static int check_agent(char *path)
{
	if (!find_agent(path))
		return complain("cannot find " AGENT "; install mmun, or set "
				"MMUN_AGENT to its path");
	if (strpbrk(path, ": "))
		return complain("LD_PRELOAD cannot name '%s': move mmun to a "
				"path without blank and colon",
				path);
	return 0;
}

static int make_ring(struct trace *t)
{
	size_t size = ring_size(t->nr_slots);

	t->ring_fd = memfd_create(RING_MEMFD, MFD_CLOEXEC);
	if (t->ring_fd < 0 || ftruncate(t->ring_fd, (off_t)size))
		return complain("cannot make shared memory: %m");
	t->ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       t->ring_fd, 0);
	if (t->ring == MAP_FAILED)
		return complain("cannot map %zu bytes of shared memory: %m",
				size);
	t->ring->nr_slots = t->nr_slots;
	t->ring->magic = RING_MAGIC;
	return 0;
}

static int open_output(struct trace *t)
{
	t->out = stderr;
	if (!t->output)
		return 0;
	t->out = fopen(t->output, "we");
	if (!t->out)
		return complain("cannot write %s: %m", t->output);
	return 0;
}

static bool want_colour(const struct trace *t)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (t->colour != COLOUR_AUTO)
		return t->colour == COLOUR_ALWAYS;
	return isatty(fileno(t->out)) && !(no && *no) && term &&
	       strcmp(term, "dumb");
}

static void set_up_events(struct trace *t)
{
	static char buffer[1 << 16];

	/* Written in whole pieces between naps; PROG's own lines stay whole. */
	setvbuf(t->out, buffer, _IOFBF, sizeof(buffer));
	t->events = (struct events){
		.printer = {.out = t->out,
			    .json = t->json,
			    .colour = !t->json && want_colour(t)},
		.quiet_ops = t->count_only,
		.nr_slots = t->nr_slots,
	};
	summary_start(&t->events.summary);
}

static int prepare(struct trace *t)
{
	int ret = target_find(t->argv[0], t->path);

	if (!ret)
		ret = check_agent(t->agent);
	if (!ret)
		ret = open_output(t);
	if (!ret)
		ret = make_ring(t);
	if (!ret)
		set_up_events(t);
	return ret;
}

static const char *why_refused(int error)
{
	switch (error) {
	case -EBUSY:
		return "another copy of libmmun is at work in it";
	case -ENOEXEC:
		return "it has no system call that could be watched";
	case -ENOMEM:
		return "too little memory may be mapped";
	case -ENOTSUP:
		return "this processor is not supported";
	default:
		return "a policy forbids to change program text";
	}
}

/* Say so when nothing, or not everything, was seen. */
static void warn_of_gaps(const struct trace *t)
{
	const struct ring *r = t->ring;
	char code[32];

	result_name(r->error, code, sizeof(code));
	if (r->refused)
		warn("%u program image%s ran untraced (%s): %s", r->refused,
		     r->refused == 1 ? "" : "s", code, why_refused(r->error));
	else if (!r->attached)
		warn("%s was not traced: the agent was not loaded into it",
		     t->argv[0]);
	if (t->events.summary.lost)
		warn("%llu records lost; use --records with more than %u",
		     (unsigned long long)t->events.summary.lost, t->nr_slots);
}

static void finish_output(struct trace *t)
{
	struct summary *s = &t->events.summary;

	s->lost = __atomic_load_n(&t->ring->lost, __ATOMIC_RELAXED);
	if (t->quiet)
		;
	else if (t->json)
		summary_print_json(s, t->ring, t->out);
	else
		summary_print(s, t->ring, t->out);
	if (fflush(t->out) && errno != EPIPE && t->out != stderr)
		warn("cannot write %s: %m", t->output);
	warn_of_gaps(t);
	fflush(stderr);
}

/* End as PROG ended, so that whoever waits for us sees what it did. */
static int pass_on(int status)
{
	struct rlimit none = {0, 0};
	sigset_t set;
	int sig;

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &none); /* one core file is enough */
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	return 128 + sig;
}

int cmd_trace(int argc, char **argv)
{
	char path[PATH_MAX], agent[PATH_MAX];
	struct trace t = {
		.pid = getpid(),
		.nr_slots = RING_SLOTS,
		.path = path,
		.agent = agent,
	};
	int status, ret = parse(&t, argc, argv);

	if (ret)
		return ret < 0 ? 0 : ret;
	ret = prepare(&t);
	if (!ret)
		ret = run(&t, &status);
	if (ret)
		return ret;
	finish_output(&t);
	spaces_free();
	return pass_on(status);
}
