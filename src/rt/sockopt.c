/*
 * sockopt.c - getsockopt, setsockopt, ioctl. Ranges, lengths and errors are
 * the kernel's; what differs on purpose:
 *
 *   TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT read as what is in effect: our
 *   probes are on by default, with times of their own. SO_KEEPALIVE reads as
 *   what the program set.
 *   SO_RCVTIMEO and SO_SNDTIMEO are not rounded to the kernel's ticks.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include "rt/errq.h"
#include "rt/rt.h"
#include "rt/sockopt.h"
#include "rt/sys.h"

enum { ENOIOCTLCMD = 515 };

int opt_get_zero(struct sock *sk, int fd, struct optval *v)
{
	(void)sk, (void)fd;
	return opt_put(v, 0);
}

int opt_get_nothing(struct sock *sk, int fd, struct optval *v)
{
	(void)sk, (void)fd;
	v->len = 0;
	return 0;
}

int opt_set_nothing(struct sock *sk, const struct optset *s)
{
	(void)sk;
	return s->len ? -EINVAL : 0;
}

int opt_set_invalid(struct sock *sk, const struct optset *s)
{
	(void)sk, (void)s;
	return -EINVAL;
}

bool opt_is_connected(const struct sock *sk)
{
	enum conn_state st = sk->conn.state;

	return st != CONN_CLOSED && st != CONN_LISTEN && st != CONN_SYN_SENT;
}

bool opt_is_idle(const struct sock *sk)
{
	u32 kind = atomic_load(&sk->kind);
	enum conn_state st = sk->conn.state;

	return kind == SK_FRESH || kind == SK_LISTENER || st == CONN_CLOSED ||
	       st == CONN_TIME_WAIT;
}

/* ---- the tables ------------------------------------------------------------------ */

static const struct sockopt_table *table_of(const struct sock *sk, int level)
{
	switch (level) {
	case SOL_SOCKET: return &sockopts_socket;
	case IPPROTO_TCP: return &sockopts_tcp;
	case IPPROTO_IP: return &sockopts_ip;
	case IPPROTO_IPV6: return sk->family == AF_INET6 ? &sockopts_ipv6 : NULL;
	}
	return NULL;
}

static const struct sockopt *find(const struct sockopt_table *t, int name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->rows[i].name == name)
			return &t->rows[i];
	return NULL;
}

static int get_value(const struct sockopt *o, struct sock *sk, int fd, struct optval *v)
{
	switch ((enum opt_type)o->type) {
	case OPT_FLAG:
	case OPT_BOOL: return opt_put(v, opt_flag(sk, o->slot) != o->def);
	case OPT_WORD: return opt_put(v, opt_load(sk, o->slot, o->def));
	case OPT_FIXED: return opt_put(v, o->def);
	case OPT_FAIL:
	case OPT_CODE:
	case OPT_DATA: break;
	}
	if (o->get)
		return o->get(sk, fd, v);
	return o->get_err ? -o->get_err : -ENOPROTOOPT;
}

static int set_value(const struct sockopt *o, struct sock *sk, const struct optset *s)
{
	switch ((enum opt_type)o->type) {
	case OPT_BOOL:
		if (s->i < 0 || s->i > 1)
			return -EINVAL;
		/* fall through */
	case OPT_FLAG:
		opt_set_flag(sk, o->slot, (s->i != 0) != o->def);
		return 0;
	case OPT_WORD:
		if (s->i < o->lo || s->i > o->hi)
			return -EINVAL;
		opt_store(sk, o->slot, o->def, s->i);
		return 0;
	case OPT_FIXED:
	case OPT_FAIL: return -o->set_err;
	case OPT_CODE:
	case OPT_DATA: break;
	}
	return o->set ? o->set(sk, s) : -ENOPROTOOPT;
}

/* How much of a value fits a short buffer: IP's ints may be asked for as one
 * byte. */
static socklen_t copied_len(int level, const struct sockopt *o, const struct optval *v,
			    socklen_t room)
{
	if (level == IPPROTO_IP && o->type != OPT_DATA && v->len == sizeof(v->i) &&
	    room > 0 && room < sizeof(v->i) && v->i >= 0 && v->i <= 255)
		return 1;
	return min(v->len, room);
}

int sock_getsockopt(struct sock_ref *r, int fd, int level, int name, void *val, socklen_t *len)
{
	const struct sockopt_table *t = table_of(r->sk, level);
	const struct sockopt *o = t ? find(t, name) : NULL;
	struct optval v;
	socklen_t room;
	int ret;

	if (!t && r->sk->family == AF_INET)
		return -EOPNOTSUPP;
	if (!t)
		return -ENOPROTOOPT;
	if (!len)
		return -EFAULT;
	if ((int)*len < 0 && level != IPPROTO_IPV6)
		return -EINVAL;
	if (!o)
		return -ENOPROTOOPT;
	memset(&v, 0, sizeof(v));
	ret = sock_lock(r);
	if (ret)
		return ret;
	v.len = *len;
	ret = get_value(o, r->sk, fd, &v);
	sock_unlock(r->sk, fd);
	if (ret)
		return ret;
	room = copied_len(level, o, &v, *len);
	if (room && !val)
		return -EFAULT;
	*len = room;
	if (room)
		memcpy(val, v.bytes, room);
	return 0;
}

/* IP takes nothing for 0, and IPv6 does not; but for these. */
static bool strict4(int name)
{
	return name == IP_FREEBIND || name == IP_TRANSPARENT || name == IP_MINTTL ||
	       name == IP_MULTICAST_LOOP || name == IP_MULTICAST_ALL;
}

static bool lax6(const struct sockopt *o)
{
	return o->type == OPT_FAIL || o->name == IPV6_DONTFRAG ||
	       o->name == IPV6_AUTOFLOWLABEL || o->name == IPV6_RECVFRAGSIZE;
}

static bool long_enough(int level, const struct sockopt *o, socklen_t len)
{
	switch (level) {
	case IPPROTO_IP: return len || !strict4(o->name);
	case IPPROTO_IPV6: return len >= sizeof(s32) || lax6(o);
	}
	return len >= sizeof(s32);
}

/* An int of the levels that insist on one; IP takes a byte, too, and IPv6 nothing
 * at all for 0. An unknown one is an error before its value, or after it. */
static int parse_int(int level, const struct sockopt *o, struct optset *s)
{
	bool strict = level == SOL_SOCKET || level == IPPROTO_TCP;
	bool data = o && o->type == OPT_DATA && o->set;

	if (level == SOL_SOCKET && s->len < sizeof(s->i) && !(o && o->name == SO_BINDTODEVICE))
		return -EINVAL;
	if (!strict && (!o || (o->type == OPT_CODE && !o->set)))
		return -ENOPROTOOPT;
	if (level == IPPROTO_IP && o->type == OPT_FAIL)
		return 0;
	if (!data && !long_enough(level, o, s->len))
		return -EINVAL;
	if (!s->val && s->len && (data || level != IPPROTO_IPV6))
		return -EFAULT;
	if (data || !s->val || !s->len)
		return 0;
	if (s->len >= sizeof(s->i))
		memcpy(&s->i, s->val, sizeof(s->i));
	else if (level == IPPROTO_IP)
		s->i = *(const u8 *)s->val;
	return 0;
}

int sock_setsockopt(struct sock_ref *r, int fd, int level, int name, const void *val,
		    socklen_t len)
{
	const struct sockopt_table *t = table_of(r->sk, level);
	const struct sockopt *o = t ? find(t, name) : NULL;
	struct optset s = { .val = val, .len = len, .fd = fd, .now = rt_now() };
	int ret;

	if ((int)len < 0)
		return -EINVAL;
	ret = t ? parse_int(level, o, &s) : -ENOPROTOOPT;
	if (ret || !o)
		return ret ? ret : -ENOPROTOOPT;
	ret = sock_lock(r);
	if (ret)
		return ret;
	ret = set_value(o, r->sk, &s);
	if (!ret && level == SOL_SOCKET && name == SO_ZEROCOPY)
		errq_allowed();
	if (!ret && level != IPPROTO_TCP)
		port_option_changed(r->sk, level, name);
	sock_unlock(r->sk, fd);
	return ret;
}

/* An accepted socket has them all from its listener, but for the priority. */
void sockopt_inherit(const struct sock *listener, struct sock *sk)
{
	memcpy(sk->opt_values, listener->opt_values, sizeof(sk->opt_values));
	opt_store(sk, SLOT_PRIORITY, 0, 0);
}

/* ---- ioctl ------------------------------------------------------------------------- */

/* What is asked and set of interfaces and routes is so by any socket of the family. */
static int ask_inet(const struct sock *sk, unsigned long req, void *arg)
{
	int fd = sys_socket(sk->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long ret;

	if (fd < 0)
		return fd;
	ret = sys_call6(SYS_ioctl, fd, (long)req, (long)arg, 0, 0, 0);
	sys_close(fd);
	return (int)ret;
}

static int queue_bytes(struct sock_ref *r, int fd, unsigned long req, int *out)
{
	struct conn *c = &r->sk->conn;
	int ret = sock_lock(r);
	u64 n = 0;

	if (ret)
		return ret;
	if (atomic_load(&r->sk->kind) == SK_LISTENER)
		ret = -EINVAL;
	else if (opt_is_connected(r->sk) || c->state == CONN_CLOSED)
		n = req == SIOCINQ ? conn_unread(c) :
		    req == SIOCOUTQ ? conn_outq(c) : conn_notsent(c);
	sock_unlock(r->sk, fd);
	if (!ret)
		*out = (int)min(n, (u64)INT32_MAX);
	return ret;
}

static int at_mark(struct sock_ref *r, int fd, int *out)
{
	int ret = sock_lock(r);

	if (ret)
		return ret;
	*out = conn_at_mark(&r->sk->conn);
	sock_unlock(r->sk, fd);
	return 0;
}

int sock_ioctl(struct sock_ref *r, int fd, unsigned long req, void *arg)
{
	switch (req) {
	case SIOCINQ:
	case SIOCOUTQ:
		if (atomic_load(&r->sk->kind) == SK_RELAY)
			return -ENOIOCTLCMD;
		/* fall through */
	case SIOCOUTQNSD:
		return arg ? queue_bytes(r, fd, req, arg) : -EFAULT;
	case SIOCATMARK:
		return at_mark(r, fd, arg);
	case SIOCGSTAMP_OLD:
	case SIOCGSTAMPNS_OLD:
		return -ENOENT;
	case SIOCPROTOPRIVATE:		/* a mirror's own: SIOCUNIXFILE */
		return -ENOTTY;
	case SIOCGIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFDSTADDR:
	case SIOCGIFPFLAGS:
	case SIOCSIFADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFDSTADDR:
	case SIOCSIFPFLAGS:
	case SIOCSIFFLAGS:
	case SIOCDIFADDR:
	case SIOCGARP:
	case SIOCSARP:
	case SIOCDARP:
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCRTMSG:
		return ask_inet(r->sk, req, arg);
	}
	return -ENOIOCTLCMD;
}
