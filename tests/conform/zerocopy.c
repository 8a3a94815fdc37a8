/* zerocopy.c - MSG_ZEROCOPY and the completions in the error queue. When one
 * comes is the kernel's business: each is waited for before anything is said. */
#include "conform.h"
#include <linux/errqueue.h>
#include <sys/select.h>

static char data[100000];
static uint32_t next;		/* completions seen so far */

static const char *kind(const struct cmsghdr *h)
{
	return h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_RECVERR ? "IP_RECVERR" :
	       h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_RECVERR ? "IPV6_RECVERR" :
	       "another";
}

static ssize_t take(int fd, struct sock_extended_err *ee, bool show)
{
	char control[128], byte[4];
	struct iovec iov = { byte, sizeof(byte) };
	union addr from;
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control), .msg_flags = -1,
	};
	ssize_t ret = recvmsg(fd, &m, MSG_ERRQUEUE);
	struct cmsghdr *h = ret < 0 ? NULL : CMSG_FIRSTHDR(&m);

	if (h)
		memcpy(ee, CMSG_DATA(h), sizeof(*ee));
	if (show && h)
		printf("%s of %zu, name %d, flags %#x: errno %u origin %u type %u code %u\n",
		       kind(h), (size_t)h->cmsg_len - CMSG_LEN(0), (int)m.msg_namelen,
		       (unsigned)m.msg_flags, ee->ee_errno, ee->ee_origin, ee->ee_type,
		       ee->ee_code);
	return ret;
}

/* All up to this one, in whatever ranges they come. */
static void reap(const char *what, int fd, uint32_t last)
{
	struct sock_extended_err ee;

	while (next <= last) {
		if (!(await(fd, POLLERR) & POLLERR))
			return;
		if (take(fd, &ee, next == 0) != 0 || ee.ee_info != next || ee.ee_data < next ||
		    ee.ee_data > last) {
			printf("%s: wrong range %u to %u, not %u to %u\n", what, ee.ee_info,
			       ee.ee_data, next, last);
			return;
		}
		next = ee.ee_data + 1;
	}
	say(what, take(fd, &ee, false));
}

static void on(int fd)
{
	int one = 1;

	say("SO_ZEROCOPY", setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)));
}

static void one_by_one(int c, int s)
{
	struct sock_extended_err ee;
	int err = -1;
	socklen_t len = sizeof(err);

	say("not asked for", send(c, data, 10, MSG_ZEROCOPY));
	drain(s, 10);
	say("its completion", take(c, &ee, true));
	on(c);
	next = 0;
	say("send", send(c, data, 10, MSG_ZEROCOPY));
	drain(s, 10);
	show_await("poll", c, POLLERR);
	printf("asked for nothing: %d\n", poll(&(struct pollfd){ c, 0, 0 }, 1, 0));
	say("SO_ERROR", getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
	printf("%d\n", err);
	say("read", recv(c, data, 1, MSG_DONTWAIT));
	reap("first", c, 0);
	show_poll("all taken", c);
	say("without the flag", send(c, data, 10, 0));
	say("of nothing", send(c, data, 0, MSG_ZEROCOPY));
	say("again", send(c, data, 10, MSG_ZEROCOPY));
	drain(s, 20);
	reap("second", c, 1);
}

static void shapes(int c, int s)
{
	struct iovec iov[3] = { { data, 50000 }, { NULL, 0 }, { data, 100 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	struct mmsghdr two[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
	int zero = 0;

	say("sendmsg", sendmsg(c, &m, MSG_ZEROCOPY));
	drain(s, 50100);
	reap("third", c, 2);
	say("sendmmsg", sendmmsg(c, two, 2, MSG_ZEROCOPY));
	drain(s, 100200);
	reap("fourth and fifth", c, 4);
	for (int i = 0; i < 20; i++)
		send(c, data, 100, MSG_ZEROCOPY);
	drain(s, 2000);
	reap("twenty", c, 24);
	say("off", setsockopt(c, SOL_SOCKET, SO_ZEROCOPY, &zero, sizeof(zero)));
	say("send", send(c, data, 10, MSG_ZEROCOPY));
	on(c);
	say("send", send(c, data, 10, MSG_ZEROCOPY));
	drain(s, 20);
	reap("numbers go on", c, 25);
}

static void other_ways(int c, int s)
{
	char byte;
	struct msghdr m = { 0 };
	fd_set rd, wr;
	struct timeval tv = { 10, 0 };

	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(c, &rd);
	FD_SET(c, &wr);
	say("select", select(c + 1, &rd, &wr, NULL, &tv));
	say("recv from the queue", recv(c, &byte, 1, MSG_ERRQUEUE));
	show_poll("empty", c);
	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	say("no room for it", recvmsg(c, &m, MSG_ERRQUEUE));
	printf("flags %#x\n", (unsigned)m.msg_flags);
	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	say("peeked", recvmsg(c, &m, MSG_ERRQUEUE | MSG_PEEK));
	say("is gone", recv(c, &byte, 1, MSG_ERRQUEUE));
	next += 3;
}

/* One event, however many there are; `n` more times. */
static void wait_set(const char *what, int ep, int n)
{
	struct epoll_event ev[4];

	for (int i = 0; i < n; i++) {
		int got = epoll_wait(ep, ev, 4, i ? 0 : 10000);

		printf("%s: %d", what, got);
		for (int j = 0; j < got; j++)
			printf(" %s %d", bits((int)ev[j].events), ev[j].data.fd);
		printf("\n");
	}
}

static void level(int c, int s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	struct sock_extended_err ee;
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	wait_set("level", ep, 2);
	write_all(s, "x", 1);
	do
		epoll_wait(ep, &ev, 1, 10000);
	while (!(ev.events & EPOLLIN));
	wait_set("and data", ep, 2);
	take(c, &ee, false);
	wait_set("taken", ep, 1);
	read(c, data, 1);
	printf("nothing: %d\n", epoll_wait(ep, &ev, 1, 0));
	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	ev = (struct epoll_event){ .events = EPOLLOUT, .data.fd = 8 };
	epoll_ctl(ep, EPOLL_CTL_MOD, c, &ev);
	wait_set("modified", ep, 1);
	epoll_ctl(ep, EPOLL_CTL_DEL, c, NULL);
	printf("removed: %d\n", epoll_wait(ep, &ev, 1, 0));
	ev = (struct epoll_event){ .events = 0, .data.fd = 9 };
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	wait_set("added, for nothing", ep, 1);
	take(c, &ee, false);
	close(ep);
}

static void edge(int c, int s)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = 7 };
	struct sock_extended_err ee;
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	for (int i = 0; i < 2; i++) {
		send(c, data, 10, MSG_ZEROCOPY);
		drain(s, 10);
		wait_set("edge", ep, 2);
	}
	take(c, &ee, false);
	printf("taken: %d\n", epoll_wait(ep, &ev, 1, 0));
	close(ep);
	ep = epoll_create1(0);
	ev.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	epoll_ctl(ep, EPOLL_CTL_MOD, c, &ev);
	wait_set("once", ep, 2);
	take(c, &ee, false);
	close(ep);
}

/* Somebody else waits when it comes. */
static void *sender(void *arg)
{
	int *fd = arg;

	until_asleep(getpid(), NULL);
	send(fd[0], data, 10, MSG_ZEROCOPY);
	drain(fd[1], 10);
	return NULL;
}

static void another_thread(int c, int s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	struct sock_extended_err ee;
	int ep = epoll_create1(0), fd[2] = { c, s };
	struct pollfd p = { c, POLLIN, 0 };
	struct timeval tv = { 10, 0 };
	fd_set rd;
	pthread_t t;

	pthread_create(&t, NULL, sender, fd);
	say("poll, while waiting", poll(&p, 1, 10000));
	printf("%s\n", bits(p.revents));
	pthread_join(t, NULL);
	take(c, &ee, false);
	FD_ZERO(&rd);
	FD_SET(c, &rd);
	pthread_create(&t, NULL, sender, fd);
	say("select, while waiting", select(c + 1, &rd, NULL, NULL, &tv));
	printf("%d\n", FD_ISSET(c, &rd));
	pthread_join(t, NULL);
	take(c, &ee, false);

	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	pthread_create(&t, NULL, sender, fd);
	wait_set("while waiting", ep, 1);
	pthread_join(t, NULL);
	take(c, &ee, false);
	close(ep);
}

static void ends(int c, int s)
{
	struct sock_extended_err ee;

	send(c, data, 10, MSG_ZEROCOPY);
	drain(s, 10);
	await(c, POLLERR);
	shutdown(c, SHUT_WR);
	say("after shutdown", send(c, data, 10, MSG_ZEROCOPY | MSG_NOSIGNAL));
	close(s);
	show_await("both ends shut", c, POLLHUP | POLLERR);
	say("it is still there", take(c, &ee, false));
	show_poll("then", c);
	say("nothing more", take(c, &ee, false));
	close(c);
}

static void inherited(void)
{
	struct sock_extended_err ee;
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s, is = -1;

	say("fresh", take(c, &ee, true));
	say("listener", take(l, &ee, true));
	on(l);
	say("connect", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	len = sizeof(is);
	getsockopt(s, SOL_SOCKET, SO_ZEROCOPY, &is, &len);
	printf("inherited: %d\n", is);
	send(s, data, 10, MSG_ZEROCOPY);
	drain(c, 10);
	next = 0;
	reap("by who accepted", s, 0);
	close(c);
	close(s);
	close(l);
}

int main(int argc, char **argv)
{
	int c, s;

	start(argc, argv);
	pair(&c, &s);
	one_by_one(c, s);
	shapes(c, s);
	other_ways(c, s);
	level(c, s);
	edge(c, s);
	another_thread(c, s);
	ends(c, s);
	inherited();
	return 0;
}
