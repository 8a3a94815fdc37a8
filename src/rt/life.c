/*
 * life.c - a sock's life in the driver: its tables, its timer, its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rt/plain.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { TABLE_STEP = 256 };

static int grow_tables(u32 index)
{
	u32 want = (index / TABLE_STEP + 1) * TABLE_STEP;
	struct sock_timer **timers;
	struct port_watch **ports;
	struct relay **relays;

	want = max(want, drv.ntables * 2);
	timers = realloc(drv.timers, want * sizeof(*timers));
	if (!timers)
		return -ENOMEM;
	drv.timers = timers;
	ports = realloc(drv.ports, want * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	drv.ports = ports;
	relays = realloc(drv.relays, want * sizeof(*relays));
	if (!relays)
		return -ENOMEM;
	drv.relays = relays;
	memset(relays + drv.ntables, 0, (want - drv.ntables) * sizeof(*relays));
	memset(timers + drv.ntables, 0, (want - drv.ntables) * sizeof(*timers));
	memset(ports + drv.ntables, 0, (want - drv.ntables) * sizeof(*ports));
	drv.ntables = want;
	return 0;
}

int life_tables(u32 index)
{
	int ret;

	if (index < drv.ntables)
		return 0;
	pump_lock();
	ret = grow_tables(index);
	pump_unlock();
	return ret;
}

void life_meet_peer(struct sock *sk)
{
	if (sk->peer_known || !sk->known || !sk->conn.peer_id)
		return;
	pump_lock();
	sk->peer_known = idmap_put(drv.by_peer, sk->conn.peer_id, sk->index);
	pump_unlock();
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct sock_timer *st = container_of(t, struct sock_timer, t);
	struct sock *sk = rt_sock(st->index);
	u64 deadline = atomic_load(&sk->deadline);

	(void)loop, (void)revents;
	atomic_store(&sk->timer_at, USEC_NEVER);
	if (atomic_load(&sk->gen) != st->gen)
		return;
	if (deadline > drv.now) {
		life_arm(sk);
		return;
	}
	if (sock_note_trylock(sk, st->gen, PEND_TIMER))
		sock_unlock(sk, -1);
}

/* Lazily: a timer that is armed for an earlier time stays; when it fires, it
 * is armed again for what the deadline is then. */
void life_arm(struct sock *sk)
{
	u64 deadline = atomic_load(&sk->deadline);
	struct sock_timer *st;
	double after;

	if (deadline == USEC_NEVER || atomic_load(&sk->timer_at) <= deadline ||
	    life_tables(sk->index) < 0)
		return;
	st = drv.timers[sk->index];
	if (!st) {
		st = calloc(1, sizeof(*st));
		if (!st)
			return;
		ev_init(&st->t, on_timer);
		drv.timers[sk->index] = st;
	}
	st->index = sk->index;
	st->gen = atomic_load(&sk->gen);
	after = deadline > drv.now ? (double)(deadline - drv.now) / USEC_PER_SEC : 0.;
	ev_timer_stop(drv.loop, &st->t);
	ev_now_update(drv.loop);
	ev_timer_set(&st->t, after, 0.);
	ev_timer_start(drv.loop, &st->t);
	atomic_store(&sk->timer_at, deadline);
}

void life_adopt(struct sock *sk)
{
	if (life_tables(sk->index) < 0)
		return;
	if (sk->port_index == sk->index && sk->port.drv_fd >= 0)
		port_watch_start(sk);
	if (sk->conn.id && !sk->known && atomic_load(&sk->kind) == SK_CONN) {
		pump_lock();
		idmap_put(drv.by_id, sk->conn.id, sk->index);
		pump_unlock();
	}
	if (!sk->known)
		drv.nknown++;
	sk->known = true;
	driver_busy();
}

/* The last descriptor is gone: a listener aborts what it holds, a connection
 * that nobody accepted goes back into the queue, any other closes. */
void life_hup(struct sock *sk)
{
	if (sk->closing)
		return;
	atomic_store(&sk->stale, 1);
	if (atomic_load(&sk->kind) == SK_LISTENER) {
		sk->closing = true;
		listen_end(sk);
		return;
	}
	if (atomic_load(&sk->kind) == SK_RELAY && !relay_hup(sk))
		return;
	if (sk->listener && !sk->accepted && listen_unaccepted(sk))
		return;
	sk->closing = true;
	conn_close(&sk->conn, rt_now());
}

static void forget(struct sock *sk)
{
	struct sock_timer *st = sk->index < drv.ntables ? drv.timers[sk->index] : NULL;

	if (st)
		ev_timer_stop(drv.loop, &st->t);
	relay_stop(sk);
	plain_stop(sk);
	both_stop(sk);
	drv.nknown -= sk->known;
	pump_lock();
	if (sk->known && sk->conn.id)
		idmap_del(drv.by_id, sk->conn.id, sk->index);
	if (sk->peer_known)
		idmap_del(drv.by_peer, sk->conn.peer_id, sk->index);
	pump_unlock();
}

/* A connection that ended still has to answer for a while. One with a port of
 * its own does so itself, in TIME_WAIT; one of a listener's leaves an entry. */
static bool leave_behind(struct sock *sk, usec_t now)
{
	struct conn *c = &sk->conn;
	struct tw tw;

	if (c->state == CONN_TIME_WAIT && sk->port_index == sk->index)
		return false;
	if (sk->port_index == sk->index || !c->id)
		return true;
	tw_from_conn(&tw, c, now);
	if (tw.until > now && !twtab_add(drv.tw, &tw))
		domain_count(drv.dom, CNT_TCPTimeWaitOverflow, 1);
	return true;
}

static bool may_go(const struct sock *sk)
{
	const struct conn *c = &sk->conn;
	u32 kind = atomic_load(&sk->kind);

	if (!sk->closing || kind == SK_FREE || atomic_load(&sk->attn) ||
	    atomic_load(&sk->backlog) || sk->touched || sk->owner_fd >= 0)
		return false;
	if (sk->port_index == sk->index && sk->port.refs > 1)
		return false;
	if (kind == SK_LISTENER)
		return true;
	if (c->state == CONN_TIME_WAIT)
		return sk->port_index != sk->index;
	return conn_finished(c);
}

bool life_maybe_free(struct sock *sk)
{
	struct sock *owner = rt_sock(sk->port_index);
	u32 index = sk->index;
	usec_t now = rt_now();

	if (!may_go(sk) || (atomic_load(&sk->kind) != SK_LISTENER && !leave_behind(sk, now)))
		return false;
	forget(sk);
	if (atomic_load(&sk->kind) != SK_LISTENER)
		conn_purge(&sk->conn);
	mem_acct_fini(&sk->conn.mem);
	if (owner != sk) {
		owner->port.refs--;
		if (owner->closing)
			driver_attention(owner);
	} else {
		if (atomic_load(&sk->kind) == SK_LISTENER)
			port_empty(sk);
		port_watch_stop(sk);
	}
	atomic_store(&sk->kind, SK_FREE);
	atomic_store(&sk->pending, 0);
	arena_slot_put(drv.ar, index);
	pthread_mutex_unlock(&sk->lock);
	return true;
}
