/* optedges.c - options with odd lengths and without a buffer: which of several
 * errors comes first. */
#include <sys/utsname.h>
#include "conform.h"

static const int of_socket[] = {
	SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF,
	SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_LINGER, SO_REUSEPORT,
	SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO,
	SO_ACCEPTCONN, SO_TIMESTAMP, SO_PEERNAME, SO_MARK, SO_PROTOCOL, SO_DOMAIN,
	SO_PEEK_OFF, SO_MAX_PACING_RATE, SO_ZEROCOPY, 999,
};

static const int of_tcp[] = {
	TCP_NODELAY, TCP_CORK, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP,
	TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_FASTOPEN, TCP_NOTSENT_LOWAT, TCP_SAVE_SYN,
	TCP_FASTOPEN_CONNECT, TCP_INQ, TCP_THIN_LINEAR_TIMEOUTS, 999,
};

static const int of_ip[] = {
	IP_TOS, IP_TTL, IP_RECVOPTS, IP_PKTINFO, IP_PKTOPTIONS, IP_MTU_DISCOVER, IP_RECVERR,
	IP_MTU, IP_FREEBIND, IP_TRANSPARENT, IP_MINTTL, IP_BIND_ADDRESS_NO_PORT,
	IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_MULTICAST_ALL, IP_ADD_MEMBERSHIP,
	IP_DROP_MEMBERSHIP, IP_UNICAST_IF, 999,
};

static const int of_ipv6[] = {
	IPV6_UNICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_V6ONLY,
	IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_DONTFRAG, IPV6_RECVTCLASS, IPV6_TCLASS,
	IPV6_AUTOFLOWLABEL, IPV6_MINHOPCOUNT, IPV6_TRANSPARENT, IPV6_FREEBIND,
	IPV6_ADDR_PREFERENCES, IPV6_UNICAST_IF, 999,
};

static const int of_nobody[] = { 1, 999 };

static const socklen_t lengths[] = { (socklen_t)-1, 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 64 };
static const int of_null[] = { -1, 0, 3, 4 };

static void result(const char *what, long n, int ret)
{
	if (ret)
		printf(" %s%ld:%s", what, n, ename(errno));
	else
		printf(" %s%ld", what, n);
}

static void gets_of(int level, int name)
{
	int fd = fresh();
	char v[128];
	socklen_t len;

	printf("get %d %d:", level, name);
	for (size_t i = 0; i < NELEM(lengths); i++) {
		len = lengths[i];
		result("", (int)lengths[i], getsockopt(fd, level, name, v, &len));
		printf("/%d", (int)len);
	}
	for (size_t i = 0; i < NELEM(of_null); i++) {
		len = (socklen_t)of_null[i];
		result("nowhere ", of_null[i], getsockopt(fd, level, name, NULL, &len));
	}
	result("without length ", 0, getsockopt(fd, level, name, v, NULL));
	printf("\n");
	close(fd);
}

static void sets_of(int level, int name)
{
	char one[128] = { 1 };

	printf("set %d %d:", level, name);
	for (size_t i = 0; i < NELEM(lengths); i++) {
		int fd = fresh(), ret = setsockopt(fd, level, name, one, lengths[i]);

		result("", (int)lengths[i], ret);
		close(fd);
	}
	for (size_t i = 0; i < NELEM(of_null); i++) {
		int fd = fresh();
		int ret = setsockopt(fd, level, name, NULL, (socklen_t)of_null[i]);

		result("nothing ", of_null[i], ret);
		close(fd);
	}
	printf("\n");
}

static void edges(int level, const int *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		gets_of(level, names[i]);
		sets_of(level, names[i]);
	}
}

static void tries(int level, int name, const int *values, size_t n)
{
	int fd = fresh(), got = -1;
	socklen_t len = sizeof(got);

	getsockopt(fd, level, name, &got, &len);
	printf("%d %d is %d:", level, name, got);
	for (size_t i = 0; i < n; i++) {
		result("", values[i], setsockopt(fd, level, name, &values[i], sizeof(int)));
		got = -1;
		getsockopt(fd, level, name, &got, &len);
		printf("->%d", got);
	}
	printf("\n");
	close(fd);
}

/* Options that a kernel may be too old for. */
static bool since(int major, int minor)
{
	struct utsname u;
	int is_major = 0, is_minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &is_major, &is_minor);
	return is_major > major || (is_major == major && is_minor >= minor);
}

int main(int argc, char **argv)
{
	static const int ms[] = { -1, 0, 999, 1000, 20000, 120000, 120001 };
	static const int us[] = { -1, 0, 4000, 20000, 100000, 200000, 200001 };
	static const int prefs[] = { 0, 1, 2, 3, 4, 0x104, 0x102, 0x400, 0x404, 0x800, 0x808, -1 };
	const int nobodys[] = { 1, (int)htonl(1), 0, (int)htonl(9999) };

	start(argc, argv);
	edges(SOL_SOCKET, of_socket, NELEM(of_socket));
	edges(IPPROTO_TCP, of_tcp, NELEM(of_tcp));
	edges(IPPROTO_IP, of_ip, NELEM(of_ip));
	if (family == AF_INET6)
		edges(IPPROTO_IPV6, of_ipv6, NELEM(of_ipv6));
	edges(IPPROTO_UDP, of_nobody, NELEM(of_nobody));
	edges(-1, of_nobody, NELEM(of_nobody));
	tries(IPPROTO_IP, IP_UNICAST_IF, nobodys, NELEM(nobodys));
	if (family == AF_INET6) {
		tries(IPPROTO_IPV6, IPV6_UNICAST_IF, nobodys, NELEM(nobodys));
		tries(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, prefs, NELEM(prefs));
	}
	if (since(6, 16)) {
		tries(IPPROTO_TCP, 44, ms, NELEM(ms));
		tries(IPPROTO_TCP, 45, us, NELEM(us));
		tries(IPPROTO_TCP, 46, us, NELEM(us));
	}
	return 0;
}
