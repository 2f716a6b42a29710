/* SPDX-License-Identifier: MIT */
/*
 * core/open.c - records of open invalidations: who is told, who waits, and
 * what becomes of those that nobody will close. The protocol is in open.h.
 *
 * Invariants
 *  1. A begin is told to exactly the subscriptions with 0 < born <= seq that
 *     the walk finds; the end to those of them that are still there. Nothing
 *     that is born later ever hears of it: it waits instead (open_wait).
 *  2. A record is closed by its raiser, or, once marked OPEN_ABANDONED, by
 *     whoever swaps its owner for himself.
 *  3. gen changes with every claim and every take-over, so who looks at one
 *     incarnation cannot take the next for it, nor mark it, nor close it.
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

/* Has something else been written where the frame was? Then it is dead. */
static bool frame_overwritten(const struct open *o)
{
	unsigned long at = __atomic_load_n(&o->sp, __ATOMIC_RELAXED);
	const struct open *word;

	return at > OPEN_NEVER_BACK &&
	       (!sys_peek(&word, at, sizeof(word)) || word != o);
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

	if (!o->sp || !sp)
		return false;
	if (frame_overwritten(o))
		return true;
	if (on_callback_stack(sp))
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

/* The raiser is out of its walk, without having ended the section. */
static void end_section(struct mm *m, struct open *o)
{
	uint32_t s = __atomic_exchange_n(&o->section, 0, __ATOMIC_RELAXED);
	struct srcu_token t = {.fork_gen = sys_fork_gen()};

	if (!s)
		return;
	t.stripe = &m->v.srcu.stripe[(s - 1) / 2];
	t.idx = (s - 1) & 1;
	srcu_read_unlock(&m->v.srcu, t);
}

/*
 * The calling thread has made the record its own. Nobody knows whether the
 * raiser could have waited, so callbacks must not.
 */
static void reap(struct mm *m, struct open *o, bool filled)
{
	struct mmu_notifier_range range;
	unsigned long seq = filled ? o->seq : 0;
	struct open *volatile frame = o;

	mmu_notifier_range_init_owner(&range, (enum mmu_notifier_event)o->event,
				      o->flags & ~MMU_NOTIFIER_RANGE_BLOCKABLE,
				      &m->pub, o->start, o->end, o->tag);
	__atomic_store_n(&o->sp, (unsigned long)&frame, __ATOMIC_RELAXED);
	o->stamp = 0;
	end_section(m, o);
	open_end(m, o, &range, seq);
	open_close(m, o);
}

/*
 * Close what is marked: the change never happened, or is over; either way
 * those who were told the begin are told the end (unless the raiser left from
 * inside of a callback, when nobody knows who was: seq is 0 then). In a
 * context in which callbacks may run.
 */
static void reap_abandoned(struct mm *m)
{
	uint64_t mine = OPEN_CALLBACK | sys_tid();
	int i;

	for (i = 0; i < MM_OPEN_MAX; i++) {
		struct open *o = &m->v.open[i];
		uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);
		bool filled = !((uint32_t)word & OPEN_FILLING);

		if (!((uint32_t)word & OPEN_ABANDONED) ||
		    !__atomic_compare_exchange_n(
			    &o->word, &word, ((word >> 32) + 1) << 32 | mine,
			    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		__atomic_fetch_sub(&m->v.abandoned, 1, __ATOMIC_RELAXED);
		reap(m, o, filled);
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

/* A forked child may have been without overflow from the start. */
void open_uncount(struct mm *m)
{
	uint32_t n = __atomic_load_n(&m->v.overflow, __ATOMIC_RELAXED);

	while (n &&
	       !__atomic_compare_exchange_n(&m->v.overflow, &n, n - 1, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

struct srcu_token open_walk_begin(struct mm *m, struct open *o)
{
	struct srcu_token t;

	if (o)
		__atomic_fetch_or(&o->owner, OPEN_CALLBACK, __ATOMIC_RELAXED);
	else
		mmun_tls.blind++;
	t = srcu_read_lock(&m->v.srcu);
	if (o)
		__atomic_store_n(&o->section,
				 (uint32_t)(t.stripe - m->v.srcu.stripe) * 2 +
					 t.idx + 1,
				 __ATOMIC_RELAXED);
	return t;
}

void open_walk_end(struct mm *m, struct open *o, struct srcu_token t)
{
	if (o)
		__atomic_store_n(&o->section, 0, __ATOMIC_RELAXED);
	srcu_read_unlock(&m->v.srcu, t);
	if (o)
		__atomic_fetch_and(&o->owner, ~OPEN_CALLBACK, __ATOMIC_RELAXED);
	else if (mmun_tls.blind) /* 0: forked meanwhile */
		mmun_tls.blind--;
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
	/* Callbacks without a record: of which mm is not known. */
	return mmun_tls.blind || any_mine(m, OPEN_CALLBACK);
}

bool open_by_me(struct mm *m)
{
	return any_mine(m, 0);
}

/* ---- telling ---- */

void callback_check(const struct sys_usage *began, const void *sub)
{
	struct sys_usage now;

	if (likely(!began->wall_ns))
		return;
	sys_usage(&now);
	if (now.waits != began->waits && now.wall_ns - began->wall_ns >= MSEC)
		misuse_report(1, "callback that must not wait did, over 1 ms",
			      sub);
	if (now.cpu_ns - began->cpu_ns >= MSEC)
		misuse_report(20,
			      "callback that holds up its raiser worked over "
			      "1 ms",
			      sub);
}

static bool told(struct mmu_interval_notifier *mni,
		 const struct mmu_notifier_range *range, unsigned long seq)
{
	unsigned int event = range->event;

	if ((long)(seq - mm_number(to_mm(mni->mm), &mni->born)) < 0)
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

static void refused(struct mmu_interval_notifier *mni,
		    const struct mmu_notifier_range *range, unsigned int times)
{
	if (mmu_notifier_range_blockable(range))
		misuse(2, "invalidate() failed a blockable event", mni);
	else if (times % 1000 == 0)
		misuse(9, "invalidate() refused 1000 times in a row", mni);
}

/* One callback, again and again where it must not fail. */
static bool tell_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq, bool may_fail)
{
	unsigned long before =
		__atomic_load_n(&mni->invalidate_seq, __ATOMIC_RELAXED);
	struct sys_usage began =
		callback_clock(mmu_notifier_range_blockable(range));
	unsigned int times = 0;

	while (!mni->ops->invalidate(mni, range, cur_seq)) {
		if (may_fail)
			return false;
		refused(mni, range, ++times);
		sys_yield();
	}
	callback_check(&began, mni);
	if (unlikely(sys_debug()) && mmu_interval_check_retry(mni, before) == 0)
		misuse_report(8,
			      "invalidate() did not call "
			      "mmu_interval_set_seq()",
			      mni);
	return true;
}

/*
 * What mmu_interval_set_seq() is to be given: a value that no other begin
 * has, nor had since the record was claimed four billion times. From the
 * record, and not from a counter that all processors would share. Records
 * start anew in a forked child, which keeps the subscriptions to its managed
 * mms and their sequences: hence the process.
 */
static unsigned long collision_seq(struct mm *m, const struct open *o)
{
	unsigned long process = sys_fork_gen() & 0x7fff;

	if (!o)
		return 1ul << 63 | mm_next_seq(m);
	return process << 48 |
	       (__atomic_load_n(&o->word, __ATOMIC_RELAXED) >> 32) << 16 |
	       (unsigned long)(o - m->v.open) << 1 | 1;
}

/*
 * Returns whether anybody was told, or -EAGAIN: then those who were told
 * before one refused have heard that nothing changed.
 */
static int tell_interval_begin(struct mm *m, struct open *o,
			       struct mmu_notifier_range *range,
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
		if (tell_invalidate(mni, range, collision_seq(m, o), may_fail))
			continue;
		range->flags |= MMU_NOTIFIER_RANGE_FAILED;
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
	struct sys_usage began;

	mmu_notifier_for_each(mn, m)
	{
		if (!mmu_notifier_born_before(mn, seq))
			continue;
		any = 1;
		began = callback_clock(!atomic);
		if (begin && mn->ops->invalidate_range_begin)
			mn->ops->invalidate_range_begin(
				mn, &m->pub, range->start, range->end, atomic);
		if (!begin && mn->ops->invalidate_range_end)
			mn->ops->invalidate_range_end(mn, &m->pub, atomic);
		callback_check(&began, mn);
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
	if (unlikely(sys_debug()) && open_in_callback(m))
		misuse_report(6,
			      "invalidation from a callback of the same mm, or "
			      "from a signal handler in one",
			      (void *)range->start);
	*seq = mm_seq(m);
	if (o) {
		o->event = (uint16_t)range->event;
		o->flags = (uint16_t)shown.flags;
		o->tag = range->owner;
	}
	t = open_walk_begin(m, o);
	any = tell_interval_begin(m, o, &shown, *seq,
				  range->flags & OPEN_MAY_FAIL);
	if (any >= 0 && !(range->flags & OPEN_INTERVAL_ONLY))
		any |= tell_list(m, &shown, *seq, true);
	open_walk_end(m, o, t);
	if (any <= 0) /* nor will anybody be told the end */
		*seq = 0;
	/* Only now: who leaves the walk by a jump has not told everybody. */
	if (o)
		__atomic_store_n(&o->seq, *seq, __ATOMIC_RELAXED);
	return any < 0 ? any : 0;
}

void open_end(struct mm *m, struct open *o, struct mmu_notifier_range *range,
	      unsigned long seq)
{
	struct mmu_notifier_range shown = range_shown(range);
	struct srcu_token t;

	if (!seq)
		return;
	/* Before the walk: who leaves it must not make a second one follow. */
	if (o)
		__atomic_store_n(&o->seq, 0, __ATOMIC_RELAXED);
	t = open_walk_begin(m, o);
	tell_invalidated(itree_snapshot(&m->itree), &shown, seq, NULL);
	if (!(range->flags & OPEN_INTERVAL_ONLY))
		tell_list(m, &shown, seq, false);
	open_walk_end(m, o, t);
}

/* ---- waiting ---- */

/* Does the record, as seen in word, stand for a change of [start, last]? */
static bool overlaps(const struct open *o, uint64_t word, unsigned long start,
		     unsigned long last)
{
	/* Abandoned: it has not happened, or it is over. */
	if (!(uint32_t)word || ((uint32_t)word & OPEN_ABANDONED))
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
 * Asleep in a system call for a second with its stack pointer above the
 * frame: it jumped out. (Asleep in a signal handler whose alternate stack
 * lies within 8 MiB above the frame would look the same; there the change
 * itself is a second old as well.)
 */
static bool asleep_above(const struct open *o, uint32_t tid)
{
	unsigned long sp, at = __atomic_load_n(&o->sp, __ATOMIC_RELAXED);

	return at && !sys_thread_sp(tid, &sp) && !on_callback_stack(sp) &&
	       sp > at && sp - at <= 8ul << 20;
}

/*
 * Called now and then while somebody waits: will the raiser close this
 * incarnation of the record, or end its walk? No, if the thread is dead, if
 * its frame is, or if it sleeps above it.
 */
static void look_for_abandoned(struct mm *m, struct open *o, uint64_t seen,
			       unsigned long waited_ns)
{
	uint32_t tid = (uint32_t)seen & OPEN_TID;
	uint64_t word = __atomic_load_n(&o->word, __ATOMIC_ACQUIRE);

	if (!still_open(o, seen) || ((uint32_t)word & OPEN_ABANDONED))
		return;
	if (sys_thread_alive(tid)) {
		/* While it is filled in, sp is that of an earlier one. */
		if ((uint32_t)word & OPEN_FILLING)
			return;
		if (!frame_overwritten(o) &&
		    (waited_ns < 1000 * MSEC || !asleep_above(o, tid)))
			return;
	}
	/* Only if it is the same incarnation, in the same state, still. */
	if (still_open(o, seen))
		mark_abandoned(m, o, word);
}

static void wait_one(struct mm *m, struct open *o, uint64_t seen)
{
	uint64_t since, waited;
	unsigned long nap;
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
	since = sys_now_ns();
	for (;;) {
		wake = __atomic_load_n(&m->v.wake, __ATOMIC_SEQ_CST);
		if (!still_open(o, seen))
			break;
		sys_futex_wait(&m->v.wake, wake, nap);
		waited = sys_now_ns() - since;
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
		sys_futex_wait(&m->v.wake,
			       __atomic_load_n(&m->v.wake, __ATOMIC_RELAXED),
			       MSEC);
}

void open_synchronize(struct mm *m)
{
	unsigned long cookie = srcu_start_poll(&m->v.srcu);
	uint64_t seen[MM_OPEN_MAX], since = sys_now_ns();
	int i;

	if (srcu_wait(&m->v.srcu, cookie, 100 * MSEC))
		return;
	for (i = 0; i < MM_OPEN_MAX; i++)
		seen[i] = __atomic_load_n(&m->v.open[i].word, __ATOMIC_ACQUIRE);
	while (!srcu_wait(&m->v.srcu, cookie, 100 * MSEC)) {
		for (i = 0; i < MM_OPEN_MAX; i++)
			if (((uint32_t)seen[i] & OPEN_CALLBACK) &&
			    still_open(&m->v.open[i], seen[i]))
				look_for_abandoned(m, &m->v.open[i], seen[i],
						   sys_now_ns() - since);
		reap_abandoned(m);
	}
}
