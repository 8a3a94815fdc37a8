/* contents.c - options that take more than a number: IP options and extension
 * headers, multicast, devices, filters. What of it librudp(7) says is not taken is
 * left out. */
#include <linux/filter.h>
#include <net/if.h>
#include "conform.h"

static void show(const char *what, int fd, int level, int name, const void *v, socklen_t n)
{
	unsigned char got[256] = { 0 };
	socklen_t len = sizeof(got);
	int ret = setsockopt(fd, level, name, v, n);

	printf("%s: %s;", what, ret ? ename(errno) : "0");
	if (getsockopt(fd, level, name, got, &len)) {
		printf(" %s\n", ename(errno));
		return;
	}
	for (socklen_t i = 0; i < len && i < 24; i++)
		printf(" %02x", got[i]);
	printf(" (%u)\n", len);
}

static void ip_options(const char *what, int fd)
{
	static const struct { const char *name; unsigned char v[44]; socklen_t len; } some[] = {
		{ "nothing", "", 0 },
		{ "record route, bad pointer", "\7\13\3\0\0\0\0\0\0\0\0\1", 12 },
		{ "record route, longer than it is", "\7\47\4\0", 4 },
		{ "stamps, bad pointer", "\104\14\4\0\0\0\0\0\0\0\0\0", 12 },
		{ "router alert, short", "\224\3\0\0", 4 }, { "length of one", "\222\1\0\0", 4 },
		{ "too many", "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
		  "\1\1\1\1\1\1\1", 41 },
	};

	printf("-- IP_OPTIONS, %s\n", what);
	for (size_t i = 0; i < NELEM(some); i++)
		show(some[i].name, fd, IPPROTO_IP, IP_OPTIONS, some[i].v, some[i].len);
	show("away with it", fd, IPPROTO_IP, IP_OPTIONS, NULL, 0);
}

static void headers(int fd)
{
	static const struct { const char *name; unsigned char v[24]; socklen_t len; } some[] = {
		{ "nothing", "", 0 }, { "no eight", "\0\1\1\4\0\0\0\0\0\0", 10 },
		{ "short", "\0\0\1\4", 4 },
	};
	static const struct { const char *what; int name; } kinds[] = {
		{ "IPV6_HOPOPTS", IPV6_HOPOPTS }, { "IPV6_RTHDR", IPV6_RTHDR },
		{ "IPV6_RTHDRDSTOPTS", IPV6_RTHDRDSTOPTS }, { "IPV6_DSTOPTS", IPV6_DSTOPTS },
	};

	for (size_t k = 0; k < NELEM(kinds); k++) {
		printf("-- %s\n", kinds[k].what);
		for (size_t i = 0; i < NELEM(some); i++)
			show(some[i].name, fd, IPPROTO_IPV6, kinds[k].name, some[i].v,
			     some[i].len);
		show("away with it", fd, IPPROTO_IPV6, kinds[k].name, NULL, 0);
	}
}

static void multicast(int fd)
{
	struct ip_mreqn to_lo = { .imr_multiaddr.s_addr = htonl(0xe0010203), .imr_ifindex = 1 };
	struct ipv6_mreq six = { .ipv6mr_interface = 1 };
	struct in_addr lo = { htonl(INADDR_LOOPBACK) }, nobody = { htonl(0xc6336401) };
	int one = 1, none = 0, strange = 9999;

	printf("-- multicast\n");
	inet_pton(AF_INET6, "ff15::1234", &six.ipv6mr_multiaddr);
	show("IP_MULTICAST_IF, an address", fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	show("nobody's", fd, IPPROTO_IP, IP_MULTICAST_IF, &nobody, sizeof(nobody));
	show("with an index", fd, IPPROTO_IP, IP_MULTICAST_IF, &to_lo, sizeof(to_lo));
	to_lo.imr_ifindex = 9999;
	show("with a strange index", fd, IPPROTO_IP, IP_MULTICAST_IF, &to_lo, sizeof(to_lo));
	to_lo.imr_ifindex = 1;
	show("short", fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, 3);
	show("IP_ADD_MEMBERSHIP", fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &to_lo, sizeof(to_lo));
	show("IP_DROP_MEMBERSHIP", fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &to_lo, sizeof(to_lo));
	show("IP_ADD_MEMBERSHIP, short", fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &to_lo, 4);
	if (family == AF_INET)
		return;
	show("IPV6_MULTICAST_IF", fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &one, sizeof(one));
	show("none", fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &none, sizeof(none));
	show("strange", fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &strange, sizeof(strange));
	show("IPV6_JOIN_GROUP", fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof(six));
	show("IPV6_LEAVE_GROUP", fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &six, sizeof(six));
}

static void device(const char *what, int fd)
{
	char got[32];
	socklen_t len;

	len = sizeof(got);
	say(what, getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, got, &len) ? -1 : (int)len);
	if (len)
		printf("  %s\n", got);
	len = 3;
	say("  in three bytes", getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, got, &len) ? -1 :
	    (int)len);
}

static void devices(int fd)
{
	static const struct { const char *name; socklen_t len; } some[] = {
		{ "", 0 }, { "lo", 3 }, { "lo", 2 }, { "", 1 }, { "l", 1 }, { "lo", 1 },
		{ "nonsense0", 10 }, { "a name that is too long", 24 }, { "", 0 },
	};
	int one = 1, got = -1;
	socklen_t len = sizeof(got);

	printf("-- SO_BINDTODEVICE\n");
	for (size_t i = 0; i < NELEM(some); i++) {
		say("set", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, some[i].name,
				      some[i].len));
		device("  it is", fd);
	}
	say("SO_BINDTOIFINDEX", setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &one, sizeof(one)));
	device("  it is", fd);
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
	getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &got, &len);
	printf("  index %d\n", got);
	one = -1;
	say("negative", setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &one, sizeof(one)));
	one = 9999;
	say("strange", setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &one, sizeof(one)));
}

static void filters(int fd)
{
	struct sock_filter all[] = { { BPF_RET | BPF_K, 0, 0, 0xffffffff } };
	struct sock_fprog p = { 1, all };
	int v = -1;

	printf("-- filters\n");
	say("SO_ATTACH_FILTER, short", setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, 4));
	say("SO_DETACH_FILTER, none", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &v, 4));
	say("SO_LOCK_FILTER", setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &v, 4));
	say("SO_LOCK_FILTER, short", setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &v, 3));
}

int main(int argc, char **argv)
{
	int fd, c, s;

	start(argc, argv);
	fd = fresh();
	ip_options("fresh", fd);
	multicast(fd);
	filters(fd);
	if (!geteuid()) {
		devices(fd);
		if (family == AF_INET6)
			headers(fd);
	}
	close(fd);
	pair(&c, &s);
	ip_options("connected", c);
	write_all(c, "x", 1);
	say("and it goes on", recv(s, (char[1]){ 0 }, 1, 0));
	close(c);
	close(s);
	return 0;
}
