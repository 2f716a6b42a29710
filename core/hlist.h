/* SPDX-License-Identifier: MIT */
/*
 * core/hlist.h - the kernel's hlist, as far as it is needed: readers walk
 * inside an SRCU section, writers hold the lock of the list.
 */
#ifndef MMUN_CORE_HLIST_H
#define MMUN_CORE_HLIST_H

#include <mmun/types.h>

/* Publish at the head: who finds n finds it complete (D5). */
static inline void hlist_add_head_rcu(struct hlist_node *n,
				      struct hlist_head *h)
{
	struct hlist_node *first = h->first;

	n->pprev = &h->first;
	n->next = first;
	if (first)
		first->pprev = &n->next;
	__atomic_store_n(&h->first, n, __ATOMIC_RELEASE);
}

/*
 * Unlink; n->next stays for readers that stand on n. pprev becomes NULL, so
 * that unlinking twice is seen (D8).
 */
static inline void hlist_del_init_rcu(struct hlist_node *n)
{
	__atomic_store_n(n->pprev, n->next, __ATOMIC_RELEASE);
	if (n->next)
		n->next->pprev = n->pprev;
	n->pprev = NULL;
}

static inline bool hlist_unhashed(const struct hlist_node *n)
{
	return !n->pprev;
}

#endif /* MMUN_CORE_HLIST_H */
