/*
 * fresh.c - sockets that are neither connected nor listening, so that no driver
 * knows them, nor sees their mirrors hang up: the last close frees them.
 * Which one is the last can be told while one process has them; forked children
 * are counted. One of those that ends without closing leaves the slot taken,
 * until the family ends. What goes to other programs: given.c.
 */
#include "rt/rt.h"
#include "rt/watch.h"

static _Atomic u32 here;	/* this process has about so many */

void fresh_made(void)
{
	atomic_fetch_add(&here, 1);
}

void fresh_used(void)
{
	u32 n = atomic_load(&here);

	while (n && !atomic_compare_exchange_weak(&here, &n, n - 1))
		;
}

void fresh_shared(struct sock *sk)
{
	atomic_fetch_add(&sk->others, 1);
}

void sock_passed(struct sock_ref *r, int fd, bool done)
{
	u32 others = atomic_load(&r->sk->others);

	if (done)
		watch_shared(r->sk);
	if (atomic_load(&r->sk->kind) != SK_FRESH)
		return;
	if (done) {
		if (!sock_give(r, fd))
			fresh_shared(r->sk);
		return;
	}
	while (others && !atomic_compare_exchange_weak(&r->sk->others, &others, others - 1))
		;
}

static u32 forked(void)
{
	u32 end = arena_slots_max(drv.ar), n = 0;

	for (u32 i = 1; i < end; i++) {
		struct sock *sk = rt_sock(i);
		const struct local *l = local_get(i);

		if (!sk || !l || !atomic_load(&l->refs) || atomic_load(&sk->kind) != SK_FRESH)
			continue;
		fresh_shared(sk);
		n++;
	}
	return n;
}

void fresh_forked(void)
{
	u32 n = 0;

	for (rt_at = family_next(NULL); rt_at; rt_at = family_next(rt_at))
		n += drv.ar && atomic_load(&here) ? forked() : 0;
	rt_at = rt_home;
	atomic_store(&here, n);
}

void fresh_closed(struct sock *sk)
{
	u32 index = sk->index, others = atomic_load(&sk->others);

	fresh_used();
	if (atomic_load(&sk->given)) {
		pthread_mutex_unlock(&sk->lock);
		return;
	}
	while (others)
		if (atomic_compare_exchange_weak(&sk->others, &others, others - 1)) {
			pthread_mutex_unlock(&sk->lock);
			return;
		}
	conn_purge(&sk->conn);
	mem_acct_fini(&sk->conn.mem);
	atomic_store(&sk->kind, SK_FREE);
	arena_slot_put(drv.ar, index);
	pthread_mutex_unlock(&sk->lock);
}
