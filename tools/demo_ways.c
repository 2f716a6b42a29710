/* SPDX-License-Identifier: MIT */
/*
 * tools/demo_ways.c - the ways in which pages go away in ordinary programs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "demo.h"

/* Above malloc's largest threshold for mmap: free() unmaps it. */
#define LARGE (64ul << 20)
#define PAGE 4096ul

static int get_malloc(struct area *a)
{
	uintptr_t p;

	a->size = LARGE;
	a->block = malloc(a->size);
	if (!a->block)
		return -ENOMEM;
	p = (uintptr_t)a->block;
	a->buf = a->block + (-p & (PAGE - 1));
	return 0;
}

static int lose_malloc(struct area *a)
{
	struct area old = *a;
	int ret;

	free(a->block);
	ret = get_malloc(a);
	if (!ret && a->buf != old.buf)
		ret = -EADDRNOTAVAIL;
	return ret;
}

static void put_malloc(struct area *a)
{
	free(a->block);
}

static int get_mmap(struct area *a)
{
	a->size = DEMO_BYTES;
	a->buf = mmap(NULL, a->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a->block = a->buf;
	return a->buf == MAP_FAILED ? -ENOMEM : 0;
}

static int map_again(struct area *a, int flags)
{
	char *p = mmap(a->buf, a->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == a->buf)
		return 0;
	if (p != MAP_FAILED)
		munmap(p, a->size);
	return -EADDRNOTAVAIL;
}

static int lose_munmap(struct area *a)
{
	munmap(a->buf, a->size);
	return map_again(a, MAP_FIXED_NOREPLACE);
}

static int lose_fixed(struct area *a)
{
	return map_again(a, MAP_FIXED);
}

static int lose_dontneed(struct area *a)
{
	return madvise(a->buf, a->size, MADV_DONTNEED) ? -errno : 0;
}

/* The pages live on elsewhere: what goes there, nobody sees here. */
static int lose_mremap(struct area *a)
{
	struct area to;
	int ret = get_mmap(&to);

	if (ret)
		return ret;
	if (mremap(a->buf, a->size, a->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to.buf) == MAP_FAILED)
		ret = -errno;
	if (!ret)
		ret = map_again(a, MAP_FIXED_NOREPLACE);
	munmap(to.buf, to.size);
	return ret;
}

static void put_mmap(struct area *a)
{
	munmap(a->buf, a->size);
}

const struct way demo_ways[DEMO_WAYS] = {
	{"free, malloc (64 MiB)", get_malloc, lose_malloc, put_malloc},
	{"munmap, mmap", get_mmap, lose_munmap, put_mmap},
	{"madvise(DONTNEED)", get_mmap, lose_dontneed, put_mmap},
	{"mmap(MAP_FIXED) over it", get_mmap, lose_fixed, put_mmap},
	{"mremap away, mmap", get_mmap, lose_mremap, put_mmap},
};
