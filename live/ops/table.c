/* SPDX-License-Identifier: MIT */
/*
 * live/ops/table.c - the operations, by system call number.
 */
#include "sys/general_regs.h"

#include "live/ops/ops.h"

/* Younger than the headers of the oldest system we build on. */
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

#define OP(call, of_kind, ...)                              \
	[SYS_##call] = &(const struct live_op)              \
	{                                                   \
		.name = #call, .kind = of_kind, __VA_ARGS__ \
	}
#define CHANGE(call, how, ...) \
	OP(call, LIVE_CHANGE, .decode = live_decode_##how, ##__VA_ARGS__)

const struct live_op *const mmun_live_ops[] = {
	CHANGE(munmap, munmap),
	CHANGE(brk, brk),
	CHANGE(remap_file_pages, remap_file_pages,
	       .untouched = live_untouched_remap_file_pages),
	CHANGE(mmap, mmap, .untouched = live_untouched_mmap),
	CHANGE(mremap, mremap, .untouched = live_untouched_mremap),
	CHANGE(madvise, madvise, .untouched = live_untouched_madvise),
	CHANGE(process_madvise, process_madvise,
	       .resolve = live_resolve_process_madvise,
	       .untouched = live_untouched_process_madvise),
	CHANGE(mprotect, mprotect, .untouched = live_untouched_mprotect),
	CHANGE(pkey_mprotect, mprotect, .untouched = live_untouched_mprotect),
	CHANGE(shmdt, shmdt, .resolve = live_resolve_shmdt),
	CHANGE(shmat, shmat, .resolve = live_resolve_shmat,
	       .untouched = live_untouched_shmat),
	OP(fork, LIVE_FORK, .decode = live_decode_fork),
	OP(vfork, LIVE_FORK, .decode = live_decode_vfork),
	OP(clone, LIVE_FORK, .decode = live_decode_clone),
	OP(clone3, LIVE_FORK, .decode = live_decode_clone3),
	OP(execve, LIVE_EXEC, .decode = live_decode_exec),
	OP(execveat, LIVE_EXEC, .decode = live_decode_exec),
	OP(exit_group, LIVE_EXIT, .decode = live_decode_exit),
};

const unsigned long mmun_live_nr_ops =
	sizeof(mmun_live_ops) / sizeof(mmun_live_ops[0]);
