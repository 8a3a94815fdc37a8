/*
 * metrics.c - the table of destinations. A destination may lie in any of a few
 * rows that follow each other.
 */
#include "mem/arena_layout.h"
#include "mem/metrics.h"

static struct metrics_row *rows_of(const struct mem_acct *a, u64 dest)
{
	struct domain *d = arena_local(a->arena)->domain;
	u64 hash = dest * 0x9e3779b97f4a7c15ULL >> 32;
	u32 rows = atomic_load_explicit(&d->metrics_rows, memory_order_relaxed);

	rows = clamp(rows, (u32)METRICS_ROWS_MIN, (u32)METRICS_ROWS);
	return &d->metrics[hash % rows / METRICS_WAYS * METRICS_WAYS];
}

static struct metrics_row *find(const struct mem_acct *a, u64 dest)
{
	struct metrics_row *row = rows_of(a, dest);

	for (int i = 0; i < METRICS_WAYS; i++)
		if (atomic_load(&row[i].dest) == dest)
			return &row[i];
	return NULL;
}

/* A free row, or the one that was written longest ago, emptied. */
static struct metrics_row *make_room(const struct mem_acct *a, u64 dest)
{
	struct metrics_row *row = rows_of(a, dest), *oldest = row;

	for (int i = 0; i < METRICS_WAYS; i++) {
		if (!atomic_load(&row[i].dest))
			return &row[i];
		if (atomic_load(&row[i].stamp) < atomic_load(&oldest->stamp))
			oldest = &row[i];
	}
	atomic_store(&oldest->dest, 0);
	return oldest;
}

bool mem_metrics_get(const struct mem_acct *a, u64 dest, struct path_metrics *m, usec_t now)
{
	const struct metrics_row *row = find(a, dest);
	u64 stamp;

	*m = (struct path_metrics){ 0 };
	if (!row)
		return false;
	stamp = atomic_load(&row->stamp);
	if (stamp > now || now - stamp > METRICS_LIFE_US)
		return false;
	*m = (struct path_metrics){
		.srtt_us = atomic_load(&row->srtt_us),
		.rttvar_us = atomic_load(&row->rttvar_us),
		.ssthresh = atomic_load(&row->ssthresh),
		.cwnd = atomic_load(&row->cwnd),
		.reordering = atomic_load(&row->reordering),
	};
	if (atomic_load(&row->dest) == dest)
		return true;
	*m = (struct path_metrics){ 0 };
	return false;
}

void mem_metrics_put(const struct mem_acct *a, u64 dest, const struct path_metrics *m,
		     usec_t now)
{
	struct metrics_row *row = find(a, dest);

	if (!row)
		row = make_room(a, dest);
	atomic_store(&row->srtt_us, m->srtt_us);
	atomic_store(&row->rttvar_us, m->rttvar_us);
	atomic_store(&row->ssthresh, m->ssthresh);
	atomic_store(&row->cwnd, m->cwnd);
	atomic_store(&row->reordering, m->reordering);
	atomic_store(&row->stamp, now);
	atomic_store(&row->dest, dest);
}
