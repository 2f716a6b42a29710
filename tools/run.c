/* SPDX-License-Identifier: MIT */
/*
 * tools/run.c - start PROG with the agent, wait for all of its descendants.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mmun.h"
#include "trace.h"

/* Records wait for us this long at most when nothing else wakes us. */
#define NAP_MIN_NS 500000L
#define NAP_MAX_NS 8000000L

struct runner {
	struct trace *trace;
	pid_t pid;
	int status;
	bool pid_gone;	  /* PROG itself has ended */
	bool all_gone;	  /* so have its descendants */
	bool interrupted; /* do not wait for them any longer */
	sigset_t handled;
	/* As PROG shall have them. */
	sigset_t mask;
	struct sigaction chld;
};

static bool set_env(const struct trace *t)
{
	const char *old = getenv("LD_PRELOAD");
	char ring[64];
	char *preload;
	bool ok;

	snprintf(ring, sizeof(ring), "/proc/%d/fd/%d", (int)t->pid, t->ring_fd);
	if (asprintf(&preload, "%s%s%s", t->agent, old && *old ? ":" : "",
		     old ? old : "") < 0)
		return false;
	ok = !setenv("LD_PRELOAD", preload, 1) && !setenv(RING_ENV, ring, 1);
	free(preload);
	return ok;
}

/* In the child; what goes wrong goes through the pipe as an errno. */
static void exec_program(struct runner *r, int pipe_fd)
{
	struct trace *t = r->trace;
	int error = ENOMEM;

	if (set_env(t)) {
		sigaction(SIGCHLD, &r->chld, NULL);
		sigprocmask(SIG_SETMASK, &r->mask, NULL);
		execv(t->path, t->argv);
		error = errno;
	}
	if (write(pipe_fd, &error, sizeof(error)) < 0)
		_exit(EXIT_TOOL);
	_exit(EXIT_CANNOT_EXECUTE);
}

static int exec_failed(struct runner *r, int error)
{
	const char *name = r->trace->argv[0];

	waitpid(r->pid, NULL, 0);
	complain("cannot execute %s: %s", name, strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static int start(struct runner *r)
{
	int fds[2], error = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC))
		return complain("cannot make a pipe: %m");
	r->pid = fork();
	if (!r->pid)
		exec_program(r, fds[1]);
	close(fds[1]);
	if (r->pid < 0) {
		close(fds[0]);
		return complain("cannot fork: %m");
	}
	do
		n = read(fds[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(fds[0]);
	return n == sizeof(error) ? exec_failed(r, error) : 0;
}

static void reap(struct runner *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		if (pid == r->pid) {
			r->status = status;
			r->pid_gone = true;
		}
	}
	if (pid < 0 && errno == ECHILD)
		r->all_gone = true;
}

/*
 * The terminal sends ^C to PROG as well: it decides. Once PROG is gone it
 * means us, who wait for descendants. Other requests to end go to PROG.
 */
static void handle_signal(struct runner *r, int sig)
{
	if (sig == SIGCHLD)
		return;
	if (r->pid_gone)
		r->interrupted = true;
	else if (sig != SIGINT && sig != SIGQUIT)
		kill(r->pid, sig);
}

/* Until a signal comes or it is time to look at the ring again. */
static void nap(struct runner *r, long *ns)
{
	struct timespec t = {.tv_nsec = *ns};
	int sig = sigtimedwait(&r->handled, NULL, &t);

	if (sig > 0)
		handle_signal(r, sig);
	*ns = *ns * 2 < NAP_MAX_NS ? *ns * 2 : NAP_MAX_NS;
}

static void poll_signals(struct runner *r)
{
	static const struct timespec now;
	int sig;

	while ((sig = sigtimedwait(&r->handled, NULL, &now)) > 0)
		handle_signal(r, sig);
}

static void follow(struct runner *r)
{
	struct trace *t = r->trace;
	long ns = NAP_MIN_NS;

	while (!r->all_gone && !r->interrupted) {
		if (events_drain(&t->events, t->ring, false)) {
			poll_signals(r);
			ns = NAP_MIN_NS;
		} else {
			fflush(t->out);
			nap(r, &ns);
		}
		reap(r);
	}
	__atomic_store_n(&t->ring->closed, 1, __ATOMIC_RELAXED);
	events_drain(&t->events, t->ring, true);
	events_finish(&t->events);
}

static void block_signals(struct runner *r)
{
	sigemptyset(&r->handled);
	sigaddset(&r->handled, SIGCHLD);
	sigaddset(&r->handled, SIGINT);
	sigaddset(&r->handled, SIGQUIT);
	sigaddset(&r->handled, SIGTERM);
	sigaddset(&r->handled, SIGHUP);
	sigprocmask(SIG_BLOCK, &r->handled, &r->mask);
}

int run(struct trace *t, int *status)
{
	struct runner r = {.trace = t};
	int ret;

	/* Where SIGCHLD is ignored children leave no status. */
	sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, &r.chld);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	block_signals(&r);
	ret = start(&r);
	if (!ret) {
		/* A reader that went away must not end us before PROG. */
		signal(SIGPIPE, SIG_IGN);
		follow(&r);
		*status = r.status;
	}
	sigprocmask(SIG_SETMASK, &r.mask, NULL);
	return ret;
}
