/* SPDX-License-Identifier: MIT */
/*
 * tools/spaces.h - the traced address spaces: which code lies where in them.
 */
#ifndef MMUN_TOOLS_SPACES_H
#define MMUN_TOOLS_SPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

#define SITE_SIZE 512

/* @parent: the space that @space is a forked copy of, or 0. */
void space_attach(uint32_t space, uint32_t parent);
void space_add_module(uint32_t space, const struct ring_module *module,
		      const char *path);

/*
 * site_name - what to call the place an operation came from.
 * @buf: SITE_SIZE bytes, e.g. "libc.so.6:free+0x1b", "ld.so+0x1f30".
 *
 * A site in a system call wrapper (munmap() and the like) says little: there
 * the caller is shown, which is what the wrapper's return address points to.
 */
void site_name(const struct ring_op *op, uint32_t space, char *buf);

void spaces_free(void);

#endif /* MMUN_TOOLS_SPACES_H */
