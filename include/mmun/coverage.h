/* SPDX-License-Identifier: MIT */
/*
 * mmun/coverage.h - what the library could and could not put under watch.
 */
#ifndef MMUN_COVERAGE_H
#define MMUN_COVERAGE_H

#include <mmun/types.h>

MMUN_BEGIN_DECLS

/**
 * enum mmun_patch_method - how program text was changed.
 */
enum mmun_patch_method {
	MMUN_PATCH_NONE,     /* not armed, or refused */
	MMUN_PATCH_PROC_MEM, /* /proc/self/mem, no writable window */
	MMUN_PATCH_SWAP,     /* patched copy mapped over the page */
	MMUN_PATCH_MPROTECT, /* page made writable for a moment */
};

/**
 * struct mmun_coverage - counters of the live address space.
 * @size: in: sizeof(struct mmun_coverage).
 * @armed: are system call sites patched?
 * @error: why arming failed (negative errno), else 0.
 * @late: nonzero if other threads ran while the sites were patched, so that
 *        operations begun before may have gone unseen for @late_ns.
 * @late_ns: how long arming waited for such operations to end.
 * @method: how text was written (enum mmun_patch_method).
 * @images: executable file mappings scanned.
 * @sites: sites patched.
 * @unpatchable: syscall instructions that could be one of the intercepted
 *               calls and could not be patched.
 * @unscanned: executable mappings that were not scanned (no file, writable).
 * @first_unpatchable: address of one of @unpatchable, or 0.
 */
struct mmun_coverage {
	size_t size;
	int armed;
	int error;
	int late;
	unsigned long late_ns;
	int method;
	unsigned int images;
	unsigned int sites;
	unsigned int unpatchable;
	unsigned int unscanned;
	unsigned long first_unpatchable;
};

/**
 * mmun_coverage_read - read the counters. Any thread.
 *
 * Returns 0 or -EINVAL (unknown size).
 */
int mmun_coverage_read(struct mmun_coverage *coverage);

MMUN_END_DECLS

#endif /* MMUN_COVERAGE_H */
