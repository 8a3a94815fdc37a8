/*
 * family.c - the families that this process is of: the one of the sockets that
 * it makes (home), and those of others' that it was handed. A sock's address
 * says which arena it lies in. Whoever enters a sock stands in its family,
 * everybody else at home.
 *
 * And what this process itself has of each family's socks.
 */
#include <errno.h>
#include <stdlib.h>
#include "mem/arena_layout.h"
#include "rt/errq.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"
#include "rt/watch.h"

#define NOBODY { .wake_app = -1, .wait_app = -1, .kick_app = -1, .alive_app = -1 }

static struct driver first = NOBODY;
_Atomic(struct driver *) rt_home = &first;
TLS_IE struct driver *rt_at = &first;
bool rt_many;

static _Atomic(struct driver *) families[DOMAIN_ARENAS];	/* but home; by row */

struct driver *rt_family(const struct sock *sk)
{
	uintptr_t row = ((uintptr_t)sk - ARENA_BASE) / ARENA_STRIDE;
	struct driver *d = row < DOMAIN_ARENAS ? atomic_load(&families[row]) : NULL;

	return d ? d : rt_home;
}

struct driver *family_new(void)
{
	static const struct driver nobody = NOBODY;
	struct driver *d = calloc(1, sizeof(*d));

	if (d)
		*d = nobody;
	return d;
}

/* Who receives itself knows one family's socks: that is left to the event
 * threads now, as by any of the program's threads. */
void family_add(struct driver *d)
{
	struct driver *was = rt_at;
	int bypass = rt_bypass;

	atomic_store(&families[arena_row(d->ar)], d);
	rt_many = true;
	rt_at = rt_home;
	rt_bypass = 0;
	pump_no_more();
	rt_bypass = bypass;
	rt_at = was;
}

/* Threads may be inside its socks: it stays what and where it is. */
bool family_leave(void)
{
	struct driver *d = family_new(), *was;

	if (!d)
		return false;
	was = rt_home;
	family_add(was);
	rt_home = d;
	was->left = true;
	return true;
}

struct driver *family_next(const struct driver *d)
{
	u32 i = !d || d == rt_home ? 0 : arena_row(d->ar) + 1;

	if (!d)
		return rt_home;
	for (; rt_many && i < DOMAIN_ARENAS; i++)
		if (atomic_load(&families[i]))
			return atomic_load(&families[i]);
	return NULL;
}

void rt_forked(void)
{
	if (rt_bypass)
		return;
	for (struct driver *d = family_next(NULL); d; d = family_next(d))
		if (d->shm)
			atomic_store(&d->shm->forked, 1);
	fresh_forked();
}

/* ---- this process's own view ----------------------------------------------------- */

struct local *local_get(u32 index)
{
	u32 chunk = index / LOCAL_CHUNK;
	struct local *l, *none = NULL;

	if (chunk >= LOCAL_CHUNKS)
		return NULL;
	l = atomic_load_explicit(&drv.locals[chunk], memory_order_acquire);
	if (!l) {
		l = calloc(LOCAL_CHUNK, sizeof(*l));
		if (!l)
			return NULL;
		if (!atomic_compare_exchange_strong(&drv.locals[chunk], &none, l)) {
			free(l);
			l = none;
		}
	}
	return &l[index % LOCAL_CHUNK];
}

void local_ref(struct sock *sk)
{
	struct local *l = local_get(sk->index), *p = local_get(sk->port_index);

	if (l)		/* it may be another of the same number */
		atomic_store(&l->shared, false);
	if (l && atomic_fetch_add(&l->refs, 1) == 0 && p)
		atomic_fetch_add(&p->port_users, 1);
}

bool local_unref(struct sock *sk)
{
	struct local *l = local_get(sk->index), *p = local_get(sk->port_index);
	s32 udp;

	if (!l || !atomic_load(&l->refs) || atomic_fetch_sub(&l->refs, 1) != 1)
		return false;
	watch_closed(sk->index);
	errq_closed(l);
	if (p && atomic_load(&p->port_users) && atomic_fetch_sub(&p->port_users, 1) == 1) {
		udp = atomic_exchange(&p->udp_fd, 0);
		if (udp)
			rt_fd_forget(udp - 1);
	}
	return true;
}

/* ---- a number of ours has moved ---------------------------------------------------- */

static void moved(int *which, int from, int to)
{
	if (*which == from)
		*which = to;
}

static void local_moved(struct driver *d, int from, int to)
{
	for (u32 i = 0; i < LOCAL_CHUNKS; i++) {
		struct local *l = atomic_load(&d->locals[i]);

		for (u32 j = 0; l && j < LOCAL_CHUNK; j++) {
			s32 want = from + 1;

			atomic_compare_exchange_strong(&l[j].udp_fd, &want, to + 1);
			errq_moved(&l[j], from, to);
		}
	}
}

void family_fd_moved(int from, int to)
{
	for (struct driver *d = family_next(NULL); d; d = family_next(d)) {
		moved(&d->wake_app, from, to);
		moved(&d->wait_app, from, to);
		moved(&d->kick_app, from, to);
		moved(&d->alive_app, from, to);
		local_moved(d, from, to);
	}
	errq_sleepers_moved(from, to);
}
