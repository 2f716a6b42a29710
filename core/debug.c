/* SPDX-License-Identifier: MIT */
/*
 * core/debug.c - the lines that MMUN_DEBUG=1 prints.
 */
#include "sys/general_regs.h"

#include "core/debug.h"

/* How many lines one class may print: a storm must not drown the program. */
#define MISUSE_LINES 16

static uint32_t reported[32];

static char *put(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static char *put_hex(char *p, unsigned long v)
{
	int shift = 60;

	p = put(p, "0x");
	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[v >> shift & 15];
	return p;
}

/* "mmun: M5: unregister from a callback (0x...)": one write, any context. */
void misuse_report(int misuse_class, const char *what, const void *object)
{
	uint32_t *n = &reported[misuse_class % 32];
	char line[256], *p = put(line, "mmun: M");

	if (__atomic_fetch_add(n, 1, __ATOMIC_RELAXED) >= MISUSE_LINES)
		return;
	if (misuse_class >= 10)
		*p++ = (char)('0' + misuse_class / 10);
	*p++ = (char)('0' + misuse_class % 10);
	p = put(p, ": ");
	p = put(p, what);
	p = put(p, " (");
	p = put_hex(p, (unsigned long)object);
	p = put(p, ")\n");
	*p = 0;
	sys_write_str(2, line);
}
