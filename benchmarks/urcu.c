/* SPDX-License-Identifier: MIT */
/* benchmarks/urcu.c - see pairs.h */
#define _LGPL_SOURCE /* its fast paths inline: the best it can do */
#include <urcu-bp.h>

#include "benchmarks/pairs.h"
#include "benchmarks/side.h"

double urcu_pair(unsigned int n)
{
	return BENCH_BATCH(n, ({
				   rcu_read_lock();
				   rcu_read_unlock();
			   }));
}

double urcu_sync(unsigned int n)
{
	rcu_read_lock(); /* registers the thread */
	rcu_read_unlock();
	return BENCH_BATCH(n, synchronize_rcu());
}
