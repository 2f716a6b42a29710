/* SPDX-License-Identifier: MIT */
/*
 * live/sites/bytes.c - looking for 0f 05 in megabytes of text. Vector code:
 * runs while arming and on callback stacks only.
 */
#include <emmintrin.h>

#include "live/sites/sites.h"

static const uint8_t *find_bytewise(const uint8_t *p, const uint8_t *end)
{
	for (; p + 1 < end; p++)
		if (p[0] == 0x0f && p[1] == 0x05)
			return p;
	return NULL;
}

const uint8_t *find_syscall(const uint8_t *p, const uint8_t *end)
{
	const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);

	for (; end - p >= 33; p += 32) {
		__m128i a = _mm_loadu_si128((const void *)p);
		__m128i b = _mm_loadu_si128((const void *)(p + 1));
		__m128i c = _mm_loadu_si128((const void *)(p + 16));
		__m128i d = _mm_loadu_si128((const void *)(p + 17));
		unsigned int hits;

		a = _mm_and_si128(_mm_cmpeq_epi8(a, first),
				  _mm_cmpeq_epi8(b, second));
		c = _mm_and_si128(_mm_cmpeq_epi8(c, first),
				  _mm_cmpeq_epi8(d, second));
		hits = _mm_movemask_epi8(a) | (unsigned int)_mm_movemask_epi8(c)
						      << 16;
		if (hits)
			return p + __builtin_ctz(hits);
	}
	return find_bytewise(p, end);
}
