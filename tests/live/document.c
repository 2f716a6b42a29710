/* SPDX-License-Identifier: MIT */
/*
 * The document's demands on the calling process's own address space. Uses
 * the public headers and the shared library only, as a program would.
 */
#include <sys/shm.h>
#include <sched.h>

#include "tests/unit/witness.h"

#define MAP (PROT_READ | PROT_WRITE), (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(unsigned long pages)
{
	char *p = mmap(NULL, pages * PAGE, MAP, -1, 0);

	ASSERT_NE(p, MAP_FAILED);
	memset(p, 'a', pages * PAGE);
	return p;
}

static void watch(struct interval_witness *w, const void *p,
		  unsigned long pages)
{
	ASSERT_EQ(interval_witness_insert(w, mm_self(), (unsigned long)p,
					  pages * PAGE),
		  0);
}

/* ---- R1, D22: before the change ---- */

static char *watched;
static char seen;

static void look(struct interval_witness *w)
{
	seen = *watched;
}

TEST(r01_reference_is_gone_before_the_memory_is)
{
	static struct interval_witness w = {.act = look};

	watched = map(1);
	watch(&w, watched, 1);
	EXPECT_EQ(munmap(watched, 100), 0);
	EXPECT_EQ(w.invalidate, 1);
	EXPECT_EQ(w.invalidated, 1);
	EXPECT_EQ(seen, 'a');
	EXPECT_EQ(w.range.event, MMU_NOTIFY_UNMAP);
	EXPECT_EQ(w.range.start, watched);
	EXPECT_EQ(w.range.end, watched + PAGE);
	EXPECT_EQ(mmu_interval_notifier_remove(&w.mni), 0);
}

TEST(d22_contents_are_still_there_at_begin)
{
	static struct interval_witness w = {.act = look};

	watched = map(1);
	watch(&w, watched, 1);
	EXPECT_EQ(madvise(watched, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(seen, 'a');
	EXPECT_EQ(*watched, 0);
	EXPECT_EQ(w.range.event, MMU_NOTIFY_CLEAR);
	EXPECT_EQ(w.invalidated, 1);
}

/* ---- R3, R5, R9: class 1 ---- */

TEST(r03_class_one_is_told_of_munmap)
{
	static struct witness w;
	char *p = map(3);
	unsigned int begin;

	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	begin = w.begin;
	EXPECT_EQ(munmap(p + PAGE, 2 * PAGE), 0);
	EXPECT_EQ(w.begin, begin + 1);
	EXPECT_EQ(w.end, w.begin);
	EXPECT_EQ(w.first, p + PAGE);
	EXPECT_EQ(w.last, p + 3 * PAGE - 1);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm_self()), 0);
	begin = w.begin;
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(w.begin, begin);
}

TEST(r05_own_events_are_atomic)
{
	static struct interval_witness wi;
	static struct witness w;
	char *p = map(1);

	watch(&wi, p, 1);
	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(w.atomic, 1);
	EXPECT_FALSE(mmu_notifier_range_blockable(&wi.range));
}

TEST(r09_failed_operations_end_too)
{
	static struct interval_witness wi;
	static struct witness w;
	char *p = map(2);

	watch(&wi, p, 2);
	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	EXPECT_EQ(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 1),
		  MAP_FAILED);
	EXPECT_EQ(madvise(p + 1, PAGE, MADV_DONTNEED), -1);
	EXPECT_EQ(mprotect(p + 1, PAGE, PROT_READ), -1);
	EXPECT_EQ(munmap(p + 1, PAGE), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(w.begin, w.end);
	EXPECT_EQ(wi.invalidate, wi.invalidated);
	EXPECT_FALSE(interval_is_open(&wi));
	EXPECT_EQ(p[PAGE], 'a');
}

/* ---- R33: fork ---- */

static void child_is_empty(struct witness *w, struct interval_witness *wi,
			   char *p)
{
	static struct interval_witness own;
	unsigned int begin = w->begin, told = wi->invalidate;

	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(w->begin, begin);
	EXPECT_EQ(wi->invalidate, told);
	EXPECT_EQ(mmu_notifier_unregister(&w->mn, mm_self()), -ENOENT);
	EXPECT_EQ(mmu_interval_notifier_remove(&wi->mni), -ENOENT);
	watch(&own, p + PAGE, 1);
	EXPECT_EQ(munmap(p + PAGE, PAGE), 0);
	EXPECT_EQ(own.invalidate, 1);
}

TEST(r33_child_starts_without_notifiers)
{
	static struct interval_witness wi;
	static struct witness w;
	char *p = map(2);
	unsigned int told;
	int status;

	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	watch(&wi, p, 1);
	if (fork() == 0) {
		child_is_empty(&w, &wi, p);
		_exit(0);
	}
	ASSERT_TRUE(wait(&status) > 0);
	EXPECT_EQ(status, 0);
	told = wi.invalidate;
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(wi.invalidate, told + 1);
}

/* ---- R34: exit ---- */

struct last_words {
	unsigned int all, release, when_all, when_release;
};

static struct last_words *last_words; /* shared with the child */

static void write_last_words(struct witness *w)
{
	last_words->all = w->all;
	last_words->release = w->release;
	last_words->when_all = w->when_all;
	last_words->when_release = w->when_release;
}

static void exits(int how)
{
	static struct witness w = {.act = write_last_words};
	int status;
	pid_t pid;

	memset(last_words, 0, sizeof(*last_words));
	pid = fork();
	if (pid == 0) {
		ASSERT_EQ(witness_register(&w, mm_self()), 0);
		if (how)
			_exit(0);
		exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(last_words->all, 1);
	EXPECT_EQ(last_words->release, 1);
	EXPECT_LT(last_words->when_all, last_words->when_release);
}

TEST(r34_exit_invalidates_all_then_releases)
{
	last_words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(last_words, MAP_FAILED);
	exits(0);
	exits(1);
}

/* ---- R35: the call-outs ---- */

static void unmap(char *p)
{
	EXPECT_EQ(munmap(p, PAGE), 0);
}

static void map_over(char *p)
{
	EXPECT_EQ(mmap(p, PAGE, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  p);
}

static void move_away(char *p)
{
	char *to = map(1);

	EXPECT_EQ(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
}

static void move_over(char *p)
{
	char *from = map(1);

	EXPECT_EQ(mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p),
		  p);
}

static void drop(char *p)
{
	EXPECT_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
}

static void protect(char *p)
{
	EXPECT_EQ(mprotect(p, PAGE, PROT_NONE), 0);
}

static void detach(char *p)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);

	ASSERT_NE(id, -1);
	EXPECT_EQ(shmat(id, p, SHM_REMAP), p);
	shmctl(id, IPC_RMID, NULL);
	EXPECT_EQ(shmdt(p), 0);
}

static const struct {
	const char *name;
	void (*act)(char *p);
	enum mmu_notifier_event event;
	unsigned int times;
} operations[] = {
	{"munmap", unmap, MMU_NOTIFY_UNMAP, 1},
	{"mmap over", map_over, MMU_NOTIFY_UNMAP, 1},
	{"mremap away", move_away, MMU_NOTIFY_UNMAP, 1},
	{"mremap onto", move_over, MMU_NOTIFY_UNMAP, 1},
	{"madvise DONTNEED", drop, MMU_NOTIFY_CLEAR, 1},
	{"mprotect", protect, MMU_NOTIFY_PROTECTION_VMA, 1},
	{"shmat SHM_REMAP, shmdt", detach, MMU_NOTIFY_UNMAP, 2},
};

TEST(r35_range_callouts_of_the_live_mm)
{
	static struct interval_witness
		w[sizeof(operations) / sizeof(operations[0])];
	unsigned int i;
	char *p;

	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		tap_say("# %s", operations[i].name);
		p = map(1);
		watch(&w[i], p, 1);
		operations[i].act(p);
		EXPECT_GE(w[i].invalidate, operations[i].times);
		EXPECT_EQ(w[i].invalidate, w[i].invalidated);
		EXPECT_EQ(w[i].range.event, operations[i].event);
		EXPECT_EQ(mmu_interval_notifier_remove(&w[i].mni), 0);
	}
}

TEST(d24_fork_mremap_and_mprotect_are_told)
{
	static struct interval_witness w;
	char *p = map(1);
	pid_t pid;

	watch(&w, p, 1);
	pid = fork();
	if (pid == 0)
		_exit(0);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	EXPECT_EQ(w.invalidate, 1);
	EXPECT_EQ(w.range.event, MMU_NOTIFY_PROTECTION_PAGE);
	EXPECT_EQ(mprotect(p, PAGE, PROT_READ), 0);
	EXPECT_EQ(w.range.event, MMU_NOTIFY_PROTECTION_VMA);
	EXPECT_NE(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(w.invalidate, w.invalidated);
}
