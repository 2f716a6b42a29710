/* SPDX-License-Identifier: MIT */
/*
 * live/sites/sites.h - finding syscall instructions and redirecting them.
 *
 * All of it under mmun_live_v.lock.
 */
#ifndef MMUN_LIVE_SITES_H
#define MMUN_LIVE_SITES_H

#include <mmun/coverage.h>
#include <stdbool.h>
#include <stdint.h>

#include "live/maps.h"
#include "live/sites/image.h"

#define SITES_MAX 4096
#define PATCH_MAX 5

/* struct patch - bytes to be exchanged in program text. */
struct patch {
	unsigned long address;
	uint8_t size;
	uint8_t old[PATCH_MAX], new[PATCH_MAX];
};

/*
 * struct site - one redirected syscall instruction.
 * @fast: where its stub does the syscall. First: known to entry.S.
 * @back: behind the site. Second.
 * @address: of the syscall instruction.
 * @stub: where its stub begins.
 * @gap: in padding, the long jump that a short one leads to; or size 0.
 * @jump: the jump at the site itself.
 * @live: patched in.
 */
struct site {
	unsigned long fast;
	unsigned long back;
	unsigned long address;
	unsigned long stub;
	struct patch gap;
	struct patch jump;
	bool live;
};

extern struct site mmun_sites[SITES_MAX];
extern unsigned int mmun_nr_sites;

/* ---- stub.c ---- */

/* Make the arena near that address. 0 or a negative errno. */
int stub_arena_init(unsigned long near);
/*
 * A site whose stub starts with size bytes of code; its jump leaves from
 * there. NULL: no room, or nothing in reach. *target: where to jump to.
 */
struct site *stub_make(unsigned long address, const uint8_t *code, size_t size,
		       unsigned long from, unsigned long *target);
/* Is that the code of a stub, of this copy of the library or another? */
bool stub_is_one(unsigned long target);
bool stub_in_arena(unsigned long address);
void stub_jump(struct patch *p, unsigned long at, unsigned long target);

/* ---- text.c ---- */

/*
 * Exchange bytes of text: all patches, or nothing and a negative errno.
 * They must be in ascending order where they share pages.
 */
int text_write(struct patch *const *patches, unsigned int nr, bool threaded,
	       bool undo);
/* The weakest method that was needed so far. */
enum mmun_patch_method text_method(void);
/* For tests: only that method. MMUN_PATCH_NONE: the best one. */
void text_force(enum mmun_patch_method method);

/* ---- find.c: looking at one syscall instruction ---- */

enum site_verdict {
	SITE_OTHER,	  /* none of the intercepted calls */
	SITE_PATCHABLE,	  /* a stub can be made */
	SITE_UNPATCHABLE, /* could be one, and cannot be redirected */
	SITE_DONE,	  /* ours already */
	SITE_FOREIGN,	  /* of another copy of this library */
};

/*
 * struct site_plan - how to redirect one.
 * @move, @size: the instruction to relocate into the stub.
 * @gap: dead padding for the long jump, if size is 0.
 */
struct site_plan {
	unsigned long move;
	uint8_t size;
	unsigned long gap;
};

enum site_verdict site_examine(const struct image *img, unsigned long address,
			       bool is_libc, struct site_plan *plan);

/* ---- scan.c ---- */

#define SCAN_ASK (-1)

/* struct scan - one look at the mappings. */
struct scan {
	struct maps maps;
	struct mmun_coverage *coverage;
	int threaded;	  /* or SCAN_ASK: find out when it matters */
	bool last_chance; /* do without tables that have not come */
	bool pending;	  /* some text lacks its table so far */
	bool foreign;	  /* another copy of this library was here */
};

/* All executable mappings that overlap [start, end). 0 or a negative errno. */
int scan_range(struct scan *s, unsigned long start, unsigned long end);
/*
 * A file has just been mapped there, readable and executable: is it certain
 * that there is nothing for scan_range() to do?
 */
bool scan_is_clean(unsigned long start, unsigned long end);

/* ---- bytes.c: the only vector code ---- */

/* The next 0f 05 in [p, end), or NULL. */
const uint8_t *find_syscall(const uint8_t *p, const uint8_t *end);

#endif /* MMUN_LIVE_SITES_H */
