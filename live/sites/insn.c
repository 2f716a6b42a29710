/* SPDX-License-Identifier: MIT */
/*
 * live/sites/insn.c - x86-64 instruction lengths, and what becomes of rax.
 *
 * The maps say what follows the opcode:
 *	.  nothing		m  ModRM
 *	b  imm8			B  ModRM, imm8
 *	z  imm16/32		Z  ModRM, imm16/32
 *	w  imm16		e  imm16, imm8 (enter)
 *	v  imm16/32/64		o  absolute address (movabs)
 *	r  rel8			R  rel32
 *	c  ModRM that names registers, whatever it says
 *	g  ModRM, imm8 for /0 and /1	h  the same with imm16/32
 *	p  prefix or escape, handled before	x  not in 64-bit mode
 */
#include "live/sites/insn.h"

static const char one_byte[] = "mmmmbzxxmmmmbzxp"
			       "mmmmbzxxmmmmbzxx"
			       "mmmmbzpxmmmmbzpx"
			       "mmmmbzpxmmmmbzpx"
			       "pppppppppppppppp"
			       "................"
			       "xxpmppppzZbB...."
			       "rrrrrrrrrrrrrrrr"
			       "BZxBmmmmmmmmmmmm"
			       "..........x....."
			       "oooo....bz......"
			       "bbbbbbbbvvvvvvvv"
			       "BBw.ppBZe.w..bx."
			       "mmmmxxx.mmmmmmmm"
			       "rrrrbbbbRRxr...."
			       "p.pp..gh......mm";

static const char two_byte[] = "mmmmx.....x.xm.B"
			       "mmmmmmmmmmmmmmmm"
			       "ccccxxxxmmmmmmmm"
			       "......x.pxpxxxxx"
			       "mmmmmmmmmmmmmmmm"
			       "mmmmmmmmmmmmmmmm"
			       "mmmmmmmmmmmmmmmm"
			       "BBBBmmm.mmmmmmmm"
			       "RRRRRRRRRRRRRRRR"
			       "mmmmmmmmmmmmmmmm"
			       "...mBmmm...mBmmm"
			       "mmmmmmmmmmBmmmmm"
			       "mmBmBBBm........"
			       "mmmmmmmmmmmmmmmm"
			       "mmmmmmmmmmmmmmmm"
			       "mmmmmmmmmmmmmmmm";

enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VECTOR };

#define REX_W 8
#define REX_R 4
#define REX_B 1

struct cursor {
	const uint8_t *start, *at, *end;
	uint8_t rex, op, map, modrm;
	bool has_modrm, opsize, addrsize, repne, rip;
	char kind;
	bool overrun;
};

static uint8_t next(struct cursor *c)
{
	if (c->at >= c->end || c->at - c->start >= 15) {
		c->overrun = true;
		return 0;
	}
	return *c->at++;
}

static int64_t next_imm(struct cursor *c, int bytes)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < bytes; i++)
		v |= (uint64_t)next(c) << (8 * i);
	i = 64 - 8 * bytes;
	return bytes ? (int64_t)(v << i) >> i : 0;
}

/* Legacy prefixes and REX; returns the opcode byte behind them. */
static uint8_t prefixes(struct cursor *c)
{
	for (;;) {
		uint8_t b = next(c);

		switch (b) {
		case 0x66:
			c->opsize = true;
			continue;
		case 0x67:
			c->addrsize = true;
			continue;
		case 0xf2:
			c->repne = true;
			continue;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0xf0:
		case 0xf3:
			if (c->overrun)
				return b;
			continue;
		}
		if ((b & 0xf0) != 0x40)
			return b;
		c->rex = b;
		b = next(c);
		/* A REX that is not next to the opcode: nobody emits it. */
		if ((b & 0xf0) == 0x40 ||
		    (b < 0x80 && one_byte[b] == 'p' && b != 0x0f && b != 0x62))
			c->overrun = true;
		return b;
	}
}

/* VEX, EVEX and XOP in the 0f map: only these carry an imm8. */
static char vector_kind(uint8_t map, uint8_t op)
{
	if (map == 2 || map == 5 || map == 6 || map == 9)
		return 'm';
	if (map == 3 || map == 8)
		return 'B';
	if (map == 10)
		return 'Z';
	if (map != 1)
		return 'x';
	if (op == 0x77)
		return '.';
	if ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
	    (op >= 0xc4 && op <= 0xc6))
		return 'B';
	return 'm';
}

static void vector(struct cursor *c, uint8_t escape)
{
	uint8_t map = 1;

	/* The bits of the prefixes do not change the length. */
	if (escape == 0xc5) {
		next(c);
	} else if (escape == 0x62) {
		map = next(c) & 7;
		next(c);
		next(c);
	} else {
		map = next(c) & 31;
		next(c);
	}
	c->op = next(c);
	c->map = MAP_VECTOR;
	c->opsize = false;
	c->kind = vector_kind(map, c->op);
}

static void opcode(struct cursor *c)
{
	uint8_t b = prefixes(c);
	bool xop = b == 0x8f && c->at < c->end && (*c->at & 31) >= 8;

	if (b == 0x62 || b == 0xc4 || b == 0xc5 || xop) {
		vector(c, b);
		return;
	}
	c->op = b;
	c->map = MAP_ONE;
	c->kind = one_byte[b];
	if (b != 0x0f)
		return;
	c->op = next(c);
	c->map = MAP_0F;
	c->kind = two_byte[c->op];
	if (c->op == 0x38 || c->op == 0x3a) {
		c->map = c->op == 0x38 ? MAP_0F38 : MAP_0F3A;
		c->kind = c->op == 0x38 ? 'm' : 'B';
		c->op = next(c);
	}
}

static void modrm(struct cursor *c)
{
	uint8_t mod, rm;

	c->modrm = next(c);
	c->has_modrm = true;
	mod = c->modrm >> 6;
	rm = c->modrm & 7;
	if (mod == 3)
		return;
	if (rm == 4 && (next(c) & 7) == 5 && mod == 0)
		next_imm(c, 4);
	if (rm == 5 && mod == 0) {
		c->rip = true;
		next_imm(c, 4);
	}
	if (mod)
		next_imm(c, mod == 1 ? 1 : 4);
}

/* What follows the opcode; returns the immediate or displacement. */
static int64_t operands(struct cursor *c)
{
	int z = c->opsize && !(c->rex & REX_W) ? 2 : 4;

	switch (c->kind) {
	case '.':
		return 0;
	case 'm':
		modrm(c);
		/* AMD's extrq and insertq. */
		if (c->map == MAP_0F && c->op == 0x78 &&
		    (c->opsize || c->repne))
			next_imm(c, 2);
		return 0;
	case 'c':
		return next(c), 0;
	case 'B':
		modrm(c);
		return next_imm(c, 1);
	case 'Z':
		modrm(c);
		return next_imm(c, z);
	case 'g':
		modrm(c);
		return next_imm(c, c->modrm & 0x30 ? 0 : 1);
	case 'h':
		modrm(c);
		return next_imm(c, c->modrm & 0x30 ? 0 : z);
	case 'b':
	case 'r':
		return next_imm(c, 1);
	case 'z':
		return next_imm(c, z);
	case 'w':
		return next_imm(c, 2);
	case 'e':
		return next_imm(c, 3);
	case 'v':
		return next_imm(c, c->rex & REX_W ? 8 : z);
	case 'o':
		return next_imm(c, c->addrsize ? 4 : 8);
	case 'R':
		/* Vendors disagree about what 66 means here. */
		if (z == 2)
			c->overrun = true;
		return next_imm(c, 4);
	}
	c->overrun = true;
	return 0;
}

static bool reg_form(const struct cursor *c)
{
	return c->has_modrm && c->modrm >> 6 == 3;
}

static uint8_t reg_of(const struct cursor *c)
{
	return (c->modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
}

static uint8_t rm_of(const struct cursor *c)
{
	return (c->modrm & 7) | (c->rex & REX_B ? 8 : 0);
}

/* Is register r, written with 8 or more bits, a part of rax? ah is 4. */
static enum insn_rax wrote(const struct cursor *c, uint8_t r, bool byte)
{
	if (r == 0 || (byte && r == 4 && !c->rex))
		return INSN_RAX_LOST;
	return INSN_RAX_KEPT;
}

static enum insn_rax wrote_rm(const struct cursor *c, bool byte)
{
	return reg_form(c) ? wrote(c, rm_of(c), byte) : INSN_RAX_KEPT;
}

static enum insn_flow flow_one_byte(const struct cursor *c)
{
	switch (c->op) {
	case 0xe8:
		return INSN_CALL;
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcc:
	case 0xcf:
	case 0xe9:
	case 0xeb:
	case 0xf4:
		return INSN_END;
	case 0xff:
		if ((c->modrm & 0x30) == 0x10)
			return INSN_CALL;
		return (c->modrm & 0x30) == 0x20 ? INSN_END : INSN_NEXT;
	}
	return c->kind == 'r' ? INSN_BRANCH : INSN_NEXT;
}

static enum insn_flow flow(const struct cursor *c)
{
	if (c->map == MAP_ONE)
		return flow_one_byte(c);
	if (c->map == MAP_0F && c->kind == 'R')
		return INSN_BRANCH;
	if (c->map == MAP_0F && (c->op == 0x0b || c->op == 0xb9))
		return INSN_END;
	return INSN_NEXT;
}

/* The arithmetic block 00..3f: op rm,reg / op reg,rm / op al,imm. */
static enum insn_rax rax_arithmetic(const struct cursor *c)
{
	bool byte = !(c->op & 1);

	if (c->op >= 0x38)
		return INSN_RAX_KEPT;
	if ((c->op & 7) >= 4)
		return INSN_RAX_LOST;
	return c->op & 2 ? wrote(c, reg_of(c), byte) : wrote_rm(c, byte);
}

static enum insn_rax rax_one_byte(const struct cursor *c)
{
	uint8_t op = c->op, ext = c->modrm >> 3 & 7;

	if (op < 0x40)
		return rax_arithmetic(c);
	if (op >= 0x50 && op <= 0x57)
		return INSN_RAX_KEPT;
	if (op >= 0x58 && op <= 0x5f)
		return wrote(c, (op & 7) | (c->rex & REX_B ? 8 : 0), false);
	if (op >= 0xb0 && op <= 0xbf)
		return wrote(c, (op & 7) | (c->rex & REX_B ? 8 : 0), op < 0xb8);
	if (op >= 0x70 && op <= 0x7f)
		return INSN_RAX_KEPT;
	switch (op) {
	case 0x63:
	case 0x69:
	case 0x6b:
	case 0x8b:
	case 0x8d:
		return wrote(c, reg_of(c), false);
	case 0x8a:
		return wrote(c, reg_of(c), true);
	case 0x80:
	case 0x81:
	case 0x83:
		return ext == 7 ? INSN_RAX_KEPT : wrote_rm(c, op == 0x80);
	case 0x88:
	case 0xc0:
	case 0xc6:
	case 0xd0:
	case 0xd2:
	case 0xfe:
		return wrote_rm(c, true);
	case 0x89:
	case 0xc1:
	case 0xc7:
	case 0xd1:
	case 0xd3:
		return wrote_rm(c, false);
	case 0xf6:
	case 0xf7:
		if (ext < 2)
			return INSN_RAX_KEPT;
		return ext < 4 ? wrote_rm(c, op == 0xf6) : INSN_RAX_LOST;
	case 0xff:
		return ext < 2 ? wrote_rm(c, false) : INSN_RAX_KEPT;
	case 0x68:
	case 0x6a:
	case 0x84:
	case 0x85:
	case 0xa8:
	case 0xa9:
	case 0xeb:
	case 0xe9:
		return INSN_RAX_KEPT;
	case 0x90:
		return c->rex & REX_B ? INSN_RAX_LOST : INSN_RAX_KEPT;
	}
	return INSN_RAX_LOST;
}

static enum insn_rax rax_0f(const struct cursor *c)
{
	uint8_t op = c->op;

	if (op == 0x1e && reg_form(c)) /* endbr64 and rdssp share it */
		return wrote(c, rm_of(c), false);
	if (op == 0x1f || (op & 0xf0) == 0x80)
		return INSN_RAX_KEPT;
	if ((op & 0xf0) == 0x40 || op == 0xaf || op == 0xb6 || op == 0xb7 ||
	    op == 0xbe || op == 0xbf)
		return wrote(c, reg_of(c), false);
	if ((op & 0xf0) == 0x90)
		return wrote_rm(c, true);
	/* Moves and logic of vector registers. */
	if ((op >= 0x10 && op <= 0x17) || op == 0x28 || op == 0x29 ||
	    op == 0x57 || (op >= 0x60 && op <= 0x6f) || op == 0x7f ||
	    op == 0xd6 || op == 0xef)
		return INSN_RAX_KEPT;
	return INSN_RAX_LOST;
}

/* Moves that say where a number comes from. */
static void moves(const struct cursor *c, int64_t imm, struct insn *insn)
{
	bool zero = (c->op == 0x31 || c->op == 0x33) && reg_form(c) &&
		    reg_of(c) == rm_of(c);

	if (c->map != MAP_ONE || c->opsize)
		return;
	if (c->op >= 0xb8 && c->op <= 0xbf)
		insn->imm_reg = (c->op & 7) | (c->rex & REX_B ? 8 : 0);
	else if ((c->op == 0xc7 || zero) && reg_form(c))
		insn->imm_reg = rm_of(c);
	insn->imm = zero ? 0 : imm;
	if (insn->imm_reg == 0)
		insn->rax = INSN_RAX_IMM;
	if (c->op == 0x89 && reg_form(c) && rm_of(c) == 0)
		insn->src = reg_of(c);
	else if (c->op == 0x8b && reg_form(c) && reg_of(c) == 0)
		insn->src = rm_of(c);
	if (insn->src != INSN_NO_REG)
		insn->rax = INSN_RAX_COPY;
}

static bool is_nop(const struct cursor *c)
{
	if (c->map == MAP_0F)
		return c->op == 0x1f;
	return c->map == MAP_ONE &&
	       (c->op == 0xcc || (c->op == 0x90 && !(c->rex & REX_B)));
}

bool insn_decode(const uint8_t *p, const uint8_t *end, struct insn *insn)
{
	struct cursor c = {.start = p, .at = p, .end = end};
	int64_t imm;

	opcode(&c);
	imm = operands(&c);
	if (c.overrun)
		return false;
	*insn = (struct insn){.len = c.at - p,
			      .flow = flow(&c),
			      .rax = INSN_RAX_KEPT,
			      .src = INSN_NO_REG,
			      .imm_reg = INSN_NO_REG,
			      .nop = is_nop(&c)};
	insn->relative = c.rip || insn->flow != INSN_NEXT;
	if (c.kind == 'r' || c.kind == 'R')
		insn->target = (uintptr_t)c.at + imm;
	if (c.map == MAP_ONE)
		insn->rax = rax_one_byte(&c);
	else if (c.map == MAP_0F)
		insn->rax = rax_0f(&c);
	else
		insn->rax = INSN_RAX_LOST;
	if (insn->flow == INSN_CALL)
		insn->rax = INSN_RAX_LOST;
	moves(&c, imm, insn);
	return true;
}
