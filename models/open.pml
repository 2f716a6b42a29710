/* SPDX-License-Identifier: MIT */
/*
 * open.pml - open invalidations: core/open.h with classes 1 and 3 on top.
 *
 * Raisers change one page (pte) that one subscriber shadows (spte). What is
 * written with plain stores goes through TSO store buffers: FIFO, emptied one
 * store at a time whenever it pleases, by a locked operation of their owner,
 * or from outside by membarrier.
 *
 * An atomic step holds at most one access to what others write; what else is
 * in it is local, or commutes with every step of the others.
 *
 * Scenarios (models/run): class 3 as it stands; CLASS1; OVERFLOW (one record
 * for two raisers); LIVES=2 (removed, inserted again); JUMP (a raiser leaves
 * its frame by siglongjmp, and raises again). Seeded bugs: -DBUG_...;
 * models/README.md says what each of them leaves out.
 */
#ifndef NR
#define NR 2 /* raisers */
#endif
#ifndef RAISES
#define RAISES 1 /* by the first of them; the others raise once */
#endif
#ifndef LIVES
#define LIVES 1 /* insertions of the subscription */
#endif
#ifdef OVERFLOW
#define NREC 1
#else
#define NREC 2
#endif

#define TID(r) ((r) + 1)
#define SUBSCRIBER NR /* its thread, its store buffer */
#define FILLING 8
#define ABANDONED 16
#define CALLBACK 32
#define is_abandoned(owner) ((owner) / ABANDONED % 2 == 1)

/* Memory that is written through store buffers. */
#define OWNER(i) (i)
#define SEQ(i) (NREC + (i))
#define TREE (2 * NREC)
#define BORN (2 * NREC + 1)
byte mem[2 * NREC + 2];
chan sb[NR + 1] = [4] of { byte, byte };

/* A locked operation begins with this: what its thread stored is visible. */
#define flushed(p) empty(sb[p])

/* Memory that only locked operations change. */
byte gen[NREC]; /* the upper half of word */
byte invalidate_seq = 1; /* counts newcomers; begins only read it */
byte overflow;
byte abandoned;
byte waiters;
byte wake;
bool asleep;	    /* the subscriber, in futex_wait */
bool walks[NR + 1]; /* in an SRCU section */

/* Under the user lock, whose critical sections are atomic steps. */
byte sub_seq;
byte spte;

byte pte = 1;

/* Ghosts. A raise is an incarnation, from 1. */
byte life;	 /* which insertion of the subscription this is */
bool alive;	 /* its memory is the library's */
bool registered; /* class 1: register has returned */
byte told[NR + RAISES]; /* by incarnation: to which life, no end yet */
#ifdef JUMP
byte incarnations;
byte frame[NR];	    /* incarnation whose stack frame exists; 0: none */
byte claimed[NREC]; /* incarnation that holds the record */
bool jumped;
byte leaked; /* incarnation that jumped out of a walk: its SRCU section */
#endif

/* The buffers drain, one store at a time. */
active proctype memory()
{
	byte a, v;

end:	do
	:: atomic { sb[0]?a,v -> mem[a] = v; a = 0; v = 0 }
	:: atomic { sb[1]?a,v -> mem[a] = v; a = 0; v = 0 }
#if NR > 1
	:: atomic { sb[2]?a,v -> mem[a] = v; a = 0; v = 0 }
#endif
	od
}

inline next_seq(p_, n_)
{
	atomic { flushed(p_) -> invalidate_seq++; n_ = invalidate_seq }
}

/*
 * mm_number: drawn by whoever needs it first. A raiser that meets a newcomer
 * without a number gives it one, which is larger than what it read before the
 * walk. So "born <= seq" is the same at begin and at end.
 */
inline number_newcomer(p_, b_)
{
	b_ = mem[BORN];
	if
	:: b_ == 0 ->
		next_seq(p_, b_);
		atomic {
			flushed(p_) ->
			if
			:: mem[BORN] == 0 -> mem[BORN] = b_
			:: else -> b_ = mem[BORN]
			fi
		}
	:: else
	fi
}

/* A raiser's: is the subscription that it meets told of begin s_? */
#ifdef BUG_NEWCOMER_UNNUMBERED
#define meet(p_, b_) b_ = mem[BORN]
#else
#define meet(p_, b_) number_newcomer(p_, b_)
#endif
#define is_told(b_, s_) (b_ != 0 && b_ <= s_)

/*
 * What invalidate() stores in the subscription: of incarnation gen of record
 * i_; odd, unlike what insert stores. Out of records: a number of its own.
 */
#if defined(BUG_COLLISION_SEQ_SHARED)
#define record_seq(i_, s_) (2 * (s_) + 1)
#elif defined(BUG_COLLISION_SEQ_NO_GEN)
#define record_seq(i_, s_) (2 * (i_) + 1)
#elif defined(BUG_COLLISION_SEQ_NO_INDEX)
#define record_seq(i_, s_) (2 * gen[i_] + 1)
#else
#define record_seq(i_, s_) (2 * (NREC * gen[i_] + (i_)) + 1)
#endif

inline collision_seq(p_, i_, s_, c_)
{
#ifdef CLASS1
	skip
#else
	if
	:: i_ < NREC -> c_ = record_seq(i_, s_)
#ifdef OVERFLOW
	:: else ->
		next_seq(p_, c_);
		c_ = 128 + 2 * c_ + 1
#endif
	fi
#endif
}

/* Callbacks; me_ is the incarnation whose begin or end it is. */
inline callback_begin(me_, c_)
{
	atomic {
		assert(alive); /* else: after remove */
		assert(told[me_] == 0);
		told[me_] = life;
#ifndef BUG_NO_SET_SEQ
		sub_seq = c_;
#endif
		c_ = 0;
		spte = 0
	}
}

inline callback_end(me_)
{
	atomic {
		assert(alive);
		assert(told[me_] == life); /* else: an end without a begin */
		told[me_] = 0
	}
}

/* open_end: thread p_ tells the end of begin s_ to those who were told. */
inline walk_end(p_, me_, s_, b_)
{
	atomic { flushed(p_) -> walks[p_] = true; b_ = mem[TREE] }
	if
	:: b_ != 0 ->
		meet(p_, b_);
		if
#ifdef BUG_BORN_UNCHECKED
		:: true -> callback_end(me_)
#else
		:: is_told(b_, s_) -> callback_end(me_)
		:: else ->
			assert(told[me_] != life) /* else: misses an end */
#endif
		fi
	:: else
	fi;
	atomic { flushed(p_) -> walks[p_] = false; b_ = 0 }
}

#ifdef JUMP
/* Leave the frame without closing, once per run. */
#define MAY_JUMP                                                  \
	if                                                        \
	:: atomic {                                               \
		!jumped ->                                        \
		jumped = true;                                    \
		frame[r] = 0;                                     \
		leaked = (walks[r] -> me : 0);                    \
		walks[r] = false                                  \
	   };                                                     \
	   goto out                                               \
	:: true                                                   \
	fi

/*
 * reap_abandoned: thread p_ closes record i_ if it is marked, as invalidated.
 * An SRCU section that was left open (the record says so) is ended.
 */
inline reap(p_, i_, o_, me_, b_, s_)
{
	o_ = mem[OWNER(i_)];
	if
	:: is_abandoned(o_) ->
		atomic {
			flushed(p_) ->
			if
#ifdef BUG_REAP_NO_CAS
			:: true ->
#else
			:: mem[OWNER(i_)] == o_ ->
#endif
				mem[OWNER(i_)] = CALLBACK + TID(p_);
#ifndef BUG_REAP_KEEPS_GEN
				gen[i_]++; /* who saw it before sees another */
#endif
				abandoned--;
				me_ = claimed[i_]
			:: else -> o_ = 0
			fi
		}
		if
		:: o_ != 0 ->
			/* Never one whose raiser is still in it. */
			assert(frame[0] == 0 || frame[0] != me_);
			s_ = mem[SEQ(i_)];
			if
			:: s_ != 0 -> walk_end(p_, me_, s_, b_)
			:: else
			fi;
			atomic {
				flushed(p_) ->
				assert(claimed[i_] == me_);
#ifndef BUG_REAP_LEAKS_SECTION
				if
				:: leaked == me_ -> leaked = 0
				:: else
				fi;
#endif
				told[me_] = 0;
				claimed[i_] = 0;
				mem[OWNER(i_)] = 0
			}
		:: else
		fi
	:: else
	fi;
	atomic { o_ = 0; me_ = 0; s_ = 0 }
}

#else
#define MAY_JUMP skip
#endif

proctype raiser(byte r)
{
	byte i, seq, b, c, me;
#ifdef JUMP
	byte o, v, s, left = (r == 0 -> RAISES : 1);
#endif

again:	/* open_claim */
#ifdef JUMP
	/* Its own record, and yet it is in no frame: jumped out of. */
	atomic {
		flushed(r) ->
		if
		:: mem[OWNER(r)] == TID(r) ->
			mem[OWNER(r)] = TID(r) + ABANDONED;
			abandoned++
		:: else
		fi
	}
#endif
#ifdef BUG_EPOCH_LOADED_BEFORE_CLAIM
	seq = invalidate_seq;
#endif
	atomic {
#ifndef BUG_NO_CLAIM_BARRIER
		flushed(r) ->
#endif
#ifdef JUMP
		left--;
		incarnations++;
		me = incarnations;
		frame[r] = me;
#else
		me = r;
#endif
		if
		:: mem[OWNER(r % NREC)] == 0 -> i = r % NREC
		:: else ->
			i = NREC - 1 - r % NREC;
			if
			:: mem[OWNER(i)] == 0
			:: else -> i = NREC
			fi
		fi;
		if
		:: i < NREC ->
			gen[i]++;
#ifdef JUMP
			claimed[i] = me;
#endif
#ifdef BUG_NO_CLAIM_BARRIER
			sb[r]!OWNER(i),(TID(r) + FILLING)
#else
			mem[OWNER(i)] = TID(r) + FILLING
#endif
		:: else -> overflow++
		fi
	}
	atomic {
		if
		:: i < NREC ->
#ifdef JUMP
			sb[r]!SEQ(i),0;
#endif
			sb[r]!OWNER(i),TID(r)
		:: else
		fi
	}
	MAY_JUMP;

	/* The hull: nobody there, nobody to tell. */
	if
	:: mem[TREE] == 0 -> atomic { seq = 0; goto change }
	:: else
	fi;

	/* open_begin */
#ifdef JUMP
	if
	:: abandoned != 0 -> reap(r, r, o, v, b, s)
	:: else
	fi;
#endif
#if !defined(BUG_EPOCH_LOADED_BEFORE_CLAIM) && !defined(BUG_EPOCH_LOADED_LATE)
	seq = invalidate_seq; /* mm_seq: a plain load, no barrier */
#endif
	atomic { flushed(r) -> walks[r] = true }
#ifdef BUG_SEQ_EARLY
	sb[r]!SEQ(i),seq;
	MAY_JUMP;
#endif
	b = mem[TREE];
#ifdef BUG_EPOCH_LOADED_LATE
	seq = invalidate_seq;
#endif
	if
	:: b != 0 ->
		meet(r, b);
		if
		:: is_told(b, seq) ->
			collision_seq(r, i, seq, c);
			callback_begin(me, c);
			MAY_JUMP
		:: else
		fi
	:: else
	fi;
	atomic { flushed(r) -> walks[r] = false; b = 0 }
#if defined(JUMP) && !defined(BUG_SEQ_EARLY)
	sb[r]!SEQ(i),seq;
#endif
	MAY_JUMP;

change:
#ifdef BUG_CLOSE_EARLY
	sb[r]!OWNER(i),0;
#endif
	atomic {
		pte++;
		/* Nothing was published between begin and end. */
		assert(spte == 0);
		/* Class 1: who has registered was told of this change. */
		assert(!registered || told[me] == life)
	}
	MAY_JUMP;

	/* open_end */
	if
	:: seq != 0 ->
#if defined(JUMP) && !defined(BUG_SEQ_KEPT)
		sb[r]!SEQ(i),0;
#endif
		walk_end(r, me, seq, b);
		MAY_JUMP
	:: else
	fi;

	/* open_close */
	if
	:: i < NREC ->
		atomic {
#ifdef JUMP
			assert(claimed[i] == me); /* it is still ours */
			claimed[i] = 0;
#endif
#ifdef BUG_CLOSE_EARLY
			skip
#else
			sb[r]!OWNER(i),0
#endif
		}
	:: else -> atomic { flushed(r) -> overflow-- }
	fi;
	if
	:: waiters != 0 ->
		atomic { flushed(r) -> wake++ }
		asleep = false
	:: else
	fi;
	told[me] = 0; /* removed before the end */
out:
	atomic {
#ifdef JUMP
		frame[r] = 0;
#endif
		i = 0;
		seq = 0;
		b = 0;
		c = 0;
		me = 0;
#ifdef JUMP
		if
		:: left > 0 -> goto again
		:: else
		fi
#endif
	}
}

#ifdef JUMP
/*
 * look_for_abandoned: thread k was seen above its frame, so it has abandoned
 * what it held then. A compare-and-swap of word, generation included.
 */
inline mark_abandoned()
{
	above = false;
	atomic {
		if
#ifdef BUG_MARK_NO_GEN
		:: mem[OWNER(i)] % FILLING == k -> g = gen[i]
#else
		:: mem[OWNER(i)] % FILLING == k && gen[i] == g
#endif
		:: else -> o = ABANDONED
		fi
	}
	if
	:: o == 0 -> o = mem[OWNER(i)]
	:: else
	fi;
	if
	:: !is_abandoned(o) ->
		atomic {
			if
			:: mem[OWNER(i)] == o && gen[i] == g ->
				mem[OWNER(i)] = o + ABANDONED;
				abandoned++
			:: else
			fi
		}
	:: else
	fi;
	o = 0
}
#endif

/* Sleep until generation g of record i is closed; i == NREC: overflow. */
inline open_wait_one()
{
	atomic { flushed(SUBSCRIBER) -> waiters++ }
#ifndef BUG_NO_MEMBARRIER
	/* sys_membarrier: each buffer is empty at some moment from now on. */
	flushed(0);
#if NR > 1
	flushed(1);
#endif
#endif
	do
	:: true ->
#ifndef BUG_WAKE_READ_LATE
		w = wake;
#endif
		/* still_open: one load of word */
		atomic {
			if
			:: i == NREC && overflow == 0 -> break
			:: i < NREC && (mem[OWNER(i)] % FILLING != k ||
					gen[i] != g) -> break
			:: else
			fi
		}
#ifdef JUMP
		/*
		 * look_for_abandoned: where does the thread stand? Above any
		 * frame: it is blocked there, so its stores are visible.
		 */
		above = (frame[k - 1] == 0 && len(sb[k - 1]) == 0);
		if
		:: above ->
			mark_abandoned();
			reap(SUBSCRIBER, i, o, v, b, n)
		:: else
		fi;
#endif
#ifdef BUG_WAKE_READ_LATE
		w = wake;
#endif
		atomic {
			if
			:: wake == w -> asleep = true
			:: else
			fi
		}
#if defined(JUMP) && !defined(BUG_WAIT_NO_LOOK)
		/* It looks for abandoned ones every now and then. */
		atomic { !asleep || frame[0] == 0 -> asleep = false }
#else
		!asleep
#endif
	od;
	atomic { flushed(SUBSCRIBER) -> waiters--; w = 0; g = 0 }
}

/* open_wait: until those that are open now are closed. */
inline open_wait()
{
	do
	:: i == NREC -> break
	:: i < NREC ->
		atomic { k = mem[OWNER(i)]; g = gen[i] }
		if
		:: k == 0 || is_abandoned(k) -> atomic { i++; g = 0 }
#ifdef BUG_FILLING_RANGE
		:: k / FILLING % 2 == 1 -> atomic { i++; g = 0 } /* an old range */
		:: k != 0 && k / FILLING % 2 == 0 && !is_abandoned(k) ->
#else
		:: k != 0 && !is_abandoned(k) ->
#endif
			k = k % FILLING;
			open_wait_one();
			i++
		fi
	od;
#ifdef OVERFLOW
	if
	:: overflow != 0 -> open_wait_one()
	:: else
	fi;
#endif
	atomic { i = 0; k = 0 }
}

/* remove and unregister: unpublish, then every walk of now is over. */
inline unpublish()
{
	atomic { spte = 0; registered = false; sb[SUBSCRIBER]!TREE,0 }
	flushed(SUBSCRIBER);
#ifndef BUG_REMOVE_NO_WAIT
	do
	:: i == NR -> break
	:: i < NR && !walks[i] -> i++
	od;
#ifdef BUG_REAP_LEAKS_SECTION
	leaked == 0;
#elif defined(JUMP)
	do
	:: leaked == 0 -> break
	:: leaked != 0 ->
		/* Waits in vain: looks for abandoned records, too. */
		i = 0;
		do
		:: i == NREC -> break
		:: i < NREC ->
			atomic { k = mem[OWNER(i)]; g = gen[i] }
			above = (frame[0] == 0 && len(sb[0]) == 0);
			if
			:: k % FILLING == TID(0) && above ->
				k = k % FILLING;
				mark_abandoned()
			:: else -> above = false
			fi;
			reap(SUBSCRIBER, i, o, v, b, n);
			i++
		od
	od;
#endif
#endif
	atomic { alive = false; i = 0; k = 0; g = 0 }
}

proctype subscriber()
{
	byte i, k, g, w, b, n, s, v;
#ifdef JUMP
	byte o;
	bool above;
#endif

again:
#ifdef BUG_LOOK_FIRST
	open_wait();
#endif
	/* insert or register */
#ifndef CLASS1
	next_seq(SUBSCRIBER, n);
	sub_seq = 2 * n; /* even; before the first begin can meet it */
	n = 0;
#endif
	atomic {
		life++;
		alive = true;
#ifndef BUG_REINSERT_OLD_BORN
		mem[BORN] = 0;
#endif
		sb[SUBSCRIBER]!TREE,1
	}
#ifdef BUG_BORN_PLAIN
	b = mem[BORN];
	if
	:: b == 0 ->
		next_seq(SUBSCRIBER, b);
		sb[SUBSCRIBER]!BORN,b;
		flushed(SUBSCRIBER)
	:: else
	fi;
#else
	number_newcomer(SUBSCRIBER, b);
#endif
	b = 0;

#ifdef CLASS1
#ifndef BUG_LOOK_FIRST
	open_wait();
#endif
	registered = true;
#else
retry:	/* mmu_interval_read_begin */
	s = sub_seq;
#ifndef BUG_READER_NO_WAIT
	open_wait();
#endif
	v = pte;
	atomic {
#ifndef BUG_NO_RETRY
		if
		:: sub_seq != s -> goto retry
		:: else
		fi;
#endif
		spte = v;
		s = 0;
		v = 0
	}
#endif

	if
	:: unpublish()
	:: life == LIVES /* stays */
	fi;
	atomic {
		if
		:: life < LIVES -> goto again
		:: else
		fi
	}
}

init {
	atomic {
		run raiser(0);
#if NR > 1
		run raiser(1);
#endif
		run subscriber()
	}
	_nr_pr == 2; /* memory and init */
	assert(spte == 0 || spte == pte)
}
