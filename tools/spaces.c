/* SPDX-License-Identifier: MIT */
/*
 * tools/spaces.c - the traced address spaces: which code lies where in them.
 *
 * What arrives here was written by traced processes: numbers are bounded,
 * and nothing but names of regular files is done with the paths.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_file.h"
#include "spaces.h"

#define SPACES_MAX (1u << 20)
#define FORKS_MAX 64
/*
 * The system call is this near to the start of a function that only wraps,
 * before the stack pointer moves. mmap() checks an argument first.
 */
#define WRAPPER_SIZE 24

struct image {
	struct image *next;
	char *path;
	bool loaded; /* elf has been looked into, for the first address */
	struct elf_file elf;
};

struct module {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	struct image *image;
};

struct space {
	uint32_t parent;
	size_t nr_modules;
	struct module *modules;
};

struct place {
	struct image *image;
	const struct elf_symbol *symbol; /* or NULL */
	uint64_t address;		 /* as linked */
};

static struct space *spaces;
static uint32_t nr_spaces;
static struct image *images;

static struct space *space_get(uint32_t space)
{
	uint32_t n = nr_spaces ? nr_spaces : 64;
	struct space *all;

	if (space >= SPACES_MAX)
		return NULL;
	while (n <= space)
		n *= 2;
	if (n > nr_spaces) {
		all = realloc(spaces, n * sizeof(*all));
		if (!all)
			return NULL;
		memset(all + nr_spaces, 0, (n - nr_spaces) * sizeof(*all));
		spaces = all;
		nr_spaces = n;
	}
	return &spaces[space];
}

void space_attach(uint32_t space, uint32_t parent)
{
	struct space *s = space_get(space);

	if (s)
		s->parent = parent;
}

static struct image *image_get(const char *path)
{
	struct image *i;

	for (i = images; i; i = i->next)
		if (!strcmp(i->path, path))
			return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->path = strdup(path);
	if (!i->path) {
		free(i);
		return NULL;
	}
	i->next = images;
	images = i;
	return i;
}

void space_add_module(uint32_t space, const struct ring_module *module,
		      const char *path)
{
	struct space *s = space_get(space);
	struct image *image = image_get(path);
	struct module *all;

	if (!s || !image)
		return;
	all = realloc(s->modules, (s->nr_modules + 1) * sizeof(*all));
	if (!all)
		return;
	s->modules = all;
	all[s->nr_modules++] = (struct module){
		.start = module->start,
		.end = module->end,
		.offset = module->offset,
		.image = image,
	};
}

/* The module added last wins: the one before was unmapped. */
static const struct module *module_at(uint32_t space, uint64_t addr)
{
	for (int depth = 0; depth < FORKS_MAX && space < nr_spaces; depth++) {
		const struct space *s = &spaces[space];

		for (size_t i = s->nr_modules; i--;) {
			const struct module *m = &s->modules[i];

			if (addr >= m->start && addr < m->end)
				return m;
		}
		if (!s->parent)
			break;
		space = s->parent;
	}
	return NULL;
}

static const struct elf_file *image_elf(struct image *image)
{
	if (!image->loaded) {
		image->loaded = true;
		/* If that fails there are just no symbols. */
		elf_open(&image->elf, image->path);
	}
	return &image->elf;
}

static bool place_find(uint32_t space, uint64_t addr, struct place *place)
{
	const struct module *m = module_at(space, addr);
	const struct elf_file *elf;
	uint64_t offset;

	if (!m)
		return false;
	elf = image_elf(m->image);
	offset = addr - m->start + m->offset;
	place->image = m->image;
	place->symbol = NULL;
	place->address = offset;
	if (elf_address(elf, offset, &place->address))
		place->symbol = elf_lookup(elf, place->address);
	return true;
}

static bool is_wrapper(const struct place *p, const char *op)
{
	const char *name;

	if (!p->symbol || p->address - p->symbol->value >= WRAPPER_SIZE)
		return false;
	name = p->symbol->name + strspn(p->symbol->name, "_");
	return !strncmp(name, op, strlen(op)) &&
	       (!name[strlen(op)] || !strcmp(name + strlen(op), "64"));
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void place_name(const struct place *p, char *buf)
{
	const char *file = base(p->image->path);

	if (p->symbol)
		snprintf(buf, SITE_SIZE, "%.200s:%.200s+0x%llx", file,
			 p->symbol->name,
			 (unsigned long long)(p->address - p->symbol->value));
	else
		snprintf(buf, SITE_SIZE, "%.200s+0x%llx", file,
			 (unsigned long long)p->address);
}

void site_name(const struct ring_op *op, uint32_t space, char *buf)
{
	struct place site, caller;
	bool found = place_find(space, op->site, &site);

	if (found && is_wrapper(&site, op->name) &&
	    place_find(space, op->caller, &caller))
		place_name(&caller, buf);
	else if (found)
		place_name(&site, buf);
	else
		snprintf(buf, SITE_SIZE, "0x%llx",
			 (unsigned long long)op->site);
}

void spaces_free(void)
{
	struct image *i;

	for (uint32_t n = 0; n < nr_spaces; n++)
		free(spaces[n].modules);
	free(spaces);
	spaces = NULL;
	nr_spaces = 0;
	while ((i = images)) {
		images = i->next;
		elf_close(&i->elf);
		free(i->path);
		free(i);
	}
}
