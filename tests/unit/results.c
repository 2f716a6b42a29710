/* SPDX-License-Identifier: MIT */
/*
 * What every call returns, and from where: results of registration, of
 * removal and of raising that do not block, and what is left behind.
 */
#include "core/open.h"

#include <mmun/workqueue.h>

#include "tests/unit/witness.h"

static struct mm_struct *mm;

/* ---- class 1 ---- */

TEST(register_results)
{
	static struct witness w, dying;
	struct mmu_notifier none = {.ops = NULL};

	mm = mm_alloc();
	EXPECT_EQ(mmu_notifier_register(NULL, mm), -EINVAL);
	EXPECT_EQ(mmu_notifier_register(&none, mm), -EINVAL);
	w.mn.ops = &witness_ops;
	EXPECT_EQ(mmu_notifier_register(&w.mn, NULL), -EINVAL);
	EXPECT_EQ(__mmu_notifier_register(&w.mn, mm), -EPERM);
	mmap_read_lock(mm);
	EXPECT_EQ(__mmu_notifier_register(&w.mn, mm), -EPERM);
	mmap_read_unlock(mm);
	mmap_write_lock(mm);
	EXPECT_EQ(__mmu_notifier_register(&w.mn, mm), 0);
	mmap_write_unlock(mm);
	EXPECT_EQ(mmu_notifier_register(&w.mn, mm), -EEXIST);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	EXPECT_EQ(mmu_notifier_register(&w.mn, mm), 0);
	mmgrab(mm);
	mmput(mm);
	EXPECT_EQ(w.release, 1);
	EXPECT_EQ(witness_register(&dying, mm), -ESRCH);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	mmdrop(mm);
}

/* Nobody had registered, so nothing was armed: it is dead all the same. */
TEST(register_with_the_dead)
{
	static struct interval_witness i;
	static struct witness w;

	mm = mm_alloc();
	mmgrab(mm);
	mmput(mm);
	EXPECT_FALSE(mmget_not_zero(mm));
	EXPECT_EQ(witness_register(&w, mm), -ESRCH);
	EXPECT_EQ(interval_witness_insert(&i, mm, 0, PAGE), -ESRCH);
	mmdrop(mm);
}

TEST(unregister_results)
{
	struct mm_struct *other = mm_alloc();
	static struct witness w;

	mm = mm_alloc();
	EXPECT_EQ(mmu_notifier_unregister(NULL, mm), -EINVAL);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, NULL), -EINVAL);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), -ENOENT);
	ASSERT_EQ(witness_register(&w, mm), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, other), -EINVAL);
	EXPECT_EQ(mmu_notifier_register(&w.mn, other), -EEXIST);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), -ENOENT);
	EXPECT_EQ(mmu_notifier_put(&w.mn), -ENOENT);
}

static struct {
	int reg, unreg, insert, remove, put;
	unsigned long seq;
	bool open;
} from_callback;

static struct interval_witness subscribed;

static void call_all(struct witness *w)
{
	static struct interval_witness i;
	static struct witness other;

	if (w->begin != 1 || w->end)
		return;
	from_callback.reg = witness_register(&other, mm);
	from_callback.unreg = mmu_notifier_unregister(&w->mn, mm);
	from_callback.insert = interval_witness_insert(&i, mm, 0, PAGE);
	from_callback.remove = mmu_interval_notifier_remove(&subscribed.mni);
	from_callback.seq = mmu_interval_read_begin(&subscribed.mni);
	from_callback.open = interval_is_open(&subscribed);
}

TEST(results_in_a_callback)
{
	struct mmu_notifier_range range;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&subscribed, mm, 0, PAGE), 0);
	w.act = call_all;
	range_open(&range, mm, 0, PAGE);
	EXPECT_EQ(from_callback.reg, -EDEADLK);
	EXPECT_EQ(from_callback.unreg, -EDEADLK);
	EXPECT_EQ(from_callback.insert, -EDEADLK);
	EXPECT_EQ(from_callback.remove, -EDEADLK);
	EXPECT_EQ(from_callback.seq, 0);
	EXPECT_TRUE(mmu_interval_read_retry(&subscribed.mni, 0));
	EXPECT_TRUE(from_callback.open);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.end, 1);
}

TEST(results_between_begin_and_end)
{
	struct mmu_notifier_range range;
	static struct interval_witness i;
	static struct witness w, other;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	range_open(&range, mm, 0, PAGE);
	EXPECT_EQ(witness_register(&other, mm), -EDEADLK);
	/* Neither of these waits for the end. */
	EXPECT_EQ(interval_witness_insert(&i, mm, 0, PAGE), 0);
	EXPECT_EQ(mmu_interval_read_begin(&i.mni), 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.begin, 1);
	EXPECT_EQ(w.end, 0);
}

static void *register_other(void *arg)
{
	static struct witness other;

	EXPECT_EQ(witness_register(&other, mm), 0);
	bump(arg);
	return NULL;
}

TEST(register_waits_for_what_is_open)
{
	struct mmu_notifier_range range;
	unsigned int registered = 0;
	static struct witness w;
	pthread_t thread;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	range_open(&range, mm, 0, PAGE);
	thread = spawn(register_other, &registered);
	msleep(200);
	EXPECT_EQ(count(&registered), 0);
	mmu_notifier_invalidate_range_end(&range);
	pthread_join(thread, NULL);
	EXPECT_EQ(registered, 1);
}

/* ---- put ---- */

static void put_self(struct witness *w)
{
	if (w->begin == 1 && !w->end)
		from_callback.put = mmu_notifier_put(&w->mn);
}

TEST(put_from_a_callback)
{
	struct mmu_notifier_range range;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	w.act = put_self;
	from_callback.put = 1;
	range_open(&range, mm, 0, PAGE);
	EXPECT_EQ(from_callback.put, 0);
	EXPECT_EQ(w.freed, 0);
	EXPECT_EQ(mmu_notifier_put(&w.mn), -ENOENT);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), -ENOENT);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.end, 0);
	mmu_notifier_synchronize();
	EXPECT_EQ(w.freed, 1);
	w.act = NULL;
	EXPECT_EQ(mmu_notifier_register(&w.mn, mm), 0);
}

/* free_notifier waits for callbacks that run, register and others do not. */
static unsigned int in_callback, leave_callback;

static void stay(struct witness *w)
{
	bump(&in_callback);
	while (!count(&leave_callback))
		msleep(1);
}

static void *raise_once(void *arg)
{
	struct mmu_notifier_range range;

	range_open(&range, mm, 0, PAGE);
	mmu_notifier_invalidate_range_end(&range);
	return NULL;
}

static void *synchronize(void *arg)
{
	mmu_notifier_synchronize();
	bump(arg);
	return NULL;
}

TEST(put_while_a_callback_runs)
{
	struct mm_struct *other = mm_alloc();
	static struct witness w, x;
	unsigned int synced = 0;
	pthread_t raiser, syncer;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	w.act = stay;
	raiser = spawn(raise_once, NULL);
	await(&in_callback, 1);
	EXPECT_EQ(mmu_notifier_put(&w.mn), 0);
	EXPECT_EQ(witness_register(&x, other), 0); /* runs what is due */
	EXPECT_EQ(w.freed, 0);
	EXPECT_EQ(mmu_notifier_register(&w.mn, mm), -EEXIST);
	EXPECT_EQ(mmu_notifier_register(&w.mn, other), -EEXIST);
	syncer = spawn(synchronize, &synced);
	msleep(100);
	EXPECT_EQ(count(&synced), 0);
	bump(&leave_callback);
	pthread_join(raiser, NULL);
	pthread_join(syncer, NULL);
	EXPECT_EQ(w.freed, 1);
	EXPECT_EQ(w.end, 0);
}

static unsigned int freeing;

static void free_slowly(struct mmu_notifier *mn)
{
	bump(&freeing);
	msleep(300);
	bump(&to_witness(mn)->freed);
}

static void *register_elsewhere(void *arg)
{
	static struct witness x;

	witness_register(&x, arg);
	return NULL;
}

/* Another thread is in free_notifier: the code must not be unloaded yet. */
TEST(synchronize_waits_for_others)
{
	static const struct mmu_notifier_ops ops = {.free_notifier =
							    free_slowly};
	static struct witness w = {.mn.ops = &ops};
	pthread_t thread;

	mm = mm_alloc();
	ASSERT_EQ(mmu_notifier_register(&w.mn, mm), 0);
	ASSERT_EQ(mmu_notifier_put(&w.mn), 0);
	thread = spawn(register_elsewhere, mm_alloc());
	await(&freeing, 1);
	mmu_notifier_synchronize();
	EXPECT_EQ(count(&w.freed), 1);
	pthread_join(thread, NULL);
}

/* ---- death ---- */

TEST(release_twice)
{
	static struct interval_witness i;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&i, mm, 0, PAGE), 0);
	mmu_notifier_release(mm);
	mmu_notifier_release(mm);
	EXPECT_EQ(w.release, 1);
	EXPECT_EQ(i.invalidate, 1);
	EXPECT_EQ(i.range.event, MMU_NOTIFY_RELEASE);
	mmput(mm);
	EXPECT_EQ(w.release, 1);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
}

static unsigned int in_release;

static void slow_release(struct witness *w)
{
	if (!w->release)
		return;
	bump(&in_release);
	msleep(300);
	EXPECT_EQ(mmu_notifier_unregister(&w->mn, mm), 0);
	bump(&in_release);
}

static void *put_mm(void *arg)
{
	mmput(mm);
	return NULL;
}

TEST(unregister_during_release)
{
	static struct witness w;
	pthread_t thread;

	mm = mm_alloc();
	mmgrab(mm);
	ASSERT_EQ(witness_register(&w, mm), 0);
	w.act = slow_release;
	thread = spawn(put_mm, NULL);
	await(&in_release, 1);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	EXPECT_EQ(count(&in_release), 2); /* it has waited */
	pthread_join(thread, NULL);
	EXPECT_EQ(w.release, 1);
	mmdrop(mm);
}

/* ---- class 3 ---- */

TEST(insert_results)
{
	static const struct mmu_interval_notifier_ops empty;
	static struct interval_witness i;

	mm = mm_alloc();
	EXPECT_EQ(interval_witness_insert(&i, mm, PAGE, 0), -EINVAL);
	EXPECT_EQ(interval_witness_insert(&i, mm, ~0ul, 2), -EINVAL);
	EXPECT_EQ(interval_witness_insert(&i, NULL, 0, PAGE), -EINVAL);
	EXPECT_EQ(mmu_interval_notifier_insert(&i.mni, mm, 0, PAGE, NULL),
		  -EINVAL);
	EXPECT_EQ(mmu_interval_notifier_insert(&i.mni, mm, 0, PAGE, &empty),
		  -EINVAL);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), -ENOENT);
	EXPECT_EQ(interval_witness_insert(&i, mm, ~0ul, 1), 0);
	EXPECT_EQ(interval_witness_insert(&i, mm, 0, PAGE), -EEXIST);
	EXPECT_EQ(i.mni.start, ~0ul);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), -ENOENT);
}

TEST(option_sizes)
{
	struct {
		struct mmu_interval_options known;
		unsigned long later;
	} options = {.known.size = sizeof(options)};
	static struct interval_witness i;
	int rc;

	mm = mm_alloc();
	rc = mmu_interval_notifier_insert_options(
		&i.mni, mm, 0, PAGE, &interval_witness_ops, &options.known);
	EXPECT_EQ(rc, 0); /* larger, but nothing unknown is asked for */
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	options.later = 1;
	rc = mmu_interval_notifier_insert_options(
		&i.mni, mm, 0, PAGE, &interval_witness_ops, &options.known);
	EXPECT_EQ(rc, -E2BIG);
	options.known.size = sizeof(options.known) - 1;
	rc = mmu_interval_notifier_insert_options(
		&i.mni, mm, 0, PAGE, &interval_witness_ops, &options.known);
	EXPECT_EQ(rc, -EINVAL);
	options.known.size = 0;
	rc = mmu_interval_notifier_insert_options(
		&i.mni, mm, 0, PAGE, &interval_witness_ops, &options.known);
	EXPECT_EQ(rc, -EINVAL);
}

TEST(mm_operations_size)
{
	struct mm_operations ops = {.size = sizeof(ops) - 1};
	struct mm_struct *unset = (struct mm_struct *)&ops, *out = unset;

	EXPECT_EQ(mm_alloc_ops(&ops, NULL, &out), -EINVAL);
	EXPECT_EQ(out, unset);
	ops.size = sizeof(ops);
	EXPECT_EQ(mm_alloc_ops(&ops, &ops, &out), 0);
	EXPECT_EQ(mm_private(out), &ops);
	EXPECT_EQ(mm_set_dirty(out, PAGE, PAGE), -EINVAL);
	EXPECT_EQ(mm_set_dirty(out, 0, PAGE), 0);
	mmput(out);
}

/* ---- raising ---- */

static void raise_as(enum mmu_notifier_event event, void *owner)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init_owner(&range, event, 0, mm, 0, PAGE, owner);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
}

static struct interval_witness filtered(void *owner, unsigned long events)
{
	return (struct interval_witness){.mni.owner = owner,
					 .mni.events = events};
}

static void insert_filtered(struct interval_witness *i)
{
	struct mmu_interval_options options = {.size = sizeof(options),
					       .owner = i->mni.owner,
					       .events = i->mni.events};

	ASSERT_EQ(mmu_interval_notifier_insert_options(&i->mni, mm, 0, PAGE,
						       &interval_witness_ops,
						       &options),
		  0);
}

TEST(owner_filter)
{
	static struct interval_witness all, mine;

	mm = mm_alloc();
	mine = filtered(&mine, 0);
	insert_filtered(&all);
	insert_filtered(&mine);
	raise_as(MMU_NOTIFY_UNMAP, &mine);
	EXPECT_EQ(all.invalidate, 1);
	EXPECT_EQ(all.range.owner, &mine);
	EXPECT_EQ(mine.invalidate, 0);
	EXPECT_EQ(mine.invalidated, 0);
	raise_as(MMU_NOTIFY_UNMAP, &all);
	raise_as(MMU_NOTIFY_UNMAP, NULL);
	EXPECT_EQ(mine.invalidate, 2);
	EXPECT_EQ(mine.invalidated, 2);
	EXPECT_EQ(all.invalidate, 3);
}

TEST(event_filter)
{
	static struct interval_witness clear, protection;

	mm = mm_alloc();
	clear = filtered(NULL, 1ul << MMU_NOTIFY_CLEAR);
	protection = filtered(NULL, 1ul << MMU_NOTIFY_PROTECTION_VMA);
	insert_filtered(&clear);
	insert_filtered(&protection);
	raise_as(MMU_NOTIFY_PROTECTION_VMA, NULL);
	EXPECT_EQ(clear.invalidate, 0);
	EXPECT_EQ(protection.invalidate, 1);
	raise_as((enum mmu_notifier_event)1000, NULL); /* means CLEAR */
	EXPECT_EQ(clear.invalidate, 1);
	EXPECT_EQ(clear.range.event, 1000);
	EXPECT_EQ(protection.invalidate, 1);
	mmu_notifier_release(mm); /* nobody can switch this one off */
	EXPECT_EQ(clear.invalidate, 2);
	EXPECT_EQ(protection.invalidate, 2);
}

TEST(nonblock_rolls_back)
{
	static struct interval_witness a, b, c;
	struct mmu_notifier_range range;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(interval_witness_insert(&a, mm, 0, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&b, mm, PAGE, PAGE), 0);
	ASSERT_EQ(interval_witness_insert(&c, mm, 2 * PAGE, PAGE), 0);
	ASSERT_EQ(witness_register(&w, mm), 0);
	b.refuse = true;
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, 3 * PAGE);
	EXPECT_EQ(mmu_notifier_invalidate_range_start_nonblock(&range),
		  -EAGAIN);
	EXPECT_EQ(range.open, 0);
	EXPECT_EQ(a.invalidate, 1);
	EXPECT_EQ(a.invalidated, 1);
	EXPECT_TRUE(a.after.flags & MMU_NOTIFIER_RANGE_FAILED);
	EXPECT_EQ(b.invalidated, 0);
	EXPECT_EQ(c.invalidate, 0);
	EXPECT_EQ(w.begin, 0);
	EXPECT_EQ(w.end, 0);
	EXPECT_FALSE(interval_is_open(&a));
	b.refuse = false;
	EXPECT_EQ(mmu_notifier_invalidate_range_start_nonblock(&range), 0);
	EXPECT_EQ(w.atomic, 1);
	EXPECT_TRUE(interval_is_open(&c));
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(c.invalidated, 1);
	EXPECT_FALSE(c.after.flags & MMU_NOTIFIER_RANGE_FAILED);
}

TEST(nested_and_overlapping_pairs)
{
	static struct interval_witness i;
	struct mmu_notifier_range a, b;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(interval_witness_insert(&i, mm, PAGE, PAGE), 0);
	ASSERT_EQ(witness_register(&w, mm), 0);
	range_open(&a, mm, 0, 2 * PAGE);
	range_open(&b, mm, PAGE, 3 * PAGE);
	mmu_notifier(invalidate_range_begin, mm, 0, PAGE, 1);
	mmu_notifier(invalidate_range_begin, mm, PAGE, 2 * PAGE, 0);
	EXPECT_EQ(i.invalidate, 3);
	mmu_notifier_invalidate_range_end(&a); /* not the youngest */
	EXPECT_EQ(i.invalidated, 1);
	EXPECT_TRUE(interval_is_open(&i));
	mmu_notifier(invalidate_range_end, mm, 0);
	EXPECT_EQ(i.invalidated, 2);
	EXPECT_EQ(i.after.end, 2 * PAGE);
	EXPECT_TRUE(interval_is_open(&i));
	mmu_notifier_invalidate_range_end(&b);
	EXPECT_FALSE(interval_is_open(&i)); /* the other touches it not */
	mmu_notifier(invalidate_range_end, mm, 1);
	EXPECT_EQ(i.invalidate, 3);
	EXPECT_EQ(i.invalidated, 3);
	EXPECT_EQ(w.begin, 4);
	EXPECT_EQ(w.end, 4);
}

/* The end is that of the begin, whatever has become of the range meanwhile. */
TEST(range_changed_between)
{
	static struct interval_witness i;
	struct mmu_notifier_range range;

	mm = mm_alloc();
	ASSERT_EQ(interval_witness_insert(&i, mm, 0, PAGE), 0);
	range_open(&range, mm, 0, PAGE);
	range.start = 8 * PAGE;
	range.end = 9 * PAGE;
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(i.invalidated, 1);
	EXPECT_FALSE(interval_is_open(&i));
}

TEST(empty_ranges)
{
	struct mmu_notifier_range range;
	static struct witness w;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	range_open(&range, mm, PAGE, PAGE);
	mmu_notifier_invalidate_range_end(&range);
	range_open(&range, mm, 2 * PAGE, PAGE);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.begin, w.end);
	mmu_notifier(invalidate_range_begin, mm, PAGE, PAGE, 1);
	mmu_notifier(invalidate_range_end, mm, 1);
	EXPECT_EQ(w.begin, w.end);
}

/* Rule 6: nobody can prove that a raiser of mm_self() may wait. */
TEST(mm_self_is_atomic)
{
	static struct interval_witness i;
	struct mmu_notifier_range range;
	static struct witness w;

	mm = mm_self();
	if (getenv("MMUN_UNDER_VALGRIND") || mm_arm(mm))
		SKIP("call sites cannot be patched here");
	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&i, mm, PAGE, PAGE), 0);
	range_open(&range, mm, PAGE, 2 * PAGE);
	EXPECT_EQ(w.atomic, 1);
	EXPECT_FALSE(mmu_notifier_range_blockable(&i.range));
	w.atomic = 0;
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(w.atomic, 1);
	mmu_notifier(invalidate_range_begin, mm, PAGE, 2 * PAGE, 0);
	EXPECT_EQ(w.atomic, 1);
	EXPECT_FALSE(mmu_notifier_range_blockable(&i.range));
	mmu_notifier(invalidate_range_end, mm, 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
}

/* ---- fork ---- */

static void self_in_child(struct witness *w, struct interval_witness *i)
{
	alarm(20);
	EXPECT_EQ(mm_has_notifiers(mm_self()), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w->mn, mm_self()), -ENOENT);
	EXPECT_EQ(mmu_notifier_put(&w->mn), -ENOENT);
	EXPECT_EQ(mmu_interval_notifier_remove(&i->mni), -ENOENT);
	w->begin = i->invalidate = 0;
	munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	       PAGE);
	EXPECT_EQ(w->begin, 0);
	EXPECT_EQ(mmu_notifier_register(&w->mn, mm_self()), 0);
	EXPECT_EQ(mmu_notifier_register(&w->mn, mm_self()), -EEXIST);
	EXPECT_EQ(mmu_notifier_unregister(&w->mn, mm_self()), 0);
	_exit(0);
}

TEST(child_of_mm_self_starts_empty)
{
	static struct interval_witness i;
	static struct witness w;
	int status;
	pid_t pid;

	if (getenv("MMUN_UNDER_VALGRIND") || mm_arm(mm_self()))
		SKIP("call sites cannot be patched here");
	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	ASSERT_EQ(interval_witness_insert(&i, mm_self(), PAGE, PAGE), 0);
	pid = fork();
	if (!pid)
		self_in_child(&w, &i);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm_self()), 0);
}

static void managed_in_child(struct witness *w, struct interval_witness *i)
{
	static struct witness another;
	struct mmu_notifier_range range;

	alarm(20);
	range_open(&range, mm, 0, PAGE);
	EXPECT_EQ(w->begin, 1);
	EXPECT_EQ(i->invalidate, 1);
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(mmu_notifier_register(&w->mn, mm), -EEXIST);
	EXPECT_EQ(interval_witness_insert(i, mm, 0, PAGE), -EEXIST);
	EXPECT_EQ(witness_register(&another, mm), 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i->mni), 0);
	EXPECT_EQ(mmu_notifier_put(&w->mn), 0);
	mmu_notifier_synchronize();
	EXPECT_EQ(w->freed, 1);
	mmput(mm);
	EXPECT_EQ(another.release, 1);
	_exit(0);
}

TEST(child_of_a_managed_mm_keeps_it)
{
	static struct interval_witness i;
	static struct witness w;
	int status;
	pid_t pid;

	mm = mm_alloc();
	ASSERT_EQ(witness_register(&w, mm), 0);
	ASSERT_EQ(interval_witness_insert(&i, mm, 0, PAGE), 0);
	pid = fork();
	if (!pid)
		managed_in_child(&w, &i);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(w.begin, 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&i.mni), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	mmput(mm);
}
