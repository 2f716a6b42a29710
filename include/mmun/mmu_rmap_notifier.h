/* SPDX-License-Identifier: MIT */
/*
 * mmun/mmu_rmap_notifier.h - class 2: global callbacks, told by struct page.
 *
 * For consumers that keep their own reverse maps. They export a page before
 * they put it on such a map; when the page goes, invalidate_page is called
 * with the page lock held and nothing else, and may sleep (the owner of the
 * page may be reclaiming memory: it must not wait for memory from there).
 */
#ifndef MMUN_MMU_RMAP_NOTIFIER_H
#define MMUN_MMU_RMAP_NOTIFIER_H

#include <mmun/config.h>
#include <mmun/page.h>

MMUN_BEGIN_DECLS

struct mmu_rmap_notifier_ops;

/**
 * struct mmu_rmap_notifier - a class 2 subscription; embedded by its owner.
 * @hlist: link, library's.
 * @ops: set by the owner before registering.
 * @magic: library's, must start as 0.
 */
struct mmu_rmap_notifier {
	struct hlist_node hlist;
	const struct mmu_rmap_notifier_ops *ops;
	unsigned long magic;
};

struct mmu_rmap_notifier_ops {
	/*
	 * Remove every remote reference to @page. Called with the page lock
	 * held, after the page was taken from its local users. Report dirt
	 * with set_page_dirty() before returning. If the page cannot be let
	 * go now, call mmu_rmap_keep_page(page).
	 */
	void (*invalidate_page)(struct mmu_rmap_notifier *mrn,
				struct page *page);
};

#ifdef CONFIG_MMU_NOTIFIER

int mmun_rmap_notifier_register(struct mmu_rmap_notifier *mrn);
int mmun_rmap_notifier_unregister(struct mmu_rmap_notifier *mrn);
struct hlist_head *mmun_rmap_notifier_list(void) __attribute__((const));
int mmun_rmap_export_page(struct page *page);
int mmun_rmap_withdraw_page(struct page *page);
int mmun_rmap_keep_page(struct page *page);
int mmun_rmap_invalidate_page(struct page *page);

/* The document's global list, here with the process (empty after fork). */
#define mmu_rmap_notifier_list (*mmun_rmap_notifier_list())

/**
 * mmu_rmap_notifier_register - tell @mrn of every exported page that goes.
 *
 * Process context. Returns 0, -EINVAL (no ops) or -EEXIST.
 */
static inline int mmu_rmap_notifier_register(struct mmu_rmap_notifier *mrn)
{
	return mmun_rmap_notifier_register(mrn);
}

/**
 * mmu_rmap_notifier_unregister - no callback runs or will run on return.
 *
 * Waits for running ones. Returns 0, -ENOENT, or -EDEADLK (from one).
 */
static inline int mmu_rmap_notifier_unregister(struct mmu_rmap_notifier *mrn)
{
	return mmun_rmap_notifier_unregister(mrn);
}

/**
 * mmu_rmap_export_page - call before @page is put on an external rmap.
 *
 * Page lock held (checked). Exports are counted: each is taken back by one
 * mmu_rmap_withdraw_page(), or all of them by an invalidation that succeeds.
 * Returns 0 or -EPERM (page not locked).
 */
static inline int mmu_rmap_export_page(struct page *page)
{
	return mmun_rmap_export_page(page);
}

/**
 * mmu_rmap_withdraw_page - one exporter has let go of @page.
 *
 * Page lock held. Returns 0, -EPERM (not locked), -ENOENT (not exported).
 */
static inline int mmu_rmap_withdraw_page(struct page *page)
{
	return mmun_rmap_withdraw_page(page);
}

/**
 * mmu_rmap_keep_page - from invalidate_page: this page cannot go now.
 *
 * The raiser gets -EBUSY and keeps page and contents. Every callback is still
 * asked. Returns 0, or -EPERM outside an invalidation of @page.
 */
static inline int mmu_rmap_keep_page(struct page *page)
{
	return mmun_rmap_keep_page(page);
}

/**
 * mmu_rmap_invalidate_page - raise: @page goes. Page lock held.
 *
 * Does nothing for a page nobody exported. On success no export is left.
 * May sleep. Returns 0, -EBUSY (a callback kept it; exports stay), -EPERM
 * (page not locked).
 */
static inline int mmu_rmap_invalidate_page(struct page *page)
{
	return mmun_rmap_invalidate_page(page);
}

/**
 * mmu_rmap_notifier - the document's macro, e.g.
 * mmu_rmap_notifier(invalidate_page, page).
 */
#define mmu_rmap_notifier(function, args...)     \
	do {                                     \
		(void)mmu_rmap_##function(args); \
	} while (0)

#else /* !CONFIG_MMU_NOTIFIER */

static inline int mmu_rmap_notifier_register(struct mmu_rmap_notifier *mrn)
{
	(void)mrn;
	return 0;
}

static inline int mmu_rmap_notifier_unregister(struct mmu_rmap_notifier *mrn)
{
	(void)mrn;
	return 0;
}

static inline int mmu_rmap_export_page(struct page *page)
{
	(void)page;
	return 0;
}

static inline int mmu_rmap_withdraw_page(struct page *page)
{
	(void)page;
	return 0;
}

static inline int mmu_rmap_keep_page(struct page *page)
{
	(void)page;
	return 0;
}

static inline int mmu_rmap_invalidate_page(struct page *page)
{
	(void)page;
	return 0;
}

#define mmu_rmap_notifier(function, args...)                        \
	do {                                                        \
		if (0) {                                            \
			struct mmu_rmap_notifier *__mrn =           \
				(struct mmu_rmap_notifier *)0x00ff; \
                                                                    \
			__mrn->ops->function(__mrn, args);          \
		}                                                   \
	} while (0)

#endif /* CONFIG_MMU_NOTIFIER */

MMUN_END_DECLS

#endif /* MMUN_MMU_RMAP_NOTIFIER_H */
