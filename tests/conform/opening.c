/* opening.c - socket, bind, listen, connect, accept and how they refuse. */
#include "conform.h"

static void refusals(void)
{
	union addr a, b;
	socklen_t len = loopback(&a), blen = sizeof(b);
	int s = fresh(), t = fresh();

	say("bind, short address", bind(s, &a.sa, 4));
	say("bind, negative length", bind(s, &a.sa, (socklen_t)-1));
	a.sa.sa_family = AF_UNIX;
	say("bind, AF_UNIX address", bind(s, &a.sa, len));
	loopback(&a);
	if (family == AF_INET)
		a.in.sin_addr.s_addr = htonl(0x08080808);
	else
		inet_pton(AF_INET6, "2001:db8::1", &a.in6.sin6_addr);
	say("bind, not our address", bind(s, &a.sa, len));
	loopback(&a);
	say("bind", bind(s, &a.sa, len));
	say("bind again", bind(s, &a.sa, len));
	say("getsockname", getsockname(s, &b.sa, &blen));
	say("bind to a used port", bind(t, &b.sa, blen));
	say("accept, not listening", accept(s, NULL, NULL));
	say("getpeername, not connected", getpeername(s, &b.sa, &blen));
	say("listen", listen(s, 5));
	say("listen again", listen(s, 1));
	blen = sizeof(b);
	getsockname(s, &b.sa, &blen);
	say("connect of a listener", connect(s, &b.sa, blen));
	say("connect, short address", connect(t, &b.sa, 4));
	b.sa.sa_family = AF_UNIX;
	say("connect, AF_UNIX address", connect(t, &b.sa, blen));
	b.sa.sa_family = (sa_family_t)family;
	say("connect", connect(t, &b.sa, blen));
	say("connect again", connect(t, &b.sa, blen));
	say("listen when connected", listen(t, 1));
	say("bind when connected", bind(t, &a.sa, len));
	close(s);
	close(t);
}

static void nobody_there(void)
{
	union addr a;
	socklen_t len;
	int s = fresh();

	port_nobody_has(&a, &len);
	say("connect, nobody there", connect(s, &a.sa, len));
	show_poll("afterwards", s);
	say("read afterwards", read(s, &a, 1));
	say("send afterwards", send(s, "x", 1, 0));
	say("connect again", connect(s, &a.sa, len));
	close(s);
}

/* A bound port refuses, too, until its owner listens. */
static void nobody_listens(void)
{
	union addr a;
	socklen_t len;
	int b = fresh(), c = fresh();

	len = loopback(&a);
	bind(b, &a.sa, len);
	getsockname(b, &a.sa, &len);
	say("connect, bound only", connect(c, &a.sa, len));
	say("then it listens", listen(b, 1));
	say("connect again", connect(c, &a.sa, len));
	say("accept", accept(b, NULL, NULL) < 0 ? -1 : 0);
	close(b);
	close(c);

	b = fresh();
	len = loopback(&a);
	if (family == AF_INET)
		a.in.sin_addr.s_addr = INADDR_ANY;
	else
		a.in6.sin6_addr = in6addr_any;
	bind(b, &a.sa, len);
	getsockname(b, &a.sa, &len);
	c = fresh();
	say("connect, bound to any", connect(c, &a.sa, len));
	say("then it listens", listen(b, 1));
	say("connect again", connect(c, &a.sa, len));
	say("accept", accept(b, NULL, NULL) < 0 ? -1 : 0);
	close(b);
	close(c);
}

static void accepting(void)
{
	union addr a, b, c;
	socklen_t len, blen = sizeof(b), clen = sizeof(c);
	int l = listener(5, &a, &len), s = fresh(), t;

	nonblocking(l, true);
	say("accept, nobody there", accept(l, NULL, NULL));
	say("connect", connect(s, &a.sa, len));
	await(l, POLLIN);
	say("accept4, unknown flag", accept4(l, NULL, NULL, 1));
	t = accept4(l, &b.sa, &blen, SOCK_NONBLOCK | SOCK_CLOEXEC);
	say("accept4", t < 0 ? t : 0);
	getsockname(s, &c.sa, &clen);
	printf("address of the peer: %d %d\n", blen == clen, memcmp(&b, &c, blen) == 0);
	printf("flags: %d %d\n", (fcntl(t, F_GETFL) & O_NONBLOCK) != 0, fcntl(t, F_GETFD));
	say("read, nothing there", read(t, &b, 1));
	close(t);
	close(s);

	s = fresh();
	connect(s, &a.sa, len);
	nonblocking(l, false);
	t = accept(l, NULL, NULL);
	printf("flags: %d %d\n", (fcntl(t, F_GETFL) & O_NONBLOCK) != 0, fcntl(t, F_GETFD));
	printf("access: %d\n", (fcntl(t, F_GETFL) & O_ACCMODE) == O_RDWR);
	close(t);
	close(s);
	close(l);
}

static void autobind(void)
{
	union addr a;
	socklen_t len = sizeof(a);
	int s = fresh(), t = fresh();

	say("listen without bind", listen(s, 1));
	getsockname(s, &a.sa, &len);
	printf("got a port: %d\n", a.in.sin_port != 0);
	if (family == AF_INET)
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a.in6.sin6_addr = in6addr_loopback;
	say("connect", connect(t, &a.sa, len));
	say("accept", accept(s, NULL, NULL) < 0 ? -1 : 0);
	close(s);
	close(t);
}

static void rebinding(void)
{
	union addr a, b;
	socklen_t len;
	int one = 1, l = fresh(), s = fresh(), t, c, l2 = fresh();

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	len = loopback(&a);
	bind(l, &a.sa, len);
	listen(l, 5);
	getsockname(l, &a.sa, &len);
	connect(s, &a.sa, len);
	t = accept(l, NULL, NULL);
	close(l);
	setsockopt(l2, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	say("bind while a connection lives, reuseaddr", bind(l2, &a.sa, len));
	say("listen", listen(l2, 1));
	say("the connection lives on", write(t, "abc", 3));
	say("both ways", recv(s, &b, 3, MSG_WAITALL));
	c = fresh();
	say("and the new listener", connect(c, &a.sa, len));
	say("takes another", accept(l2, NULL, NULL) < 0 ? -1 : 0);
	close(c);
	close(t);
	await(s, POLLRDHUP);
	close(s);
	close(l2);
}

/* Many hosts at once: UDP could. */
static void to_many(void)
{
	static const char *const v4[] = { "239.10.20.30", "224.0.0.1", "127.255.255.255" };
	static const char *const v6[] = { "ff0e::1", "::ffff:239.10.20.30",
					  "::ffff:127.255.255.255" };

	for (unsigned i = 0; i < NELEM(v4); i++) {
		const char *name = family == AF_INET ? v4[i] : v6[i];
		union addr a, l;
		socklen_t len = loopback(&a), llen;
		int fd = fresh(), s;

		inet_pton(family, name, family == AF_INET ? (void *)&a.in.sin_addr :
							    (void *)&a.in6.sin6_addr);
		a.in.sin_port = 0;
		if (family == AF_INET6)
			say("bind to it", bind(fd, &a.sa, len));
		close(fd);
		fd = fresh();
		a.in.sin_port = htons(9);
		say(name, connect(fd, &a.sa, len));
		close(fd);
		fd = fresh();
		say("again", connect(fd, &a.sa, len));
		s = listener(1, &l, &llen);
		say("and to one host", connect(fd, &l.sa, llen));
		close(fd);
		close(s);
	}
}

int main(int argc, char **argv)
{
	start(argc, argv);
	say("SOCK_STREAM, IPPROTO_UDP", socket(family, SOCK_STREAM, IPPROTO_UDP));
	say("SOCK_STREAM, unknown flag", socket(family, SOCK_STREAM | 0x10, 0));
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	printf("flags: %d %d\n", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, fcntl(fd, F_GETFD));
	close(fd);
	refusals();
	nobody_there();
	nobody_listens();
	accepting();
	autobind();
	rebinding();
	to_many();
	return 0;
}
