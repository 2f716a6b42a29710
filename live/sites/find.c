/* SPDX-License-Identifier: MIT */
/*
 * live/sites/find.c - one syscall instruction: is it one of ours, and how can
 * it be redirected?
 *
 * The instructions are decoded from the start of the function, so that what
 * is replaced is an instruction and not the tail of one. Where does rax come
 * from? A constant decides. A copy of another register is one of ours if
 * such a constant is moved to that register somewhere in the function, or if
 * nothing but the caller can have put it there: libc's syscall(). Anything
 * else could be any system call; libc and ld.so, where those are futex and
 * signal loops, are known well enough to leave them alone.
 */
#include "live/live.h"
#include "live/sites/insn.h"
#include "live/sites/sites.h"

#define JUMP_SIZE 5
#define SHORT_REACH 126
/* How far behind the end of a function its code may go on. */
#define SLACK 16

/* What is known about rax at the syscall. */
struct origin {
	enum insn_rax rax;
	int64_t nr;
	uint8_t src;
};

/* struct walk - the way to the syscall instruction. */
struct walk {
	struct origin origin;
	struct insn last; /* the instruction right before it */
	unsigned long last_at;
};

static void follow(struct walk *w, const struct insn *in)
{
	if (in->flow == INSN_END || in->flow == INSN_CALL)
		w->origin.rax = INSN_RAX_LOST;
	else if (in->rax != INSN_RAX_KEPT)
		w->origin = (struct origin){in->rax, in->imm, in->src};
}

enum walked { WALK_THERE, WALK_PAST, WALK_LOST };

/*
 * Decode from the start of the function. libc's clone() ends the description
 * of its frame right before the syscall (the child has no caller), so go on
 * for a few instructions behind the end.
 */
static enum walked walk_to(const struct function *f, unsigned long address,
			   struct walk *w)
{
	unsigned long at = f->start;
	unsigned long limit = f->end > address ? f->end : address + 2;

	*w = (struct walk){.origin = {.rax = INSN_RAX_LOST}};
	while (at < address) {
		if (at >= f->end && w->last.flow == INSN_END)
			return WALK_LOST;
		if (!insn_decode((const void *)at, (const void *)limit,
				 &w->last))
			return WALK_LOST;
		w->last_at = at;
		at += w->last.len;
		follow(w, &w->last);
	}
	if (at > address)
		return WALK_PAST;
	return w->last.len ? WALK_THERE : WALK_LOST;
}

enum number { NUMBER_OURS, NUMBER_OTHER, NUMBER_ANY };

static enum number known(int64_t nr)
{
	return live_op((uint32_t)nr) ? NUMBER_OURS : NUMBER_OTHER;
}

/* Which constants are moved to register reg, anywhere in the function? */
static enum number constants_of(const struct function *f, uint8_t reg)
{
	enum number found = NUMBER_ANY;
	unsigned long at = f->start;
	struct insn in;

	while (at < f->end &&
	       insn_decode((const void *)at, (const void *)f->end, &in)) {
		at += in.len;
		if (in.imm_reg != reg)
			continue;
		if (known(in.imm) == NUMBER_OURS)
			return NUMBER_OURS;
		found = NUMBER_OTHER;
	}
	return found;
}

#define RDI 7

static enum number number_of(const struct function *f, const struct origin *o,
			     bool is_libc)
{
	enum number n = NUMBER_ANY;

	if (o->rax == INSN_RAX_IMM)
		return known(o->nr);
	if (o->rax == INSN_RAX_COPY)
		n = constants_of(f, o->src);
	if (n != NUMBER_ANY || !is_libc)
		return n;
	/* syscall(): the number is the caller's first argument. */
	return o->rax == INSN_RAX_COPY && o->src == RDI ? NUMBER_ANY
							: NUMBER_OTHER;
}

/* ---- dead padding for the long jump of a short one ---- */

static bool is_target(const struct function *f, unsigned long lo,
		      unsigned long hi)
{
	unsigned long at = f->start;
	struct insn in;

	while (at < f->end &&
	       insn_decode((const void *)at, (const void *)f->end, &in)) {
		at += in.len;
		if (in.target >= lo && in.target < hi)
			return true;
	}
	return false;
}

/* How many bytes of padding start at an address, up to limit? */
static unsigned long padding(unsigned long at, unsigned long limit)
{
	unsigned long start = at;
	struct insn in;

	while (at < limit &&
	       insn_decode((const void *)at, (const void *)limit, &in) &&
	       in.nop)
		at += in.len;
	return at - start;
}

static bool in_short_reach(unsigned long gap, unsigned long address)
{
	long d = gap - (address + 2);

	return d >= -SHORT_REACH && d <= SHORT_REACH;
}

/* Another site may have been promised it, though nothing is written yet. */
static bool is_taken(unsigned long gap)
{
	unsigned int i;

	for (i = 0; i < mmun_nr_sites; i++)
		if (mmun_sites[i].gap.size && mmun_sites[i].gap.address == gap)
			return true;
	return false;
}

/*
 * Padding behind an instruction that never goes on, inside a function or
 * between it and the next: nothing can get there but a jump, and we look for
 * those.
 */
static unsigned long find_gap(const struct function *f, unsigned long limit,
			      unsigned long address)
{
	unsigned long at = f->start;
	struct insn in;

	while (at < f->end &&
	       insn_decode((const void *)at, (const void *)f->end, &in)) {
		at += in.len;
		if (in.flow != INSN_END || in.nop ||
		    !in_short_reach(at, address))
			continue;
		if (padding(at, at < f->end ? f->end : limit) >= JUMP_SIZE &&
		    !is_taken(at) && !is_target(f, at, at + JUMP_SIZE))
			return at;
	}
	return 0;
}

/* In this function, or at the end of the one before. */
static unsigned long gap_near(const struct image *img, const struct function *f,
			      unsigned long address)
{
	struct function before, behind;
	unsigned long gap, limit = f->end;

	if (image_neighbour(img, f, 1, &behind))
		limit = behind.start;
	gap = find_gap(f, limit, address);
	if (gap || !image_neighbour(img, f, -1, &before))
		return gap;
	return find_gap(&before, f->start, address);
}

/* ---- */

/* jmp rel32 right before the syscall: somebody was here before us. */
static bool is_redirected(unsigned long address)
{
	const uint8_t *p = (const void *)(address - JUMP_SIZE);

	return *p == 0xe9 && stub_is_one(address + *(const int32_t *)(p + 1));
}

/*
 * By ourselves, and it is still the text that we wrote there? Not "live" may
 * be one whose writer was cut short by a fork in another thread.
 */
static bool is_done(unsigned long address)
{
	struct site *site = mmun_sites;
	const struct patch *p;
	unsigned int k;

	while (site < mmun_sites + mmun_nr_sites && site->address != address)
		site++;
	if (site == mmun_sites + mmun_nr_sites)
		return false;
	p = &site->jump;
	for (k = 0; k < p->size; k++)
		if (((const uint8_t *)p->address)[k] != p->new[k])
			return false;
	site->live = p->size > 0;
	return site->live;
}

/*
 * Most sites of libc are mov $nr,%eax; syscall with a number that is none of
 * ours. There, and there only, that is believed without decoding: it halves
 * the time that arming takes. (41 and 49 would make it mov $nr,%r8d.)
 */
static bool is_plainly_other(unsigned long address)
{
	const uint8_t *p = (const void *)(address - 5);
	uint32_t nr;

	__builtin_memcpy(&nr, p + 1, sizeof(nr));
	return p[0] == 0xb8 && (p[-1] & 0xf7) != 0x41 && nr < 1024 &&
	       known(nr) == NUMBER_OTHER;
}

/*
 * Nothing describes the code around, if code it is. Decoding x86 falls into
 * step after a few instructions wherever it starts: if most ways lead to the
 * syscall, it is one. Tables of constants in the text are sorted out so.
 */
static bool looks_like_code(unsigned long address)
{
	unsigned long start, at;
	unsigned int there = 0;
	struct insn in;

	for (start = address - 48; start < address - 16; start++) {
		at = start;
		while (at < address &&
		       insn_decode((const void *)at,
				   (const void *)(address + 2), &in))
			at += in.len;
		there += at == address;
	}
	return there >= 24;
}

enum site_verdict site_examine(const struct image *img, unsigned long address,
			       bool is_libc, struct site_plan *plan)
{
	struct function f;
	struct walk w;
	enum walked walked;
	enum number n;

	if (is_libc && is_plainly_other(address))
		return SITE_OTHER;
	if (is_done(address))
		return SITE_DONE;
	if (is_redirected(address))
		return SITE_FOREIGN;
	walked = image_function(img, address - SLACK, address, &f)
			 ? walk_to(&f, address, &w)
			 : WALK_LOST;
	/* Half of another instruction, or a constant in it. */
	if (walked == WALK_PAST)
		return SITE_OTHER;
	if (walked == WALK_LOST)
		return looks_like_code(address) ? SITE_UNPATCHABLE : SITE_OTHER;
	n = number_of(&f, &w.origin, is_libc);
	if (n == NUMBER_OTHER)
		return SITE_OTHER;
	*plan = (struct site_plan){0};
	if (w.last.len >= JUMP_SIZE && !w.last.relative) {
		plan->move = w.last_at;
		plan->size = w.last.len;
		return SITE_PATCHABLE;
	}
	plan->gap = gap_near(img, &f, address);
	return plan->gap ? SITE_PATCHABLE : SITE_UNPATCHABLE;
}
