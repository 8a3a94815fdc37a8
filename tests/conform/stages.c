/* stages.c - see stages.h */
#include "stages.h"

/* What needs a packet of the peer's goes on: how it ends is told, not when. */
void settle(int fd)
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

/* To a listener whose queue is full. */
static void make_connecting(struct stage *st)
{
	st->third = listener(0, &st->a, &st->len);
	st->other = fresh();
	connect(st->other, &st->a.sa, st->len);
	await(st->third, POLLIN);
	st->fd = fresh();
	nonblocking(st->fd, true);
	connect(st->fd, &st->a.sa, st->len);
}

const struct stage_kind stages[] = {
	{ "fresh", make_fresh, false, false },
	{ "bound", make_bound, false, false },
	{ "listening", make_listening, false, false },
	{ "listening, one there", make_listening_with_one, false, false },
	{ "listener, shut", make_shut_listener, false, false },
	{ "connected", make_connected, false, false },
	{ "accepted", make_accepted, false, false },
	{ "connected, data", make_with_data, false, false },
	{ "peer shut, data", make_peer_shut, false, false },
	{ "we shut", make_we_shut, false, false },
	{ "shut for reading", make_shut_for_reading, false, false },
	{ "shut both", make_shut_both, false, false },
	{ "finished", make_finished, true, false },
	{ "reset", make_reset, true, false },
	{ "reset, data", make_reset_with_data, true, false },
	{ "peer closed, data", make_peer_closed, false, false },
	{ "refused", make_refused, true, false },
	{ "connecting", make_connecting, false, true },
};

const size_t nstages = NELEM(stages);

/* An end is shown in two steps, of which a look in between finds the first. What is
 * asked of the socket itself waits for who shows it. */
static void all_shown(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
}

void stage_begin(struct stage *st, make_fn *make)
{
	st->fd = st->other = st->third = -1;
	make(st);
	all_shown(st->fd);
	nonblocking(st->fd, true);
}

void stage_end(struct stage *st)
{
	if (st->fd >= 0)
		close(st->fd);
	if (st->other >= 0)
		close(st->other);
	if (st->third >= 0)
		close(st->third);
}
