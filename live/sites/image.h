/* SPDX-License-Identifier: MIT */
/*
 * live/sites/image.h - a loaded ELF file, and where its functions begin.
 *
 * The binary search table of .eh_frame_hdr exists in stripped files too. It
 * is the anchor of every decoding: bytes are never guessed to be an
 * instruction, they are reached from the start of their function.
 */
#ifndef MMUN_LIVE_IMAGE_H
#define MMUN_LIVE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct image - the loaded file that a piece of text belongs to.
 * @head: its mapping at file offset 0 (holds the ELF header).
 * @head_end: end of that mapping.
 * @hdr: .eh_frame_hdr, or NULL if there is none that is usable.
 * @table: pairs of offsets from hdr: function, its description.
 * @nr: how many.
 * @lo, @hi: the mapping that holds hdr and the descriptions.
 */
struct image {
	unsigned long head, head_end;
	const uint8_t *hdr;
	const int32_t (*table)[2];
	size_t nr;
	unsigned long lo, hi;
};

/* Where the header of the table should be and at which offset of the file. */
struct image_want {
	unsigned long address, offset;
};

/* From the ELF header: false if it names no table. */
bool image_want(const struct image *img, struct image_want *want);
/* The table is mapped in [lo, hi), readable: use it if it is sound. */
bool image_table(struct image *img, unsigned long address, unsigned long lo,
		 unsigned long hi);

struct function {
	unsigned long start, end;
	size_t index;
};

/* The function that begins at or before address and reaches behind until. */
bool image_function(const struct image *img, unsigned long until,
		    unsigned long address, struct function *f);
/* The one before or behind it in the table. */
bool image_neighbour(const struct image *img, const struct function *f, int by,
		     struct function *n);

#endif /* MMUN_LIVE_IMAGE_H */
