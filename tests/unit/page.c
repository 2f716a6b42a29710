/* SPDX-License-Identifier: MIT */
/*
 * The page lock and its waiters, the count of exports, and deferred work.
 */
#include <mmun/workqueue.h>

#include "tests/unit/witness.h"

/* ---- the page lock ---- */

static struct page *page = vm_page;
static unsigned long inside, rounds;

static void *contend(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++) {
		lock_page(page);
		if (__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED) != 1)
			EXPECT_TRUE(!"two have the page lock");
		set_page_dirty(page); /* the word changes under the waiters */
		TestClearPageDirty(page);
		rounds++;
		__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
		unlock_page(page);
	}
	return NULL;
}

TEST(contended_page_lock)
{
	pthread_t thread[4];
	int i;

	vm_alloc();
	for (i = 0; i < 4; i++)
		thread[i] = spawn(contend, NULL);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(rounds, 80000);
	EXPECT_FALSE(PageLocked(page));
	EXPECT_EQ(page->flags, 0);
}

static void *lock_and_tell(void *arg)
{
	struct timespec cpu;

	lock_page(page);
	bump(arg);
	unlock_page(page);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	return (void *)(cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000);
}

TEST(waiters_sleep_and_all_wake)
{
	unsigned int through = 0;
	pthread_t thread[3];
	void *cpu_ms;
	int i;

	vm_alloc();
	lock_page(page);
	EXPECT_FALSE(trylock_page(page));
	for (i = 0; i < 3; i++)
		thread[i] = spawn(lock_and_tell, &through);
	msleep(300);
	EXPECT_EQ(count(&through), 0);
	unlock_page(page);
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &cpu_ms);
		EXPECT_LT((long)cpu_ms, 100);
	}
	EXPECT_EQ(through, 3);
	EXPECT_TRUE(trylock_page(page));
	unlock_page(page);
}

/* ---- exports ---- */

static void keep(struct rmap_witness *w, struct page *p)
{
	EXPECT_EQ(mmu_rmap_keep_page(p), 0);
	EXPECT_EQ(mmu_rmap_keep_page(p + 1), -EPERM);
}

TEST(exports_are_counted)
{
	static struct rmap_witness a, b;

	vm_alloc();
	EXPECT_EQ(mmu_rmap_export_page(page), -EPERM);
	EXPECT_EQ(mmu_rmap_withdraw_page(page), -EPERM);
	EXPECT_EQ(mmu_rmap_invalidate_page(page), -EPERM);
	EXPECT_EQ(mmu_rmap_keep_page(page), -EPERM);
	lock_page(page);
	EXPECT_EQ(mmu_rmap_withdraw_page(page), -ENOENT);
	EXPECT_EQ(mmu_rmap_export_page(page), 0);
	EXPECT_EQ(mmu_rmap_export_page(page), 0);
	EXPECT_EQ(mmu_rmap_withdraw_page(page), 0);
	EXPECT_TRUE(PageExternalRmap(page));
	EXPECT_EQ(mmu_rmap_withdraw_page(page), 0);
	EXPECT_FALSE(PageExternalRmap(page));
	EXPECT_EQ(page->flags, 1u << PG_locked);
	ASSERT_EQ(rmap_witness_register(&a), 0);
	ASSERT_EQ(rmap_witness_register(&b), 0);
	EXPECT_EQ(rmap_witness_register(&b), -EEXIST);
	EXPECT_EQ(mmu_rmap_invalidate_page(page), 0);
	EXPECT_EQ(a.told, 0); /* nobody had exported it */
	mmu_rmap_export_page(page);
	mmu_rmap_export_page(page);
	b.act = keep;
	EXPECT_EQ(mmu_rmap_invalidate_page(page), -EBUSY);
	EXPECT_EQ(a.told, 1); /* asked all the same */
	EXPECT_EQ(page->external_rmap, 2);
	b.act = NULL;
	EXPECT_EQ(mmu_rmap_invalidate_page(page), 0);
	EXPECT_EQ(page->external_rmap, 0);
	EXPECT_EQ(page->flags, 1u << PG_locked);
	unlock_page(page);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&a.mrn), 0);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&a.mrn), -ENOENT);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&b.mrn), 0);
}

static int unregister_rc;

static void unregister(struct rmap_witness *w, struct page *p)
{
	unregister_rc = mmu_rmap_notifier_unregister(&w->mrn);
}

TEST(unregister_in_a_class_2_callback)
{
	static struct rmap_witness w;

	vm_alloc();
	ASSERT_EQ(rmap_witness_register(&w), 0);
	w.act = unregister;
	lock_page(page);
	mmu_rmap_export_page(page);
	EXPECT_EQ(mmu_rmap_invalidate_page(page), 0);
	unlock_page(page);
	EXPECT_EQ(unregister_rc, -EDEADLK);
	EXPECT_EQ(mmu_rmap_notifier_unregister(&w.mrn), 0);
}

/* ---- deferred work ---- */

static struct job {
	struct work_struct work;
	int nr, again;
} job[8];

static int order[16], ran;

static void do_job(struct work_struct *work)
{
	struct job *j = (struct job *)work;

	order[ran++] = j->nr;
	if (j->again-- > 0)
		EXPECT_TRUE(schedule_work(&j->work));
}

static void schedule_in_handler(int nr)
{
	EXPECT_TRUE(schedule_work(&job[3].work));
	EXPECT_FALSE(schedule_work(&job[1].work));
}

static void jobs_init(void)
{
	int i;

	for (i = 0; i < 8; i++) {
		INIT_WORK(&job[i].work, do_job);
		job[i].nr = i;
	}
}

TEST(work_runs_once_in_order)
{
	jobs_init();
	EXPECT_EQ(flush_scheduled_work(), 0);
	EXPECT_TRUE(schedule_work(&job[1].work));
	EXPECT_TRUE(schedule_work(&job[2].work));
	EXPECT_FALSE(schedule_work(&job[1].work));
	signal(SIGUSR1, schedule_in_handler);
	raise(SIGUSR1);
	EXPECT_EQ(flush_scheduled_work(), 3);
	EXPECT_EQ(order[0] * 100 + order[1] * 10 + order[2], 123);
	EXPECT_EQ(flush_scheduled_work(), 0);
	job[4].again = 2;
	EXPECT_TRUE(schedule_work(&job[4].work));
	EXPECT_EQ(flush_scheduled_work(), 1);
	EXPECT_EQ(flush_scheduled_work(), 1);
	EXPECT_EQ(flush_scheduled_work(), 1);
	EXPECT_EQ(flush_scheduled_work(), 0);
	EXPECT_EQ(ran, 6);
}

/* What the parent queued is the parent's; it may be queued here anew. */
TEST(work_and_fork)
{
	int status;
	pid_t pid;

	jobs_init();
	EXPECT_TRUE(schedule_work(&job[1].work));
	pid = fork();
	if (!pid) {
		EXPECT_EQ(flush_scheduled_work(), 0);
		EXPECT_TRUE(schedule_work(&job[1].work));
		EXPECT_FALSE(schedule_work(&job[1].work));
		EXPECT_EQ(flush_scheduled_work(), 1);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(flush_scheduled_work(), 1);
}

static void *schedule_often(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++)
		schedule_work(&job[i % 4].work);
	return NULL;
}

static unsigned int counted;

static void count_job(struct work_struct *work)
{
	bump(&counted);
}

TEST(work_from_many_threads)
{
	pthread_t thread[2];
	unsigned int n = 0;
	int i;

	for (i = 0; i < 8; i++)
		INIT_WORK(&job[i].work, count_job);
	for (i = 0; i < 2; i++)
		thread[i] = spawn(schedule_often, NULL);
	for (i = 0; i < 20000; i++)
		n += flush_scheduled_work();
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	n += flush_scheduled_work();
	EXPECT_EQ(n, counted);
	EXPECT_GT(n, 0);
	EXPECT_EQ(flush_scheduled_work(), 0);
}
