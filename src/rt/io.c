/*
 * io.c - bytes in and out, and the waits of blocking calls. A sleeper holds no
 * lock; it sleeps on the sock's futex words, so that signals interrupt or
 * restart the call as in the kernel (a futex wait without a timeout restarts
 * under SA_RESTART, one with a timeout is EINTR).
 */
#include <errno.h>
#include <string.h>
#include "rt/errq.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { SEND_CHUNK = 65536 };
#define AGES_US	(3650 * 86400 * USEC_PER_SEC)

#define LOOK_US (2 * USEC_PER_SEC)

/* The thread receives itself while it waits. */
static int wait_pumping(struct sock_ref *r, int fd, _Atomic u32 *waits, usec_t until)
{
	int ret, err;

	atomic_fetch_or(waits, WAIT_PUMP);
	sock_unlock(r->sk, fd);
	ret = pump_wait(until);
	err = sock_lock(r);
	if (err)
		return err;
	atomic_fetch_and(waits, ~(u32)WAIT_PUMP);
	if (ret)
		sock_unlock(r->sk, fd);	/* what came meanwhile, the mirror shows */
	return ret;
}

/* Until the word changes, or it is time to look whether anybody is left who
 * would change it. A wait with a time limit is not restarted by the kernel. */
static int sleep_on(_Atomic u32 *word, u32 seq, usec_t until)
{
	usec_t now = rt_now(), end = min(until, now + LOOK_US);
	int ret;

	if (now >= until)
		return -EAGAIN;
	do {
		struct timespec ts = { (time_t)((end - now) / USEC_PER_SEC),
				       (long)((end - now) % USEC_PER_SEC * 1000) };
		struct waiting w = wait_begin();

		ret = wait_was_interrupted(until != USEC_NEVER) ? -EINTR :
		      (int)sys_futex_wait(word, seq, &ts);
		wait_end(w);
		now = rt_now();
	} while (ret == -EINTR && !wait_was_interrupted(until != USEC_NEVER) && now < end);
	return ret == -EINTR && wait_was_interrupted(until != USEC_NEVER) ? -EINTR : 0;
}

/* Called with the lock held and nothing to do; returns with it held again: 0
 * to look again. Otherwise unlocked: -EAGAIN time is up, -EINTR, -EBADF. */
int sock_wait(struct sock_ref *r, int fd, bool reading, usec_t until)
{
	struct sock *sk = r->sk;
	_Atomic u32 *word = reading ? &sk->rseq : &sk->wseq;
	_Atomic u32 *waits = reading ? &sk->rwait : &sk->wwait;
	u32 seq = atomic_load(word);
	long ret;

	if (pump_take())
		return wait_pumping(r, fd, waits, until);
	atomic_fetch_or(waits, WAIT_FUTEX);
	sock_unlock(sk, fd);
	ret = sleep_on(word, seq, until);
	if (ret == -EINTR || ret == -EAGAIN)
		return (int)ret;
	ret = sock_lock(r);
	if (!ret && atomic_load(word) == seq)	/* nobody has woken it */
		driven_lost(sk, fd);
	return ret ? -ECONNRESET : 0;	/* its driver died, who follows gave it up */
}

/* Whoever has taken something tells of it when a signal comes, wanted restarts
 * or not; and what has a time limit is not restarted. */
static usec_t wait_limit(usec_t until, size_t done)
{
	return done && until == USEC_NEVER ? rt_now() + AGES_US : until;
}

/* The call returns the connection's error, which is reported once: then ERR
 * goes from the mirror, HUP stays. */
static void error_taken(const struct sock *sk, int fd, int err)
{
	int shown;
	socklen_t len = sizeof(shown);

	if (err < 0 && err != -EAGAIN && err != -EPIPE && sk->m.err)
		sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &shown, &len);
}

/* ---- what was turned into a relay, before the call or while it waited -------------- */

static bool is_relay(const struct sock *sk)
{
	return unlikely(atomic_load_explicit(&sk->kind, memory_order_relaxed) == SK_RELAY);
}

/* The rest of the call is the kernel's: piece by piece, as far as they are
 * filled. `done` bytes have been moved already. Unlocks. */
static ssize_t go_on_relayed(struct sock *sk, int fd, const struct msghdr *msg, size_t done,
			     int flags, bool sending)
{
	size_t skip = done, n = msg->msg_iovlen;
	ssize_t ret = 0;
	struct waiting w;

	sock_unlock(sk, fd);
	w = wait_begin();
	if (wait_was_interrupted(false))
		ret = -EINTR;
	for (size_t i = 0; i < n && ret >= 0; i++) {
		u8 *p = msg->msg_iov[i].iov_base;
		size_t len = msg->msg_iov[i].iov_len;
		int now = done && !sending && !(flags & MSG_WAITALL) ? flags | MSG_DONTWAIT : flags;

		if (skip >= len && len) {
			skip -= len;
			continue;
		}
		ret = sending ? sys_send(fd, p + skip, len - skip, flags | MSG_NOSIGNAL) :
		      sys_recv(fd, p + skip, len - skip, now);
		done += ret > 0 ? (size_t)ret : 0;
		if (ret < (ssize_t)(len - skip) || flags & MSG_PEEK)
			break;
		skip = 0;
	}
	wait_end(w);
	return done || ret >= 0 ? (ssize_t)done : ret;
}

/* ---- sending -------------------------------------------------------------------- */

static int send_allowed(const struct sock *sk)
{
	u32 kind = atomic_load(&sk->kind);

	if (kind != SK_CONN && kind != SK_TRYING && kind != SK_RELAY)
		return -EPIPE;
	return 0;
}

/* Sends chunk by chunk, so that the first datagrams leave while the rest is
 * still being copied. Returns bytes taken; what stopped it in *err. */
static size_t push_iov(struct sock *sk, const struct msghdr *msg, size_t skip, bool more,
		       int *err)
{
	size_t done = 0, left = 0;
	usec_t now = rt_now();

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		left += msg->msg_iov[i].iov_len;
	left -= skip;
	*err = 0;
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		const u8 *p = msg->msg_iov[i].iov_base;
		size_t len = msg->msg_iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		p += skip;
		len -= skip;
		skip = 0;
		while (len) {
			size_t chunk = min(len, (size_t)SEND_CHUNK);
			ssize_t n = conn_send(&sk->conn, p, chunk, more || left > chunk, now);

			if (n < 0) {
				*err = (int)n;
				return done;
			}
			p += n;
			len -= (size_t)n;
			left -= (size_t)n;
			done += (size_t)n;
			if (left) {
				udp_flush(sk, now);
				now = rt_now();
				sock_run_backlog(sk, now);	/* R3.3 */
			}
			if ((size_t)n < chunk && !n) {
				*err = -EAGAIN;
				return done;
			}
		}
	}
	return done;
}

static size_t iov_total(const struct msghdr *msg)
{
	size_t n = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		n += msg->msg_iov[i].iov_len;
	return n;
}

ssize_t sock_sendmsg(struct sock_ref *r, int fd, const struct msghdr *msg, int flags)
{
	struct sock *sk = r->sk;
	bool wait = !(flags & MSG_DONTWAIT) && !atomic_load(&sk->nonblock);
	usec_t until = sk->sndtimeo_us ? rt_now() + sk->sndtimeo_us : USEC_NEVER;
	size_t total = iov_total(msg), done = 0;
	int ret = sock_lock(r), err;

	if (ret < 0)
		return ret;
	ret = send_allowed(sk);
	if (ret < 0) {
		sock_unlock(sk, fd);
		return ret;
	}
	for (;;) {
		if (is_relay(sk))
			return go_on_relayed(sk, fd, msg, done, flags, true);
		if (sk->conn.state != CONN_SYN_SENT) {
			done += push_iov(sk, msg, done, !!(flags & MSG_MORE), &err);
			if (unlikely(flags & MSG_OOB) && done)
				conn_mark_urgent(&sk->conn);
			if (!total)	/* of no bytes: asks whether it might */
				err = (int)conn_send(&sk->conn, NULL, 0, false, rt_now());
			if (done == total || err != -EAGAIN)
				break;
		} else {
			err = -EAGAIN;
		}
		if (!wait && !done && driven_look(sk, fd))
			continue;
		if (!wait)
			break;
		ret = sock_wait(r, fd, false, wait_limit(until, done));
		if (ret < 0 && (!done || sock_lock(r)))
			return done ? (ssize_t)done : ret;
		if (ret < 0)
			break;
	}
	if (unlikely(flags & MSG_ZEROCOPY) && done)
		errq_sent(sk);
	if (!done)
		error_taken(sk, fd, err);
	else if (err < 0 && err != -EAGAIN && err != -EPIPE)
		sk->conn.err = -err;	/* the next call's (R3.16) */
	sock_unlock(sk, fd);
	return done ? (ssize_t)done : err;
}

/* ---- receiving ---------------------------------------------------------------------- */

/* Where MSG_PEEK begins (SO_PEEK_OFF). */
static u64 peek_from(const struct conn *c)
{
	return (u64)max(c->opts.peek_off, 0);
}

/* Nothing is read across the mark of urgent data. */
static bool reached_mark(const struct conn *c, size_t done, int flags)
{
	if (!(flags & MSG_PEEK))
		return conn_at_mark(c);
	return c->urg.state != URG_NONE && c->urg.seq == c->copied_seq + peek_from(c) + done;
}

/* One pass over the buffers. 0 with *err 0: end of the stream, or nothing
 * asked. */
static size_t pull_iov(struct sock *sk, const struct msghdr *msg, size_t skip, int flags,
		       int *err)
{
	struct conn *c = &sk->conn;
	usec_t now = rt_now();
	size_t done = 0;

	*err = 0;
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		u8 *p = msg->msg_iov[i].iov_base;
		size_t len = msg->msg_iov[i].iov_len;
		ssize_t n;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		p += skip;
		len -= skip;
		skip = 0;
		if (!(flags & MSG_PEEK))
			n = conn_recv(c, p, len, flags, now);
		else
			n = conn_peek(c, flags & MSG_TRUNC ? NULL : p, len,
				      peek_from(c) + done);
		if (n < 0)
			*err = (int)n;
		if (n <= 0)
			return done;
		done += (size_t)n;
		if ((size_t)n < len || reached_mark(c, done, flags))
			return done;
	}
	return done;
}

/* recv() of no bytes waits for a byte as any other, and leaves it there; having
 * waited, in vain or not, it says 0. */
static size_t peek_none(struct sock *sk, int *err)
{
	u8 byte;
	ssize_t n = list_empty(&sk->conn.rcvq) ?
		    conn_recv(&sk->conn, &byte, 1, MSG_PEEK, rt_now()) : 0;

	*err = n < 0 ? (int)n : 0;
	return 0;
}

static int recv_allowed(const struct sock *sk)
{
	u32 kind = atomic_load(&sk->kind);

	return kind == SK_CONN || kind == SK_RELAY ? 0 : -ENOTCONN;
}

/* A blocking call waits for SO_RCVLOWAT bytes, with MSG_WAITALL for all. The end,
 * or an error, is left to the next call; who only looks does not come to it. */
static bool enough(const struct sock *sk, size_t done, size_t total, int flags)
{
	const struct conn *c = &sk->conn;

	if (conn_at_mark(c))
		return done > 0;
	if (done && (c->err || c->rcv_shut || c->state == CONN_CLOSED) &&
	    (flags & MSG_PEEK || !conn_unread(c)))
		return true;
	return (total && done >= total) || (done && !(flags & MSG_WAITALL) &&
				 done >= min(total, (size_t)max(c->opts.rcvlowat, 1u)));
}

ssize_t sock_recvmsg(struct sock_ref *r, int fd, struct msghdr *msg, int flags)
{
	struct sock *sk = r->sk;
	bool wait = !(flags & MSG_DONTWAIT) && !atomic_load(&sk->nonblock);
	usec_t until = sk->rcvtimeo_us ? rt_now() + sk->rcvtimeo_us : USEC_NEVER;
	size_t total = iov_total(msg), room = msg->msg_controllen, done = 0, n;
	struct recv_ctl ctl = { 0 };
	int ret = sock_lock(r), err;
	ssize_t moved;

	if (ret < 0)
		return ret;
	ret = recv_allowed(sk);
	if (ret < 0) {
		sock_unlock(sk, fd);
		return ret;
	}
	for (;;) {
		if (is_relay(sk)) {
			moved = go_on_relayed(sk, fd, msg, done, flags, false);
			goto out_relayed;
		}
		err = 0;
		n = !total ? peek_none(sk, &err) :
		    pull_iov(sk, msg, flags & MSG_PEEK ? 0 : done, flags, &err);
		done = flags & MSG_PEEK ? n : done + n;
		if (!done && err == -EAGAIN && !wait && driven_look(sk, fd))
			continue;
		if ((!total && !err) || enough(sk, done, total, flags) || (!n && err != -EAGAIN) || !wait)
			break;
		sk->peek_seen = flags & MSG_PEEK ? sk->conn.rcv_nxt : 0;
		ret = sock_wait(r, fd, true, wait_limit(until, done));
		if (ret < 0) {
			err = total ? ret : 0;
			if (!done || sock_lock(r))
				goto out;
			break;
		}
		err = 0;
		if (!total || (!(flags & MSG_PEEK) && enough(sk, done, total, flags)))
			break;
	}
	if (!done)
		error_taken(sk, fd, err);
	if (unlikely(flags & MSG_PEEK) && sk->conn.opts.peek_off >= 0)
		sk->conn.opts.peek_off += (s32)done;
	if (unlikely(recv_ctl_wanted(sk)))
		recv_ctl_take(sk, &ctl, done);
	sock_unlock(sk, fd);
out:
	moved = done || !err ? (ssize_t)done : err;
out_relayed:
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	if (unlikely(ctl.what) && moved >= 0)
		recv_ctl_put(msg, room, &ctl);
	return moved;
}
