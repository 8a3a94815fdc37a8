/* clock.c - a binary heap with the positions kept in the events. */
#include <stdlib.h>
#include "clock.h"

void clock_init(struct clock *k, usec_t start)
{
	*k = (struct clock){ .now = start };
}

void clock_fini(struct clock *k)
{
	free(k->heap);
}

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct clock *k, struct event *e, u32 pos)
{
	k->heap[pos] = e;
	e->pos = pos;
}

static void sift(struct clock *k, struct event *e, u32 pos)
{
	while (pos > 1 && earlier(e, k->heap[pos / 2])) {
		place(k, k->heap[pos / 2], pos);
		pos /= 2;
	}
	for (u32 child; (child = pos * 2) <= k->n; pos = child) {
		if (child < k->n && earlier(k->heap[child + 1], k->heap[child]))
			child++;
		if (!earlier(k->heap[child], e))
			break;
		place(k, k->heap[child], pos);
	}
	place(k, e, pos);
}

static void take_out(struct clock *k, struct event *e)
{
	u32 pos = e->pos;
	struct event *last = k->heap[k->n--];

	e->pos = 0;
	if (last != e)
		sift(k, last, pos);
}

void clock_set(struct clock *k, struct event *e, usec_t at)
{
	if (e->pos && e->at == at)
		return;
	if (e->pos)
		take_out(k, e);
	if (at == USEC_NEVER)
		return;
	if (k->n + 1 >= k->room) {
		k->room = k->room ? k->room * 2 : 64;
		k->heap = realloc(k->heap, k->room * sizeof(struct event *));
		if (!k->heap)
			abort();
	}
	e->at = max(at, k->now);
	e->order = k->order++;
	sift(k, e, ++k->n);
}

bool clock_step(struct clock *k)
{
	if (!k->n)
		return false;
	struct event *e = k->heap[1];

	take_out(k, e);
	k->now = e->at;
	e->run(e, k->now);
	return true;
}

usec_t clock_next(const struct clock *k)
{
	return k->n ? k->heap[1]->at : USEC_NEVER;
}
