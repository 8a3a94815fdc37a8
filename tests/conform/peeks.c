/* peeks.c - SO_PEEK_OFF, and what MSG_PEEK sees over several buffers. */
#include "conform.h"

static char buf[64];

static int offset(int fd)
{
	int v = -99;
	socklen_t len = sizeof(v);

	getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &v, &len);
	return v;
}

static void set(int fd, int v)
{
	printf("offset %d: ", v);
	say("set", setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)));
}

static void get(int fd, size_t n, int flags)
{
	char what[32];

	memset(buf, 0, sizeof(buf));
	snprintf(what, sizeof(what), "%zu, flags %#x", n, (unsigned)flags);
	say(what, recv(fd, buf, n, flags | MSG_DONTWAIT));
	printf("  '%s', offset %d\n", buf, offset(fd));
}

static void arrive(int from, int to, const char *text)
{
	int n = 0, want = (int)strlen(text);
	struct pollfd p = { to, POLLIN, 0 };

	ioctl(to, FIONREAD, &n);
	want += n;
	write_all(from, text, strlen(text));
	while (n < want && poll(&p, 1, 100) >= 0)
		ioctl(to, FIONREAD, &n);
}

static void walk(int c, int s)
{
	printf("at first %d\n", offset(s));
	arrive(c, s, "abcdefghij");
	get(s, 3, MSG_PEEK);
	set(s, 0);
	get(s, 3, MSG_PEEK);
	get(s, 3, MSG_PEEK);
	get(s, 2, 0);
	get(s, 3, MSG_PEEK);
	get(s, 0, MSG_PEEK);
	get(s, 20, MSG_PEEK);
	get(s, 3, MSG_PEEK);
	show_poll("all peeked", s);
	arrive(c, s, "klm");
	get(s, 20, MSG_PEEK);
	get(s, 1, MSG_TRUNC);
	get(s, 2, MSG_PEEK | MSG_TRUNC);
	get(s, 4, 0);
	set(s, -1);
	get(s, 3, MSG_PEEK);
	set(s, 2);
	get(s, 1, MSG_PEEK);
	set(s, -7);
	get(s, 1, MSG_PEEK);
	set(s, 100);
	get(s, 1, MSG_PEEK);
	get(s, 6, 0);
	get(s, 3, 0);
	set(s, 0);
}

static void vectors(int c, int s)
{
	char x[3] = "", y[2] = "", z[8] = "";
	struct iovec iov[3] = { { x, 3 }, { y, 2 }, { z, 8 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };

	arrive(c, s, "0123456789");
	set(s, -1);
	say("peek into three", recvmsg(s, &m, MSG_PEEK));
	printf("%.3s %.2s %.8s\n", x, y, z);
	set(s, 4);
	say("from the fifth", recvmsg(s, &m, MSG_PEEK));
	printf("%.3s %.2s %.8s, offset %d\n", x, y, z, offset(s));
	say("read them", recvmsg(s, &m, 0));
	printf("%.3s %.2s %.8s, offset %d\n", x, y, z, offset(s));
}

static void *late(void *arg)
{
	int fd = *(int *)arg;

	until_asleep(getpid(), NULL);		/* the main thread, in its recv() */
	write_all(fd, "67", 2);
	until_asleep(getpid(), NULL);
	write_all(fd, "89", 2);
	return NULL;
}

/* One that waits for what comes after that which it has seen. */
static void waits(int c, int s)
{
	struct timeval tv = { 0, 50000 };
	pthread_t t;

	set(s, 0);
	arrive(c, s, "012345");
	get(s, 6, MSG_PEEK);
	pthread_create(&t, NULL, late, &c);
	say("peek the next", recv(s, buf, 1, MSG_PEEK));
	printf("%.1s\n", buf);
	set(s, 2);
	say("peek for all", recv(s, buf, 8, MSG_PEEK | MSG_WAITALL));
	printf("%.8s\n", buf);
	pthread_join(t, NULL);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("and one more", recv(s, buf, 1, MSG_PEEK));
	set(s, 5);
	say("for more than there is", recv(s, buf, 8, MSG_PEEK | MSG_WAITALL));
	printf("%.5s, offset %d\n", buf, offset(s));
	say("read all", recv(s, buf, 10, MSG_WAITALL));
	tv.tv_usec = 0;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	set(s, 1);
	write_all(c, "AB", 2);
	shutdown(c, SHUT_WR);
	say("peek to the end", recv(s, buf, 8, MSG_PEEK | MSG_WAITALL));
	say("behind it", recv(s, buf, 8, MSG_PEEK));
	say("read", recv(s, buf, 8, MSG_WAITALL));
	say("at the end", recv(s, buf, 8, MSG_PEEK));
}

static void inherited(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s;

	set(l, 5);
	say("connect", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	printf("inherited: %d\n", offset(s));
	close(s);
	close(c);
	close(l);
}

int main(int argc, char **argv)
{
	int c, s;

	start(argc, argv);
	pair(&c, &s);
	walk(c, s);
	vectors(c, s);
	waits(c, s);
	inherited();
	return 0;
}
