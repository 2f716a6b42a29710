/* SPDX-License-Identifier: MIT */
/*
 * Every operation, through libc, through syscall() and through inline
 * assembly: told before it happens and after it is over, with the range that
 * the kernel rounds to.
 */
#include <linux/mman.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/uio.h>

#include "tests/live/recorder.h"

#define PAGES 8
#define ANY (-1l)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

INLINE_CALL(munmap, SYS_munmap)
INLINE_CALL(mmap, SYS_mmap)
INLINE_CALL(mremap, SYS_mremap)
INLINE_CALL(madvise, SYS_madvise)
INLINE_CALL(mprotect, SYS_mprotect)
INLINE_CALL(pkey_mprotect, SYS_pkey_mprotect)
INLINE_CALL(shmdt, SYS_shmdt)
INLINE_CALL(shmat, SYS_shmat)
INLINE_CALL(brk, SYS_brk)
INLINE_CALL(remap_file_pages, SYS_remap_file_pages)
INLINE_CALL(process_madvise, SYS_process_madvise)

typedef long (*inline_call)(long, long, long, long, long, long);

/* What an observer was told, by number of the range. */
static struct mmun_op last_before, last_after;
/* volatile: munmap() is declared a leaf, which is not true here. */
static volatile int befores, afters;

static void before(struct mmun_observer *obs, const struct mmun_op *op)
{
	last_before = *op;
	befores++;
}

static void after(struct mmun_observer *obs, const struct mmun_op *op)
{
	last_after = *op;
	afters++;
}

static struct mmun_observer observer = {before, after, NULL};

enum outcome { GONE, ZEROED, KEPT };
enum way { LIBC, SYSCALL, INLINE, WAYS };

/**
 * struct operation - one call on a fresh area of PAGES pages of 'a'.
 * @call: of libc, or NULL; takes the area.
 * @args: for the other ways; those with a bit in @relative are offsets into
 *        the area.
 * @start, @end: pages of the first range; end 0: nothing is announced.
 * @second: start of a second range that the call has, in pages, or 0.
 */
struct operation {
	long nr;
	inline_call in;
	long (*call)(char *area);
	long args[6];
	unsigned int relative;
	long start, end;
	enum mmu_notifier_event event;
	enum outcome outcome;
	long result; /* ANY, 0, or a negative errno */
	long second;
};

static long by_way(const struct operation *op, char *area, enum way way)
{
	long a[6], r;
	int i;

	for (i = 0; i < 6; i++)
		a[i] = op->args[i] + (op->relative >> i & 1 ? (long)area : 0);
	if (way == INLINE)
		return op->in(a[0], a[1], a[2], a[3], a[4], a[5]);
	if (way == LIBC)
		r = op->call(area);
	else
		r = syscall(op->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return r == -1 ? -errno : r;
}

static void check_told(const struct operation *op, struct recorder *r,
		       char *area)
{
	unsigned long start = (unsigned long)area + op->start * PAGE;
	unsigned long end = (unsigned long)area + op->end * PAGE;

	ASSERT_GE(r->begins, 1);
	EXPECT_EQ(r->ends, r->begins);
	EXPECT_EQ(r->byte, 'a');
	EXPECT_EQ(befores, 1);
	EXPECT_EQ(afters, 1);
	EXPECT_EQ(last_before.nr, op->nr);
	EXPECT_EQ(last_before.ranges[0].start, start);
	EXPECT_EQ(last_before.ranges[0].end, end);
	EXPECT_EQ(last_before.ranges[0].event, op->event);
	EXPECT_EQ(last_before.nr_ranges, op->second ? 2 : 1);
	if (op->second)
		EXPECT_EQ(last_before.ranges[1].start,
			  (unsigned long)area + op->second * PAGE);
	EXPECT_EQ(last_after.ranges[0].flags & MMU_NOTIFIER_RANGE_FAILED,
		  op->result < ANY ? MMU_NOTIFIER_RANGE_FAILED : 0);
	EXPECT_EQ(last_before.pid, getpid());
}

static void check_outcome(const struct operation *op, char *area)
{
	volatile char *p = area + op->start * PAGE;

	if (op->outcome == GONE)
		EXPECT_FALSE(is_mapped((char *)p));
	else
		EXPECT_EQ(*p, op->outcome == ZEROED ? 0 : 'a');
}

static void one(const struct operation *op, enum way way, char *area)
{
	static struct recorder r;
	long result;

	memset(&r, 0, sizeof(r));
	record(&r, area, PAGES * PAGE);
	r.probe = area + op->start * PAGE;
	befores = afters = 0;
	result = by_way(op, area, way);
	if (op->result == ANY)
		EXPECT_GE(result, 0);
	else
		EXPECT_EQ(result, op->result);
	if (op->end) {
		check_told(op, &r, area);
		check_outcome(op, area);
	} else {
		EXPECT_EQ(r.begins, 0);
		EXPECT_EQ(befores, 0);
	}
	mmu_interval_notifier_remove(&r.mni);
}

static void all_ways(const struct operation *op)
{
	enum way way;

	mmun_observe(&observer);
	for (way = op->call ? LIBC : SYSCALL; way < WAYS; way++) {
		char *area = map_pages(3 * PAGES);

		one(op, way, area + PAGES * PAGE);
	}
}

#define OPERATION(test_name, name, ...)                                      \
	TEST(test_name)                                                      \
	{                                                                    \
		const struct operation op = {                                \
			.nr = SYS_##name, .in = inline_##name, __VA_ARGS__}; \
                                                                             \
		all_ways(&op);                                               \
	}

/* ---- munmap ---- */

static long libc_munmap(char *area)
{
	return munmap(area, 2 * PAGE);
}

OPERATION(munmap, munmap, .call = libc_munmap, .args = {0, 2 * PAGE},
	  .relative = 1, .end = 2, .event = MMU_NOTIFY_UNMAP)
OPERATION(munmap_rounds_up, munmap, .args = {PAGE, 100}, .relative = 1,
	  .start = 1, .end = 2, .event = MMU_NOTIFY_UNMAP)
OPERATION(munmap_unaligned, munmap, .args = {100, PAGE}, .relative = 1,
	  .result = -EINVAL)
OPERATION(munmap_nothing, munmap, .args = {0, 0}, .relative = 1,
	  .result = -EINVAL)
OPERATION(munmap_wraps, munmap, .args = {0, -PAGE}, .relative = 1,
	  .result = -EINVAL)

/* ---- mmap ---- */

static long libc_mmap(char *area)
{
	return (long)mmap(area + PAGE, 2 * PAGE - 5, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

OPERATION(mmap_fixed, mmap, .call = libc_mmap,
	  .args = {PAGE, 2 * PAGE - 5, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1},
	  .relative = 1, .start = 1, .end = 3, .event = MMU_NOTIFY_UNMAP,
	  .outcome = ZEROED, .result = ANY)
OPERATION(mmap_fixed_noreplace, mmap,
	  .args = {PAGE, PAGE, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1},
	  .relative = 1, .result = -EEXIST)
OPERATION(mmap_anywhere, mmap,
	  .args = {PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1},
	  .relative = 1, .result = ANY)
OPERATION(mmap_fixed_bad_file, mmap,
	  .args = {PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 999},
	  .relative = 1, .start = 1, .end = 2, .event = MMU_NOTIFY_UNMAP,
	  .outcome = KEPT, .result = -EBADF)

/* ---- mremap ---- */

static long libc_mremap(char *area)
{
	return (long)mremap(area, 4 * PAGE, PAGE, 0);
}

OPERATION(mremap_shrinks, mremap, .call = libc_mremap,
	  .args = {0, 4 * PAGE, PAGE}, .relative = 1, .start = 1, .end = 4,
	  .event = MMU_NOTIFY_UNMAP, .result = ANY, .outcome = GONE)
OPERATION(mremap_grows_or_moves, mremap,
	  .args = {0, PAGE, 64 * PAGE, MREMAP_MAYMOVE}, .relative = 1, .end = 1,
	  .event = MMU_NOTIFY_UNMAP, .result = ANY, .outcome = GONE)
OPERATION(mremap_cannot_grow, mremap, .args = {0, PAGE, 64 * PAGE},
	  .relative = 1, .result = -ENOMEM)
OPERATION(mremap_same, mremap, .args = {0, PAGE, PAGE, MREMAP_MAYMOVE},
	  .relative = 1, .result = ANY)
OPERATION(mremap_fixed, mremap,
	  .args = {0, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   4 * PAGE},
	  .relative = 0x11, .end = 2, .second = 4, .event = MMU_NOTIFY_UNMAP,
	  .result = ANY, .outcome = GONE)
OPERATION(mremap_dontunmap, mremap,
	  .args = {0, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP},
	  .relative = 1, .end = 2, .event = MMU_NOTIFY_CLEAR, .result = ANY,
	  .outcome = ZEROED)
OPERATION(mremap_refused, mremap, .args = {0, PAGE, PAGE, MREMAP_FIXED},
	  .relative = 1, .result = -EINVAL)

/* ---- madvise ---- */

static long libc_madvise(char *area)
{
	return madvise(area, PAGE + 1, MADV_DONTNEED);
}

OPERATION(madvise_dontneed, madvise, .call = libc_madvise,
	  .args = {0, PAGE + 1, MADV_DONTNEED}, .relative = 1, .end = 2,
	  .event = MMU_NOTIFY_CLEAR, .outcome = ZEROED)
OPERATION(madvise_dontneed_locked, madvise,
	  .args = {0, PAGE, MADV_DONTNEED_LOCKED}, .relative = 1, .end = 1,
	  .event = MMU_NOTIFY_CLEAR, .outcome = ZEROED)
OPERATION(madvise_free, madvise, .args = {0, PAGE, MADV_FREE}, .relative = 1,
	  .end = 1, .event = MMU_NOTIFY_CLEAR, .outcome = KEPT)
OPERATION(madvise_pageout, madvise, .args = {0, PAGE, MADV_PAGEOUT},
	  .relative = 1, .end = 1, .event = MMU_NOTIFY_CLEAR, .outcome = KEPT)
OPERATION(madvise_remove_private, madvise, .args = {0, PAGE, MADV_REMOVE},
	  .relative = 1, .end = 1, .event = MMU_NOTIFY_CLEAR, .outcome = KEPT,
	  .result = -EINVAL)
OPERATION(madvise_willneed, madvise, .args = {0, PAGE, MADV_WILLNEED},
	  .relative = 1, .result = ANY)
OPERATION(madvise_unaligned, madvise, .args = {8, PAGE, MADV_DONTNEED},
	  .relative = 1, .result = -EINVAL)
OPERATION(madvise_nothing, madvise, .args = {0, 0, MADV_DONTNEED},
	  .relative = 1)

/* ---- mprotect ---- */

static long libc_mprotect(char *area)
{
	return mprotect(area, 1, PROT_READ);
}

OPERATION(mprotect, mprotect, .call = libc_mprotect, .args = {0, 1, PROT_READ},
	  .relative = 1, .end = 1, .event = MMU_NOTIFY_PROTECTION_VMA,
	  .outcome = KEPT)
OPERATION(pkey_mprotect, pkey_mprotect, .args = {0, 1, PROT_READ, -1},
	  .relative = 1, .end = 1, .event = MMU_NOTIFY_PROTECTION_VMA,
	  .outcome = KEPT)
OPERATION(mprotect_nothing, mprotect, .args = {0, 0, PROT_READ}, .relative = 1)

/* ---- calls whose arguments are not addresses only ---- */

/* What the first range was, after a call that a test made itself. */
static void expect_range(long nr, const void *start, unsigned long pages,
			 enum mmu_notifier_event event)
{
	EXPECT_EQ(befores, 1);
	EXPECT_EQ(afters, 1);
	EXPECT_EQ(last_before.nr, nr);
	EXPECT_EQ(last_before.ranges[0].start, (unsigned long)start);
	EXPECT_EQ(last_before.ranges[0].end,
		  (unsigned long)start + pages * PAGE);
	EXPECT_EQ(last_before.ranges[0].event, event);
	befores = afters = 0;
}

static void observe(void)
{
	ASSERT_EQ(mmun_observe(&observer), 0);
	befores = afters = 0;
}

TEST(process_madvise_of_self)
{
	char *area = map_pages(PAGES);
	struct iovec one_part = {area + PAGE, PAGE};
	struct iovec two[2] = {{area, PAGE}, {area + 3 * PAGE, 2 * PAGE}};
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	observe();
	inline_process_madvise(fd, (long)&one_part, 1, MADV_PAGEOUT, 0, 0);
	expect_range(SYS_process_madvise, area + PAGE, 1, MMU_NOTIFY_CLEAR);
	syscall(SYS_process_madvise, fd, two, 2, MADV_PAGEOUT, 0);
	expect_range(SYS_process_madvise, area, 5, MMU_NOTIFY_CLEAR);
	syscall(SYS_process_madvise, fd, &one_part, 1, MADV_COLD, 0);
	EXPECT_EQ(befores, 0);
}

TEST(process_madvise_of_another_process)
{
	char *area = map_pages(PAGES);
	struct iovec part = {area, PAGE};
	pid_t child = fork();
	int fd;

	if (!child) {
		pause();
		_exit(0);
	}
	observe();
	fd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_GE(fd, 0);
	syscall(SYS_process_madvise, fd, &part, 1, MADV_PAGEOUT, 0);
	EXPECT_EQ(befores, 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST(brk_shrinks)
{
	char *end = sbrk(0), *grown;

	end = (char *)(((unsigned long)end + PAGE - 1) & -PAGE);
	ASSERT_EQ(brk(end + 4 * PAGE), 0);
	memset(end, 'a', 4 * PAGE);
	observe();
	ASSERT_EQ(brk(end + 3 * PAGE - 100), 0);
	expect_range(SYS_brk, end + 3 * PAGE, 1, MMU_NOTIFY_UNMAP);
	grown = sbrk(0);
	EXPECT_EQ(befores, 0);
	ASSERT_EQ(brk(grown + PAGE), 0);
	EXPECT_EQ(befores, 0);
	EXPECT_EQ(inline_brk((long)end, 0, 0, 0, 0, 0), (long)end);
	expect_range(SYS_brk, end, 4, MMU_NOTIFY_UNMAP);
	EXPECT_EQ(syscall(SYS_brk, (long)end + 2 * PAGE), (long)end + 2 * PAGE);
	EXPECT_EQ(befores, 0);
	EXPECT_EQ(syscall(SYS_brk, (long)end), (long)end);
	expect_range(SYS_brk, end, 2, MMU_NOTIFY_UNMAP);
}

TEST(shmdt_and_shmat_remap)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE - 7, IPC_CREAT | 0600);
	char *p, *area = map_pages(PAGES);

	if (id < 0)
		SKIP("no System V shared memory here");
	p = shmat(id, NULL, 0);
	ASSERT_NE(p, (void *)-1);
	observe();
	ASSERT_EQ(shmdt(p), 0);
	expect_range(SYS_shmdt, p, 3, MMU_NOTIFY_UNMAP);
	ASSERT_EQ(shmat(id, area + PAGE + 9, SHM_REMAP | SHM_RND), area + PAGE);
	expect_range(SYS_shmat, area + PAGE, 3, MMU_NOTIFY_UNMAP);
	ASSERT_EQ(munmap(area + 2 * PAGE, PAGE), 0);
	befores = afters = 0;
	ASSERT_EQ(inline_shmdt((long)area + PAGE, 0, 0, 0, 0, 0), 0);
	expect_range(SYS_shmdt, area + PAGE, 3, MMU_NOTIFY_UNMAP);
	EXPECT_EQ(syscall(SYS_shmdt, area + PAGE), -1);
	EXPECT_EQ(befores, 0);
	shmctl(id, IPC_RMID, NULL);
}

TEST(remap_file_pages_rounds_down)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	observe();
	EXPECT_EQ(syscall(SYS_remap_file_pages, p + PAGE + 1, PAGE + 5, 0, 3,
			  0),
		  0);
	expect_range(SYS_remap_file_pages, p + PAGE, 1, MMU_NOTIFY_UNMAP);
	EXPECT_EQ(inline_remap_file_pages((long)p, PAGE, 0, 2, 0, 0), 0);
	expect_range(SYS_remap_file_pages, p, 1, MMU_NOTIFY_UNMAP);
}

/* Announced whether or not there are such pages here. */
TEST(mmap_of_huge_pages_rounds_to_them)
{
	const unsigned long huge = 2ul << 20;
	char *p = mmap(NULL, 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	p = (char *)(((unsigned long)p + huge - 1) & -huge);
	observe();
	inline_mmap((long)p, PAGE, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB |
			    MAP_HUGE_2MB,
		    -1, 0);
	expect_range(SYS_mmap, p, huge / PAGE, MMU_NOTIFY_UNMAP);
}

TEST(madvise_remove_of_shared_memory)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(p, 'a', 4 * PAGE);
	observe();
	ASSERT_EQ(madvise(p + PAGE, PAGE, MADV_REMOVE), 0);
	expect_range(SYS_madvise, p + PAGE, 1, MMU_NOTIFY_CLEAR);
	EXPECT_EQ(p[PAGE], 0);
}

TEST(advice_of_young_kernels)
{
	char *p = map_pages(4);

	observe();
	madvise(p, PAGE, MADV_GUARD_INSTALL);
	expect_range(SYS_madvise, p, 1, MMU_NOTIFY_CLEAR);
	madvise(p + PAGE, PAGE, MADV_COLLAPSE);
	expect_range(SYS_madvise, p + PAGE, 1, MMU_NOTIFY_CLEAR);
}

TEST(owner_is_shown)
{
	char *p = map_pages(1);
	void *old;

	observe();
	old = mmu_notifier_set_owner(&observer);
	madvise(p, PAGE, MADV_DONTNEED);
	EXPECT_EQ(last_before.ranges[0].owner, &observer);
	mmu_notifier_set_owner(old);
	madvise(p, PAGE, MADV_DONTNEED);
	EXPECT_EQ(last_before.ranges[0].owner, old);
}
