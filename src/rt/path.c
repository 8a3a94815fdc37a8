/*
 * path.c - the name of a host in the table of metrics.
 */
#include <string.h>
#include "rt/rt.h"

static u64 mix(u64 x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

/* The address, whatever the port; IPv4 is the same host over an IPv6 socket.
 * Two hosts that meet in one name only share their hints. */
u64 path_key(const union sock_addr *peer)
{
	const struct in6_addr *a6 = &peer->in6.sin6_addr;
	u64 hi, lo;
	u32 v4;

	if (peer->sa.sa_family == AF_INET)
		return 1ULL << 32 | peer->in.sin_addr.s_addr;
	if (peer->sa.sa_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(a6)) {
		memcpy(&v4, &a6->s6_addr[12], sizeof(v4));
		return 1ULL << 32 | v4;
	}
	memcpy(&hi, a6->s6_addr, sizeof(hi));
	memcpy(&lo, a6->s6_addr + 8, sizeof(lo));
	return mix(mix(hi ^ peer->in6.sin6_scope_id) ^ lo) | 1ULL << 63;
}
