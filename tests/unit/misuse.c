/* SPDX-License-Identifier: MIT */
/*
 * MMUN_DEBUG=1: each misuse class that the core can see, committed, and the
 * line that names it. docs/misuse.md tells the classes.
 */
#include "core/open.h"

#include "tests/unit/witness.h"

static struct mm_struct *mm;
static struct interval_witness sub;
static struct witness w;
static int err;

/* Nothing of the library has run in this process: it reads MMUN_DEBUG now. */
static void debug(const char *value)
{
	setenv("MMUN_DEBUG", value, 1);
	err = memfd_create("stderr", 0);
	ASSERT_GE(err, 0);
	ASSERT_EQ(dup2(err, 2), 2);
	mm = mm_alloc();
	ASSERT_TRUE(mm);
}

/* How many lines name the class, and hold text? */
static int lines(const char *class, const char *text)
{
	static char all[65536];
	ssize_t size = pread(err, all, sizeof(all) - 1, 0);
	char *line, *save;
	int n = 0;

	all[size > 0 ? size : 0] = 0;
	for (line = strtok_r(all, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		n += !strncmp(line, "mmun: ", 6) &&
		     !strncmp(line + 6, class, strlen(class)) &&
		     line[6 + strlen(class)] == ':' && strstr(line, text);
	return n;
}

static int all_lines(void)
{
	char text[4096];
	ssize_t i, size = pread(err, text, sizeof(text), 0);
	int n = 0;

	for (i = 0; i < size; i++)
		n += text[i] == '\n';
	return n;
}

static bool silent(void)
{
	char c;

	return pread(err, &c, 1, 0) == 0;
}

static void subscribe(void)
{
	ASSERT_EQ(interval_witness_insert(&sub, mm, 0, PAGE), 0);
	ASSERT_EQ(witness_register(&w, mm), 0);
}

static void raise_range(unsigned long end, bool blockable)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, end);
	if (blockable)
		mmu_notifier_invalidate_range_start(&range);
	else
		ASSERT_EQ(mmu_notifier_invalidate_range_start_nonblock(&range),
			  0);
	mmu_notifier_invalidate_range_end(&range);
}

/* ---- silence ---- */

TEST(good_use_is_silent)
{
	unsigned long seq;

	debug("1");
	subscribe();
	raise_range(PAGE, false);
	mmu_notifier(invalidate_page, mm, 0);
	mmu_notifier(invalidate_all, mm, 0);
	mmu_notifier_age_page(mm, 0);
	seq = mmu_interval_read_begin(&sub.mni);
	EXPECT_FALSE(mmu_interval_read_retry(&sub.mni, seq));
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	EXPECT_EQ(mmu_notifier_put(&w.mn), 0);
	mmu_notifier_synchronize();
	mmput(mm);
	/* Under a sanitizer or valgrind the first of all may take its time. */
	EXPECT_EQ(all_lines(), lines("M1", "") + lines("M20", ""));
}

static void commit_some(void)
{
	subscribe();
	EXPECT_EQ(mmu_notifier_register(&w.mn, mm), -EEXIST);
	EXPECT_EQ(interval_witness_insert(&sub, mm, 0, PAGE), -EEXIST);
	mmu_notifier(invalidate_range_end, mm, 1);
}

TEST(without_debug_it_is_silent)
{
	debug("0");
	commit_some();
	EXPECT_TRUE(silent());
}

TEST(a_storm_is_cut_off)
{
	int i;

	debug("1");
	subscribe();
	for (i = 0; i < 1000; i++)
		mmu_notifier(invalidate_range_end, mm, 1);
	EXPECT_EQ(lines("M4", ""), 16);
}

/* ---- M1: waits in an event that cannot wait; M20: takes long ---- */

static void dawdle(struct interval_witness *i)
{
	msleep(5);
}

TEST(m1_interval)
{
	debug("1");
	subscribe();
	sub.act = dawdle;
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M1", ""), 0);
	raise_range(PAGE, false);
	EXPECT_EQ(lines("M1", "must not wait"), 1);
}

static void dawdle_too(struct witness *x)
{
	msleep(5);
}

TEST(m1_class_1)
{
	debug("1");
	subscribe();
	w.act = dawdle_too;
	mmu_notifier(invalidate_page, mm, 0);
	EXPECT_EQ(lines("M1", ""), 1);
	mmu_notifier_age_page(mm, 0);
	EXPECT_EQ(lines("M1", ""), 2);
	raise_range(PAGE, false); /* begin and end */
	EXPECT_EQ(lines("M1", ""), 4);
}

static void toil(struct interval_witness *i)
{
	struct sys_usage began, now;

	sys_usage(&began);
	do {
		sys_usage(&now);
	} while (now.cpu_ns - began.cpu_ns < 5000000);
}

TEST(m20_much_work)
{
	debug("1");
	subscribe();
	sub.act = toil;
	raise_range(1ul << 40, true);
	EXPECT_EQ(lines("M20", ""), 0);
	raise_range(1ul << 40, false);
	EXPECT_EQ(lines("M20", "worked over 1 ms"), 1);
	EXPECT_EQ(lines("M1", ""), 0);
}

/* ---- M2: fails where it must not; M9: storms ---- */

static int refusals;

static bool refuse_some(struct mmu_interval_notifier *mni,
			const struct mmu_notifier_range *range,
			unsigned long cur_seq)
{
	if (refusals-- > 0)
		return false;
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops refusing_ops = {
	.invalidate = refuse_some,
};

TEST(m2_refusal)
{
	static struct mmu_interval_notifier mni;

	debug("1");
	ASSERT_EQ(mmu_interval_notifier_insert(&mni, mm, 0, PAGE,
					       &refusing_ops),
		  0);
	refusals = 1;
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M2", "blockable"), 1);
	refusals = 2500;
	mmu_notifier(invalidate_range_begin, mm, 0, PAGE, 1);
	mmu_notifier(invalidate_range_end, mm, 1);
	EXPECT_EQ(lines("M9", "refused"), 2);
}

TEST(m9_retries)
{
	int i;

	debug("1");
	subscribe();
	for (i = 0; i < 999; i++)
		mmu_interval_read_retry(&sub.mni, 0);
	EXPECT_EQ(lines("M9", ""), 0);
	mmu_interval_read_retry(&sub.mni, 0);
	EXPECT_EQ(lines("M9", "retries"), 1);
}

/* ---- M4: pairs ---- */

TEST(m4_end_without_begin)
{
	struct mmu_notifier_range range, again;

	debug("1");
	subscribe();
	mmu_notifier(invalidate_range_end, mm, 1);
	EXPECT_EQ(lines("M4", "end without begin"), 1);
	range_open(&range, mm, 0, PAGE);
	again = range;
	mmu_notifier_invalidate_range_end(&range);
	mmu_notifier_invalidate_range_end(&again);
	EXPECT_EQ(lines("M4", "end without begin"), 2);
	EXPECT_EQ(w.begin, 1);
	EXPECT_EQ(w.end, 1);
}

TEST(m4_other_range)
{
	struct mmu_notifier_range range;

	debug("1");
	subscribe();
	range_open(&range, mm, 0, PAGE);
	range.end = 2 * PAGE;
	mmu_notifier_invalidate_range_end(&range);
	EXPECT_EQ(lines("M4", "another range"), 1);
}

/* Also M16, when the mm dies with it. */
TEST(m4_begin_without_end)
{
	debug("1");
	subscribe();
	mmu_notifier(invalidate_range_begin, mm, 0, PAGE, 1);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	mmput(mm);
	EXPECT_EQ(lines("M16", "dies inside"), 1);
	EXPECT_EQ(lines("M4", "no end"), 1);
}

/* ---- M5, M6, M7, M19: what a callback must not do ---- */

static void unregister_self(struct witness *x)
{
	if (x->begin != 1 || x->end)
		return;
	mmu_notifier_unregister(&x->mn, mm);
	mmu_interval_notifier_remove(&sub.mni);
}

TEST(m5_unregister_in_a_callback)
{
	debug("1");
	subscribe();
	w.act = unregister_self;
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M5", "unregister"), 1);
	EXPECT_EQ(lines("M5", "remove"), 1);
}

static void raise_in_callback(struct interval_witness *i)
{
	i->act = NULL;
	raise_range(PAGE, true);
}

TEST(m6_callback_invalidates)
{
	debug("1");
	subscribe();
	sub.act = raise_in_callback;
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M6", "from a callback"), 1);
}

static void use_mm(struct interval_witness *i)
{
	i->act = NULL;
	EXPECT_TRUE(mmget_not_zero(mm));
	mmget(mm);
	mmput(mm);
	mmput(mm);
	mmap_read_lock(mm);
	mmap_read_unlock(mm);
	mmu_interval_read_begin(&i->mni);
}

TEST(m6_m7_m19_callback_uses_the_mm)
{
	debug("1");
	subscribe();
	sub.act = use_mm;
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M19", "mmget"), 2);
	EXPECT_EQ(lines("M6", "mmput"), 2);
	EXPECT_EQ(lines("M7", "mmap_lock"), 1);
	EXPECT_EQ(lines("M7", "read_begin"), 1);
}

TEST(m7_page_not_locked)
{
	debug("1");
	page_init(&vm_page[0], mm, 0);
	EXPECT_EQ(mmu_rmap_export_page(&vm_page[0]), -EPERM);
	EXPECT_EQ(lines("M7", "not locked"), 1);
}

/* ---- M8: the sequence ---- */

static bool forget_seq(struct mmu_interval_notifier *mni,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	return true;
}

TEST(m8_no_set_seq)
{
	static const struct mmu_interval_notifier_ops ops = {forget_seq, NULL};
	static struct mmu_interval_notifier mni;

	debug("1");
	ASSERT_EQ(mmu_interval_notifier_insert(&mni, mm, 0, PAGE, &ops), 0);
	raise_range(PAGE, true);
	EXPECT_EQ(lines("M8", "mmu_interval_set_seq"), 1);
}

/* ---- M11, M17, M18: registered or not, with whom ---- */

TEST(m11_twice)
{
	debug("1");
	commit_some();
	EXPECT_EQ(lines("M11", "registered twice"), 1);
	EXPECT_EQ(lines("M11", "inserted twice"), 1);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), 0);
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm), -ENOENT);
	EXPECT_EQ(lines("M11", "unregister"), 1);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), -ENOENT);
	EXPECT_EQ(lines("M11", "remove"), 1);
	EXPECT_EQ(mmu_interval_read_begin(&sub.mni), 0);
	EXPECT_EQ(lines("M11", "read_begin"), 1);
}

TEST(m17_parents_registration)
{
	int status;
	pid_t pid;

	debug("1");
	if (getenv("MMUN_UNDER_VALGRIND") || mm_arm(mm_self()))
		SKIP("call sites cannot be patched here");
	ASSERT_EQ(witness_register(&w, mm_self()), 0);
	ASSERT_EQ(interval_witness_insert(&sub, mm_self(), PAGE, PAGE), 0);
	pid = fork();
	if (!pid) {
		mmu_notifier_unregister(&w.mn, mm_self());
		mmu_interval_notifier_remove(&sub.mni);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(lines("M17", "not registered here"), 1);
	EXPECT_EQ(lines("M17", "not inserted here"), 1);
}

TEST(m18_other_mm)
{
	debug("1");
	subscribe();
	EXPECT_EQ(mmu_notifier_unregister(&w.mn, mm_alloc()), -EINVAL);
	EXPECT_EQ(lines("M18", "another mm"), 1);
}

/* ---- M14, M15: ranges and filters ---- */

TEST(m14_ranges)
{
	debug("1");
	subscribe();
	raise_range(0, true);
	EXPECT_EQ(lines("M14", "invalidation of an empty range"), 1);
	EXPECT_EQ(mm_set_dirty(mm, PAGE, PAGE), -EINVAL);
	EXPECT_EQ(lines("M14", "mm_set_dirty"), 1);
	EXPECT_EQ(mmu_interval_notifier_remove(&sub.mni), 0);
	EXPECT_EQ(interval_witness_insert(&sub, mm, ~0ul, 2), -EINVAL);
	EXPECT_EQ(lines("M14", "insert"), 1);
}

static void release_only(struct mmu_notifier *mn, struct mm_struct *m)
{
}

TEST(m15_missing_events)
{
	static const struct mmu_notifier_ops ops = {.release = release_only};
	static struct mmu_notifier mn = {.ops = &ops};
	struct mmu_interval_options options = {
		.size = sizeof(options), .events = 1ul << MMU_NOTIFY_UNMAP};

	debug("1");
	ASSERT_EQ(mmu_notifier_register(&mn, mm), 0);
	EXPECT_GE(lines("M15", "release()"), 1);
	ASSERT_EQ(mmu_interval_notifier_insert_options(&sub.mni, mm, 0, PAGE,
						       &interval_witness_ops,
						       &options),
		  0);
	EXPECT_EQ(lines("M15", "UNMAP and CLEAR"), 1);
}
