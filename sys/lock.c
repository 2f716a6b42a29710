/* SPDX-License-Identifier: MIT */
/*
 * sys/lock.c - mutex and readers-writer lock on futexes.
 */
#include "sys/general_regs.h"

#include "sys/lock.h"

void sys_mutex_lock_blocked(struct sys_mutex *l)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(&l->state, &free, 1, false,
					__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&l->state, 2, __ATOMIC_ACQUIRE))
		sys_futex_wait(&l->state, 2, 0);
}

void sys_mutex_unlock_blocked(struct sys_mutex *l)
{
	if (__atomic_exchange_n(&l->state, 0, __ATOMIC_RELEASE) == 2)
		sys_futex_wake(&l->state, 1);
}

void sys_mutex_lock(struct sys_mutex *l, struct sys_sigset *old)
{
	sys_block_signals(old);
	sys_mutex_lock_blocked(l);
}

void sys_mutex_unlock(struct sys_mutex *l, const struct sys_sigset *old)
{
	sys_mutex_unlock_blocked(l);
	sys_restore_signals(old);
}

/* Sleep until something changed since wake was read as val. */
static void rw_sleep(struct sys_rwlock *l, uint32_t val)
{
	__atomic_fetch_add(&l->sleepers, 1, __ATOMIC_SEQ_CST);
	sys_futex_wait(&l->wake, val, 0);
	__atomic_fetch_sub(&l->sleepers, 1, __ATOMIC_RELAXED);
}

static void rw_wake(struct sys_rwlock *l)
{
	/* Full barrier; pairs with the one in rw_sleep(). */
	__atomic_fetch_add(&l->wake, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&l->sleepers, __ATOMIC_SEQ_CST))
		sys_futex_wake(&l->wake, INT32_MAX);
}

bool sys_read_trylock(struct sys_rwlock *l)
{
	uint32_t s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

	while (!(s & SYS_RW_WRITER) &&
	       !__atomic_load_n(&l->writers, __ATOMIC_RELAXED))
		if (__atomic_compare_exchange_n(&l->state, &s, s + 1, true,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void sys_read_lock(struct sys_rwlock *l)
{
	for (;;) {
		uint32_t wake = __atomic_load_n(&l->wake, __ATOMIC_SEQ_CST);

		if (sys_read_trylock(l))
			return;
		rw_sleep(l, wake);
	}
}

/*
 * A lock taken before fork() was wiped in the child: its unlock finds nobody
 * there, and must not take one from a reader that is.
 */
void sys_read_unlock(struct sys_rwlock *l)
{
	uint32_t s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);

	do {
		if (!s || (s & SYS_RW_WRITER))
			return;
	} while (!__atomic_compare_exchange_n(&l->state, &s, s - 1, true,
					      __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	if (s == 1)
		rw_wake(l);
}

void sys_write_lock(struct sys_rwlock *l)
{
	__atomic_fetch_add(&l->writers, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		uint32_t wake = __atomic_load_n(&l->wake, __ATOMIC_SEQ_CST);
		uint32_t free = 0;

		if (__atomic_compare_exchange_n(&l->state, &free, SYS_RW_WRITER,
						false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		rw_sleep(l, wake);
	}
}

void sys_write_unlock(struct sys_rwlock *l)
{
	if (!sys_write_locked(l)) /* wiped: see sys_read_unlock() */
		return;
	__atomic_store_n(&l->state, 0, __ATOMIC_RELEASE);
	__atomic_fetch_sub(&l->writers, 1, __ATOMIC_SEQ_CST);
	rw_wake(l);
}
