/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/pairs.h - a lock and unlock pair, and a synchronize, of the
 * sleepable RCU inside libmmun and of liburcu-bp: each compiled into a shared
 * library, as it would be in a library that is loaded into other programs.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

/* ns a call */
double srcu_pair(unsigned int n);
double srcu_sync(unsigned int n);
double urcu_pair(unsigned int n);
double urcu_sync(unsigned int n);

#endif /* BENCH_PAIRS_H */
