/* names.c - getsockname and getpeername. */
#include "conform.h"

static bool same(const union addr *a, const union addr *b)
{
	if (family == AF_INET6)
		return a->in6.sin6_port == b->in6.sin6_port &&
		       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16);
	return a->in.sin_port == b->in.sin_port &&
	       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

static void show_kind(const char *what, const union addr *a, socklen_t len)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &a->in6.sin6_addr, text, sizeof(text));
	printf("%s: family %d length %u %s port %s\n", what, a->sa.sa_family, len, text,
	       a->in.sin_port ? "yes" : "no");
}

static void name_of(const char *what, int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (say(what, getsockname(fd, &a.sa, &len)) == 0)
		show_kind(what, &a, len);
}

static bool is_any(int fd, bool *port)
{
	union addr a;
	socklen_t len = sizeof(a);

	getsockname(fd, &a.sa, &len);
	*port = a.in.sin_port != 0;
	return family == AF_INET ? a.in.sin_addr.s_addr == 0 :
	       IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr);
}

/* What was found by itself for a connection that failed is forgotten. */
static void after_a_failure(void)
{
	union addr nobody, a;
	socklen_t len;
	bool any, port;
	int fd = fresh();

	port_nobody_has(&nobody, &len);
	say("connect to nobody", connect(fd, &nobody.sa, len));
	any = is_any(fd, &port);
	printf("any address %d, a number %d\n", any, port);
	say("listen", listen(fd, 1));
	any = is_any(fd, &port);
	printf("any address %d, a number %d\n", any, port);
	close(fd);

	fd = fresh();
	len = loopback(&a);
	say("bind", bind(fd, &a.sa, len));
	say("connect to nobody", connect(fd, &nobody.sa, len));
	any = is_any(fd, &port);
	printf("any address %d, a number %d\n", any, port);
	say("listen", listen(fd, 1));
	any = is_any(fd, &port);
	printf("any address %d, a number %d\n", any, port);
	close(fd);
}

int main(int argc, char **argv)
{
	union addr a, cl, cp, sl, sp;
	socklen_t len, n[4] = { sizeof(a), sizeof(a), sizeof(a), sizeof(a) };
	unsigned char guard[32];
	int f, l, c, s;

	start(argc, argv);
	f = fresh();
	name_of("fresh", f);
	len = loopback(&a);
	if (family == AF_INET)
		a.in.sin_addr.s_addr = INADDR_ANY;
	else
		a.in6.sin6_addr = in6addr_any;
	say("bind to any", bind(f, &a.sa, len));
	name_of("bound to any", f);
	close(f);

	l = listener(4, &a, &len);
	name_of("listener", l);
	c = fresh();
	connect(c, &a.sa, len);
	s = accept(l, NULL, NULL);
	say("client's name", getsockname(c, &cl.sa, &n[0]));
	say("client's peer", getpeername(c, &cp.sa, &n[1]));
	say("server's name", getsockname(s, &sl.sa, &n[2]));
	say("server's peer", getpeername(s, &sp.sa, &n[3]));
	printf("they agree: %d %d %d\n", same(&cl, &sp), same(&cp, &sl), same(&cp, &a));
	show_kind("client", &cl, n[0]);
	show_kind("server", &sl, n[2]);

	memset(guard, 0xaa, sizeof(guard));
	len = 4;
	say("short buffer", getsockname(c, (struct sockaddr *)guard, &len));
	printf("length %u, beyond it untouched: %d\n", len, guard[4] == 0xaa);
	len = 0;
	say("no buffer", getsockname(c, (struct sockaddr *)guard, &len));
	printf("length %u\n", len);
	len = (socklen_t)-1;
	say("negative length", getsockname(c, (struct sockaddr *)guard, &len));
	say("peer of the listener", getpeername(l, &a.sa, &n[0]));

	close(s);
	await(c, POLLRDHUP);
	n[1] = sizeof(cp);
	say("peer, after it closed", getpeername(c, &cp.sa, &n[1]));
	shutdown(c, SHUT_WR);
	await(c, POLLHUP);
	name_of("after both ends", c);
	close(c);

	/* A connection bound to a port of its choice. */
	f = fresh();
	len = loopback(&a);
	bind(f, &a.sa, len);
	len = sizeof(a);
	getsockname(f, &a.sa, &len);
	len = sizeof(sl);
	getsockname(l, &sl.sa, &len);
	say("connect a bound one", connect(f, &sl.sa, len));
	s = accept(l, &sp.sa, &n[3]);
	printf("from there: %d\n", same(&a, &sp));
	close(s);
	close(f);
	close(l);
	after_a_failure();
	return 0;
}
