/* SPDX-License-Identifier: MIT */
/*
 * core/mm.c - address spaces: their life, their locks, the hull.
 */
#include "sys/general_regs.h"

#include "core/mm.h"

#include <errno.h>
#include <mmun/page.h>
#include <mmun/workqueue.h>

#include "core/debug.h"
#include "core/open.h"

/*
 * All of it lies on pages that read as zero in a forked child: no subscriber,
 * no reader, no lock held, nothing armed. Zero is the valid initial state.
 */
struct mm mmun_self;

struct mm_struct *mmun_mm_self(void)
{
	return &mmun_self.pub;
}

/* ---- the hull ---- */

/*
 * A raise reads the two words one by one. While they widen, any mixture of
 * old and new is still one that the newcomer's barrier (its numbering) makes
 * up for; while they narrow, every mixture covers the new hull.
 */
void mm_hull_widen(struct mm *m, unsigned long start, unsigned long last)
{
	bool empty = m->hull_start > m->hull_last ||
		     (!m->itree.root && !m->pub.mmu_notifier.head.first);

	if (empty || start < m->hull_start)
		__atomic_store_n(&m->hull_start, start, __ATOMIC_SEQ_CST);
	if (empty || last > m->hull_last)
		__atomic_store_n(&m->hull_last, last, __ATOMIC_SEQ_CST);
}

void mm_hull_update(struct mm *m)
{
	unsigned long start = ~0ul, last = 0;

	if (m->pub.mmu_notifier.head.first) {
		start = 0;
		last = ~0ul;
	} else {
		itree_hull(&m->itree, &start, &last);
	}
	__atomic_store_n(&m->hull_start, start, __ATOMIC_SEQ_CST);
	__atomic_store_n(&m->hull_last, last, __ATOMIC_SEQ_CST);
}

/* ---- arming ---- */

static int arm(struct mm *m)
{
	int rc = 0;

	if (mm_is_self(m))
		rc = sys_wipe_on_fork(m, sizeof(*m));
	if (rc)
		return rc;
	/*
	 * Before the sites are patched: a raise must be recorded from the
	 * moment on that live takes for the last unrecorded one.
	 */
	__atomic_store_n(&m->pub.armed, 1, __ATOMIC_SEQ_CST);
	if (mm_is_self(m))
		rc = mmun_live_arm();
	if (rc)
		__atomic_store_n(&m->pub.armed, 0, __ATOMIC_SEQ_CST);
	return rc;
}

int mm_ensure_armed(struct mm *m)
{
	struct sys_sigset old;
	int rc = 0;

	/* Pairs with the release store below. */
	if (likely(__atomic_load_n(&m->ready, __ATOMIC_ACQUIRE)))
		return 0;
	rc = sys_init();
	if (rc)
		return rc;
	sys_mutex_lock(&m->v.arm_lock, &old);
	if (!m->ready) {
		rc = arm(m);
		if (!rc)
			__atomic_store_n(&m->ready, 1, __ATOMIC_RELEASE);
	}
	sys_mutex_unlock(&m->v.arm_lock, &old);
	return rc;
}

int mmun_mm_arm(struct mm_struct *mm)
{
	return mm ? mm_ensure_armed(to_mm(mm)) : -EINVAL;
}

/* ---- life ---- */

int mmun_mm_alloc(const struct mm_operations *ops, void *private_data,
		  struct mm_struct **mm)
{
	struct mm *m;
	int rc;

	if (!mm || (ops && ops->size != sizeof(*ops)))
		return -EINVAL;
	rc = sys_init();
	if (rc)
		return rc;
	m = sys_alloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	/* A child keeps the subscriptions, but none of the parent's readers. */
	rc = sys_wipe_on_fork(&m->v, sizeof(m->v));
	if (rc) {
		sys_free(m, sizeof(*m));
		return rc;
	}
	mmu_notifier_head_init(&m->pub.mmu_notifier);
	m->ops = ops;
	m->private_data = private_data;
	m->users = 1;
	m->count = 1;
	mm_hull_update(m);
	*mm = &m->pub;
	return 0;
}

void *mmun_mm_private(const struct mm_struct *mm)
{
	return to_mm(mm)->private_data;
}

/* MMUN_DEBUG: what a callback of an mm must not do with it. */
static void not_from_callback(int misuse_class, const char *what,
			      struct mm_struct *mm)
{
	if (unlikely(sys_debug()) && open_in_callback(to_mm(mm)))
		misuse_report(misuse_class, what, mm);
}

void mmun_mmget(struct mm_struct *mm)
{
	not_from_callback(19, "mmget() from a callback of the mm", mm);
	if (!mm_is_self(to_mm(mm)))
		__atomic_fetch_add(&to_mm(mm)->users, 1, __ATOMIC_RELAXED);
}

bool mmun_mmget_not_zero(struct mm_struct *mm)
{
	struct mm *m = to_mm(mm);
	unsigned int users = __atomic_load_n(&m->users, __ATOMIC_RELAXED);

	not_from_callback(19, "mmget() from a callback of the mm", mm);
	if (mm_is_self(m))
		return !__atomic_load_n(&m->dying, __ATOMIC_ACQUIRE);
	while (users)
		if (__atomic_compare_exchange_n(&m->users, &users, users + 1,
						true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void mmun_mmput(struct mm_struct *mm)
{
	struct mm *m = to_mm(mm);

	not_from_callback(6, "mmput() from a callback of the mm", mm);
	if (mm_is_self(m) || __atomic_sub_fetch(&m->users, 1, __ATOMIC_ACQ_REL))
		return;
	/* The document's exit_mmap(): first all references, then release. */
	mmu_notifier(invalidate_all, mm, 0);
	/* Also where nobody has registered: from now on nobody can. */
	mmun_notifier_release(mm);
	mmun_mmdrop(mm);
}

void mmun_mmgrab(struct mm_struct *mm)
{
	if (!mm_is_self(to_mm(mm)))
		__atomic_fetch_add(&to_mm(mm)->count, 1, __ATOMIC_RELAXED);
}

void mmun_mmdrop(struct mm_struct *mm)
{
	struct mm *m = to_mm(mm);

	if (mm_is_self(m) || __atomic_sub_fetch(&m->count, 1, __ATOMIC_ACQ_REL))
		return;
	srcu_synchronize(&m->v.srcu);
	if (unlikely(sys_debug()) && open_overlaps(m, 0, ~0ul))
		misuse_report(4, "mm freed with a begin that has no end", mm);
	itree_destroy(&m->itree);
	sys_free(m, sizeof(*m));
}

/* ---- mmap_lock ---- */

void mmun_mmap_read_lock(struct mm_struct *mm)
{
	not_from_callback(7, "mmap_lock taken in a callback of the mm", mm);
	sys_read_lock(&to_mm(mm)->v.mmap_lock);
}

bool mmun_mmap_read_trylock(struct mm_struct *mm)
{
	return sys_read_trylock(&to_mm(mm)->v.mmap_lock);
}

void mmun_mmap_read_unlock(struct mm_struct *mm)
{
	sys_read_unlock(&to_mm(mm)->v.mmap_lock);
}

void mmun_mmap_write_lock(struct mm_struct *mm)
{
	not_from_callback(7, "mmap_lock taken in a callback of the mm", mm);
	sys_write_lock(&to_mm(mm)->v.mmap_lock);
}

void mmun_mmap_write_unlock(struct mm_struct *mm)
{
	sys_write_unlock(&to_mm(mm)->v.mmap_lock);
}

/* ---- pages ---- */

struct page *mmun_follow_page(struct mm_struct *mm, unsigned long address)
{
	const struct mm_operations *ops = to_mm(mm)->ops;

	return ops && ops->follow_page ? ops->follow_page(mm, address) : NULL;
}

int mmun_mm_set_dirty(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	const struct mm_operations *ops = to_mm(mm)->ops;
	struct page *page;

	if (start >= end) {
		misuse(14, "mm_set_dirty() of an empty range", mm);
		return -EINVAL;
	}
	if (ops && ops->set_dirty) {
		ops->set_dirty(mm, start, end);
	} else if (ops && ops->follow_page) {
		for (start &= SYS_PAGE_MASK; start < end;
		     start += SYS_PAGE_SIZE) {
			page = ops->follow_page(mm, start);
			if (page)
				set_page_dirty(page);
			if (start + SYS_PAGE_SIZE < start)
				break;
		}
	}
	return 0;
}

void mm_run_deferred(bool wait)
{
	mmu_notifier_run_put(wait);
	mmun_flush_scheduled_work();
}
