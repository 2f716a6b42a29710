/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/side.h - what is compared runs in processes of its own, the sides.
 *
 * Arming and hooking cannot be undone, so plain and hooked must be two
 * processes. They sleep until they are asked for a batch.
 */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_FD 3 /* where a side that is a program of its own is asked */

/* Makes one batch; returns ns per call, or what the row's unit says. */
typedef double (*bench_op)(void);

struct bench_side {
	void (*setup)(
		long arg); /* in the child; prints and exits if it fails */
	long arg;
	const char *program; /* executed instead, arg is its argument */
	pid_t pid;
	int fd;
};

static inline double bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* ns per call of what is done n times. */
#define BENCH_NS(n, call)                              \
	({                                             \
		double bench_t = bench_now();          \
                                                       \
		for (unsigned int i = 0; i < (n); i++) \
			call;                          \
		(bench_now() - bench_t) / (n);         \
	})

/* The same, after what it takes to warm up after the other side's batch. */
#define BENCH_BATCH(n, call)             \
	({                               \
		BENCH_NS((n) / 5, call); \
		BENCH_NS(n, call);       \
	})

static inline void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/*
 * How many mappings a process has, and so the shape of the kernel's tree of
 * them, is worth 10 ns to a system call. Arming maps a few: every start of a
 * side gets another number, so that the median is not about their number.
 */
static inline void bench_scatter(void)
{
	int i, prot[] = {PROT_READ, PROT_WRITE};

	srand((unsigned int)getpid());
	for (i = rand() % 64; i; i--)
		mmap(NULL, 4096, prot[i & 1], MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
}

static inline void bench_serve(const bench_op *ops, int fd)
{
	double ns;
	int op;

	while (read(fd, &op, sizeof(op)) == sizeof(op)) {
		ns = ops[op]();
		if (write(fd, &ns, sizeof(ns)) != sizeof(ns))
			break;
	}
	_exit(0);
}

static inline void bench_start(struct bench_side *s, const bench_op *ops)
{
	char arg[24];
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		abort();
	s->fd = sv[0];
	s->pid = fork();
	if (s->pid) {
		close(sv[1]);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(sv[0]);
	if (!s->program) {
		bench_scatter();
		s->setup(s->arg);
		bench_serve(ops, sv[1]);
	}
	dup2(sv[1], BENCH_FD);
	snprintf(arg, sizeof(arg), "%ld", s->arg);
	execl(s->program, s->program, arg, NULL);
	_exit(127);
}

static inline void bench_stop(struct bench_side *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->fd);
}

/* NAN: that side could not be set up. */
static inline double bench_ask(const struct bench_side *s, int op)
{
	double ns;

	if (send(s->fd, &op, sizeof(op), MSG_NOSIGNAL) != sizeof(op) ||
	    recv(s->fd, &ns, sizeof(ns), MSG_WAITALL) != sizeof(ns))
		return NAN;
	return ns;
}

#endif /* BENCH_SIDE_H */
