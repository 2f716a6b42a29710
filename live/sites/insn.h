/* SPDX-License-Identifier: MIT */
/*
 * live/sites/insn.h - how long is an x86-64 instruction, and may it be moved?
 *
 * Just enough of a decoder to walk from the start of a function to one of its
 * syscall instructions without ever losing step, and to know where the system
 * call number came from. What it does not know for certain it refuses.
 */
#ifndef MMUN_LIVE_INSN_H
#define MMUN_LIVE_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_flow {
	INSN_NEXT,   /* goes on behind itself */
	INSN_BRANCH, /* may also go to target */
	INSN_CALL,   /* comes back, registers lost */
	INSN_END,    /* never goes on behind itself */
};

enum insn_rax {
	INSN_RAX_KEPT, /* not written */
	INSN_RAX_LOST, /* written, or perhaps written */
	INSN_RAX_IMM,  /* rax = imm */
	INSN_RAX_COPY, /* rax = register src */
};

#define INSN_NO_REG 255

/**
 * struct insn - one instruction.
 * @len: bytes, 1..15.
 * @flow: enum insn_flow.
 * @rax: enum insn_rax.
 * @src: the register copied to rax.
 * @imm_reg: the register that imm is moved to, or INSN_NO_REG.
 * @relative: its meaning depends on its address.
 * @nop: does nothing at all (nop of any length, int3).
 * @imm: the constant.
 * @target: of a direct branch or call; 0: none.
 */
struct insn {
	uint8_t len;
	uint8_t flow;
	uint8_t rax;
	uint8_t src;
	uint8_t imm_reg;
	bool relative;
	bool nop;
	int64_t imm;
	uintptr_t target;
};

/* Decode the instruction at p, not reading at or behind end. */
bool insn_decode(const uint8_t *p, const uint8_t *end, struct insn *insn);

#endif /* MMUN_LIVE_INSN_H */
