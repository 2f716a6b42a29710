/* SPDX-License-Identifier: MIT */
/*
 * core/mmu_notifier.c - class 1: the list of notifiers of an mm, and the
 * entry points of those who raise events.
 *
 * Life of a notifier, in its magic:
 *
 *	0 ----register---> REGISTERED --unregister--> 0
 *			      |  |
 *			      |  +-put--> PUT --free_notifier--> 0
 *			      +-release-> RELEASED
 *
 * A registration with mm_self() belongs to one process (fork_gen), so that a
 * forked child does not take its parent's for its own; one with a managed mm
 * is inherited together with the mm.
 *
 * RELEASED is there so that mmu_notifier_unregister() after (or from) release
 * is the harmless no-op that the document promises (D8).
 */
#include "sys/general_regs.h"

#include <mmun/mmu_notifier.h>

#include <errno.h>

#include "core/debug.h"
#include "core/hlist.h"
#include "core/open.h"

#define MAGIC_REGISTERED 0x6d6d75006e310000ul
#define MAGIC_RELEASED 0x6d6d75006e320000ul
#define MAGIC_PUT 0x6d6d75006e330000ul

static unsigned long magic(const struct mmu_notifier *mn, unsigned long state)
{
	bool local = state == MAGIC_PUT || mn->mm == &mmun_self.pub;

	return state ^ (local ? sys_fork_gen() : 0);
}

static bool is(const struct mmu_notifier *mn, unsigned long state)
{
	return __atomic_load_n(&mn->magic, __ATOMIC_RELAXED) ==
	       magic(mn, state);
}

static void set_state(struct mmu_notifier *mn, unsigned long state)
{
	__atomic_store_n(&mn->magic, state ? magic(mn, state) : 0,
			 __ATOMIC_RELAXED);
}

/* ---- registration ---- */

/* Errors that do not depend on the list. */
static int check_register(const struct mmu_notifier *mn,
			  const struct mm_struct *mm)
{
	if (!mn || !mm || !mn->ops)
		return -EINVAL;
	if (mn->ops->release && !mn->ops->invalidate_range_begin &&
	    !mn->ops->invalidate_page && !mn->ops->invalidate_all)
		misuse(15,
		       "notifier has release() but hears of no "
		       "invalidation",
		       mn);
	if (open_by_me(to_mm((struct mm_struct *)mm))) {
		misuse(5, "register inside an invalidation of this thread", mn);
		return -EDEADLK;
	}
	return 0;
}

static int publish(struct mmu_notifier *mn, struct mm *m)
{
	struct sys_sigset old;
	int rc = 0;

	sys_mutex_lock(&m->v.lock, &old);
	if (__atomic_load_n(&m->dying, __ATOMIC_RELAXED)) {
		rc = -ESRCH;
	} else if (is(mn, MAGIC_REGISTERED) || is(mn, MAGIC_PUT)) {
		misuse(11, "notifier registered twice", mn);
		rc = -EEXIST;
	} else {
		mn->mm = &m->pub;
		set_state(mn, MAGIC_REGISTERED);
		mn->born = 0;
		mm_hull_widen(m, 0, ~0ul);
		hlist_add_head_rcu(&mn->hlist, &m->pub.mmu_notifier.head);
	}
	sys_mutex_unlock(&m->v.lock, &old);
	return rc;
}

int mmun_notifier_register_locked(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mm *m;
	int rc = check_register(mn, mm);

	if (rc)
		return rc;
	m = to_mm(mm);
	if (!sys_write_locked(&m->v.mmap_lock))
		return -EPERM;
	rc = mm_ensure_armed(m);
	if (rc)
		return rc;
	rc = publish(mn, m);
	if (rc)
		return rc;
	mmun_mmgrab(mm);
	/* Full barrier, then look at the records: see open.h. */
	mm_number(m, &mn->born);
	sys_full_barrier();
	open_wait(m, 0, ~0ul);
	return 0;
}

int mmun_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm)
{
	int rc = check_register(mn, mm);

	if (rc)
		return rc;
	mm_run_deferred(false);
	mmun_mmap_write_lock(mm);
	rc = mmun_notifier_register_locked(mn, mm);
	mmun_mmap_write_unlock(mm);
	return rc;
}

/* Take mn off its list; false if it is not on one. */
static bool unlink_notifier(struct mmu_notifier *mn, struct mm *m,
			    unsigned long state)
{
	struct sys_sigset old;
	bool linked;

	sys_mutex_lock(&m->v.lock, &old);
	linked = is(mn, MAGIC_REGISTERED) && !hlist_unhashed(&mn->hlist);
	if (linked) {
		hlist_del_init_rcu(&mn->hlist);
		set_state(mn, state);
		mm_hull_update(m);
	}
	sys_mutex_unlock(&m->v.lock, &old);
	return linked;
}

/* Nothing registered: after release that is fine, otherwise a mistake. */
static int unregister_released(struct mmu_notifier *mn, struct mm *m)
{
	if (!is(mn, MAGIC_RELEASED)) {
		sys_init(); /* in a forked child: is MMUN_DEBUG set? */
		misuse(mn->magic ? 17 : 11,
		       "unregister of a notifier that is not registered here",
		       mn);
		return -ENOENT;
	}
	if (!open_in_callback(m)) /* else we are release() itself */
		open_synchronize(m);
	return 0;
}

int mmun_notifier_unregister(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mm *m;

	if (!mn || !mm)
		return -EINVAL;
	m = to_mm(mm);
	if (!is(mn, MAGIC_REGISTERED))
		return unregister_released(mn, m);
	if (mn->mm != mm) {
		misuse(18, "unregister with another mm", mn);
		return -EINVAL;
	}
	if (open_in_callback(m)) {
		misuse(5, "unregister from a callback", mn);
		return -EDEADLK;
	}
	mm_run_deferred(false);
	mmun_mmap_write_lock(mm);
	if (!unlink_notifier(mn, m, 0)) {
		mmun_mmap_write_unlock(mm);
		return unregister_released(mn, m);
	}
	mmun_mmap_write_unlock(mm);
	open_synchronize(m);
	mn->mm = NULL;
	mmun_mmdrop(mm);
	return 0;
}

/* ---- put: unregister without waiting ---- */

static void put_push(struct mmu_notifier *mn)
{
	struct mmu_notifier **head = &mmun_process.put;
	struct mmu_notifier *next = __atomic_load_n(head, __ATOMIC_RELAXED);

	do {
		mn->put_next = next;
	} while (!__atomic_compare_exchange_n(
		head, &next, mn, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

int mmun_notifier_put(struct mmu_notifier *mn)
{
	struct mm *m;

	if (!mn || !is(mn, MAGIC_REGISTERED))
		return -ENOENT;
	m = to_mm(mn->mm);
	if (!unlink_notifier(mn, m, MAGIC_PUT))
		return -ENOENT;
	mn->put_cookie = srcu_start_poll(&m->v.srcu);
	put_push(mn);
	return 0;
}

/* Free mn if its grace period is over, or wait for that; else put it back. */
static void run_put(struct mmu_notifier *mn, bool wait)
{
	struct mm_struct *mm = mn->mm;

	if (wait) {
		open_synchronize(to_mm(mm));
	} else if (!srcu_poll(&to_mm(mm)->v.srcu, mn->put_cookie)) {
		put_push(mn);
		return;
	}
	set_state(mn, 0);
	mn->mm = NULL;
	if (mn->ops->free_notifier)
		mn->ops->free_notifier(mn);
	mmun_mmdrop(mm);
}

void mmu_notifier_run_put(bool wait)
{
	struct sys_process *p = &mmun_process;
	struct mmu_notifier *mn, *next;

	if (likely(!__atomic_load_n(&p->put, __ATOMIC_RELAXED)))
		return;
	__atomic_fetch_add(&p->putting, 1, __ATOMIC_SEQ_CST);
	mn = __atomic_exchange_n(&p->put, NULL, __ATOMIC_ACQUIRE);
	for (; mn; mn = next) {
		next = mn->put_next;
		run_put(mn, wait);
	}
	if (!__atomic_sub_fetch(&p->putting, 1, __ATOMIC_SEQ_CST))
		sys_futex_wake(&p->putting, INT32_MAX);
}

/*
 * What another thread has taken is due as well, and may be put back. The code
 * of free_notifier may be unloaded when this returns.
 */
void mmun_notifier_synchronize(void)
{
	struct sys_process *p = &mmun_process;
	uint32_t n;

	do {
		mm_run_deferred(true);
		n = __atomic_load_n(&p->putting, __ATOMIC_SEQ_CST);
		if (n)
			sys_futex_wait(&p->putting, n, 0);
	} while (n || __atomic_load_n(&p->put, __ATOMIC_SEQ_CST));
}

/* ---- events that class 1 hears of in a call of their own ---- */

typedef int (*tell_fn)(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long arg);

/* Call fn for every notifier; returns the OR of the answers. */
static int tell_each(struct mm *m, struct open *o, tell_fn fn,
		     unsigned long arg)
{
	unsigned long seq = mm_seq(m);
	struct srcu_token t = open_walk_begin(m, o);
	struct mmu_notifier *mn;
	int answer = 0;

	mmu_notifier_for_each(mn, m) if (mmu_notifier_born_before(mn, seq))
		answer |= fn(mn, &m->pub, arg);
	open_walk_end(m, o, t);
	return answer;
}

/* Class 3 hears of it as a range that begins and ends around fn. */
static void tell_range(struct mmu_notifier_range *range, tell_fn fn,
		       unsigned long arg)
{
	struct mm *m = to_mm(range->mm);
	struct open *o = open_claim(m, range->start, range->end, 0);
	unsigned long seq;

	range->flags |= OPEN_INTERVAL_ONLY;
	open_begin(m, o, range, &seq);
	if (fn)
		tell_each(m, o, fn, arg);
	open_end(m, o, range, seq);
	open_close(m, o);
}

static int tell_invalidate_all(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long dummy)
{
	if (mn->ops->invalidate_all)
		mn->ops->invalidate_all(mn, mm, (int)dummy);
	return 0;
}

static int tell_invalidate_page(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long address)
{
	struct sys_usage began = callback_clock(false);

	if (mn->ops->invalidate_page)
		mn->ops->invalidate_page(mn, mm, address);
	callback_check(&began, mn);
	return 0;
}

static int tell_age_page(struct mmu_notifier *mn, struct mm_struct *mm,
			 unsigned long address)
{
	struct sys_usage began = callback_clock(false);
	int young = 0;

	if (mn->ops->age_page)
		young = !!mn->ops->age_page(mn, mm, address);
	callback_check(&began, mn);
	return young;
}

/* May the callbacks of an event without an atomic argument sleep? */
static unsigned int sleepable(const struct mm_struct *mm)
{
	return mm_is_self(to_mm(mm)) ? 0 : MMU_NOTIFIER_RANGE_BLOCKABLE;
}

void mmun_notifier_invalidate_all(struct mm_struct *mm, int dummy)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, sleepable(mm), mm, 0,
				~0ul);
	tell_range(&range, tell_invalidate_all, (unsigned long)dummy);
}

void mmun_notifier_invalidate_page(struct mm_struct *mm, unsigned long address)
{
	struct mmu_notifier_range range;

	address &= SYS_PAGE_MASK;
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, address,
				address + SYS_PAGE_SIZE);
	tell_range(&range, tell_invalidate_page, address);
}

int mmun_notifier_age_page(struct mm_struct *mm, unsigned long address)
{
	struct mm *m = to_mm(mm);
	/* A record of nothing, so that misuse from the callbacks is seen. */
	struct open *o = open_claim(m, ~0ul, ~0ul, 0);
	int young = tell_each(m, o, tell_age_page, address);

	open_close(m, o);
	return young;
}

/* ---- death ---- */

/* Phase 1: everybody lets go. Concurrent raises and releases are fine. */
static void release_interval(struct mm *m)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_RELEASE, sleepable(&m->pub),
				&m->pub, 0, ~0ul);
	tell_range(&range, NULL, 0);
}

/*
 * Take first while there is one (D9): a release() that puts another notifier
 * or makes the mm change must not upset the walk. Unlinking and calling are in
 * one SRCU section, so that unregister waits for the call.
 */
static struct mmu_notifier *release_first(struct mm *m)
{
	struct mmu_notifier *mn;
	struct sys_sigset old;

	sys_mutex_lock(&m->v.lock, &old);
	mn = mmu_notifier_entry(m->pub.mmu_notifier.head.first);
	if (mn) {
		hlist_del_init_rcu(&mn->hlist);
		set_state(mn, MAGIC_RELEASED);
		mm_hull_update(m);
	}
	sys_mutex_unlock(&m->v.lock, &old);
	return mn;
}

void mmun_notifier_release(struct mm_struct *mm)
{
	struct mm *m = to_mm(mm);
	bool nested = open_in_callback(m);
	struct mmu_notifier *mn;
	struct srcu_token t;
	struct open *o;

	if (!__atomic_exchange_n(&m->dying, 1, __ATOMIC_SEQ_CST)) {
		if (unlikely(sys_debug()) && !mm_is_self(m) &&
		    open_overlaps(m, 0, ~0ul))
			misuse_report(16, "mm dies inside an invalidation", mm);
		release_interval(m);
	}
	o = open_claim(m, ~0ul, ~0ul, 0);
	do {
		t = open_walk_begin(m, o);
		mn = release_first(m);
		if (mn && mn->ops->release)
			mn->ops->release(mn, mm);
		open_walk_end(m, o, t);
		if (mn)
			mmun_mmdrop(mm);
	} while (mn);
	open_close(m, o);
	/*
	 * Phase 2: after this, memory may go. Not at process exit: nothing is
	 * freed there, and a callback that waits for the exiting thread would
	 * keep the process for ever.
	 */
	if (!nested && !mm_is_self(m))
		open_synchronize(m);
}

/* ---- raising ---- */

/*
 * range->open: 0 nothing to close; OPEN_OVERFLOW and the number of the begin;
 * or the index of the record + 1, and its incarnation, so that end on a
 * record that was given up and taken by another closes nothing.
 */
#define OPEN_OVERFLOW (1ul << 63)

static unsigned long open_to_handle(const struct mm *m, const struct open *o,
				    unsigned long seq)
{
	if (!o)
		return OPEN_OVERFLOW | seq;
	return (unsigned long)(o - m->v.open) + 1 +
	       ((__atomic_load_n(&o->word, __ATOMIC_RELAXED) >> 32 & 0x7fffffff)
		<< 16);
}

static struct open *handle_to_open(struct mm *m, unsigned long handle)
{
	struct open *o = &m->v.open[(handle & 0xffff) - 1];
	uint64_t word = __atomic_load_n(&o->word, __ATOMIC_RELAXED);

	return (uint32_t)word && (word >> 32 & 0x7fffffff) == handle >> 16
		       ? o
		       : NULL;
}

static bool range_is_bad(const struct mmu_notifier_range *range)
{
	if (range->start < range->end)
		return false;
	misuse(14, "invalidation of an empty range", range);
	return true;
}

int mmun_notifier_range_start(struct mmu_notifier_range *range)
{
	struct mm *m = to_mm(range->mm);
	unsigned long seq = 0;
	struct open *o;
	int rc = 0;

	range->open = 0;
	range->flags &= ~(OPEN_MAY_FAIL | OPEN_INTERVAL_ONLY);
	if (range_is_bad(range))
		return 0;
	if (!mmu_notifier_range_blockable(range))
		range->flags |= OPEN_MAY_FAIL;
	else if (mm_is_self(m)) /* nobody knows who waits for whom there */
		range->flags &= ~MMU_NOTIFIER_RANGE_BLOCKABLE;
	o = open_claim(m, range->start, range->end, 0);
	if (mm_may_hit(m, range->start, range->end))
		rc = open_begin(m, o, range, &seq);
	range->flags &= ~OPEN_MAY_FAIL;
	if (rc)
		open_close(m, o);
	else
		range->open = open_to_handle(m, o, seq);
	return rc;
}

/* The end is that of the begin, whatever the raiser did to range. */
static void own_range(const struct open *o, struct mmu_notifier_range *range)
{
	if (o->start == range->start && o->end == range->end)
		return;
	misuse(4, "end of another range than begin's", range);
	range->start = o->start;
	range->end = o->end;
}

void mmun_notifier_range_end(struct mmu_notifier_range *range)
{
	struct mm *m = to_mm(range->mm);
	struct open *o = NULL;
	unsigned long seq = range->open & ~OPEN_OVERFLOW;

	if (!(range->open & OPEN_OVERFLOW)) {
		o = handle_to_open(m, range->open);
		if (!o) {
			misuse(4, "end without begin", range);
			return;
		}
		seq = o->seq;
		own_range(o, range);
	}
	open_end(m, o, range, seq);
	open_close(m, o);
	range->open = 0;
}

/*
 * The document's pair, without a range object: the record itself is found
 * again by its thread, the youngest first. So there must be one: if all are
 * taken, wait (only embedders raise this way, never from a signal handler
 * that interrupted all the others).
 */
void mmun_notifier_invalidate_range_begin(struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end, int atomic)
{
	struct mm *m = to_mm(mm);
	struct mmu_notifier_range range;
	unsigned long seq;
	struct open *o;
	unsigned int spins = 0;

	mmu_notifier_range_init_owner(&range, MMU_NOTIFY_CLEAR,
				      atomic ? 0 : sleepable(mm), mm, start,
				      end, mmun_tls.owner);
	if (range_is_bad(&range)) { /* its end will come: pair it */
		range.start = ~0ul;
		range.end = ~0ul;
	}
	while (!(o = open_claim(m, range.start, range.end, 0))) {
		open_close(m, NULL);
		if (++spins % 1000 == 0)
			misuse(4, "too many begins without end", mm);
		sys_yield();
	}
	if (!++mmun_tls.stamp)
		++mmun_tls.stamp;
	o->stamp = mmun_tls.stamp;
	o->event = MMU_NOTIFY_CLEAR;
	o->flags = (uint16_t)range.flags;
	o->tag = range.owner;
	if (mm_may_hit(m, range.start, range.end))
		open_begin(m, o, &range, &seq);
}

static struct open *youngest_begin(struct mm *m)
{
	uint32_t tid = sys_tid();
	struct open *o, *found = NULL;

	for (o = m->v.open; o < m->v.open + MM_OPEN_MAX; o++)
		if ((__atomic_load_n(&o->owner, __ATOMIC_RELAXED) & OPEN_TID) ==
			    tid &&
		    o->stamp &&
		    (!found || (int32_t)(o->stamp - found->stamp) > 0))
			found = o;
	return found;
}

void mmun_notifier_invalidate_range_end(struct mm_struct *mm, int atomic)
{
	struct mm *m = to_mm(mm);
	struct open *o = youngest_begin(m);
	struct mmu_notifier_range range;

	if (!o) {
		misuse(4, "end without begin", mm);
		return;
	}
	mmu_notifier_range_init_owner(&range, (enum mmu_notifier_event)o->event,
				      atomic ? 0 : sleepable(mm), mm, o->start,
				      o->end, o->tag);
	open_end(m, o, &range, o->seq);
	o->stamp = 0;
	open_close(m, o);
}

void *mmun_set_owner(void *owner)
{
	void *old = mmun_tls.owner;

	mmun_tls.owner = owner;
	return old;
}
