/* roam_waits.c - the steps of a walk that wait: see roam.c. */
#include "roam.h"
#include <linux/errqueue.h>

enum { SHORT_US = 30000 };

static void limit(int fd, long us)
{
	struct timeval tv = { 0, us };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* What is there is there at once; what is not does not come in that time. */
void do_block(int i)
{
	int fd = dup(fds[i]);

	nonblocking(fd, false);
	limit(fd, SHORT_US);
	tell("%c waits", 'A' + i);
	if (tcp_state(fd) == TCP_LISTEN)
		do_accept(i);
	else if (tcp_state(fd) == TCP_CLOSE && roll(2))
		do_connect(i);
	else if (roll(2))
		do_recv(i);
	else
		do_send(i);
	limit(fd, 0);
	nonblocking(fd, true);
	close(fd);
}

/* Two that are connected to each other, and read. -1: none. */
static int talks_to(int i)
{
	int j = peer_of(i);

	return !urgent && j >= 0 && j != i && !deaf[i] && !deaf[j] && peer_of(j) == i &&
	       tcp_state(fds[i]) == TCP_ESTABLISHED &&
	       tcp_state(fds[j]) == TCP_ESTABLISHED ? j : -1;
}

static int option(int fd, int level, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);

	getsockopt(fd, level, name, &v, &len);
	return v;
}

static size_t take(int fd, size_t n)
{
	static char buf[65536];
	struct pollfd p = { fd, POLLIN, 0 };
	size_t done = 0;

	while (done < n && poll(&p, 1, 10000) == 1) {
		ssize_t got = recv(fd, buf, n - done < sizeof(buf) ? n - done : sizeof(buf), 0);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

/* A set may be told a moment after poll(). */
static void until_sets_know(int fd)
{
	struct epoll_event ev = { .events = EPOLLOUT };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	epoll_wait(ep, &ev, 1, 10000);
	close(ep);
}

/* Full, and all of it read. */
void do_full(int i)
{
	static char buf[65536];
	int j = talks_to(i), there = 0;
	struct pollfd p = { fds[i], POLLOUT, 0 };
	size_t sent = 0, got;
	ssize_t n;

	if (j < 0 || option(fds[j], SOL_SOCKET, SO_RCVLOWAT) > 1 ||
	    option(fds[j], SOL_SOCKET, SO_PEEK_OFF) >= 0)
		return;
	ioctl(fds[j], FIONREAD, &there);
	do {
		while ((n = send(fds[i], buf, sizeof(buf), MSG_NOSIGNAL)) > 0)
			sent += (size_t)n;
	} while (poll(&p, 1, 300) > 0);
	tell("%c full = %s, %s", 'A' + i, ename(errno), bits(look(fds[i]) & ~POLLIN));
	got = take(fds[j], sent + (size_t)there);
	tell("%c takes it all = %d, %s", 'A' + j, got == sent + (size_t)there,
	     bits(await(fds[i], POLLOUT) & ~POLLIN));
	until_sets_know(fds[i]);
}

/* Held back for a while, and then it goes. */
void do_hold(int i)
{
	int j = talks_to(i), on = 1, off = 0, left = 1, there = 0, now = 0;
	char buf[40];
	size_t n = 1 + roll(sizeof(buf) / 2);
	unsigned how = roll(3);

	if (j < 0)
		return;
	ioctl(fds[j], FIONREAD, &there);
	fill_bytes(buf, 2 * n);
	setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, how == 2 ? &off : &on, sizeof(on));
	if (how == 0)
		setsockopt(fds[i], IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	tell("%c holds %zu, %u = %s %s", 'A' + i, n, how,
	     res(send(fds[i], buf, n, MSG_NOSIGNAL | (how == 1 ? MSG_MORE : 0))),
	     res(send(fds[i], buf + n, n, MSG_NOSIGNAL)));
	if (how == 0)
		setsockopt(fds[i], IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
	while (left || now < there + (int)(2 * n)) {
		ioctl(fds[i], SIOCOUTQNSD, &left);
		ioctl(fds[j], FIONREAD, &now);
	}
	setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* How many a message of the error queue tells of; -1: none is there. */
static long completion(int fd)
{
	union {
		char buf[128];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct msghdr m = { .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf) };
	struct sock_extended_err ee;

	if (recvmsg(fd, &m, MSG_ERRQUEUE) < 0 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&ee, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(ee));
	return (long)(ee.ee_data - ee.ee_info) + 1;
}

/* Sent so, once or more, and all of it completed: in whatever ranges. */
void do_zerocopy(int i)
{
	int j = talks_to(i), on = 1;
	char buf[40];
	size_t n = 1 + roll(sizeof(buf) - 1);
	long times = 1 + roll(3), done = 0;

	if (j < 0)
		return;
	setsockopt(fds[i], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
	fill_bytes(buf, n);
	for (long k = 0; k < times; k++)
		tell("%c zerocopy %zu = %s", 'A' + i, n,
		     res(send(fds[i], buf, n, MSG_NOSIGNAL | MSG_ZEROCOPY)));
	while (done < times) {
		await(fds[i], POLLERR);
		done += completion(fds[i]);
	}
	tell("%c completed %ld, then %s", 'A' + i, done, res(completion(fds[i])));
}
