/* SPDX-License-Identifier: MIT */
/*
 * tools/target.h - can this program be traced?
 */
#ifndef MMUN_TOOLS_TARGET_H
#define MMUN_TOOLS_TARGET_H

#include <limits.h>

/*
 * target_find - find @name as execvp() does and look whether a preloaded
 * library would reach it: not in a static program, nor in one that gains
 * privileges.
 * @path: out, PATH_MAX bytes, what to execute.
 *
 * Returns 0, or the exit status after having said why not.
 */
int target_find(const char *name, char *path);

#endif /* MMUN_TOOLS_TARGET_H */
