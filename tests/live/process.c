/* SPDX-License-Identifier: MIT */
/*
 * fork, vfork, clone, exec and exit: what the parent is told, and what the
 * child is.
 */
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>

#include "tests/live/recorder.h"

INLINE_CALL(munmap, SYS_munmap)
INLINE_CALL(clone, SYS_clone)

static int wait_for(pid_t pid)
{
	int status = -1;

	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

TEST(fork_is_told_in_the_parent)
{
	static struct recorder r;
	char *p = map_pages(1);
	pid_t pid;

	record(&r, p, PAGE);
	pid = fork();
	if (!pid)
		_exit(r.begins == 1 && r.ends == 0 ? 0 : 1);
	EXPECT_EQ(wait_for(pid), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_PROTECTION_PAGE);
	EXPECT_EQ(r.begin.start, 0);
}

TEST(forked_child_starts_empty)
{
	static struct recorder r, mine;
	char *p = map_pages(2);
	pid_t pid;

	record(&r, p, 2 * PAGE);
	pid = fork();
	if (!pid) {
		r.begins = r.ends = 0;
		munmap(p, PAGE);
		if (r.begins)
			_exit(1);
		record(&mine, p + PAGE, PAGE);
		mine.probe = p + PAGE;
		munmap(p + PAGE, PAGE);
		_exit(mine.begins == 1 && mine.ends == 1 && mine.byte == 'a' &&
				      !r.begins
			      ? 0
			      : 2);
	}
	EXPECT_EQ(wait_for(pid), 0);
	munmap(p, PAGE);
	EXPECT_EQ(r.begins, 2);
}

/* volatile: munmap() is declared a leaf, which is not true here. */
static volatile int observed_pid, observed;

static void before(struct mmun_observer *obs, const struct mmun_op *op)
{
	observed++;
	observed_pid = op->pid;
}

TEST(observers_go_on_in_a_forked_child)
{
	static struct mmun_observer obs = {before, NULL, NULL};
	char *p = map_pages(1);
	pid_t pid;

	ASSERT_EQ(mmun_observe(&obs), 0);
	EXPECT_EQ(mmun_observe(&obs), -EEXIST);
	pid = fork();
	if (!pid) {
		observed = 0;
		munmap(p, PAGE);
		_exit(observed == 1 && observed_pid == getpid() ? 0 : 1);
	}
	EXPECT_EQ(wait_for(pid), 0);
	EXPECT_EQ(observed, 1);
	EXPECT_EQ(observed_pid, getpid());
}

TEST(vfork_child_is_seen_before)
{
	static struct recorder r;
	char *volatile p = map_pages(1);
	pid_t pid;

	record(&r, p, PAGE);
	r.probe = p;
	pid = vfork();
	if (!pid) {
		inline_munmap((long)p, PAGE, 0, 0, 0, 0);
		_exit(0);
	}
	EXPECT_EQ(wait_for(pid), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.byte, 'a');
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_UNMAP);
}

static int unmap_in_clone(void *p)
{
	return munmap(p, PAGE);
}

static pid_t clone_with_stack(int (*fn)(void *), int flags, void *arg)
{
	char *stack = map_pages(16);

	return clone(fn, stack + 16 * PAGE, flags | SIGCHLD, arg);
}

TEST(clone_that_shares_memory)
{
	static struct recorder r;
	char *p = map_pages(1);

	record(&r, p, PAGE);
	EXPECT_EQ(wait_for(clone_with_stack(unmap_in_clone, CLONE_VM, p)), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_UNMAP);
}

static int exits_with_seven(void *unused)
{
	return 7;
}

/* The child runs on a stack of its own in a copy of the memory. */
TEST(clone_with_a_stack_and_a_copy)
{
	static struct recorder r;
	char *p = map_pages(1);

	record(&r, p, PAGE);
	EXPECT_EQ(wait_for(clone_with_stack(exits_with_seven, 0, NULL)), 7);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_PROTECTION_PAGE);
	mmu_interval_notifier_remove(&r.mni);
	EXPECT_EQ(wait_for(clone_with_stack(exits_with_seven, 0, NULL)), 7);
}

TEST(failing_exec_ends_as_failed)
{
	static struct recorder r;
	char *p = map_pages(1);

	record(&r, p, PAGE);
	execl("/nonexistent/program", "program", NULL);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.begin.event, MMU_NOTIFY_UNMAP);
	EXPECT_EQ(r.end.flags & MMU_NOTIFIER_RANGE_FAILED,
		  MMU_NOTIFIER_RANGE_FAILED);
}

TEST(exec_in_a_vfork_child_is_none_of_ours)
{
	static struct recorder r;
	char *argv[] = {(char *)"true", NULL};
	char *p = map_pages(1);
	pid_t pid;

	record(&r, p, PAGE);
	ASSERT_EQ(posix_spawnp(&pid, "true", NULL, NULL, argv, environ), 0);
	EXPECT_EQ(wait_for(pid), 0);
	EXPECT_EQ(r.begins, 0);
	pid = vfork();
	if (!pid) {
		execl("/nonexistent/program", "program", NULL);
		_exit(3);
	}
	EXPECT_EQ(wait_for(pid), 3);
	EXPECT_EQ(r.begins, 0);
}

/* ---- exit ---- */

static int out[2];

static void say(char c)
{
	if (write(out[1], &c, 1) != 1)
		_exit(99);
}

static void all_gone(struct mmu_notifier *mn, struct mm_struct *mm, int dummy)
{
	say(dummy ? '?' : 'a');
}

static void released(struct mmu_notifier *mn, struct mm_struct *mm)
{
	say('r');
}

static const struct mmu_notifier_ops exit_ops = {.release = released,
						 .invalidate_all = all_gone};

static int exits_at_once(void *unused)
{
	_exit(0);
}

TEST(exit_invalidates_all_then_releases)
{
	static struct mmu_notifier mn = {.ops = &exit_ops};
	char got[8] = "";
	pid_t pid;

	ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (mmu_notifier_register(&mn, mm_self()))
			_exit(1);
		/* A task that shares the memory ends; the memory does not. */
		wait_for(clone_with_stack(exits_at_once, CLONE_VM, NULL));
		say('-');
		_exit(5);
	}
	close(out[1]);
	EXPECT_EQ(wait_for(pid), 5);
	EXPECT_GT(read(out[0], got, sizeof(got) - 1), 0);
	EXPECT_STREQ(got, "-ar");
}

TEST(registers_of_the_children_survive)
{
	static struct recorder r;
	char *p = map_pages(1);
	int i;

	record(&r, p, PAGE);
	for (i = 0; i < 20; i++) {
		long pid = inline_clone(SIGCHLD, 0, 0, 0, 0, 0);

		if (!pid)
			_exit(r.begins & 0x3f);
		EXPECT_EQ(wait_for((pid_t)pid), i + 1);
	}
	EXPECT_EQ(r.ends, 20);
}
