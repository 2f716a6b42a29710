/* SPDX-License-Identifier: MIT */
/*
 * live/sites/scan.c - all program text, mapping by mapping.
 *
 * Two passes over the mappings of a file: the one with the ELF header comes
 * first in memory, then the text, then (in most files) the read-only data
 * that holds the table of functions. Only files that have a syscall
 * instruction at all need the table, and few have.
 */
#include <errno.h>
#include <sys/mman.h>

#include "live/live.h"
#include "live/sites/sites.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Written at once; more than that in one mapping go in several batches. */
#define BATCH 64

/* struct batch - sites of one mapping whose text is to be written. */
struct batch {
	struct scan *scan;
	struct site *site[BATCH];
	unsigned int nr;
};

/* struct text - a mapping to be scanned. */
struct text {
	struct map_entry map;
	struct image image;
	bool is_libc;
};

static const char *basename_of(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static bool is_libc(const char *path)
{
	const char *base = basename_of(path);

	return str_prefix(base, "libc.so") || str_prefix(base, "libc-2") ||
	       str_prefix(base, "ld-linux") || str_prefix(base, "ld-2") ||
	       str_prefix(base, "ld-musl");
}

/* ---- writing ---- */

/* The long jumps in padding first: a short one must not lead nowhere. */
static int write_batch(struct batch *b)
{
	struct patch *patches[2 * BATCH];
	unsigned int i, nr = 0;
	int rc;

	if (!b->nr)
		return 0;
	if (b->scan->threaded == SCAN_ASK)
		b->scan->threaded = live_is_threaded();
	for (i = 0; i < b->nr; i++)
		if (b->site[i]->gap.size)
			patches[nr++] = &b->site[i]->gap;
	for (i = 0; i < b->nr; i++)
		patches[nr++] = &b->site[i]->jump;
	rc = text_write(patches, nr, b->scan->threaded, false);
	if (rc)
		return rc;
	for (i = 0; i < b->nr; i++)
		b->site[i]->live = true;
	b->nr = 0;
	return 0;
}

static struct site *make_site(unsigned long address,
			      const struct site_plan *plan)
{
	const uint8_t *code = (const void *)plan->move;
	unsigned long from = plan->size ? plan->move : plan->gap;
	unsigned long target;
	struct site *site;
	long d;

	site = stub_make(address, code, plan->size, from, &target);
	if (!site)
		return NULL;
	if (plan->size) {
		stub_jump(&site->jump, from, target);
		return site;
	}
	stub_jump(&site->gap, from, target);
	d = plan->gap - (address + 2);
	site->jump = (struct patch){.address = address,
				    .size = 2,
				    .old = {0x0f, 0x05},
				    .new = {0xeb, (uint8_t)d}};
	return site;
}

static void not_patchable(struct scan *s, unsigned long address)
{
	s->coverage->unpatchable++;
	if (!s->coverage->first_unpatchable)
		s->coverage->first_unpatchable = address;
}

static int found(struct batch *b, const struct text *t, unsigned long address)
{
	struct site_plan plan;
	struct site *site = NULL;

	switch (site_examine(&t->image, address, t->is_libc, &plan)) {
	case SITE_PATCHABLE:
		site = make_site(address, &plan);
		break;
	case SITE_FOREIGN:
		b->scan->foreign = true;
		break;
	case SITE_UNPATCHABLE:
		break;
	default:
		return 0;
	}
	if (!site) {
		not_patchable(b->scan, address);
		return 0;
	}
	b->site[b->nr++] = site;
	return b->nr == BATCH ? write_batch(b) : 0;
}

/* ---- the table of functions of a file ---- */

/* Its mapping, once it is there: at the right offset of the same file. */
static bool find_table(struct text *t)
{
	struct image_want want;
	struct map_entry e;
	struct maps maps;

	if (!t->image.head || !image_want(&t->image, &want))
		return false;
	if (maps_find(&maps, want.address, &e) || !e.read ||
	    e.inode != t->map.inode || e.device != t->map.device ||
	    want.address - e.start + e.offset != want.offset)
		return false;
	return image_table(&t->image, want.address, e.start, e.end);
}

/* Does the file say that it has one? Then it may still come. */
static bool table_may_come(const struct text *t)
{
	struct image_want want;

	return t->image.head && image_want(&t->image, &want);
}

/* ---- one mapping ---- */

/* The library's own system calls, wherever it is linked in. */
static bool is_own_syscall(unsigned long address)
{
	return address >= (unsigned long)__start_mmun_text &&
	       address < (unsigned long)__stop_mmun_text;
}

/* The next one in [p, end) that is not the library's. */
static const uint8_t *next_syscall(const uint8_t *p, const uint8_t *end)
{
	do
		p = find_syscall(p, end);
	while (p && is_own_syscall((unsigned long)p) && (p += 2));
	return p;
}

static int scan_text(struct scan *s, struct text *t)
{
	const uint8_t *p = (const void *)t->map.start;
	const uint8_t *end = (const void *)t->map.end;
	struct batch b = {.scan = s};
	int rc = 0;

	p = next_syscall(p, end);
	if (!p)
		return 0;
	if (!find_table(t) && table_may_come(t) && !s->last_chance) {
		s->pending = true;
		return 0;
	}
	for (; p && !rc; p = next_syscall(p + 2, end))
		rc = found(&b, t, (unsigned long)p);
	return rc ? rc : write_batch(&b);
}

/*
 * Bring the pages in with one call instead of thousands of faults; fails
 * where a file is shorter than its mapping, which must not be touched then.
 */
static bool populate(unsigned long start, unsigned long end)
{
	long r = sys_call3(SYS_madvise, start, end - start, MADV_POPULATE_READ);

	return !r || r == -EINVAL;
}

static bool is_ours(const struct map_entry *e)
{
	return stub_in_arena(e->start) || str_prefix(e->path, "/memfd:mmun-") ||
	       str_prefix(e->path, "[v") || str_prefix(e->path, "[uprobes");
}

static int scan_mapping(struct scan *s, struct text *t)
{
	const struct map_entry *e = &t->map;

	if (is_ours(e))
		return 0;
	/* Memory without a file is a compiler's; looking would allocate it. */
	if (e->path[0] != '/' || str_prefix(e->path, "/memfd:") || !e->read ||
	    e->write || !populate(e->start, e->end)) {
		s->coverage->unscanned++;
		return 0;
	}
	s->coverage->images++;
	return scan_text(s, t);
}

/*
 * Remember where the file that is being walked through begins: the mapping
 * of its first page precedes its text.
 */
static void note_head(struct image *img, unsigned long *inode,
		      const struct map_entry *e)
{
	if (!e->offset && e->inode && e->read) {
		*img = (struct image){.head = e->start, .head_end = e->end};
		*inode = e->inode;
	} else if (e->inode != *inode && e->inode) {
		*img = (struct image){0};
		*inode = e->inode;
	}
}

int scan_range(struct scan *s, unsigned long start, unsigned long end)
{
	struct text t = {0};
	unsigned long inode = 0;
	struct map_entry e;
	int r, rc = 0;

	s->pending = false;
	r = maps_open(&s->maps);
	if (r)
		return r;
	while (!rc && (r = maps_next(&s->maps, &e)) > 0) {
		note_head(&t.image, &inode, &e);
		if (!e.exec || e.start >= end || e.end <= start)
			continue;
		t.map = e;
		t.is_libc = is_libc(e.path);
		rc = scan_mapping(s, &t);
	}
	maps_close(&s->maps);
	return rc ? rc : r;
}

bool scan_is_clean(unsigned long start, unsigned long end)
{
	return populate(start, end) &&
	       !next_syscall((const void *)start, (const void *)end);
}
