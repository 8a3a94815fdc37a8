/*
 * linger.c - close() with SO_LINGER and a time: it waits until the peer has
 * acknowledged everything, the FIN too, or time is up; what is left then goes
 * on in the background. As in the kernel that is the last close only, O_NONBLOCK
 * does not matter, and a signal ends the wait, not the close.
 */
#include "rt/rt.h"

usec_t linger_until(const struct sock *sk)
{
	const struct conn_opts *o = &sk->conn.opts;
	u32 kind = atomic_load(&sk->kind);

	if ((kind != SK_CONN && kind != SK_RELAY) || !o->shut_linger || !o->linger_s)
		return 0;
	return rt_now() + o->linger_s * USEC_PER_SEC;
}

/* As long as the hang-up is on its way to the driver, nothing is known. */
bool linger_unfinished(const struct sock *sk)
{
	enum conn_state st = sk->conn.state;

	return !sk->closing || st == CONN_FIN_WAIT1 || st == CONN_CLOSING || st == CONN_LAST_ACK;
}

void linger_wait(struct sock_ref *r, usec_t until)
{
	struct sock *sk = r->sk;

	mirror_driver_round(until);
	if (!atomic_load(&sk->stale) || sock_lock(r) < 0)
		return;			/* others hold it, or it is over */
	while (linger_unfinished(sk))
		if (sock_wait(r, -1, false, until) < 0)
			return;
	sock_unlock(sk, -1);
}
