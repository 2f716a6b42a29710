/* SPDX-License-Identifier: MIT */
/*
 * mmun/page.h - struct page: the page lock, the dirty bit and the external
 * rmap count, for pages of managed address spaces.
 *
 * The owner of the pages (an embedder, or vm) embeds a struct page in its own
 * page descriptor and calls page_init() once. The memory must stay valid as
 * long as anybody may look at it; the library never frees it.
 */
#ifndef MMUN_PAGE_H
#define MMUN_PAGE_H

#include <mmun/types.h>

MMUN_BEGIN_DECLS

struct mm_struct;

/* Bits of page->flags; the numbers of the kernel of 2008. */
enum mmun_pageflags {
	PG_locked = 0,
	PG_waiters = 7, /* somebody sleeps in lock_page() */
	PG_dirty = 4,
	PG_external_rmap = 30, /* mirrors "external_rmap is not zero" */
};

/**
 * struct page - one page of a managed address space.
 * @flags: PG_ bits; use the accessors.
 * @external_rmap: how many exporters hold the page on an external rmap.
 * @mm: the address space it belongs to.
 * @address: where it is in @mm.
 */
struct page {
	unsigned int flags;
	unsigned int external_rmap;
	struct mm_struct *mm;
	unsigned long address;
};

void mmun_lock_page(struct page *page);
bool mmun_trylock_page(struct page *page);
void mmun_unlock_page(struct page *page);

/** page_init - make a page: unlocked, clean, not exported. Never fails. */
static inline void page_init(struct page *page, struct mm_struct *mm,
			     unsigned long address)
{
	page->flags = 0;
	page->external_rmap = 0;
	page->mm = mm;
	page->address = address;
}

/**
 * lock_page - take the page lock; sleeps while another holds it.
 *
 * Not recursive. Process context or a callback that may sleep.
 */
static inline void lock_page(struct page *page)
{
	mmun_lock_page(page);
}

/** trylock_page - take the page lock if it is free. Any context. */
static inline bool trylock_page(struct page *page)
{
	return mmun_trylock_page(page);
}

/** unlock_page - release the page lock and wake a waiter. Any context. */
static inline void unlock_page(struct page *page)
{
	mmun_unlock_page(page);
}

/** PageLocked - is the page locked (by anybody)? */
static inline int PageLocked(const struct page *page)
{
	return __atomic_load_n(&page->flags, __ATOMIC_ACQUIRE) >> PG_locked & 1;
}

/**
 * set_page_dirty - the page was written through an external reference.
 *
 * Any context. Returns 1 if the page was clean, else 0 (as in the kernel).
 */
static inline int set_page_dirty(struct page *page)
{
	return !(__atomic_fetch_or(&page->flags, 1u << PG_dirty,
				   __ATOMIC_ACQ_REL) >>
			 PG_dirty &
		 1);
}

/** PageDirty - has the page been written since it was last cleaned? */
static inline int PageDirty(const struct page *page)
{
	return __atomic_load_n(&page->flags, __ATOMIC_ACQUIRE) >> PG_dirty & 1;
}

/** TestClearPageDirty - clean the page; returns whether it was dirty. */
static inline int TestClearPageDirty(struct page *page)
{
	return __atomic_fetch_and(&page->flags, ~(1u << PG_dirty),
				  __ATOMIC_ACQ_REL) >>
		       PG_dirty &
	       1;
}

/** PageExternalRmap - does any exporter hold the page on an external rmap? */
static inline int PageExternalRmap(const struct page *page)
{
	return __atomic_load_n(&page->external_rmap, __ATOMIC_ACQUIRE) != 0;
}

void mmun_set_external_rmap(struct page *page);
void mmun_clear_external_rmap(struct page *page);

/**
 * SetPageExternalRmap - one exporter at least (the document's macro).
 *
 * Page lock held. Exporters should use mmu_rmap_export_page(), which counts.
 */
static inline void SetPageExternalRmap(struct page *page)
{
	mmun_set_external_rmap(page);
}

/** ClearPageExternalRmap - no exporter any more; the count becomes zero. */
static inline void ClearPageExternalRmap(struct page *page)
{
	mmun_clear_external_rmap(page);
}

MMUN_END_DECLS

#endif /* MMUN_PAGE_H */
