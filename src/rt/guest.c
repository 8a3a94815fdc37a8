/*
 * guest.c - a process of one family gets a descriptor of another's, and cannot
 * join: it has sockets of its own. It shows the descriptor to the drivers of
 * the domain; the one who knows the socket makes a relay of it and says what
 * it is. Here a sock of our own stands in for it, with its names and options,
 * which no driver knows: its bytes are the kernel's business.
 *
 * A listener stays what it is. What comes out of it is accepted in the same
 * way, one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "mem/arena_layout.h"
#include "rt/care.h"
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { TRIES = 500 };		/* of two milliseconds, while it is in use */

struct guest_reply {
	s32 err;		/* -ENOENT: not mine; -EAGAIN: in use */
	u32 kind;
	s32 family, type, protocol;
	u32 addr_len;
	union sock_addr local, peer;
	u64 rcvtimeo_us, sndtimeo_us;
	struct conn_opts opts;
	u32 sndbuf, rcvbuf;
	u8 lock_bits;
	bool reuseaddr, reuseport, v6only;
};

/* ---- the driver ----------------------------------------------------------------- */

static void describe(const struct sock *sk, struct guest_reply *r)
{
	r->kind = atomic_load(&sk->kind);
	r->family = sk->family;
	r->type = sk->type;
	r->protocol = sk->protocol;
	r->addr_len = sk->addr_len;
	r->local = sk->local;
	r->peer = sk->peer;
	r->rcvtimeo_us = sk->rcvtimeo_us;
	r->sndtimeo_us = sk->sndtimeo_us;
	r->opts = sk->conn.opts;
	r->sndbuf = (u32)sk->conn.mem.sndbuf;
	r->rcvbuf = (u32)sk->conn.mem.rcvbuf;
	r->lock_bits = sk->conn.mem.lock_bits;
	r->reuseaddr = sk->reuseaddr;
	r->reuseport = sk->reuseport;
	r->v6only = sk->v6only;
}

/* It came out of the listener's queue at the guest's. */
static void count_accepted(struct sock *sk)
{
	struct sock *lsk = sk->listener ? rt_sock(sk->listener - 1) : NULL;

	if (sk->accepted)
		return;
	sk->accepted = true;
	if (!lsk || atomic_load(&lsk->kind) != SK_LISTENER)
		return;
	atomic_fetch_sub(&lsk->shown, 1);
	atomic_fetch_add(&lsk->taken, 1);
	if (sock_note_trylock(lsk, 0, PEND_REFILL))
		sock_unlock(lsk, -1);
}

/* What it is now; *fresh: the descriptor that takes its place, or -1. */
static int receive_guest(int fd, struct guest_reply *r, int *fresh)
{
	u64 cookie = join_cookie(fd);
	struct sock *sk = cookie ? join_find(cookie) : NULL;
	int ret;

	if (!sk)
		return -ENOENT;
	if (!sock_trylock(sk, 0))
		return -EAGAIN;
	ret = relay_start(sk, fd);
	if (ret > 0)
		*fresh = ret;
	describe(sk, r);
	sock_unlock(sk, -1);
	if (ret >= 0 && r->kind == SK_RELAY)
		count_accepted(sk);
	return ret < 0 ? ret : r->kind == SK_RELAY || r->kind == SK_LISTENER ? 0 : -ENOENT;
}

void guest_answer(int chan, int fd)
{
	struct guest_reply r = { .err = -ENOENT };
	struct care_msg cm;
	int fresh = -1;

	if (fd >= 0)
		r.err = receive_guest(fd, &r, &fresh);
	care_msg_init(&cm, &r, sizeof(r), &fresh, fresh >= 0);
	sys_sendmsg(chan, &cm.m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (fresh >= 0)
		sys_close(fresh);
}

/* ---- the guest ------------------------------------------------------------------- */

static int show(u64 hello, int fd, struct guest_reply *r, int *fresh)
{
	struct hello h = { .again = HELLO_GUEST };
	struct care_msg cm;
	int chan = join_call(hello), ret;

	if (chan < 0)
		return -ENOENT;
	care_msg_init(&cm, &h, sizeof(h), &fd, 1);
	ret = (int)sys_sendmsg(chan, &cm.m, MSG_NOSIGNAL);
	care_msg_init(&cm, r, sizeof(*r), NULL, 0);
	cm.m.msg_control = cm.ctl;
	cm.m.msg_controllen = sizeof(cm.ctl);
	if (ret == sizeof(h))
		ret = (int)sys_recvmsg(chan, &cm.m, MSG_CMSG_CLOEXEC);
	if (ret > 0)
		care_take_fds(&cm.m, fresh, 1);
	sys_close(chan);
	return ret == sizeof(*r) ? r->err : -ENOENT;
}

static int show_to_all(int fd, struct guest_reply *r, int *fresh)
{
	for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
		u64 hello = atomic_load(&drv.dom->arenas[i].hello);
		int ret = -EAGAIN;

		if (i == arena_row(drv.ar) || !hello ||
		    domain_row_state(&drv.dom->arenas[i]) != ROW_LIVE)
			continue;
		for (int n = 0; n < TRIES && ret == -EAGAIN; n++) {
			const struct timespec moment = { .tv_nsec = 2000000 };

			if (n)
				sys_call6(SYS_ppoll, 0, 0, (long)&moment, 0, 0, 0);
			ret = show(hello, fd, r, fresh);
		}
		if (ret != -ENOENT)
			return ret;
	}
	return -ENOENT;
}

/* The pair that takes its place, under the same number. */
static void replace(int fd, int fresh)
{
	int cloexec = sys_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC ? O_CLOEXEC : 0;

	sys_fcntl(fresh, F_SETFL, O_RDWR | (sys_fcntl(fd, F_GETFL, 0) & O_NONBLOCK));
	sys_call6(SYS_dup3, fresh, fd, cloexec, 0, 0, 0);
	sys_close(fresh);
}

static int stand_in(const struct guest_reply *r, int fd, struct sock_ref *ret)
{
	struct conn_seed seed = { .id = rt_random(), .rng = rt_random(),
				  .dgram_max = WIRE_DGRAM_MIN };
	struct sock *sk;
	u32 index, gen;

	sk = arena_slot_get(drv.ar, &index, &gen);
	if (!sk)
		return -ENFILE;
	sock_init(sk, index, gen);
	conn_init(&sk->conn, &seed, rt_now());
	sk->guest = sk->accepted = sk->bound = true;
	sk->family = r->family;
	sk->type = r->type;
	sk->protocol = r->protocol;
	sk->addr_len = r->addr_len;
	sk->local = r->local;
	sk->peer = r->peer;
	sk->rcvtimeo_us = r->rcvtimeo_us;
	sk->sndtimeo_us = r->sndtimeo_us;
	sk->reuseaddr = r->reuseaddr;
	sk->reuseport = r->reuseport;
	sk->v6only = r->v6only;
	sk->conn.opts = r->opts;
	sk->conn.opts.keepalive = false;	/* the driver sees to it */
	sk->conn.mem.sndbuf = r->sndbuf;
	sk->conn.mem.rcvbuf = r->rcvbuf;
	sk->conn.mem.lock_bits = r->lock_bits;
	sk->conn.state = r->kind == SK_LISTENER ? CONN_LISTEN : CONN_ESTABLISHED;
	atomic_store(&sk->shown, 1);		/* a listener: ask the mirror */
	atomic_store(&sk->nonblock, !!(sys_fcntl(fd, F_GETFL, 0) & O_NONBLOCK));
	atomic_store(&sk->cookie, join_cookie(fd));
	atomic_store(&sk->kind, r->kind);
	*ret = (struct sock_ref){ sk, gen };
	local_ref(sk);
	fresh_made();
	return 0;
}

int guest_join(int fd, struct sock_ref *ret)
{
	struct guest_reply r;
	int fresh = -1, err = show_to_all(fd, &r, &fresh);

	if (fresh >= 0)
		replace(fd, fresh);
	return err ? err : stand_in(&r, fd, ret);
}
