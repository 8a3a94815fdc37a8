/* closing.c - half-close, close, reset, and what either side then reads. */
#include <linux/sockios.h>
#include "conform.h"

static char buf[65536];

static void half_close(void)
{
	int c, s;

	pair(&c, &s);
	say("write", write(c, "abc", 3));
	say("shutdown WR", shutdown(c, SHUT_WR));
	say("write after it", send(c, "x", 1, MSG_NOSIGNAL));
	say("shutdown WR again", shutdown(c, SHUT_WR));
	await(s, POLLRDHUP);
	say("server reads", read(s, buf, sizeof(buf)));
	say("server reads the end", read(s, buf, sizeof(buf)));
	say("and again", read(s, buf, sizeof(buf)));
	say("server writes", write(s, "reply", 5));
	say("client reads", recv(c, buf, 5, MSG_WAITALL));
	say("server shutdown WR", shutdown(s, SHUT_WR));
	await(c, POLLHUP);
	say("client reads the end", read(c, buf, sizeof(buf)));
	close(c);
	close(s);
}

static void shutdown_errors(void)
{
	union addr a;
	socklen_t len;
	int c, s, unsent, l = listener(1, &a, &len), f = fresh();

	pair(&c, &s);
	say("shutdown, bad how", shutdown(c, 3));
	say("shutdown of a fresh socket", shutdown(f, SHUT_RDWR));
	say("shutdown RD of a listener", shutdown(l, SHUT_RD));
	printf("listener hung up: %d\n", (await(l, POLLHUP) & POLLHUP) != 0);
	say("accept after it", accept(l, NULL, NULL));
	say("shutdown RD", shutdown(c, SHUT_RD));
	show_await("after shutdown RD", c, POLLRDHUP);
	say("read after it", read(c, buf, 1));
	say("peer writes all the same", write(s, "abc", 3));
	do				/* what comes after SHUT_RDWR is reset */
		ioctl(s, SIOCOUTQ, &unsent);
	while (unsent);
	say("shutdown RDWR", shutdown(c, SHUT_RDWR));
	await(s, POLLRDHUP);
	say("peer reads", read(s, buf, 1));
	close(c);
	close(s);
	close(l);
	close(f);
}

static void close_with_data(void)
{
	int c, s;

	pair(&c, &s);
	say("write", write(c, buf, 10000));
	say("close", close(c));
	say("peer reads it all", (long)drain(s, sizeof(buf)));
	say("peer writes", send(s, "x", 1, MSG_NOSIGNAL));
	show_await("which is answered by a reset", s, POLLHUP | POLLERR);
	say("peer writes again", send(s, "x", 1, MSG_NOSIGNAL));
	say("peer writes again", send(s, "x", 1, MSG_NOSIGNAL));
	say("peer reads", read(s, buf, 1));
	close(s);
}

static void close_unread(void)
{
	int c, s;

	pair(&c, &s);
	say("write", write(c, "abc", 3));
	await(s, POLLIN);
	say("close with unread data", close(s));
	show_await("resets", c, POLLERR | POLLHUP);
	say("read", read(c, buf, 1));
	say("read again", read(c, buf, 1));
	say("write", send(c, "x", 1, MSG_NOSIGNAL));
	close(c);
}

static void linger_zero(void)
{
	int c, s;

	pair(&c, &s);
	say("write", write(s, "abc", 3));
	await(c, POLLIN);
	linger0(s);
	say("close, linger 0", close(s));
	show_await("resets", c, POLLERR);
	say("write first", send(c, "x", 1, MSG_NOSIGNAL));
	say("then read", read(c, buf, 1));
	close(c);
}

/* A reset takes nothing away that was received before it. */
static void reset_and_error(void)
{
	int c, s, err;
	socklen_t len = sizeof(err);

	pair(&c, &s);
	linger0(s);
	close(s);
	await(c, POLLERR);
	say("SO_ERROR", getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
	printf("it is %s\n", ename(err));
	show_poll("error taken", c);
	say("read", read(c, buf, 1));
	say("getpeername", getpeername(c, (struct sockaddr *)buf, &len));
	say("shutdown", shutdown(c, SHUT_RDWR));
	close(c);
}

static void after_close(void)
{
	int c, s;

	pair(&c, &s);
	close(c);
	say("read of a closed descriptor", read(c, buf, 1));
	say("send of a closed descriptor", send(c, buf, 1, 0));
	say("close again", close(c));
	say("getsockopt", getsockopt(c, SOL_SOCKET, SO_ERROR, buf, &(socklen_t){ 4 }));
	close(s);
}

static void unaccepted(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh();

	connect(c, &a.sa, len);
	await(l, POLLIN);
	say("close the listener with one waiting", close(l));
	show_await("resets it", c, POLLERR | POLLHUP);
	say("read", read(c, buf, 1));
	close(c);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	half_close();
	shutdown_errors();
	close_with_data();
	close_unread();
	linger_zero();
	reset_and_error();
	after_close();
	unaccepted();
	return 0;
}
