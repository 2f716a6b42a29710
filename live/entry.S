/* SPDX-License-Identifier: MIT */
/*
 * live/entry.S - from a stub into C and back. The protocol is in live.h.
 *
 * In: rcx = struct site, rax = number, arguments in rdi rsi rdx r10 r8 r9.
 * rcx and r11 are free: a syscall destroys them. Everything else is given
 * back as it was, flags included (lahf and seto: pushf would cost more than
 * all the rest).
 *
 * The code lies in section mmun_text, so the site scanner leaves its syscall
 * instructions alone.
 */
#include "live/frame.h"

	.section mmun_text, "ax", @progbits

	/* All registers of the caller but rbp, rsp and the free ones. */
	.macro	give_back
	mov	F_FLAGS(%rbp), %rax
	add	$127, %al
	sahf
	mov	F_RDI(%rbp), %rdi
	mov	F_RSI(%rbp), %rsi
	mov	F_RDX(%rbp), %rdx
	mov	F_R10(%rbp), %r10
	mov	F_R8(%rbp), %r8
	mov	F_R9(%rbp), %r9
	mov	F_NR(%rbp), %rax
	.endm

	/* Leave the frame; a signal may overwrite it from here on. */
	.macro	leave_to where
	mov	F_SITE(%rbp), %r11
	mov	\where(%r11), %r11
	mov	F_SP(%rbp), %rcx
	mov	F_BP(%rbp), %rbp
	mov	%rcx, %rsp
	jmp	*%r11
	.endm

	.globl	mmun_live_entry
	.hidden	mmun_live_entry
	.type	mmun_live_entry, @function
	.p2align 6
mmun_live_entry:
	.cfi_startproc simple
	.cfi_def_cfa %rsp, 0
	.cfi_undefined %rip
	mov	%rsp, %r11
	lea	-(RED_ZONE + F_SIZE)(%rsp), %rsp
	mov	%rdi, F_RDI(%rsp)
	mov	%rsi, F_RSI(%rsp)
	mov	%rdx, F_RDX(%rsp)
	mov	%r10, F_R10(%rsp)
	mov	%r8, F_R8(%rsp)
	mov	%r9, F_R9(%rsp)
	mov	%rax, F_NR(%rsp)
	mov	%rcx, F_SITE(%rsp)
	mov	%rbp, F_BP(%rsp)
	mov	%r11, F_SP(%rsp)
	lahf
	seto	%al
	mov	%rax, F_FLAGS(%rsp)
	mov	%rsp, %rbp
	mov	%rsp, %rdi
	/*
	 * The frame describes the caller from here on; where it goes on is in
	 * frame->site->back. In words of DWARF: val_expression of rip: breg6
	 * F_SITE, deref, plus_uconst SITE_BACK, deref.
	 */
	.cfi_def_cfa %rbp, RED_ZONE + F_SIZE
	.cfi_offset %rbp, F_BP - (RED_ZONE + F_SIZE)
	.cfi_escape 0x16, 16, 7, 0x76, 0x80 | F_SITE, 0, 0x06, 0x23, SITE_BACK, 0x06
	call	mmun_live_pre
	cmp	$LIVE_MISS, %eax
	je	.Lmiss
	test	%eax, %eax
	jne	.Lhit

	give_back
	leave_to SITE_FAST

.Lmiss:
	give_back
	syscall
	/*
	 * open_close() without touching flags or other registers; pairs with
	 * the membarrier of whoever waits.
	 */
	mov	F_OPEN0(%rbp), %rcx
	movl	$0, (%rcx)
	mov	F_OPEN1(%rbp), %rcx
	jrcxz	1f
	movl	$0, (%rcx)
1:	mov	F_WAITERS(%rbp), %rcx
	mov	(%rcx), %ecx
	jrcxz	2f
	jmp	.Lwake
2:	leave_to SITE_BACK

.Lwake:
	mov	%rax, F_NR(%rbp)
	call	mmun_live_wake
	jmp	.Lreturn

.Lhit:
	cmp	$LIVE_HIT, %eax
	je	1f
	/* LIVE_OWN: room for the call, and its vector state, right here. */
	sub	mmun_live_call_size(%rip), %rsp
	and	$-64, %rsp
	mov	%rbp, %rdi
	mov	%rsp, %rsi
	call	mmun_live_pre_own
1:	mov	%rsp, F_SP_IN(%rbp)
	give_back
	syscall
	/* A forked child may have been given another stack: C looks. */
	mov	%rsp, F_SP_OUT(%rbp)
	mov	F_SP_IN(%rbp), %rsp
	mov	%rbp, %rdi
	mov	%rax, %rsi
	mov	%rax, F_NR(%rbp)
	call	mmun_live_post
.Lreturn:
	give_back
	leave_to SITE_BACK
	.cfi_endproc
	.size	mmun_live_entry, .-mmun_live_entry

/*
 * void mmun_live_on_stack(void *top, void (*fn)(void *), void *arg): run
 * fn(arg) on the stack below top, 16-aligned.
 */
	.globl	mmun_live_on_stack
	.hidden	mmun_live_on_stack
	.type	mmun_live_on_stack, @function
	.p2align 4
mmun_live_on_stack:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	%rdi, %rsp
	mov	%rdx, %rdi
	call	*%rsi
	leave
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size	mmun_live_on_stack, .-mmun_live_on_stack

/*
 * void mmun_live_save_vectors(void *area), void mmun_live_load_vectors(...):
 * 64-aligned, mmun_live_xsave_size bytes.
 */
	.globl	mmun_live_save_vectors
	.hidden	mmun_live_save_vectors
	.type	mmun_live_save_vectors, @function
	.p2align 4
mmun_live_save_vectors:
	.cfi_startproc
	mov	mmun_live_xsave_mask(%rip), %eax
	mov	mmun_live_xsave_mask+4(%rip), %edx
	test	%eax, %eax
	jz	1f
	/* xsavec leaves the reserved part of the header as it was. */
	xor	%ecx, %ecx
	mov	%rcx, 528(%rdi)
	mov	%rcx, 536(%rdi)
	mov	%rcx, 544(%rdi)
	mov	%rcx, 552(%rdi)
	mov	%rcx, 560(%rdi)
	mov	%rcx, 568(%rdi)
	xsavec	(%rdi)
	ret
1:	fxsave64 (%rdi)
	ret
	.cfi_endproc
	.size	mmun_live_save_vectors, .-mmun_live_save_vectors

	.globl	mmun_live_load_vectors
	.hidden	mmun_live_load_vectors
	.type	mmun_live_load_vectors, @function
	.p2align 4
mmun_live_load_vectors:
	.cfi_startproc
	mov	mmun_live_xsave_mask(%rip), %eax
	mov	mmun_live_xsave_mask+4(%rip), %edx
	test	%eax, %eax
	jz	1f
	xrstor	(%rdi)
	ret
1:	fxrstor64 (%rdi)
	ret
	.cfi_endproc
	.size	mmun_live_load_vectors, .-mmun_live_load_vectors

	.section .note.GNU-stack, "", @progbits
