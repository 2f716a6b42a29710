/* SPDX-License-Identifier: MIT */
/*
 * live/maps.c - /proc/thread-self/maps, line by line. Any context.
 */
#include <errno.h>
#include <fcntl.h>

#include <sys/ioctl.h>

#include "live/maps.h"
#include "sys/sys.h"

bool str_prefix(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

unsigned long parse_hex(const char **s)
{
	unsigned long v = 0;

	for (; hex_digit(**s) >= 0; ++*s)
		v = v << 4 | hex_digit(**s);
	return v;
}

unsigned long parse_dec(const char **s)
{
	unsigned long v = 0;

	for (; **s >= '0' && **s <= '9'; ++*s)
		v = v * 10 + (**s - '0');
	return v;
}

int maps_open(struct maps *m)
{
	m->have = m->at = 0;
	m->fd = sys_open("/proc/thread-self/maps", O_RDONLY);
	return m->fd < 0 ? m->fd : 0;
}

void maps_close(struct maps *m)
{
	sys_call1(SYS_close, m->fd);
}

/* Move the rest to the front and read more; 0 at the end of the file. */
static long maps_fill(struct maps *m)
{
	size_t i;
	long n;

	for (i = m->at; i < m->have; i++)
		m->buffer[i - m->at] = m->buffer[i];
	m->have -= m->at;
	m->at = 0;
	if (m->have == sizeof(m->buffer))
		return -EOVERFLOW;
	n = sys_call3(SYS_read, m->fd, m->buffer + m->have,
		      sizeof(m->buffer) - m->have);
	if (n > 0)
		m->have += n;
	return n;
}

/* The next line without its newline; NULL at the end. */
static char *maps_line(struct maps *m, long *err)
{
	size_t i = m->at;

	for (;;) {
		for (; i < m->have; i++) {
			char *line = m->buffer + m->at;

			if (m->buffer[i] != '\n')
				continue;
			m->buffer[i] = 0;
			m->at = i + 1;
			return line;
		}
		i -= m->at;
		*err = maps_fill(m);
		if (*err <= 0)
			return NULL;
	}
}

/* start-end rwxp offset major:minor inode      path */
static void parse_line(const char *s, struct map_entry *e)
{
	e->start = parse_hex(&s);
	s++;
	e->end = parse_hex(&s);
	e->read = s[1] == 'r';
	e->write = s[2] == 'w';
	e->exec = s[3] == 'x';
	s += 6;
	e->offset = parse_hex(&s);
	s++;
	e->device = parse_hex(&s) << 20;
	s++;
	e->device |= parse_hex(&s);
	s++;
	e->inode = parse_dec(&s);
	while (*s == ' ')
		s++;
	e->path = s;
}

int maps_next(struct maps *m, struct map_entry *e)
{
	long err = 0;
	const char *line = maps_line(m, &err);

	if (!line)
		return err;
	parse_line(line, e);
	return 1;
}

int maps_find(struct maps *m, unsigned long address, struct map_entry *e)
{
	int r = maps_open(m);

	if (r)
		return r;
	while ((r = maps_next(m, e)) > 0)
		if (address >= e->start && address < e->end)
			break;
	maps_close(m);
	return r > 0 ? 0 : r ? r : -ENOENT;
}

/* Linux 6.11's struct procmap_query: one mapping for one ioctl. */
struct query {
	uint64_t size, flags, address;
	uint64_t start, end, vma_flags, page_size, offset, inode;
	uint32_t major, minor, name_size, build_id_size;
	uint64_t name, build_id;
};

#define QUERY _IOWR('f', 17, struct query)
#define QUERY_EXECUTABLE 0x04
#define QUERY_THIS_OR_NEXT 0x10
#define QUERY_FILE 0x20

bool maps_may_have_text(unsigned long start, unsigned long end)
{
	struct query q = {.size = sizeof(q),
			  .flags = QUERY_EXECUTABLE | QUERY_THIS_OR_NEXT |
				   QUERY_FILE,
			  .address = start};
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY);
	long r;

	if (fd < 0)
		return true;
	r = sys_call3(SYS_ioctl, fd, QUERY, &q);
	sys_call1(SYS_close, fd);
	if (r == -ENOENT)
		return false;
	return r || q.start < end;
}
