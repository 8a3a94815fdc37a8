/* pollbits.c - what poll, select and epoll say in every state. */
#include "conform.h"
#include <sys/select.h>

static void show_select(const char *what, int fd)
{
	struct timeval now = { 0, 0 };
	fd_set r, w, x;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	int n = select(fd + 1, &r, &w, &x, &now);

	printf("%s, select: %d%s%s%s\n", what, n, FD_ISSET(fd, &r) ? " r" : "",
	       FD_ISSET(fd, &w) ? " w" : "", FD_ISSET(fd, &x) ? " x" : "");
}

static void show_both(const char *what, int fd)
{
	show_poll(what, fd);
	show_select(what, fd);
}

static void listening(void)
{
	union addr a;
	socklen_t len;
	int f = fresh(), l, c = fresh(), s;

	show_both("fresh", f);
	len = loopback(&a);
	bind(f, &a.sa, len);
	show_both("bound", f);
	close(f);
	l = listener(4, &a, &len);
	show_both("listening", l);
	connect(c, &a.sa, len);
	await(l, POLLIN);
	show_both("one to accept", l);
	s = accept(l, NULL, NULL);
	show_both("accepted", l);
	show_both("the accepted", s);
	show_both("the client", c);
	close(c);
	close(s);
	close(l);
}

static void data(void)
{
	char x[3];
	int c, s;

	pair(&c, &s);
	write_all(c, "abc", 3);
	await(s, POLLIN);
	show_both("data", s);
	read_all(s, x, 2);
	show_both("some is left", s);
	read_all(s, x, 1);
	show_both("all read", s);
	fill(c);
	show_both("full", c);
	await(s, POLLIN);
	show_both("its peer", s);
	nonblocking(s, true);
	while (!(await(c, 0) & POLLOUT))
		drain(s, 100000);
	show_both("room again", c);
	close(c);
	close(s);
}

static void ends(void)
{
	char x[8];
	int c, s;

	pair(&c, &s);
	shutdown(c, SHUT_WR);
	await(s, POLLRDHUP);
	show_both("peer shut", s);
	show_both("shut by us", c);
	shutdown(s, SHUT_WR);
	await(c, POLLHUP);
	await(s, POLLHUP);
	show_both("both shut", s);
	show_both("both shut, the other", c);
	close(c);
	close(s);

	pair(&c, &s);
	write_all(c, "abc", 3);
	close(c);
	await(s, POLLRDHUP);
	show_both("closed with data", s);
	read_all(s, x, 3);
	show_both("data read", s);
	read(s, x, 1);
	show_both("end read", s);
	close(s);

	pair(&c, &s);
	fill(c);
	shutdown(s, SHUT_WR);
	await(c, POLLRDHUP);
	show_both("full, and peer shut", c);
	linger0(s);
	close(s);
	show_await("full, and reset", c, POLLHUP | POLLERR);
	show_select("full, and reset", c);
	close(c);
}

static void resets(void)
{
	char x;
	int c, s;

	pair(&c, &s);
	linger0(s);
	close(s);
	await(c, POLLERR);
	show_both("reset", c);
	say("read", read(c, &x, 1));
	show_both("error read", c);
	close(c);
}

static void show_epoll(const char *what, int ep)
{
	struct epoll_event ev = { .events = 0 };
	int n = epoll_wait(ep, &ev, 1, 0);

	printf("%s, epoll: %d %s\n", what, n, n > 0 ? bits((int)ev.events) : "-");
}

static void wait_epoll(const char *what, int ep)
{
	struct epoll_event ev = { .events = 0 };
	int n = epoll_wait(ep, &ev, 1, 5000);

	printf("%s, epoll: %d %s\n", what, n, n > 0 ? bits((int)ev.events) : "-");
}

static void edges(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	char x[8];
	int c, s, ep = epoll_create1(0);

	pair(&c, &s);
	say("add", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	say("add again", epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	show_epoll("nothing", ep);
	write_all(c, "ab", 2);
	wait_epoll("data", ep);
	show_epoll("no second edge", ep);
	read_all(s, x, 1);
	show_epoll("reading gives none", ep);
	write_all(c, "cd", 2);
	wait_epoll("more data", ep);
	read_all(s, x, 3);
	show_epoll("all read", ep);
	write_all(c, "ef", 2);
	wait_epoll("again", ep);
	shutdown(c, SHUT_WR);
	wait_epoll("the end", ep);
	read_all(s, x, 2);
	say("mod", epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev));
	wait_epoll("modified", ep);
	say("del", epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	say("del again", epoll_ctl(ep, EPOLL_CTL_DEL, s, NULL));
	close(c);
	close(s);
	close(ep);
}

static void levels(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };
	char x[8];
	int c, s, ep = epoll_create1(0);

	pair(&c, &s);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	show_epoll("level", ep);
	write_all(c, "ab", 2);
	await(s, POLLIN);
	show_epoll("data", ep);
	show_epoll("still", ep);
	read_all(s, x, 2);
	show_epoll("read", ep);
	ev.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev);
	write_all(c, "ab", 2);
	wait_epoll("one shot", ep);
	show_epoll("spent", ep);
	close(s);
	show_epoll("closed", ep);
	close(c);
	close(ep);
}

/* A set in a set, and a set that got its member before the connection. */
static void early(void)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLIN };
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s, ep = epoll_create1(0), out;

	out = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	ev.events = EPOLLIN;
	epoll_ctl(out, EPOLL_CTL_ADD, ep, &ev);
	show_epoll("fresh", ep);
	connect(c, &a.sa, len);
	s = accept(l, NULL, NULL);
	show_epoll("connected", ep);
	show_epoll("outer set", out);
	write_all(s, "x", 1);
	await(c, POLLIN);
	show_epoll("data", ep);
	close(s);
	await(c, POLLRDHUP);
	show_epoll("peer closed", ep);
	close(c);
	close(l);
	close(ep);
	close(out);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	listening();
	data();
	ends();
	resets();
	edges();
	levels();
	early();
	return 0;
}
