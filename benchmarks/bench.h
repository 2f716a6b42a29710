/* SPDX-License-Identifier: MIT */
/*
 * benchmarks/bench.h - batches in turns, medians of differences, one table.
 *
 * In every turn each side of each row is asked for one batch, so that what
 * the machine does to one it does to the others. A row's difference is the
 * median of the differences within a turn, +- is half their interquartile
 * range; quiet is the difference of the first deciles, which a busy machine
 * moves less. Targets are printed beside, nothing is asserted.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <string.h>

#include "benchmarks/side.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BENCH_MAX 512 /* batches of a row */

struct bench_row {
	const char *what;
	const char *target;
	int op;
	int side[3]; /* plain, mmun, peer; -1: none */
	int nr;
	double v[3][BENCH_MAX];
};

struct bench {
	const char *name, *unit, *peer;
	struct bench_row *rows;
	int nr_rows;
	struct bench_side *sides;
	int nr_sides;
	const bench_op *ops;
	int passes, turns; /* sides are started anew for each pass */
	int digits;
};

static inline int bench_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double bench_quantile(const double *v, int nr, double q)
{
	double sorted[BENCH_MAX];
	int i, n = 0;

	for (i = 0; i < nr; i++)
		if (!isnan(v[i]))
			sorted[n++] = v[i];
	if (!n)
		return NAN;
	qsort(sorted, (size_t)n, sizeof(*v), bench_order);
	return sorted[(int)(q * (n - 1) + 0.5)];
}

/* Column b minus column a, turn by turn. */
static inline double bench_diff(const struct bench_row *r, int a, int b,
				double q)
{
	double d[BENCH_MAX];
	int i;

	for (i = 0; i < r->nr; i++)
		d[i] = r->v[b][i] - r->v[a][i];
	return bench_quantile(d, r->nr, q);
}

#define BENCH_CELLS 7
static const char *const bench_keys[BENCH_CELLS] = {
	"plain", "mmun", "diff", "spread", "quiet", "peer", "peer_diff"};

static inline void bench_cells(const struct bench_row *r, double *v)
{
	v[0] = bench_quantile(r->v[0], r->nr, 0.5);
	v[1] = bench_quantile(r->v[1], r->nr, 0.5);
	v[2] = bench_diff(r, 0, 1, 0.5);
	v[3] = (bench_diff(r, 0, 1, 0.75) - bench_diff(r, 0, 1, 0.25)) / 2;
	v[4] = bench_quantile(r->v[1], r->nr, 0.1) -
	       bench_quantile(r->v[0], r->nr, 0.1);
	v[5] = bench_quantile(r->v[2], r->nr, 0.5);
	v[6] = bench_diff(r, 0, 2, 0.5);
}

#define BENCH_LINE "%-42s %8s %8s %8s %6s %8s  %-8s %8s %8s\n"

static inline void bench_table(const struct bench *b, const struct bench_row *r)
{
	double v[BENCH_CELLS];
	char cell[BENCH_CELLS][16];
	int i;

	bench_cells(r, v);
	for (i = 0; i < BENCH_CELLS; i++)
		if (isnan(v[i]))
			strcpy(cell[i], "-");
		else
			snprintf(cell[i], sizeof(cell[i]),
				 i && i % 2 == 0 ? "%+.*f" : "%.*f", b->digits,
				 v[i]);
	printf(BENCH_LINE, r->what, cell[0], cell[1], cell[2], cell[3], cell[4],
	       r->target, cell[5], cell[6]);
}

static inline void bench_json(FILE *f, const struct bench *b,
			      const struct bench_row *r)
{
	double v[BENCH_CELLS];
	int i;

	bench_cells(r, v);
	fprintf(f, "{\"bench\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\"", b->name,
		r->what, b->unit);
	for (i = 0; i < BENCH_CELLS; i++)
		if (!isnan(v[i]))
			fprintf(f, ",\"%s\":%.3f", bench_keys[i], v[i]);
	fprintf(f, ",\"target\":\"%s\",\"peer_name\":\"%s\",\"batches\":%d}\n",
		r->target, b->peer, r->nr);
}

static inline void bench_turn(const struct bench *b, struct bench_row *r)
{
	int i, s;

	for (i = r->nr; i < r->nr + 3;
	     i++) { /* whoever begins has cold caches */
		s = r->side[i % 3];
		r->v[i % 3][r->nr] = s < 0 ? NAN
					   : bench_ask(&b->sides[s], r->op);
	}
	r->nr++;
}

static inline void bench_report(const struct bench *b, bool json)
{
	const char *path = getenv("BENCH_JSON");
	FILE *f = path ? fopen(path, "a") : NULL;
	int i;

	if (!json)
		printf(BENCH_LINE, b->unit, "plain", "mmun", "diff", "+-",
		       "quiet", "target", b->peer, *b->peer ? "diff" : "");
	for (i = 0; i < b->nr_rows; i++) {
		if (f)
			bench_json(f, b, &b->rows[i]);
		if (json)
			bench_json(stdout, b, &b->rows[i]);
		else
			bench_table(b, &b->rows[i]);
	}
	if (f)
		fclose(f);
}

static inline int bench_main(int argc, char **argv, const struct bench *b)
{
	int pass, turn, i;

	for (pass = 0; pass < b->passes; pass++) {
		for (i = 0; i < b->nr_sides; i++)
			bench_start(&b->sides[i], b->ops);
		for (turn = 0; turn < b->turns; turn++)
			for (i = 0; i < b->nr_rows; i++)
				bench_turn(b, &b->rows[i]);
		for (i = 0; i < b->nr_sides; i++)
			bench_stop(&b->sides[i]);
	}
	bench_report(b, argc > 1 && !strcmp(argv[1], "--json"));
	for (i = 0; i < b->nr_rows; i++)
		if (isnan(bench_quantile(b->rows[i].v[1], b->rows[i].nr, 0)))
			return 1; /* its side has said why */
	return 0;
}

#endif /* BENCH_BENCH_H */
