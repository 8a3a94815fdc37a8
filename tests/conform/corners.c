/* corners.c - what random calls (roam.c) have found. */
#include "conform.h"

static char buf[64];

static void nothing_is_sent(int fd)
{
	struct iovec none[2] = { { buf, 0 }, { NULL, 0 } };

	say("writev of nothing", writev(fd, none, 2));
	say("writev of no pieces", writev(fd, none, 0));
	say("readv of nothing", readv(fd, none, 2));
	say("write of nothing", write(fd, buf, 0));
	say("send of nothing", send(fd, buf, 0, MSG_NOSIGNAL));
}

/* One error hides another. */
static void names(void)
{
	int fd = fresh(), c, s;
	union addr a;
	socklen_t len = sizeof(a);

	say("getpeername into nowhere", getpeername(fd, NULL, &len));
	say("getsockname into nowhere", getsockname(fd, NULL, &len));
	say("getsockname without length", getsockname(fd, &a.sa, NULL));
	say("accept without length", accept(fd, &a.sa, NULL));
	len = 1;
	say("connect, short", connect(fd, &a.sa, len));
	pair(&c, &s);
	say("connect, short", connect(c, &a.sa, len));
	len = loopback(&a);
	say("connect again", connect(c, &a.sa, len));
	close(c);
	close(s);
	close(fd);
}

static void lost_in_accept(void)
{
	union addr a;
	socklen_t len;
	int l = listener(8, &a, &len), c = fresh();

	say("connect", connect(c, &a.sa, len));
	say("accept without length", accept(l, &a.sa, NULL));
	show_await("the peer", c, POLLIN);
	close(c);
	c = fresh();
	connect(c, &a.sa, len);
	len = (socklen_t)-1;
	say("accept with a negative length", accept(l, &a.sa, &len));
	show_await("the peer", c, POLLIN);
	close(c);
	close(l);
}

static void message_flags(int c, int s)
{
	struct iovec iov = { buf, 8 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	write_all(c, "data", 4);
	await(s, POLLIN);
	say("recvmsg", recvmsg(s, &m, MSG_CMSG_CLOEXEC));
	printf("flags %#x\n", (unsigned)m.msg_flags);
}

static void after_the_end(int c, int s)
{
	int one = 1, zero = 0;

	shutdown(c, SHUT_WR);
	await(s, POLLRDHUP);
	shutdown(s, SHUT_WR);
	await(c, POLLHUP);
	say("TCP_FASTOPEN_CONNECT", setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, 4));
	say("TCP_FASTOPEN_CONNECT", setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &zero, 4));
	say("TCP_FASTOPEN", setsockopt(c, IPPROTO_TCP, TCP_FASTOPEN, &one, 4));
	if (family == AF_INET6)
		say("IPV6_V6ONLY", setsockopt(c, IPPROTO_IPV6, IPV6_V6ONLY, &zero, 4));
}

static void show_int(const char *what, int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	getsockopt(fd, level, name, &v, &len);
	printf("%s: %d\n", what, v);
}

static void options(void)
{
	int fd = fresh(), v;
	union addr a;
	socklen_t len = loopback(&a);

	for (v = 0; v < 0x40; v += 4) {
		setsockopt(fd, IPPROTO_IP, IP_TOS, &v, sizeof(v));
		show_int("priority", fd, SOL_SOCKET, SO_PRIORITY);
	}
	v = 5;
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &v, sizeof(v));
	v = 0x3c;
	setsockopt(fd, IPPROTO_IP, IP_TOS, &v, sizeof(v));
	show_int("the same again", fd, SOL_SOCKET, SO_PRIORITY);
	if (family == AF_INET6) {
		show_int("only v6", fd, IPPROTO_IPV6, IPV6_V6ONLY);
		bind(fd, &a.sa, len);
		show_int("only v6, bound", fd, IPPROTO_IPV6, IPV6_V6ONLY);
	}
	close(fd);
}

/* Who has learnt by poll() that it is connected may ask connect(), once; but not
 * after shutdown(). */
static void connected_and_shut(void)
{
	union addr a;
	socklen_t len;
	int l = listener(8, &a, &len), c = fresh();

	nonblocking(c, true);
	say("connect", connect(c, &a.sa, len));
	await(c, POLLOUT);
	say("shutdown", shutdown(c, SHUT_RD));
	say("connect", connect(c, &a.sa, len));
	close(c);
	close(l);
}

/* A connect() that fails leaves the descriptor's flags alone. */
static void refused(void)
{
	union addr a;
	socklen_t len;
	int c = fresh(), fl = fcntl(c, F_GETFL);

	fcntl(c, F_SETFL, fl | O_APPEND | O_ASYNC);
	fcntl(c, F_SETOWN, getpid());
	signal(SIGIO, SIG_IGN);
	port_nobody_has(&a, &len);
	say("refused", connect(c, &a.sa, len));
	printf("flags %#x, owner %d\n", fcntl(c, F_GETFL) ^ fl, fcntl(c, F_GETOWN) == getpid());
	close(c);
	c = fresh();
	nonblocking(c, true);
	say("connect", connect(c, &a.sa, len));
	show_await("refused", c, POLLERR | POLLHUP);
	say("connect, short", connect(c, &a.sa, 1));
	show_poll("is nothing new", c);
	close(c);
}

static void listeners_names(void)
{
	union addr a;
	socklen_t len;
	int l = listener(8, &a, &len), d = dup(l), e = dup(l), c = fresh();

	say("shutdown", shutdown(d, SHUT_RDWR));
	show_poll("the first", l);
	show_poll("the second", d);
	show_poll("the third", e);
	say("listen", listen(e, 3));
	say("connect", connect(c, &a.sa, len));
	show_await("the first", l, POLLIN);
	close(c);
	close(d);
	close(e);
	close(l);
}

static void around_the_mark(void)
{
	struct iovec two[2] = { { buf, 2 }, { buf + 2, 20 } };
	struct msghdr m = { .msg_iov = two, .msg_iovlen = 2 };
	int c, s;

	pair(&c, &s);
	write_all(c, "ab", 2);
	send(c, "!", 1, MSG_OOB);
	write_all(c, "cdef", 4);
	await(s, POLLIN | POLLPRI);
	while (recv(s, buf, 1, MSG_OOB | MSG_PEEK) < 0)
		await(s, POLLPRI);
	say("peek, up to the mark", recvmsg(s, &m, MSG_PEEK));
	say("read, up to the mark", recvmsg(s, &m, 0));
	await(s, POLLIN);
	say("the urgent byte", recv(s, buf, 1, MSG_OOB));
	say("behind it", recv(s, buf, 4, MSG_PEEK | MSG_WAITALL));
	say("peek, in pieces", recvmsg(s, &m, MSG_PEEK));
	say("read, in pieces", recvmsg(s, &m, 0));
	close(c);
	close(s);
}

/* Of no bytes: waits as any other, and says nothing of what came. */
static void none_for_a_while(void)
{
	struct timeval tv = { 0, 20000 };
	int c, s;

	pair(&c, &s);
	say("dontwait", recv(s, buf, 0, MSG_DONTWAIT));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("in vain", recv(s, buf, 0, 0));
	say("a byte, in vain", recv(s, buf, 1, 0));
	write_all(c, "x", 1);
	await(s, POLLIN);
	say("it is there", recv(s, buf, 0, 0));
	say("and had", recv(s, buf, 1, 0));
	close(c);
	await(s, POLLRDHUP);
	say("the end", recv(s, buf, 0, 0));
	close(s);
}

/* What was there before a reset is had; the reset is the next call's. */
static void all_and_a_reset(void)
{
	int c, s;

	pair(&c, &s);
	write_all(c, "data", 4);
	await(s, POLLIN);
	linger0(c);
	close(c);
	await(s, POLLERR);
	say("waiting for all", recv(s, buf, 10, MSG_WAITALL));
	show_poll("the error is left", s);
	say("recv", recv(s, buf, 10, MSG_WAITALL));
	say("and again", recv(s, buf, 10, MSG_WAITALL));
	close(s);
}

/* A bit that TCP has no use for, and AF_UNIX has. */
static void band(int c)
{
	struct pollfd p = { c, POLLWRBAND, 0 };
	struct epoll_event ev = { .events = EPOLLWRBAND };
	int ep = epoll_create1(0);

	say("POLLWRBAND", poll(&p, 1, 0));
	p.events = POLLWRBAND | POLLWRNORM;
	say("and POLLWRNORM", poll(&p, 1, 0));
	printf("%#x\n", (unsigned)p.revents);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	say("EPOLLWRBAND", epoll_wait(ep, &ev, 1, 0));
	close(ep);
}

int main(int argc, char **argv)
{
	int c, s;

	start(argc, argv);
	c = fresh();
	nothing_is_sent(c);
	close(c);
	names();
	lost_in_accept();
	options();
	connected_and_shut();
	refused();
	listeners_names();
	around_the_mark();
	all_and_a_reset();
	none_for_a_while();
	pair(&c, &s);
	nothing_is_sent(c);
	message_flags(c, s);
	band(c);
	after_the_end(c, s);
	nothing_is_sent(c);
	return 0;
}
