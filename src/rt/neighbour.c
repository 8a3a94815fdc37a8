/*
 * neighbour.c - the program binds a UDP socket of its own to a number that ours
 * have, as HTTP/3 servers do beside TCP, memcached, and iperf3 for a test over
 * UDP. Over TCP these are two spaces of numbers; so ours give way:
 *
 *   - one that is only bound will be the kernel's TCP when it listens or connects;
 *   - a listener goes on with its half on the kernel's TCP (both.c) alone. Its
 *     connections get UDP sockets of their own, connected, which the kernel
 *     prefers for their peers, and its own is made deaf (port.c);
 *   - a connection's own socket is connected already.
 *
 * All of these let others bind the number with SO_REUSEADDR, which the program's
 * has for the moment of its bind(). Without another half (RUDP_LISTEN=rudp)
 * nothing gives way.
 */
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { LOOKS_MAX = 10 };	/* waits of 100 ms for a driver that may have died */

/* Would the two be in each other's way? */
static bool meets(const struct sock *sk, const union sock_addr *a)
{
	const union sock_addr *local = &rt_sock(sk->port_index)->local;

	return (sk->bound || sk->port_index != sk->index) && local->in.sin_port == a->in.sin_port &&
	       (addr_is_any(local) || addr_is_any(a) || path_key(local) == path_key(a));
}

/* ---- the driver's side ------------------------------------------------------------- */

static void decide(struct sock *sk, enum port_way way)
{
	atomic_store(&sk->way, way);
	sys_futex_wake(&sk->way, INT32_MAX);
}

/* A connection whose lock is taken right now is met when we are asked again. */
void neighbour_settle(struct sock *sk)
{
	u32 kind = atomic_load(&sk->kind);

	if (atomic_load(&sk->way) != WAY_ASKED)
		return;
	if (kind == SK_LISTENER && !sk->closing && sk->plain_fd < 0) {
		decide(sk, WAY_OURS);
		return;
	}
	port_release(sk->port.drv_fd);
	if (kind == SK_LISTENER) {
		port_split(sk);
		if (sk->port.refs > 1)
			return;
		port_deafen(sk, sk->port.drv_fd);
		if (!sk->closing)
			plain_tell(sk, &sk->local, true);
	}
	decide(sk, WAY_GIVEN);
}

/* ---- the program's side -------------------------------------------------------------- */

/* Of the sock that has the UDP socket, a listener that may be closed. */
static bool ask(struct sock_ref r)
{
	const struct timespec limit = { .tv_nsec = 100000000 };

	mirror_driver_round(rt_now() + USEC_PER_SEC);	/* a listener's other half has arrived */
	for (int i = 0; i < LOOKS_MAX; i++) {
		enum port_way way;

		if (sock_lock(&r))
			return true;		/* it is gone */
		way = atomic_load(&r.sk->way);
		if (way == WAY_GIVEN || (i && way == WAY_OURS)) {
			pthread_mutex_unlock(&r.sk->lock);
			return way == WAY_GIVEN;
		}
		atomic_store(&r.sk->way, WAY_ASKED);
		sock_note(r.sk, PEND_SETTLE);
		driver_attention(r.sk);
		sock_unlock(r.sk, -1);
		driver_wake();
		sys_futex_wait(&r.sk->way, WAY_ASKED, &limit);
	}
	return false;
}

bool sock_give_way(struct sock_ref *r, const struct sockaddr *udp)
{
	const union sock_addr *a = (const void *)udp;
	struct sock *sk = r->sk, *owner;
	struct sock_ref port;
	bool fresh;

	if (!rt_env()->both || sock_lock(r))
		return false;
	fresh = atomic_load(&sk->kind) == SK_FRESH;
	owner = rt_sock(sk->port_index);
	port = (struct sock_ref){ owner, atomic_load(&owner->gen) };
	if (!meets(sk, a)) {
		pthread_mutex_unlock(&sk->lock);
		return false;
	}
	if (fresh) {
		port_release(sock_udp_fd(sk));
		port_deafen(sk, sock_udp_fd(sk));
		plain_tell(sk, &sk->local, true);
		atomic_store(&sk->way, WAY_GIVEN);
	}
	pthread_mutex_unlock(&sk->lock);
	return fresh || ask(port);
}
