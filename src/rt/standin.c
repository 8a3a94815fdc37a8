/* standin.c - the driver's work, while it is stopped: see standin.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "rt/log.h"
#include "rt/standin.h"
#include "rt/sys.h"

enum { PORT_TURN = 64, TRIES = 400, ERRORS_MAX = 16 };

#define SCAN_US		(10 * USEC_PER_MSEC)
#define STATE_US	(100 * USEC_PER_MSEC)
#define TRY_NS		50000

struct seat {			/* by sock index */
	u64 due;		/* its next timer */
	bool stuck;		/* somebody has its lock, and does not go on */
};

static struct seat *seats;
static u32 nseats;
static usec_t scan_at, state_at;
static u32 beat;

int standin_end(const struct sock *sk)
{
	return sk->owner_fd < 0 ? -1 : care_kept(sk->index, atomic_load(&sk->gen), CARE_OWNER);
}

int standin_port(const struct sock *sk)
{
	return care_kept(sk->index, atomic_load(&sk->gen), CARE_PORT);
}

/* ---- one sock ---------------------------------------------------------------------- */

/* Who is inside will be gone in a moment, unless he is stopped as well. */
static bool enter(struct sock *sk)
{
	struct seat *s = &seats[sk->index];
	struct timespec nap = { 0, TRY_NS };
	int tries = s->stuck ? 1 : TRIES;

	while (!sock_trylock(sk, 0)) {
		if (!--tries) {
			s->stuck = true;
			return false;
		}
		sys_call6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
	}
	s->stuck = false;
	return true;
}

static void leave(struct sock *sk)
{
	sock_unlock(sk, -1);
	seats[sk->index].due = atomic_load(&sk->deadline);
}

static void settle(struct sock *sk, u32 what)
{
	if (sock_note_trylock(sk, 0, what))
		leave(sk);
	else
		seats[sk->index].due = drv.now + SCAN_US;
}

void standin_hup(struct sock *sk, usec_t now)
{
	if (sk->closing || atomic_load(&sk->kind) != SK_CONN || (sk->listener && !sk->accepted))
		return;
	sk->closing = true;
	conn_close(&sk->conn, now);
}

/* As on_hups() of driver.c. */
static void hang_up(u64 data, u32 events)
{
	struct sock *sk = rt_sock(notice_index(data));

	if (!sk || !(events & (EPOLLHUP | EPOLLERR)) || sk->index >= nseats ||
	    atomic_load(&sk->gen) != notice_gen(data) || atomic_load(&sk->relay_moving) ||
	    atomic_load(&sk->kind) != SK_CONN || (sk->listener && !sk->accepted) ||
	    (sk->m.hup && !sk->m.err && !(events & EPOLLERR)))
		return;
	atomic_store(&sk->stale, 1);
	settle(sk, PEND_HUP);
}

/* ---- packets ------------------------------------------------------------------------- */

static struct sock *find(u64 id)
{
	u32 index = id ? idmap_get(drv.by_id, id) : 0;

	return index ? rt_sock(index) : NULL;
}

/* The driver may be back, and have freed it. */
static bool is_it(const struct sock *sk, u64 id)
{
	u32 kind = atomic_load(&sk->kind);

	return (kind == SK_CONN || kind == SK_RELAY) && sk->conn.id == id;
}

static void tell_driver(const struct sock *port_sk, const u8 *pkt, u32 len,
			const struct rx_meta *m)
{
	struct care_said said = { port_sk->index, atomic_load(&port_sk->gen), *m };
	struct iovec iov[2] = { { &said, sizeof(said) }, { (void *)pkt, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (sys_sendmsg(CARE_CHANNEL, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		domain_count(drv.dom, CNT_TCPBacklogDrop, 1);	/* it will be repeated */
}

static void reset_by(const struct wire_hdr *h, const u8 *pkt, u32 len)
{
	u32 index = h->dst_id ? 0 : idmap_get(drv.by_peer, h->seq);
	struct sock *sk = index ? rt_sock(index) : NULL;

	if (!sk || !enter(sk))
		return;
	if (sk->conn.peer_id == h->seq && open_reset_ok(&sk->conn, h, pkt, len))
		conn_reset(&sk->conn, drv.now);
	leave(sk);
}

static void for_nobody(struct sock *port_sk, const u8 *pkt, u32 len, const struct rx_meta *m)
{
	struct sock *lsk = rx_listener_of(port_sk);
	struct wire_hdr h;

	if (!wire_decode(&h, pkt, len))
		domain_count(drv.dom, CNT_InErrs, 1);
	else if (h.flags & WF_RST)
		reset_by(&h, pkt, len);
	else if (!h.has_open || !rx_listens(lsk) ||
		 !listen_syn(lsk, pkt, len, m, listen_crowded(lsk)))
		tell_driver(port_sk, pkt, len, m);
}

static void end_train(struct sock *sk)
{
	if (!sk)
		return;
	sock_note(sk, PEND_INPUT_END);
	leave(sk);
}

static void run_train(struct sock *port_sk, const u8 *pkt, u32 total, u32 step,
		      const struct rx_meta *m)
{
	struct sock *in = NULL;
	u64 in_id = 0, id;
	u8 flags;

	for (u32 off = 0; off < total; off += step) {
		u32 len = min(step, total - off);
		struct sock *sk;

		if (!wire_peek(pkt + off, len, &id, &flags)) {
			domain_count(drv.dom, CNT_InErrs, 1);
			continue;
		}
		if (!in || id != in_id) {
			end_train(in);
			in = NULL;
			in_id = id;
			sk = find(id);
			if (!sk) {
				for_nobody(port_sk, pkt + off, len, m);
				continue;
			}
			if (enter(sk))
				in = sk;
		}
		if (in && is_it(in, id))
			rx_one(in, NULL, pkt + off, len, drv.now);
		else
			domain_count(drv.dom, CNT_TCPBacklogDrop, 1);
	}
	end_train(in);
}

static void run_port(u64 data)
{
	static u8 buf[RUN_PAGES_MAX * PAGE_BYTES];
	u32 index = notice_index(data), gen = notice_gen(data);
	struct sock *port_sk = rt_sock(index);
	int fd = care_kept(index, gen, CARE_PORT);
	unsigned errors = 0;

	if (fd < 0 || !port_sk || atomic_load(&port_sk->gen) != gen)
		return;
	for (int i = 0; i < PORT_TURN && errors < ERRORS_MAX; i++) {
		struct rx_meta m;
		u32 step;
		ssize_t n = port_read(NULL, port_sk, fd, buf, sizeof(buf), &m, &step);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			port_read_errors(port_sk, fd);
			errors++;
			continue;
		}
		drv.now = rt_now();
		domain_count(drv.dom, CNT_InSegs, step ? DIV_ROUND_UP((u32)n, step) : 1);
		run_train(port_sk, buf, (u32)n, step, &m);
	}
	notice_again(fd, index, gen, CARE_PORT);
}

/* ---- time ------------------------------------------------------------------------------- */

static bool wants(const struct sock *sk)
{
	return atomic_load(&sk->attn) || atomic_load(&sk->pending) || atomic_load(&sk->backlog) ||
	       sk->tx_blocked;
}

/* What other processes have asked of the driver, and timers that they set. */
static void scan(void)
{
	usec_t began = rt_now(), now;

	for (u32 i = 1; i < nseats; i++) {
		struct sock *sk = rt_sock(i);
		u32 kind = sk ? atomic_load(&sk->kind) : SK_FREE;

		seats[i].due = USEC_NEVER;
		if (kind != SK_CONN && kind != SK_RELAY && kind != SK_TRYING)
			continue;
		seats[i].due = atomic_load(&sk->deadline);
		if (wants(sk))
			settle(sk, PEND_SETTLE | PEND_TX);
	}
	now = rt_now();
	scan_at = now + max(SCAN_US, 8 * (now - began));
}

static void run_timers(void)
{
	for (u32 i = 1; i < nseats; i++)
		if (seats[i].due <= drv.now)
			settle(rt_sock(i), PEND_TIMER);
}

static usec_t next_turn(void)
{
	usec_t next = min(scan_at, state_at);

	for (u32 i = 1; i < nseats; i++)
		next = min(next, seats[i].due);
	return next;
}

/* ---- from the stop to its end -------------------------------------------------------------- */

static void look_at_all(void)
{
	static const enum care_what kinds[] = { CARE_OWNER, CARE_TOMB, CARE_PORT };

	for (u32 i = 1; i < min(care_kept_end(), nseats); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			u32 gen = rt_sock(i) ? atomic_load(&rt_sock(i)->gen) : 0;
			int fd = rt_sock(i) ? care_kept(i, gen, kinds[k]) : -1;

			if (fd >= 0)
				notice_again(fd, i, gen, kinds[k]);
		}
}

static bool begin(void)
{
	if (!arena_sync(drv.ar))
		return false;
	nseats = arena_slots_max(drv.ar);
	seats = calloc(nseats, sizeof(*seats));
	drv.by_id = idmap_new();
	drv.by_peer = idmap_new();
	if (!seats || !drv.by_id || !drv.by_peer)
		return false;
	for (u32 i = 1; i < nseats; i++) {
		const struct sock *sk = rt_sock(i);
		u32 kind = sk ? atomic_load(&sk->kind) : SK_FREE;

		if (!sk || (kind != SK_CONN && kind != SK_RELAY))
			continue;
		if (sk->conn.id)
			idmap_put(drv.by_id, sk->conn.id, i);
		if (sk->conn.peer_id)
			idmap_put(drv.by_peer, sk->conn.peer_id, i);
	}
	beat = atomic_load(&drv.shm->beat);
	scan_at = state_at = 0;
	look_at_all();
	notice_bell(true);
	return true;
}

static void end(void)
{
	free(seats);
	seats = NULL;
	nseats = 0;
	idmap_free(drv.by_id);
	idmap_free(drv.by_peer);
	drv.by_id = drv.by_peer = NULL;
}

/* False: the driver is gone. */
static bool run(const struct epoll_event *ev, int n)
{
	for (int i = 0; i < n; i++) {
		u64 data = ev[i].data.u64;

		if (data == NOTICE_CHANNEL) {
			if (!care_hear())
				return false;
		} else if (data == NOTICE_BELL) {
			scan_at = 0;
		} else if (notice_what(data) == CARE_PORT) {
			run_port(data);
		} else {
			hang_up(data, ev[i].events);
		}
	}
	return true;
}

static bool goes_on(void)
{
	if (atomic_load(&drv.shm->beat) != beat)
		return true;
	if (drv.now < state_at)
		return false;
	state_at = drv.now + STATE_US;
	return !notice_stopped();
}

static bool work(void)
{
	struct epoll_event ev[NOTICE_EVENTS];
	bool there = true;

	for (;;) {
		drv.now = rt_now();
		if (!there || goes_on())
			return there;
		if (!atomic_load(&drv.shm->sleeping))
			atomic_store(&drv.shm->sleeping, 2);	/* the driver's are odd */
		if (drv.now >= scan_at)
			scan();
		run_timers();
		there = run(ev, notice_wait(ev, next_turn()));
	}
}

bool stand_in(void)
{
	int bypass = rt_bypass;
	bool there;

	if (!begin()) {
		end();
		return care_hear_until(rt_now() + STATE_US);
	}
	rt_log(RUDP_LOG_INFO, "stands-in", "driver=%d", (int)drv.pid);
	rt_bypass = 0;
	drv.stands_in = true;
	there = work();
	drv.stands_in = false;
	rt_bypass = bypass;
	end();
	notice_bell(false);
	driver_wake();
	rt_log(RUDP_LOG_INFO, "stood-in", "driver=%d is=%s", (int)drv.pid,
	       there ? "back" : "gone");
	return there;
}
