/* SPDX-License-Identifier: MIT */
/*
 * live/sites/stub.c - the code that patched sites jump to.
 *
 * All stubs are in one arena near libc: a memfd, mapped once to execute and
 * once to write, never both. Slot i belongs to mmun_sites[i]:
 *
 *	marker			16 bytes, for another copy of this library
 *	relocated instruction	mov $nr,%eax in most cases
 *	movabs $armed,%r11
 *	mov (%r11),%ecx
 *	jrcxz fast
 *	movabs $site,%rcx
 *	movabs $mmun_live_entry,%r11
 *	jmp *%r11
 * fast:
 *	syscall
 *	jmp *back(%rip)
 *
 * It uses no stack and no flags, and only the two registers that a syscall
 * destroys: right for a goroutine's stack, for clone, for __unmapself.
 *
 * Images more than 2 GiB away reach the arena through thunks near them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "live/live.h"
#include "live/sites/sites.h"

#define SLOT_SIZE 128
#define ARENA_SIZE ((unsigned long)SITES_MAX * SLOT_SIZE)
#define THUNK_SIZE 16
#define THUNKS_SIZE (64ul << 10)
#define THUNK_AREAS 16
#define MARKER_SIZE 16
/* Leave room for a heap or a stack to grow next to what we map. */
#define MARGIN (1ul << 20)
#define REACH 0x7fe00000ul

static const char marker[MARKER_SIZE] = "mmun stub v1\314\314\314";

struct area {
	uint8_t *exec, *write;
	unsigned long size, used;
};

static struct area arena, thunks[THUNK_AREAS];
struct site mmun_sites[SITES_MAX];
unsigned int mmun_nr_sites;

static bool in_reach(unsigned long a, unsigned long b)
{
	return (a > b ? a - b : b - a) < REACH;
}

/* ---- finding room ---- */

static void consider(unsigned long candidate, unsigned long near,
		     unsigned long *best)
{
	unsigned long d = candidate > near ? candidate - near
					   : near - candidate;

	if (candidate && d < REACH - THUNKS_SIZE - ARENA_SIZE &&
	    (!*best || d < (*best > near ? *best - near : near - *best)))
		*best = candidate;
}

/*
 * The free place nearest to an address, a little below some mapping: nothing
 * but stacks grows downwards, and those are passed over.
 */
static long find_room(unsigned long near, unsigned long size)
{
	unsigned long behind = 0x10000, best = 0;
	struct map_entry e;
	struct maps maps;
	int r = maps_open(&maps);

	if (r)
		return r;
	while ((r = maps_next(&maps, &e)) > 0) {
		if (!str_prefix(e.path, "[stack") &&
		    e.start > behind + size + 2 * MARGIN)
			consider(e.start - MARGIN - size, near, &best);
		behind = e.end;
	}
	maps_close(&maps);
	return r < 0 ? r : best ? (long)best : -ENOMEM;
}

static bool failed(long r)
{
	return r < 0 && r > -4096;
}

static long map(unsigned long at, unsigned long size, int prot, int flags,
		int fd)
{
	return sys_call6(SYS_mmap, at, size, prot, flags, fd, 0);
}

/* Both views of one memfd; what was written is checked through the other. */
static int map_twice(struct area *a, unsigned long at, unsigned long size,
		     int fd)
{
	long write, exec;

	write = map(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	if (failed(write))
		return write;
	exec = map(at, size, PROT_READ | PROT_EXEC,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd);
	*(volatile uint8_t *)write = 0xcc;
	/* A program may close or replace descriptors that it does not know. */
	if (!failed(exec) &&
	    ((unsigned long)exec != at || *(volatile uint8_t *)exec != 0xcc)) {
		sys_call2(SYS_munmap, exec, size);
		exec = -EBADF;
	}
	if (failed(exec)) {
		sys_call2(SYS_munmap, write, size);
		return exec;
	}
	*a = (struct area){(void *)exec, (void *)write, size, 0};
	return 0;
}

static int make_area(struct area *a, unsigned long near, unsigned long size)
{
	int tries, fd;
	long at, rc;

	fd = sys_call2(SYS_memfd_create, "mmun-stubs", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	rc = sys_call2(SYS_ftruncate, fd, size);
	/* Another thread may take the place that we found. */
	for (tries = 0; !rc && tries < 8; tries++) {
		at = find_room(near, size);
		rc = failed(at) ? at : map_twice(a, at, size, fd);
		if (rc != -EEXIST)
			break;
		rc = 0;
	}
	sys_call1(SYS_close, fd);
	return rc ? rc : a->exec ? 0 : -EEXIST;
}

int stub_arena_init(unsigned long near)
{
	return arena.exec ? 0 : make_area(&arena, near, ARENA_SIZE);
}

bool stub_in_arena(unsigned long address)
{
	return address - (unsigned long)arena.exec < arena.size;
}

/* ---- thunks: jmp *target(%rip); target ---- */

static struct area *thunks_near(unsigned long from)
{
	unsigned int i;

	for (i = 0; i < THUNK_AREAS; i++) {
		struct area *a = &thunks[i];

		if (!a->exec && make_area(a, from, THUNKS_SIZE))
			return NULL;
		if (in_reach((unsigned long)a->exec, from) &&
		    a->used + THUNK_SIZE <= a->size)
			return a;
	}
	return NULL;
}

static uint8_t *put(uint8_t *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n--)
		*w++ = *from++;
	return w;
}

/* Where to jump so as to arrive at target; 0: out of reach. */
static unsigned long reach(unsigned long from, unsigned long target)
{
	static const uint8_t code[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
	struct area *a;

	if (in_reach(from, target))
		return target;
	a = thunks_near(from);
	if (!a)
		return 0;
	put(put(a->write + a->used, code, sizeof(code)), &target, 8);
	a->used += THUNK_SIZE;
	return (unsigned long)a->exec + a->used - THUNK_SIZE;
}

bool stub_is_one(unsigned long target)
{
	const uint8_t *p = (const void *)target;
	struct mmun_text text;
	int i;

	/* The target comes from a text that is there, but is it? */
	if (mmun_text_lookup(target, &text) ||
	    target - MARKER_SIZE < text.start)
		return false;
	if (p[0] == 0xff && p[1] == 0x25 && target + THUNK_SIZE <= text.end) {
		target = *(const unsigned long *)(p + 8);
		if (mmun_text_lookup(target, &text) ||
		    target - MARKER_SIZE < text.start)
			return false;
		p = (const void *)target;
	}
	for (i = 0; i < MARKER_SIZE; i++)
		if (p[i - MARKER_SIZE] != (uint8_t)marker[i])
			return false;
	return true;
}

/* ---- stubs ---- */

static uint8_t *put_movabs(uint8_t *w, uint8_t rex, uint8_t op,
			   unsigned long value)
{
	*w++ = rex;
	*w++ = op;
	return put(w, &value, 8);
}

static void write_stub(struct site *site, uint8_t *w, unsigned long exec,
		       const uint8_t *code, size_t size)
{
	static const uint8_t test[] = {0x41, 0x8b, 0x0b, 0xe3};
	static const uint8_t jump[] = {0x41, 0xff, 0xe3};
	static const uint8_t fast[] = {0x0f, 0x05, 0xff, 0x25, 0, 0, 0, 0};
	uint8_t *start = w, *skip;

	w = put(put(w, marker, MARKER_SIZE), code, size);
	w = put_movabs(w, 0x49, 0xbb, (unsigned long)&mmun_live_v.armed);
	w = put(w, test, sizeof(test));
	skip = w++;
	w = put_movabs(w, 0x48, 0xb9, (unsigned long)site);
	w = put_movabs(w, 0x49, 0xbb, (unsigned long)mmun_live_entry);
	w = put(w, jump, sizeof(jump));
	*skip = w - (skip + 1);
	site->fast = exec + (w - start);
	w = put(w, fast, sizeof(fast));
	put(w, &site->back, 8);
}

/*
 * A library may have been unloaded and another be loaded in its place: what
 * we knew of that address is stale then, and its slot is used again.
 */
static unsigned int slot_for(unsigned long address)
{
	unsigned int i;

	for (i = 0; i < mmun_nr_sites; i++)
		if (mmun_sites[i].address == address)
			return i;
	return mmun_nr_sites;
}

struct site *stub_make(unsigned long address, const uint8_t *code, size_t size,
		       unsigned long from, unsigned long *target)
{
	unsigned int i = slot_for(address);
	struct site *site = &mmun_sites[i];
	unsigned long exec = (unsigned long)arena.exec + i * SLOT_SIZE;

	if (i == SITES_MAX || size > 15)
		return NULL;
	*target = reach(from, exec + MARKER_SIZE);
	if (!*target)
		return NULL;
	*site = (struct site){.address = address, .back = address + 2};
	write_stub(site, arena.write + i * SLOT_SIZE, exec, code, size);
	if (i == mmun_nr_sites)
		mmun_nr_sites++;
	return site;
}

void stub_jump(struct patch *p, unsigned long at, unsigned long target)
{
	uint32_t distance = target - (at + 5);

	p->address = at;
	p->size = 5;
	put(p->old, (const void *)at, 5);
	p->new[0] = 0xe9;
	put(p->new + 1, &distance, 4);
}
