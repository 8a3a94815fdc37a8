/* states.c - every question and every call in every state of a socket. */
#include "conform.h"
#include <linux/sockios.h>

static char buf[256];

static void tcp_state(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == 0)
		printf("  tcpi_state: %d\n",	/* its FIN is acknowledged sooner or later */
		       ti.tcpi_state == TCP_FIN_WAIT1 ? TCP_FIN_WAIT2 : ti.tcpi_state);
}

static void name(const char *what, int ret, const union addr *a, const socklen_t *len)
{
	if (ret < 0)
		printf("  %s: %s\n", what, ename(errno));
	else
		printf("  %s: family %d, length %u, port %d\n", what, a->sa.sa_family == family,
		       (unsigned)*len, a->in.sin_port != 0);
}

static void questions(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);
	int v = -1;

	printf("  poll: %s\n", bits(look(fd)));
	name("getsockname", getsockname(fd, &a.sa, &len), &a, &len);
	len = sizeof(a);
	name("getpeername", getpeername(fd, &a.sa, &len), &a, &len);
	tcp_state(fd);
	len = sizeof(v);
	say("  SO_ACCEPTCONN", getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) ? -1 : v);
	say("  FIONREAD", ioctl(fd, FIONREAD, &v));
	say("  SIOCOUTQ", ioctl(fd, SIOCOUTQ, &v));
	say("  SIOCATMARK", ioctl(fd, SIOCATMARK, &v));
}

enum act { ERROR, READ, PEEK, WRITE, NONE, ACCEPT, LISTEN, BIND, CONNECT, UNSPEC,
	   SHUT_R, SHUT_W, SHUT_B, ACTS };

static const char *const act_names[ACTS] = {
	"SO_ERROR", "recv", "peek", "send", "send of nothing", "accept", "listen", "bind",
	"connect", "connect AF_UNSPEC", "shutdown RD", "shutdown WR", "shutdown RDWR",
};

static long do_act(enum act act, int fd, const union addr *to, socklen_t tolen)
{
	union addr a;
	socklen_t len = sizeof(int);
	int v = 0, ret;

	switch (act) {
	case ERROR:
		ret = getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len);
		return ret ? ret : v;
	case READ: return recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	case PEEK: return recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK);
	case WRITE: return send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	case NONE: return send(fd, "x", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	case ACCEPT:
		ret = accept(fd, NULL, NULL);
		if (ret >= 0)
			close(ret);
		return ret < 0 ? ret : 0;
	case LISTEN: return listen(fd, 3);
	case BIND:
		len = loopback(&a);
		return bind(fd, &a.sa, len);
	case CONNECT: return connect(fd, &to->sa, tolen);
	case UNSPEC:
		memset(&a, 0, sizeof(a));
		a.sa.sa_family = AF_UNSPEC;
		return connect(fd, &a.sa, sizeof(a.in6));
	case SHUT_R: return shutdown(fd, SHUT_RD);
	case SHUT_W: return shutdown(fd, SHUT_WR);
	case SHUT_B: return shutdown(fd, SHUT_RDWR);
	case ACTS: break;
	}
	return -1;
}

/* What needs a packet of the peer's goes on: how it ends is told, not when. */
static void settle(int fd)
{
	struct tcp_info ti;
	socklen_t len;

	do {
		len = sizeof(ti);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
			return;
	} while (ti.tcpi_state == TCP_SYN_SENT || ti.tcpi_state == TCP_FIN_WAIT1 ||
		 ti.tcpi_state == TCP_CLOSING || ti.tcpi_state == TCP_LAST_ACK);
}

/* A socket in a state, and what has to be closed with it. */
struct stage {
	int fd, other, third;
	union addr a;		/* where somebody listens, or may */
	socklen_t len;
};

typedef void make_fn(struct stage *st);

static void make_fresh(struct stage *st)
{
	st->fd = fresh();
	st->other = listener(4, &st->a, &st->len);
}

static void make_bound(struct stage *st)
{
	union addr a;
	socklen_t len = loopback(&a);

	make_fresh(st);
	bind(st->fd, &a.sa, len);
}

static void make_listening(struct stage *st)
{
	st->other = listener(4, &st->a, &st->len);
	st->fd = listener(4, &st->a, &st->len);
}

static void make_listening_with_one(struct stage *st)
{
	st->fd = listener(4, &st->a, &st->len);
	st->other = fresh();
	connect(st->other, &st->a.sa, st->len);
	await(st->fd, POLLIN);
}

static void make_shut_listener(struct stage *st)
{
	make_listening(st);
	shutdown(st->fd, SHUT_RD);
	await(st->fd, POLLHUP);
}

static void make_connected(struct stage *st)
{
	st->third = listener(4, &st->a, &st->len);
	st->fd = fresh();
	connect(st->fd, &st->a.sa, st->len);
	st->other = accept(st->third, NULL, NULL);
}

static void make_accepted(struct stage *st)
{
	int fd;

	make_connected(st);
	fd = st->fd;
	st->fd = st->other;
	st->other = fd;
}

static void make_with_data(struct stage *st)
{
	make_connected(st);
	write_all(st->other, "data", 4);
	await(st->fd, POLLIN);
}

static void make_peer_shut(struct stage *st)
{
	make_with_data(st);
	shutdown(st->other, SHUT_WR);
	await(st->fd, POLLRDHUP);
}

static void make_we_shut(struct stage *st)
{
	make_connected(st);
	shutdown(st->fd, SHUT_WR);
	await(st->other, POLLRDHUP);
}

static void make_shut_for_reading(struct stage *st)
{
	make_connected(st);
	shutdown(st->fd, SHUT_RD);
	await(st->fd, POLLRDHUP);
}

static void make_shut_both(struct stage *st)
{
	make_connected(st);
	shutdown(st->fd, SHUT_RDWR);
	await(st->fd, POLLHUP);
	await(st->other, POLLRDHUP);
}

static void make_finished(struct stage *st)
{
	make_connected(st);
	shutdown(st->other, SHUT_WR);
	await(st->fd, POLLRDHUP);
	shutdown(st->fd, SHUT_WR);
	await(st->fd, POLLHUP);
	await(st->other, POLLHUP);
	settle(st->fd);
}

static void make_reset(struct stage *st)
{
	make_connected(st);
	linger0(st->other);
	close(st->other);
	st->other = -1;
	await(st->fd, POLLERR);
}

static void make_reset_with_data(struct stage *st)
{
	make_with_data(st);
	linger0(st->other);
	close(st->other);
	st->other = -1;
	await(st->fd, POLLERR);
}

static void make_peer_closed(struct stage *st)
{
	make_with_data(st);
	close(st->other);
	st->other = -1;
	await(st->fd, POLLRDHUP);
}

static void make_refused(struct stage *st)
{
	st->fd = fresh();
	port_nobody_has(&st->a, &st->len);
	nonblocking(st->fd, true);
	connect(st->fd, &st->a.sa, st->len);
	await(st->fd, POLLERR);
}

static const struct {
	const char *name;
	make_fn *make;
	bool ended;
} stages[] = {
	{ "fresh", make_fresh, false },
	{ "bound", make_bound, false },
	{ "listening", make_listening, false },
	{ "listening, one there", make_listening_with_one, false },
	{ "listener, shut", make_shut_listener, false },
	{ "connected", make_connected, false },
	{ "accepted", make_accepted, false },
	{ "connected, data", make_with_data, false },
	{ "peer shut, data", make_peer_shut, false },
	{ "we shut", make_we_shut, false },
	{ "shut for reading", make_shut_for_reading, false },
	{ "shut both", make_shut_both, false },
	{ "finished", make_finished, true },
	{ "reset", make_reset, true },
	{ "reset, data", make_reset_with_data, true },
	{ "peer closed, data", make_peer_closed, false },
	{ "refused", make_refused, true },
};

static void stage_begin(struct stage *st, make_fn *make)
{
	st->fd = st->other = st->third = -1;
	make(st);
	nonblocking(st->fd, true);
}

static void stage_end(struct stage *st)
{
	if (st->fd >= 0)
		close(st->fd);
	if (st->other >= 0)
		close(st->other);
	if (st->third >= 0)
		close(st->third);
}

/* Two oddities of the kernel's are left out (librudp(7)): shutdown() shows on a
 * socket that it fails on, and ERR stays on one that was disconnected. */
static void show_end(enum act act, int fd)
{
	int err = (int)do_act(ERROR, fd, NULL, 0), got;

	if (act == SHUT_B)
		await(fd, POLLHUP);
	if (act == CONNECT || act == SHUT_W)
		await(fd, 0);
	got = look(fd);
	if ((act == SHUT_R || act == SHUT_B) && got & POLLHUP && !(got & POLLERR))
		got |= POLLIN | POLLRDHUP;
	if (act == UNSPEC)
		got &= ~POLLERR;
	printf("; SO_ERROR %s; poll %s\n", ename(err), bits(got));
}

int main(int argc, char **argv)
{
	struct stage st;

	start(argc, argv);
	alarm(0);
	for (size_t i = 0; i < NELEM(stages); i++) {
		printf("%s\n", stages[i].name);
		stage_begin(&st, stages[i].make);
		questions(st.fd);
		stage_end(&st);
		for (enum act act = 0; act < ACTS; act++) {
			/* bind() after a connection's end: librudp(7) */
			if (act == BIND && stages[i].ended)
				continue;
			printf(" %s:", act_names[act]);
			stage_begin(&st, stages[i].make);
			for (int time = 0; time < 3; time++) {
				long ret = do_act(act, st.fd, &st.a, st.len);

				if (ret < 0)
					printf(" %s", ename(errno));
				else
					printf(" %ld", ret);
				settle(st.fd);
				if (act == WRITE && st.other < 0 && time == 0)
					await(st.fd, POLLHUP);
			}
			show_end(act, st.fd);
			stage_end(&st);
		}
	}
	return 0;
}
