/* plain.c - see plain.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "rt/files.h"
#include "rt/log.h"
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sockopt.h"
#include "rt/sys.h"

enum {
	UNREADABLE_TRIES = 1,	/* SYNs that were sent again, a second after the first */
	REFUSED_TRIES = 3,	/* seven seconds after it */
	KNOWN_S = 600,
};

struct attempt {		/* the driver's; one for each sock that tries */
	ev_io w;
	u32 index, gen;
};

/* ---- a socket like ours ------------------------------------------------------------- */

static void set(int fd, int level, int name, s32 v)
{
	sys_setsockopt(fd, level, name, &v, sizeof(v));
}

/* What is kept in rows is the difference to a fresh sock. */
static void copy_rows(const struct sock *sk, int fd, int level, const struct sockopt_table *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		const struct sockopt *o = &t->rows[i];

		if ((o->type == OPT_FLAG || o->type == OPT_BOOL) && opt_flag(sk, o->slot))
			set(fd, level, o->name, !o->def);
		else if (o->type == OPT_WORD && opt_load(sk, o->slot, 0))
			set(fd, level, o->name, opt_load(sk, o->slot, o->def));
	}
}

static void set_time(int fd, int name, u64 us)
{
	struct timeval tv = { (time_t)(us / USEC_PER_SEC), (suseconds_t)(us % USEC_PER_SEC) };

	if (us)
		sys_setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv));
}

static void copy_socket(const struct sock *sk, int fd)
{
	const struct conn *c = &sk->conn;
	struct linger l = { c->opts.shut_linger, (int)c->opts.linger_s };

	copy_rows(sk, fd, SOL_SOCKET, &sockopts_socket);
	if (sk->reuseaddr)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (sk->reuseport)
		set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (opt_flag(sk, FLAG_KEEPALIVE))
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (l.l_onoff)
		sys_setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	if (c->mem.lock_bits & SNDBUF_LOCK)
		set(fd, SOL_SOCKET, SO_SNDBUF, (s32)(c->mem.sndbuf / 2));
	if (c->mem.lock_bits & RCVBUF_LOCK)
		set(fd, SOL_SOCKET, SO_RCVBUF, (s32)(c->mem.rcvbuf / 2));
	if (c->opts.rcvlowat > 1)
		set(fd, SOL_SOCKET, SO_RCVLOWAT, (s32)c->opts.rcvlowat);
	if (c->opts.peek_off != -1)
		set(fd, SOL_SOCKET, SO_PEEK_OFF, c->opts.peek_off);
	if (c->opts.max_pacing_rate != PACING_NONE)
		sys_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &c->opts.max_pacing_rate,
			       sizeof(c->opts.max_pacing_rate));
	set_time(fd, SO_RCVTIMEO, sk->rcvtimeo_us);
	set_time(fd, SO_SNDTIMEO, sk->sndtimeo_us);
}

static void copy_tcp(const struct sock *sk, int fd)
{
	const struct conn_opts *o = &sk->conn.opts;

	copy_rows(sk, fd, IPPROTO_TCP, &sockopts_tcp);
	if (o->nodelay)
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->cork)
		set(fd, IPPROTO_TCP, TCP_CORK, 1);
	if (o->keepidle_us != KEEPALIVE_IDLE_US)
		set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (s32)(o->keepidle_us / USEC_PER_SEC));
	if (o->keepintvl_us != KEEPALIVE_INTVL_US)
		set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (s32)(o->keepintvl_us / USEC_PER_SEC));
	if (o->keepcnt != KEEPALIVE_PROBES)
		set(fd, IPPROTO_TCP, TCP_KEEPCNT, (s32)o->keepcnt);
	if (o->syncnt && o->syncnt != SYN_RETRIES)
		set(fd, IPPROTO_TCP, TCP_SYNCNT, (s32)o->syncnt);
	if (o->linger2_s)
		set(fd, IPPROTO_TCP, TCP_LINGER2, o->linger2_s);
	if (o->user_timeout_ms)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (s32)o->user_timeout_ms);
	if (o->notsent_lowat)
		set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (s32)o->notsent_lowat);
	if (o->window_clamp)
		set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, (s32)o->window_clamp);
	if (o->maxseg)
		set(fd, IPPROTO_TCP, TCP_MAXSEG, (s32)o->maxseg);
}

void plain_options(const struct sock *sk, int fd)
{
	if (sk->family == AF_INET6)
		copy_rows(sk, fd, IPPROTO_IPV6, &sockopts_ipv6);
	copy_rows(sk, fd, IPPROTO_IP, &sockopts_ip);
	copy_socket(sk, fd);
	copy_tcp(sk, fd);
}

/* A number that only UDP was given is not insisted upon. */
static int bind_alike(const struct sock *sk, int fd)
{
	union sock_addr a = sk->local;
	int ret;

	if (!sk->named)
		return 0;
	ret = sys_bind(fd, &a, sk->addr_len);
	if (ret != -EADDRINUSE || sk->port_given)
		return ret;
	if (a.sa.sa_family == AF_INET)
		a.in.sin_port = 0;
	else
		a.in6.sin6_port = 0;
	return sys_bind(fd, &a, sk->addr_len);
}

static int open_alike(const struct sock *sk, int flags)
{
	int fd = sys_socket(sk->family, sk->type | flags, sk->protocol);

	if (fd == -EMFILE && rt_bypass)
		FILES_MAKE(fd, sys_socket(sk->family, sk->type | flags, sk->protocol));
	if (fd == -EMFILE && (rt_bypass ? files_use_spare() : files_give_way()))
		fd = sys_socket(sk->family, sk->type | flags, sk->protocol);
	if (fd < 0)
		return fd;
	if (sk->family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, sk->v6only);
	plain_options(sk, fd);
	return fd;
}

static int unless(int err, int fd)
{
	if (err)
		sys_close(fd);
	return err ? err : fd;
}

int plain_socket(struct sock *sk, int flags)
{
	int fd = open_alike(sk, flags);

	return fd < 0 ? fd : unless(bind_alike(sk, fd), fd);
}

int plain_listener(const struct sock *sk)
{
	int fd = open_alike(sk, SOCK_NONBLOCK | SOCK_CLOEXEC), ret;

	if (fd < 0)
		return fd;
	ret = sys_bind(fd, &sk->local, sk->addr_len);
	if (ret == -EADDRINUSE && !sk->reuseaddr) {	/* see both_stop() */
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		ret = sys_bind(fd, &sk->local, sk->addr_len);
		set(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	}
	return unless(ret, fd);
}

/* ---- who answers, and who does not ------------------------------------------------------------- */

/* A row of the domain's table of destinations, under a name of its own. */
static u64 name_of(const struct sockaddr *sa)
{
	const union sock_addr *a = (const void *)sa;
	u16 port = a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port;

	return (path_key(a) ^ 0x7369656e74ULL) * 0x9e3779b97f4a7c15ULL + port;
}

enum known { KNOWN_NOTHING, KNOWN_SILENT, KNOWN_TO_SPEAK };

static enum known known_of(const struct sock *sk, const struct sockaddr *sa, usec_t now)
{
	struct path_metrics m;
	u32 s = (u32)(now / USEC_PER_SEC);

	if (!mem_metrics_get(&sk->conn.mem, name_of(sa), &m, now) || s < m.srtt_us ||
	    s - m.srtt_us >= KNOWN_S)
		return KNOWN_NOTHING;
	return m.cwnd <= KNOWN_TO_SPEAK ? (enum known)m.cwnd : KNOWN_NOTHING;
}

bool plain_known(const struct sock *sk, const struct sockaddr *sa, usec_t now)
{
	return known_of(sk, sa, now) == KNOWN_SILENT;
}

static void note_of(const struct sock *sk, const struct sockaddr *sa, enum known what,
		    usec_t now)
{
	struct path_metrics m = { .srtt_us = (u32)(now / USEC_PER_SEC), .cwnd = what };

	if (known_of(sk, sa, now) != what)
		mem_metrics_put(&sk->conn.mem, name_of(sa), &m, now);
}

static void note(const struct sock *sk, enum known what, usec_t now)
{
	note_of(sk, &sk->peer.sa, what, now);
}

static void tell(const struct sock *lsk, const union sock_addr *name, bool plain)
{
	note_of(lsk, &name->sa, plain ? KNOWN_SILENT : KNOWN_TO_SPEAK, rt_now());
}

void plain_tell(const struct sock *lsk, const union sock_addr *name, bool plain)
{
	union sock_addr v4 = { .in = { AF_INET, name->in.sin_port, { htonl(INADDR_LOOPBACK) },
				       { 0 } } };
	union sock_addr v6 = *name;

	if (!addr_is_any(name)) {
		tell(lsk, name, plain);
		return;
	}
	if (name->sa.sa_family == AF_INET6) {
		v6.in6.sin6_addr = in6addr_loopback;
		tell(lsk, &v6, plain);
	}
	if (!lsk->v6only)
		tell(lsk, &v4, plain);
}

/* ---- the driver's attempts ------------------------------------------------------------- */

static struct attempt **attempts;	/* by sock index */
static u32 nattempts;

void plain_driver_init(void)
{
	attempts = NULL;
	nattempts = 0;
}

static struct attempt *attempt_of(const struct sock *sk)
{
	return sk->index < nattempts ? attempts[sk->index] : NULL;
}

void plain_stop(struct sock *sk)
{
	struct attempt *a = attempt_of(sk);

	if (!a)
		return;
	ev_io_stop(drv.loop, &a->w);
	sys_close(a->w.fd);
	free(a);
	attempts[sk->index] = NULL;
	atomic_store(&sk->plain_done, 0);	/* after the kind: sock_is_plain() */
}

/* It is connected, or has failed: whoever holds the sock's lock hears of it. */
static void on_done(struct ev_loop *loop, ev_io *w, int revents)
{
	struct attempt *a = container_of(w, struct attempt, w);
	struct sock *sk = rt_sock(a->index);

	(void)revents;
	ev_io_stop(loop, w);
	atomic_store(&sk->plain_done, 1);
	if (sock_note_trylock(sk, a->gen, PEND_SETTLE))
		sock_unlock(sk, -1);
}

static struct attempt *new_attempt(struct sock *sk)
{
	struct attempt *a;

	if (sk->index >= nattempts) {
		u32 want = max(sk->index + 1, nattempts * 2);
		struct attempt **more = realloc(attempts, want * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + nattempts, 0, (want - nattempts) * sizeof(*more));
		attempts = more;
		nattempts = want;
	}
	a = calloc(1, sizeof(*a));
	if (a) {
		a->index = sk->index;
		a->gen = atomic_load(&sk->gen);
		attempts[sk->index] = a;
	}
	return a;
}

static const char *why(const struct sock *sk)
{
	if (atomic_load(&sk->kind) == SK_TRYING)
		return "refused";
	return sk->unreadable ? "unreadable" : "silence";
}

static int start(struct sock *sk)
{
	int fd = plain_socket(sk, SOCK_NONBLOCK | SOCK_CLOEXEC), ret;
	struct attempt *a;

	if (fd < 0)
		return fd;
	ret = sys_connect(fd, &sk->peer, sk->addr_len);
	a = !ret || ret == -EINPROGRESS ? new_attempt(sk) : NULL;
	if (!a) {
		sys_close(fd);
		return ret && ret != -EINPROGRESS ? ret : -ENOBUFS;
	}
	atomic_store(&sk->plain_done, 0);
	ev_io_init(&a->w, on_done, fd, EV_WRITE);
	ev_io_start(drv.loop, &a->w);
	rt_log(RUDP_LOG_INFO, "fallback", "id=%016llx why=%s", (unsigned long long)sk->conn.id,
	       why(sk));
	return 0;
}

/* Ours goes on alone, or was over already. */
static void failed(struct sock *sk, int err, usec_t now)
{
	plain_stop(sk);
	sk->try_plain = TRY_FAILED;
	sk->plain_refused = err == ECONNREFUSED;
	if (atomic_load(&sk->kind) != SK_TRYING)
		return;
	atomic_store(&sk->kind, SK_CONN);
	sk->try_plain = TRY_NO;
	conn_done(&sk->conn, err, now);
}

/* Through the mirror, which shows that there is something, and room. */
static void deliver(struct sock *sk, int fd, usec_t now)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct iovec iov = { (void *)"k", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	if (sys_sendmsg(sk->owner_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		failed(sk, ECONNABORTED, now);
		return;
	}
	if (atomic_load(&sk->kind) == SK_CONN)
		note(sk, KNOWN_SILENT, now);
	domain_count(drv.dom, CNT_PlainOpens, 1);
	sk->try_plain = TRY_NO;
	atomic_store(&sk->kind, SK_PLAIN);
	plain_stop(sk);		/* the program's copy is the last one: see both_taken() */
	conn_done(&sk->conn, 0, now);
	mirror_unplug(sk);
}

static void done(struct sock *sk, usec_t now)
{
	struct attempt *a = attempt_of(sk);
	int err = 0;
	socklen_t len = sizeof(err);

	sys_getsockopt(a->w.fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err)
		failed(sk, err, now);
	else
		deliver(sk, a->w.fd, now);
}

/* In the driver: begins, or ends. What is missing after a driver's death is
 * begun again by the next. */
static void drive(struct sock *sk, usec_t now)
{
	int err;

	if (!attempt_of(sk)) {
		sk->try_plain = TRY_RUNS;
		err = start(sk);
		if (err < 0)
			failed(sk, -err, now);
	} else if (atomic_load(&sk->plain_done)) {
		done(sk, now);
	}
}

/* ---- the sock ------------------------------------------------------------------------------ */

/* It has answered before and is silent all that time: its queue is full. */
static bool timed_out(const struct sock *sk, usec_t now)
{
	return sk->conn.err == ETIMEDOUT && sk->try_plain == TRY_MAY &&
	       known_of(sk, &sk->peer.sa, now) == KNOWN_TO_SPEAK;
}

static bool over(const struct sock *sk, usec_t now)
{
	const struct conn *c = &sk->conn;

	if (c->state == CONN_CLOSED)	/* no error: the program's own doing */
		return sk->closing || sk->hung_up || !c->err || c->err == ECONNABORTED ||
		       (c->err == ECONNRESET && !c->rcvd_reset) || sk->try_plain == TRY_FAILED ||
		       timed_out(sk, now);
	return c->state != CONN_SYN_SENT;
}

static bool wants_tcp(const struct sock *sk, usec_t now)
{
	if (sk->try_plain == TRY_FAILED)
		return false;
	return sk->unreadable || (conn_silent(&sk->conn) &&
				  known_of(sk, &sk->peer.sa, now) != KNOWN_TO_SPEAK);
}

/* Nothing listens there in TCP, and nobody who speaks ours has said a word. */
static bool refused_by_both(const struct sock *sk)
{
	return sk->plain_refused &&
	       sk->conn.syn_retries >= (sk->unreadable ? UNREADABLE_TRIES : REFUSED_TRIES);
}

bool plain_settle_slow(struct sock *sk, usec_t now)
{
	struct conn *c = &sk->conn;

	if (c->state == CONN_ESTABLISHED)
		note(sk, KNOWN_TO_SPEAK, now);
	if (over(sk, now)) {
		if (!rt_bypass && sk->try_plain == TRY_RUNS)
			return driver_attention(sk), true;
		plain_stop(sk);
		sk->try_plain = TRY_NO;
		if (atomic_load(&sk->kind) == SK_TRYING)
			atomic_store(&sk->kind, SK_CONN);
		return false;
	}
	if (c->state == CONN_CLOSED) {
		conn_hold(c, now);
		atomic_store(&sk->kind, SK_TRYING);
	}
	if (atomic_load(&sk->kind) == SK_CONN && refused_by_both(sk)) {
		conn_done(c, ECONNREFUSED, now);
		return false;
	}
	if (!wants_tcp(sk, now) && atomic_load(&sk->kind) != SK_TRYING)
		return false;
	if (!rt_bypass && (sk->try_plain == TRY_MAY || atomic_load(&sk->plain_done))) {
		driver_attention(sk);
		return true;
	}
	if (rt_bypass)
		drive(sk, now);
	return false;
}
