/* SPDX-License-Identifier: MIT */
/*
 * live/maps.h - reading /proc/thread-self/maps without libc.
 *
 * thread-self, not self: once the main thread has exited, the files of self
 * describe a process without memory.
 */
#ifndef MMUN_LIVE_MAPS_H
#define MMUN_LIVE_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#define MAPS_BUFFER 8192

struct map_entry {
	unsigned long start, end, offset, inode, device;
	bool read, write, exec;
	const char *path; /* valid until the next entry; "" if none */
};

struct maps {
	int fd;
	size_t have, at;
	char buffer[MAPS_BUFFER];
};

int maps_open(struct maps *m);
/* 1 and the next entry, 0 at the end, or a negative errno. */
int maps_next(struct maps *m, struct map_entry *e);
void maps_close(struct maps *m);

/* The mapping that contains address; 0, -ENOENT or an error of reading. */
int maps_find(struct maps *m, unsigned long address, struct map_entry *e);

/*
 * Is there program text from a file in [start, end)? Cheap on new kernels;
 * "perhaps" on older ones.
 */
bool maps_may_have_text(unsigned long start, unsigned long end);

bool str_prefix(const char *s, const char *prefix);
unsigned long parse_hex(const char **s);
unsigned long parse_dec(const char **s);

#endif /* MMUN_LIVE_MAPS_H */
