/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/arm.c - preloaded: a program whose system call sites are patched
 * before its main().
 */
#include <mmun/mm.h>

#include <unistd.h>

static __attribute__((constructor)) void arm(void)
{
	if (mm_arm(mm_self()))
		_exit(126); /* not a start-up that is worth measuring */
}
