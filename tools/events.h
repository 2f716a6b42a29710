/* SPDX-License-Identifier: MIT */
/*
 * tools/events.h - records from the ring become operations.
 *
 * An operation is shown when it is over, as strace does: its first record
 * waits for the second one of the same thread. What never returns is shown
 * when that is clear.
 */
#ifndef MMUN_TOOLS_EVENTS_H
#define MMUN_TOOLS_EVENTS_H

#include <stdbool.h>

#include "print.h"
#include "ring.h"
#include "summary.h"

struct pending {
	struct ring_op op;
	uint32_t space;
};

struct events {
	struct printer printer;
	struct summary summary;
	bool quiet_ops; /* -c: do not print operations */
	struct pending *pending;
	size_t nr_pending;
	size_t max_pending;
	uint32_t nr_slots;
	uint64_t tail;
	uint64_t stuck_since_ns;
};

/*
 * events_drain - handle all records that are there.
 * @ended: no producer is left, so nothing is worth waiting for.
 *
 * Returns how many there were.
 */
unsigned long events_drain(struct events *ev, struct ring *ring, bool ended);
/* Show what did not return. */
void events_finish(struct events *ev);

#endif /* MMUN_TOOLS_EVENTS_H */
