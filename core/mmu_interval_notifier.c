/* SPDX-License-Identifier: MIT */
/*
 * core/mmu_interval_notifier.c - class 3: range subscriptions and the
 * collision-retry lock.
 *
 * Linux freezes its tree while an invalidation is open and keeps one sequence
 * per mm, so a reader may have to wait for invalidations that do not concern
 * it, and inserts are deferred. Here the tree is never frozen (itree.h), and a
 * reader waits for exactly the records that overlap its subscription:
 *
 *	raiser				reader
 *	claim record			seq = mni->invalidate_seq
 *	invalidate():			wait for open records that overlap
 *	  lock(user_lock)		resolve
 *	  mni->invalidate_seq = cur	lock(user_lock)
 *	  unpublish			if invalidate_seq != seq: again
 *	  unlock(user_lock)		publish
 *	change				unlock(user_lock)
 *	close record
 *
 * An invalidation that is open when the reader looks is waited for. One that
 * is claimed later calls invalidate() later than the reader read seq: either
 * before the reader takes user_lock, and the sequences differ, or after, and
 * what was published is unpublished before the change.
 * [Required: at no time is something published that a change went past]
 *
 * A newcomer takes no part in the invalidations that are open when it is
 * inserted: its number (born) is higher than theirs. It waits for them in its
 * first read_begin, since their records are older than its number.
 */
#include "sys/general_regs.h"

#include <mmun/mmu_interval_notifier.h>

#include <errno.h>

#include "core/debug.h"
#include "core/open.h"

#define MAGIC_INSERTED 0x6d6d75006d690000ul
#define ALL_EVENTS (~0ul)

/*
 * Subscriptions to mm_self() belong to one process; those to a managed mm are
 * inherited by a forked child together with the mm.
 */
static unsigned long magic(const struct mmu_interval_notifier *mni)
{
	return MAGIC_INSERTED ^
	       (mni->mm == &mmun_self.pub ? sys_fork_gen() : 0);
}

static bool is_inserted(const struct mmu_interval_notifier *mni)
{
	return __atomic_load_n(&mni->magic, __ATOMIC_RELAXED) == magic(mni);
}

static void set_magic(struct mmu_interval_notifier *mni, unsigned long value)
{
	__atomic_store_n(&mni->magic, value, __ATOMIC_RELAXED);
}

static int check_insert(const struct mmu_interval_notifier *mni,
			struct mm_struct *mm, unsigned long start,
			unsigned long length,
			const struct mmu_interval_notifier_ops *ops)
{
	if (!mni || !mm || !ops || !ops->invalidate)
		return -EINVAL;
	if (!length || start + length - 1 < start) {
		misuse(14, "insert of an empty range or one that wraps", mni);
		return -EINVAL;
	}
	if (open_in_callback(to_mm(mm))) {
		misuse(5, "insert from a callback", mni);
		return -EDEADLK;
	}
	return 0;
}

/* The openat2 rule for option structs. */
static int check_options(const struct mmu_interval_options *options)
{
	const unsigned char *p = (const unsigned char *)options;
	size_t i;

	if (options->size < sizeof(*options))
		return -EINVAL;
	for (i = sizeof(*options); i < options->size; i++)
		if (p[i])
			return -E2BIG;
	return 0;
}

static int publish(struct mmu_interval_notifier *mni, struct mm *m)
{
	struct sys_sigset old;
	int rc;

	sys_mutex_lock(&m->v.lock, &old);
	if (__atomic_load_n(&m->dying, __ATOMIC_RELAXED)) {
		rc = -ESRCH;
	} else {
		mm_hull_widen(m, mni->start, mni->last);
		rc = itree_insert(&m->itree, &m->v.srcu, mni);
		if (rc)
			mm_hull_update(m);
	}
	sys_mutex_unlock(&m->v.lock, &old);
	return rc;
}

int mmun_interval_insert(struct mmu_interval_notifier *mni,
			 struct mm_struct *mm, unsigned long start,
			 unsigned long length,
			 const struct mmu_interval_notifier_ops *ops,
			 const struct mmu_interval_options *options)
{
	struct mm *m;
	int rc = check_insert(mni, mm, start, length, ops);

	if (!rc && options)
		rc = check_options(options);
	if (rc)
		return rc;
	m = to_mm(mm);
	rc = mm_ensure_armed(m);
	if (rc)
		return rc;
	mm_run_deferred(false);
	if (is_inserted(mni)) {
		misuse(11, "subscription inserted twice", mni);
		return -EEXIST;
	}
	mni->start = start;
	mni->last = start + length - 1;
	mni->ops = ops;
	mni->mm = mm;
	mni->born = 0;
	mni->owner = options ? options->owner : NULL;
	mni->events = options && options->events
			      ? options->events | 1ul << MMU_NOTIFY_RELEASE
			      : ALL_EVENTS;
	if (!(mni->events >> MMU_NOTIFY_CLEAR & 1) ||
	    !(mni->events >> MMU_NOTIFY_UNMAP & 1))
		misuse(15, "subscription does not hear of UNMAP and CLEAR",
		       mni);
	/*
	 * Before it is published: the first begin that meets it writes it.
	 * Even, unlike the numbers of begins.
	 */
	mni->invalidate_seq = mm_next_seq(m) + 1;
	rc = publish(mni, m);
	if (rc)
		return rc;
	set_magic(mni, magic(mni));
	mmun_mmgrab(mm);
	mm_number(m, &mni->born);
	return 0;
}

int mmun_interval_remove(struct mmu_interval_notifier *mni)
{
	struct sys_sigset old;
	struct mm *m;
	int rc;

	if (!mni || !is_inserted(mni)) {
		sys_init(); /* in a forked child: is MMUN_DEBUG set? */
		misuse(mni && mni->magic ? 17 : 11,
		       "remove of a subscription that is not inserted here",
		       mni);
		return -ENOENT;
	}
	m = to_mm(mni->mm);
	if (open_in_callback(m)) {
		misuse(5, "remove from a callback", mni);
		return -EDEADLK;
	}
	mm_run_deferred(false);
	sys_mutex_lock(&m->v.lock, &old);
	rc = itree_remove(&m->itree, &m->v.srcu, mni);
	if (!rc) {
		mm_hull_update(m);
		set_magic(mni, 0);
	}
	sys_mutex_unlock(&m->v.lock, &old);
	if (rc)
		return rc;
	open_synchronize(m);
	mni->mm = NULL;
	mmun_mmdrop(&m->pub);
	return 0;
}

static unsigned long read_seq(struct mmu_interval_notifier *mni)
{
	/* Before the look at the records: see the protocol above. */
	return __atomic_load_n(&mni->invalidate_seq, __ATOMIC_SEQ_CST);
}

/* A subscription that was removed has no mm: no reference can be made. */
static struct mm *read_mm(const struct mmu_interval_notifier *mni)
{
	if (unlikely(sys_debug()) && !is_inserted(mni))
		misuse_report(11, "read_begin of what is not inserted here",
			      mni);
	return mni->mm ? to_mm(mni->mm) : NULL;
}

unsigned long mmun_interval_read_begin(struct mmu_interval_notifier *mni)
{
	struct mm *m = read_mm(mni);
	unsigned long seq = read_seq(mni);

	if (unlikely(!m))
		return 0;
	/* Pairs with the claim of a record. */
	sys_full_barrier();
	switch (open_overlaps(m, mni->start, mni->last)) {
	case 0:
		return seq;
	case 2:
		misuse(7, "read_begin inside an invalidation of this thread",
		       mni);
		return 0;
	}
	open_wait(m, mni->start, mni->last);
	return seq;
}

bool mmun_interval_try_read_begin(struct mmu_interval_notifier *mni,
				  unsigned long *seq)
{
	struct mm *m = read_mm(mni);
	unsigned long now = read_seq(mni);

	if (unlikely(!m))
		return false;
	/* Pairs with the claim of a record. */
	sys_full_barrier();
	if (open_overlaps(m, mni->start, mni->last))
		return false;
	*seq = now;
	return true;
}

void mmun_interval_retried(struct mmu_interval_notifier *mni)
{
	static __thread struct mmu_interval_notifier *same
		__attribute__((tls_model("initial-exec")));
	static __thread unsigned int times
		__attribute__((tls_model("initial-exec")));

	if (likely(!sys_debug()))
		return;
	times = same == mni ? times + 1 : 1;
	same = mni;
	if (times % 1000 == 0)
		misuse_report(9, "1000 retries in a row", mni);
}
