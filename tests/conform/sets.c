/* sets.c - epoll sets over time: a number that another set had, an end and then
 * a reset, and a connection of a socket to itself. */
#include "conform.h"

static void wait_set(const char *what, int ep, int timeout)
{
	struct epoll_event ev = { 0 };
	int n = epoll_wait(ep, &ev, 1, timeout);

	printf("%s: %d %s", what, n, n > 0 ? bits((int)ev.events) : "-");
	printf(" %d\n", n > 0 ? ev.data.fd : -1);
}

/* What was registered in the set that had the number is not in this one. */
static void same_number(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	int c, s, ep = epoll_create1(0), again;

	pair(&c, &s);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	wait_set("nothing yet", ep, 1);
	close(ep);
	again = epoll_create1(0);
	printf("the same number: %d\n", again == ep);
	write_all(s, "x", 1);
	wait_set("a set of nothing", again, 100);
	await(c, POLLIN);
	wait_set("still", again, 0);
	ev.data.fd = 8;
	say("add", epoll_ctl(again, EPOLL_CTL_ADD, c, &ev));
	wait_set("now", again, 10000);
	close(again);
	close(c);
	close(s);
}

static void ends(bool shown, bool edges)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = 7 };
	int c, s, ep = epoll_create1(0), err = 0;
	socklen_t len = sizeof(err);

	ev.events |= edges ? EPOLLET : 0;
	pair(&c, &s);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	shutdown(s, SHUT_WR);
	await(c, POLLRDHUP);
	if (shown)
		wait_set("the end", ep, 10000);
	linger0(s);
	close(s);
	await(c, POLLERR);
	wait_set("and a reset", ep, 10000);
	if (!edges)
		wait_set("again", ep, 0);
	getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len);
	printf("%s\n", ename(err));
	if (!edges)
		wait_set("taken", ep, 0);
	close(c);
	close(ep);
}

static void itself(void)
{
	int fd = fresh(), on = 1;
	union addr a, b;
	socklen_t len = loopback(&a), blen = sizeof(b);
	char buf[8] = "";

	say("bind", bind(fd, &a.sa, len));
	getsockname(fd, &a.sa, &len);
	say("to itself", connect(fd, &a.sa, len));
	say("getpeername", getpeername(fd, &b.sa, &blen));
	printf("its own name: %d\n", len == blen && !memcmp(&a, &b, len));
	say("TCP_NODELAY", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	say("write", write(fd, "hello", 5));
	say("read", recv(fd, buf, 5, MSG_WAITALL));
	puts(buf);
	say("shutdown", shutdown(fd, SHUT_WR));
	say("the end", read(fd, buf, 5));
	close(fd);
}

/* Far more sets than live at once, each under a number that none before it had. */
static void many(void)
{
	enum { SETS = 3000, NUMBERS = 200 };
	int fill[NUMBERS], c, s, n = 0, bad = 0;

	pair(&c, &s);
	write_all(s, "x", 1);
	await(c, POLLIN);
	for (int i = 0; i < SETS; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)i };
		int ep = epoll_create1(0);

		epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
		ev.data.u64 = 0;
		if (epoll_wait(ep, &ev, 1, 10000) != 1 || ev.data.u64 != (uint64_t)i)
			bad++;
		close(ep);
		if (n == NUMBERS)
			while (n)
				close(fill[--n]);
		fill[n++] = dup(1);
	}
	printf("%d sets, %d wrong\n", SETS, bad);
	while (n)
		close(fill[--n]);
	close(c);
	close(s);
}

/* Closed, it goes on under another number. */
static void duplicated(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	int c, s, ep = epoll_create1(0), other = dup(ep), second;

	pair(&c, &s);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	close(ep);
	second = epoll_create1(0);
	ev.data.fd = 8;
	epoll_ctl(second, EPOLL_CTL_ADD, c, &ev);
	wait_set("nothing", second, 0);
	write_all(s, "x", 1);
	wait_set("the later set", second, 10000);
	wait_set("the earlier", other, 10000);
	close(second);
	wait_set("it alone", other, 10000);
	close(other);
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	same_number();
	many();
	duplicated();
	for (int i = 0; i < 4; i++)
		ends(i & 1, i & 2);
	itself();
	return 0;
}
