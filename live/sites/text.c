/* SPDX-License-Identifier: MIT */
/*
 * live/sites/text.c - changing program text that may be running.
 *
 * With one thread: /proc/self/mem. The kernel writes through the protection,
 * no page is ever writable and executable, mappings stay whole, and it works
 * under PR_SET_MDWE.
 *
 * With several: a patched copy of the page (a memfd) is moved over it. The
 * kernel exchanges page table entries under its own lock, and flushes; other
 * threads execute the old page or the new one, never a mixture, wherever in
 * the page the bytes are. A staged poke with int3 (what the kernel does to
 * itself) is not for us: libc blocks all signals while it makes a thread, and
 * a blocked SIGTRAP kills.
 *
 * Where that is refused: the page becomes writable for a moment, and the
 * bytes go in by one atomic store where they fit into eight aligned bytes,
 * else behind a "jmp self" that holds other threads up meanwhile. No method
 * leaves anything half done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "live/live.h"
#include "live/sites/sites.h"

#define JMP_SELF 0xfeeb

static enum mmun_patch_method used, forced;

enum mmun_patch_method text_method(void)
{
	return used;
}

void text_force(enum mmun_patch_method method)
{
	forced = method;
}

static bool failed(long r)
{
	return r < 0 && r > -4096;
}

static const uint8_t *wanted(const struct patch *p, bool undo)
{
	return undo ? p->old : p->new;
}

static bool is_written(const struct patch *p, bool undo)
{
	const volatile uint8_t *text = (void *)p->address;
	int i;

	for (i = 0; i < p->size; i++)
		if (text[i] != wanted(p, undo)[i])
			return false;
	return true;
}

/* ---- /proc/self/mem ---- */

static int write_mem(struct patch *const *patches, unsigned int nr, bool undo)
{
	int fd = sys_open("/proc/thread-self/mem", O_RDWR);
	unsigned int i;
	long n = 0;

	if (fd < 0)
		return fd;
	for (i = 0; i < nr && !failed(n); i++)
		n = sys_call4(SYS_pwrite64, fd, wanted(patches[i], undo),
			      patches[i]->size, patches[i]->address);
	sys_call1(SYS_close, fd);
	return failed(n) ? n : 0;
}

/* ---- page swap ---- */

static unsigned long patch_page(const struct patch *p)
{
	return p->address & SYS_PAGE_MASK;
}

static unsigned long patch_page_end(const struct patch *p)
{
	return page_align(p->address + p->size);
}

/* Patches whose pages touch go together: how many from here on? */
static unsigned int run_length(struct patch *const *patches, unsigned int nr,
			       unsigned long *lo, unsigned long *hi)
{
	unsigned int i;

	*lo = patch_page(patches[0]);
	*hi = patch_page_end(patches[0]);
	for (i = 1; i < nr; i++) {
		if (patch_page(patches[i]) >= *hi ||
		    patch_page_end(patches[i]) <= *lo)
			break;
		if (patch_page(patches[i]) < *lo)
			*lo = patch_page(patches[i]);
		if (patch_page_end(patches[i]) > *hi)
			*hi = patch_page_end(patches[i]);
	}
	return i;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned long n)
{
	while (n--)
		if (*a++ != *b++)
			return false;
	return true;
}

/* Fill the memfd with a patched copy of [lo, hi), made at scratch. */
static int fill(int fd, uint8_t *scratch, struct patch *const *patches,
		unsigned int nr, unsigned long lo, unsigned long hi, bool undo)
{
	const uint8_t *text = (const void *)lo;
	unsigned long i, k;
	long n;

	for (i = 0; i < hi - lo; i++)
		scratch[i] = text[i];
	for (i = 0; i < nr; i++)
		for (k = 0; k < patches[i]->size; k++)
			scratch[patches[i]->address - lo + k] =
				wanted(patches[i], undo)[k];
	n = sys_call4(SYS_pwrite64, fd, scratch, hi - lo, 0);
	return failed(n) ? n : (unsigned long)n == hi - lo ? 0 : -EIO;
}

/*
 * Map the copy somewhere, see that it is what we wrote (programs close and
 * replace descriptors that they do not know), then move it into its place.
 */
static int move_over(int fd, const uint8_t *scratch, unsigned long lo,
		     unsigned long hi)
{
	long p = sys_call6(SYS_mmap, 0, hi - lo, PROT_READ | PROT_EXEC,
			   MAP_PRIVATE | MAP_POPULATE, fd, 0);
	long r = -EBADF;

	if (failed(p))
		return p;
	if (same((const void *)p, scratch, hi - lo))
		r = sys_call5(SYS_mremap, p, hi - lo, hi - lo,
			      MREMAP_MAYMOVE | MREMAP_FIXED, lo);
	if (failed(r))
		sys_call2(SYS_munmap, p, hi - lo);
	return failed(r) ? r : 0;
}

static int swap_run(struct patch *const *patches, unsigned int nr,
		    unsigned long lo, unsigned long hi, bool undo)
{
	uint8_t *scratch = sys_alloc(hi - lo);
	int fd, rc;

	if (!scratch)
		return -ENOMEM;
	fd = sys_call2(SYS_memfd_create, "mmun-text", MFD_CLOEXEC);
	rc = fd < 0 ? fd : fill(fd, scratch, patches, nr, lo, hi, undo);
	if (!rc)
		rc = move_over(fd, scratch, lo, hi);
	if (fd >= 0)
		sys_call1(SYS_close, fd);
	sys_free(scratch, hi - lo);
	return rc;
}

static int write_swap(struct patch *const *patches, unsigned int nr, bool undo)
{
	unsigned long lo, hi;
	unsigned int n;
	int rc = 0;

	for (; nr && !rc; patches += n, nr -= n) {
		n = run_length(patches, nr, &lo, &hi);
		rc = swap_run(patches, n, lo, hi, undo);
	}
	return rc;
}

/* ---- a writable moment ---- */

static void sync_core(void)
{
	sys_call2(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
		  0);
}

/* All bytes in one store, if they do not cross eight aligned ones. */
static bool store_at_once(const struct patch *p, const uint8_t *bytes)
{
	unsigned long in = p->address & 7;
	uint64_t *word = (uint64_t *)(p->address - in);
	uint64_t old, new;
	int i;

	if (in + p->size > 8)
		return false;
	old = new = __atomic_load_n(word, __ATOMIC_RELAXED);
	for (i = 0; i < p->size; i++) {
		new &= ~(0xffull << (8 * (in + i)));
		new |= (uint64_t)bytes[i] << (8 * (in + i));
	}
	__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_RELAXED);
	return true;
}

/*
 * Who comes here meanwhile runs in a circle of two bytes. Those two must not
 * cross a cache line for their own store to be seen at once.
 */
static bool store_staged(const struct patch *p, const uint8_t *bytes)
{
	uint8_t *text = (uint8_t *)p->address;
	int i;

	if ((p->address & 63) == 63)
		return false;
	__atomic_store_n((uint16_t *)text, JMP_SELF, __ATOMIC_SEQ_CST);
	sync_core();
	for (i = 2; i < p->size; i++)
		__atomic_store_n(text + i, bytes[i], __ATOMIC_SEQ_CST);
	sync_core();
	__atomic_store_n((uint16_t *)text, bytes[0] | bytes[1] << 8,
			 __ATOMIC_SEQ_CST);
	sync_core();
	return true;
}

static int write_mprotect(struct patch *const *patches, unsigned int nr,
			  bool undo)
{
	unsigned int i;
	long rc;

	sys_call2(SYS_membarrier,
		  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0);
	for (i = 0; i < nr; i++) {
		const struct patch *p = patches[i];
		unsigned long lo = patch_page(p), size = patch_page_end(p) - lo;
		bool done;

		rc = sys_call3(SYS_mprotect, lo, size,
			       PROT_READ | PROT_WRITE | PROT_EXEC);
		if (rc)
			return rc;
		done = store_at_once(p, wanted(p, undo)) ||
		       store_staged(p, wanted(p, undo));
		sync_core();
		sys_call3(SYS_mprotect, lo, size, PROT_READ | PROT_EXEC);
		if (!done)
			return -EAGAIN;
	}
	return 0;
}

/* ---- */

static int write_by(enum mmun_patch_method method, struct patch *const *patches,
		    unsigned int nr, bool undo)
{
	unsigned int i;
	int rc;

	if (method == MMUN_PATCH_PROC_MEM)
		rc = write_mem(patches, nr, undo);
	else if (method == MMUN_PATCH_SWAP)
		rc = write_swap(patches, nr, undo);
	else
		rc = write_mprotect(patches, nr, undo);
	for (i = 0; !rc && i < nr; i++)
		if (!is_written(patches[i], undo))
			rc = -EIO;
	if (!rc && method > used)
		used = method;
	return rc;
}

/*
 * Which patches a method that failed has written is no secret, and a patched
 * site works like an unpatched one. So the next one just writes them all.
 */
int text_write(struct patch *const *patches, unsigned int nr, bool threaded,
	       bool undo)
{
	enum mmun_patch_method method;
	int rc = -EPERM;

	if (!nr)
		return 0;
	if (forced)
		return write_by(forced, patches, nr, undo);
	method = threaded ? MMUN_PATCH_SWAP : MMUN_PATCH_PROC_MEM;
	for (; rc && method <= MMUN_PATCH_MPROTECT; method++)
		rc = write_by(method, patches, nr, undo);
	return rc;
}
