/* SPDX-License-Identifier: MIT */
/* A reference to some memory that is dropped before the memory goes. */
#include <mmun/mmu_interval_notifier.h>
#include <stdio.h>
#include <sys/mman.h>

static char *reference; /* a real one: an ibv_mr, an io_uring buffer, ... */

static bool invalidate(struct mmu_interval_notifier *mni,
		       const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	(void)range;
	mmu_interval_set_seq(mni, cur_seq);
	reference = NULL;
	return true;
}

static const struct mmu_interval_notifier_ops ops = {.invalidate = invalidate};

int main(void)
{
	static struct mmu_interval_notifier mni;
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long seq;

	if (mmu_interval_notifier_insert(&mni, mm_self(), (unsigned long)p,
					 4096, &ops))
		return 1;
	do {
		seq = mmu_interval_read_begin(&mni);
		reference = p; /* with threads: under the lock of invalidate */
	} while (mmu_interval_read_retry(&mni, seq));

	munmap(p, 100); /* the kernel takes the whole page */
	puts(reference ? "stale" : "dropped in time");
	mmu_interval_notifier_remove(&mni);
	return reference != NULL;
}
