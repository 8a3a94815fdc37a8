/* epolls.c - epoll sets: several of them, nested, exclusive, oneshot; members
 * that are added, modified and duplicated in every state. */
#include "conform.h"

static char buf[65536];

static int add(int ep, int fd, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int mod(int ep, int fd, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

static void show(const char *what, int ep, int timeout)
{
	struct epoll_event ev = { .events = 0 };
	int n = epoll_wait(ep, &ev, 1, timeout);

	printf("%s: %d %s\n", what, n, n > 0 ? bits((int)ev.events) : "-");
}

static void now(const char *what, int ep)
{
	show(what, ep, 0);
}

static void soon(const char *what, int ep)
{
	show(what, ep, 5000);
}

static void several_sets(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), outer = epoll_create1(0), c, s;

	pair(&c, &s);
	add(a, s, EPOLLIN);
	add(b, s, EPOLLIN | EPOLLET);
	add(outer, a, EPOLLIN);
	now("nothing, outer", outer);
	write_all(c, "abc", 3);
	soon("level", a);
	soon("edge", b);
	soon("outer", outer);
	now("edge again", b);
	now("level again", a);
	read_all(s, buf, 3);
	now("read: level", a);
	now("read: outer", outer);
	close(c);
	soon("closed: level", a);
	soon("closed: edge", b);
	close(s);
	now("gone: level", a);
	now("gone: outer", outer);
	close(a);
	close(b);
	close(outer);
}

static void exclusive(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), l, c;
	union addr at;
	socklen_t len;

	l = listener(8, &at, &len);
	say("exclusive", add(a, l, EPOLLIN | EPOLLEXCLUSIVE));
	say("exclusive, second", add(b, l, EPOLLIN | EPOLLEXCLUSIVE));
	say("cannot be modified", mod(a, l, EPOLLIN));
	say("exclusive with oneshot", add(epoll_create1(0), l, EPOLLEXCLUSIVE | EPOLLONESHOT));
	c = fresh();
	connect(c, &at.sa, len);
	await(l, POLLIN);
	now("one", a);
	now("two", b);
	close(accept(l, NULL, NULL));
	now("taken: one", a);
	now("taken: two", b);
	close(l);
	close(c);
	close(a);
	close(b);
}

/* Edges of a listener: one for each connection. */
static void listener_edges(void)
{
	int ep = epoll_create1(0), l, c, d;
	union addr at;
	socklen_t len;

	l = listener(8, &at, &len);
	add(ep, l, EPOLLIN | EPOLLET);
	now("listener", ep);
	c = fresh();
	connect(c, &at.sa, len);
	soon("a connection", ep);
	now("no second edge", ep);
	d = fresh();
	connect(d, &at.sa, len);
	soon("another", ep);
	close(accept(l, NULL, NULL));
	close(accept(l, NULL, NULL));
	now("both taken", ep);
	close(c);
	close(d);
	close(l);
	close(ep);
}

static void partial_reads(void)
{
	int ep = epoll_create1(0), c, s;

	pair(&c, &s);
	add(ep, s, EPOLLIN | EPOLLET);
	for (int i = 0; i < 100; i++) {
		write_all(c, "12", 2);
		if (i % 25 == 0)
			soon("edge", ep);
		else
			epoll_wait(ep, &(struct epoll_event){ 0 }, 1, 5000);
		read_all(s, buf, 1);
	}
	now("reading a part is no edge", ep);
	read_all(s, buf, 100);
	now("nor is reading it all", ep);
	write_all(c, "x", 1);
	soon("but data is", ep);
	close(c);
	soon("and the end", ep);
	close(s);
	close(ep);
}

static void write_edges(void)
{
	int ep = epoll_create1(0), c, s;

	pair(&c, &s);
	add(ep, c, EPOLLOUT | EPOLLET);
	now("writable", ep);
	now("once", ep);
	fill(c);
	now("full", ep);
	nonblocking(s, true);
	do {
		while (read(s, buf, sizeof(buf)) > 0)
			;
	} while (!(look(c) & POLLOUT));
	soon("room", ep);
	now("once", ep);
	say("mod", mod(ep, c, EPOLLOUT | EPOLLET));
	now("is an edge, too", ep);
	close(c);
	close(s);
	close(ep);
}

static void oneshot(void)
{
	int ep = epoll_create1(0), c, s;

	pair(&c, &s);
	add(ep, s, EPOLLIN | EPOLLONESHOT);
	write_all(c, "a", 1);
	soon("shot", ep);
	write_all(c, "b", 1);
	now("spent", ep);
	mod(ep, s, EPOLLIN | EPOLLONESHOT | EPOLLET);
	soon("armed with data there", ep);
	now("spent", ep);
	read_all(s, buf, 2);
	mod(ep, s, EPOLLIN | EPOLLONESHOT | EPOLLET);
	now("armed without", ep);
	close(c);
	soon("the end", ep);
	close(s);
	close(ep);
}

/* The set holds the file, not the number. */
static void duplicates(void)
{
	int ep = epoll_create1(0), c, s, d;

	pair(&c, &s);
	d = dup(s);
	say("add", add(ep, s, EPOLLIN));
	say("add the duplicate", add(ep, d, EPOLLIN));
	write_all(c, "x", 1);
	await(s, POLLIN);
	printf("both: %d\n", epoll_wait(ep, (struct epoll_event[4]){ { 0 } }, 4, 0));
	close(s);
	printf("one closed: %d\n", epoll_wait(ep, (struct epoll_event[4]){ { 0 } }, 4, 0));
	say("del the closed", epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	close(d);
	printf("both closed: %d\n", epoll_wait(ep, (struct epoll_event[4]){ { 0 } }, 4, 0));
	close(c);
	close(ep);
}

static void before_and_after(void)
{
	int ep = epoll_create1(0), l, c, s;
	union addr at;
	socklen_t len = loopback(&at);

	l = fresh();
	add(ep, l, EPOLLIN | EPOLLOUT);
	now("fresh", ep);
	bind(l, &at.sa, len);
	listen(l, 4);
	getsockname(l, &at.sa, &len);
	now("then a listener", ep);
	c = fresh();
	connect(c, &at.sa, len);
	soon("with somebody there", ep);
	s = accept(l, NULL, NULL);
	now("taken", ep);
	shutdown(l, SHUT_RDWR);
	soon("shut", ep);
	listen(l, 4);
	close(l);
	now("closed", ep);

	add(ep, s, EPOLLIN | EPOLLRDHUP | EPOLLET);
	now("connected", ep);
	linger0(c);
	close(c);
	await(s, POLLERR);
	soon("reset", ep);
	say("mod", mod(ep, s, EPOLLIN | EPOLLOUT));
	now("reset, level", ep);
	say("bad op", epoll_ctl(ep, 77, s, &(struct epoll_event){ 0 }));
	say("add to itself", add(ep, ep, EPOLLIN));
	say("add of nothing", add(ep, 999, EPOLLIN));
	say("a socket is no set", epoll_wait(s, &(struct epoll_event){ 0 }, 1, 0));
	say("nor for ctl", add(s, ep, EPOLLIN));
	close(s);
	close(ep);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	several_sets();
	exclusive();
	listener_edges();
	partial_reads();
	write_edges();
	oneshot();
	duplicates();
	before_and_after();
	return 0;
}
