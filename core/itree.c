/* SPDX-License-Identifier: MIT */
/*
 * core/itree.c - the interval tree: a persistent, augmented B+ tree.
 *
 * Entry i of a node covers what begins at or behind its key; its last is the
 * largest last address below it, so that a walk for [start, last] prunes what
 * ends before start. In a leaf child[i] is the subscription itself, above it
 * a node. Subscriptions that begin at the same address are told apart by
 * their own address (tie).
 *
 * Invariants
 *  1. A node never changes once a root that reaches it was published, until
 *     a grace period after it became unreachable.
 *  2. Entries are sorted by (key, tie); key and tie of an entry of an inner
 *     node are those of entry 0 of its child; last is the maximum of its lasts.
 *  3. All leaves are at level 0; no node but the root is empty.
 *  4. Nodes come from a pool that is mapped, never malloc'ed: an unmap that
 *     an allocator makes must not need the allocator. The pool lies on a page
 *     that is wiped on fork, so that a child finds it empty and unlocked.
 */
#include "sys/general_regs.h"

#include "core/itree.h"

#include <errno.h>

#include "sys/lock.h"

struct itree_node {
	uint16_t nr;
	uint16_t level;
	struct itree_node *next; /* on the pool's or a retired list */
	struct {
		unsigned long key;
		unsigned long last;
	} range[ITREE_FANOUT]; /* together: a walk looks at both */
	void *child[ITREE_FANOUT];
	uintptr_t tie[ITREE_FANOUT];
} __attribute__((aligned(64)));

/* ---- pool: its lock nests in that of an mm, signals are blocked ---- */

#define POOL_CHUNK (64 * SYS_PAGE_SIZE)
/*
 * A removal copies its path and may merge once per level. It must not fail,
 * so inserts leave this many nodes behind: enough for several removals at
 * once, whose retired nodes come back after a grace period.
 */
#define POOL_RESERVE (8 * 2 * ITREE_LEVELS)

static struct itree_pool {
	struct sys_mutex lock;
	struct itree_node *free;
	unsigned long nr_free;
	unsigned long nr;
	uint32_t wiped; /* this page is wiped on fork */
} __attribute__((aligned(4096))) pool;

static void pool_put(struct itree_node *n)
{
	n->next = pool.free;
	pool.free = n;
	pool.nr_free++;
}

/* Pool locked. */
static int pool_grow(void)
{
	struct itree_node *n;
	size_t i;

	if (!pool.wiped) {
		if (sys_wipe_on_fork(&pool, sizeof(pool)))
			return -ENOMEM;
		pool.wiped = 1;
	}
	n = sys_alloc(POOL_CHUNK);
	if (!n)
		return -ENOMEM;
	for (i = 0; i < POOL_CHUNK / sizeof(*n); i++)
		pool_put(n + i);
	pool.nr += i;
	return 0;
}

/* Take nr nodes, leaving reserve behind. A list, or NULL. */
static struct itree_node *pool_take(unsigned long nr, unsigned long reserve)
{
	struct itree_node *list = NULL, *n;

	sys_mutex_lock_blocked(&pool.lock);
	while (pool.nr_free < nr + reserve)
		if (pool_grow())
			break;
	if (pool.nr_free >= nr + reserve)
		for (; nr; nr--) {
			n = pool.free;
			pool.free = n->next;
			pool.nr_free--;
			n->next = list;
			list = n;
		}
	sys_mutex_unlock_blocked(&pool.lock);
	return list;
}

static void pool_put_list(struct itree_node *list)
{
	struct itree_node *next;

	if (!list)
		return;
	sys_mutex_lock_blocked(&pool.lock);
	for (; list; list = next) {
		next = list->next;
		pool_put(list);
	}
	sys_mutex_unlock_blocked(&pool.lock);
}

unsigned long itree_pool_nodes(void)
{
	return __atomic_load_n(&pool.nr, __ATOMIC_RELAXED);
}

unsigned long itree_pool_free(void)
{
	return __atomic_load_n(&pool.nr_free, __ATOMIC_RELAXED);
}

/* ---- one update ---- */

struct update {
	struct itree *tree;
	struct itree_node *stock;   /* taken from the pool, not used yet */
	struct itree_node *retired; /* replaced by this update */
	unsigned long nr_retired;
};

static struct itree_node *node_new(struct update *u, unsigned int level)
{
	struct itree_node *n = u->stock;

	u->stock = n->next;
	n->nr = 0;
	n->level = (uint16_t)level;
	return n;
}

static void node_retire(struct update *u, const struct itree_node *old)
{
	struct itree_node *n = (struct itree_node *)old;

	/* Readers never look at next. */
	n->next = u->retired;
	u->retired = n;
	u->nr_retired++;
}

/* A node that this update made and does not need after all. */
static void node_drop(struct update *u, struct itree_node *n)
{
	n->next = u->stock;
	u->stock = n;
}

static void entry_copy(struct itree_node *to, const struct itree_node *from,
		       unsigned int i)
{
	unsigned int n = to->nr++;

	to->range[n].key = from->range[i].key;
	to->range[n].last = from->range[i].last;
	to->tie[n] = from->tie[i];
	to->child[n] = from->child[i];
}

static void entries_copy(struct itree_node *to, const struct itree_node *from,
			 unsigned int first, unsigned int end)
{
	for (; first < end; first++)
		entry_copy(to, from, first);
}

static void entry_sub(struct itree_node *to, struct mmu_interval_notifier *mni)
{
	unsigned int n = to->nr++;

	to->range[n].key = mni->start;
	to->range[n].last = mni->last;
	to->tie[n] = (uintptr_t)mni;
	to->child[n] = mni;
}

static void entry_child(struct itree_node *to, struct itree_node *child)
{
	unsigned int i, n = to->nr++;
	unsigned long last = child->range[0].last;

	for (i = 1; i < child->nr; i++)
		if (child->range[i].last > last)
			last = child->range[i].last;
	to->range[n].key = child->range[0].key;
	to->range[n].last = last;
	to->tie[n] = child->tie[0];
	to->child[n] = child;
}

/* Index of the last entry not behind mni; -1 if all are. */
static int entry_find(const struct itree_node *n,
		      const struct mmu_interval_notifier *mni)
{
	int i;

	for (i = n->nr - 1; i >= 0; i--)
		if (n->range[i].key < mni->start ||
		    (n->range[i].key == mni->start &&
		     n->tie[i] <= (uintptr_t)mni))
			break;
	return i;
}

/* A new root is reachable; what it replaced waits for a grace period. */
static void update_finish(struct update *u, struct srcu_struct *srcu,
			  struct itree_node *root)
{
	struct itree *t = u->tree;
	struct itree_node *n;

	/* Pairs with itree_snapshot(): the nodes before the root. */
	__atomic_store_n(&t->root, root, __ATOMIC_RELEASE);
	while ((n = u->retired)) {
		u->retired = n->next;
		n->next = t->retired;
		t->retired = n;
	}
	t->nr_retired += u->nr_retired;
	pool_put_list(u->stock);
	if (t->nr_retired < 64) /* asking costs more than a few nodes */
		return;
	if (t->waiting && !srcu_poll(srcu, t->waiting_cookie))
		return;
	/*
	 * A fork in between must not leave a node on two lists of the child
	 * (whose memory is a copy of ours at one moment): rather on none.
	 */
	n = t->waiting;
	__atomic_store_n(&t->waiting, NULL, __ATOMIC_RELEASE);
	pool_put_list(n);
	n = t->retired;
	__atomic_store_n(&t->retired, NULL, __ATOMIC_RELEASE);
	t->nr_retired = 0;
	t->waiting_cookie = srcu_start_poll(srcu);
	__atomic_store_n(&t->waiting, n, __ATOMIC_RELEASE);
}

/* ---- insertion ---- */

/* Ascending inserts are the common case: a split leaves the left one fuller. */
#define SPLIT (ITREE_FANOUT * 2 / 3)

static int leaf_insert(struct update *u, const struct itree_node *n,
		       struct mmu_interval_notifier *mni,
		       struct itree_node *out[2])
{
	unsigned int at = (unsigned int)(entry_find(n, mni) + 1);
	struct itree_node *left = node_new(u, 0), *right;

	out[0] = left;
	if (n->nr < ITREE_FANOUT) {
		entries_copy(left, n, 0, at);
		entry_sub(left, mni);
		entries_copy(left, n, at, n->nr);
		return 1;
	}
	right = out[1] = node_new(u, 0);
	if (at <= SPLIT) {
		entries_copy(left, n, 0, at);
		entry_sub(left, mni);
		entries_copy(left, n, at, SPLIT);
		entries_copy(right, n, SPLIT, n->nr);
	} else {
		entries_copy(left, n, 0, SPLIT);
		entries_copy(right, n, SPLIT, at);
		entry_sub(right, mni);
		entries_copy(right, n, at, n->nr);
	}
	return 2;
}

static int node_insert(struct update *u, const struct itree_node *n,
		       struct mmu_interval_notifier *mni,
		       struct itree_node *out[2]);

static int inner_insert(struct update *u, const struct itree_node *n,
			struct mmu_interval_notifier *mni,
			struct itree_node *out[2])
{
	int found = entry_find(n, mni);
	unsigned int at = found < 0 ? 0 : (unsigned int)found, i, half;
	struct itree_node *child[2];
	int nr = node_insert(u, n->child[at], mni, child);

	out[0] = node_new(u, n->level);
	half = n->nr + (unsigned int)nr - 1 > ITREE_FANOUT ? SPLIT
							   : ITREE_FANOUT;
	out[1] = half < ITREE_FANOUT ? node_new(u, n->level) : NULL;
	for (i = 0; i < n->nr; i++) {
		if (i != at) {
			entry_copy(out[out[0]->nr >= half], n, i);
			continue;
		}
		entry_child(out[out[0]->nr >= half], child[0]);
		if (nr == 2)
			entry_child(out[out[0]->nr >= half], child[1]);
	}
	return out[1] ? 2 : 1;
}

/* Replace n by one or two nodes that hold mni as well. */
static int node_insert(struct update *u, const struct itree_node *n,
		       struct mmu_interval_notifier *mni,
		       struct itree_node *out[2])
{
	node_retire(u, n);
	return n->level ? inner_insert(u, n, mni, out)
			: leaf_insert(u, n, mni, out);
}

int itree_insert(struct itree *t, struct srcu_struct *srcu,
		 struct mmu_interval_notifier *mni)
{
	struct itree_node *root = t->root, *out[2];
	struct update u = {.tree = t};
	unsigned int levels = root ? root->level + 1u : 0;

	if (levels >= ITREE_LEVELS)
		return -ENOMEM;
	u.stock = pool_take(2 * levels + 1, POOL_RESERVE);
	if (!u.stock)
		return -ENOMEM;
	if (!root) {
		root = node_new(&u, 0);
		entry_sub(root, mni);
	} else if (node_insert(&u, root, mni, out) == 1) {
		root = out[0];
	} else {
		root = node_new(&u, levels);
		entry_child(root, out[0]);
		entry_child(root, out[1]);
	}
	t->nr++;
	update_finish(&u, srcu, root);
	return 0;
}

/* ---- removal ---- */

#define UNDERFULL (ITREE_FANOUT / 3)

/* The entries of a and b (a retired or new each) in one new node. */
static struct itree_node *node_merge(struct update *u,
				     const struct itree_node *a,
				     const struct itree_node *b)
{
	struct itree_node *m = node_new(u, a->level);

	entries_copy(m, a, 0, a->nr);
	entries_copy(m, b, 0, b->nr);
	return m;
}

/* Copy of inner node n with entry at replaced by child (NULL: left out). */
static struct itree_node *inner_replace(struct update *u,
					const struct itree_node *n,
					unsigned int at,
					struct itree_node *child)
{
	struct itree_node *copy = node_new(u, n->level), *other, *merged;
	unsigned int i, with = n->nr; /* sibling merged into child */

	if (child && child->nr <= UNDERFULL && n->nr > 1) {
		with = at ? at - 1 : 1;
		other = n->child[with];
		if (other->nr + child->nr <= ITREE_FANOUT) {
			merged = with < at ? node_merge(u, other, child)
					   : node_merge(u, child, other);
			node_retire(u, other);
			node_drop(u, child);
			child = merged;
		} else {
			with = n->nr;
		}
	}
	for (i = 0; i < n->nr; i++)
		if (i == at && child)
			entry_child(copy, child);
		else if (i != at && i != with)
			entry_copy(copy, n, i);
	return copy;
}

/* Sets *out to what replaces n: a node, or NULL if it would be empty. */
static int node_remove(struct update *u, const struct itree_node *n,
		       struct mmu_interval_notifier *mni,
		       struct itree_node **out)
{
	int at = entry_find(n, mni), rc;
	struct itree_node *child = NULL;

	if (at < 0)
		return -ENOENT;
	if (n->level) {
		rc = node_remove(u, n->child[at], mni, &child);
		if (rc)
			return rc;
	} else if (n->child[at] != mni) {
		return -ENOENT;
	}
	node_retire(u, n);
	*out = NULL;
	if (n->nr == 1 && !child)
		return 0;
	if (n->level) {
		*out = inner_replace(u, n, (unsigned int)at, child);
		return 0;
	}
	*out = node_new(u, 0);
	entries_copy(*out, n, 0, (unsigned int)at);
	entries_copy(*out, n, (unsigned int)at + 1, n->nr);
	return 0;
}

int itree_remove(struct itree *t, struct srcu_struct *srcu,
		 struct mmu_interval_notifier *mni)
{
	struct itree_node *root = t->root, *next;
	struct update u = {.tree = t};
	int rc;

	if (!root)
		return -ENOENT;
	/* The reserve is there for us; at worst others must give back. */
	while (!(u.stock = pool_take(2 * (root->level + 1u), 0)))
		sys_yield();
	rc = node_remove(&u, root, mni, &root);
	if (rc) {
		pool_put_list(u.stock);
		return rc;
	}
	/* One level at a time: the next root may be a node readers stand on. */
	if (root && root->level && root->nr == 1) {
		next = root->child[0];
		node_drop(&u, root);
		root = next;
	}
	t->nr--;
	update_finish(&u, srcu, root);
	return 0;
}

bool itree_hull(const struct itree *t, unsigned long *start,
		unsigned long *last)
{
	const struct itree_node *n = t->root;
	unsigned int i;

	if (!n)
		return false;
	*start = n->range[0].key;
	*last = n->range[0].last;
	for (i = 1; i < n->nr; i++)
		if (n->range[i].last > *last)
			*last = n->range[i].last;
	return true;
}

static void node_destroy(struct itree_node *n)
{
	unsigned int i;

	if (n->level)
		for (i = 0; i < n->nr; i++)
			node_destroy(n->child[i]);
	n->next = NULL;
	pool_put_list(n);
}

void itree_destroy(struct itree *t)
{
	if (t->root)
		node_destroy(t->root);
	pool_put_list(t->retired);
	pool_put_list(t->waiting);
	*t = (struct itree){0};
}

/* ---- walking ---- */

struct mmu_interval_notifier *itree_next(struct itree_iter *it)
{
	while (it->depth >= 0) {
		const struct itree_node *n = it->at[it->depth].node;
		unsigned int i = it->at[it->depth].i;

		while (i < n->nr && n->range[i].key <= it->last &&
		       n->range[i].last < it->start)
			i++;
		if (i == n->nr || n->range[i].key > it->last) {
			it->depth--;
			continue;
		}
		it->at[it->depth].i = i + 1;
		if (!n->level)
			return n->child[i];
		n = n->child[i];
		/* All lines that hold ranges at once: they are not in cache. */
		__builtin_prefetch((const char *)n + 64);
		__builtin_prefetch((const char *)n + 128);
		__builtin_prefetch((const char *)n + 192);
		it->depth++;
		it->at[it->depth].node = n;
		it->at[it->depth].i = 0;
	}
	return NULL;
}

struct mmu_interval_notifier *itree_first(const struct itree_node *root,
					  unsigned long start,
					  unsigned long last,
					  struct itree_iter *it)
{
	it->start = start;
	it->last = last;
	it->depth = root ? 0 : -1;
	it->at[0].node = root;
	it->at[0].i = 0;
	return itree_next(it);
}
