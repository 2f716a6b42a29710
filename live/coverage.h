/* SPDX-License-Identifier: MIT */
/* live/coverage.h - the counters behind mmun_coverage_read(). */
#ifndef MMUN_LIVE_COVERAGE_H
#define MMUN_LIVE_COVERAGE_H

#include <mmun/coverage.h>

/* Under mmun_live_v.lock. */
extern struct mmun_coverage mmun_live_coverage;

#endif /* MMUN_LIVE_COVERAGE_H */
