/* SPDX-License-Identifier: MIT */
/*
 * core/page.c - the page lock: a bit in page->flags and a futex on the word.
 */
#include "sys/general_regs.h"

#include <mmun/page.h>

#include "sys/sys.h"

#define LOCKED (1u << PG_locked)
#define WAITERS (1u << PG_waiters)
#define EXTERNAL_RMAP (1u << PG_external_rmap)

bool mmun_trylock_page(struct page *page)
{
	return !(__atomic_fetch_or(&page->flags, LOCKED, __ATOMIC_ACQUIRE) &
		 LOCKED);
}

void mmun_lock_page(struct page *page)
{
	while (!mmun_trylock_page(page)) {
		uint32_t flags = __atomic_or_fetch(&page->flags, WAITERS,
						   __ATOMIC_RELAXED);

		/* Any other bit that changes ends the wait early: look again.
		 */
		if (flags & LOCKED)
			sys_futex_wait(&page->flags, flags, 0);
	}
}

void mmun_unlock_page(struct page *page)
{
	uint32_t was = __atomic_fetch_and(&page->flags, ~(LOCKED | WAITERS),
					  __ATOMIC_RELEASE);

	/* All: those who lose the race must set the bit again. */
	if (was & WAITERS)
		sys_futex_wake(&page->flags, INT32_MAX);
}

void mmun_set_external_rmap(struct page *page)
{
	uint32_t none = 0;

	__atomic_compare_exchange_n(&page->external_rmap, &none, 1, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	__atomic_fetch_or(&page->flags, EXTERNAL_RMAP, __ATOMIC_RELEASE);
}

void mmun_clear_external_rmap(struct page *page)
{
	__atomic_store_n(&page->external_rmap, 0, __ATOMIC_RELEASE);
	__atomic_fetch_and(&page->flags, ~EXTERNAL_RMAP, __ATOMIC_RELEASE);
}
