/* SPDX-License-Identifier: MIT */
/*
 * A registration as a communication library keeps one: made slowly, used
 * often, dropped before its memory changes, released later by deferred work.
 * One thread uses it while another replaces the memory under it.
 */
#include <mmun/mmu_interval_notifier.h>
#include <mmun/workqueue.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH 65536ul

struct registration {
	struct mmu_interval_notifier mni;
	struct work_struct release;
	int lock;      /* a spinlock: invalidate() runs in atomic context */
	bool valid;    /* protected by lock */
	char snapshot; /* what the "device" sees at the address */
	unsigned long made, dropped, released;
};

static void lock(struct registration *reg)
{
	while (__atomic_exchange_n(&reg->lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void unlock(struct registration *reg)
{
	__atomic_store_n(&reg->lock, 0, __ATOMIC_RELEASE);
}

/* Before the memory changes: no sleeping, no malloc, no free here. */
static bool invalidate(struct mmu_interval_notifier *mni,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	struct registration *reg = (struct registration *)mni;

	(void)range;
	lock(reg);
	mmu_interval_set_seq(mni, cur_seq);
	if (reg->valid) {
		reg->valid = false;
		reg->dropped++;
		schedule_work(&reg->release);
	}
	unlock(reg);
	return true;
}

static const struct mmu_interval_notifier_ops ops = {.invalidate = invalidate};

/* Where unpinning and freeing belong: called by flush_scheduled_work(). */
static void release(struct work_struct *work)
{
	struct registration *reg =
		(struct registration *)((char *)work -
					offsetof(struct registration, release));

	reg->released++;
}

static void make(struct registration *reg, const volatile char *p)
{
	unsigned long seq = mmu_interval_read_begin(&reg->mni);
	char seen = *p; /* a real one pins the pages here, which takes long */

	lock(reg);
	if (!mmu_interval_read_retry(&reg->mni, seq)) {
		reg->snapshot = seen;
		reg->valid = true;
		reg->made++;
	}
	unlock(reg);
}

static bool done;

static void *replace_memory(void *p)
{
	int i;

	for (i = 0; i < 1000; i++) {
		madvise(p, LENGTH, MADV_DONTNEED);
		memset(p, i, LENGTH);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	return NULL;
}

int main(void)
{
	static struct registration reg;
	char *p = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	int err;

	INIT_WORK(&reg.release, release);
	err = mmu_interval_notifier_insert(&reg.mni, mm_self(),
					   (unsigned long)p, LENGTH, &ops);
	if (err) {
		fprintf(stderr, "cannot watch: error %d\n", -err);
		return 1;
	}
	if (pthread_create(&thread, NULL, replace_memory, p))
		return 1;
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		if (!__atomic_load_n(&reg.valid, __ATOMIC_RELAXED))
			make(&reg, p);
		flush_scheduled_work();
	}
	pthread_join(thread, NULL);
	mmu_interval_notifier_remove(&reg.mni);
	flush_scheduled_work();
	printf("made %lu, dropped %lu, released %lu\n", reg.made, reg.dropped,
	       reg.released);
	return reg.dropped > reg.made || reg.released > reg.dropped;
}
