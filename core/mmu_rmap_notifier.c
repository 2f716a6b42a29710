/* SPDX-License-Identifier: MIT */
/*
 * core/mmu_rmap_notifier.c - class 2: the global list of those who keep their
 * own reverse maps, and the count of exports in a page.
 *
 * The list has an SRCU domain of its own, so that a callback that sleeps here
 * delays nobody who unregisters from an address space.
 */
#include "sys/general_regs.h"

#include <mmun/mmu_rmap_notifier.h>

#include <errno.h>

#include "core/debug.h"
#include "core/hlist.h"
#include "core/srcu.h"

#define MAGIC_REGISTERED 0x6d6d7500726d0000ul

/* Empty, unlocked and without readers in a forked child. */
static struct rmap {
	struct hlist_head list;
	struct sys_mutex lock;
	uint32_t wiped;
	struct srcu_struct srcu;
} __attribute__((aligned(4096))) rmap;

/* The invalidation that the calling thread is in; a stack of frames. */
struct rmap_walk {
	struct rmap_walk *outer;
	struct page *page;
	bool kept;
};

static __thread struct rmap_walk *walks
	__attribute__((tls_model("initial-exec")));

static unsigned long magic(void)
{
	return MAGIC_REGISTERED ^ sys_fork_gen();
}

struct hlist_head *mmun_rmap_notifier_list(void)
{
	return &rmap.list;
}

static int rmap_init(void)
{
	int rc = sys_init();

	if (rc || __atomic_load_n(&rmap.wiped, __ATOMIC_ACQUIRE))
		return rc;
	rc = sys_wipe_on_fork(&rmap, sizeof(rmap));
	if (!rc)
		__atomic_store_n(&rmap.wiped, 1, __ATOMIC_RELEASE);
	return rc;
}

int mmun_rmap_notifier_register(struct mmu_rmap_notifier *mrn)
{
	struct sys_sigset old;
	int rc;

	if (!mrn || !mrn->ops)
		return -EINVAL;
	rc = rmap_init();
	if (rc)
		return rc;
	sys_mutex_lock(&rmap.lock, &old);
	if (mrn->magic == magic()) {
		rc = -EEXIST;
	} else {
		mrn->magic = magic();
		hlist_add_head_rcu(&mrn->hlist, &rmap.list);
	}
	sys_mutex_unlock(&rmap.lock, &old);
	if (rc)
		misuse(11, "rmap notifier registered twice", mrn);
	return rc;
}

int mmun_rmap_notifier_unregister(struct mmu_rmap_notifier *mrn)
{
	struct sys_sigset old;
	int rc = 0;

	if (!mrn)
		return -EINVAL;
	if (walks) {
		misuse(5, "rmap unregister from a callback", mrn);
		return -EDEADLK;
	}
	sys_mutex_lock(&rmap.lock, &old);
	if (mrn->magic != magic()) {
		rc = -ENOENT;
	} else {
		mrn->magic = 0;
		hlist_del_init_rcu(&mrn->hlist);
	}
	sys_mutex_unlock(&rmap.lock, &old);
	if (!rc)
		srcu_synchronize(&rmap.srcu);
	return rc;
}

/* ---- pages; the page lock serialises all of this ---- */

static bool not_locked(const struct page *page, const char *what)
{
	if (PageLocked(page))
		return false;
	misuse(7, what, page);
	return true;
}

static void set_exports(struct page *page, unsigned int n)
{
	__atomic_store_n(&page->external_rmap, n, __ATOMIC_RELEASE);
	if (n)
		__atomic_fetch_or(&page->flags, 1u << PG_external_rmap,
				  __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&page->flags, ~(1u << PG_external_rmap),
				   __ATOMIC_RELEASE);
}

int mmun_rmap_export_page(struct page *page)
{
	if (not_locked(page, "export of a page that is not locked"))
		return -EPERM;
	set_exports(page, page->external_rmap + 1);
	return 0;
}

int mmun_rmap_withdraw_page(struct page *page)
{
	if (not_locked(page, "withdrawal of a page that is not locked"))
		return -EPERM;
	if (!page->external_rmap)
		return -ENOENT;
	set_exports(page, page->external_rmap - 1);
	return 0;
}

int mmun_rmap_keep_page(struct page *page)
{
	struct rmap_walk *w;

	for (w = walks; w; w = w->outer)
		if (w->page == page) {
			w->kept = true;
			return 0;
		}
	misuse(7, "keep_page outside of an invalidation of the page", page);
	return -EPERM;
}

int mmun_rmap_invalidate_page(struct page *page)
{
	struct rmap_walk walk = {.outer = walks, .page = page};
	struct mmu_rmap_notifier *mrn;
	struct hlist_node *n;
	struct srcu_token t;

	if (not_locked(page, "invalidation of a page that is not locked"))
		return -EPERM;
	if (!PageExternalRmap(page))
		return 0;
	rmap_init(); /* so that a section ends where it began, across fork */
	walks = &walk;
	t = srcu_read_lock(&rmap.srcu);
	for (n = __atomic_load_n(&rmap.list.first, __ATOMIC_ACQUIRE); n;
	     n = __atomic_load_n(&n->next, __ATOMIC_ACQUIRE)) {
		mrn = container_of(n, struct mmu_rmap_notifier, hlist);
		if (mrn->ops->invalidate_page)
			mrn->ops->invalidate_page(mrn, page);
	}
	srcu_read_unlock(&rmap.srcu, t);
	walks = walk.outer;
	if (walk.kept)
		return -EBUSY;
	set_exports(page, 0);
	return 0;
}
