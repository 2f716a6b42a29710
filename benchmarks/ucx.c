/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/ucx.c - a side: the calls of benchmarks/calls.h with UCX's hooks
 * underneath, NR handlers of VM_UNMAPPED. Executed by the other programs.
 */
#include "benchmarks/calls.h"

#include <ucm/api/ucm.h>

static void handler(ucm_event_type_t type, ucm_event_t *event, void *arg)
{
}

static void dispatch(int thread)
{
	ucm_vm_munmap(field + 2 * PAGE * (unsigned long)thread, PAGE);
}

int main(int argc, char **argv)
{
	long i, nr = argc > 1 ? atol(argv[1]) : 0;

	bench_scatter();
	calls_init();
	calls_dispatch = dispatch;
	for (i = 0; i < nr; i++)
		if (ucm_set_event_handler(UCM_EVENT_VM_UNMAPPED, 0, handler,
					  (void *)i))
			return 1;
	bench_serve(calls, BENCH_FD);
}
