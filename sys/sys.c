/* SPDX-License-Identifier: MIT */
/*
 * sys/sys.c - memory, identity, waiting, signals: raw system calls.
 */
#include "sys/general_regs.h"

#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

__thread struct sys_tls mmun_tls __attribute__((tls_model("initial-exec")));
struct sys_process mmun_process;

/* Not wiped: a forked child must not get a number that its parent had. */
static uint32_t fork_generations;

/* ---- memory ---- */

void *sys_alloc(size_t size)
{
	long p = sys_call6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

void sys_free(void *p, size_t size)
{
	sys_call2(SYS_munmap, p, size);
}

int sys_wipe_on_fork(void *p, size_t size)
{
	return (int)sys_call3(SYS_madvise, p, size, MADV_WIPEONFORK);
}

/*
 * Can eight bytes be read there? The kernel copies a signal mask before it
 * looks at what to do with it; no policy forbids that call, and no such
 * request exists.
 */
static bool is_readable(unsigned long address)
{
	return sys_call4(SYS_rt_sigprocmask, ~0ul, address & ~7ul, 0, 8) ==
	       -EINVAL;
}

bool sys_peek(void *to, unsigned long from, size_t size)
{
	unsigned long at;

	for (at = from; at < from + size; at = (at | ~SYS_PAGE_MASK) + 1)
		if (!is_readable(at))
			return false;
	/* Not memcpy(): libc's uses vector registers. */
	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(size)
			 :
			 : "memory");
	return true;
}

/* ---- files ---- */

int sys_open(const char *path, int flags)
{
	return (int)sys_call4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

long sys_read_file(const char *path, char *buffer, size_t size)
{
	int fd = sys_open(path, O_RDONLY);
	long n;

	if (fd < 0)
		return fd;
	n = sys_call3(SYS_read, fd, buffer, size - 1);
	sys_call1(SYS_close, fd);
	buffer[n > 0 ? n : 0] = 0;
	return n;
}

/* ---- identity ---- */

static bool env_is_set(const char *name)
{
	extern char **environ;
	char **e;
	size_t i;

	for (e = environ; e && *e; e++) {
		for (i = 0; name[i] && (*e)[i] == name[i]; i++)
			;
		if (!name[i] && (*e)[i] == '=')
			return (*e)[i + 1] && (*e)[i + 1] != '0';
	}
	return false;
}

int sys_init(void)
{
	struct sys_process *p = &mmun_process;
	uint32_t none = 0, gen;
	int rc;

	if (likely(__atomic_load_n(&p->fork_gen, __ATOMIC_ACQUIRE)))
		return 0;
	rc = sys_wipe_on_fork(p, sizeof(*p));
	if (rc)
		return rc;
	/* Two threads may come here at once: they find the same. */
	rc = (int)sys_call2(SYS_membarrier,
			    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0);
	__atomic_store_n(&p->membarrier, !rc, __ATOMIC_RELAXED);
	__atomic_store_n(&p->debug, env_is_set("MMUN_DEBUG"), __ATOMIC_RELAXED);
	__atomic_store_n(&p->pid, (uint32_t)sys_getpid(), __ATOMIC_RELAXED);
	gen = __atomic_add_fetch(&fork_generations, 1, __ATOMIC_RELAXED);
	/* Either's number will do. */
	__atomic_compare_exchange_n(&p->fork_gen, &none, gen, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return 0;
}

uint32_t sys_tid_slow(void)
{
	struct sys_tls *t = &mmun_tls;
	uint32_t tid = (uint32_t)sys_call0(SYS_gettid);
	uint32_t gen =
		__atomic_load_n(&mmun_process.fork_gen, __ATOMIC_ACQUIRE);

	if (!gen)
		return tid;
	if (t->fork_gen == gen) {
		/* The owner runs, so a vfork child has let go of the TLS. */
		if (t->tid == tid)
			t->shared &= ~SYS_TLS_VFORK;
	} else if (sys_getpid() ==
		   (int)__atomic_load_n(&mmun_process.pid, __ATOMIC_RELAXED)) {
		/*
		 * A new thread, or a forked child; not a vfork child that
		 * nobody announced: it would leave its tid to its parent.
		 */
		t->shared = 0;
		t->blind = 0;
		t->tid = tid;
		t->fork_gen = gen;
	}
	return tid;
}

int sys_getpid(void)
{
	return (int)sys_call0(SYS_getpid);
}

/* ---- /proc, without stdio and without allocation ---- */

static char *put_str(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static char *put_dec(char *p, uint32_t v)
{
	char digits[10];
	int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digits[--n];
	return p;
}

/* Reads /proc/<tid>/<what>; returns its length or a negative errno. */
static long read_proc(uint32_t tid, const char *what, char *buf, size_t size)
{
	char path[64], *p = put_str(path, "/proc/");

	p = put_dec(p, tid);
	*p++ = '/';
	p = put_str(p, what);
	*p = 0;
	return sys_read_file(path, buf, size);
}

bool sys_thread_alive(uint32_t tid)
{
	char buf[512];
	const char *p = NULL;
	long i, n;

	if (sys_call2(SYS_tkill, tid, 0) == -ESRCH)
		return false;
	n = read_proc(tid, "stat", buf, sizeof(buf));
	for (i = 0; i < n; i++) /* the name may hold anything, so the last */
		if (buf[i] == ')')
			p = buf + i;
	if (!p || p + 2 >= buf + n)
		return true; /* no /proc: believe the kernel's other answer */
	return p[2] != 'Z' && p[2] != 'X';
}

int sys_thread_sp(uint32_t tid, unsigned long *sp)
{
	char buf[256];
	const char *p, *word[2] = {NULL, NULL};
	unsigned long v = 0;
	long n = read_proc(tid, "syscall", buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	if (buf[0] == 'r') /* "running" */
		return -EBUSY;
	/* "nr arg*6 sp pc" or "-1 sp pc": the last word but one */
	for (p = buf; *p; p++)
		if (p[0] == ' ' && p[1]) {
			word[0] = word[1];
			word[1] = p + 1;
		}
	if (!word[0] || word[0][0] != '0' || word[0][1] != 'x')
		return -EINVAL;
	for (p = word[0] + 2; *p && *p != ' '; p++)
		v = v * 16 +
		    (unsigned long)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	*sp = v;
	return 0;
}

bool sys_on_altstack(unsigned long *lo, unsigned long *hi)
{
	stack_t ss = {0};

	*lo = *hi = 0;
	if (sys_call2(SYS_sigaltstack, 0, &ss) || (ss.ss_flags & SS_DISABLE))
		return false;
	*lo = (unsigned long)ss.ss_sp;
	*hi = *lo + ss.ss_size;
	return ss.ss_flags & SS_ONSTACK;
}

/* ---- waiting ---- */

void sys_futex_wait(uint32_t *addr, uint32_t val, unsigned long timeout_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000),
			      .tv_nsec = (long)(timeout_ns % 1000000000)};

	sys_call4(SYS_futex, addr, FUTEX_WAIT_PRIVATE, val,
		  timeout_ns ? &ts : NULL);
}

void sys_futex_wake(uint32_t *addr, int nr)
{
	sys_call3(SYS_futex, addr, FUTEX_WAKE_PRIVATE, nr);
}

void sys_yield(void)
{
	sys_call0(SYS_sched_yield);
}

uint64_t sys_now_ns(void)
{
	struct timespec ts = {0};

	sys_call2(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void sys_usage(struct sys_usage *u)
{
	struct timespec ts = {0};
	struct rusage ru = {.ru_nvcsw = 0};

	sys_call2(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &ts);
	sys_call2(SYS_getrusage, RUSAGE_THREAD, &ru);
	u->cpu_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	u->waits = (unsigned long)ru.ru_nvcsw;
	u->wall_ns = sys_now_ns();
}

bool sys_membarrier(void)
{
	return __atomic_load_n(&mmun_process.membarrier, __ATOMIC_RELAXED) &&
	       !sys_call2(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
}

/* ---- signals ---- */

void sys_block_signals(struct sys_sigset *old)
{
	struct sys_sigset all = {~0ull};

	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, sizeof(all));
}

void sys_restore_signals(const struct sys_sigset *old)
{
	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, old, 0, sizeof(*old));
}

void sys_write_str(int fd, const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	sys_call3(SYS_write, fd, s, n);
}
