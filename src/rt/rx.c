/*
 * rx.c - from received buffers to socks. The driver tries the sock's lock; if
 * somebody has it, the buffer is parked on the backlog (bounded by R4.6 and by
 * three quarters of the buffers) and run by that thread when it unlocks.
 *
 * Socks met in a receive batch are settled once, at its end: one
 * acknowledgement a batch.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "core/open.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

static usec_t rx_now;		/* rx_lock */

enum { PARKED_MANY = DRIVER_RXBUFS / 8, PARKED_MAX = DRIVER_RXBUFS * 3 / 4 };

void rx_give_back(struct rxbuf *rb)
{
	if (rb->unit)
		mem_free(arena_pool(drv.ar), rb->unit, RUN_UNITS_MAX, MEM_RCV);
	rb->unit = MEM_NONE;
}

void rx_release(struct rxbuf *rb)
{
	pool_lock();
	if (arena_pool(drv.ar)->pages > arena_pool_target(drv.ar))
		rx_give_back(rb);
	pthread_mutex_unlock(&drv.shm->pool_lock);
	atomic_store(&rb->busy, 0);
}

/* The sock took the first pages over; the rest goes back to the pool. */
static void pages_taken(struct rxbuf *rb, unsigned npages)
{
	if (npages < RUN_PAGES_MAX)
		mem_free(arena_pool(drv.ar), rb->unit + npages * PAGE_UNITS,
			 (RUN_PAGES_MAX - npages) * PAGE_UNITS, MEM_RCV);
	rb->unit = MEM_NONE;
}

void rx_one(struct sock *sk, struct rxbuf *rb, const u8 *pkt, u32 len, usec_t now)
{
	struct conn *c = &sk->conn;
	struct rx_pkt p = { .page = 0 };
	bool pool = false;

	if (!wire_decode(&p.h, pkt, len)) {
		domain_count(drv.dom, CNT_InErrs, 1);
		rt_log(RUDP_LOG_DEBUG, "drop", "why=malformed id=%016llx bytes=%u",
		       (unsigned long long)c->id, len);
		return;
	}
	if (!open_sum_ok(c, &p.h, pkt, len)) {
		domain_count(drv.dom, CNT_InCsumErrors, 1);
		rt_log(RUDP_LOG_DEBUG, "drop", "why=checksum id=%016llx bytes=%u",
		       (unsigned long long)c->id, len);
		return;
	}
	p.payload = pkt + p.h.len;
	p.len = len - p.h.len;
	if (rb && p.len >= PAGE_BYTES / 4 * 3) {
		p.page = rb->unit / PAGE_UNITS;
		p.npages = DIV_ROUND_UP(len, PAGE_BYTES);
		pool = true;
		pool_lock();
	}
	conn_input(c, &p, now);
	if (pool) {
		if (p.taken)
			pages_taken(rb, p.npages);
		pthread_mutex_unlock(&drv.shm->pool_lock);
	}
}

void rx_run(struct sock *sk, struct rxbuf *rb, usec_t now)
{
	const u8 *pkt = arena_unit_addr(drv.ar, rb->unit);
	u32 step = rb->gso ? rb->gso : rb->len;
	u32 kind = atomic_load(&sk->kind);

	if (kind != SK_CONN && kind != SK_RELAY)
		return;
	for (u32 off = 0; off < rb->len; off += step)
		rx_one(sk, rb->gso ? NULL : rb, pkt + off, min(step, rb->len - off), now);
}

/* ---- the batch ------------------------------------------------------------------- */

static void settle_touched(void)
{
	for (unsigned i = 0; i < drv.ntouched; i++) {
		struct sock *sk = rt_sock(drv.touched[i]);

		sk->touched = false;
		if (sock_note_trylock(sk, 0, PEND_INPUT_END))
			sock_unlock(sk, -1);
	}
	drv.ntouched = 0;
}

void rx_batch_begin(usec_t now)
{
	rx_now = now;
	if (rt_bypass)
		drv.now = now;
}

void rx_batch_end(void)
{
	settle_touched();
}

/* What one of those that send to the port may have in flight towards it. */
u32 port_credit(const struct port_watch *pw)
{
	u32 share = max(pw->senders, pw->senders_now);

	return rt_sock(pw->index)->port.capacity / max(share, 1u);
}

static void touch(struct port_watch *pw, struct sock *sk)
{
	if (sk->touched)
		return;
	if (drv.ntouched == ARRAY_SIZE(drv.touched))
		settle_touched();
	sk->touched = true;
	drv.touched[drv.ntouched++] = sk->index;
	if (sk->sender_tick != drv.ticks) {
		sk->sender_tick = drv.ticks;
		pw->senders_now++;
	}
	sk->conn.rcv_credit = port_credit(pw);
}

static void park(struct sock *sk, struct rxbuf *rb)
{
	struct rxbuf *head;
	unsigned parked = 0;

	for (unsigned i = 0; i < DRIVER_RXBUFS; i++)
		parked += atomic_load(&drv.shm->rx[i].busy);
	if (conn_backlog_full(&sk->conn, atomic_load(&sk->backlog_len)) ||
	    parked >= PARKED_MAX) {
		domain_count(drv.dom, CNT_TCPBacklogDrop, 1);
		rt_log(RUDP_LOG_DEBUG, "drop", "why=backlog id=%016llx bytes=%u",
		       (unsigned long long)sk->conn.id, rb->len);
		return;
	}
	if (rb->gso)		/* as one: the kernel has merged them */
		domain_count(drv.dom, CNT_TCPBacklogCoalesce, DIV_ROUND_UP(rb->len, rb->gso) - 1);
	atomic_store(&rb->parked, sk->index + 1);
	atomic_store(&rb->busy, 1);
	atomic_fetch_add(&sk->backlog_len, rb->len);
	head = atomic_load(&sk->backlog);
	do
		atomic_store(&rb->next, head);
	while (!atomic_compare_exchange_weak(&sk->backlog, &head, rb));
	/* The holder may have left meanwhile without seeing it. */
	if (sock_trylock(sk, 0))
		sock_unlock(sk, -1);
	else if (parked >= PARKED_MANY)		/* it may want this very processor */
		sys_call6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void for_sock(struct port_watch *pw, struct sock *sk, struct rxbuf *rb)
{
	if (sock_trylock(sk, 0)) {
		touch(pw, sk);
		rx_run(sk, rb, rx_now);
		plain_settle(sk, rx_now);	/* nobody is to see it refused who may be answered */
		if (!rt_bypass && !sk->peer_known && sk->conn.peer_id)
			driver_attention(sk);	/* its table; see life_meet_peer() */
		pthread_mutex_unlock(&sk->lock);
	} else {
		park(sk, rb);
	}
}

/* A close() that has returned refuses what comes after it, though its hang-up
 * may still be waiting for us behind these very packets. */
bool rx_listens(const struct sock *sk)
{
	struct pollfd p = { .fd = mirror_end(sk) };

	if (atomic_load(&sk->kind) != SK_LISTENER || sk->closing)
		return false;
	return p.fd < 0 ||
	       sys_call6(SYS_ppoll, (long)&p, 1, (long)&(struct timespec){ 0 }, 0, 0, 0) <= 0;
}

/* What was meant for others of the group before a connection's own socket was
 * connected. */
struct sock *rx_listener_of(struct sock *port_sk)
{
	struct sock *lsk = rt_sock(port_sk->listener ? port_sk->listener - 1 : 0);

	return lsk && port_is_same(lsk, port_sk) ? lsk : port_sk;
}

/* No connection of ours: a listener's business, an ended one's, or a reset's. */
static void for_nobody(struct sock *port_sk, const u8 *pkt, u32 len, const struct rx_meta *m)
{
	u8 reply[WIRE_HDR_MAX];
	struct sock *lsk;
	struct wire_hdr h;
	struct tw *tw;
	unsigned n;

	if (!wire_decode(&h, pkt, len)) {
		domain_count(drv.dom, CNT_InErrs, 1);
		return;
	}
	tw = twtab_find(drv.tw, h.dst_id);
	if (tw) {
		tw_input(port_sk, tw, pkt, len, m);
		return;
	}
	if (h.flags & WF_RST) {
		u32 index = h.dst_id ? 0 : idmap_get(drv.by_peer, h.seq);
		struct sock *sk = rt_sock(index);

		if (sk && sock_trylock(sk, 0)) {
			if (open_reset_ok(&sk->conn, &h, pkt, len))
				conn_reset(&sk->conn, drv.now);
			sock_unlock(sk, -1);
		}
		return;
	}
	lsk = rx_listener_of(port_sk);
	if (h.has_open && rx_listens(lsk)) {
		listen_input(lsk, pkt, len, m);
		return;
	}
	domain_count(drv.dom, CNT_InNoConn, 1);
	rt_log(RUDP_LOG_DEBUG, "drop", "why=no-connection id=%016llx bytes=%u",
	       (unsigned long long)h.dst_id, len);
	n = open_reset_reply(&h, len, reply, drv.now);
	if (n) {
		udp_reply(port_sk, reply, n, &m->from, &m->to);
		domain_count(drv.dom, CNT_OutRsts, 1);
	}
}

/* A buffer whose datagrams are all for one connection goes there whole. */
static bool one_flow(const u8 *pkt, const struct rxbuf *rb, u64 id)
{
	u64 other;
	u8 flags;

	for (u32 off = rb->gso; rb->gso && off < rb->len; off += rb->gso)
		if (!wire_peek(pkt + off, rb->len - off, &other, &flags) || other != id)
			return false;
	return true;
}

void rx_one_by_one(struct sock *port_sk, const u8 *pkt, u32 total, u32 step,
		   const struct rx_meta *m)
{
	for (u32 off = 0; off < total; off += step) {
		u32 len = min(step, total - off);
		struct sock *sk;
		u64 id;
		u8 flags;

		if (!wire_peek(pkt + off, len, &id, &flags)) {
			domain_count(drv.dom, CNT_InErrs, 1);
			continue;
		}
		sk = rt_sock(id ? idmap_get(drv.by_id, id) : 0);
		if (!sk) {
			for_nobody(port_sk, pkt + off, len, m);
		} else if (sock_trylock(sk, 0)) {
			rx_one(sk, NULL, pkt + off, len, rx_now);
			sock_note(sk, PEND_INPUT_END);
			sock_unlock(sk, -1);
		} else {
			domain_count(drv.dom, CNT_TCPBacklogDrop, 1);
		}
	}
}

/* Who answers a SYN with what we can't read is not one of ours: a name server,
 * say. Or it is somebody else, under its name: see plain.h. */
static void not_ours(struct port_watch *pw, struct sock *sk)
{
	if (!sk->port.connected || !sock_trylock(sk, 0))
		return;
	sk->unreadable |= sk->conn.state == CONN_SYN_SENT;
	touch(pw, sk);
	pthread_mutex_unlock(&sk->lock);
}

void rx_buffer(struct port_watch *pw, struct sock *port_sk, struct rxbuf *rb,
	       const struct rx_meta *m)
{
	const u8 *pkt = arena_unit_addr(drv.ar, rb->unit);
	struct sock *sk;
	u64 id;
	u8 flags;

	domain_count(drv.dom, CNT_InSegs, rb->gso ? DIV_ROUND_UP(rb->len, rb->gso) : 1);
	if (!wire_peek(pkt, rb->len, &id, &flags)) {
		domain_count(drv.dom, CNT_InErrs, 1);
		rt_log(RUDP_LOG_DEBUG, "drop", "why=malformed id=%016llx bytes=%u", 0ULL, rb->len);
		not_ours(pw, port_sk);
		return;
	}
	sk = rt_sock(id ? idmap_get(drv.by_id, id) : 0);
	if (sk && one_flow(pkt, rb, id))
		for_sock(pw, sk, rb);
	else if (rt_bypass)
		rx_one_by_one(port_sk, pkt, rb->len, rb->gso ? rb->gso : rb->len, m);
	else
		pump_put_aside(rb, pw->index, m);
}

/* A host and a port of one family, as it is connected to or was sent to. */
static bool same_name(const union sock_addr *a, const union sock_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
}

/* Is the error about something that this one sent, alone on its port? A number
 * may have been another socket's a moment ago. */
static bool sent_it(const struct sock *sk, const u8 *quoted, size_t len,
		    const union sock_addr *to)
{
	struct wire_hdr h;
	u64 id;
	u8 flags;

	if (!sk->port.connected)
		return false;
	if (wire_peek(quoted, len, &id, &flags) && id)
		return id == sk->conn.peer_id;
	if (wire_decode(&h, quoted, len) && h.has_open)
		return h.open.src_id == sk->conn.id;
	return same_name(to, &sk->peer);
}

/* An ICMP error names the packet that met it: its head, where quoted, our
 * peer's id, or in a SYN our own. Otherwise a port with one connection knows
 * whose it was. */
void rx_icmp(struct sock *port_sk, int err, const u8 *quoted, size_t len,
	     const union sock_addr *to)
{
	struct sock *sk = NULL;
	u64 id;
	u8 flags;

	if (wire_peek(quoted, len, &id, &flags) && id)
		sk = rt_sock(idmap_get(drv.by_peer, id));
	if (!sk && sent_it(port_sk, quoted, len, to))
		sk = port_sk;
	if (!sk || atomic_load(&sk->kind) != SK_CONN)
		return;
	sk->icmp_err = (u32)err;
	if (err == EMSGSIZE)
		return;		/* the route has learned; the next send finds out */
	if (sock_note_trylock(sk, 0, PEND_ICMP))
		sock_unlock(sk, -1);
}
