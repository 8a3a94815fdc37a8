/* nonblock.c - connecting without waiting. */
#include "conform.h"

static int so_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static void succeeds(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s, ret;

	nonblocking(c, true);
	ret = connect(c, &a.sa, len);
	/* On loopback the kernel says EINPROGRESS, too. */
	say("connect", ret);
	show_await("connected", c, POLLOUT);
	printf("SO_ERROR: %d\n", so_error(c));
	say("connect again", connect(c, &a.sa, len));
	say("and again", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("write", write(c, "abc", 3));
	await(s, POLLIN);
	say("read nothing", read(c, &a, 1));
	nonblocking(c, false);
	say("reply", write(s, "x", 1));
	say("read, blocking again", read(c, &a, 1));
	close(c);
	close(s);
	close(l);
}

static void refused(void)
{
	union addr a;
	socklen_t len;
	int c = fresh(), s;

	port_nobody_has(&a, &len);
	nonblocking(c, true);
	s = connect(c, &a.sa, len);
	if (s < 0 && errno == ECONNREFUSED)	/* at once is right, too */
		errno = EINPROGRESS;
	say("connect, nobody there", s);
	await(c, POLLHUP);
	printf("SO_ERROR: %s\n", ename(so_error(c)));
	printf("SO_ERROR: %d\n", so_error(c));
	say("read", read(c, &a, 1));
	say("send", send(c, "x", 1, MSG_NOSIGNAL));
	close(c);

	c = fresh();
	nonblocking(c, true);
	connect(c, &a.sa, len);
	show_await("refused", c, POLLERR | POLLHUP);
	say("connect tells", connect(c, &a.sa, len));
	show_poll("told", c);
	close(c);
}

/* The same socket tries until somebody listens, in an epoll set all the time. */
static void tries_again(void)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.u32 = 77 }, got;
	union addr a;
	socklen_t len;
	int b = fresh(), c = fresh(), ep = epoll_create1(0), n;

	len = loopback(&a);
	bind(b, &a.sa, len);
	getsockname(b, &a.sa, &len);
	nonblocking(c, true);
	epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
	connect(c, &a.sa, len);
	await(c, POLLHUP);
	say("refused", connect(c, &a.sa, len));
	listen(b, 1);
	say("tries again", connect(c, &a.sa, len));
	n = epoll_wait(ep, &got, 1, 5000);
	if (n == 1 && got.events & EPOLLHUP)	/* what was before */
		n = epoll_wait(ep, &got, 1, 5000);
	printf("epoll: %d %s %u\n", n, bits((int)got.events), got.data.u32);
	printf("SO_ERROR: %d\n", so_error(c));
	close(b);
	close(c);
	close(ep);
}

static void ioctl_nonblock(void)
{
	int c, s, on = 1;
	char x;

	pair(&c, &s);
	say("FIONBIO", ioctl(c, FIONBIO, &on));
	say("read", read(c, &x, 1));
	printf("flag: %d\n", (fcntl(c, F_GETFL) & O_NONBLOCK) != 0);
	on = 0;
	say("FIONBIO off", ioctl(c, FIONBIO, &on));
	write_all(s, "x", 1);
	say("read waits", read(c, &x, 1));
	fill(c);
	say("send, full", send(c, "x", 1, 0));
	nonblocking(c, false);
	say("send, full, dontwait", send(c, "x", 1, MSG_DONTWAIT));
	close(s);
	close(c);
}

/* A nonblocking socket takes a part of what does not fit. */
static void partial(void)
{
	static char big[16 << 20];
	int c, s;
	ssize_t n;

	pair(&c, &s);
	nonblocking(c, true);
	n = write(c, big, sizeof(big));
	printf("a part was taken: %d\n", n > 0 && n < (ssize_t)sizeof(big));
	printf("and arrives: %d\n", drain(s, (size_t)n) == (size_t)n);
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	succeeds();
	refused();
	tries_again();
	ioctl_nonblock();
	partial();
	return 0;
}
