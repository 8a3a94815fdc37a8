/* sockopt_socket.c - the options of SOL_SOCKET. */
#include <net/if.h>
#include <unistd.h>
#include "rt/rt.h"
#include "rt/sockopt.h"
#include "rt/sys.h"

static int get_reuseaddr(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->reuseaddr);
}

static int set_reuseaddr(struct sock *sk, const struct optset *s)
{
	sk->reuseaddr = s->i != 0;
	return 0;
}

static int get_reuseport(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->reuseport);
}

static int set_reuseport(struct sock *sk, const struct optset *s)
{
	sk->reuseport = s->i != 0;
	return 0;
}

static int get_type(struct sock *sk, int fd, struct optval *v)
{
	(void)sk, (void)fd;
	return opt_put(v, SOCK_STREAM);
}

static int get_domain(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->family);
}

static int get_acceptconn(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, atomic_load(&sk->kind) == SK_LISTENER);
}

static int get_error(struct sock *sk, int fd, struct optval *v)
{
	struct conn *c = &sk->conn;
	int err, err_shown;
	socklen_t len = sizeof(err_shown);

	driven_look(sk, fd);
	err = c->err ? c->err : c->err_soft;
	if (c->err)
		c->err = 0;
	else
		c->err_soft = 0;
	if (sk->m.err)		/* ERR goes, HUP stays */
		sys_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err_shown, &len);
	return opt_put(v, err);
}

static int get_sndbuf(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.mem.sndbuf);
}

static int get_rcvbuf(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.mem.rcvbuf);
}

static int set_sndbuf(struct sock *sk, const struct optset *s)
{
	conn_set_sndbuf(&sk->conn, (u32)s->i, s->now);
	return 0;
}

static int set_rcvbuf(struct sock *sk, const struct optset *s)
{
	conn_set_rcvbuf(&sk->conn, (u32)s->i);
	return 0;
}

static bool has_net_admin(void)
{
	struct { u32 version; int pid; } hdr = { 0x20080522, 0 };
	struct { u32 effective, permitted, inheritable; } caps[2] = { { 0 } };

	return sys_call6(SYS_capget, (long)&hdr, (long)caps, 0, 0, 0, 0) == 0 &&
	       (caps[0].effective >> 12 & 1);
}

/* The privileged twins skip wmem_max and rmem_max. */
static u32 forced(s32 val, u32 floor)
{
	u32 v = val < 0 ? 0 : min((u32)val, (u32)INT32_MAX / 2);

	return max(2 * v, floor);
}

static int set_sndbufforce(struct sock *sk, const struct optset *s)
{
	if (!has_net_admin())
		return -EPERM;
	conn_set_sndbuf(&sk->conn, (u32)s->i, s->now);
	sk->conn.mem.sndbuf = forced(s->i, SOCK_MIN_SNDBUF);
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

static int set_rcvbufforce(struct sock *sk, const struct optset *s)
{
	if (!has_net_admin())
		return -EPERM;
	conn_set_rcvbuf(&sk->conn, (u32)s->i);
	sk->conn.mem.rcvbuf = forced(s->i, SOCK_MIN_RCVBUF);
	return 0;
}

static int get_keepalive(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_flag(sk, FLAG_KEEPALIVE));
}

static int set_keepalive(struct sock *sk, const struct optset *s)
{
	opt_set_flag(sk, FLAG_KEEPALIVE, s->i != 0);
	sk->conn.opts.keepalive = s->i != 0;
	conn_opts_changed(&sk->conn, s->now);
	return 0;
}

static int get_oobinline(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.oobinline);
}

static int set_oobinline(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.oobinline = s->i != 0;
	return 0;
}

static int get_linger(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	v->linger.l_onoff = sk->conn.opts.shut_linger;
	v->linger.l_linger = (int)sk->conn.opts.linger_s;
	v->len = sizeof(v->linger);
	return 0;
}

static int set_linger(struct sock *sk, const struct optset *s)
{
	struct linger l;

	if (s->len < sizeof(l))
		return -EINVAL;
	memcpy(&l, s->val, sizeof(l));
	sk->conn.opts.shut_linger = l.l_onoff != 0;
	if (l.l_onoff)
		sk->conn.opts.linger_s = (u32)l.l_linger;
	return 0;
}

static int get_peercred(struct sock *sk, int fd, struct optval *v)
{
	(void)sk, (void)fd;
	v->cred = (struct ucred){ .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	v->len = sizeof(v->cred);
	return 0;
}

static int get_rcvlowat(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.rcvlowat ? (s32)sk->conn.opts.rcvlowat : 1);
}

static int set_rcvlowat(struct sock *sk, const struct optset *s)
{
	conn_set_rcvlowat(&sk->conn, s->i);
	return 0;
}

static int get_peek_off(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.opts.peek_off);
}

static int set_peek_off(struct sock *sk, const struct optset *s)
{
	sk->conn.opts.peek_off = s->i;
	return 0;
}

static int put_timeo(struct optval *v, u64 us)
{
	v->tv.tv_sec = (time_t)(us / USEC_PER_SEC);
	v->tv.tv_usec = (suseconds_t)(us % USEC_PER_SEC);
	v->len = sizeof(v->tv);
	return 0;
}

static int set_timeo(u64 *us, const struct optset *s)
{
	struct timeval tv;

	if (s->len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, s->val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= (long)USEC_PER_SEC)
		return -EDOM;
	if (tv.tv_sec < 0)
		*us = 1;		/* does not wait */
	else if (tv.tv_sec >= INT32_MAX)
		*us = 0;
	else
		*us = (u64)tv.tv_sec * USEC_PER_SEC + (u64)tv.tv_usec;
	return 0;
}

static int get_rcvtimeo(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return put_timeo(v, sk->rcvtimeo_us);
}

/* The mirror has it, too: accept() waits there. */
static int set_rcvtimeo(struct sock *sk, const struct optset *s)
{
	int ret = set_timeo(&sk->rcvtimeo_us, s);

	if (!ret)
		sys_setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, s->val, s->len);
	return ret;
}

static int get_sndtimeo(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return put_timeo(v, sk->sndtimeo_us);
}

static int set_sndtimeo(struct sock *sk, const struct optset *s)
{
	int ret = set_timeo(&sk->sndtimeo_us, s);

	if (!ret && atomic_load(&sk->kind) == SK_RELAY)
		sys_setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, s->val, s->len);
	return ret;
}

static int get_device(struct sock *sk, int fd, struct optval *v)
{
	char name[IF_NAMESIZE] = "";
	s32 index = opt_load(sk, SLOT_IFINDEX, 0);

	(void)fd;
	if (index && v->len < sizeof(name))
		return -EINVAL;
	v->len = 0;
	if (!index)
		return 0;
	if (!if_indextoname((unsigned)index, name))
		return -ENODEV;
	v->len = (socklen_t)strlen(name) + 1;
	memcpy(v->bytes, name, v->len);
	return 0;
}

static int set_device(struct sock *sk, const struct optset *s)
{
	char name[IF_NAMESIZE] = "";
	unsigned index = 0;

	if (opt_load(sk, SLOT_IFINDEX, 0) && geteuid())
		return -EPERM;
	memcpy(name, s->val, min(s->len, (socklen_t)sizeof(name) - 1));
	if (name[0]) {
		index = if_nametoindex(name);
		if (!index)
			return -ENODEV;
	}
	opt_store(sk, SLOT_IFINDEX, 0, (s32)index);
	return 0;
}

static int get_peername(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	if (!opt_is_connected(sk))
		return -ENOTCONN;
	if (v->len > sk->addr_len)
		return -EINVAL;
	v->addr = sk->peer;
	v->len = sk->addr_len;
	return 0;
}

static int get_timestamping(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	v->words[0] = (u32)opt_load(sk, SLOT_TIMESTAMPING, 0);
	v->words[1] = 0;
	v->len = 8;
	return 0;
}

static int set_timestamping(struct sock *sk, const struct optset *s)
{
	s32 i;

	if (s->len < sizeof(i))
		return -EINVAL;
	memcpy(&i, s->val, sizeof(i));
	if (i & ~0x1ffff)
		return -EINVAL;
	opt_store(sk, SLOT_TIMESTAMPING, 0, i);
	return 0;
}

static int get_pacing(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	v->words[0] = (u32)opt_load(sk, SLOT_PACING_LO, -1);
	v->words[1] = (u32)opt_load(sk, SLOT_PACING_HI, -1);
	if (v->len < sizeof(v->u64) && v->words[1])
		v->words[0] = UINT32_MAX;
	v->len = v->len < sizeof(v->u64) ? sizeof(u32) : sizeof(v->u64);
	return 0;
}

static int set_pacing(struct sock *sk, const struct optset *s)
{
	s32 half[2];

	if (s->len < sizeof(half[0]))
		return -EINVAL;
	memcpy(half, s->val, min(s->len, (socklen_t)sizeof(half)));
	if (s->len < sizeof(half))	/* all ones of 32 bits: no limit, too */
		half[1] = half[0] == -1 ? -1 : 0;
	sk->conn.opts.max_pacing_rate = (u64)(u32)half[1] << 32 | (u32)half[0];
	opt_store(sk, SLOT_PACING_LO, -1, half[0]);
	opt_store(sk, SLOT_PACING_HI, -1, half[1]);
	return 0;
}

/* One of the four at a time, or none. */
static int stamp(struct sock *sk, s32 on, s32 which)
{
	opt_store(sk, SLOT_STAMP, 0, on ? which : STAMP_NONE);
	return 0;
}

#define STAMP_OPTION(name, which, also)						\
static int get_##name(struct sock *sk, int fd, struct optval *v)		\
{										\
	(void)fd;								\
	s32 is = opt_load(sk, SLOT_STAMP, 0);					\
										\
	return opt_put(v, is == (which) || is == (also));			\
}										\
										\
static int set_##name(struct sock *sk, const struct optset *s)			\
{										\
	return stamp(sk, s->i, which);						\
}
STAMP_OPTION(stamp_us, STAMP_US, STAMP_US)
STAMP_OPTION(stamp_ns, STAMP_NS, STAMP_NS)
STAMP_OPTION(stamp_us_new, STAMP_US_NEW, STAMP_NS_NEW)
STAMP_OPTION(stamp_ns_new, STAMP_NS_NEW, STAMP_NS_NEW)

static int get_meminfo(struct sock *sk, int fd, struct optval *v)
{
	const struct mem_acct *m = &sk->conn.mem;
	const u32 words[] = {
		(u32)m->rmem_alloc, m->rcvbuf, udp_below(sk), m->sndbuf, (u32)m->forward_alloc,
		(u32)m->wmem_queued, 0, atomic_load(&sk->backlog_len), sk->conn.drops,
	};

	(void)fd;
	static_assert(sizeof(words) == sizeof(v->words), "as the kernel's nine");
	memcpy(v->words, words, sizeof(words));
	v->len = sizeof(words);
	return 0;
}

/* The mirror's: unique among all sockets, the same in every process. */
static int get_from_mirror(int fd, int name, struct optval *v)
{
	if (v->len < sizeof(v->u64) || (name != SO_COOKIE && v->len > sizeof(v->u64)))
		return -EINVAL;
	v->len = sizeof(v->u64);
	return sys_getsockopt(fd, SOL_SOCKET, name, &v->u64, &v->len);
}

static int get_cookie(struct sock *sk, int fd, struct optval *v)
{
	(void)sk;
	return get_from_mirror(fd, SO_COOKIE, v);
}

static int get_netns_cookie(struct sock *sk, int fd, struct optval *v)
{
	(void)sk;
	return get_from_mirror(fd, 71, v);
}

static int get_buf_lock(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, sk->conn.mem.lock_bits & (SNDBUF_LOCK | RCVBUF_LOCK));
}

static int set_buf_lock(struct sock *sk, const struct optset *s)
{
	if (s->i & ~(SNDBUF_LOCK | RCVBUF_LOCK))
		return -EINVAL;
	sk->conn.mem.lock_bits = (u8)s->i;
	return 0;
}

static int get_reserve(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, (s32)sk->conn.mem.reserved);
}

static int set_reserve(struct sock *sk, const struct optset *s)
{
	if (s->i < 0 || s->i > 1 << 30)		/* R10.2 */
		return -EINVAL;
	return mem_reserve(&sk->conn.mem, (u32)s->i);
}

static int get_txrehash(struct sock *sk, int fd, struct optval *v)
{
	(void)fd;
	return opt_put(v, opt_load(sk, SLOT_TXREHASH, 1));
}

static int set_txrehash(struct sock *sk, const struct optset *s)
{
	if (s->i < -1 || s->i > 1)
		return -EINVAL;
	opt_store(sk, SLOT_TXREHASH, 1, s->i == -1 ? 1 : s->i);
	return 0;
}

static const struct sockopt rows[] = {
	FLAG(SO_DEBUG, 0),
	CODE(SO_REUSEADDR, get_reuseaddr, set_reuseaddr),
	CODE(SO_TYPE, get_type, NULL),
	CODE(SO_ERROR, get_error, NULL),
	FLAG(SO_DONTROUTE, FLAG_DONTROUTE),
	FLAG(SO_BROADCAST, 2),
	CODE(SO_SNDBUF, get_sndbuf, set_sndbuf),
	CODE(SO_RCVBUF, get_rcvbuf, set_rcvbuf),
	CODE(SO_SNDBUFFORCE, NULL, set_sndbufforce),
	CODE(SO_RCVBUFFORCE, NULL, set_rcvbufforce),
	CODE(SO_KEEPALIVE, get_keepalive, set_keepalive),
	CODE(SO_OOBINLINE, get_oobinline, set_oobinline),
	FLAG(SO_NO_CHECK, 4),
	WORD(SO_PRIORITY, SLOT_PRIORITY, INT32_MIN, INT32_MAX, 0),
	DATA(SO_LINGER, get_linger, set_linger),
	FIXED(SO_BSDCOMPAT, 0, 0),
	CODE(SO_REUSEPORT, get_reuseport, set_reuseport),
	FAIL(SO_PASSCRED, EOPNOTSUPP, EOPNOTSUPP),
	FAIL(SO_PASSSEC, EOPNOTSUPP, EOPNOTSUPP),
	FAIL(76 /* SO_PASSPIDFD */, EOPNOTSUPP, EOPNOTSUPP),
	FAIL(83 /* SO_PASSRIGHTS */, EOPNOTSUPP, EOPNOTSUPP),
	DATA(SO_PEERCRED, get_peercred, NULL),
	CODE(SO_RCVLOWAT, get_rcvlowat, set_rcvlowat),
	FIXED(SO_SNDLOWAT, 1, ENOPROTOOPT),
	DATA(SO_RCVTIMEO_OLD, get_rcvtimeo, set_rcvtimeo),
	DATA(SO_SNDTIMEO_OLD, get_sndtimeo, set_sndtimeo),
	DATA(SO_RCVTIMEO_NEW, get_rcvtimeo, set_rcvtimeo),
	DATA(SO_SNDTIMEO_NEW, get_sndtimeo, set_sndtimeo),
	DATA(SO_BINDTODEVICE, get_device, set_device),
	EMPTY(SO_GET_FILTER, EINVAL),
	FAIL(SO_DETACH_FILTER, ENOPROTOOPT, ENOENT),
	DATA(SO_PEERNAME, get_peername, NULL),
	CODE(SO_TIMESTAMP_OLD, get_stamp_us, set_stamp_us),
	CODE(SO_ACCEPTCONN, get_acceptconn, NULL),
	CODE(SO_TIMESTAMPNS_OLD, get_stamp_ns, set_stamp_ns),
	WORD(SO_MARK, SLOT_MARK, INT32_MIN, INT32_MAX, 0),
	DATA(SO_TIMESTAMPING_OLD, get_timestamping, set_timestamping),
	DATA(SO_TIMESTAMPING_NEW, get_timestamping, set_timestamping),
	FIXED(SO_PROTOCOL, IPPROTO_TCP, ENOPROTOOPT),
	CODE(SO_DOMAIN, get_domain, NULL),
	FLAG(SO_RXQ_OVFL, 7),
	FLAG(SO_WIFI_STATUS, 8),
	CODE(SO_PEEK_OFF, get_peek_off, set_peek_off),
	FLAG(SO_NOFCS, 9),
	FLAG(SO_LOCK_FILTER, 10),
	FLAG(SO_SELECT_ERR_QUEUE, 11),
	WORD(SO_BUSY_POLL, SLOT_BUSY_POLL, 0, INT32_MAX, 0),
	DATA(SO_MAX_PACING_RATE, get_pacing, set_pacing),
	FIXED(SO_BPF_EXTENSIONS, 64, ENOPROTOOPT),
	WORD(SO_INCOMING_CPU, SLOT_CPU, INT32_MIN, INT32_MAX, -1),
	FAIL(SO_ATTACH_BPF, ENOPROTOOPT, EINVAL),
	FAIL(SO_ATTACH_REUSEPORT_CBPF, ENOPROTOOPT, EINVAL),
	FAIL(SO_ATTACH_REUSEPORT_EBPF, ENOPROTOOPT, EINVAL),
	FAIL(SO_DETACH_REUSEPORT_BPF, ENOPROTOOPT, EINVAL),
	FAIL(SO_CNX_ADVICE, ENOPROTOOPT, 0),
	DATA(SO_MEMINFO, get_meminfo, NULL),
	FIXED(SO_INCOMING_NAPI_ID, 0, ENOPROTOOPT),
	DATA(SO_COOKIE, get_cookie, NULL),
	FAIL(SO_PEERGROUPS, ENODATA, ENOPROTOOPT),
	BOOL(SO_ZEROCOPY, FLAG_ZEROCOPY),
	WORD(SO_BINDTOIFINDEX, SLOT_IFINDEX, 0, INT32_MAX, 0),
	CODE(SO_TIMESTAMP_NEW, get_stamp_us_new, set_stamp_us_new),
	CODE(SO_TIMESTAMPNS_NEW, get_stamp_ns_new, set_stamp_ns_new),
	FLAG(69 /* SO_PREFER_BUSY_POLL */, 14),
	FAIL(70 /* SO_BUSY_POLL_BUDGET */, ENOPROTOOPT, 0),
	DATA(71 /* SO_NETNS_COOKIE */, get_netns_cookie, NULL),
	CODE(72 /* SO_BUF_LOCK */, get_buf_lock, set_buf_lock),
	CODE(73 /* SO_RESERVE_MEM */, get_reserve, set_reserve),
	CODE(74 /* SO_TXREHASH */, get_txrehash, set_txrehash),
	FLAG(75 /* SO_RCVMARK */, 15),
	FAIL(77 /* SO_PEERPIDFD */, ENODATA, ENOPROTOOPT),
	FLAG(82 /* SO_RCVPRIORITY */, 16),
};

const struct sockopt_table sockopts_socket = { rows, ARRAY_SIZE(rows) };
