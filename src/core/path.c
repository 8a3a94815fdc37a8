/*
 * path.c - what the path carries. The runtime learns the size from the route
 * and from the kernel's refusals (EMSGSIZE); a segment's pcount is counted when
 * it is sent, so a smaller size needs nothing of what is in flight.
 */
#include "core/conn.h"

void conn_set_dgram_max(struct conn *c, u16 dgram_max)
{
	u16 both = dgram_max;

	assert(dgram_max >= WIRE_DGRAM_MIN);
	c->dgram_max = dgram_max;
	if (c->peer_dgram_max)
		both = min(both, c->peer_dgram_max);
	c->mss = (u32)both - WIRE_HDR;
	if (c->state == CONN_CLOSED || c->state == CONN_SYN_SENT)
		c->advmss = (u32)dgram_max - WIRE_HDR;
}
