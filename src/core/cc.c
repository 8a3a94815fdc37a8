/*
 * cc.c - congestion control by name and number, and what the algorithms share.
 * cwnd and ssthresh count datagrams, as Linux counts segments.
 */
#include <errno.h>
#include <string.h>
#include "core/snd.h"

static const struct cc_ops *const algorithms[] = { &cc_cubic, &cc_reno, &cc_bbr };

const struct cc_ops *cc_by_id(u8 id)
{
	return algorithms[id < ARRAY_SIZE(algorithms) ? id : 0];
}

int cc_find(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (!strcmp(algorithms[i]->name, name))
			return i;
	return -ENOENT;
}

/* RFC 5681 (2) with appropriate byte counting: cwnd += acked, up to ssthresh.
 * Returns what of `acked` is left for congestion avoidance. */
u32 cc_slow_start(struct conn *c, u32 acked)
{
	u32 to = min(c->cwnd + acked, c->ssthresh);

	acked -= to - c->cwnd;
	c->cwnd = to;
	return acked;
}

void cc_avoid_ai(struct conn *c, u32 w, u32 acked)
{
	w = max(w, 1u);
	c->cwnd_cnt += acked;
	if (c->cwnd_cnt >= w) {
		u32 delta = c->cwnd_cnt / w;

		c->cwnd_cnt -= delta * w;
		c->cwnd += delta;
	}
}
