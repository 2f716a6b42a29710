/* SPDX-License-Identifier: MIT */
/*
 * core/debug.h - MMUN_DEBUG=1: name misuse.
 *
 * The classes M1..M22 are those of docs/misuse.md. A finding is counted and
 * one line per class and place is written to standard error, with raw system
 * calls: this is the only output the library ever makes.
 */
#ifndef MMUN_CORE_DEBUG_H
#define MMUN_CORE_DEBUG_H

#include "sys/sys.h"

void misuse_report(int misuse_class, const char *what, const void *object);

/* misuse - report, if the process runs with MMUN_DEBUG=1. */
#define misuse(misuse_class, what, object)                         \
	do {                                                       \
		if (unlikely(sys_debug()))                         \
			misuse_report(misuse_class, what, object); \
	} while (0)

#endif /* MMUN_CORE_DEBUG_H */
