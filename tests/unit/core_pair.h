/*
 * core_pair.h - two connections and a perfect wire between them: what one end
 * has to send reaches the other at once, unless a test drops it.
 */
#ifndef CHECK_CORE_PAIR_H
#define CHECK_CORE_PAIR_H

#include "core_rcv.h"

struct pair {
	struct domain *d;
	struct arena *ar;
	struct conn a, b;	/* client; listener's end, once it is there */
	bool b_open;
	struct listener_key key;
	struct flow_addr fa;
	usec_t now;
	bool (*drop)(const struct wire_hdr *h, bool from_a);
	unsigned refused;	/* packets that found nobody */
};

static inline void pair_conn(struct pair *p, struct conn *c, u32 owner, u64 id)
{
	struct conn_seed seed = { .id = id, .rng = id, .dgram_max = 1472 };

	mem_acct_init(&c->mem, p->ar, owner, 1);
	conn_init(c, &seed, p->now);
	c->rcv_credit = 1 << 20;
}

static inline void pair_init(struct pair *p, const struct mem_limits *l)
{
	memset(p, 0, sizeof(*p));
	p->now = USEC_PER_SEC;
	p->d = domain_private(l);
	ck_assert_int_eq(arena_create_private(&p->ar, p->d, 8192, 4, 8192), 0);
	pair_conn(p, &p->a, OWNER_SOCK0, 0xa11ce);
}

static inline void pair_fini(struct pair *p)
{
	conn_purge(&p->a);
	mem_acct_fini(&p->a.mem);
	if (p->b_open) {
		conn_purge(&p->b);
		mem_acct_fini(&p->b.mem);
	}
	ck_assert_int_eq(domain_allocated(p->d), 0);
	arena_destroy_private(p->ar);
	domain_detach(p->d);
}

/* One packet reaches c. */
static inline void pair_give(struct pair *p, struct conn *c, u8 *pkt, size_t len)
{
	struct rx_pkt r = { 0 };

	ck_assert(wire_decode(&r.h, pkt, len));
	r.payload = pkt + r.h.len;
	r.len = len - r.h.len;
	ck_assert(r.h.dst_id ? open_sum_ok(c, &r.h, pkt, len)
			     : open_reset_ok(c, &r.h, pkt, len));
	conn_input(c, &r, p->now);
	conn_input_end(c, p->now);
	conn_check(c);
}

/* A packet of a's reaches the listener's machine. */
static inline void pair_at_listener(struct pair *p, u8 *pkt, size_t len)
{
	u8 reply[WIRE_HDR_MAX];
	struct wire_hdr h;
	unsigned n;

	ck_assert(wire_decode(&h, pkt, len));
	if (p->b_open && h.dst_id == p->b.id && p->b.state != CONN_CLOSED) {
		pair_give(p, &p->b, pkt, len);
		return;
	}
	if (h.flags == WF_SYN) {
		ck_assert(wire_sum_ok(pkt, len, wire_seed(h.open.src_id, 0)));
		n = open_syn_reply(&p->key, &p->fa, &h, len, 1472, 65160, reply, p->now);
	} else if (!p->b_open && open_cookie_ok(&p->key, &p->fa, &h, pkt, len, p->now)) {
		pair_conn(p, &p->b, OWNER_SOCK0 + 1, h.dst_id);
		open_passive(&p->b, &h, p->now);
		p->b_open = true;
		pair_give(p, &p->b, pkt, len);
		return;
	} else {
		p->refused++;
		n = open_reset_reply(&h, len, reply, p->now);
	}
	ck_assert_uint_le(n, len);
	if (n)
		pair_give(p, &p->a, reply, n);
}

static inline bool pair_send_one(struct pair *p, struct conn *c)
{
	static struct tx_batch t;
	static u8 pkt[65536];
	bool from_a = c == &p->a;
	size_t len = 0;
	struct wire_hdr h;

	if (!conn_output(c, &t, 1472, p->now))	/* one datagram at a time */
		return false;
	for (int i = 0; i < t.niov; i++) {
		memcpy(pkt + len, t.iov[i].iov_base, t.iov[i].iov_len);
		len += t.iov[i].iov_len;
	}
	conn_sent(c, &t, p->now);
	conn_check(c);
	ck_assert(wire_decode(&h, pkt, len));
	if (p->drop && p->drop(&h, from_a))
		return true;
	if (from_a)
		pair_at_listener(p, pkt, len);
	else if (p->a.state != CONN_CLOSED)
		pair_give(p, &p->a, pkt, len);
	return true;
}

/* Everything that can happen without time passing. */
static inline void pair_settle(struct pair *p)
{
	for (int i = 0; i < 10000; i++) {
		bool any = pair_send_one(p, &p->a);

		if (p->b_open)
			any |= pair_send_one(p, &p->b);
		if (!any)
			return;
	}
	ck_abort_msg("the pair never settles");
}

/* Lets time pass, timers included. */
static inline void pair_run(struct pair *p, usec_t us)
{
	usec_t end = p->now + us;

	for (;;) {
		usec_t next = conn_deadline(&p->a);

		pair_settle(p);
		next = conn_deadline(&p->a);
		if (p->b_open)
			next = min(next, conn_deadline(&p->b));
		if (next > end)
			break;
		p->now = max(p->now, next);
		conn_timeout(&p->a, p->now);
		if (p->b_open)
			conn_timeout(&p->b, p->now);
	}
	p->now = end;
}

static inline void pair_connect(struct pair *p)
{
	ck_assert_int_eq(conn_connect(&p->a, p->now), 0);
	pair_settle(p);
	ck_assert(p->b_open);
	ck_assert_int_eq(p->a.state, CONN_ESTABLISHED);
	ck_assert_int_eq(p->b.state, CONN_ESTABLISHED);
}

static inline void pair_write(struct pair *p, struct conn *c, size_t n)
{
	u8 *buf = malloc(n);

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(c->write_seq + i);
	ck_assert_int_eq(conn_send(c, buf, n, false, p->now), n);
	free(buf);
}

static inline ssize_t pair_read(struct pair *p, struct conn *c, size_t n)
{
	u8 *buf = malloc(n);
	u64 from = c->copied_seq;
	ssize_t got = conn_recv(c, buf, n, 0, p->now);

	for (ssize_t i = 0; i < got; i++)
		if (buf[i] != pattern(from + i))
			ck_abort_msg("byte %llu is wrong", (unsigned long long)(from + i));
	free(buf);
	return got;
}

#endif
