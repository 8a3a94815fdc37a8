/*
 * sock.c - the calls that make, name, connect and end sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "rt/files.h"
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

bool sock_stale(const struct sock_ref *r)
{
	return atomic_load(&r->sk->gen) != r->gen || atomic_load(&r->sk->stale);
}

bool sock_bound(const struct sock_ref *r)
{
	return r->sk->bound;
}

u32 sock_ready(const struct sock_ref *r)
{
	u32 ready = atomic_load(&r->sk->ready), kind = atomic_load(&r->sk->kind);

	if (kind == SK_LISTENER)
		ready = atomic_load(&r->sk->shown) ? SOCK_READY_UNKNOWN : 0;
	else if (kind != SK_CONN || ready & (READY_HUP | READY_ERR))
		ready = SOCK_READY_UNKNOWN;
	return sock_stale(r) ? SOCK_READY_UNKNOWN : ready & ~SOCK_READY_SHOWN;
}

bool sock_failed(const struct sock_ref *r)
{
	return atomic_load(&r->sk->kind) == SK_CONN && !sock_stale(r) &&
	       (atomic_load(&r->sk->ready) & (READY_ERR | SOCK_READY_UNKNOWN)) == READY_ERR;
}

void sock_init(struct sock *sk, u32 index, u32 gen)
{
	atomic_store(&sk->ready, SOCK_READY_UNKNOWN);
	sk->port_index = index;
	sk->owner_fd = sk->tomb_fd = sk->plain_fd = -1;
	sk->port.drv_fd = -1;
	atomic_store(&sk->deadline, USEC_NEVER);
	atomic_store(&sk->timer_at, USEC_NEVER);
	mem_acct_init(&sk->conn.mem, drv.ar, OWNER_SOCK0 + index, gen);
}

int sock_socket(int family, int type, int protocol, struct sock_ref *ret)
{
	struct conn_seed seed = { .id = rt_random(), .rng = rt_random(),
				  .dgram_max = WIRE_DGRAM_MIN };
	struct sock *sk;
	u32 index, gen;
	int fd, err;

	err = rt_attach();
	if (err < 0)
		return err == -ENOMEM ? -ENOBUFS : err;
	fd = mirror_fresh(type);
	if (fd == -EMFILE && files_give_way())
		fd = mirror_fresh(type);
	if (fd < 0)
		return fd;
	files_look(fd);
	sk = arena_slot_get(drv.ar, &index, &gen);
	if (!sk) {
		sys_close(fd);
		return -ENFILE;
	}
	sock_init(sk, index, gen);
	seed.cc_id = rt_env()->cc_id;
	conn_init(&sk->conn, &seed, rt_now());
	sk->family = family;
	sk->type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	sk->protocol = protocol ? protocol : IPPROTO_TCP;
	sk->local.sa.sa_family = sk->peer.sa.sa_family = (sa_family_t)family;
	sk->addr_len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	atomic_store(&sk->nonblock, !!(type & SOCK_NONBLOCK));
	atomic_store(&sk->cookie, join_cookie(fd));
	atomic_store(&sk->kind, SK_FRESH);
	*ret = (struct sock_ref){ sk, gen };
	local_ref(sk);
	fresh_made();
	return fd;
}

void sock_dup(struct sock_ref *r)
{
	struct driver *was = rt_enter(r->sk);

	local_ref(r->sk);
	rt_at = was;
}

/* ---- names ---------------------------------------------------------------------- */

static int open_port(struct sock *sk)
{
	struct local *l = local_get(sk->index);
	int fd;

	if (sk->port.open)
		return 0;
	if (!l)
		return -ENOBUFS;
	fd = udp_open(&sk->port, sk->family, sk->v6only, sk->reuseport);
	if (fd < 0)
		return fd;
	port_options(sk, fd);
	atomic_store(&l->udp_serial, atomic_load(&sk->udp_serial));
	atomic_store(&l->udp_fd, fd + 1);
	return 0;
}

int sock_udp_fd(const struct sock *sk)
{
	struct local *l = local_get(sk->index);

	return l && atomic_load(&l->udp_serial) == atomic_load(&sk->udp_serial) ?
	       atomic_load(&l->udp_fd) - 1 : -1;
}

static void read_local_name(struct sock *sk)
{
	socklen_t len = sizeof(sk->local);

	sys_getsockname(sock_udp_fd(sk), &sk->local, &len);
	sk->port.wildcard = addr_is_any(&sk->local);
}

static int check_addr(const struct sock *sk, const struct sockaddr *sa, socklen_t len)
{
	socklen_t want = sk->family == AF_INET ? sizeof(struct sockaddr_in) : 24 /* RFC 2133 */;

	if (len < want)
		return -EINVAL;
	if (sa->sa_family != sk->family)
		return -EAFNOSUPPORT;
	return 0;
}

int sock_bind_locked(struct sock *sk, const struct sockaddr *sa, socklen_t len)
{
	union sock_addr a = { .sa = { 0 } };
	int ret;

	memcpy(&a, sa, min(len, (socklen_t)sizeof(a)));
	if (sk->family == AF_INET && a.sa.sa_family == AF_UNSPEC &&
	    a.in.sin_addr.s_addr == INADDR_ANY)
		a.sa.sa_family = AF_INET;
	ret = check_addr(sk, &a.sa, len);
	if (ret < 0)
		return ret;
	if (sk->bound || atomic_load(&sk->kind) != SK_FRESH)
		return -EINVAL;
	ret = open_port(sk);
	if (!ret)
		ret = port_bind(sk, &a);
	if (ret == -EADDRINUSE)
		ret = leftover_retry(port_bind, sk, &a);
	if (ret)
		return ret;
	sk->named = true;
	sk->port_given = sk->family == AF_INET ? a.in.sin_port : a.in6.sin6_port;
	sk->addr_given = !addr_is_any(&a);
	sk->v6only |= sk->family == AF_INET6 && sk->addr_given &&
		      !IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr);
	read_local_name(sk);
	sk->bound = sk->family == AF_INET ? sk->local.in.sin_port : sk->local.in6.sin6_port;
	if (!sk->reuseport)
		port_reserve(sock_udp_fd(sk), &sk->local, sk->addr_len);
	return 0;
}

/* A rule speaks of the name that is given, not of one that is found. */
static bool plain_port(const struct sock *sk, const struct sockaddr *sa, socklen_t len)
{
	const union sock_addr *a = (const void *)sa;

	if (atomic_load(&sk->kind) != SK_FRESH || sk->bound || check_addr(sk, sa, len))
		return false;
	return (sk->family == AF_INET ? a->in.sin_port : a->in6.sin6_port) &&
	       match_plain(&rt_env()->match, sa);
}

int sock_bind(struct sock_ref *r, int fd, const struct sockaddr *sa, socklen_t len)
{
	int ret = sock_lock(r);

	(void)fd;
	if (ret < 0)
		return ret;
	if (plain_port(r->sk, sa, len))
		ret = SOCK_PLAIN;
	else
		ret = sock_bind_locked(r->sk, sa, len);
	pthread_mutex_unlock(&r->sk->lock);
	return ret;
}

/* In TIME_WAIT, the kernel's has lost it already. */
static bool has_peer(const struct sock *sk)
{
	enum conn_state st = sk->conn.state;
	u32 kind = atomic_load(&sk->kind);

	return kind != SK_FRESH && kind != SK_LISTENER && st != CONN_SYN_SENT &&
	       st != CONN_CLOSED && st != CONN_TIME_WAIT;
}

int sock_getname(struct sock_ref *r, int fd, struct sockaddr *sa, socklen_t *len, bool peer)
{
	union sock_addr a;
	socklen_t alen;
	int ret = sock_lock(r);

	(void)fd;
	if (ret < 0)
		return ret;
	a = peer ? r->sk->peer : r->sk->local;
	alen = r->sk->addr_len;
	if (peer && !has_peer(r->sk))
		ret = -ENOTCONN;
	pthread_mutex_unlock(&r->sk->lock);
	if (ret < 0)
		return ret;
	if ((int)*len < 0)
		return -EINVAL;
	memcpy(sa, &a, min(*len, alen));
	*len = alen;
	return 0;
}

/* ---- listen ------------------------------------------------------------------------ */

/* The driver may adopt it before we return: what it is must be said first. */
static int hand_over(struct sock *sk, int fd, enum sock_kind kind, enum conn_state state)
{
	enum conn_state before = sk->conn.state;
	int ret;

	sk->conn.state = state;
	atomic_store(&sk->kind, kind);
	ret = mirror_pair(sk, fd);
	if (ret < 0) {
		sk->conn.state = before;
		atomic_store(&sk->kind, SK_FRESH);
	} else {
		fresh_used();
	}
	return ret;
}

/* Now it needs a number, whatever IP_BIND_ADDRESS_NO_PORT says. */
static int bind_to_listen(struct sock *sk)
{
	union sock_addr name = sk->local;
	int ret = open_port(sk), no = 0;

	if (ret < 0)
		return ret;
	sys_setsockopt(sock_udp_fd(sk), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &no, sizeof(no));
	if (sk->family == AF_INET)	/* one that is shown was another connection's */
		name.in.sin_port = 0;
	else
		name.in6.sin6_port = 0;
	return sock_bind_locked(sk, &name.sa, sk->addr_len);
}

/* The driver could not take it. */
static bool no_more_files(void)
{
	return rt_running() && unlikely(atomic_load(&drv.shm->few_files));
}

static bool undriven(const struct sock_ref *r)
{
	return atomic_load(&r->sk->kind) == SK_FRESH && unlikely(driven_no_more());
}

static int listen_locked(struct sock *sk, int fd, int backlog)
{
	u32 most = SOMAXCONN_DEFAULT;
	int ret, plain = -1;

	atomic_store(&sk->backlog_max, backlog < 0 ? most : min((u32)backlog, most));
	if (atomic_load(&sk->kind) == SK_LISTENER)
		return 0;
	if (atomic_load(&sk->kind) != SK_FRESH)
		return -EINVAL;
	if (!sk->bound) {
		ret = bind_to_listen(sk);
		if (ret < 0)
			return ret;
	}
	if (match_plain(&rt_env()->match, &sk->local.sa) || atomic_load(&sk->way) == WAY_GIVEN)
		return SOCK_PLAIN;
	if (no_more_files())
		return rt_env()->both ? SOCK_PLAIN : -EMFILE;
	for (unsigned i = 0; i < sizeof(sk->key.key); i += 8) {
		u64 v = rt_random();

		memcpy(sk->key.key + i, &v, 8);
	}
	ret = rt_start();
	if (ret < 0)
		return ret == -ENOMEM ? -ENOBUFS : ret;
	if (rt_env()->both) {
		plain = both_make(sk);
		if (plain < 0 && plain != -ENOENT)
			return plain;
	}
	if (!sk->reuseport)
		ret = port_open(sk);
	if (!ret)
		ret = hand_over(sk, fd, SK_LISTENER, CONN_LISTEN);
	if (!ret)
		plain_tell(sk, &sk->local, false);
	if (!ret && plain >= 0)
		both_pass(sk, plain);
	else if (plain >= 0)
		sys_close(plain);
	return ret;
}

int sock_listen(struct sock_ref *r, int fd, int backlog)
{
	int ret;

	if (undriven(r))
		return SOCK_AGAIN;
	ret = sock_lock(r);
	if (ret < 0)
		return ret;
	ret = listen_locked(r->sk, fd, backlog);
	pthread_mutex_unlock(&r->sk->lock);
	return ret;
}

void listen_inherit(const struct sock *lsk, struct sock *sk)
{
	sk->conn.opts = lsk->conn.opts;
	sk->conn.mem.lock_bits = lsk->conn.mem.lock_bits;
	sk->conn.mem.sndbuf = lsk->conn.mem.sndbuf;
	sk->conn.mem.rcvbuf = lsk->conn.mem.rcvbuf;
	sk->rcvtimeo_us = lsk->rcvtimeo_us;
	sk->sndtimeo_us = lsk->sndtimeo_us;
	sk->reuseaddr = lsk->reuseaddr;
	sk->reuseport = lsk->reuseport;
	sockopt_inherit(lsk, sk);
}

/* ---- connect --------------------------------------------------------------------------- */

static int start_connect(struct sock *sk, int fd, const struct sockaddr *sa, socklen_t len)
{
	usec_t now = rt_now();
	int ret;

	sk->conn.err = 0;	/* of a connection before */
	ret = check_addr(sk, sa, len);
	if (!ret)
		ret = no_more_files() ? -EMFILE : rt_start();
	if (!ret)
		ret = open_port(sk);
	if (ret < 0)
		return ret == -ENOMEM ? -ENOBUFS : ret;
	if (sk->bound && !sk->reuseport)
		ret = port_open(sk);
	if (ret < 0)
		return ret;
	memcpy(&sk->peer, sa, min(len, sk->addr_len));
	ret = port_connect(sk);
	if (ret < 0)
		return ret;
	/* The kernel has chosen our name, and for 0.0.0.0 the peer's. */
	read_local_name(sk);
	if (sk->family != AF_INET || addr_is_any(&sk->peer))
		sys_call6(SYS_getpeername, sock_udp_fd(sk), (long)&sk->peer,
			  (long)&(socklen_t){ sizeof(sk->peer) }, 0, 0, 0);
	else
		memset(sk->peer.in.sin_zero, 0, sizeof(sk->peer.in.sin_zero));
	sk->bound = sk->port.connected = true;
	sk->port.wildcard = false;
	sk->conn.rcv_credit = sk->port.capacity;
	conn_set_dgram_max(&sk->conn, udp_fd_dgram(sock_udp_fd(sk), &sk->peer));
	sk->conn.dest = path_key(&sk->peer);
	ret = conn_connect(&sk->conn, now);
	sk->try_plain = rt_env()->fallback ? TRY_MAY : TRY_NO;
	if (!ret && sk->try_plain)
		conn_race(&sk->conn);
	sk->unreadable = sk->plain_refused = false;
	if (!ret)
		ret = hand_over(sk, fd, SK_CONN, sk->conn.state);
	if (ret < 0)
		return ret;
	return 0;
}

/* The driver has been asked to show it; who polls right after the call must
 * find it there. */
static void wait_shown(int fd, short what)
{
	struct pollfd p = { .fd = fd, .events = what };
	struct timespec limit = { .tv_nsec = 100000000 };

	sys_call6(SYS_ppoll, (long)&p, 1, (long)&limit, 0, 0, 0);
}

/* The error is the program's now; the sock stays closed. */
static int take_error(struct sock *sk)
{
	int err = sk->conn.err;

	sk->conn.err = 0;
	return err ? -err : -ECONNABORTED;
}

static int connect_result(struct sock_ref *r, int fd)
{
	struct sock *sk = r->sk;
	bool plugged;
	usec_t until = sk->sndtimeo_us ? rt_now() + sk->sndtimeo_us : USEC_NEVER;
	int ret;

	while (sk->conn.state == CONN_SYN_SENT) {
		ret = sock_wait(r, fd, false, until);
		if (ret == -EAGAIN)
			return -EINPROGRESS;
		if (ret < 0)
			return ret;
	}
	if (atomic_load(&sk->kind) == SK_PLAIN)
		ret = SOCK_TAKE;
	else
		ret = sk->conn.err || sk->conn.state == CONN_CLOSED ? take_error(sk) : 0;
	if (!ret)
		sk->connect_started = false;
	plugged = sk->m.plugged;
	sock_unlock(sk, fd);
	if (!ret && plugged)
		wait_shown(fd, POLLOUT);
	return ret;
}

static bool needs_reset(enum conn_state st)
{
	return st == CONN_SYN_SENT || st == CONN_ESTABLISHED || st == CONN_CLOSE_WAIT ||
	       st == CONN_FIN_WAIT1 || st == CONN_FIN_WAIT2;
}

/* connect() to AF_UNSPEC. Unlocks; 1: what is left is to be renewed. */
static int disconnect(struct sock *sk, int fd)
{
	if (atomic_load(&sk->kind) != SK_LISTENER)
		conn_abort(&sk->conn, needs_reset(sk->conn.state) ? ECONNRESET : 0, rt_now());
	sock_unlock(sk, fd);
	return 1;
}

/* connect() of what a program has connected, or tries to. As in the kernel,
 * who did not wait for the first one learns its end from the next. */
static int connect_again(struct sock *sk)
{
	if (atomic_load(&sk->kind) == SK_LISTENER)
		return -EISCONN;
	if (sk->conn.state == CONN_SYN_SENT)
		return -EALREADY;
	if (!sk->connect_started)
		return -EISCONN;
	if (atomic_load(&sk->kind) == SK_PLAIN)		/* since the call began */
		return SOCK_TAKE;
	if (sk->conn.state == CONN_CLOSED)
		return take_error(sk);
	sk->connect_started = false;
	return 0;
}

static bool plain_peer(const struct sock *sk, const struct sockaddr *sa, socklen_t len)
{
	if (check_addr(sk, sa, len))
		return false;
	return match_plain(&rt_env()->match, sa) || atomic_load(&sk->way) == WAY_GIVEN ||
	       (rt_env()->fallback && (plain_known(sk, sa, rt_now()) || no_more_files()));
}

int sock_connect(struct sock_ref *r, int fd, const struct sockaddr *sa, socklen_t len, int flags)
{
	struct sock *sk = r->sk;
	bool wait = !(flags & MSG_DONTWAIT) && !atomic_load(&sk->nonblock), plugged;
	int ret;

	if (undriven(r))
		return SOCK_AGAIN;
	ret = sock_lock(r);
	if (ret < 0)
		return ret;
	if (len < sizeof(sa->sa_family)) {
		sock_unlock(sk, fd);
		return -EINVAL;
	}
	if (atomic_load(&sk->kind) == SK_FRESH) {
		if (sa->sa_family == AF_UNSPEC)
			ret = 0;
		else if (plain_peer(sk, sa, len))
			ret = SOCK_PLAIN;
		else
			ret = start_connect(sk, fd, sa, len);
		if (ret || sa->sa_family == AF_UNSPEC) {
			pthread_mutex_unlock(&sk->lock);
			return ret;
		}
		sk->connect_started = true;
		if (!wait) {
			sock_unlock(sk, fd);
			return -EINPROGRESS;
		}
		return connect_result(r, fd);
	}
	if (sa->sa_family == AF_UNSPEC)
		return disconnect(sk, fd);
	if (atomic_load(&sk->kind) != SK_LISTENER && sk->conn.state == CONN_SYN_SENT && wait)
		return connect_result(r, fd);
	ret = connect_again(sk);
	plugged = sk->m.plugged;
	sock_unlock(sk, fd);
	if (!ret && plugged)
		wait_shown(fd, POLLOUT);
	return ret;
}

/* Of this process's descriptors of it. Unlocks. */
static void one_less(struct sock *sk, usec_t *linger)
{
	struct local *l = local_get(sk->index);
	bool last;

	/* Here and now: the program may bind the number again at once. */
	if (atomic_load(&sk->kind) == SK_LISTENER && drv.pid == getpid() && l &&
	    atomic_load(&l->refs) == 1)
		port_release(sock_udp_fd(sk));
	last = local_unref(sk);
	if (linger)
		*linger = last ? linger_until(sk) : 0;
	if (last && atomic_load(&sk->kind) == SK_FRESH)
		fresh_closed(sk);
	else
		pthread_mutex_unlock(&sk->lock);
}

void sock_undup(struct sock_ref *r, usec_t *linger)
{
	struct driver *was = rt_enter(r->sk);

	if (!sock_lock(r))
		one_less(r->sk, linger);
	rt_at = was;
}

void sock_linger(struct sock_ref *r, usec_t until)
{
	struct driver *was = rt_enter(r->sk);

	linger_wait(r, until);
	rt_at = was;
}

/* ---- end --------------------------------------------------------------------------------- */

int sock_shutdown(struct sock_ref *r, int fd, int how)
{
	bool shown;
	u32 kind;
	int ret;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	ret = sock_lock(r);
	if (ret < 0)
		return ret;
	if (atomic_load(&r->sk->kind) == SK_LISTENER) {
		pthread_mutex_unlock(&r->sk->lock);
		return how != SHUT_WR;
	}
	kind = atomic_load(&r->sk->kind);
	if (kind == SK_RELAY && r->sk->conn.state != CONN_CLOSED)
		ret = sys_shutdown(fd, how);	/* behind what was written: as the driver reads */
	else if (kind != SK_CONN)
		ret = -ENOTCONN;
	else
		ret = conn_shutdown(&r->sk->conn, how, rt_now());
	if (kind == SK_CONN && r->sk->conn.state != CONN_SYN_SENT)
		r->sk->connect_started = false;	/* the next connect() is told so */
	shown = r->sk->m.fin || r->sk->m.hup || r->sk->m.err;
	sock_unlock(r->sk, fd);
	if (!ret && how == SHUT_RD && !shown && kind == SK_CONN)
		wait_shown(fd, POLLRDHUP);
	return ret;
}

int sock_close(struct sock_ref *r, int fd)
{
	struct sock *sk = r->sk;
	struct driver *was = rt_enter(sk);
	usec_t linger = 0;
	int ret;

	if (!sock_lock(r))
		one_less(sk, &linger);
	ret = sys_close(fd);
	if (linger)
		linger_wait(r, linger);
	rt_at = was;
	return ret;
}

int sock_set_nonblock(struct sock_ref *r, bool on)
{
	atomic_store(&r->sk->nonblock, on);
	return 0;
}

void sock_edge_triggered(struct sock_ref *r)
{
	atomic_store(&r->sk->et, 1);
}
