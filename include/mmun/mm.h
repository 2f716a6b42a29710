/* SPDX-License-Identifier: MIT */
/*
 * mmun/mm.h - address spaces.
 *
 * An mm_struct stands for one address space whose changes are announced:
 *
 *  - mm_self() is the calling process's own (the kernel's current->mm); its
 *    events are raised by the library, from intercepted system calls;
 *  - mm_alloc() makes one for an embedder (emulator, hypervisor, user-level
 *    VM) that raises the events itself with the calls of mmun/mmu_notifier.h.
 *
 * Life: mm_users counts those who use the address space, mm_count those who
 * only need the structure. Subscriptions hold the latter, so that a
 * subscription never keeps an address space alive. The last mmput() runs
 * invalidate_all and release (R34 of the 2008 document); the last mmdrop()
 * frees the structure.
 */
#ifndef MMUN_MM_H
#define MMUN_MM_H

#include <mmun/types.h>

MMUN_BEGIN_DECLS

struct page;

/**
 * struct mmu_notifier_head - list of class 1 notifiers of an mm_struct.
 */
struct mmu_notifier_head {
	struct hlist_head head;
};

/**
 * struct mm_struct - an address space; allocated by the library only.
 * @mmu_notifier: class 1 notifiers (the document's member).
 * @armed: 0 until the first registration, then 1 for ever; the one word that
 *         a raise looks at while nobody has ever registered. Read only.
 */
struct mm_struct {
	struct mmu_notifier_head mmu_notifier;
	unsigned int armed;
};

/**
 * struct mm_operations - what the owner of a managed mm_struct provides.
 * @size: sizeof(struct mm_operations), for later growth.
 * @follow_page: the page at @address, or NULL. May be called from any thread;
 *               whether the page can vanish meanwhile is between the caller's
 *               locks and the callbacks (the document's "driver lock" rule).
 * @set_dirty: a consumer wrote to [start, end) (rule: before its invalidate
 *             returns). NULL: follow_page() + set_page_dirty() on each page.
 */
struct mm_operations {
	size_t size;
	struct page *(*follow_page)(struct mm_struct *mm,
				    unsigned long address);
	void (*set_dirty)(struct mm_struct *mm, unsigned long start,
			  unsigned long end);
};

struct mm_struct *mmun_mm_self(void) __attribute__((const));
int mmun_mm_alloc(const struct mm_operations *ops, void *private_data,
		  struct mm_struct **mm);
void *mmun_mm_private(const struct mm_struct *mm);
void mmun_mmget(struct mm_struct *mm);
bool mmun_mmget_not_zero(struct mm_struct *mm);
void mmun_mmput(struct mm_struct *mm);
void mmun_mmgrab(struct mm_struct *mm);
void mmun_mmdrop(struct mm_struct *mm);
int mmun_mm_arm(struct mm_struct *mm);
void mmun_mmap_read_lock(struct mm_struct *mm);
bool mmun_mmap_read_trylock(struct mm_struct *mm);
void mmun_mmap_read_unlock(struct mm_struct *mm);
void mmun_mmap_write_lock(struct mm_struct *mm);
void mmun_mmap_write_unlock(struct mm_struct *mm);
struct page *mmun_follow_page(struct mm_struct *mm, unsigned long address);
int mmun_mm_set_dirty(struct mm_struct *mm, unsigned long start,
		      unsigned long end);

/**
 * mm_self - the calling process's own address space.
 *
 * Any context, never fails, no reference taken: it lives as long as the
 * process. A forked child's mm_self() starts without any subscription.
 * Nothing is intercepted before the first registration.
 */
static inline struct mm_struct *mm_self(void)
{
	return mmun_mm_self();
}

/**
 * mm_alloc - make a managed address space (mm_users == mm_count == 1).
 *
 * Process context. Returns NULL when out of memory.
 */
static inline struct mm_struct *mm_alloc(void)
{
	struct mm_struct *mm = NULL;

	return mmun_mm_alloc(NULL, NULL, &mm) ? NULL : mm;
}

/**
 * mm_alloc_ops - make a managed address space whose pages can be found.
 * @ops: the owner's operations; must outlive the mm.
 * @private_data: returned by mm_private().
 * @mm: out, set on success only.
 *
 * Returns 0, -ENOMEM, or -EINVAL (unknown ops->size).
 */
static inline int mm_alloc_ops(const struct mm_operations *ops,
			       void *private_data, struct mm_struct **mm)
{
	return mmun_mm_alloc(ops, private_data, mm);
}

/** mm_private - what mm_alloc_ops() was given; NULL for mm_self(). */
static inline void *mm_private(const struct mm_struct *mm)
{
	return mmun_mm_private(mm);
}

/** mmget - one more user of the address space. Any context. */
static inline void mmget(struct mm_struct *mm)
{
	mmun_mmget(mm);
}

/** mmget_not_zero - mmget() unless the last user is gone; false then. */
static inline bool mmget_not_zero(struct mm_struct *mm)
{
	return mmun_mmget_not_zero(mm);
}

/**
 * mmput - drop a user; the last one tears the address space down:
 * invalidate_all, then mmu_notifier_release().
 *
 * May sleep; not from a callback of this mm. No-op for mm_self().
 */
static inline void mmput(struct mm_struct *mm)
{
	mmun_mmput(mm);
}

/** mmgrab - one more holder of the structure. Any context. */
static inline void mmgrab(struct mm_struct *mm)
{
	mmun_mmgrab(mm);
}

/** mmdrop - drop a holder of the structure; the last one frees it. */
static inline void mmdrop(struct mm_struct *mm)
{
	mmun_mmdrop(mm);
}

/**
 * mm_arm - start recording invalidations before anybody has registered.
 *
 * Until the first registration (or this call) a raise is one load and one
 * branch and leaves no trace, so a first registration that races with it
 * could not know of it. Two ways to exclude that: raise with mmap_lock held
 * (register takes it for writing, as in the document), or call this while
 * nobody raises. For mm_self() it patches the system call sites; called while
 * the process is single-threaded nothing can slip through.
 *
 * Process context. Returns 0 or a negative errno (mm_self(): why patching
 * was refused; see mmun/coverage.h).
 */
static inline int mm_arm(struct mm_struct *mm)
{
	return mmun_mm_arm(mm);
}

/*
 * mmap_lock: the document's mmap_sem. Registration takes it for writing;
 * embedders may hold it (read or write) while they change the mapping. For
 * mm_self() it is the library's own lock: the kernel's cannot be had from
 * user space, and no event of mm_self() takes it. May sleep.
 */
static inline void mmap_read_lock(struct mm_struct *mm)
{
	mmun_mmap_read_lock(mm);
}

static inline bool mmap_read_trylock(struct mm_struct *mm)
{
	return mmun_mmap_read_trylock(mm);
}

static inline void mmap_read_unlock(struct mm_struct *mm)
{
	mmun_mmap_read_unlock(mm);
}

static inline void mmap_write_lock(struct mm_struct *mm)
{
	mmun_mmap_write_lock(mm);
}

static inline void mmap_write_unlock(struct mm_struct *mm)
{
	mmun_mmap_write_unlock(mm);
}

/**
 * follow_page - the page at an address of a managed mm.
 *
 * NULL where there is none, and always NULL for mm_self(), whose pages belong
 * to the kernel. Under a lock that every invalidate callback takes the answer
 * is an existence guarantee without a reference count (document, R13).
 */
static inline struct page *follow_page(struct mm_struct *mm,
				       unsigned long address)
{
	return mmun_follow_page(mm, address);
}

/**
 * mm_set_dirty - a consumer's external reference wrote to [start, end).
 *
 * Any context; call it before the invalidate callback returns (document, R8).
 * No-op for mm_self(), whose dirty bits the kernel keeps. Returns 0 or
 * -EINVAL (start >= end).
 */
static inline int mm_set_dirty(struct mm_struct *mm, unsigned long start,
			       unsigned long end)
{
	return mmun_mm_set_dirty(mm, start, end);
}

MMUN_END_DECLS

#endif /* MMUN_MM_H */
