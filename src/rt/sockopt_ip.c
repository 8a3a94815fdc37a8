/* sockopt_ip.c - the options of IPPROTO_IP and IPPROTO_IPV6. */
#include <linux/in6.h>
#include <net/if.h>
#include <unistd.h>
#include "rt/sockopt.h"

enum { FLAG_MULTICAST_ALL = 38 };
enum { ECN_MASK = 3, IPV6_MTU_MIN = 1280 };

/* The two bits of ECN are the transport's. */
static int get_tos(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_TOS, 0));
}

/* It is the priority, too, by its two bits for delay and throughput. */
static int set_tos(struct sock *sk, const struct optset *s)
{
	static const u8 priority[] = { 0, 2, 6, 4 };
	s32 tos = s->i & 0xff & ~ECN_MASK;

	if (tos == opt_load(sk, SLOT_TOS, 0))
		return 0;
	opt_store(sk, SLOT_TOS, 0, tos);
	opt_store(sk, SLOT_PRIORITY, 0, priority[tos >> 3 & 3]);
	return 0;
}

static int get_tclass(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_TCLASS, 0));
}

static int set_tclass(struct sock *sk, const struct optset *s)
{
	if (s->i < -1 || s->i > 255)
		return -EINVAL;
	opt_store(sk, SLOT_TCLASS, 0, s->i == -1 ? 0 : s->i & ~ECN_MASK);
	return 0;
}

static int get_ttl(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_TTL, HOPS_DEFAULT));
}

static int set_ttl(struct sock *sk, const struct optset *s)
{
	if (!s->len || (s->i != -1 && (s->i < 1 || s->i > 255)))
		return -EINVAL;
	opt_store(sk, SLOT_TTL, HOPS_DEFAULT, s->i == -1 ? HOPS_DEFAULT : s->i);
	return 0;
}

static int get_hops(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_HOPS, HOPS_DEFAULT));
}

static int set_hops(struct sock *sk, const struct optset *s)
{
	if (s->i < -1 || s->i > 255)
		return -EINVAL;
	opt_store(sk, SLOT_HOPS, HOPS_DEFAULT, s->i == -1 ? HOPS_DEFAULT : s->i);
	return 0;
}

static int get_one(struct sock *sk, int fd, struct optval *v)
{
	(void)sk, (void)fd;
	return opt_put(v, 1);
}

static int set_unknown(struct sock *sk, const struct optset *s)
{
	(void)sk, (void)s;
	return -ENOPROTOOPT;
}

/* On by default, but on an IPv6 socket, where it was never set up. */
static int get_multicast_all(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_flag(sk, FLAG_MULTICAST_ALL) != (sk->family == AF_INET));
}

static int set_multicast_all(struct sock *sk, const struct optset *s)
{
	if (s->i < 0 || s->i > 1)
		return -EINVAL;
	opt_set_flag(sk, FLAG_MULTICAST_ALL, s->i != (sk->family == AF_INET));
	return 0;
}

/* Two halves, low and high; 0: no bound. */
static int get_port_range(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_PORT_RANGE, 0));
}

static int set_port_range(struct sock *sk, const struct optset *s)
{
	u32 lo = (u32)s->i & 0xffff, hi = (u32)s->i >> 16;

	if (s->len != sizeof(s->i) || (lo && hi && lo > hi))
		return -EINVAL;
	opt_store(sk, SLOT_PORT_RANGE, 0, s->i);
	return 0;
}

/* The path's, with the headers of IP and UDP. */
static int get_mtu(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	if (!opt_is_connected(sk))
		return -ENOTCONN;
	return opt_put(v, sk->conn.dgram_max + (sk->family == AF_INET6 ? 48 : 28));
}

static int set_mtu6(struct sock *sk, const struct optset *s)
{
	(void)sk;
	return s->i && s->i < IPV6_MTU_MIN ? -EINVAL : 0;
}

static int get_v6only(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->v6only);
}

static int set_v6only(struct sock *sk, const struct optset *s)
{
	u32 kind = atomic_load(&sk->kind);

	/* What ended has given back a number that it was not bound to. */
	if (!opt_is_idle(sk) || (kind == SK_CONN ? sk->named : sk->bound))
		return -EINVAL;
	sk->v6only = s->i != 0;
	return 0;
}

/* The number of a device as the network has it; 0: none. */
static int set_unicast_if(struct sock *sk, const struct optset *s, unsigned slot)
{
	char name[IF_NAMESIZE];

	if (s->len != sizeof(s->i))
		return -EINVAL;
	if (s->i && !if_indextoname(ntohl((u32)s->i), name))
		return -EADDRNOTAVAIL;
	opt_store(sk, slot, 0, s->i);
	return 0;
}

static int get_unicast_if4(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_UNICAST_IF, 0));
}

static int set_unicast_if4(struct sock *sk, const struct optset *s)
{
	return set_unicast_if(sk, s, SLOT_UNICAST_IF);
}

static int get_unicast_if6(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_UNICAST_IF6, 0));
}

static int set_unicast_if6(struct sock *sk, const struct optset *s)
{
	return set_unicast_if(sk, s, SLOT_UNICAST_IF6);
}

/* RFC 5014: of each pair one, or neither, which is the default. */
enum {
	TMP = IPV6_PREFER_SRC_TMP, PUBLIC = IPV6_PREFER_SRC_PUBLIC,
	EITHER = IPV6_PREFER_SRC_PUBTMP_DEFAULT,
	COA = IPV6_PREFER_SRC_COA, HOME = IPV6_PREFER_SRC_HOME,
	CGA = IPV6_PREFER_SRC_CGA, NONCGA = IPV6_PREFER_SRC_NONCGA,
	SRC_PREF_DEFAULT = EITHER | HOME,
};

static bool one_at_most(s32 bits)
{
	return !(bits & (bits - 1));
}

static int get_src_pref(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_SRC_PREF, SRC_PREF_DEFAULT));
}

static int set_src_pref(struct sock *sk, const struct optset *s)
{
	s32 age = s->i & (TMP | PUBLIC | EITHER), home = s->i & (COA | HOME);

	if (!one_at_most(age) || !one_at_most(home) || !one_at_most(s->i & (CGA | NONCGA)))
		return -EINVAL;
	opt_store(sk, SLOT_SRC_PREF, SRC_PREF_DEFAULT,
		  (age ? age : EITHER) | (home ? home : HOME));
	return 0;
}

/* Headers go with no datagram of ours; they are also what takes a privilege. */
static int set_headers(struct sock *sk, const struct optset *s)
{
	(void)sk;
	if (geteuid())
		return -EPERM;
	if (!s->len)
		return 0;
	return s->len % 8 ? -EINVAL : -EPERM;
}

static int get_addrform(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_is_connected(sk) ? opt_put(v, sk->family) : -ENOTCONN;
}

static const struct sockopt rows4[] = {
	CODE(IP_TOS, get_tos, set_tos),
	CODE(IP_TTL, get_ttl, set_ttl),
	FIXED(IP_HDRINCL, 0, ENOPROTOOPT),
	DATA(IP_OPTIONS, opt_get_nothing, opt_set_nothing),
	FIXED(IP_ROUTER_ALERT, 0, EINVAL),
	FLAG(IP_RECVOPTS, 24),
	FLAG(IP_RETOPTS, 25),
	FLAG(IP_PKTINFO, 26),
	EMPTY(IP_PKTOPTIONS, ENOPROTOOPT),
	WORD(IP_MTU_DISCOVER, SLOT_PMTU4, 0, 5, 1),
	FLAG(IP_RECVERR, 27),
	FLAG(IP_RECVTTL, 28),
	FLAG(IP_RECVTOS, 29),
	CODE(IP_MTU, get_mtu, NULL),
	FLAG(IP_FREEBIND, FLAG_FREEBIND),
	FAIL(IP_IPSEC_POLICY, ENOPROTOOPT, EOPNOTSUPP),
	FAIL(IP_XFRM_POLICY, ENOPROTOOPT, EINVAL),
	FLAG(IP_PASSSEC, 31),
	FLAG(IP_TRANSPARENT, FLAG_TRANSPARENT),
	FLAG(IP_RECVORIGDSTADDR, 33),
	WORD(IP_MINTTL, SLOT_MINTTL, 0, 255, 0),
	FIXED(IP_NODEFRAG, 0, ENOPROTOOPT),
	FLAG(IP_CHECKSUM, 34),
	FLAG(IP_BIND_ADDRESS_NO_PORT, FLAG_NO_PORT),
	FIXED(IP_RECVFRAGSIZE, 0, EINVAL),
	BOOL(IP_RECVERR_RFC4884, 36),
	DATA(IP_MULTICAST_IF, opt_get_zero, opt_set_invalid),
	FIXED(IP_MULTICAST_TTL, 1, EINVAL),
	FLAG1(IP_MULTICAST_LOOP, 37),
	CODE(IP_MULTICAST_ALL, get_multicast_all, set_multicast_all),
	FAIL(IP_ADD_MEMBERSHIP, ENOPROTOOPT, EPROTO),
	FAIL(IP_DROP_MEMBERSHIP, ENOPROTOOPT, EPROTO),
	CODE(IP_UNICAST_IF, get_unicast_if4, set_unicast_if4),
	CODE(51 /* IP_LOCAL_PORT_RANGE */, get_port_range, set_port_range),
	CODE(52 /* IP_PROTOCOL */, opt_get_zero, NULL),
};

static const struct sockopt rows6[] = {
	CODE(IPV6_ADDRFORM, get_addrform, opt_set_invalid),
	FLAG(IPV6_2292PKTINFO, 40),
	FLAG(IPV6_2292HOPOPTS, 41),
	FLAG(IPV6_2292DSTOPTS, 42),
	FLAG(IPV6_2292RTHDR, 43),
	FLAG(IPV6_2292HOPLIMIT, 44),
	EMPTY(IPV6_2292PKTOPTIONS, 0),
	FLAG(11 /* IPV6_FLOWINFO */, 45),
	CODE(IPV6_UNICAST_HOPS, get_hops, set_hops),
	DATA(IPV6_MULTICAST_IF, opt_get_zero, set_unknown),
	DATA(IPV6_MULTICAST_HOPS, get_one, set_unknown),
	BOOL1(IPV6_MULTICAST_LOOP, 46),
	FIXED(IPV6_ROUTER_ALERT, 0, ENOPROTOOPT),
	WORD(IPV6_MTU_DISCOVER, SLOT_PMTU6, 0, 5, 1),
	CODE(IPV6_MTU, get_mtu, set_mtu6),
	FLAG(IPV6_RECVERR, 47),
	CODE(IPV6_V6ONLY, get_v6only, set_v6only),
	FAIL(IPV6_JOIN_GROUP, ENOPROTOOPT, EPROTO),
	FAIL(IPV6_LEAVE_GROUP, ENOPROTOOPT, EPROTO),
	FLAG1(IPV6_MULTICAST_ALL, 48),
	FLAG(IPV6_ROUTER_ALERT_ISOLATE, 49),
	BOOL(31 /* IPV6_RECVERR_RFC4884 */, 50),
	FLAG(33 /* IPV6_FLOWINFO_SEND */, 51),
	FLAG(IPV6_RECVPKTINFO, 52),
	FLAG(IPV6_RECVHOPLIMIT, 53),
	FLAG(IPV6_RECVHOPOPTS, 54),
	DATA(IPV6_HOPOPTS, opt_get_nothing, set_headers),
	DATA(IPV6_RTHDRDSTOPTS, opt_get_nothing, set_headers),
	FLAG(IPV6_RECVRTHDR, 55),
	DATA(IPV6_RTHDR, opt_get_nothing, opt_set_nothing),
	FLAG(IPV6_RECVDSTOPTS, 56),
	DATA(IPV6_DSTOPTS, opt_get_nothing, set_headers),
	FLAG(IPV6_RECVPATHMTU, 57),
	FLAG(IPV6_DONTFRAG, 58),
	FLAG(IPV6_RECVTCLASS, 59),
	CODE(IPV6_TCLASS, get_tclass, set_tclass),
	FLAG1(IPV6_AUTOFLOWLABEL, 60),
	WORD(IPV6_MINHOPCOUNT, SLOT_MINHOPS, 0, 255, 0),
	FLAG(IPV6_ORIGDSTADDR, 61),
	FLAG(IPV6_TRANSPARENT, FLAG_TRANSPARENT6),
	FLAG(IPV6_RECVFRAGSIZE, 63),
	FLAG(IPV6_FREEBIND, FLAG_FREEBIND6),
	CODE(IPV6_ADDR_PREFERENCES, get_src_pref, set_src_pref),
	CODE(IPV6_UNICAST_IF, get_unicast_if6, set_unicast_if6),
};

const struct sockopt_table sockopts_ip = { rows4, ARRAY_SIZE(rows4) };
const struct sockopt_table sockopts_ipv6 = { rows6, ARRAY_SIZE(rows6) };
