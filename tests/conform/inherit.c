/* inherit.c - what an accepted socket has from its listener. */
#include "conform.h"

static const struct { int level, name, val; const char *text; } opts[] = {
	{ SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE" },
	{ SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR" },
	{ SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT" },
	{ SOL_SOCKET, SO_OOBINLINE, 1, "SO_OOBINLINE" },
	{ SOL_SOCKET, SO_SNDBUF, 50000, "SO_SNDBUF" },
	{ SOL_SOCKET, SO_RCVBUF, 60000, "SO_RCVBUF" },
	{ SOL_SOCKET, SO_RCVLOWAT, 7, "SO_RCVLOWAT" },
	{ SOL_SOCKET, SO_PRIORITY, 3, "SO_PRIORITY" },
	{ IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY" },
	{ IPPROTO_TCP, TCP_CORK, 1, "TCP_CORK" },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 33, "TCP_KEEPIDLE" },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 34, "TCP_KEEPINTVL" },
	{ IPPROTO_TCP, TCP_KEEPCNT, 5, "TCP_KEEPCNT" },
	{ IPPROTO_TCP, TCP_LINGER2, 9, "TCP_LINGER2" },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 12345, "TCP_USER_TIMEOUT" },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4444, "TCP_NOTSENT_LOWAT" },
	{ IPPROTO_TCP, TCP_SYNCNT, 4, "TCP_SYNCNT" },
};

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	getsockopt(fd, level, name, &v, &len);
	return v;
}

/* Set, so chosen by the program: of both. */
static void t5_sizes_and_lock_bits(int listener, int accepted)
{
	enum { BUF_LOCK = 72 };			/* SO_BUF_LOCK */

	printf("SO_BUF_LOCK: %d, listener %d\n", option(accepted, SOL_SOCKET, BUF_LOCK),
	       option(listener, SOL_SOCKET, BUF_LOCK));
	printf("sizes: %d %d\n", option(accepted, SOL_SOCKET, SO_SNDBUF),
	       option(accepted, SOL_SOCKET, SO_RCVBUF));
}

int main(int argc, char **argv)
{
	struct timeval tv = { 3, 0 }, got;
	struct linger l = { 1, 5 }, lgot;
	socklen_t tlen = sizeof(got), llen = sizeof(lgot), len;
	union addr a;
	int s, c, t;

	start(argc, argv);
	s = listener(4, &a, &len);
	for (size_t i = 0; i < NELEM(opts); i++)
		if (setsockopt(s, opts[i].level, opts[i].name, &opts[i].val, sizeof(int)))
			say(opts[i].text, -1);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	nonblocking(s, true);
	c = fresh();
	connect(c, &a.sa, len);
	await(s, POLLIN);
	t = accept(s, NULL, NULL);
	for (size_t i = 0; i < NELEM(opts); i++)
		printf("%s: %d, listener %d\n", opts[i].text,
		       option(t, opts[i].level, opts[i].name),
		       option(s, opts[i].level, opts[i].name));
	t5_sizes_and_lock_bits(s, t);
	getsockopt(t, SOL_SOCKET, SO_RCVTIMEO, &got, &tlen);
	printf("SO_RCVTIMEO: %ld\n", (long)got.tv_sec);
	getsockopt(t, SOL_SOCKET, SO_LINGER, &lgot, &llen);
	printf("SO_LINGER: %d %d\n", lgot.l_onoff, lgot.l_linger);
	printf("O_NONBLOCK: %d\n", (fcntl(t, F_GETFL) & O_NONBLOCK) != 0);
	printf("SO_ACCEPTCONN: %d %d\n", option(t, SOL_SOCKET, SO_ACCEPTCONN),
	       option(s, SOL_SOCKET, SO_ACCEPTCONN));
	close(c);
	close(t);
	close(s);
	return 0;
}
