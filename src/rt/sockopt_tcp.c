/* sockopt_tcp.c - the options of IPPROTO_TCP. */
#include "rt/sockopt.h"

enum { FIN_TIMEOUT_S = 60, FIN_TIMEOUT_MAX_S = 120, MSS_DEFAULT = 536, QUICKACKS_MAX = 16,
       DEFER_MAX_S = 8 };	/* the client repeats its first packet for 12 seconds at least */

/* A flag of the connection that its output looks at. */
static int set_and_push(struct sock *sk, bool *opt, const struct optset *s)
{
	*opt = s->i != 0;
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

/* A whole number of the connection within bounds, kept in units of scale. */
static int set_bounded(struct sock *sk, u32 *opt, const struct optset *s, s32 hi, u32 scale)
{
	if (s->i < 1 || s->i > hi)
		return -EINVAL;
	*opt = (u32)s->i * scale;
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

static int get_nodelay(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.nodelay);
}

static int set_nodelay(struct sock *sk, const struct optset *s)
{
	return set_and_push(sk, &sk->conn.opts.nodelay, s);
}

static int get_cork(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.cork);
}

static int set_cork(struct sock *sk, const struct optset *s)
{
	return set_and_push(sk, &sk->conn.opts.cork, s);
}

static int get_maxseg(struct sock *sk, int fd, struct optval *v)
{
	const struct conn *c = &sk->conn;

	(void)fd;
	if (!opt_is_idle(sk))
		return opt_put(v, (s32)c->mss);
	return opt_put(v, c->opts.maxseg ? (s32)c->opts.maxseg : MSS_DEFAULT);
}

static int set_maxseg(struct sock *sk, const struct optset *s)
{
	if (s->i && (s->i < 88 || s->i > 32767))	/* TCP_MIN_MSS, MAX_TCP_WINDOW */
		return -EINVAL;
	sk->conn.opts.maxseg = (u32)s->i;
	return 0;
}

static int get_keepidle(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)(sk->conn.opts.keepidle_us / USEC_PER_SEC));
}

static int get_keepintvl(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)(sk->conn.opts.keepintvl_us / USEC_PER_SEC));
}

/* Microseconds in 32 bits end at 71 minutes, the kernel's seconds at 9 hours:
 * longer than that, nobody waits for a probe. */
static int set_seconds(struct sock *sk, u32 *opt, const struct optset *s)
{
	struct optset cut = *s;

	if (s->i < 1 || s->i > 32767)
		return -EINVAL;
	cut.i = min(s->i, (s32)(UINT32_MAX / USEC_PER_SEC));
	return set_bounded(sk, opt, &cut, cut.i, USEC_PER_SEC);
}

static int set_keepidle(struct sock *sk, const struct optset *s)
{
	return set_seconds(sk, &sk->conn.opts.keepidle_us, s);
}

static int set_keepintvl(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.keep_chosen = true;
	return set_seconds(sk, &sk->conn.opts.keepintvl_us, s);
}

static int get_keepcnt(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.opts.keepcnt);
}

static int set_keepcnt(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.keep_chosen = true;
	return set_bounded(sk, &sk->conn.opts.keepcnt, s, 127, 1);
}

static int get_syncnt(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.syncnt ? (s32)sk->conn.opts.syncnt : SYN_RETRIES);
}

static int set_syncnt(struct sock *sk, const struct optset *s)
{
	return set_bounded(sk, &sk->conn.opts.syncnt, s, 127, 1);
}

static int get_linger2(struct sock *sk, int fd, struct optval *v)
{
	s32 l = sk->conn.opts.linger2_s;

	(void)fd;
	return opt_put(v, l ? l : FIN_TIMEOUT_S);
}

static int set_linger2(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.linger2_s = s->i < 0 ? -1 : min(s->i, (s32)FIN_TIMEOUT_MAX_S);
	return 0;
}

/* TCP_DEFER_ACCEPT is kept as a number of retransmissions, as in Linux, and
 * so comes back as the time that they take. */
static s32 retrans_to_secs(s32 retrans)
{
	s32 timeout = 1, secs = 0;

	while (retrans-- > 0) {
		secs += timeout;
		timeout = min(2 * timeout, (s32)(RTO_MAX_US / USEC_PER_SEC));
	}
	return secs;
}

static int get_defer(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, retrans_to_secs(opt_load(sk, SLOT_DEFER, 0)));
}

static int set_defer(struct sock *sk, const struct optset *s)
{
	s32 retrans = 0;

	while (retrans < 255 && retrans_to_secs(retrans) < s->i)
		retrans++;
	opt_store(sk, SLOT_DEFER, 0, retrans);
	return 0;
}

usec_t sockopt_defer_us(const struct sock *listener)
{
	s32 secs = retrans_to_secs(opt_load(listener, SLOT_DEFER, 0));

	return (usec_t)min(secs, (s32)DEFER_MAX_S) * USEC_PER_SEC;
}

static int get_clamp(struct sock *sk, int fd, struct optval *v)
{
	const struct conn *c = &sk->conn;

	(void)fd;
	if (opt_is_idle(sk))
		return opt_put(v, (s32)c->opts.window_clamp);
	return opt_put(v, (s32)c->window_clamp);
}

static int set_clamp(struct sock *sk, const struct optset *s)
{
	struct conn *c = &sk->conn;

	if (!s->i && !opt_is_idle(sk))
		return -EINVAL;
	c->opts.window_clamp = s->i ? (u32)max(s->i, SOCK_MIN_RCVBUF / 2) : 0;
	if (!opt_is_idle(sk)) {
		c->window_clamp = c->opts.window_clamp;
		c->rcv_ssthresh = min(c->rcv_ssthresh, max(c->window_clamp, c->rcv_wnd));
	}
	return 0;
}

static int get_info(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	v->len = sizeof(v->info);
	if (atomic_load(&sk->kind) == SK_LISTENER) {
		v->info.tcpi_state = CONN_LISTEN;
		v->info.tcpi_unacked = atomic_load(&sk->waiting) + sk->in_flight;
		v->info.tcpi_sacked = atomic_load(&sk->backlog_max);
		return 0;
	}
	conn_info(&sk->conn, &v->info, rt_now());
	if (v->info.tcpi_state == CONN_TIME_WAIT)	/* the kernel's socket has left it behind */
		v->info.tcpi_state = CONN_CLOSED;
	return 0;
}

static int get_quickack(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, !sk->conn.pingpong);
}

/* Not for good: the connection may leave the mode by itself later. */
static int set_quickack(struct sock *sk, const struct optset *s)
{
	sk->conn.pingpong = !s->i;
	sk->conn.quick_left = s->i ? QUICKACKS_MAX : 0;
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

static int get_congestion(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	strncpy(v->text, cc_by_id(sk->conn.opts.cc_id)->name, sizeof(v->text) - 1);
	v->len = sizeof(v->text);
	return 0;
}

static int set_congestion(struct sock *sk, const struct optset *s)
{
	struct conn *c = &sk->conn;
	char name[16] = "";
	int id;

	if (s->len < 1)
		return -EINVAL;
	memcpy(name, s->val, min(s->len, (socklen_t)sizeof(name) - 1));
	id = cc_find(name);
	if (id < 0)
		return id;
	c->opts.cc_id = (u8)id;
	conn_opts_changed(c, s->now);
	return 0;
}

static int get_user_timeout(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.opts.user_timeout_ms);
}

static int set_user_timeout(struct sock *sk, const struct optset *s)
{
	if (s->i < 0)
		return -EINVAL;
	sk->conn.opts.user_timeout_ms = (u32)s->i;
	return 0;
}

/* Opening with data is no shortcut here: the queue's length is kept, data of
 * the first packet is not. */
static int get_fastopen(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_FASTOPEN, 0));
}

static int set_fastopen(struct sock *sk, const struct optset *s)
{
	if (s->i < 0 || !opt_is_idle(sk))
		return -EINVAL;
	opt_store(sk, SLOT_FASTOPEN, 0, min(s->i, (s32)SOMAXCONN_DEFAULT));
	return 0;
}

/* As on TCP with a server that gives no cookie: connect() connects. */
static int get_fastopen_connect(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_flag(sk, FLAG_FASTOPEN_CONNECT));
}

static int set_fastopen_connect(struct sock *sk, const struct optset *s)
{
	if (s->i < 0 || s->i > 1 || !opt_is_idle(sk) || atomic_load(&sk->kind) == SK_LISTENER)
		return -EINVAL;
	opt_set_flag(sk, FLAG_FASTOPEN_CONNECT, s->i);
	return 0;
}

enum { FLAG_NO_COOKIE = 21 };

static int get_no_cookie(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_flag(sk, FLAG_NO_COOKIE));
}

static int set_no_cookie(struct sock *sk, const struct optset *s)
{
	if (s->i < 0 || s->i > 1 || !opt_is_idle(sk))
		return -EINVAL;
	opt_set_flag(sk, FLAG_NO_COOKIE, s->i);
	return 0;
}

/* Without effect since Linux 4.12. */
static int set_thin_dupack(struct sock *sk, const struct optset *s)
{
	(void)sk;
	return s->i < 0 || s->i > 1 ? -EINVAL : 0;
}

static int get_notsent(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.opts.notsent_lowat);
}

static int set_notsent(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.notsent_lowat = (u32)s->i;
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

static int set_ulp(struct sock *sk, const struct optset *s)
{
	(void)sk;
	return s->len ? -ENOENT : -EINVAL;
}

enum { TICKS_2_US = 4001 };	/* two of 4 ms, rounded up */

static const struct sockopt rows[] = {
	CODE(TCP_NODELAY, get_nodelay, set_nodelay),
	CODE(TCP_MAXSEG, get_maxseg, set_maxseg),
	CODE(TCP_CORK, get_cork, set_cork),
	CODE(TCP_KEEPIDLE, get_keepidle, set_keepidle),
	CODE(TCP_KEEPINTVL, get_keepintvl, set_keepintvl),
	CODE(TCP_KEEPCNT, get_keepcnt, set_keepcnt),
	CODE(TCP_SYNCNT, get_syncnt, set_syncnt),
	CODE(TCP_LINGER2, get_linger2, set_linger2),
	CODE(TCP_DEFER_ACCEPT, get_defer, set_defer),
	CODE(TCP_WINDOW_CLAMP, get_clamp, set_clamp),
	DATA(TCP_INFO, get_info, NULL),
	CODE(TCP_QUICKACK, get_quickack, set_quickack),
	DATA(TCP_CONGESTION, get_congestion, set_congestion),
	FAIL(TCP_MD5SIG, ENOPROTOOPT, EINVAL),
	BOOL(TCP_THIN_LINEAR_TIMEOUTS, 20),
	CODE(TCP_THIN_DUPACK, opt_get_zero, set_thin_dupack),
	CODE(TCP_USER_TIMEOUT, get_user_timeout, set_user_timeout),
	FIXED(TCP_REPAIR, 0, EPERM),
	FAIL(TCP_REPAIR_QUEUE, EINVAL, EPERM),
	FAIL(TCP_QUEUE_SEQ, EINVAL, EPERM),
	FAIL(TCP_REPAIR_OPTIONS, ENOPROTOOPT, EINVAL),
	CODE(TCP_FASTOPEN, get_fastopen, set_fastopen),
	FIXED(TCP_TIMESTAMP, 0, EPERM),
	CODE(TCP_NOTSENT_LOWAT, get_notsent, set_notsent),
	EMPTY(TCP_CC_INFO, ENOPROTOOPT),
	WORD(TCP_SAVE_SYN, SLOT_SAVE_SYN, 0, 2, 0),
	EMPTY(TCP_SAVED_SYN, ENOPROTOOPT),
	FAIL(TCP_REPAIR_WINDOW, EINVAL, EPERM),
	CODE(TCP_FASTOPEN_CONNECT, get_fastopen_connect, set_fastopen_connect),
	BOOL(TCP_INQ, FLAG_INQ),
	DATA(TCP_ULP, opt_get_nothing, set_ulp),
	FAIL(TCP_MD5SIG_EXT, ENOPROTOOPT, EINVAL),
	EMPTY(TCP_FASTOPEN_KEY, EINVAL),
	CODE(TCP_FASTOPEN_NO_COOKIE, get_no_cookie, set_no_cookie),
	FAIL(TCP_ZEROCOPY_RECEIVE, EINVAL, ENOPROTOOPT),
	FIXED(43 /* TCP_IS_MPTCP */, 0, ENOPROTOOPT),
	WORD(44 /* TCP_RTO_MAX_MS */, SLOT_RTO_MAX, 1000, 120000, 120000),
	WORD(45 /* TCP_RTO_MIN_US */, SLOT_RTO_MIN, TICKS_2_US, 200000, 200000),
	WORD(46 /* TCP_DELACK_MAX_US */, SLOT_DELACK_MAX, TICKS_2_US, 200000, 200000),
};

const struct sockopt_table sockopts_tcp = { rows, ARRAY_SIZE(rows) };
