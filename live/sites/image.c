/* SPDX-License-Identifier: MIT */
/*
 * live/sites/image.c - reading .eh_frame_hdr of a loaded file.
 *
 * Everything is checked against the mapping it must lie in: a broken table
 * means "no table", never a fault.
 */
#include <elf.h>

#include "live/sites/image.h"
#include "sys/sys.h"

#define DW_PCREL_SDATA4 0x1b
#define DW_DATAREL_SDATA4 0x3b
#define DW_UDATA4 0x03

static const Elf64_Phdr *program_headers(const struct image *img, size_t *nr)
{
	const Elf64_Ehdr *eh = (const void *)img->head;
	size_t room = img->head_end - img->head;

	if (room < sizeof(*eh) || eh->e_ident[EI_MAG0] != ELFMAG0 ||
	    eh->e_ident[EI_MAG1] != 'E' || eh->e_ident[EI_MAG2] != 'L' ||
	    eh->e_ident[EI_MAG3] != 'F' ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff >= room ||
	    eh->e_phnum > (room - eh->e_phoff) / sizeof(Elf64_Phdr))
		return NULL;
	*nr = eh->e_phnum;
	return (const void *)(img->head + eh->e_phoff);
}

bool image_want(const struct image *img, struct image_want *want)
{
	const Elf64_Phdr *eh_frame = NULL, *first = NULL;
	const Elf64_Phdr *ph;
	size_t nr, i;

	ph = program_headers(img, &nr);
	if (!ph)
		return false;
	for (i = 0; i < nr; i++) {
		if (ph[i].p_type == PT_GNU_EH_FRAME)
			eh_frame = &ph[i];
		if (ph[i].p_type == PT_LOAD &&
		    !(ph[i].p_offset & SYS_PAGE_MASK))
			first = first ? first : &ph[i];
	}
	if (!eh_frame || !first)
		return false;
	want->address = img->head + eh_frame->p_vaddr -
			(first->p_vaddr & SYS_PAGE_MASK);
	want->offset = eh_frame->p_offset;
	return true;
}

bool image_table(struct image *img, unsigned long address, unsigned long lo,
		 unsigned long hi)
{
	const uint8_t *hdr = (const void *)address;
	size_t nr;

	img->hdr = NULL;
	if (address < lo || hi - address < 12 || address & 3)
		return false;
	if (hdr[0] != 1 || hdr[2] != DW_UDATA4 || hdr[3] != DW_DATAREL_SDATA4)
		return false;
	nr = *(const uint32_t *)(hdr + 8);
	if (!nr || nr > (hi - address - 12) / 8)
		return false;
	img->hdr = hdr;
	img->table = (const void *)(hdr + 12);
	img->nr = nr;
	img->lo = lo;
	img->hi = hi;
	return true;
}

/* Entry i as a range, from the description itself; it must agree. */
static bool entry(const struct image *img, size_t i, struct function *f)
{
	unsigned long fde = (unsigned long)img->hdr + img->table[i][1];
	const int32_t *pc;

	f->start = (unsigned long)img->hdr + img->table[i][0];
	if (fde < img->lo || fde + 16 > img->hi)
		return false;
	/* length, CIE, then begin relative to itself, and the length. */
	pc = (const int32_t *)(fde + 8);
	if ((unsigned long)pc + pc[0] != f->start || pc[1] <= 0)
		return false;
	f->end = f->start + pc[1];
	f->index = i;
	return true;
}

bool image_function(const struct image *img, unsigned long until,
		    unsigned long address, struct function *f)
{
	size_t lo = 0, hi;
	long key;

	if (!img->hdr)
		return false;
	key = address - (unsigned long)img->hdr;
	hi = img->nr;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (img->table[mid][0] <= key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && entry(img, lo - 1, f) && until < f->end;
}

bool image_neighbour(const struct image *img, const struct function *f, int by,
		     struct function *n)
{
	size_t i = f->index + by;

	return i < img->nr && entry(img, i, n);
}
