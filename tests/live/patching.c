/* SPDX-License-Identifier: MIT */
/*
 * Text is exchanged under running threads, in every way that we know.
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "live/live.h"

/* The library's own words; the tests have the same. */
#undef unlikely
#undef likely
#include "tests/live/recorder.h"

#define THREADS 4
#define SECONDS 5

/* ---- threads that hammer the sites of libc ---- */

static volatile int stop;
static unsigned long calls[THREADS];
static unsigned long hits;

static void count(struct mmun_observer *obs, const struct mmun_op *op)
{
	__atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
}

static void one_round(char *p, unsigned long *n)
{
	char *q = mmap(NULL, 2 * PAGE, MAP_RW, -1, 0);

	/* Results tell whether a call was executed as it was meant. */
	ASSERT_NE(q, MAP_FAILED);
	q[0] = 'q';
	ASSERT_EQ(mprotect(q + PAGE, PAGE, PROT_READ), 0);
	p[0] = 'a';
	ASSERT_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	ASSERT_EQ(p[0], 0);
	ASSERT_EQ(mmap(q, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  q);
	ASSERT_EQ(q[0], 0);
	ASSERT_EQ(munmap(q, 2 * PAGE), 0);
	ASSERT_EQ(munmap((void *)8, PAGE), -1);
	ASSERT_EQ(errno, EINVAL);
	/* mprotect, madvise, mmap over it, munmap: what observers see. */
	*n += 4;
}

static void *hammer(void *arg)
{
	unsigned long *n = arg;
	char *p = map_pages(1);

	while (!stop)
		one_round(p, n);
	return NULL;
}

/* All sites out or in, as one batch, under the lock that arming takes. */
static int exchange(bool undo)
{
	static struct patch *patches[SITES_MAX];
	struct sys_sigset signals;
	unsigned int i, nr = 0;
	int rc;

	sys_mutex_lock(&mmun_live_v.lock, &signals);
	for (i = 0; i < mmun_nr_sites; i++)
		patches[nr++] = &mmun_sites[i].jump;
	rc = text_write(patches, nr, true, undo);
	sys_mutex_unlock(&mmun_live_v.lock, &signals);
	return rc;
}

static void swap_under_load(enum mmun_patch_method method)
{
	static struct mmun_observer obs = {.before = count};
	unsigned long all = 0, exchanges = 0;
	pthread_t t[THREADS];
	long long end;
	int i;

	ASSERT_EQ(mmun_observe(&obs), 0);
	text_force(method);
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, hammer, &calls[i]), 0);
	for (end = tap_now_ms() + SECONDS * 1000; tap_now_ms() < end;) {
		ASSERT_EQ(exchange(true), 0);
		ASSERT_EQ(exchange(false), 0);
		exchanges += 2;
	}
	stop = 1;
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		all += calls[i];
	}
	tap_say("# %lu exchanges of %u sites, %lu calls, %lu through stubs",
		exchanges, mmun_nr_sites, all, hits);
	EXPECT_GT(exchanges, 100);
	/* Both texts were run, and often. */
	EXPECT_GT(hits, all / 100);
	EXPECT_LT(hits, all - all / 100);
}

TEST_TIMEOUT(swapped_pages_under_load, 60)
{
	swap_under_load(MMUN_PATCH_SWAP);
}

TEST_TIMEOUT(staged_stores_under_load, 60)
{
	swap_under_load(MMUN_PATCH_MPROTECT);
}

/* ---- arming while others run ---- */

TEST_TIMEOUT(arming_under_load, 60)
{
	static struct mmun_observer obs = {.before = count};
	struct mmun_coverage c = {.size = sizeof(c)};
	pthread_t t[THREADS];
	unsigned long before;
	int i;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&t[i], NULL, hammer, &calls[i]), 0);
	usleep(50000);
	ASSERT_EQ(mmun_observe(&obs), 0);
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.method, MMUN_PATCH_SWAP);
	EXPECT_EQ(c.late, 1);
	EXPECT_GT(c.late_ns, 0);
	EXPECT_LT(c.late_ns, 1000000000);
	before = __atomic_load_n(&hits, __ATOMIC_RELAXED);
	usleep(200000);
	stop = 1;
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	EXPECT_GT(__atomic_load_n(&hits, __ATOMIC_RELAXED), before + 100);
}

/* ---- each method, and what it leaves behind ---- */

static void arm_by(enum mmun_patch_method method)
{
	struct mmun_coverage c = {.size = sizeof(c)};
	static struct recorder r;
	char *p = map_pages(1);

	text_force(method);
	record(&r, p, PAGE);
	r.probe = p;
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.method, method);
	EXPECT_EQ(munmap(p, PAGE), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.byte, 'a');
}

TEST(method_proc_mem)
{
	arm_by(MMUN_PATCH_PROC_MEM);
}

TEST(method_swap)
{
	arm_by(MMUN_PATCH_SWAP);
}

TEST(method_mprotect)
{
	arm_by(MMUN_PATCH_MPROTECT);
}

/* Nothing is writable and executable, before or after. */
static int writable_text(void)
{
	struct map_entry e;
	struct maps maps;
	int n = 0;

	ASSERT_EQ(maps_open(&maps), 0);
	while (maps_next(&maps, &e) > 0)
		n += e.write && e.exec;
	maps_close(&maps);
	return n;
}

TEST(no_writable_text_is_left)
{
	int before = writable_text();

	ASSERT_EQ(mm_arm(mm_self()), 0);
	EXPECT_EQ(writable_text(), before);
}

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

/* Memory-deny-write-execute: two of the methods still work. */
TEST(under_mdwe)
{
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0))
		SKIP("no PR_SET_MDWE here");
	arm_by(MMUN_PATCH_PROC_MEM);
}

TEST(under_mdwe_with_threads)
{
	if (prctl(PR_SET_MDWE, 1, 0, 0, 0))
		SKIP("no PR_SET_MDWE here");
	arm_by(MMUN_PATCH_SWAP);
}

TEST(refused_by_all_means)
{
	struct mmun_coverage c = {.size = sizeof(c)};
	char *p = map_pages(1);

	if (prctl(PR_SET_MDWE, 1, 0, 0, 0))
		SKIP("no PR_SET_MDWE here");
	text_force(MMUN_PATCH_MPROTECT);
	EXPECT_EQ(mm_arm(mm_self()), -EACCES);
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.armed, 0);
	EXPECT_EQ(c.error, -EACCES);
	EXPECT_EQ(c.method, MMUN_PATCH_NONE);
	EXPECT_EQ(munmap(p, PAGE), 0);
	/* Later it may be allowed. */
	text_force(MMUN_PATCH_NONE);
	EXPECT_EQ(mm_arm(mm_self()), 0);
}

/* libc's mmap crosses a line of 16 bytes: the hard case is among ours. */
TEST(a_site_that_crosses_a_line)
{
	unsigned int i, crossing = 0;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	for (i = 0; i < mmun_nr_sites; i++) {
		const struct patch *p = &mmun_sites[i].jump;

		crossing += (p->address & 15) + p->size > 16;
	}
	EXPECT_GE(crossing, 1);
}

/* ---- one record each, and when there are no more ---- */

TEST(no_record_left)
{
	static struct recorder r;
	struct open *held[2 * MM_OPEN_MAX];
	char *p = map_pages(1);
	int i, n = 0;

	record(&r, p, PAGE);
	r.probe = p;
	while (n < 2 * MM_OPEN_MAX &&
	       (held[n] = open_claim(&mmun_self, 1, 2, 0)))
		n++;
	ASSERT_EQ(n, MM_OPEN_MAX);
	open_close(&mmun_self, NULL);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(r.begins, 10);
	EXPECT_EQ(r.ends, 10);
	EXPECT_EQ(r.byte, 'a');
	while (n--)
		open_close(&mmun_self, held[n]);
	EXPECT_EQ(mmun_self.v.overflow, 0);
}

/* A second copy cannot take over, says so, and leaves the first alone. */
TEST(another_copy_of_the_library)
{
	struct site *first;
	unsigned int nr;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	first = mmap(NULL, sizeof(mmun_sites), MAP_RW, -1, 0);
	memcpy(first, mmun_sites, sizeof(mmun_sites));
	nr = mmun_nr_sites;
	/* What a copy that has just been loaded knows. */
	mmun_nr_sites = 0;
	EXPECT_EQ(site_examine(NULL, first[0].address, true, NULL),
		  SITE_FOREIGN);
	memcpy(mmun_sites, first, sizeof(mmun_sites));
	mmun_nr_sites = nr;
	EXPECT_EQ(site_examine(NULL, first[0].address, true, NULL), SITE_DONE);
}
