/* SPDX-License-Identifier: MIT */
/*
 * live/sites/stub.c - the code that patched sites jump to.
 *
 * All stubs are in an arena near libc: a memfd, mapped once to execute and
 * once to write, never both. A forked child shares it with its parent, so what
 * is in it never changes: the child adds its own stubs to an arena of its own,
 * and a slot is given to another site only if the code is the same. A slot:
 *
 *	marker			16 bytes, for another copy of this library
 *	relocated instruction	mov $nr,%eax in most cases
 *	movabs $armed,%r11
 *	mov (%r11),%ecx
 *	jrcxz fast
 *	movabs $site,%rcx
 *	jmp mmun_live_entry
 * fast:
 *	syscall
 *	jmp back
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
#define AREAS 32
#define MARKER_SIZE 16
/* Leave room for a heap or a stack to grow next to what we map. */
#define MARGIN (1ul << 20)
#define REACH 0x7fe00000ul

static const char marker[MARKER_SIZE] = "mmun stub v1\314\314\314";

/*
 * @fork_gen: of the process that may write to it.
 */
struct area {
	uint8_t *exec, *write;
	unsigned long size, used;
	uint32_t fork_gen;
};

static struct area areas[AREAS]; /* in order of their making */
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
	*a = (struct area){(void *)exec, (void *)write, size, 0,
			   mmun_process.fork_gen};
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

/*
 * An area of that size that this process may write to, with room for n bytes,
 * in reach of near; made if there is none.
 */
static struct area *area_near(unsigned long near, unsigned long size,
			      unsigned long n)
{
	struct area *a;

	for (a = areas; a < areas + AREAS && a->exec; a++)
		if (a->size == size && a->fork_gen == mmun_process.fork_gen &&
		    a->used + n <= size &&
		    in_reach((unsigned long)a->exec, near))
			return a;
	return a < areas + AREAS && !make_area(a, near, size) ? a : NULL;
}

/* Stubs stay near libc, wherever the sites are. */
static unsigned long arena_near;

int stub_arena_init(unsigned long near)
{
	struct area *a = areas;

	arena_near = near;
	return a->exec ? 0 : make_area(a, near, ARENA_SIZE);
}

bool stub_in_arena(unsigned long address)
{
	const struct area *a;

	for (a = areas; a < areas + AREAS && a->exec; a++)
		if (address - (unsigned long)a->exec < a->size)
			return true;
	return false;
}

static uint8_t *put(uint8_t *w, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n--)
		*w++ = *from++;
	return w;
}

/*
 * Where to jump so as to arrive at target; 0: out of reach. If need be by way
 * of a thunk: jmp *target(%rip); target.
 */
static unsigned long reach(unsigned long from, unsigned long target)
{
	static const uint8_t code[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
	struct area *a;

	if (in_reach(from, target))
		return target;
	a = area_near(from, THUNKS_SIZE, THUNK_SIZE);
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

/*
 * From the address at to target: directly where that reaches, for a syscall
 * leaves the processor's predictions of indirect jumps useless.
 */
static uint8_t *put_jump(uint8_t *w, unsigned long at, unsigned long target)
{
	static const uint8_t indirect[] = {0xff, 0x25, 0, 0, 0, 0};
	uint32_t distance = target - (at + 5);

	if (!in_reach(at, target))
		return put(put(w, indirect, sizeof(indirect)), &target, 8);
	*w++ = 0xe9;
	return put(w, &distance, sizeof(distance));
}

/* As it will run at exec. Returns its size; the fast part is at *fast. */
static size_t build_stub(const struct site *site, uint8_t *w,
			 unsigned long exec, const uint8_t *code, size_t size,
			 size_t *fast)
{
	static const uint8_t test[] = {0x41, 0x8b, 0x0b, 0xe3};
	static const uint8_t call[] = {0x0f, 0x05};
	uint8_t *start = w, *skip;

	w = put(put(w, marker, MARKER_SIZE), code, size);
	w = put_movabs(w, 0x49, 0xbb, (unsigned long)&mmun_live_v.armed);
	w = put(w, test, sizeof(test));
	skip = w++;
	w = put_movabs(w, 0x48, 0xb9, (unsigned long)site);
	w = put_jump(w, exec + (w - start), (unsigned long)mmun_live_entry);
	*skip = w - (skip + 1);
	*fast = w - start;
	w = put(w, call, sizeof(call));
	w = put_jump(w, exec + (w - start), site->back);
	return w - start;
}

static bool holds(unsigned long stub, const uint8_t *code, size_t size)
{
	const uint8_t *p = (const void *)stub;

	while (size--)
		if (*p++ != *code++)
			return false;
	return true;
}

/* Makes site->stub and site->fast; false: no room. */
static bool place_stub(struct site *site, const uint8_t *code, size_t size)
{
	uint8_t stub[SLOT_SIZE];
	struct area *a;
	size_t n, fast;

	/* The same library again, most likely. */
	n = build_stub(site, stub, site->stub, code, size, &fast);
	if (!site->stub || !holds(site->stub, stub, n)) {
		a = area_near(arena_near, ARENA_SIZE, SLOT_SIZE);
		if (!a)
			return false;
		site->stub = (unsigned long)a->exec + a->used;
		n = build_stub(site, stub, site->stub, code, size, &fast);
		put(a->write + a->used, stub, n);
		a->used += SLOT_SIZE;
	}
	site->fast = site->stub + fast;
	return true;
}

/*
 * A library may have been unloaded and another be loaded in its place: what
 * we knew of that address is stale then.
 */
static unsigned int index_of(unsigned long address)
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
	unsigned int i = index_of(address);
	struct site *site = &mmun_sites[i];

	if (i == SITES_MAX || size > 15)
		return NULL;
	*site = (struct site){
		.address = address, .back = address + 2, .stub = site->stub};
	if (!place_stub(site, code, size))
		return NULL;
	*target = reach(from, site->stub + MARKER_SIZE);
	if (!*target)
		return NULL;
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
