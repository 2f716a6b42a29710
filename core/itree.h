/* SPDX-License-Identifier: MIT */
/*
 * core/itree.h - the interval tree of class 3 subscriptions.
 *
 * A persistent B+ tree: nodes never change once they are reachable, a writer
 * builds a new path and swaps the root. Readers walk a snapshot inside an
 * SRCU section, without locks and without retries, while callbacks run and
 * writers come and go. See itree.c.
 */
#ifndef MMUN_CORE_ITREE_H
#define MMUN_CORE_ITREE_H

#include <mmun/mmu_interval_notifier.h>

#include "core/srcu.h"

#define ITREE_FANOUT 15
#define ITREE_LEVELS 12

struct itree_node;

struct itree {
	struct itree_node *root;
	unsigned long nr;	    /* subscriptions */
	struct itree_node *retired; /* not reachable any more */
	unsigned long nr_retired;
	struct itree_node *waiting; /* retired before waiting_cookie */
	unsigned long waiting_cookie;
};

/* A walk over one snapshot, in order of start. */
struct itree_iter {
	unsigned long start, last;
	int depth;
	struct {
		const struct itree_node *node;
		unsigned int i;
	} at[ITREE_LEVELS];
};

/* Writers: caller holds the mm's lock. 0 or -ENOMEM; nothing lost. */
int itree_insert(struct itree *t, struct srcu_struct *srcu,
		 struct mmu_interval_notifier *mni);
/* Never fails for lack of memory. 0 or -ENOENT. */
int itree_remove(struct itree *t, struct srcu_struct *srcu,
		 struct mmu_interval_notifier *mni);
/* Smallest start and largest last; false if empty. */
bool itree_hull(const struct itree *t, unsigned long *start,
		unsigned long *last);
/* Of all trees: nodes mapped, and nodes that no tree has. */
unsigned long itree_pool_nodes(void);
unsigned long itree_pool_free(void);
/* Give every node back; no reader may be left. */
void itree_destroy(struct itree *t);

/* Readers, inside an SRCU section: a snapshot, and a walk over it. */
static inline const struct itree_node *itree_snapshot(const struct itree *t)
{
	/* Pairs with the release store of a new root. */
	return __atomic_load_n(&t->root, __ATOMIC_ACQUIRE);
}

struct mmu_interval_notifier *itree_first(const struct itree_node *root,
					  unsigned long start,
					  unsigned long last,
					  struct itree_iter *it);
struct mmu_interval_notifier *itree_next(struct itree_iter *it);

#endif /* MMUN_CORE_ITREE_H */
