/* SPDX-License-Identifier: MIT */
/*
 * Reads what objdump -d --insn-width=16 says and compares lengths. Prints
 * the differences; the last line counts all, those that we refuse or that
 * nobody can be sure of, and the wrong ones. For insn-lengths.sh.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/sites/insn.h"

#define SHOW 20

/* "  address:\tbytes in hex\ttext": how many bytes; 0: another line. */
static int parse(char *line, uint8_t *bytes, char **text)
{
	char *p = strchr(line, '\t'), *end;
	int n = 0;

	if (!p)
		return 0;
	*text = strchr(p + 1, '\t');
	if (!*text || strstr(*text, "(bad)"))
		return 0;
	*(*text)++ = 0;
	for (p++; n < 16; p = end) {
		bytes[n] = (uint8_t)strtol(p, &end, 16);
		if (end == p)
			break;
		n++;
	}
	return n;
}

/*
 * Where objdump joins what the processor takes for two (fwait and what
 * follows), or shows a prefix without its instruction (which is data).
 */
static int is_unclear(const uint8_t *bytes, const char *text)
{
	return bytes[0] == 0x9b || !strncmp(text, "rex", 3) ||
	       !strncmp(text, "data16", 6) || !strncmp(text, "ds", 2) ||
	       !strncmp(text, "cs", 2) || !strncmp(text, "es", 2) ||
	       !strncmp(text, "ss", 2) || !strncmp(text, "fs", 2) ||
	       !strncmp(text, "gs", 2) || !strncmp(text, "rep", 3) ||
	       !strncmp(text, "lock", 4) || !strncmp(text, "addr32", 6) ||
	       !strncmp(text, ".byte", 5);
}

int main(void)
{
	unsigned long all = 0, wrong = 0, unclear = 0;
	char line[4096], *text;
	uint8_t bytes[32];

	while (fgets(line, sizeof(line), stdin)) {
		int n = parse(line, bytes, &text);
		struct insn insn;
		int decoded;

		if (!n)
			continue;
		all++;
		decoded = insn_decode(bytes, bytes + n, &insn);
		if (decoded && insn.len == n)
			continue;
		if (!decoded || is_unclear(bytes, text)) {
			unclear++;
			continue;
		}
		if (wrong++ < SHOW)
			printf("# %s: %d bytes: %s", line, n, text);
	}
	printf("%lu %lu %lu\n", all, unclear, wrong);
	return 0;
}
