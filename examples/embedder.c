/* SPDX-License-Identifier: MIT */
/*
 * An emulator with an address space of its own: a software TLB subscribes to
 * it, the memory management unit raises what it does.
 */
#include <mmun/mmu_notifier.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096ul
#define NPAGES 16

/* ---- the guest's page table; frame 0 is "not mapped" ---- */

static int page_table[NPAGES];

static void mmu_map(struct mm_struct *mm, unsigned long start,
		    unsigned long end, int frame)
{
	struct mmu_notifier_range range;
	unsigned long address;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, mm, start, end);
	mmu_notifier_invalidate_range_start(&range);
	for (address = start; address < end; address += PAGE)
		page_table[address / PAGE] = frame ? frame++ : 0;
	mmu_notifier_invalidate_range_end(&range);
}

/* ---- the software TLB ---- */

struct tlb {
	struct mmu_notifier mn;
	int frame[NPAGES];
	int hits, misses, open;
};

static void tlb_begin(struct mmu_notifier *mn, struct mm_struct *mm,
		      unsigned long start, unsigned long end, int atomic)
{
	struct tlb *tlb = (struct tlb *)mn;

	(void)mm, (void)atomic;
	tlb->open++;
	memset(&tlb->frame[start / PAGE], 0,
	       (end - start) / PAGE * sizeof(tlb->frame[0]));
}

static void tlb_end(struct mmu_notifier *mn, struct mm_struct *mm, int atomic)
{
	(void)mm, (void)atomic;
	((struct tlb *)mn)->open--;
}

static const struct mmu_notifier_ops tlb_ops = {
	.invalidate_range_begin = tlb_begin,
	.invalidate_range_end = tlb_end,
};

static int tlb_translate(struct tlb *tlb, unsigned long address)
{
	int *frame = &tlb->frame[address / PAGE];

	if (*frame) {
		tlb->hits++;
		return *frame;
	}
	tlb->misses++;
	if (!tlb->open)
		*frame = page_table[address / PAGE];
	return page_table[address / PAGE];
}

int main(void)
{
	static struct tlb tlb = {.mn.ops = &tlb_ops};
	struct mm_struct *mm = mm_alloc();
	int wrong = 0, i;

	if (!mm || mmu_notifier_register(&tlb.mn, mm))
		return 1;
	for (i = 0; i < 1000; i++) {
		if (i % 100 == 0)
			mmu_map(mm, 4 * PAGE, 8 * PAGE, i + 1);
		wrong += tlb_translate(&tlb, (4 + i % 4) * PAGE) !=
			 i / 100 * 100 + 1 + i % 4;
	}
	mmu_notifier_unregister(&tlb.mn, mm);
	mmput(mm);
	printf("%d hits, %d misses, %d wrong\n", tlb.hits, tlb.misses, wrong);
	return wrong != 0;
}
