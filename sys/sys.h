/* SPDX-License-Identifier: MIT */
/*
 * sys/sys.h - the OS boundary: every system call the library makes itself.
 *
 * All calls are raw: they do not touch errno, do not pass through libc, and
 * their syscall instruction lies in the section mmun_text, which the site
 * scanner leaves alone. Results are the kernel's: >= 0 or a negative errno.
 * Everything here is async-signal-safe and allocates nothing.
 */
#ifndef MMUN_SYS_H
#define MMUN_SYS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define unlikely(x) __builtin_expect(!!(x), 0)
#define likely(x) __builtin_expect(!!(x), 1)
#define barrier() __asm__ volatile("" ::: "memory")

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * A full barrier. ThreadSanitizer executes it but does not reason with it:
 * where it is used, what is ordered are atomics, and gcc need not warn.
 */
static inline void sys_full_barrier(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

#define SYS_PAGE_SIZE 4096ul
#define SYS_PAGE_MASK (~(SYS_PAGE_SIZE - 1))

/* The gate: one syscall instruction in section mmun_text (sys/syscall.S). */
long mmun_raw_syscall(long nr, long a, long b, long c, long d, long e, long f);
extern const char __start_mmun_text[], __stop_mmun_text[];

#define sys_call0(nr) mmun_raw_syscall(nr, 0, 0, 0, 0, 0, 0)
#define sys_call1(nr, a) mmun_raw_syscall(nr, (long)(a), 0, 0, 0, 0, 0)
#define sys_call2(nr, a, b) \
	mmun_raw_syscall(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define sys_call3(nr, a, b, c) \
	mmun_raw_syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys_call4(nr, a, b, c, d) \
	mmun_raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys_call5(nr, a, b, c, d, e)                                     \
	mmun_raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), \
			 (long)(e), 0)
#define sys_call6(nr, a, b, c, d, e, f)                                  \
	mmun_raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), \
			 (long)(e), (long)(f))

/* ---- memory ---- */

/* Zeroed, private, read-write; @size a multiple of the page size. NULL. */
void *sys_alloc(size_t size);
void sys_free(void *p, size_t size);
/* [p, p + size) reads as zero in a forked child. */
int sys_wipe_on_fork(void *p, size_t size);

/* Copy from memory that may not be there; false then. Any context. */
bool sys_peek(void *to, unsigned long from, size_t size);

/* ---- files ---- */

/* O_CLOEXEC is added. A descriptor or the error. */
int sys_open(const char *path, int flags);
/* Read what fits and end it with a NUL. Returns the length or an error. */
long sys_read_file(const char *path, char *buffer, size_t size);

/* ---- identity of threads and processes ---- */

/*
 * The calling thread's tid, from a cache in TLS where that can be trusted:
 * not across fork (the cache is tied to a word on a wiped page) and not where
 * two tasks share one TLS (vfork, raw clone(CLONE_VM) without CLONE_SETTLS),
 * which sys_tls_shared() announces.
 */
uint32_t sys_tid_slow(void);

struct sys_tls {
	uint32_t tid;
	uint32_t fork_gen;
	uint32_t shared; /* 0, SYS_TLS_VFORK or SYS_TLS_CLONE */
	uint32_t stamp;	 /* counts macro begins */
	void *owner;	 /* mmu_notifier_set_owner() */
	uint32_t blind;	 /* callbacks entered without a record (core/open.c) */
};
extern __thread struct sys_tls mmun_tls
	__attribute__((tls_model("initial-exec")));

#define SYS_TLS_VFORK 1u /* until the owner of the TLS runs again */
#define SYS_TLS_CLONE 2u /* for ever */

struct work_struct;
struct mmu_notifier;

/* On a wiped page: 0 in a process that has not called sys_init() since fork. */
struct sys_process {
	uint32_t fork_gen;
	uint32_t membarrier; /* private expedited membarrier is registered */
	uint32_t debug;	     /* MMUN_DEBUG */
	struct work_struct *work; /* scheduled, youngest first */
	struct mmu_notifier *put; /* waiting for free_notifier */
	uint32_t putting;	  /* threads that took from put */
	uint32_t pid;
} __attribute__((aligned(4096)));
extern struct sys_process mmun_process;

/* Which process this is; 0 before sys_init(). */
static inline __attribute__((always_inline)) uint32_t sys_fork_gen(void)
{
	return __atomic_load_n(&mmun_process.fork_gen, __ATOMIC_RELAXED);
}

/* Is MMUN_DEBUG set? */
static inline bool sys_debug(void)
{
	return __atomic_load_n(&mmun_process.debug, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) uint32_t sys_tid(void)
{
	struct sys_tls *t = &mmun_tls;

	if (likely(t->tid && !t->shared && t->fork_gen == sys_fork_gen()))
		return t->tid;
	return sys_tid_slow();
}

/* The calling task is about to make another that shares its TLS. */
static inline void sys_tls_shared(uint32_t how)
{
	sys_tid(); /* so that its owner is known again afterwards */
	mmun_tls.shared |= how;
}

/*
 * First call in a process, and in a forked child: idempotent, any thread.
 * Returns 0, or why pages cannot be wiped on fork.
 */
int sys_init(void);
int sys_getpid(void);
/* Does a thread of that id exist and can still run? */
bool sys_thread_alive(uint32_t tid);
/*
 * Where a blocked thread of this process stands: 0 and its stack pointer, or
 * -EBUSY (it runs), or another negative errno.
 */
int sys_thread_sp(uint32_t tid, unsigned long *sp);
/* Is the calling thread on its alternate signal stack? Its bounds, or 0, 0. */
bool sys_on_altstack(unsigned long *lo, unsigned long *hi);

/* ---- waiting ---- */

/* Sleep while *addr == val; spurious returns happen. timeout_ns 0: none. */
void sys_futex_wait(uint32_t *addr, uint32_t val, unsigned long timeout_ns);
void sys_futex_wake(uint32_t *addr, int nr);
void sys_yield(void);
uint64_t sys_now_ns(void);

/* What the calling thread has used up so far. */
struct sys_usage {
	uint64_t wall_ns;
	uint64_t cpu_ns;
	unsigned long waits; /* times that it gave up its processor */
};
void sys_usage(struct sys_usage *u);

/*
 * After it returns, every thread of the process has executed a full barrier
 * since it was called. Returns false where the kernel refuses: the caller
 * must then not rely on it (and polls).
 */
bool sys_membarrier(void);

/* ---- signals ---- */

struct sys_sigset {
	uint64_t bits;
};
void sys_block_signals(struct sys_sigset *old);
void sys_restore_signals(const struct sys_sigset *old);

/* ---- text output, for MMUN_DEBUG only ---- */

void sys_write_str(int fd, const char *s);

#endif /* MMUN_SYS_H */
