/* SPDX-License-Identifier: MIT */
/*
 * srcu.pml - the double flip of core/srcu.c, its polling and its sleeping.
 *
 * Each updater owns a pointer; it replaces the object, waits for a grace
 * period and frees the old one. Readers follow the pointers inside sections.
 * Plain stores go through TSO store buffers, as in open.pml; every load of a
 * counter is a step of its own, so that sums are taken while readers move.
 *
 * Scenarios (models/run): two readers, one of them nesting, with an updater
 * that synchronizes twice; MIGRATE (a section ends on another stripe); POLL
 * (an updater that sleeps and one that polls). Seeded bugs: -DBUG_...
 */
#ifdef POLL
#define UPDATERS 2
#else
#define UPDATERS 1
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* of the updater that sleeps */
#endif

#define IDLE 0
#define PREPARE 1
#define FINISH 2

/* Memory that is written through store buffers. */
#define LOCK(stripe, parity) (2 * (stripe) + (parity))
#define UNLOCK(stripe, parity) (4 + 2 * (stripe) + (parity))
#define CUR(u) (8 + (u))
#define WAITING 10
byte mem[11];
chan sb[READERS + UPDATERS] = [3] of { byte, byte };

/* A locked operation begins with this: what its thread stored is visible. */
#define flushed(p) empty(sb[p])

/* Written by locked operations only, or under gp_lock. */
byte idx; /* its parity */
byte started;
byte completed;
byte phase;
bool gp_lock;
byte wake;
bool asleep[UPDATERS];

/* Ghost: the objects, numbered from 0 for each updater. */
bool freed[UPDATERS * (ROUNDS + 1)];
#define OBJECT(u, nr) ((u) * (ROUNDS + 1) + (nr))

/* The buffers drain, one store at a time. */
#define DRAIN(p) sb[p]?a,v -> mem[a] = v; a = 0; v = 0
active proctype memory()
{
	byte a, v;

end:	do
	:: atomic { DRAIN(0) }
	:: atomic { DRAIN(1) }
#if READERS + UPDATERS > 2
	:: atomic { DRAIN(2) }
#endif
#if READERS + UPDATERS > 3
	:: atomic { DRAIN(3) }
#endif
	od
}

/* ---- readers ---- */

/* srcu_read_lock; two steps: preempted between them is the hard case. */
inline read_lock(r_, token_)
{
	token_ = idx;
#ifdef BUG_LOCK_PLAIN
	sb[r_]!LOCK(r_, token_),(mem[LOCK(r_, token_)] + 1)
#else
	atomic { flushed(r_) -> mem[LOCK(r_, token_)]++ }
#endif
}

#ifdef MIGRATE
#define END_STRIPE(r_) (1 - (r_))
#else
#define END_STRIPE(r_) (r_)
#endif

inline read_unlock(r_, token_)
{
#ifdef BUG_UNLOCK_WRONG_IDX
	token_ = idx;
#endif
#ifdef BUG_UNLOCK_PLAIN
	sb[r_]!UNLOCK(r_, token_),(mem[UNLOCK(r_, token_)] + 1);
#else
	atomic { flushed(r_) -> mem[UNLOCK(END_STRIPE(r_), token_)]++ }
#endif
	token_ = 0;
	if
	:: mem[WAITING] != 0 ->
		/* srcu_wake */
#ifdef BUG_WAKE_CLEARS_LATE
		atomic { flushed(r_) -> wake++ }
		mem[WAITING] = 0;
#else
		atomic { flushed(r_) -> mem[WAITING] = 0 }
		wake++;
#endif
		atomic {
			asleep[0] = false;
#if UPDATERS > 1
			asleep[1] = false
#endif
		}
	:: mem[WAITING] == 0
	fi
}

proctype reader(byte r)
{
	byte outer, inner, object, u;
	byte left = (r == 0 -> 2 : 1);

again:
#if UPDATERS > 1
	if
	:: u = 0
	:: u = 1
	fi;
#endif
	read_lock(r, outer);
	object = OBJECT(u, mem[CUR(u)]);
	assert(!freed[object]);
	if
	:: r == 1 ->
		read_lock(r, inner);
		assert(!freed[object]);
		read_unlock(r, inner)
	:: else
	fi;
	assert(!freed[object]);
	object = 0;
	read_unlock(r, outer);
	atomic {
		u = 0;
		left--;
		if
		:: left > 0 -> goto again
		:: else
		fi
	}
}

/* ---- grace periods ---- */

/* srcu_drained: drained_ = sum(unlock[parity]) == sum(lock[parity]). */
inline srcu_drained(p_, parity_, sum_, drained_)
{
#ifdef BUG_SUMS_SWAPPED
	atomic { sum_ = mem[LOCK(0, parity_)]; drained_ = false }
	sum_ = sum_ + mem[LOCK(1, parity_)];
	flushed(p_);
	sum_ = sum_ - mem[UNLOCK(0, parity_)];
	atomic {
		sum_ = sum_ - mem[UNLOCK(1, parity_)];
#else
	atomic { sum_ = -mem[UNLOCK(0, parity_)]; drained_ = false }
	sum_ = sum_ - mem[UNLOCK(1, parity_)];
	flushed(p_); /* the fence between the sums */
	sum_ = sum_ + mem[LOCK(0, parity_)];
	atomic {
		sum_ = sum_ + mem[LOCK(1, parity_)];
#endif
		drained_ = (sum_ == 0);
		sum_ = 0
	}
}

/* srcu_advance; gp_lock held. progress_: the period is over. */
inline srcu_advance(p_, sum_, progress_)
{
	progress_ = true;
	if
	:: phase == IDLE ->
		atomic { flushed(p_) -> started++; phase = PREPARE }
	:: else
	fi;
	if
	:: phase == PREPARE ->
#ifndef BUG_SINGLE_FLIP
		srcu_drained(p_, 1 - idx, sum_, progress_);
#endif
		if
		:: progress_ ->
			atomic { flushed(p_) -> idx = 1 - idx; phase = FINISH }
		:: else
		fi
	:: else
	fi;
	if
	:: progress_ ->
#ifndef BUG_NO_FINISH
		srcu_drained(p_, 1 - idx, sum_, progress_);
#endif
		if
		:: progress_ -> atomic { phase = IDLE; completed = started }
		:: else
		fi
	:: else
	fi
}

/* srcu_poll: done_ = completed >= cookie_, after what steps are possible. */
inline srcu_poll(p_, cookie_, sum_, progress_, done_)
{
	done_ = (completed >= cookie_);
	if
	:: !done_ ->
		atomic { flushed(p_) && !gp_lock -> gp_lock = true }
		do
		:: completed >= cookie_ -> break
		:: else ->
			srcu_advance(p_, sum_, progress_);
			if
			:: progress_
			:: else -> break
			fi
		od;
		atomic {
			flushed(p_) ->
			gp_lock = false;
			progress_ = false;
			done_ = (completed >= cookie_)
		}
	:: else
	fi
}

/* srcu_start_poll */
inline srcu_start_poll(p_, cookie_)
{
#ifndef BUG_NO_FENCE
	flushed(p_);
#endif
#ifdef BUG_COOKIE_EARLY
	cookie_ = completed + 1
#else
	cookie_ = started + 1
#endif
}

/* srcu_synchronize by updater u_ */
inline srcu_synchronize(p_, u_, cookie_, sum_, progress_, done_, w_)
{
	srcu_start_poll(p_, cookie_);
	do
	:: true ->
		srcu_poll(p_, cookie_, sum_, progress_, done_);
		if
		:: done_ -> break
		:: else
		fi;
#ifndef BUG_WAKE_READ_LATE
		w_ = wake;
#endif
#ifndef BUG_WAITING_LATE
		atomic { flushed(p_) -> mem[WAITING] = 1 }
#endif
		srcu_poll(p_, cookie_, sum_, progress_, done_);
		if
		:: done_ -> break
		:: else
		fi;
#ifdef BUG_WAITING_LATE
		atomic { flushed(p_) -> mem[WAITING] = 1 }
#endif
#ifdef BUG_WAKE_READ_LATE
		w_ = wake;
#endif
		/* futex_wait, without a timeout */
		atomic {
			if
			:: wake == w_ -> asleep[u_] = true
			:: else
			fi
		}
		!asleep[u_]
	od;
	atomic { w_ = 0; done_ = false; cookie_ = 0 }
}

#define ME READERS
proctype sleeper()
{
	byte nr, cookie, w;
	short sum;
	bool progress, done;

again:
	sb[ME]!CUR(0),(nr + 1);
	srcu_synchronize(ME, 0, cookie, sum, progress, done, w);
	atomic {
		freed[OBJECT(0, nr)] = true;
		nr++;
		if
		:: nr < ROUNDS -> goto again
		:: else
		fi
	}
}

#define POLLER (READERS + 1)
#ifdef POLL
proctype poller()
{
	byte cookie;
	short sum;
	bool progress, done;

	sb[POLLER]!CUR(1),1;
	srcu_start_poll(POLLER, cookie);
	do
	:: true ->
		srcu_poll(POLLER, cookie, sum, progress, done);
		if
		:: done -> break
		:: else
		fi
	od;
	freed[OBJECT(1, 0)] = true
}
#endif

init {
	atomic {
		run reader(0);
#if READERS > 1
		run reader(1);
#endif
#ifdef POLL
		run poller();
#endif
		run sleeper()
	}
}
