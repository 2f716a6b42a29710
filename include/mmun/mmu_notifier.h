/* SPDX-License-Identifier: MIT */
/*
 * mmun/mmu_notifier.h - class 1: callbacks registered with an mm_struct, told
 * by address; and the calls with which an embedder raises events.
 *
 * Names, signatures and rules are those of Christoph Lameter's "mmu_notifier:
 * Core code" (30 January 2008); the range calls are Linux 5.0's. A driver
 * written from the document compiles unchanged against this header.
 *
 * Synchronisation required of the callee (document, R9..R14):
 *  - begin comes before the change and end after it, also when it failed;
 *  - pairs nest and run concurrently; wide ranges and duplicates are legal;
 *  - begin must drop every reference in the range, and no new one may be made
 *    anywhere in it until its end;
 *  - if atomic is nonzero the callback must not sleep. Events of mm_self()
 *    always say atomic == 1: the caller may be malloc with its lock held, a
 *    signal handler or a vfork child. In those a callback must not allocate,
 *    free, print, or take a lock that is ever held across such a call.
 */
#ifndef MMUN_MMU_NOTIFIER_H
#define MMUN_MMU_NOTIFIER_H

#include <mmun/config.h>
#include <mmun/mm.h>
/* The document has both classes in one header. */
#include <mmun/mmu_rmap_notifier.h>

MMUN_BEGIN_DECLS

struct mmu_notifier_ops;

/**
 * struct mmu_notifier - a class 1 subscription; embedded by its owner.
 * @hlist: link, library's.
 * @ops: the callbacks; set by the owner before registering.
 * @mm: where it is registered, or NULL; library's.
 * @born: which begins it is told of; library's.
 * @magic: guards against double registration; library's, must start as 0.
 * @put_next: waiting for free_notifier; library's.
 * @put_cookie: until which grace period; library's.
 *
 * Zero it before the first registration (static storage is).
 */
struct mmu_notifier {
	struct hlist_node hlist;
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned long born;
	unsigned long magic;
	struct mmu_notifier *put_next;
	unsigned long put_cookie;
};

/**
 * struct mmu_notifier_ops - callbacks; every member may be NULL.
 *
 * They run on the thread that changes the address space, last registered
 * first, several at a time. They must not unregister (-EDEADLK); they may
 * call mmu_notifier_put(). For mm_self() they may run on any thread, in
 * signal handlers and in vfork children, on a stack of 60 KiB.
 */
struct mmu_notifier_ops {
	/*
	 * The address space dies. Called once, after invalidate_all; for
	 * mm_self() other threads may still be alive. The notifier is
	 * already unlinked: mmu_notifier_unregister() is a no-op here. Its
	 * memory may be reused after mmu_notifier_release() returned.
	 */
	void (*release)(struct mmu_notifier *mn, struct mm_struct *mm);

	/*
	 * All references of this mm must go. May be called more than once
	 * and together with other callbacks. dummy is 0.
	 */
	void (*invalidate_all)(struct mmu_notifier *mn, struct mm_struct *mm,
			       int dummy);

	/*
	 * Was the page at address referenced through this consumer since it
	 * was last asked? Must not sleep. Consumers without a young bit may
	 * unmap the address and return whether a mapping existed.
	 */
	int (*age_page)(struct mmu_notifier *mn, struct mm_struct *mm,
			unsigned long address);

	/* The page at address goes. Must not sleep. */
	void (*invalidate_page)(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long address);

	/*
	 * [start, end) is about to change: drop all references into it and
	 * make no new one until the matching end. May sleep if atomic == 0.
	 */
	void (*invalidate_range_begin)(struct mmu_notifier *mn,
				       struct mm_struct *mm,
				       unsigned long start, unsigned long end,
				       int atomic);

	/*
	 * One of the begins is over (which one, the document does not say;
	 * class 3 does). Called exactly once per begin that was delivered.
	 */
	void (*invalidate_range_end)(struct mmu_notifier *mn,
				     struct mm_struct *mm, int atomic);

	/*
	 * Not in the document (Linux 5.4): after mmu_notifier_put() and a
	 * grace period; may free mn. Runs in a later, sleepable call into
	 * the library, at the latest in mmu_notifier_synchronize().
	 */
	void (*free_notifier)(struct mmu_notifier *mn);
};

/**
 * enum mmu_notifier_event - why (Linux 5.2's list).
 * @MMU_NOTIFY_UNMAP: the addresses lose their pages and their mapping.
 * @MMU_NOTIFY_CLEAR: the addresses lose or exchange their pages.
 * @MMU_NOTIFY_PROTECTION_VMA: access rights of the range change.
 * @MMU_NOTIFY_PROTECTION_PAGE: pages become copy-on-write (fork, in the
 *                              parent). A pinned registration may ignore it.
 * @MMU_NOTIFY_SOFT_DIRTY: tracking only.
 * @MMU_NOTIFY_RELEASE: the address space dies.
 * @MMU_NOTIFY_MIGRATE: contents move to other pages.
 * @MMU_NOTIFY_EXCLUSIVE: exclusive access by a device.
 *
 * A value that a consumer does not know means CLEAR.
 */
enum mmu_notifier_event {
	MMU_NOTIFY_UNMAP = 0,
	MMU_NOTIFY_CLEAR,
	MMU_NOTIFY_PROTECTION_VMA,
	MMU_NOTIFY_PROTECTION_PAGE,
	MMU_NOTIFY_SOFT_DIRTY,
	MMU_NOTIFY_RELEASE,
	MMU_NOTIFY_MIGRATE,
	MMU_NOTIFY_EXCLUSIVE,
};

/* The raiser may wait: callbacks may sleep (the document's atomic == 0). */
#define MMU_NOTIFIER_RANGE_BLOCKABLE (1u << 0)
/* The pages are gone already; told before the operation returned. */
#define MMU_NOTIFIER_RANGE_LATE (1u << 1)
/* Only after the change: it failed, and nothing in the range changed. */
#define MMU_NOTIFIER_RANGE_FAILED (1u << 2)

/**
 * struct mmu_notifier_range - one invalidation, from start to end.
 * @mm: the address space.
 * @start: first byte, rounded down as the kernel (or the embedder) rounds.
 * @end: first byte behind.
 * @flags: MMU_NOTIFIER_RANGE_ bits.
 * @event: why.
 * @owner: who asked for the change (see mmun_set_owner()), or NULL.
 * @open: the record that start took and end gives back; library's.
 *
 * Lives on the raiser's stack from start to end. A copy is what callbacks
 * get to see; they must not keep a pointer to it.
 */
struct mmu_notifier_range {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	enum mmu_notifier_event event;
	void *owner;
	unsigned long open;
};

/**
 * mmu_notifier_range_init_owner - fill in a range before start.
 */
static inline void
mmu_notifier_range_init_owner(struct mmu_notifier_range *range,
			      enum mmu_notifier_event event, unsigned int flags,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long end, void *owner)
{
	range->mm = mm;
	range->start = start;
	range->end = end;
	range->flags = flags;
	range->event = event;
	range->owner = owner;
	range->open = 0;
}

/** mmu_notifier_range_init - the same without an owner. */
static inline void mmu_notifier_range_init(struct mmu_notifier_range *range,
					   enum mmu_notifier_event event,
					   unsigned int flags,
					   struct mm_struct *mm,
					   unsigned long start,
					   unsigned long end)
{
	mmu_notifier_range_init_owner(range, event, flags, mm, start, end,
				      NULL);
}

/** mmu_notifier_range_blockable - may callbacks of this event sleep? */
static inline bool
mmu_notifier_range_blockable(const struct mmu_notifier_range *range)
{
	return range->flags & MMU_NOTIFIER_RANGE_BLOCKABLE;
}

#ifdef CONFIG_MMU_NOTIFIER

int mmun_notifier_register(struct mmu_notifier *mn, struct mm_struct *mm);
int mmun_notifier_register_locked(struct mmu_notifier *mn,
				  struct mm_struct *mm);
int mmun_notifier_unregister(struct mmu_notifier *mn, struct mm_struct *mm);
int mmun_notifier_put(struct mmu_notifier *mn);
void mmun_notifier_synchronize(void);
void mmun_notifier_release(struct mm_struct *mm);
void mmun_notifier_invalidate_all(struct mm_struct *mm, int dummy);
int mmun_notifier_age_page(struct mm_struct *mm, unsigned long address);
void mmun_notifier_invalidate_page(struct mm_struct *mm, unsigned long address);
void mmun_notifier_invalidate_range_begin(struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end, int atomic);
void mmun_notifier_invalidate_range_end(struct mm_struct *mm, int atomic);
int mmun_notifier_range_start(struct mmu_notifier_range *range);
void mmun_notifier_range_end(struct mmu_notifier_range *range);
void *mmun_set_owner(void *owner);

/**
 * mm_has_notifiers - has anybody ever registered with @mm? One load.
 */
static inline bool mm_has_notifiers(const struct mm_struct *mm)
{
	return __atomic_load_n(&mm->armed, __ATOMIC_RELAXED) != 0;
}

/**
 * mmu_notifier_head_init - an empty list of class 1 notifiers.
 *
 * For the document's fork.c hook; mm_alloc() has done it already.
 */
static inline void mmu_notifier_head_init(struct mmu_notifier_head *mnh)
{
	INIT_HLIST_HEAD(&mnh->head);
}

/**
 * mmu_notifier_register - tell @mn of everything that happens to @mm.
 * @mn: the owner's subscription, @mn->ops set.
 * @mm: the address space.
 *
 * Takes mmap_write_lock(mm). When it returns, every invalidation that @mn was
 * not told of is over (document's D4: "missing a begin is never ok"), so it
 * waits for invalidations that are open now. Holds the structure of @mm, not
 * the address space. Process context, may sleep.
 *
 * Returns 0; -EINVAL (no mm, no ops), -EEXIST (is registered, or was put and
 * waits for free_notifier), -ESRCH (@mm is dying), -EDEADLK (from a callback of
 * @mm, or inside an open invalidation of this thread), or for mm_self() the
 * error of mm_arm().
 */
static inline int mmu_notifier_register(struct mmu_notifier *mn,
					struct mm_struct *mm)
{
	return mmun_notifier_register(mn, mm);
}

/**
 * __mmu_notifier_register - the same; the caller holds mmap_write_lock(mm).
 *
 * Additionally -EPERM if the lock is not held for writing.
 */
static inline int __mmu_notifier_register(struct mmu_notifier *mn,
					  struct mm_struct *mm)
{
	return mmun_notifier_register_locked(mn, mm);
}

/**
 * mmu_notifier_unregister - no callback of @mn runs or will run on return.
 *
 * Takes mmap_write_lock(mm) and waits for running callbacks: never call it
 * holding a lock that they take. From and after release() it is a no-op that
 * returns 0; hold @mm (mmgrab()) for a call that may come after.
 *
 * Returns 0; -ENOENT (not registered, or registered with mm_self() by the
 * parent of a forked process), -EINVAL (registered with another mm), -EDEADLK
 * (from a callback of @mm).
 */
static inline int mmu_notifier_unregister(struct mmu_notifier *mn,
					  struct mm_struct *mm)
{
	return mmun_notifier_unregister(mn, mm);
}

/**
 * mmu_notifier_put - unregister without waiting; free_notifier comes later.
 *
 * Any context, callbacks included; does not sleep. Callbacks that run already
 * may still run on return. Returns 0 or -ENOENT (not registered; release()
 * was called or is running).
 */
static inline int mmu_notifier_put(struct mmu_notifier *mn)
{
	return mmun_notifier_put(mn);
}

/**
 * mmu_notifier_synchronize - every free_notifier due so far has returned.
 *
 * Call it before dlclose() of the code that holds them. May sleep; not from
 * a callback.
 */
static inline void mmu_notifier_synchronize(void)
{
	mmun_notifier_synchronize();
}

/**
 * mmu_notifier_release - the address space dies (document, R23, R34).
 *
 * New registrations get -ESRCH; class 3 sees RELEASE over everything; each
 * class 1 notifier is unlinked and its release called; then a grace period
 * passes. Idempotent; mmput() and process exit call it.
 */
static inline void mmu_notifier_release(struct mm_struct *mm)
{
	if (mm_has_notifiers(mm))
		mmun_notifier_release(mm);
}

/**
 * mmu_notifier_age_page - was the page at @address referenced externally?
 *
 * Asks every notifier and ORs the answers (document, R24). Callbacks must not
 * sleep. Returns 0 or 1.
 */
static inline int mmu_notifier_age_page(struct mm_struct *mm,
					unsigned long address)
{
	return mm_has_notifiers(mm) ? mmun_notifier_age_page(mm, address) : 0;
}

/**
 * mmu_notifier - raise an event: mmu_notifier(function, mm, args...).
 *
 * function is invalidate_all, invalidate_page, invalidate_range_begin or
 * invalidate_range_end, args are those of the callback behind mm. Costs one
 * load and one branch while nobody has registered. Class 3 subscriptions are
 * told as well. Arguments are evaluated once (D13). An invalidate_range_end
 * closes the calling thread's youngest open begin of this mm.
 */
#define mmu_notifier(function, mm, args...)                   \
	do {                                                  \
		struct mm_struct *__mm = (mm);                \
                                                              \
		if (mmun_unlikely(mm_has_notifiers(__mm)))    \
			mmun_notifier_##function(__mm, args); \
	} while (0)

/**
 * mmu_notifier_invalidate_range_start - [start, end) is about to change.
 *
 * Blockable: callbacks may sleep, and every one is told. Async-signal-safe as
 * far as the callbacks are. A class 3 callback that says false is called
 * again until it says true.
 */
static inline void
mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
	if (mmun_unlikely(mm_has_notifiers(range->mm))) {
		range->flags |= MMU_NOTIFIER_RANGE_BLOCKABLE;
		mmun_notifier_range_start(range);
	}
}

/**
 * mmu_notifier_invalidate_range_start_nonblock - the same, but do not sleep.
 *
 * Returns 0, or -EAGAIN if a class 3 callback said that it would block: then
 * the raiser must not change anything and must not call end.
 */
static inline int __attribute__((warn_unused_result))
mmu_notifier_invalidate_range_start_nonblock(struct mmu_notifier_range *range)
{
	if (mmun_unlikely(mm_has_notifiers(range->mm))) {
		range->flags &= ~MMU_NOTIFIER_RANGE_BLOCKABLE;
		return mmun_notifier_range_start(range);
	}
	return 0;
}

/**
 * mmu_notifier_invalidate_range_end - the change is over, or has failed (set
 * MMU_NOTIFIER_RANGE_FAILED in range->flags then).
 */
static inline void
mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	if (mmun_unlikely(range->open))
		mmun_notifier_range_end(range);
}

/**
 * mmu_notifier_set_owner - tag what the calling thread does to mm_self().
 * @owner: appears as range->owner; subscriptions with the same owner are not
 *         told (rule: an emulator ignores its own mprotects). NULL: untagged.
 *
 * Async-signal-safe. Returns the previous owner, to be restored.
 */
static inline void *mmu_notifier_set_owner(void *owner)
{
	return mmun_set_owner(owner);
}

#else /* !CONFIG_MMU_NOTIFIER */

/*
 * Everything type-checks, nothing generates code. The document forgot
 * __mmu_notifier_register (D15) and let the range calls unwritten.
 */
static inline bool mm_has_notifiers(const struct mm_struct *mm)
{
	(void)mm;
	return false;
}

static inline void mmu_notifier_head_init(struct mmu_notifier_head *mnh)
{
	(void)mnh;
}

static inline int mmu_notifier_register(struct mmu_notifier *mn,
					struct mm_struct *mm)
{
	(void)mn;
	(void)mm;
	return 0;
}

static inline int __mmu_notifier_register(struct mmu_notifier *mn,
					  struct mm_struct *mm)
{
	(void)mn;
	(void)mm;
	return 0;
}

static inline int mmu_notifier_unregister(struct mmu_notifier *mn,
					  struct mm_struct *mm)
{
	(void)mn;
	(void)mm;
	return 0;
}

static inline int mmu_notifier_put(struct mmu_notifier *mn)
{
	(void)mn;
	return 0;
}

static inline void mmu_notifier_synchronize(void)
{
}

static inline void mmu_notifier_release(struct mm_struct *mm)
{
	(void)mm;
}

static inline int mmu_notifier_age_page(struct mm_struct *mm,
					unsigned long address)
{
	(void)mm;
	(void)address;
	return 0;
}

#define mmu_notifier(function, mm, args...)                    \
	do {                                                   \
		if (0) {                                       \
			struct mmu_notifier *__mn =            \
				(struct mmu_notifier *)0x00ff; \
                                                               \
			__mn->ops->function(__mn, mm, args);   \
		}                                              \
	} while (0)

static inline void
mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
	(void)range;
}

static inline int
mmu_notifier_invalidate_range_start_nonblock(struct mmu_notifier_range *range)
{
	(void)range;
	return 0;
}

static inline void
mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	(void)range;
}

static inline void *mmu_notifier_set_owner(void *owner)
{
	(void)owner;
	return NULL;
}

#endif /* CONFIG_MMU_NOTIFIER */

MMUN_END_DECLS

#endif /* MMUN_MMU_NOTIFIER_H */
