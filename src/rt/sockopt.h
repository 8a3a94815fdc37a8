/*
 * sockopt.h - inside the options: how a row of the tables looks. Each level
 * has a table, made by trying every option on a TCP socket of Linux.
 *
 *   FLAG(name, bit)                   stored, 0 or not 0
 *   FLAG1(name, bit)                  the same, on by default
 *   BOOL(name, bit), BOOL1            stored, 0 or 1, else EINVAL
 *   WORD(name, slot, lo, hi, default) stored, else EINVAL
 *   FIXED(name, value, err)           reads as value; setting it: err (0: ignored)
 *   EMPTY(name, err)                  reads as nothing
 *   FAIL(name, get, set)              these errors (0: taken and ignored)
 *   CODE(name, get, set)              an int; NULL: ENOPROTOOPT
 *   DATA(name, get, set)              not an int: the setter checks the length
 *
 * What is stored does nothing but come back, which is all that most programs
 * see of it on the kernel, too. Options that would promise what does not happen
 * here (filters) fail as they do on a
 * kernel that lacks them: programs then do without.
 */
#ifndef RUDP_RT_SOCKOPT_H
#define RUDP_RT_SOCKOPT_H

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/time.h>
#include "rt/sock.h"

enum {				/* of sock.opt_values; the first hold the flags */
	SLOT_FLAGS, SLOT_PRIORITY = 3, SLOT_MARK, SLOT_BUSY_POLL, SLOT_CPU,
	SLOT_IFINDEX, SLOT_TIMESTAMPING, SLOT_PACING_LO, SLOT_PACING_HI,
	SLOT_TXREHASH, SLOT_DEFER, SLOT_FASTOPEN, SLOT_PORT_RANGE, SLOT_RTO_MAX,
	SLOT_RTO_MIN, SLOT_DELACK_MAX, SLOT_UNICAST_IF, SLOT_UNICAST_IF6, SLOT_SRC_PREF,
	SLOT_BYTES,		/* from here on a byte each, four a word */
	SLOT_SAVE_SYN = SLOT_BYTES, SLOT_TOS, SLOT_TTL, SLOT_PMTU4, SLOT_MINTTL, SLOT_HOPS,
	SLOT_PMTU6, SLOT_TCLASS, SLOT_MINHOPS, SLOT_STAMP, SLOT_COUNT
};

enum { STAMP_NONE, STAMP_US, STAMP_NS, STAMP_US_NEW, STAMP_NS_NEW };	/* SLOT_STAMP */

static_assert(SLOT_BYTES + (SLOT_COUNT - SLOT_BYTES + 3) / 4 <=
	      ARRAY_SIZE(((struct sock *)0)->opt_values), "the slots suffice");

enum {				/* those that more than a table's row knows */
	FLAG_DONTROUTE = 1, FLAG_FREEBIND = 30, FLAG_TRANSPARENT = 32, FLAG_NO_PORT = 35,
	FLAG_TRANSPARENT6 = 62, FLAG_FREEBIND6 = 64, FLAG_INQ, FLAG_FASTOPEN_CONNECT,
	FLAG_ZEROCOPY,
	FLAG_KEEPALIVE = 95,	/* what the program asked for */
};

enum { HOPS_DEFAULT = 64 };

/* What a getter fills in. */
struct optval {
	socklen_t len;		/* in: what the caller has room for */
	union {
		s32 i;
		u8 bytes[sizeof(struct tcp_info)];
		struct linger linger;
		struct timeval tv;
		struct ucred cred;
		union sock_addr addr;
		struct tcp_info info;
		u32 words[9];
		u64 u64;
		char text[16];
	};
};

/* What a setter is given; for an int option also its value. */
struct optset {
	const void *val;
	socklen_t len;
	s32 i;
	int fd;			/* the app end */
	usec_t now;
};

/* Called with the sock locked; 0 or -errno. fd: the app end. */
typedef int opt_get_fn(struct sock *sk, int fd, struct optval *v);
typedef int opt_set_fn(struct sock *sk, const struct optset *s);

enum opt_type { OPT_FLAG, OPT_BOOL, OPT_WORD, OPT_FIXED, OPT_FAIL, OPT_CODE, OPT_DATA };

struct sockopt {
	int16_t name;
	u8 type, slot;		/* slot or bit */
	int16_t get_err, set_err;
	s32 lo, hi, def;
	opt_get_fn *get;
	opt_set_fn *set;
};

#define FLAG(n, bit)	{ .name = n, .type = OPT_FLAG, .slot = bit }
#define FLAG1(n, bit)	{ .name = n, .type = OPT_FLAG, .slot = bit, .def = 1 }
#define BOOL(n, bit)	{ .name = n, .type = OPT_BOOL, .slot = bit }
#define BOOL1(n, bit)	{ .name = n, .type = OPT_BOOL, .slot = bit, .def = 1 }
#define WORD(n, s, l, h, d) \
	{ .name = n, .type = OPT_WORD, .slot = s, .lo = l, .hi = h, .def = d }
#define FIXED(n, v, err) \
	{ .name = n, .type = OPT_FIXED, .def = v, .set_err = err }
#define EMPTY(n, err) \
	{ .name = n, .type = OPT_FAIL, .get = opt_get_nothing, .set_err = err }
#define FAIL(n, gerr, serr) \
	{ .name = n, .type = OPT_FAIL, .get_err = gerr, .set_err = serr }
#define CODE(n, g, s)	{ .name = n, .type = OPT_CODE, .get = g, .set = s }
#define DATA(n, g, s)	{ .name = n, .type = OPT_DATA, .get = g, .set = s }

struct sockopt_table {
	const struct sockopt *rows;
	unsigned n;
};

extern const struct sockopt_table sockopts_socket, sockopts_tcp, sockopts_ip, sockopts_ipv6;

/* What is stored is the difference to the default, so that a fresh sock is all 0. */
static inline s32 opt_load(const struct sock *sk, unsigned slot, s32 def)
{
	if (slot >= SLOT_BYTES)
		return (u8)(((const u8 *)&sk->opt_values[SLOT_BYTES])[slot - SLOT_BYTES] + def);
	return (s32)((u32)sk->opt_values[slot] + (u32)def);
}

static inline void opt_store(struct sock *sk, unsigned slot, s32 def, s32 v)
{
	if (slot >= SLOT_BYTES)
		((u8 *)&sk->opt_values[SLOT_BYTES])[slot - SLOT_BYTES] = (u8)(v - def);
	else
		sk->opt_values[slot] = (s32)((u32)v - (u32)def);
}

static inline bool opt_flag(const struct sock *sk, unsigned bit)
{
	return (u32)sk->opt_values[SLOT_FLAGS + bit / 32] >> bit % 32 & 1;
}

static inline void opt_set_flag(struct sock *sk, unsigned bit, bool on)
{
	u32 word = (u32)sk->opt_values[SLOT_FLAGS + bit / 32];

	word = on ? word | 1u << bit % 32 : word & ~(1u << bit % 32);
	sk->opt_values[SLOT_FLAGS + bit / 32] = (s32)word;
}

static inline int opt_put(struct optval *v, s32 i)
{
	v->i = i;
	v->len = sizeof(v->i);
	return 0;
}

int opt_get_zero(struct sock *sk, int fd, struct optval *v);
int opt_get_nothing(struct sock *sk, int fd, struct optval *v);
int opt_set_nothing(struct sock *sk, const struct optset *s);
int opt_set_invalid(struct sock *sk, const struct optset *s);
bool opt_is_connected(const struct sock *sk);
bool opt_is_idle(const struct sock *sk);	/* neither connected nor connecting, or no more */

#endif
