/*
 * sweep.c - after somebody was killed inside a sock: what he had begun with
 * others' things is found and finished by the driver. (The sock itself is
 * aborted by who meets its lock next, see holder_died().)
 *
 *   - buffers that he had taken from the backlog and not run;
 *   - a sock that he had marked as being on the attention list, and not put
 *     there: nobody would put it there again;
 *   - a relay's pair that was to be replaced: hang-ups were not looked at.
 */
#include <poll.h>
#include <sys/epoll.h>
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

static u32 seen;		/* of driver_shm.died */

/* Lock held, so nobody is about to put it there; only we take off. */
static bool on_list(const struct sock *sk)
{
	u32 at = atomic_load(&drv.shm->attn_head);

	for (u32 n = arena_slots_max(drv.ar); at && n; n--) {
		if (at == sk->index + 1)
			return true;
		at = atomic_load(&rt_sock(at - 1)->attn_next);
	}
	return false;
}

static bool hung_up(const struct sock *sk)
{
	struct pollfd p = { .fd = sk->owner_fd };

	if (sk->owner_fd < 0 || sk->closing || atomic_load(&sk->relay_moving))
		return false;
	sys_call6(SYS_ppoll, (long)&p, 1, (long)&(struct timespec){ 0 }, 0, 0, 0);
	return p.revents & (sk->m.hup ? POLLERR : POLLHUP);
}

static void look(struct sock *sk)
{
	if (!sock_note_trylock(sk, 0, PEND_SETTLE))
		return;
	if (atomic_load(&sk->attn) && !on_list(sk))
		atomic_store(&sk->attn, 0);
	if (hung_up(sk)) {
		atomic_store(&sk->stale, 1);
		sock_note(sk, PEND_HUP);
	}
	sock_unlock(sk, -1);
}

/* Whoever holds the lock runs what is parked there; once we have held it, what
 * is still parked nobody will. Nothing is parked meanwhile: rx_lock. */
static void look_parked(struct rxbuf *rb)
{
	u32 at = atomic_load(&rb->parked);
	struct sock *sk = rt_sock(at ? at - 1 : 0);

	if (!atomic_load(&rb->busy) || !sk || !sock_trylock(sk, 0))
		return;
	if (atomic_load(&sk->kind) != SK_FREE) {
		sock_unlock(sk, -1);
		if (!sock_trylock(sk, 0))
			return;
	}
	if (!atomic_load(&sk->backlog) && atomic_load(&rb->busy))
		rx_release(rb);
	pthread_mutex_unlock(&sk->lock);
}

static void sweep_parked(void)
{
	pump_lock();
	for (unsigned i = 0; i < DRIVER_RXBUFS; i++)
		look_parked(&drv.shm->rx[i]);
	pump_unlock();
}

void sweep_tick(void)
{
	u32 died = atomic_load(&drv.shm->died);

	if (died == seen)
		return;
	seen = died;
	sweep_parked();
	for (u32 i = 1; i < arena_slots_max(drv.ar); i++) {
		struct sock *sk = rt_sock(i);

		if (sk && sk->known && atomic_load(&sk->kind) != SK_FREE)
			look(sk);
	}
}
