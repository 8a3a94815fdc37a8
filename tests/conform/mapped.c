/* mapped.c - IPv4 peers of an IPv6 listener (argv[1] is not looked at). */
#include "conform.h"

static void show(const char *what, int fd, bool peer)
{
	union addr a;
	socklen_t len = sizeof(a);
	char text[INET6_ADDRSTRLEN] = "?";

	if ((peer ? getpeername : getsockname)(fd, &a.sa, &len)) {
		say(what, -1);
		return;
	}
	if (a.sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text));
	printf("%s: family %d length %u %s\n", what, a.sa.sa_family, len, text);
}

int main(int argc, char **argv)
{
	union addr a = { .in6 = { .sin6_family = AF_INET6 } }, b;
	socklen_t len = sizeof(a);
	int l, l2, c, s, one = 1, zero = 0;

	start(argc, argv);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	say("bind to ::", bind(l, &a.sa, sizeof(a.in6)));
	say("V6ONLY after bind", setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	say("listen", listen(l, 4));
	getsockname(l, &a.sa, &len);

	b = (union addr){ .in = { .sin_family = AF_INET, .sin_port = a.in6.sin6_port } };
	b.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("connect from IPv4", connect(c, &b.sa, sizeof(b.in)));
	s = accept(l, NULL, NULL);
	show("server's name", s, false);
	show("server's peer", s, true);
	show("client's peer", c, true);
	write_all(c, "abc", 3);
	say("read", read(s, &one, 3));
	close(c);
	close(s);

	/* An IPv6 socket that connects to a mapped address. */
	b = (union addr){ .in6 = { .sin6_family = AF_INET6, .sin6_port = a.in6.sin6_port } };
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &b.in6.sin6_addr);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	say("connect to a mapped address", connect(c, &b.sa, sizeof(b.in6)));
	s = accept(l, NULL, NULL);
	show("client's name", c, false);
	show("server's name", s, false);
	close(c);
	close(s);

	/* 0.0.0.0 means this machine. */
	b = (union addr){ .in = { .sin_family = AF_INET, .sin_port = a.in6.sin6_port } };
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("connect to any", connect(c, &b.sa, sizeof(b.in)));
	show("peer", c, true);
	close(c);

	one = 1;
	l2 = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(l2, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	a.in6.sin6_port = 0;
	bind(l2, &a.sa, sizeof(a.in6));
	listen(l2, 1);
	len = sizeof(a);
	getsockname(l2, &a.sa, &len);
	b.in.sin_port = a.in6.sin6_port;
	b.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c = socket(AF_INET, SOCK_STREAM, 0);
	say("IPv4 to a V6ONLY listener", connect(c, &b.sa, sizeof(b.in)));
	close(c);
	close(l2);
	close(l);
	return 0;
}
