/*
 * path.c - a host: its name in the table of metrics, what fits into a datagram
 * to it.
 */
#include <string.h>
#include "core/wire.h"
#include "rt/rt.h"
#include "rt/sys.h"

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

u16 udp_fd_dgram(int fd, const union sock_addr *peer)
{
	bool inet = peer->sa.sa_family == AF_INET;
	bool v4 = inet || IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr);
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	sys_getsockopt(fd, inet ? IPPROTO_IP : IPPROTO_IPV6, inet ? IP_MTU : IPV6_MTU, &mtu, &len);
	mtu -= v4 ? 28 : 48;
	return (u16)clamp(mtu, (int)WIRE_DGRAM_MIN, (int)WIRE_DGRAM_MAX);
}

u16 udp_path_dgram(const union sock_addr *peer)
{
	int fd = sys_socket(peer->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = peer->sa.sa_family == AF_INET ? sizeof(peer->in) : sizeof(peer->in6);
	u16 dgram = WIRE_DGRAM_MIN;

	if (fd < 0)
		return dgram;
	if (!sys_connect(fd, peer, len))
		dgram = udp_fd_dgram(fd, peer);
	sys_close(fd);
	return dgram;
}

/* An opening asks twice, many come from one host. Where the route has changed
 * meanwhile the first datagram meets EMSGSIZE, as in any connection. */
u16 udp_known_dgram(const union sock_addr *peer)
{
	static struct {
		u64 key;
		usec_t until;
		u16 dgram;
	} known[64], *k;
	u64 key = path_key(peer);

	k = &known[mix(key) % ARRAY_SIZE(known)];
	if (k->key != key || k->until < drv.now) {
		k->key = key;
		k->until = drv.now + USEC_PER_SEC;
		k->dgram = udp_path_dgram(peer);
	}
	return k->dgram;
}
