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
	ioctl_nonblock();
	partial();
	return 0;
}
