/* SPDX-License-Identifier: MIT */
/*
 * sys/general_regs.h - to be included first, by files whose code may run
 * between a patched call site and the vector state being saved: no SSE, no
 * x87 in what follows, whatever the compiler would like.
 */
#if defined(__x86_64__) && !defined(__clang__)
#pragma GCC target("general-regs-only")
#endif
