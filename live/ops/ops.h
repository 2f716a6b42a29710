/* SPDX-License-Identifier: MIT */
/*
 * live/ops/ops.h - what each system call does to which range.
 *
 * A new operation is one function in a file of its family and one line in
 * table.c. The functions run in hook context, see rule 5 of live/live.h.
 */
#ifndef MMUN_LIVE_OPS_H
#define MMUN_LIVE_OPS_H

#include <mmun/mmu_notifier.h>

#include "sys/sys.h"

#define LIVE_RANGES 2

/* The largest address a process can have, with five-level tables too. */
#define LIVE_TASK_SIZE ((1ul << 56) - SYS_PAGE_SIZE)

/* struct live_change - what a call is about to do. */
struct live_change {
	unsigned int nr;   /* ranges in use */
	bool text;	   /* may map program text */
	bool shares_stack; /* the child has our memory, and our stack */
	bool child_stack;  /* it has a copy, and another stack */
	struct live_range {
		unsigned long start, end; /* half-open, as the kernel rounds */
		enum mmu_notifier_event event;
	} range[LIVE_RANGES];
};

enum live_kind {
	LIVE_CHANGE, /* the pages of some ranges */
	LIVE_FORK,   /* everything becomes copy-on-write; may share the stack */
	LIVE_EXEC,   /* everything goes, unless it fails */
	LIVE_EXIT,   /* the process ends */
};

/**
 * struct live_op - one system call.
 * @name: as in its manual page.
 * @kind: enum live_kind.
 * @decode: fill in the change; nothing if the call will fail or changes
 *          nothing. Few instructions, little stack, and no system calls where
 *          they can be avoided.
 * @resolve: optional. decode() gave ranges that are only an upper bound, for
 *           what would cost too much there; this one gives the exact ones, if
 *           somebody wants to know. On a callback stack.
 * @untouched: optional. The call failed with err: is it certain that nothing
 *             in the ranges changed? NULL: always.
 */
struct live_op {
	const char *name;
	enum live_kind kind;
	void (*decode)(const unsigned long *args, struct live_change *c);
	void (*resolve)(const unsigned long *args, struct live_change *c);
	bool (*untouched)(const unsigned long *args, long err);
};

extern const struct live_op *const mmun_live_ops[];
extern const unsigned long mmun_live_nr_ops;

static inline const struct live_op *live_op(unsigned long nr)
{
	return likely(nr < mmun_live_nr_ops) ? mmun_live_ops[nr] : NULL;
}

static inline unsigned long page_align(unsigned long v)
{
	return (v + SYS_PAGE_SIZE - 1) & SYS_PAGE_MASK;
}

static inline bool page_aligned(unsigned long v)
{
	return !(v & ~SYS_PAGE_MASK);
}

/* Add [start, start + size) unless it is empty or wraps. */
static inline void live_add(struct live_change *c, unsigned long start,
			    unsigned long size, enum mmu_notifier_event event)
{
	if (!size || start >= LIVE_TASK_SIZE || size > LIVE_TASK_SIZE - start)
		return;
	c->range[c->nr++] = (struct live_range){start, start + size, event};
}

/* unmap.c */
void live_decode_munmap(const unsigned long *a, struct live_change *c);
void live_decode_brk(const unsigned long *a, struct live_change *c);
void live_decode_remap_file_pages(const unsigned long *a,
				  struct live_change *c);
bool live_untouched_remap_file_pages(const unsigned long *a, long err);
/* mmap.c */
void live_decode_mmap(const unsigned long *a, struct live_change *c);
bool live_untouched_mmap(const unsigned long *a, long err);
void live_mmap_init(void);
/* mremap.c */
void live_decode_mremap(const unsigned long *a, struct live_change *c);
bool live_untouched_mremap(const unsigned long *a, long err);
/* madvise.c */
void live_decode_madvise(const unsigned long *a, struct live_change *c);
bool live_untouched_madvise(const unsigned long *a, long err);
void live_decode_process_madvise(const unsigned long *a, struct live_change *c);
void live_resolve_process_madvise(const unsigned long *a,
				  struct live_change *c);
bool live_untouched_process_madvise(const unsigned long *a, long err);
/* mprotect.c */
void live_decode_mprotect(const unsigned long *a, struct live_change *c);
bool live_untouched_mprotect(const unsigned long *a, long err);
/* shm.c */
void live_decode_shmdt(const unsigned long *a, struct live_change *c);
void live_resolve_shmdt(const unsigned long *a, struct live_change *c);
void live_decode_shmat(const unsigned long *a, struct live_change *c);
void live_resolve_shmat(const unsigned long *a, struct live_change *c);
bool live_untouched_shmat(const unsigned long *a, long err);
/* process.c */
void live_decode_fork(const unsigned long *a, struct live_change *c);
void live_decode_vfork(const unsigned long *a, struct live_change *c);
void live_decode_clone(const unsigned long *a, struct live_change *c);
void live_decode_clone3(const unsigned long *a, struct live_change *c);
void live_decode_exec(const unsigned long *a, struct live_change *c);
void live_decode_exit(const unsigned long *a, struct live_change *c);

#endif /* MMUN_LIVE_OPS_H */
