/* SPDX-License-Identifier: MIT */
/*
 * core/open.c - records of open invalidations: who is told, who waits, and
 * what becomes of those that nobody will close. The protocol is in open.h.
 *
 * Invariants
 *  1. A begin is told to exactly the subscriptions with 0 < born < seq that
 *     the walk finds; the end to those of them that are still there. Nothing
 *     that is born later ever hears of it: it waits instead (open_wait).
 *  2. A record is closed by its raiser, or, once marked OPEN_ABANDONED, by
 *     whoever swaps its owner for himself.
 *  3. gen changes with every claim, so who waits for one incarnation cannot
 *     take the next for it.
 */
#include "sys/general_regs.h"

#include "core/open.h"

#include <errno.h>

#include "core/debug.h"

#define MSEC 1000000ul

unsigned long mmun_callback_stacks_lo, mmun_callback_stacks_hi;

/* ---- abandoned records (DESIGN: rule 8) ---- */

static bool on_callback_stack(unsigned long sp)
{
	return sp >= mmun_callback_stacks_lo && sp < mmun_callback_stacks_hi;
}

/*
 * The calling thread, whose stack pointer is sp, finds a record of its own.
 * Has the frame that would close it been left by a jump?
 *
 * A raise that is really nested in it comes from deeper in the same stack,
 * from a callback stack, or from a signal handler on the alternate stack.
 */
static bool frame_left(const struct open *o, unsigned long sp)
{
	unsigned long lo, hi;

	if (!o->sp || !sp || on_callback_stack(sp))
		return false;
	if (sys_on_altstack(&lo, &hi))
		return o->sp >= lo && o->sp < hi && o->sp <= sp;
	if (on_callback_stack(o->sp) || (o->sp >= lo && o->sp < hi))
		return true;
	return o->sp <= sp;
}

static void mark_abandoned(struct mm *m, struct open *o, uint64_t word)
{
	if (__atomic_compare_exchange_n(&o->word, &word, word | OPEN_ABANDONED,
					false, __ATOMIC_ACQ_REL,
					__ATOMIC_RELAXED))
		__atomic_fetch_add(&m->v.abandoned, 1, __ATOMIC_RELEASE);
}

/*
 * Close what is marked: the change never happened, or is over; either way
 * those who were told the begin are told the end. In a context in which
 * callbacks may run.
 */
static void reap_abandoned(struct mm *m)
{
	uint32_t tid = sys_tid();
	int i;

	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[i];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);
		struct mmu_notifier_range range;

		if (!((uint32_t)word & OPEN_ABANDONED) ||
		    !__atomic_compare_exchange_n(
			    &o->word, &word,
			    (word & ~0xffffffffull) | OPEN_CALLBACK | tid,
			    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		__atomic_fetch_sub(&m->v.abandoned, 1, __ATOMIC_RELAXED);
		mmu_notifier_range_init_owner(&range,
					      (enum mmu_notifier_event)o->event,
					      o->flags, &m->pub, o->start,
					      o->end, o->tag);
		o->sp = 0;
		o->stamp = 0;
		open_end(m, o, &range, o->seq);
		open_close(m, o);
	}
}

/* ---- claiming and closing ---- */

struct open *open_claim_slow(struct mm *m, uint32_t tid, unsigned long sp)
{
	unsigned int i;

	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[(tid + i) % MM_OPEN_MAX];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);

		if (((uint32_t)word & OPEN_TID) == tid &&
		    !((uint32_t)word & (OPEN_FILLING | OPEN_ABANDONED)) &&
		    frame_left(o, sp))
			mark_abandoned(m, o, word);
		else if (open_try(o, tid))
			return o;
	}
	/* Full barrier, as in open_try(). */
	__atomic_fetch_add(&m->v.overflow, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

void open_wake(struct mm *m)
{
	__atomic_fetch_add(&m->v.wake, 1, __ATOMIC_SEQ_CST);
	sys_futex_wake(&m->v.wake, INT32_MAX);
}

void open_enter_callbacks(struct open *o)
{
	if (o)
		__atomic_fetch_or(&o->owner, OPEN_CALLBACK, __ATOMIC_RELAXED);
}

void open_leave_callbacks(struct open *o)
{
	if (o)
		__atomic_fetch_and(&o->owner, ~OPEN_CALLBACK, __ATOMIC_RELAXED);
}

/*
 * Is the record, as seen in word, one that the calling thread will still
 * close? One whose frame it has left is marked instead.
 */
static bool is_mine(struct mm *m, struct open *o, uint64_t word)
{
	uint32_t owner = (uint32_t)word;

	if ((owner & OPEN_TID) != sys_tid() || (owner & OPEN_ABANDONED))
		return false;
	if (!(owner & OPEN_FILLING) &&
	    frame_left(o, (unsigned long)__builtin_frame_address(0))) {
		mark_abandoned(m, o, word);
		return false;
	}
	return true;
}

static bool any_mine(struct mm *m, uint32_t bits)
{
	int i;

	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[i];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);

		if ((uint32_t)word && is_mine(m, o, word) &&
		    ((uint32_t)word & bits) == bits)
			return true;
	}
	return false;
}

bool open_in_callback(struct mm *m)
{
	return any_mine(m, OPEN_CALLBACK);
}

bool open_by_me(struct mm *m)
{
	return any_mine(m, 0);
}

/* ---- telling ---- */

static bool told(const struct mmu_interval_notifier *mni,
		 const struct mmu_notifier_range *range, unsigned long seq)
{
	/* Pairs with the release store of born: ops and filters before it. */
	unsigned long born = __atomic_load_n(&mni->born, __ATOMIC_ACQUIRE);
	unsigned int event = range->event;

	if (!born || (long)(seq - born) < 0)
		return false;
	if (mni->owner && mni->owner == range->owner)
		return false;
	if (event > MMU_NOTIFY_EXCLUSIVE)
		event = MMU_NOTIFY_CLEAR;
	return mni->events >> event & 1;
}

static unsigned long range_last(const struct mmu_notifier_range *range)
{
	return range->end ? range->end - 1 : ~0ul;
}

/* The end of those before stop (NULL: all), who were told the begin. */
static void tell_invalidated(const struct itree_node *root,
			     const struct mmu_notifier_range *range,
			     unsigned long seq,
			     const struct mmu_interval_notifier *stop)
{
	struct mmu_interval_notifier *mni;
	struct itree_iter it;

	for (mni = itree_first(root, range->start, range_last(range), &it);
	     mni && mni != stop; mni = itree_next(&it))
		if (mni->ops->invalidated && told(mni, range, seq))
			mni->ops->invalidated(mni, range);
}

/* One callback, again and again where it must not fail. */
static bool tell_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long seq, bool may_fail)
{
	unsigned long before =
		__atomic_load_n(&mni->invalidate_seq, __ATOMIC_RELAXED);

	while (!mni->ops->invalidate(mni, range, seq)) {
		if (may_fail)
			return false;
		if (mmu_notifier_range_blockable(range))
			misuse(2, "invalidate() failed a blockable event", mni);
		sys_yield();
	}
	if (unlikely(mmun_process.debug) &&
	    mmu_interval_check_retry(mni, before) == 0)
		misuse_report(8,
			      "invalidate() did not call "
			      "mmu_interval_set_seq()",
			      mni);
	return true;
}

/* Returns whether anybody was told, or -EAGAIN. */
static int tell_interval_begin(struct mm *m,
			       const struct mmu_notifier_range *range,
			       unsigned long seq, bool may_fail)
{
	const struct itree_node *root = itree_snapshot(&m->itree);
	struct mmu_interval_notifier *mni;
	struct itree_iter it;
	int any = 0;

	for (mni = itree_first(root, range->start, range_last(range), &it); mni;
	     mni = itree_next(&it)) {
		if (!told(mni, range, seq))
			continue;
		any = 1;
		if (tell_invalidate(mni, range, seq, may_fail))
			continue;
		tell_invalidated(root, range, seq, mni);
		return -EAGAIN;
	}
	return any;
}

/* Returns whether there is anybody. */
static int tell_list(struct mm *m, const struct mmu_notifier_range *range,
		     unsigned long seq, bool begin)
{
	int any = 0, atomic = !mmu_notifier_range_blockable(range);
	struct mmu_notifier *mn;

	mmu_notifier_for_each(mn, m)
	{
		if (!mmu_notifier_born_before(mn, seq))
			continue;
		any = 1;
		if (begin && mn->ops->invalidate_range_begin)
			mn->ops->invalidate_range_begin(
				mn, &m->pub, range->start, range->end, atomic);
		if (!begin && mn->ops->invalidate_range_end)
			mn->ops->invalidate_range_end(mn, &m->pub, atomic);
	}
	return any;
}

bool open_would_hit(struct mm *m, unsigned long start, unsigned long end)
{
	struct srcu_token t;
	struct itree_iter it;
	bool hit;

	if (!mm_may_hit(m, start, end))
		return false;
	if (__atomic_load_n(&m->pub.mmu_notifier.head.first, __ATOMIC_RELAXED))
		return true;
	t = srcu_read_lock(&m->v.srcu);
	hit = itree_first(itree_snapshot(&m->itree), start,
			  end ? end - 1 : ~0ul, &it);
	srcu_read_unlock(&m->v.srcu, t);
	return hit;
}

/* What callbacks get to see. */
static struct mmu_notifier_range
range_shown(const struct mmu_notifier_range *range)
{
	struct mmu_notifier_range shown = *range;

	shown.flags &= ~(OPEN_MAY_FAIL | OPEN_INTERVAL_ONLY);
	shown.open = 0;
	return shown;
}

int open_begin(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	       unsigned long *seq)
{
	struct mmu_notifier_range shown = range_shown(range);
	struct srcu_token t;
	int any;

	if (unlikely(__atomic_load_n(&m->v.abandoned, __ATOMIC_RELAXED)))
		reap_abandoned(m);
	*seq = mm_next_seq(m);
	if (o) {
		o->event = (uint16_t)range->event;
		o->flags = (uint16_t)shown.flags;
		o->tag = range->owner;
		__atomic_store_n(&o->seq, *seq, __ATOMIC_RELAXED);
	}
	open_enter_callbacks(o);
	t = srcu_read_lock(&m->v.srcu);
	any = tell_interval_begin(m, &shown, *seq,
				  range->flags & OPEN_MAY_FAIL);
	if (any >= 0 && !(range->flags & OPEN_INTERVAL_ONLY))
		any |= tell_list(m, &shown, *seq, true);
	srcu_read_unlock(&m->v.srcu, t);
	open_leave_callbacks(o);
	if (!any) { /* nor will anybody be told the end */
		*seq = 0;
		if (o)
			__atomic_store_n(&o->seq, 0, __ATOMIC_RELAXED);
	}
	return any < 0 ? any : 0;
}

void open_end(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	      unsigned long seq)
{
	struct mmu_notifier_range shown = range_shown(range);
	struct srcu_token t;

	if (!seq)
		return;
	open_enter_callbacks(o);
	t = srcu_read_lock(&m->v.srcu);
	tell_invalidated(itree_snapshot(&m->itree), &shown, seq, NULL);
	if (!(range->flags & OPEN_INTERVAL_ONLY))
		tell_list(m, &shown, seq, false);
	srcu_read_unlock(&m->v.srcu, t);
	open_leave_callbacks(o);
}

/* ---- waiting ---- */

/* Does the record, as seen in word, stand for a change of [start, last]? */
static bool overlaps(const struct open *o, uint64_t word, unsigned long start,
		     unsigned long last)
{
	if (!(uint32_t)word)
		return false;
	if ((uint32_t)word & OPEN_FILLING)
		return true;
	/*
	 * If the record is closed and claimed anew meanwhile, these are those
	 * of a change that began after we looked: its begin tells us.
	 */
	return __atomic_load_n(&o->start, __ATOMIC_RELAXED) <= last &&
	       __atomic_load_n(&o->end, __ATOMIC_RELAXED) - 1 >= start;
}

int open_overlaps(struct mm *m, unsigned long start, unsigned long last)
{
	int i, found = 0;

	if (__atomic_load_n(&m->v.overflow, __ATOMIC_ACQUIRE))
		found = 1;
	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[i];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);

		if (!overlaps(o, word, start, last))
			continue;
		if (is_mine(m, o, word))
			return 2;
		found = 1;
	}
	return found;
}

static bool still_open(const struct open *o, uint64_t seen)
{
	const uint64_t who =
		~(uint64_t)(OPEN_FILLING | OPEN_CALLBACK | OPEN_ABANDONED);

	return !((__atomic_load_n(&o->word, __ATOMIC_ACQUIRE) ^ seen) & who);
}

/*
 * Called now and then while somebody waits: will the raiser ever close it?
 * No, if the thread is dead. No, if it has been asleep in a system call for
 * a second with its stack pointer above the frame: it jumped out. (Asleep in
 * a signal handler whose alternate stack lies within 8 MiB above the frame
 * would look the same; there the change itself is a second old as well.)
 */
static void look_for_abandoned(struct mm *m, struct open *o, uint64_t seen,
			       unsigned long waited_ns)
{
	uint32_t tid = (uint32_t)seen & OPEN_TID;
	unsigned long sp = 0;

	if (sys_thread_alive(tid)) {
		if (waited_ns < 1000 * MSEC || !o->sp ||
		    sys_thread_sp(tid, &sp) || on_callback_stack(sp) ||
		    sp <= o->sp || sp - o->sp > 8ul << 20)
			return;
	}
	seen = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);
	if (((uint32_t)seen & OPEN_TID) == tid &&
	    !((uint32_t)seen & OPEN_ABANDONED))
		mark_abandoned(m, o, seen);
}

static void wait_one(struct mm *m, struct open *o, uint64_t seen)
{
	unsigned long waited = 0, nap;
	uint32_t wake;
	int spin;

	for (spin = 0; spin < 1000; spin++) { /* most changes are short */
		if (!still_open(o, seen))
			return;
		__builtin_ia32_pause();
	}
	__atomic_fetch_add(&m->v.waiters, 1, __ATOMIC_SEQ_CST);
	/* Pairs with the compiler barrier in open_close(). */
	nap = sys_membarrier() ? 50 * MSEC : MSEC;
	for (;;) {
		wake = __atomic_load_n(&m->v.wake, __ATOMIC_SEQ_CST);
		if (!still_open(o, seen))
			break;
		sys_futex_wait(&m->v.wake, wake, nap);
		waited += nap;
		if (waited >= 100 * MSEC && still_open(o, seen)) {
			look_for_abandoned(m, o, seen, waited);
			reap_abandoned(m);
		}
	}
	__atomic_fetch_sub(&m->v.waiters, 1, __ATOMIC_RELAXED);
}

void open_wait(struct mm *m, unsigned long start, unsigned long last)
{
	int i;

	if (unlikely(__atomic_load_n(&m->v.abandoned, __ATOMIC_RELAXED)))
		reap_abandoned(m);
	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[i];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);

		if (overlaps(o, word, start, last))
			wait_one(m, o, word);
	}
	while (__atomic_load_n(&m->v.overflow, __ATOMIC_ACQUIRE))
		sys_yield();
}
