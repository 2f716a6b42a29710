/* SPDX-License-Identifier: MIT */
/* benchmarks/srcu.c - see pairs.h */
#include "benchmarks/pairs.h"

#include "benchmarks/side.h"
#include "core/srcu.h"

static struct srcu_struct srcu;

__attribute__((visibility("default"))) double srcu_pair(unsigned int n)
{
	sys_init();
	return BENCH_BATCH(n, srcu_read_unlock(&srcu, srcu_read_lock(&srcu)));
}

__attribute__((visibility("default"))) double srcu_sync(unsigned int n)
{
	sys_init();
	return BENCH_BATCH(n, srcu_synchronize(&srcu));
}
