/* SPDX-License-Identifier: MIT */
/*
 * mmun/types.h - list heads and small helpers that the other headers share.
 *
 * Nothing here is worth including on its own.
 */
#ifndef MMUN_TYPES_H
#define MMUN_TYPES_H

#ifndef __cplusplus
#include <stdbool.h>
#endif
#include <stddef.h>

/* What a public header declares is visible, whatever the command line says. */
#define MMUN_PUSH_VISIBLE _Pragma("GCC visibility push(default)")
#define MMUN_POP_VISIBLE _Pragma("GCC visibility pop")

#ifdef __cplusplus
#define MMUN_BEGIN_DECLS             \
	MMUN_PUSH_VISIBLE extern "C" \
	{
#define MMUN_END_DECLS \
	}              \
	MMUN_POP_VISIBLE
#else
#define MMUN_BEGIN_DECLS MMUN_PUSH_VISIBLE
#define MMUN_END_DECLS MMUN_POP_VISIBLE
#endif

#define mmun_unlikely(x) __builtin_expect(!!(x), 0)

/**
 * struct hlist_head - head of a list of subscriptions (the kernel's hlist).
 * @first: the subscription registered last; NULL when there is none.
 */
struct hlist_head {
	struct hlist_node *first;
};

/**
 * struct hlist_node - link inside a subscription.
 *
 * Written by the library only, under the lock of the list it is on; readers
 * walk @next inside an SRCU section. @pprev is NULL when not on a list.
 */
struct hlist_node {
	struct hlist_node *next, **pprev;
};

#define INIT_HLIST_HEAD(ptr) ((ptr)->first = NULL)

#endif /* MMUN_TYPES_H */
