/* ports.c - who may bind what: SO_REUSEADDR, SO_REUSEPORT, families, a port of
 * one's own to connect from, other processes. */
#include "conform.h"

static int bound(const char *what, const union addr *a, socklen_t len, int reuse, int reuseport)
{
	int fd = fresh();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	say(what, bind(fd, &a->sa, len));
	return fd;
}

static void take(union addr *a, socklen_t *len, int fd)
{
	*len = sizeof(*a);
	getsockname(fd, &a->sa, len);
}

static void reuse_address(void)
{
	union addr a;
	socklen_t len;
	int l, m, n;

	l = listener(4, &a, &len);
	m = bound("a listener's port", &a, len, 0, 0);
	n = bound("with SO_REUSEADDR", &a, len, 1, 0);
	close(n);
	close(m);
	close(l);
	m = bound("after its close", &a, len, 0, 0);
	n = bound("a bound one's, without", &a, len, 0, 0);
	close(n);
	close(m);
}

static void reuse_port(void)
{
	union addr a;
	socklen_t len = loopback(&a);
	int one, two, three, c, s, got = 0, status;
	pid_t pid;

	one = bound("SO_REUSEPORT", &a, len, 0, 1);
	take(&a, &len, one);
	two = bound("second", &a, len, 0, 1);
	three = bound("third, without it", &a, len, 0, 0);
	close(three);
	say("listen", listen(one, 8));
	say("listen", listen(two, 8));
	nonblocking(one, true);
	nonblocking(two, true);
	for (int i = 0; i < 8; i++) {
		struct pollfd p[2] = { { one, POLLIN, 0 }, { two, POLLIN, 0 } };

		c = fresh();
		if (connect(c, &a.sa, len))
			printf("connect: %s\n", ename(errno));
		poll(p, 2, 5000);
		s = accept(p[0].revents ? one : two, NULL, NULL);
		got += s >= 0;
		close(s);
		close(c);
	}
	printf("each connection comes to one of them: %d\n", got);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		three = bound("another process", &a, len, 0, 1);
		_exit(listen(three, 1) != 0);
	}
	waitpid(pid, &status, 0);
	printf("its status: %d\n", status);
	close(one);
	close(two);
}

static void own_port(void)
{
	union addr a, mine, seen;
	socklen_t len, mlen, slen = sizeof(seen);
	int l = listener(4, &a, &len), c, d, s;

	mlen = loopback(&mine);
	c = bound("a port to connect from", &mine, mlen, 1, 0);
	take(&mine, &mlen, c);
	say("connect", connect(c, &a.sa, len));
	s = accept(l, &seen.sa, &slen);
	printf("it comes from there: %d\n", seen.in.sin_port == mine.in.sin_port);
	d = bound("the same again", &mine, mlen, 0, 0);
	close(d);
	say("and the listener's own", connect(c, &a.sa, len));
	close(s);
	await(c, POLLRDHUP);
	close(c);
	close(l);
}

static void refused_keeps_port(void)
{
	union addr a, mine, after;
	socklen_t len, mlen;
	int c, l;

	port_nobody_has(&a, &len);
	mlen = loopback(&mine);
	c = bound("bound", &mine, mlen, 0, 0);
	take(&mine, &mlen, c);
	say("refused", connect(c, &a.sa, len));
	take(&after, &mlen, c);
	printf("still bound there: %d\n", after.in.sin_port == mine.in.sin_port);
	l = listener(4, &a, &len);
	say("connect", connect(c, &a.sa, len));
	take(&after, &mlen, c);
	printf("from there: %d\n", after.in.sin_port == mine.in.sin_port);
	close(c);
	close(l);
}

/* What shutdown() and a connect() to AF_UNSPEC leave. */
static void used_again(void)
{
	union addr a, unspec = { .sa = { .sa_family = AF_UNSPEC } };
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s;
	char x;

	say("connect", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("dissolve", connect(c, &unspec.sa, sizeof(unspec.in)));
	say("peer: read", read(s, &x, 1));
	close(s);
	say("connect again", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("write", write(c, "x", 1));
	say("read", read(s, &x, 1));
	close(s);
	close(c);
	say("stop listening", shutdown(l, SHUT_RD));
	c = fresh();
	say("connect", connect(c, &a.sa, len));
	say("listen again", listen(l, 4));
	take(&a, &len, l);
	say("connect", connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	printf("accept: %d\n", s >= 0);
	close(s);
	close(c);
	close(l);
	c = fresh();
	say("connect after close", connect(c, &a.sa, len));
	close(c);
}

/* Many times: a close that has returned refuses at once. */
static void closed_at_once(void)
{
	int refused = 0;

	for (int i = 0; i < 50; i++) {
		union addr a;
		socklen_t len;
		int l = listener(4, &a, &len), c = fresh();

		close(l);
		refused += connect(c, &a.sa, len) < 0 && errno == ECONNREFUSED;
		close(c);
	}
	printf("refused: %d\n", refused);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	reuse_address();
	reuse_port();
	own_port();
	refused_keeps_port();
	used_again();
	closed_at_once();
	return 0;
}
