/* SPDX-License-Identifier: MIT */
/*
 * long mmun_raw_syscall(nr, a, b, c, d, e, f): the only syscall instruction
 * of the library's C code. In section mmun_text, so that the site scanner can
 * tell it from the host's.
 */
#if defined(__x86_64__)
	.section mmun_text, "ax", @progbits
	.globl mmun_raw_syscall
	.hidden mmun_raw_syscall
	.type mmun_raw_syscall, @function
	.p2align 4
mmun_raw_syscall:
	.cfi_startproc
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret
	.cfi_endproc
	.size mmun_raw_syscall, .-mmun_raw_syscall
#else
#error "mmun: only x86-64 so far"
#endif
	.section .note.GNU-stack, "", @progbits
