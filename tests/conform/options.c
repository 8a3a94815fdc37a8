/* options.c - every option of the four levels: what it reads as, what it
 * takes, what it then reads as, and which lengths it insists on. */
#include "conform.h"

/* Not compared: what is measured or machine-made, what is ours by design
 * (keepalive's times, the congestion control's name), and what is newer than
 * what we follow. */
static const struct { int level, name; bool connected_only; } skip[] = {
	{ SOL_SOCKET, SO_COOKIE, false },
	{ SOL_SOCKET, SO_MEMINFO, false },
	{ SOL_SOCKET, SO_INCOMING_CPU, false },
	{ SOL_SOCKET, SO_INCOMING_NAPI_ID, false },
	{ SOL_SOCKET, SO_TXTIME, false },	/* not offered */
	{ SOL_SOCKET, SO_RESERVE_MEM, false },	/* offered without a cgroup */
	{ SOL_SOCKET, SO_ATTACH_BPF, false },
	{ SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, false },
	{ SOL_SOCKET, SO_LOCK_FILTER, false },	/* cannot be taken back */
	{ SOL_SOCKET, SO_BINDTODEVICE, false },
	{ SOL_SOCKET, SO_TIMESTAMPING_OLD, false },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, false },
	{ SOL_SOCKET, SO_SNDBUF, true },	/* grown */
	{ SOL_SOCKET, SO_RCVBUF, true },
	{ SOL_SOCKET, SO_RCVLOWAT, false },	/* follows rmem[2], see below */
	{ SOL_SOCKET, 70, false },		/* SO_BUSY_POLL_BUDGET: privileged */
	{ SOL_SOCKET, 80, false },
	{ IPPROTO_TCP, TCP_KEEPIDLE, false },
	{ IPPROTO_TCP, TCP_KEEPINTVL, false },
	{ IPPROTO_TCP, TCP_KEEPCNT, false },
	{ IPPROTO_TCP, TCP_INFO, false },
	{ IPPROTO_TCP, TCP_CC_INFO, false },
	{ IPPROTO_TCP, TCP_CONGESTION, false },
	{ IPPROTO_TCP, TCP_MAXSEG, true },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, true },
	{ IPPROTO_TCP, TCP_TIMESTAMP, false },
	{ IPPROTO_TCP, TCP_TX_DELAY, false },	/* not offered */
	{ IPPROTO_TCP, TCP_MD5SIG, false },
	{ IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, false },	/* not offered */
	{ IPPROTO_TCP, TCP_ULP, false },
	{ IPPROTO_TCP, TCP_REPAIR, false },	/* not offered */
	{ IPPROTO_TCP, TCP_REPAIR_QUEUE, false },
	{ IPPROTO_TCP, TCP_QUEUE_SEQ, false },
	{ IPPROTO_TCP, TCP_REPAIR_OPTIONS, false },
	{ IPPROTO_TCP, TCP_REPAIR_WINDOW, false },
	{ IPPROTO_IP, IP_MTU, false },
	{ IPPROTO_IP, IP_OPTIONS, false },
	{ IPPROTO_IP, IP_UNICAST_IF, false },
	{ IPPROTO_IP, 52, false },
	{ IPPROTO_IPV6, IPV6_ADDRFORM, false },
	{ IPPROTO_IPV6, IPV6_HOPOPTS, false },	/* headers to be parsed */
	{ IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, false },
	{ IPPROTO_IPV6, IPV6_RTHDR, false },
	{ IPPROTO_IPV6, IPV6_DSTOPTS, false },
	{ IPPROTO_IPV6, IPV6_MTU, false },
	{ IPPROTO_IPV6, IPV6_PATHMTU, false },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, false },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, false },
	{ IPPROTO_IPV6, 80, false },
};

static bool skipped(int level, int name, bool connected)
{
	for (size_t i = 0; i < NELEM(skip); i++)
		if (skip[i].level == level && skip[i].name == name &&
		    (connected || !skip[i].connected_only))
			return true;
	/* Numbers that kernels of the last years gave away. */
	return (level == SOL_SOCKET && name > 75) || (level == IPPROTO_TCP && name > 37) ||
	       (level == IPPROTO_IP && (name == 16 || name == 17 || (name > 34 && name < 49))) ||
	       (level == IPPROTO_IPV6 && (name == 20 || name == 21 || name == 27 || name == 28 ||
					  name == 32 || name == 34 || name == 35 ||
					  (name > 35 && name < 49) || name == 50 ||
					  name == 64 || name == 65 || name == 68 || name == 69));
}

static void show_get(int fd, int level, int name)
{
	unsigned char v[512];
	socklen_t len = sizeof(v);

	memset(v, 0, sizeof(v));
	if (getsockopt(fd, level, name, v, &len)) {
		printf("  get: %s\n", ename(errno));
		return;
	}
	printf("  get: length %u:", len);
	for (socklen_t i = 0; i < len && i < 16; i += 4) {
		int word;

		memcpy(&word, v + i, sizeof(word));
		printf(" %d", word);
	}
	printf("\n");
	for (int ask = 0; ask < 3; ask++) {
		len = (socklen_t)ask;
		if (getsockopt(fd, level, name, v, &len))
			printf("  asked for %d: %s\n", ask, ename(errno));
		else
			printf("  asked for %d: %u\n", ask, len);
	}
}

static void show_set(int fd, int level, int name)
{
	static const int tries[] = {
		-2, -1, 0, 1, 2, 3, 4, 7, 8, 64, 88, 127, 128, 255, 256, 1000,
		32767, 32768, 65535, 65536, 1000000, 0,
	};

	printf("  set:");
	for (size_t i = 0; i < NELEM(tries); i++) {
		int got = -99;
		socklen_t len = sizeof(got);

		if (setsockopt(fd, level, name, &tries[i], sizeof(int)))
			printf(" %d:%s", tries[i], ename(errno));
		else if (getsockopt(fd, level, name, &got, &len))
			printf(" %d", tries[i]);
		else
			printf(" %d->%d", tries[i], got);
	}
	printf("\n");
}

/* A few flags of IPv6 take whatever length. */
static void show_lengths(int fd, int level, int name)
{
	if (level == IPPROTO_IPV6 &&
	    (name == IPV6_DONTFRAG || name == IPV6_AUTOFLOWLABEL || name == IPV6_RECVFRAGSIZE))
		return;

	unsigned char one[8] = { 1 };
	static const socklen_t lens[] = { 1, 8 };

	for (size_t i = 0; i < NELEM(lens); i++)
		printf("  length %u: %s\n", lens[i],
		       setsockopt(fd, level, name, one, lens[i]) ? ename(errno) : "taken");
}

static void level(int lvl, int last, bool connected)
{
	for (int name = 1; name <= last; name++) {
		int c = -1, s = -1;

		if (skipped(lvl, name, connected))
			continue;
		if (connected)
			pair(&c, &s);
		else
			c = fresh();
		printf("level %d option %d%s\n", lvl, name, connected ? ", connected" : "");
		show_get(c, lvl, name);
		show_set(c, lvl, name);
		show_lengths(c, lvl, name);
		close(c);
		if (s >= 0)
			close(s);
	}
}

static void odd_ones(void)
{
	static const int lowats[] = { 0, 1, 1000, -1, 100000 };
	struct timeval tv = { 0, 1000000 };
	struct linger l = { 1, 7 };
	int fd = fresh(), v = 50000, got;
	socklen_t len = sizeof(got);
	char name[16] = "";

	say("unknown level, get", getsockopt(fd, 77, 1, &got, &len));
	say("unknown level, set", setsockopt(fd, 77, 1, &v, sizeof(v)));
	say("SOL_UDP, get", getsockopt(fd, IPPROTO_UDP, 1, &got, &len));
	say("no buffer", getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &len));
	say("no length", getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, NULL));
	len = (socklen_t)-1;
	say("negative length", getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &len));
	say("set, no buffer", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, sizeof(v)));
	say("SO_RCVTIMEO, a second of microseconds",
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	say("SO_RCVTIMEO, short", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 8));
	say("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	l.l_onoff = l.l_linger = 0;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	len = sizeof(l);
	getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len);
	printf("linger: %d %d\n", l.l_onoff, l.l_linger);
	say("SO_RCVBUF", setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)));
	for (size_t i = 0; i < NELEM(lowats); i++) {
		setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowats[i], sizeof(int));
		len = sizeof(got);
		getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &got, &len);
		printf("SO_RCVLOWAT %d: %d\n", lowats[i], got);
	}
	say("TCP_CONGESTION reno", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	len = sizeof(name);
	say("get it", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	printf("%s %u\n", name, len);
	say("TCP_CONGESTION nonsense", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8));
	say("SO_BINDTODEVICE nonsense",
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nonsense0", 10));
	close(fd);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	for (int connected = 0; connected < 2; connected++) {
		level(SOL_SOCKET, 75, connected);
		level(IPPROTO_TCP, 37, connected);
		level(IPPROTO_IP, 51, connected);
		if (family == AF_INET6)
			level(IPPROTO_IPV6, 78, connected);
	}
	odd_ones();
	return 0;
}
