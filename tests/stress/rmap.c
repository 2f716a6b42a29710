/* SPDX-License-Identifier: MIT */
/*
 * Pages that are exported, withdrawn and invalidated by many threads, while
 * class 2 notifiers come and go. A page that an invalidation took has no
 * remote reference left; one that was kept has them all.
 */
#include "tests/stress/stress.h"

#define NPAGES 32
#define NEXPORTERS 3

struct exporter {
	struct mmu_rmap_notifier mrn;
	unsigned long remote[NPAGES]; /* under the page lock */
	unsigned long dirty[NPAGES];
	struct random random;
};

static struct page page[NPAGES];
static struct exporter exporter[NEXPORTERS];
static unsigned long wrong, exported, taken, kept, visitors;

static void exporter_invalidate(struct mmu_rmap_notifier *mrn, struct page *p)
{
	struct exporter *e =
		(struct exporter *)((char *)mrn -
				    offsetof(struct exporter, mrn));
	long i = p - page;

	if (!PageLocked(p))
		add(&wrong, 1);
	if (e->remote[i] && get(&p->address) % 7 == 0) {
		if (mmu_rmap_keep_page(p))
			add(&wrong, 1);
		return;
	}
	if (e->dirty[i])
		set_page_dirty(p);
	e->remote[i] = e->dirty[i] = 0;
}

static const struct mmu_rmap_notifier_ops exporter_ops = {
	.invalidate_page = exporter_invalidate,
};

static void visitor_invalidate(struct mmu_rmap_notifier *mrn, struct page *p)
{
	add(&visitors, 1);
}

static const struct mmu_rmap_notifier_ops visitor_ops = {
	.invalidate_page = visitor_invalidate,
};

static unsigned long remotes(long i)
{
	unsigned long n = 0;
	int k;

	for (k = 0; k < NEXPORTERS; k++)
		n += exporter[k].remote[i];
	return n;
}

/* Page locked. */
static void export(struct exporter *e, long i)
{
	if (mmu_rmap_export_page(&page[i]))
		add(&wrong, 1);
	e->remote[i]++;
	add(&exported, 1);
}

static void withdraw(struct exporter *e, long i)
{
	if (!e->remote[i])
		return;
	if (mmu_rmap_withdraw_page(&page[i]))
		add(&wrong, 1);
	e->remote[i]--;
}

static void invalidate(long i)
{
	unsigned long before = remotes(i);
	int rc = mmu_rmap_invalidate_page(&page[i]);

	add(rc ? &kept : &taken, 1);
	if (rc && rc != -EBUSY)
		add(&wrong, 1);
	if (!rc && (remotes(i) || PageExternalRmap(&page[i])))
		add(&wrong, 1);
	if (rc && (!before || !PageExternalRmap(&page[i])))
		add(&wrong, 1);
	/* Those who let go of a page that another keeps: count them again. */
	while (rc && page[i].external_rmap > remotes(i))
		if (mmu_rmap_withdraw_page(&page[i]))
			add(&wrong, 1);
}

static void step(struct worker *w)
{
	struct exporter *e = &exporter[below(&w->random, NEXPORTERS)];
	long i = below(&w->random, NPAGES);

	lock_page(&page[i]);
	if (page[i].external_rmap != remotes(i))
		add(&wrong, 1);
	page[i].address++;
	switch (below(&w->random, 4)) {
	case 0:
		invalidate(i);
		break;
	case 1:
		withdraw(e, i);
		break;
	default:
		export(e, i);
		e->dirty[i] = 1;
	}
	unlock_page(&page[i]);
}

static void visit(struct worker *w)
{
	static struct mmu_rmap_notifier mrn = {.ops = &visitor_ops};

	if (mmu_rmap_notifier_register(&mrn))
		add(&wrong, 1);
	sched_yield();
	if (mmu_rmap_notifier_unregister(&mrn))
		add(&wrong, 1);
}

TEST(exports_and_invalidations)
{
	struct mm_struct *mm = mm_alloc();
	uint64_t seed = stress_seed();
	struct worker workers[5];
	int i;

	for (i = 0; i < NPAGES; i++)
		page_init(&page[i], mm, i * PAGE);
	for (i = 0; i < NEXPORTERS; i++) {
		exporter[i].mrn.ops = &exporter_ops;
		ASSERT_EQ(mmu_rmap_notifier_register(&exporter[i].mrn), 0);
	}
	for (i = 0; i < 5; i++)
		worker_start(&workers[i], i, seed, i ? step : visit, NULL);
	workers_run(workers, 5, stress_ms(1));
	tap_say("# exported %lu, taken %lu, kept %lu, visits %lu", exported,
		taken, kept, visitors);
	EXPECT_EQ(wrong, 0);
	EXPECT_GT(taken, 0);
	EXPECT_GT(kept, 0);
	EXPECT_GT(visitors, 0);
	mmput(mm);
}
