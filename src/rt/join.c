/*
 * join.c - a process meets a descriptor that a program image before it, or
 * another process, made. The socket's cookie is the same for whoever holds it.
 * Which family it is of is asked of the drivers, who are listed in the domain:
 * the one who knows the cookie answers with all that a member of the family
 * has, and from then on the process is as if it had been forked from it.
 *
 * A process that has sockets of its own already is of several families then
 * (family.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include "mem/arena_layout.h"
#include "rt/care.h"
#include "rt/files.h"
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"
#include "rt/watch.h"

static pthread_mutex_t joining = PTHREAD_MUTEX_INITIALIZER;

u64 join_cookie(int fd)
{
	u64 cookie = 0;
	socklen_t len = sizeof(cookie);

	return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

struct sock *join_find(u64 cookie)
{
	u32 end = arena_slots_max(drv.ar);

	for (u32 i = 1; i < end; i++) {
		struct sock *sk = rt_sock(i);

		if (sk && atomic_load(&sk->kind) != SK_FREE && atomic_load(&sk->cookie) == cookie)
			return sk;
	}
	return NULL;
}

/* ---- the driver ----------------------------------------------------------------------- */

void join_answer(int chan, u64 cookie, u64 nonce)
{
	struct sock *sk = cookie ? join_find(cookie) : NULL, *port = sk ? rt_sock(sk->port_index) : NULL;
	int fds[JOIN_FDS] = { [JOIN_DOMAIN] = domain_fd(drv.dom), [JOIN_WAKE] = drv.wake_fd,
			      [JOIN_HOLD] = arena_hold_fd(drv.ar) };
	struct join_reply r = { .row = arena_row(drv.ar) };
	struct care_msg cm;
	char path[40];

	if ((!sk && (cookie || nonce != drv.nonce)) || fds[JOIN_DOMAIN] < 0)
		return;
	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", drv.alive_fd);
	fds[JOIN_ALIVE] = (int)sys_call6(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC,
					 0, 0, 0);
	if (fds[JOIN_ALIVE] < 0)
		return;
	arena_fds(drv.ar, &fds[JOIN_CTL], &fds[JOIN_BUF]);
	if (sk) {
		watch_shared(sk);
		r.index = sk->index;
		r.gen = atomic_load(&sk->gen);
		r.udp_serial = port ? atomic_load(&port->udp_serial) : 0;
	}
	fds[JOIN_UDP] = port ? port->port.drv_fd : -1;
	r.nfds = JOIN_UDP + (fds[JOIN_UDP] >= 0);
	care_msg_init(&cm, &r, sizeof(r), fds, r.nfds);
	if (sys_sendmsg(chan, &cm.m, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		care_met();
	sys_close(fds[JOIN_ALIVE]);
}

/* ---- the process ------------------------------------------------------------------------ */

/* Cheap signs of an app end: a stream of AF_UNIX, with a buffer of the mirror's
 * size or the relay's, which has no peer, or one with no name or a driver's. */
static bool may_be_ours(int fd)
{
	struct sockaddr_un peer;
	socklen_t len = sizeof(int);
	int domain = 0, type = 0, size = 0;
	bool relay;

	if (sys_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) || domain != AF_UNIX ||
	    sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM ||
	    sys_getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len))
		return false;
	relay = size == 2 * RELAY_SNDBUF;
	len = sizeof(peer);
	if (size > 8192 && !relay)
		return false;
	if (sys_call6(SYS_getpeername, fd, (long)&peer, (long)&len, 0, 0, 0) < 0)
		return !relay;		/* neither connected nor listening */
	return len == sizeof(sa_family_t) || !memcmp(peer.sun_path, "\0rudp-", 6);
}

int join_call(u64 hello)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timespec limit[2] = { { .tv_sec = 2 }, { .tv_sec = 0 } };
	int fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "rudp-%016llx",
			 (unsigned long long)hello);
	int ret;

	if (fd < 0)
		return fd;
	sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, sizeof(limit[0]));
	sys_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, sizeof(limit[0]));
	ret = sys_connect(fd, &sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
	if (!ret)
		return fd;
	sys_close(fd);
	return ret;
}

/* True: it knew the cookie, or the nonce. */
static bool ask(u64 hello, u64 nonce, u64 cookie, struct join_reply *r, int fds[JOIN_FDS])
{
	struct hello h = { nonce, (u32)cookie, (u32)(cookie >> 32), HELLO_JOIN, 0 };
	struct care_msg cm;
	int chan = join_call(hello);
	unsigned n = 0;

	if (chan < 0)
		return false;
	care_msg_init(&cm, r, sizeof(*r), NULL, 0);
	cm.m.msg_control = cm.ctl;
	cm.m.msg_controllen = sizeof(cm.ctl);
	if (sys_send(chan, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h) &&
	    sys_recvmsg(chan, &cm.m, MSG_CMSG_CLOEXEC) == sizeof(*r))
		n = care_take_fds(&cm.m, fds, JOIN_FDS);
	sys_close(chan);
	if (n >= JOIN_UDP && n == r->nfds)
		return true;
	while (n)
		sys_close(fds[--n]);
	return false;
}

static void close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sys_close(fds[i]);
}

static void follow_driver(u64 hello, const int *fds)
{
	drv.nonce = drv.shm->nonce;
	rt_set_hello(hello);
	drv.wake_app = rt_fd_far(fds[JOIN_WAKE]);
	drv.alive_app = rt_fd_far(fds[JOIN_ALIVE]);
	atomic_store(&drv.shm->forked, 1);
}

static int become_member(const struct join_reply *r, const int *fds)
{
	struct domain *dom = NULL;
	struct arena *ar = NULL;
	int ret = domain_attach_fd(&dom, fds[JOIN_DOMAIN]);

	if (!ret)
		ret = arena_attach_fds(&ar, dom, r->row, fds[JOIN_CTL], fds[JOIN_BUF],
				       fds[JOIN_HOLD]);
	if (dom)
		domain_moved_fd(dom, -1);
	for (unsigned i = 0; i <= JOIN_HOLD; i++)
		sys_close(fds[i]);
	if (ret < 0) {
		domain_detach(dom);
		return ret;
	}
	drv.dom = dom;
	drv.ar = ar;
	arena_moved_fds(drv.ar, -1, -1, -1);
	drv.shm = arena_slot(drv.ar, 0);
	follow_driver(atomic_load(&drv.dom->arenas[r->row].hello), fds);
	return 0;
}

/* Of those that we are of we know all. */
static bool met(u32 row)
{
	for (struct driver *d = family_next(NULL); d; d = family_next(d))
		if (d->ar && arena_row(d->ar) == row)
			return true;
	return false;
}

static int join_family(u64 cookie, struct join_reply *r, int fds[JOIN_FDS])
{
	struct domain *d;
	int ret = domain_open(&d, rt_env()->domain);

	if (ret < 0)
		return ret;
	ret = -ENOENT;
	for (u32 i = 0; i < DOMAIN_ARENAS && ret; i++) {
		u64 hello = atomic_load(&d->arenas[i].hello);

		if (domain_row_state(&d->arenas[i]) == ROW_LIVE && hello && !met(i) &&
		    ask(hello, 0, cookie, r, fds))
			ret = 0;
	}
	domain_detach(d);
	return ret;
}

int join_relatives(void)
{
	u64 hello = atomic_load(&drv.dom->arenas[arena_row(drv.ar)].hello);
	struct join_reply r;
	int fds[JOIN_FDS];

	if (!hello || !ask(hello, drv.shm->nonce, 0, &r, fds))
		return -ECONNREFUSED;
	for (unsigned i = 0; i <= JOIN_HOLD; i++)
		sys_close(fds[i]);
	follow_driver(hello, fds);
	return 0;
}

/* Its UDP socket, for sending without the driver. In the place of one that is
 * none any more: nobody who looked that up meanwhile finds another's number. */
static void keep_udp(const struct sock *sk, int udp, u32 serial)
{
	struct local *l = local_get(sk->port_index);
	s32 old = l ? atomic_load(&l->udp_fd) : 0, high;

	if (old && atomic_load(&l->udp_serial) != serial) {
		files_replace(udp, old - 1);
		atomic_store(&l->udp_serial, serial);
	}
	if (!l || old) {
		sys_close(udp);
		return;
	}
	high = rt_fd_high(udp) + 1;
	atomic_store(&l->udp_serial, serial);
	if (!atomic_compare_exchange_strong(&l->udp_fd, &old, high))
		rt_fd_forget(high - 1);
}

void join_udp(struct sock *sk)
{
	u64 hello = atomic_load(&drv.dom->arenas[arena_row(drv.ar)].hello);
	struct local *l = local_get(sk->index);
	struct join_reply r;
	int fds[JOIN_FDS];

	if (!l || !atomic_load(&l->udp_fd) || sock_udp_fd(sk) >= 0 ||
	    !ask(hello, 0, atomic_load(&sk->cookie), &r, fds))
		return;
	close_all(fds, JOIN_UDP);
	if (r.nfds > JOIN_UDP)
		keep_udp(sk, fds[JOIN_UDP], r.udp_serial);
}

/* Home, as long as that is nothing yet, or nothing any more. */
static struct sock *meet_family(u64 cookie)
{
	struct driver *d = !rt_home->ar || rt_abandon() ? rt_home : family_new();
	struct join_reply r;
	struct sock *sk;
	int fds[JOIN_FDS];

	if (!d)
		return NULL;
	rt_at = d;
	if (join_family(cookie, &r, fds) < 0)
		goto out_free;
	if (become_member(&r, fds) < 0) {
		close_all(fds + JOIN_WAKE, r.nfds - JOIN_WAKE);
		goto out_free;
	}
	if (d == rt_home)
		rt_joined();
	else
		family_add(d);
	sk = join_find(cookie);
	if (r.nfds > JOIN_UDP && sk)
		keep_udp(sk, fds[JOIN_UDP], r.udp_serial);
	else if (r.nfds > JOIN_UDP)
		sys_close(fds[JOIN_UDP]);
	return sk;
out_free:
	rt_at = rt_home;
	if (d != rt_home)
		free(d);
	return NULL;
}

/* In those that we are of; we stand there then. */
static struct sock *find_everywhere(u64 cookie)
{
	for (struct driver *d = family_next(NULL); d; d = family_next(d)) {
		struct sock *sk;

		rt_at = d;
		sk = drv.ar ? join_find(cookie) : NULL;
		if (sk)
			return sk;
	}
	rt_at = rt_home;
	return NULL;
}

int rt_join(int fd, struct sock_ref *ret)
{
	struct driver *was = rt_at;
	struct sock *sk;
	u64 cookie;

	if (!may_be_ours(fd))
		return -ENOENT;
	cookie = join_cookie(fd);
	pthread_mutex_lock(&joining);
	sk = find_everywhere(cookie);
	if (!sk)
		sk = meet_family(cookie);
	if (sk) {
		*ret = (struct sock_ref){ sk, atomic_load(&sk->gen) };
		if (atomic_load(&sk->kind) == SK_FRESH)
			fresh_made();
		local_ref(sk);
		atomic_store(&sk->shared, 1);
	}
	pthread_mutex_unlock(&joining);
	rt_at = was;
	return sk ? 0 : -ENOENT;
}

void join_child(void)
{
	joining = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
