/* effects.c - options that are more than kept: what changes when they are set. */
#include <linux/sockios.h>
#include "conform.h"

static char buf[65536];

static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

static long ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A connection is not accepted before it has said something. */
static void deferred(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s;

	printf("-- TCP_DEFER_ACCEPT\n");
	say("set", set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 10));
	say("connect", connect(c, &a.sa, len));
	show_poll("the client", c);
	poll(&(struct pollfd){ l, POLLIN, 0 }, 1, 200);
	show_poll("nothing said", l);
	nonblocking(l, true);
	say("accept", accept(l, NULL, NULL));
	write_all(c, "hello", 5);
	show_await("something said", l, POLLIN);
	s = accept(l, NULL, NULL);
	show_poll("it is there already", s);
	say("read", read(s, buf, sizeof(buf)));
	write_all(s, "x", 1);
	read_all(c, buf, 1);
	close(c);
	close(s);
	close(l);
}

/* Nor one that only the time lets in; the client may also say goodbye. */
static void deferred_end(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s;

	say("set", set(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 10));
	say("connect", connect(c, &a.sa, len));
	say("shutdown", shutdown(c, SHUT_WR));
	show_await("an end is something, too", l, POLLIN);
	s = accept(l, NULL, NULL);
	say("read", read(s, buf, sizeof(buf)));
	close(c);
	close(s);
	close(l);
}

static void notsent_lowat(void)
{
	int c, s, n = 0;

	printf("-- TCP_NOTSENT_LOWAT\n");
	pair(&c, &s);
	fill(c);
	ioctl(c, SIOCOUTQNSD, &n);
	printf("more than a page waits: %d\n", n > 4096);
	while (drain(s, 1 << 20) == 1 << 20)
		if (look(c) & POLLOUT)
			break;
	show_await("drained", c, POLLOUT);
	close(c);
	close(s);

	pair(&c, &s);
	say("set", set(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1));
	fill(c);
	show_poll("full", c);
	ioctl(c, SIOCOUTQNSD, &n);
	printf("little waits: %d\n", n <= 2 * 65536);
	close(c);
	close(s);
}

static void rcvlowat(void)
{
	int c, s, n;

	printf("-- SO_RCVLOWAT\n");
	pair(&c, &s);
	say("set", set(s, SOL_SOCKET, SO_RCVLOWAT, 10));
	write_all(c, "12345", 5);
	do
		ioctl(s, FIONREAD, &n);
	while (n < 5);
	show_poll("5 of 10", s);
	say("dontwait", recv(s, buf, 10, MSG_DONTWAIT | MSG_PEEK));
	write_all(c, "67890", 5);
	show_await("10 of 10", s, POLLIN);
	say("read", read(s, buf, 20));
	write_all(c, "12345", 5);
	shutdown(c, SHUT_WR);
	show_await("the end", s, POLLRDHUP);
	say("read", read(s, buf, 20));
	close(c);
	close(s);
}

static void bound_device(void)
{
	union addr a, far = { .sa = { 0 } };
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s, one = 1;

	printf("-- SO_BINDTODEVICE\n");
	say("lo", setsockopt(c, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	say("connect", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	write_all(c, "x", 1);
	read_all(s, buf, 1);
	close(c);
	close(s);
	c = fresh();
	say("lo", setsockopt(c, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	far.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		far.in.sin_addr.s_addr = htonl(0xc6336401);	/* 198.51.100.1 */
		far.in.sin_port = htons(9);
	} else {
		inet_pton(AF_INET6, "2001:db8::1", &far.in6.sin6_addr);
		far.in6.sin6_port = htons(9);
	}
	nonblocking(c, true);
	say("connect to somebody far", connect(c, &far.sa, len));
	close(c);

	printf("-- IP_FREEBIND\n");
	c = fresh();
	say("bind to a foreign address", bind(c, &far.sa, len));
	if (family == AF_INET)
		say("set", setsockopt(c, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)));
	else
		say("set", setsockopt(c, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)));
	if (family == AF_INET)
		far.in.sin_port = 0;
	else
		far.in6.sin6_port = 0;
	say("bind to a foreign address", bind(c, &far.sa, len));
	say("listen", listen(c, 1));
	close(c);
	close(l);
}

static void bind_no_port(void)
{
	union addr a, b;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), one = 1;

	printf("-- IP_BIND_ADDRESS_NO_PORT\n");
	say("set", setsockopt(c, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)));
	len = loopback(&b);
	say("bind", bind(c, &b.sa, len));
	getsockname(c, &b.sa, &len);
	printf("a port: %d\n", b.in.sin_port != 0);
	say("connect", connect(c, &a.sa, len));
	getsockname(c, &b.sa, &len);
	printf("a port: %d\n", b.in.sin_port != 0);
	close(c);
	c = fresh();
	setsockopt(c, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	len = loopback(&b);
	say("bind", bind(c, &b.sa, len));
	say("listen", listen(c, 1));
	getsockname(c, &b.sa, &len);
	printf("a port: %d\n", b.in.sin_port != 0);
	printf("loopback: %d\n", family == AF_INET ? b.in.sin_addr.s_addr != 0 :
	       IN6_IS_ADDR_LOOPBACK(&b.in6.sin6_addr));
	close(c);
	close(l);
}

/* The server keeps its acknowledgement to itself; the client does not wait. */
static void small_ones(void)
{
	int c, s, n;

	printf("-- TCP_NODELAY\n");
	pair(&c, &s);
	say("nodelay", set(c, IPPROTO_TCP, TCP_NODELAY, 1));
	say("quickack", set(s, IPPROTO_TCP, TCP_QUICKACK, 0));
	write_all(c, "abc", 3);
	await(s, POLLIN);
	write_all(c, "def", 3);
	ioctl(c, SIOCOUTQNSD, &n);
	printf("held back: %d\n", n);
	say("arrives", recv(s, buf, 6, MSG_WAITALL));
	close(c);
	close(s);
}

static void corked(void)
{
	long t0;
	int c, s;

	printf("-- TCP_CORK\n");
	pair(&c, &s);
	say("cork", set(c, IPPROTO_TCP, TCP_CORK, 1));
	t0 = ms_now();
	write_all(c, "abc", 3);
	await(s, POLLIN);
	printf("held back for a while: %d\n", ms_now() - t0 >= 100);
	write_all(c, "def", 3);
	say("uncork", set(c, IPPROTO_TCP, TCP_CORK, 0));
	t0 = ms_now();
	say("arrives", recv(s, buf, 6, MSG_WAITALL));
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	deferred();
	deferred_end();
	notsent_lowat();
	rcvlowat();
	bound_device();
	bind_no_port();
	small_ones();
	corked();
	return 0;
}
