/*
 * port_opts.c - options of a program's socket that mean something for the UDP
 * socket below it: they are passed on to the one that it owns. What a listener
 * accepted goes through the listener's, and with its options.
 */
#include "rt/rt.h"
#include "rt/sockopt.h"
#include "rt/sys.h"

struct passed {
	int level, name;
	int flag;		/* a bit, or -1: */
	u8 slot;
	s32 def;
};

static const struct passed passed[] = {
	{ SOL_SOCKET, SO_BINDTOIFINDEX, -1, SLOT_IFINDEX, 0 },
	{ SOL_SOCKET, SO_MARK, -1, SLOT_MARK, 0 },
	{ SOL_SOCKET, SO_PRIORITY, -1, SLOT_PRIORITY, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, FLAG_DONTROUTE, 0, 0 },
	{ IPPROTO_IP, IP_TOS, -1, SLOT_TOS, 0 },
	{ IPPROTO_IP, IP_TTL, -1, SLOT_TTL, HOPS_DEFAULT },
	{ IPPROTO_IP, IP_FREEBIND, FLAG_FREEBIND, 0, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, FLAG_TRANSPARENT, 0, 0 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, FLAG_NO_PORT, 0, 0 },
	{ IPPROTO_IPV6, IPV6_TCLASS, -1, SLOT_TCLASS, 0 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1, SLOT_HOPS, HOPS_DEFAULT },
	{ IPPROTO_IPV6, IPV6_FREEBIND, FLAG_FREEBIND6, 0, 0 },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, FLAG_TRANSPARENT6, 0, 0 },
};

static s32 value(const struct sock *sk, const struct passed *p)
{
	return p->flag >= 0 ? opt_flag(sk, (unsigned)p->flag) : opt_load(sk, p->slot, p->def);
}

void port_options(const struct sock *sk, int udp_fd)
{
	for (unsigned i = 0; i < ARRAY_SIZE(passed); i++) {
		const struct passed *p = &passed[i];
		s32 v = value(sk, p);

		if (v != p->def)
			sys_setsockopt(udp_fd, p->level, p->name, &v, sizeof(v));
	}
}

void port_option_changed(const struct sock *sk, int level, int name)
{
	int fd = sk->port.open ? sock_udp_fd(sk) : -1;

	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		name = SO_BINDTOIFINDEX;
	for (unsigned i = 0; i < ARRAY_SIZE(passed) && fd >= 0; i++) {
		const struct passed *p = &passed[i];
		s32 v = value(sk, p);

		if (p->level == level && p->name == name)
			sys_setsockopt(fd, level, name, &v, sizeof(v));
	}
}
