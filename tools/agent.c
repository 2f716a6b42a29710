/* SPDX-License-Identifier: MIT */
/*
 * tools/agent.c - what mmun trace preloads into the programs it traces.
 *
 * The constructor maps the ring that the environment names, observes the
 * process's address space and tells how arming went. From then on each
 * operation leaves two records, one before and one after. No ring, no effect.
 *
 * The observer runs in strangers' worst moments: no allocation, no lock, no
 * stdio, no errno, and no system call but those of mmun_text_lookup(), for
 * program text that came later than we did, once for each piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mmun/coverage.h>
#include <mmun/observe.h>

#include "ring.h"

#define PAGE 4096ul
#define MODULES 128 /* a power of two */
#define MISSES 64   /* a power of two */
#define TIMINGS 15
/*
 * What is taken for a return address may be anything on the stack, or code
 * made at run time: so many times do we find out that no file is behind it.
 */
#define CALLER_MISSES 64

/*
 * Text that the tool has been told of. Entries are overwritten in turn; end
 * is 0 while an entry changes, so that a reader that finds the same end twice
 * has the start that belongs to it.
 */
struct module {
	unsigned long start;
	unsigned long end;
};

static struct ring *ring;
static uint32_t nr_slots;
/* The number of this address space: 0 in a forked child, page is wiped. */
static uint32_t *wiped_space;
/* The same, not wiped: in a forked child the number of its parent. */
static uint32_t space_before_fork;
static struct module modules[MODULES];
static unsigned int next_module;
static unsigned long misses[MISSES];
static int caller_misses;
static int calibrating_tid;

static void put_attach(uint32_t space, const struct ring_attach *attach)
{
	uint64_t pos;
	struct ring_slot *s = ring_reserve(ring, nr_slots, &pos);

	if (!s)
		return;
	s->kind = RING_ATTACH;
	s->space = space;
	s->attach = *attach;
	ring_commit(s, nr_slots, pos);
}

/* The first operation in a forked child: the copy gets its own number. */
static uint32_t name_child(int pid)
{
	uint32_t none = 0;
	uint32_t space = __atomic_add_fetch(&ring->spaces, 1, __ATOMIC_RELAXED);
	struct ring_attach attach = {.parent = space_before_fork, .pid = pid};

	/* Only a signal handler or a thread as early as us can be faster. */
	if (!__atomic_compare_exchange_n(wiped_space, &none, space, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return none;
	put_attach(space, &attach);
	__atomic_store_n(&space_before_fork, space, __ATOMIC_RELAXED);
	return space;
}

static uint32_t current_space(int pid)
{
	uint32_t space = __atomic_load_n(wiped_space, __ATOMIC_ACQUIRE);

	return space ? space : name_child(pid);
}

static bool module_has(const struct module *m, unsigned long address)
{
	/* Acquire: pairs with the release of end in module_add(). */
	unsigned long end = __atomic_load_n(&m->end, __ATOMIC_ACQUIRE);
	unsigned long start = __atomic_load_n(&m->start, __ATOMIC_ACQUIRE);

	return address >= start && address < end &&
	       __atomic_load_n(&m->end, __ATOMIC_RELAXED) == end;
}

static bool module_known(unsigned long address)
{
	unsigned int n = __atomic_load_n(&next_module, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < MODULES && i < n; i++)
		if (module_has(&modules[i], address))
			return true;
	return false;
}

static void module_add(unsigned long start, unsigned long end)
{
	unsigned int i = __atomic_fetch_add(&next_module, 1, __ATOMIC_RELAXED);
	struct module *m = &modules[i % MODULES];

	__atomic_store_n(&m->end, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&m->start, start, __ATOMIC_RELEASE);
	/* Pairs with the acquire in module_has(). */
	__atomic_store_n(&m->end, end, __ATOMIC_RELEASE);
}

/* Text that is unmapped may be followed by other text at its place. */
static void modules_forget(unsigned long start, unsigned long end)
{
	for (unsigned int i = 0; i < MODULES; i++) {
		struct module *m = &modules[i];

		if (__atomic_load_n(&m->end, __ATOMIC_ACQUIRE) > start &&
		    __atomic_load_n(&m->start, __ATOMIC_RELAXED) < end)
			__atomic_store_n(&m->end, 0, __ATOMIC_RELEASE);
	}
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static bool path_take(struct ring_path *p, const char *name)
{
	uint32_t state = 0;
	size_t len = strlen(name);

	if (len >= sizeof(p->name))
		return false;
	if (__atomic_compare_exchange_n(&p->state, &state, 1, false,
					__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		memcpy(p->name, name, len + 1);
		/* Pairs with the acquire loads here and in the tool. */
		__atomic_store_n(&p->state, 2, __ATOMIC_RELEASE);
		return true;
	}
	return state == 2 && !strncmp(p->name, name, sizeof(p->name));
}

/* The index of a path in the shared table; RING_PATHS if that is full. */
static uint32_t path_index(const char *name)
{
	uint32_t h = hash(name);

	for (uint32_t i = 0; i < RING_PATHS; i++) {
		uint32_t at = (h + i) % RING_PATHS;

		if (path_take(&ring->paths[at], name))
			return at;
	}
	return RING_PATHS;
}

static void put_module(uint32_t space, const struct mmun_text *text)
{
	uint64_t pos;
	uint32_t path = path_index(text->path);
	struct ring_slot *s = ring_reserve(ring, nr_slots, &pos);

	if (!s)
		return;
	s->kind = RING_MODULE;
	s->space = space;
	s->module.start = text->start;
	s->module.end = text->end;
	s->module.offset = text->offset;
	s->module.path = path;
	ring_commit(s, nr_slots, pos);
	module_add(text->start, text->end);
}

static bool is_miss(unsigned long address)
{
	unsigned long page = address / PAGE;

	return !page || __atomic_load_n(&misses[page % MISSES],
					__ATOMIC_RELAXED) == page;
}

static void add_miss(unsigned long address)
{
	unsigned long page = address / PAGE;

	__atomic_store_n(&misses[page % MISSES], page, __ATOMIC_RELAXED);
}

/* Tell the tool which file is at @address, once. Is there one? */
static bool announce(uint32_t space, unsigned long address)
{
	struct mmun_text text;

	if (module_known(address))
		return true;
	if (is_miss(address))
		return false;
	if (mmun_text_lookup(address, &text) || !text.path[0]) {
		add_miss(address);
		return false;
	}
	put_module(space, &text);
	return true;
}

static void announce_caller(uint32_t space, unsigned long address)
{
	if (__atomic_load_n(&caller_misses, __ATOMIC_RELAXED) < CALLER_MISSES &&
	    !is_miss(address) && !announce(space, address))
		__atomic_fetch_add(&caller_misses, 1, __ATOMIC_RELAXED);
}

static void fill_op(struct ring_op *r, const struct mmun_op *op)
{
	unsigned int n = op->nr_ranges;

	r->site = op->site;
	r->caller = op->caller;
	r->result = op->result;
	r->pid = op->pid;
	r->tid = op->tid;
	r->nr = (uint16_t)op->nr;
	r->nr_ranges = (uint8_t)(n < RING_RANGES ? n : RING_RANGES);
	for (unsigned int i = 0; i < r->nr_ranges; i++) {
		r->start[i] = op->ranges[i].start;
		r->end[i] = op->ranges[i].end;
		r->event[i] = (uint8_t)op->ranges[i].event;
	}
	for (n = 0; n < sizeof(r->name) - 1 && op->name[n]; n++)
		r->name[n] = op->name[n];
	r->name[n] = 0;
}

static uint32_t op_kind(const struct mmun_op *op, uint32_t kind)
{
	return mmun_unlikely(calibrating_tid) && calibrating_tid == op->tid
		       ? RING_CALIBRATE
		       : kind;
}

static void before(struct mmun_observer *obs, const struct mmun_op *op)
{
	uint64_t pos;
	uint32_t space;
	struct ring_slot *s;

	if (__atomic_load_n(&ring->closed, __ATOMIC_RELAXED))
		return;
	space = current_space(op->pid);
	announce(space, op->site);
	announce_caller(space, op->caller);
	s = ring_reserve(ring, nr_slots, &pos);
	if (!s)
		return;
	s->kind = op_kind(op, RING_BEFORE);
	s->space = space;
	fill_op(&s->op, op);
	s->op.result = 0;
	s->op.ticks = ring_ticks();
	ring_commit(s, nr_slots, pos);
}

static void after(struct mmun_observer *obs, const struct mmun_op *op)
{
	uint64_t ticks = ring_ticks();
	uint64_t pos;
	struct ring_slot *s;

	if (__atomic_load_n(&ring->closed, __ATOMIC_RELAXED))
		return;
	s = ring_reserve(ring, nr_slots, &pos);
	if (s) {
		s->kind = op_kind(op, RING_AFTER);
		s->space = current_space(op->pid);
		fill_op(&s->op, op);
		s->op.ticks = ticks;
		ring_commit(s, nr_slots, pos);
	}
	for (unsigned int i = 0; i < op->nr_ranges && op->result >= 0; i++)
		if (op->ranges[i].event == MMU_NOTIFY_UNMAP)
			modules_forget(op->ranges[i].start, op->ranges[i].end);
}

/* Only a ring is mapped: the descriptor may be another file by now. */
static bool is_ring(const char *path)
{
	char link[sizeof(RING_LINK)];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	return n == sizeof(link) - 1 && !memcmp(link, RING_LINK, n);
}

static struct ring *map_fd(int fd)
{
	struct stat st;
	struct ring *r;

	if (fstat(fd, &st) || (size_t)st.st_size < ring_size(1))
		return NULL;
	r = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r == MAP_FAILED)
		return NULL;
	if (r->magic == RING_MAGIC && r->nr_slots > 1 &&
	    ring_size(r->nr_slots) <= (size_t)st.st_size)
		return r;
	munmap(r, st.st_size);
	return NULL;
}

static struct ring *map_ring(void)
{
	const char *path = getenv(RING_ENV);
	struct ring *r;
	int fd;

	if (!path || !is_ring(path))
		return NULL;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	r = map_fd(fd);
	close(fd);
	return r;
}

/* A page for the number that is wiped on fork, and one to calibrate with. */
static char *map_pages(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (!madvise(p, PAGE, MADV_WIPEONFORK))
		return p;
	munmap(p, 2 * PAGE);
	return NULL;
}

/* Ticks that one operation takes: the median of a few. */
static uint64_t time_op(char *scratch)
{
	uint64_t t[TIMINGS];

	for (int i = 0; i < TIMINGS; i++) {
		uint64_t v = ring_ticks();
		int j = i;

		madvise(scratch, PAGE, MADV_DONTNEED);
		v = ring_ticks() - v;
		for (; j && t[j - 1] > v; j--)
			t[j] = t[j - 1];
		t[j] = v;
	}
	return t[TIMINGS / 2];
}

static void add(uint32_t *sum, uint32_t n)
{
	__atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

static void report(int error, char *scratch)
{
	struct mmun_coverage c = {.size = sizeof(c)};
	struct ring_attach attach = {
		.scratch = (unsigned long)scratch,
		.pid = getpid(),
		.error = error,
	};

	if (!mmun_coverage_read(&c)) {
		add(&ring->images, c.images);
		add(&ring->sites, c.sites);
		add(&ring->unpatchable, c.unpatchable);
		add(&ring->unscanned, c.unscanned);
		attach.sites = c.sites;
		attach.unpatchable = c.unpatchable;
	}
	if (error)
		__atomic_store_n(&ring->error, error, __ATOMIC_RELAXED);
	add(error ? &ring->refused : &ring->attached, 1);
	put_attach(space_before_fork, &attach);
}

/* The program text that is there already. */
static int announce_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct mmun_text text;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		unsigned long start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		/* The program itself has no name here, the vdso no file. */
		if (info->dlpi_name[0] != '/') {
			announce(space_before_fork, start);
			continue;
		}
		text.start = start & -PAGE;
		text.end = (start + p->p_memsz + PAGE - 1) & -PAGE;
		text.offset = p->p_offset & -PAGE;
		strncpy(text.path, info->dlpi_name, sizeof(text.path) - 1);
		text.path[sizeof(text.path) - 1] = 0;
		put_module(space_before_fork, &text);
	}
	return 0;
}

static int observe(char *scratch)
{
	static struct mmun_observer observer = {
		.before = before,
		.after = after,
	};
	uint64_t plain = time_op(scratch);
	uint64_t observed;
	int error;

	calibrating_tid = (int)syscall(SYS_gettid);
	error = mmun_observe(&observer);
	if (!error) {
		dl_iterate_phdr(announce_object, NULL);
		time_op(scratch); /* warm the caches */
		observed = time_op(scratch);
		if (observed > plain)
			__atomic_fetch_add(&ring->cost, observed - plain,
					   __ATOMIC_RELAXED);
	}
	calibrating_tid = 0;
	return error;
}

static __attribute__((constructor)) void attach(void)
{
	int saved = errno;
	char *pages = NULL;

	ring = map_ring();
	if (ring)
		pages = map_pages();
	if (pages) {
		nr_slots = ring->nr_slots;
		wiped_space = (uint32_t *)pages;
		space_before_fork =
			__atomic_add_fetch(&ring->spaces, 1, __ATOMIC_RELAXED);
		*wiped_space = space_before_fork;
		report(observe(pages + PAGE), pages + PAGE);
	}
	errno = saved;
}
