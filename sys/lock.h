/* SPDX-License-Identifier: MIT */
/*
 * sys/lock.h - a mutex and a readers-writer lock on futexes.
 *
 * All zero is unlocked, so they survive being wiped on fork. Not pthread's:
 * those may be interposed, are not valid after being wiped, and cannot be
 * used in a vfork child.
 */
#ifndef MMUN_SYS_LOCK_H
#define MMUN_SYS_LOCK_H

#include "sys/sys.h"

/* Held for a few instructions, with signals blocked: see sys_mutex_lock(). */
struct sys_mutex {
	uint32_t state; /* 0 free, 1 held, 2 held and waited for */
};

/* Blocks all signals, so that no handler can find its own thread inside. */
void sys_mutex_lock(struct sys_mutex *l, struct sys_sigset *old);
void sys_mutex_unlock(struct sys_mutex *l, const struct sys_sigset *old);
/* The same for a lock that nests in another: signals are blocked already. */
void sys_mutex_lock_blocked(struct sys_mutex *l);
void sys_mutex_unlock_blocked(struct sys_mutex *l);

/* Held by users across anything; writers are preferred. */
struct sys_rwlock {
	uint32_t state;	   /* SYS_RW_WRITER, or number of readers */
	uint32_t writers;  /* waiting or holding: readers stay out */
	uint32_t sleepers; /* on wake */
	uint32_t wake;
};

#define SYS_RW_WRITER (1u << 31)

void sys_read_lock(struct sys_rwlock *l);
bool sys_read_trylock(struct sys_rwlock *l);
void sys_read_unlock(struct sys_rwlock *l);
void sys_write_lock(struct sys_rwlock *l);
void sys_write_unlock(struct sys_rwlock *l);

static inline bool sys_write_locked(const struct sys_rwlock *l)
{
	return __atomic_load_n(&l->state, __ATOMIC_RELAXED) & SYS_RW_WRITER;
}

#endif /* MMUN_SYS_LOCK_H */
