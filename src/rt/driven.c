/*
 * driven.c - does anybody drive this family? Who does holds a robust lock in
 * the arena for as long as he lives: however he ends, the kernel says so in a
 * word that costs nothing to look at. A caretaker follows him, unless it was
 * killed as well; and a connection whose owner end nobody had a copy of yet is
 * gone with it in any case. Whoever uses such a one finds that out here, since
 * nobody is left who would wake or tell him.
 */
#include <errno.h>
#include <poll.h>
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"

bool driven_claim(void)
{
	int ret = pthread_mutex_trylock(&drv.shm->driving);

	if (ret == EOWNERDEAD)
		pthread_mutex_consistent(&drv.shm->driving);
	return !ret || ret == EOWNERDEAD;
}

bool driven(void)
{
	if (!driven_claim())
		return true;
	pthread_mutex_unlock(&drv.shm->driving);
	return false;
}

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return fd >= 0 && sys_call6(SYS_ppoll, (long)&p, 1, (long)&(struct timespec){ 0 },
				    0, 0, 0) > 0 && p.revents & POLLHUP;
}

bool driven_lost(struct sock *sk, int fd)
{
	const struct mirror *m = &sk->m;

	if (!m->paired || m->hup || m->err || atomic_load(&sk->kind) != SK_CONN ||
	    atomic_load(&sk->relay_moving) || !hung_up(fd))
		return false;
	conn_abort(&sk->conn, ECONNRESET, rt_now());
	if (!sk->known) {		/* nobody but its last close will free it */
		sk->m.paired = false;
		atomic_store(&sk->kind, SK_FRESH);
		fresh_made();
	}
	return true;
}

/* Its listener outlives the driver in the caretaker, and is none when that has
 * gone, too. */
bool driven_no_more(void)
{
	int chan;

	if (rt_at->left)
		return true;
	if (!drv.shm || (rt_at == rt_home && !rt_running()) || driven())
		return false;
	chan = join_call(atomic_load(&drv.dom->arenas[arena_row(drv.ar)].hello));
	if (chan >= 0)
		sys_close(chan);
	if (chan != -ECONNREFUSED)
		return false;
	if (rt_at == rt_home)
		return rt_leave_home();
	rt_at->left = true;
	return true;
}

bool driven_look(struct sock *sk, int fd)
{
	return unlikely(!sk->known || !driven()) && driven_lost(sk, fd);
}
