/* beside.c - UDP and TCP on the same number, as name servers have it, in either
 * order: each gets what is for it. Listeners are the kernel's here, which run.sh asks
 * them not to be. */
#include "conform.h"

static int beside(int udp, int reuse, int reuseport, union addr *a, socklen_t *len)
{
	int t = -1;

	setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	*len = loopback(a);
	bind(udp, &a->sa, *len);
	getsockname(udp, &a->sa, len);
	t = fresh();
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	setsockopt(t, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	if (!bind(t, &a->sa, *len))
		return t;
	close(t);
	return -1;
}

static void beside_udp(int reuse, int reuseport, bool connects)
{
	int udp = -1, t = -1, from = socket(family, SOCK_DGRAM, 0), c;
	socklen_t len;
	union addr a;
	char got = 0;

	for (int i = 0; i < 5 && t < 0; i++) {	/* TCP may have the number */
		close(udp);
		udp = socket(family, SOCK_DGRAM, 0);
		t = beside(udp, reuse, reuseport, &a, &len);
	}
	printf("beside UDP (%d %d): %d\n", reuse, reuseport, t >= 0);
	say("listen", listen(t, 4));
	sendto(from, "u", 1, 0, &a.sa, len);
	show_await("UDP", udp, POLLIN);
	say("it is there", recv(udp, &got, 1, MSG_DONTWAIT));
	if (connects) {
		c = fresh();
		say("connect", connect(c, &a.sa, len));
		close(t >= 0 ? accept(t, NULL, NULL) : -1);
		close(c);
	}
	close(from);
	close(udp);
	close(t);
}

static union addr everywhere(union addr a)
{
	if (family == AF_INET)
		a.in.sin_addr.s_addr = INADDR_ANY;
	else
		a.in6.sin6_addr = in6addr_any;
	return a;
}

/* Under a number that nobody has, in UDP under no address. */
static int bind_alone(union addr *a, socklen_t *len)
{
	for (int i = 0; i < 10; i++) {
		int udp = socket(family, SOCK_DGRAM, 0), first = fresh(), t = fresh(), ret;
		union addr any;

		*len = loopback(a);
		bind(first, &a->sa, *len);
		getsockname(first, &a->sa, len);
		close(first);
		any = everywhere(*a);
		ret = bind(udp, &any.sa, *len);
		close(udp);
		if (!ret && !bind(t, &a->sa, *len))
			return t;
		close(t);
	}
	return -1;
}

/* What is sent there arrives. */
static void hears(int udp, const union addr *a, socklen_t len)
{
	int from = socket(family, SOCK_DGRAM, 0);
	char got = 0;

	sendto(from, "u", 1, 0, &a->sa, len);
	show_await("UDP", udp, POLLIN);
	say("it is there", recv(udp, &got, 1, MSG_DONTWAIT));
	close(from);
}

static void talk(int c, int s)
{
	char x[4];

	write_all(c, "ask", 3);
	read_all(s, x, 3);
	write_all(s, "answer", 6);
	printf("answered: %zu\n", drain(c, 6));
}

enum stage { BOUND, LISTENS, CONNECTED, CLOSED, NSTAGES };

/* The other order, as HTTP/3 servers may have it: UDP comes when TCP is at work. */
static void behind_tcp(enum stage stage, int reuse, bool wild)
{
	int udp = socket(family, SOCK_DGRAM, 0), c = -1, s = -1, c2, s2;
	union addr a, any;
	socklen_t len;
	int t = bind_alone(&a, &len);

	printf("-- %d %d %d\n", stage, reuse, wild);
	setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	say("bound", t >= 0);
	if (stage >= LISTENS)
		say("listen", listen(t, 4));
	if (stage >= CONNECTED) {
		c = fresh();
		say("connect", connect(c, &a.sa, len));
		s = accept(t, NULL, NULL);
		talk(c, s);
	}
	if (stage == CLOSED)
		close(t);
	any = wild ? everywhere(a) : a;
	say("bind UDP", bind(udp, &any.sa, len));
	hears(udp, &a, len);
	if (stage == BOUND)
		say("listen", listen(t, 4));
	if (stage >= CONNECTED)
		talk(c, s);
	if (stage < CLOSED) {
		c2 = fresh();
		say("another", connect(c2, &a.sa, len));
		s2 = accept(t, NULL, NULL);
		talk(c2, s2);
		close(c2);
		close(s2);
		close(t);
	}
	hears(udp, &a, len);
	if (stage >= CONNECTED) {
		talk(s, c);
		close(s);
		show_await("the end", c, POLLRDHUP);
		close(c);
	}
	close(udp);
}

int main(int argc, char **argv)
{
	if (!unsetenv("RUDP_LISTEN") && !getenv("BESIDE")) {
		setenv("BESIDE", "again", 1);
		execv("/proc/self/exe", argv);
	}
	start(argc, argv);
	beside_udp(0, 0, true);
	beside_udp(1, 0, false);
	beside_udp(0, 1, false);
	for (int i = 0; i < NSTAGES * 4; i++)
		behind_tcp((enum stage)(i / 4), i & 1, i & 2);
	return 0;
}
