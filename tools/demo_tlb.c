/* SPDX-License-Identifier: MIT */
/*
 * tools/demo_tlb.c - an emulator's software TLB with decoded pages.
 *
 * An emulator decodes a page of guest code once and runs the result from then
 * on. When the guest's memory gets other pages at the same address, the
 * decoded copy is of code that is gone.
 */
#include <errno.h>
#include <string.h>

#include "demo.h"
#include "demo_reference.h"

#define PAGE 4096ul
#define PAGES (DEMO_BYTES / PAGE)
#define ROUNDS 20

/* The program on a page, as decoded: here, a checksum of it. */
struct tlb_entry {
	bool valid;
	unsigned int decoded;
};

struct tlb {
	struct reference ref;
	struct tlb_entry entries[PAGES];
	bool protect;
	char *buf;
	struct outcome *out;
	int way;
};

static unsigned int decode(const char *page)
{
	unsigned int sum = 0;

	for (unsigned long i = 0; i < PAGE; i++)
		sum = sum * 31 + (unsigned char)page[i];
	return sum;
}

static int flush(struct reference *ref)
{
	struct tlb *t = (struct tlb *)((char *)ref - offsetof(struct tlb, ref));

	memset(t->entries, 0, sizeof(t->entries));
	return 0;
}

static unsigned int run_page(struct tlb *t, unsigned long n)
{
	struct tlb_entry *e = &t->entries[n];

	if (!e->valid) {
		e->decoded = decode(t->buf + n * PAGE);
		e->valid = true;
	}
	return e->decoded;
}

static int run_guest(struct tlb *t)
{
	int ret = t->protect ? reference_refresh(&t->ref) : 0;

	for (unsigned long n = 0; !ret && n < PAGES; n++) {
		bool wrong = run_page(t, n) != decode(t->buf + n * PAGE);

		t->out->tries[t->way]++;
		t->out->wrong[t->way] += wrong;
		t->out->wrong_reads += wrong;
	}
	return ret;
}

static void load_guest(struct tlb *t, unsigned int program)
{
	for (unsigned long n = 0; n < PAGES; n++)
		memset(t->buf + n * PAGE, (int)(program + n), PAGE);
}

static int play_round(struct tlb *t, const struct way *way, struct area *area,
		      unsigned int round)
{
	int ret;

	flush(&t->ref);
	load_guest(t, round);
	ret = run_guest(t);
	if (!ret)
		ret = way->lose(area);
	if (ret)
		return ret;
	load_guest(t, round + PAGES);
	return run_guest(t);
}

static int play(struct tlb *t, const struct way *way)
{
	struct area area;
	int ret = way->get(&area);

	if (ret)
		return ret;
	t->buf = area.buf;
	memset(&t->ref, 0, sizeof(t->ref));
	t->ref.renew = flush;
	if (t->protect)
		ret = reference_watch(&t->ref, t->buf, DEMO_BYTES);
	for (unsigned int i = 0; !ret && i < ROUNDS; i++)
		ret = play_round(t, way, &area, i);
	if (t->protect)
		mmu_interval_notifier_remove(&t->ref.mni);
	t->out->renewed += t->ref.renewed;
	way->put(&area);
	return ret;
}

static void run_tlb(bool protect, struct outcome *out)
{
	struct tlb t = {.protect = protect, .out = out};

	for (t.way = 0; !out->error && t.way < DEMO_WAYS; t.way++)
		out->error = play(&t, &demo_ways[t.way]);
}

const struct consumer demo_tlb = {
	.name = "tlb",
	.title = "An emulator's software TLB: decoded pages that were run",
	.tries = "pages run",
	.reads = "times code ran that was no longer in memory",
	.renewed = "times the TLB was flushed, when its pages had gone",
	.run = run_tlb,
};
