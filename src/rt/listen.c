/*
 * listen.c - listeners: stateless answers to SYNs, connections made from
 * proven cookies, and the accept queue.
 *
 * The queue belongs to the driver. Up to ACCEPT_IN_FLIGHT connections lie in
 * the listener's mirror as SCM_RIGHTS messages, each with its app end, for
 * whichever process accepts first; the others wait here. accept() counts
 * `taken` and asks for more when somebody waits.
 */
#include <errno.h>
#include <string.h>
#include "rt/rt.h"
#include "rt/sys.h"

enum { WAITERS_MAX = 512 };	/* threads in accept() on one listener */

struct accept_msg {
	u32 index, gen;
};

static void flow_of(const union sock_addr *a, u8 out[16], u16 *port)
{
	memset(out, 0, 16);
	if (a->sa.sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &a->in.sin_addr, 4);
		*port = ntohs(a->in.sin_port);
	} else {
		memcpy(out, &a->in6.sin6_addr, 16);
		*port = ntohs(a->in6.sin6_port);
	}
}

/* Without its lock, and by whoever is not the driver: about. */
bool listen_crowded(const struct sock *lsk)
{
	u32 taken = atomic_load(&lsk->taken), out = lsk->in_flight;

	return atomic_load(&lsk->waiting) + out - min(taken, out) >
	       atomic_load(&lsk->backlog_max);
}

static bool queue_full(struct sock *lsk)
{
	u32 limit = atomic_load(&lsk->backlog_max);
	u32 taken = atomic_exchange(&lsk->taken, 0);

	lsk->in_flight -= min(taken, lsk->in_flight);
	return atomic_load(&lsk->waiting) + lsk->in_flight > limit;
}

static void enqueue(struct sock *lsk, struct sock *sk)
{
	struct sock *tail = rt_sock(lsk->accept_tail ? lsk->accept_tail - 1 : 0);

	sk->accept_next = 0;
	if (tail)
		tail->accept_next = sk->index + 1;
	else
		lsk->accept_head = sk->index + 1;
	lsk->accept_tail = sk->index + 1;
	atomic_fetch_add(&lsk->waiting, 1);
}

static void put_back(struct sock *lsk, struct sock *sk)
{
	sk->accept_next = lsk->accept_head;
	lsk->accept_head = sk->index + 1;
	if (!lsk->accept_tail)
		lsk->accept_tail = sk->index + 1;
	atomic_fetch_add(&lsk->waiting, 1);
}

static struct sock *dequeue(struct sock *lsk)
{
	struct sock *sk = rt_sock(lsk->accept_head ? lsk->accept_head - 1 : 0);

	if (!sk)
		return NULL;
	lsk->accept_head = sk->accept_next;
	if (!lsk->accept_head)
		lsk->accept_tail = 0;
	atomic_fetch_sub(&lsk->waiting, 1);
	return sk;
}

/* To whoever accepts: there is one, and no number for it. */
static void say_full(struct sock *lsk)
{
	struct accept_msg none = { 0, 0 };

	if (atomic_load(&lsk->shown))
		return;
	atomic_fetch_add(&lsk->shown, 1);
	if (sys_send(lsk->owner_fd, &none, sizeof(none), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		atomic_fetch_sub(&lsk->shown, 1);
}

/* A descriptor, to whoever accepts first. */
int listen_send(struct sock *lsk, int app, u32 index, u32 gen)
{
	struct accept_msg am = { index, gen };
	struct iovec iov = { &am, sizeof(am) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	int ret;

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &app, sizeof(app));
	atomic_fetch_add(&lsk->shown, 1);
	ret = (int)sys_sendmsg(lsk->owner_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ret < 0)
		atomic_fetch_sub(&lsk->shown, 1);
	return ret;
}

/* Lock held. */
static void nobody_takes(struct sock *lsk, struct sock *sk)
{
	lsk->in_flight--;
	mirror_drop(sk);
	sk->closing = true;
	conn_abort(&sk->conn, ECONNRESET, drv.now);
}

/* It stays the first. */
static void no_number(struct sock *lsk, struct sock *sk)
{
	lsk->in_flight--;
	put_back(lsk, sk);
	say_full(lsk);
	driver_starves();
}

/* Hands one out: a fresh mirror, its app end in a message. Who takes it locks it,
 * too: then it is the last copy, and a set forgets it when the program closes it.
 * False: there is no number for it now. */
static bool hand_out(struct sock *lsk, struct sock *sk)
{
	int app = mirror_make(sk);
	bool none = app == -EMFILE || app == -ENFILE;

	lsk->in_flight++;
	if (none)
		no_number(lsk, sk);
	else if (app < 0 || listen_send(lsk, app, sk->index, atomic_load(&sk->gen)) < 0)
		nobody_takes(lsk, sk);
	if (app >= 0)
		sys_close(app);
	sock_unlock(sk, -1);
	return !none;
}

void listen_end(struct sock *lsk)
{
	listen_close(lsk);
	port_release(lsk->port.drv_fd);
	if (drv.caretaker)
		port_split(lsk);
}

/* Those whose descriptors lie in the mirror. Who takes one out meanwhile has
 * accepted a connection that is reset. */
static void reset_handed_out(const struct sock *lsk)
{
	for (u32 i = 1; i < arena_slots_max(drv.ar); i++) {
		struct sock *sk = rt_sock(i);

		if (atomic_load(&sk->kind) == SK_CONN && sk->listener == lsk->index + 1 &&
		    !sk->accepted && sock_note_trylock(sk, atomic_load(&sk->gen), PEND_KILL))
			sock_unlock(sk, -1);
	}
}

/* Was reset from outside. Who waits in accept() takes as many bytes as a message
 * has; behind these the mirror shows the error, as that of a connection that
 * failed: that is what it is now, and can be made a listener again. */
static void become_failed(struct sock *lsk)
{
	static const char wake[WAITERS_MAX * sizeof(struct accept_msg)];

	listen_end(lsk);
	lsk->connect_started = true;
	atomic_store(&lsk->kind, SK_CONN);
	reset_handed_out(lsk);
	sys_send(lsk->owner_fd, wake, sizeof(wake), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* False: no more, for now. */
static bool refill_one(struct sock *lsk)
{
	struct sock *sk = dequeue(lsk);

	return sk && (!sock_lock_unaccepted(sk) || hand_out(lsk, sk));
}

void listen_refill(struct sock *lsk)
{
	if (lsk->closing || lsk->owner_fd < 0)
		return;
	if (lsk->conn.state == CONN_CLOSED) {
		become_failed(lsk);
		return;
	}
	queue_full(lsk);
	while (lsk->in_flight < ACCEPT_IN_FLIGHT && refill_one(lsk))
		;
	both_refill(lsk);
}

/* RFC 9293 3.10.4: what nobody will accept any more is aborted. Those in
 * flight hang up by themselves when the listener's queue goes. */
void listen_close(struct sock *lsk)
{
	struct sock *sk;

	both_stop(lsk);
	while ((sk = dequeue(lsk))) {
		if (!sock_lock_unaccepted(sk))
			continue;
		sk->closing = true;
		conn_abort(&sk->conn, ECONNRESET, drv.now);
		sock_unlock(sk, -1);
	}
}

bool listen_unaccepted(struct sock *sk)
{
	struct sock *lsk = rt_sock(sk->listener - 1);

	mirror_drop(sk);
	if (!lsk || atomic_load(&lsk->kind) != SK_LISTENER || lsk->closing) {
		sk->closing = true;
		conn_abort(&sk->conn, ECONNRESET, drv.now);
		return true;
	}
	/* Taken out of the message by a process that had no descriptor left. */
	lsk->in_flight -= lsk->in_flight ? 1 : 0;
	atomic_store(&sk->stale, 0);
	sk->hung_up = false;
	enqueue(lsk, sk);
	driver_attention(lsk);
	return true;
}

static struct sock *make_sock(struct sock *lsk, const struct wire_hdr *h,
			      const struct rx_meta *m)
{
	struct conn_seed seed = { .id = h->dst_id, .rng = rt_random(),
				  .cc_id = lsk->conn.opts.cc_id };
	struct sock *sk;
	u32 index, gen;

	sk = arena_slot_get(drv.ar, &index, &gen);
	if (!sk)
		return NULL;
	sock_init(sk, index, gen);
	if (!sock_trylock(sk, 0)) {	/* somebody with an old reference */
		mem_acct_fini(&sk->conn.mem);
		arena_slot_put(drv.ar, index);
		return NULL;
	}
	sk->family = lsk->family;
	sk->type = lsk->type;
	sk->protocol = lsk->protocol;
	sk->v6only = lsk->v6only;
	sk->local = m->to;
	sk->peer = m->from;
	sk->addr_len = m->from_len;
	sk->bound = true;
	sk->port_index = lsk->index;
	sk->listener = lsk->index + 1;
	seed.dgram_max = udp_known_dgram(&sk->peer);
	conn_init(&sk->conn, &seed, drv.now);
	listen_inherit(lsk, sk);
	sk->conn.dest = path_key(&sk->peer);
	/* The first acknowledgement says it: with none the client would stop. */
	sk->conn.rcv_credit = port_credit(drv.ports[lsk->index]);
	open_passive(&sk->conn, h, drv.now);
	atomic_store(&sk->kind, SK_CONN);
	lsk->port.refs++;
	life_adopt(sk);
	idmap_put(drv.by_peer, sk->conn.peer_id, sk->index);
	sk->peer_known = true;
	return sk;
}

static void third_packet(struct sock *lsk, struct rx_pkt *p, const struct rx_meta *m)
{
	struct sock *sk;

	if (queue_full(lsk)) {
		domain_count(drv.dom, CNT_ListenOverflows, 1);
		return;		/* the client repeats it */
	}
	sk = make_sock(lsk, &p->h, m);
	if (!sk)
		return;
	domain_count(drv.dom, CNT_SyncookiesRecv, 1);
	port_of_its_own(sk);
	conn_input(&sk->conn, p, drv.now);
	conn_input_end(&sk->conn, drv.now);
	enqueue(lsk, sk);
	sock_unlock(sk, -1);
	listen_refill(lsk);
}

/* TCP_DEFER_ACCEPT: who has said nothing yet needs no connection. It repeats
 * its packet, with the proof in it, until it says something or the time is up. */
static bool deferred(const struct sock *lsk, const struct rx_pkt *p)
{
	return !p->len && !(p->h.flags & WF_FIN) &&
	       drv.now - p->h.open.cookie_time < sockopt_defer_us(lsk);
}

static void flow_between(const struct rx_meta *m, struct flow_addr *fa)
{
	*fa = (struct flow_addr){ .scope = 0 };
	flow_of(&m->to, fa->local, &fa->lport);
	flow_of(&m->from, fa->peer, &fa->pport);
}

bool listen_syn(struct sock *lsk, const u8 *pkt, size_t len, const struct rx_meta *m, bool full)
{
	struct flow_addr fa;
	struct wire_hdr h;
	u8 reply[WIRE_HDR_MAX];
	u16 dgram_max;
	unsigned n;

	if (!wire_decode(&h, pkt, len) || !(h.flags & WF_SYN))
		return false;
	domain_count(drv.dom, CNT_SynRecv, 1);
	if (!wire_sum_ok(pkt, len, wire_seed(h.open.src_id, 0))) {
		domain_count(drv.dom, CNT_InCsumErrors, 1);
		return true;
	}
	if (full) {
		domain_count(drv.dom, CNT_ListenOverflows, 1);
		return true;
	}
	flow_between(m, &fa);
	dgram_max = udp_known_dgram(&m->from);
	n = open_syn_reply(&lsk->key, &fa, &h, len, dgram_max,
			   open_first_window(lsk->conn.mem.rcvbuf, lsk->conn.opts.window_clamp,
					     dgram_max),
			   reply, drv.now);
	if (n) {
		udp_reply(lsk, reply, n, &m->from, &m->to);
		domain_count(drv.dom, CNT_SyncookiesSent, 1);
	}
	return true;
}

void listen_input(struct sock *lsk, const u8 *pkt, size_t len, const struct rx_meta *m)
{
	struct rx_pkt p = { .page = 0 };
	struct flow_addr fa;
	u8 reply[WIRE_HDR_MAX];
	unsigned n;

	if (!wire_decode(&p.h, pkt, len))
		return;
	if (p.h.flags & WF_SYN) {
		listen_syn(lsk, pkt, len, m, queue_full(lsk));
		return;
	}
	flow_between(m, &fa);
	if (!open_cookie_ok(&lsk->key, &fa, &p.h, pkt, len, drv.now)) {
		domain_count(drv.dom, CNT_SyncookiesFailed, 1);
		/* It may be of one who had the port before, or of another of a
		 * SO_REUSEPORT group: the caller would wait for nothing. */
		n = open_stale_reply(&p.h, pkt, len, reply, drv.now);
		if (n) {
			udp_reply(lsk, reply, n, &m->from, &m->to);
			domain_count(drv.dom, CNT_OutRsts, 1);
		}
		return;
	}
	p.payload = pkt + p.h.len;
	p.len = (u32)(len - p.h.len);
	if (!deferred(lsk, &p))
		third_packet(lsk, &p, m);
}
