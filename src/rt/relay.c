/*
 * relay.c - the mirror as an ordinary stream, for code that reads and writes
 * the descriptor without us: stdio, programs that are not preloaded.
 *
 * The switch, under the lock: tokens are taken out of the app's queue by the
 * program's thread; the sentinel and the plug lie in front of whatever the
 * program writes from now on, and the driver throws that many bytes away.
 * From then on the driver pumps: connection -> owner end while that takes
 * bytes, owner end -> connection while it has room. At most one buffer of
 * each direction lies in the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rt/rt.h"
#include "rt/sys.h"

enum { RELAY_CHUNK = 16384 };

struct relay {
	ev_io rd, wr;
	u32 index;
};

static void pump(struct sock *sk);

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sock *sk = rt_sock((u32)(uintptr_t)w->data);

	(void)revents;
	ev_io_stop(loop, w);	/* pump() starts what it waits for */
	if (sock_note_trylock(sk, 0, PEND_SETTLE))
		sock_unlock(sk, -1);
}

static struct relay *watchers(struct sock *sk)
{
	struct relay *r = drv.relays[sk->index];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	drv.relays[sk->index] = r;
	ev_io_init(&r->rd, on_io, sk->owner_fd, EV_READ);
	ev_io_init(&r->wr, on_io, sk->owner_fd, EV_WRITE);
	r->rd.data = r->wr.data = (void *)(uintptr_t)sk->index;
	return r;
}

void relay_stop(struct sock *sk)
{
	struct relay *r = sk->index < drv.ntables ? drv.relays[sk->index] : NULL;

	if (!r)
		return;
	ev_io_stop(drv.loop, &r->rd);
	ev_io_stop(drv.loop, &r->wr);
	free(r);
	drv.relays[sk->index] = NULL;
}

/* Connection to program. True: the owner end is full. */
static bool pump_in(struct sock *sk)
{
	u8 buf[RELAY_CHUNK];

	for (;;) {
		ssize_t n = conn_recv(&sk->conn, buf, sizeof(buf), MSG_PEEK, drv.now), sent;

		if (n <= 0)
			break;
		sent = sys_send(sk->owner_fd, buf, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent == -EAGAIN)
			return true;
		if (sent <= 0)
			break;
		conn_recv(&sk->conn, buf, (size_t)sent, 0, drv.now);
	}
	if (conn_ready(&sk->conn) & READY_RDHUP && !conn_unread(&sk->conn) && !sk->m.fin) {
		sys_shutdown(sk->owner_fd, SHUT_WR);
		sk->m.fin = true;
	}
	return false;
}

/* The program closed with something unread, which resets. */
static void unread_at_close(struct sock *sk)
{
	sk->relay_eof = true;
	conn_abort(&sk->conn, 0, drv.now);
}

/* Program to connection. True: more may come. */
static bool pump_out(struct sock *sk)
{
	u8 buf[RELAY_CHUNK];

	while (sk->relay_skip) {
		ssize_t n = sys_recv(sk->owner_fd, buf, sk->relay_skip, MSG_DONTWAIT);

		if (n <= 0)
			return n == -EAGAIN;
		sk->relay_skip -= (u32)n;
	}
	while (conn_ready(&sk->conn) & READY_OUT) {
		ssize_t n, took;

		n = sys_recv(sk->owner_fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK);
		if (n == -EAGAIN)
			return true;
		if (n == -ECONNRESET) {
			unread_at_close(sk);
			return false;
		}
		if (n <= 0) {
			sk->relay_eof = true;
			if (!sk->conn.snd_shut)
				conn_shutdown(&sk->conn, SHUT_WR, drv.now);
			return false;
		}
		took = conn_send(&sk->conn, buf, (size_t)n, false, drv.now);
		if (took <= 0)
			return false;
		sys_recv(sk->owner_fd, buf, (size_t)took, MSG_DONTWAIT);
		udp_flush(sk, drv.now);
	}
	return false;
}

static void pump(struct sock *sk)
{
	struct relay *r = watchers(sk);
	if (!r)
		return;
	if (pump_in(sk))
		ev_io_start(drv.loop, &r->wr);
	if (pump_out(sk))
		ev_io_start(drv.loop, &r->rd);
	udp_flush(sk, drv.now);
	if (conn_finished(&sk->conn) && !conn_unread(&sk->conn)) {
		/* Nothing is left to do, and of an end that was shown in both
		 * directions the last close could not be told. */
		sk->relay_eof = true;
		sock_note(sk, PEND_HUP);
	}
}

void relay_sync(struct sock *sk)
{
	if (atomic_load(&sk->relay_moving))
		return;		/* the pair before is nobody's */
	if (sk->owner_fd >= 0 && !sk->m.hup)
		pump(sk);
	if (sk->relay_hup)
		life_hup(sk);
}

/* Only the driver can read what the program wrote last, and the connection
 * may not take all of it at once. */
bool relay_hup(struct sock *sk)
{
	int err = 0;
	socklen_t len = sizeof(err);

	sk->relay_hup = true;
	if (!rt_bypass) {
		driver_attention(sk);
		return false;
	}
	if (sk->owner_fd < 0)
		return true;
	if (!sys_getsockopt(sk->owner_fd, SOL_SOCKET, SO_ERROR, &err, &len) && err)
		unread_at_close(sk);
	else
		pump_out(sk);
	return sk->relay_eof || conn_finished(&sk->conn);
}

/* FIN was shown: our end cannot send any more. A new pair takes the mirror's
 * place. Lock held. The new app end, or -errno. */
static int relay_afresh(struct sock *sk)
{
	int fd;

	atomic_store(&sk->relay_moving, true);
	fd = mirror_again(sk);
	if (fd < 0) {
		atomic_store(&sk->relay_moving, false);
		return fd;
	}
	sk->m = (struct mirror){ .paired = true };
	atomic_store(&sk->kind, SK_RELAY);
	driver_attention(sk);
	return fd;
}

/* The kernel's calls wait as long as ours did. */
static void pass_timeouts(const struct sock *sk, int fd)
{
	const struct { int name; u64 us; } limits[] = {
		{ SO_RCVTIMEO, sk->rcvtimeo_us }, { SO_SNDTIMEO, sk->sndtimeo_us },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		struct timeval tv = { (time_t)(limits[i].us / USEC_PER_SEC),
				      (long)(limits[i].us % USEC_PER_SEC) };

		if (limits[i].us)
			sys_setsockopt(fd, SOL_SOCKET, limits[i].name, &tv, sizeof(tv));
	}
}

int relay_start(struct sock *sk, int fd)
{
	u32 kind = atomic_load(&sk->kind);
	int size = RELAY_SNDBUF, ret;

	if (kind != SK_CONN || sk->m.err)
		return 0;	/* the kernel's answers are right already */
	if (sk->m.fin) {
		ret = relay_afresh(sk);
		if (ret >= 0)
			pass_timeouts(sk, ret);
		return ret;
	}
	if (sk->m.pri)
		mirror_calm(sk, fd);
	if (sk->m.hole)
		mirror_fill_hole(sk, fd);
	while (sk->m.tokens) {
		u32 before = sk->m.tokens;

		mirror_drain(sk, fd, 0);
		if (sk->m.tokens == before)
			break;
	}
	sk->relay_skip = 1 + sk->m.plugged;
	sk->m.plugged = false;
	sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pass_timeouts(sk, fd);
	atomic_store(&sk->kind, SK_RELAY);
	driver_attention(sk);
	return 0;
}

int sock_relay(struct sock_ref *r, int fd)
{
	int ret = sock_lock(r);

	if (ret < 0)
		return ret;
	ret = relay_start(r->sk, fd);
	sock_unlock(r->sk, fd);
	driver_wake();
	return ret;
}
