/* SPDX-License-Identifier: MIT */
/*
 * mmun/observe.h - for tools: every page-losing operation of the calling
 * process, with its call site, its arguments and its result.
 *
 * An observer is told of all operations that the library intercepts, whatever
 * range they touch. It runs in the same context as callbacks of mm_self():
 * atomic, any thread, signal handlers and vfork children included.
 */
#ifndef MMUN_OBSERVE_H
#define MMUN_OBSERVE_H

#include <mmun/mmu_notifier.h>

MMUN_BEGIN_DECLS

#define MMUN_OP_RANGES 2

/**
 * struct mmun_op - one operation on mm_self().
 * @name: the system call ("munmap", "mremap", ...), static storage.
 * @nr: its number.
 * @nr_ranges: how many of @ranges are in use. An operation that makes two
 *             ranges lose their pages (mremap onto an old mapping) has two.
 * @ranges: what it changes, rounded as the kernel will round, and why.
 * @args: the six arguments.
 * @site: address of the syscall instruction.
 * @caller: return address on top of the stack at @site; the caller's where
 *          @site is in a leaf function such as munmap(), else meaningless.
 * @result: of the system call, negative errno on failure; valid in after().
 * @tid: the thread.
 * @pid: the process.
 */
struct mmun_op {
	const char *name;
	long nr;
	unsigned int nr_ranges;
	struct mmu_notifier_range ranges[MMUN_OP_RANGES];
	unsigned long args[6];
	unsigned long site;
	unsigned long caller;
	long result;
	int tid;
	int pid;
};

/**
 * struct mmun_observer - embedded by its owner; zero it first.
 * @before: the operation has been announced and is about to happen.
 * @after: it has happened or failed. Not called for what does not return
 *         (exec, exit), nor where the operation took the stack it runs on.
 */
struct mmun_observer {
	void (*before)(struct mmun_observer *obs, const struct mmun_op *op);
	void (*after)(struct mmun_observer *obs, const struct mmun_op *op);
	struct mmun_observer *next;
};

/**
 * mmun_observe - register an observer of mm_self(); arms it (see mm_arm()).
 *
 * Observers stay for the life of the process: there is no unregistering.
 * Unlike subscriptions they are kept in a forked child. Returns 0, -EINVAL,
 * -EEXIST, or the error of mm_arm().
 */
int mmun_observe(struct mmun_observer *obs);

/**
 * struct mmun_text - where a piece of program text comes from.
 * @start: first address of the mapping.
 * @end: first address behind.
 * @offset: file offset of @start.
 * @path: of the file; empty if none.
 */
struct mmun_text {
	unsigned long start, end, offset;
	char path[4096];
};

/**
 * mmun_text_lookup - which file does the code at @address belong to?
 *
 * Reads /proc/self/maps with raw system calls; async-signal-safe, slow.
 * Returns 0, -ENOENT, or the error of reading.
 */
int mmun_text_lookup(unsigned long address, struct mmun_text *text);

MMUN_END_DECLS

#endif /* MMUN_OBSERVE_H */
