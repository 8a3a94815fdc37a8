/*
 * given.c - a socket that neither connects nor listens yet goes to another
 * program, over an exec or in a message. No driver knows such a one (fresh.c),
 * and a driver is who the other program will ask. So before it goes its driver is
 * given the app end, to look at, and the UDP socket if it is bound.
 *
 * Who still has it no mirror can tell: it has none. But an epoll set has an entry
 * for the app end for as long as anybody holds that, and does not hold it itself;
 * what entries there are is read in /proc. The caretaker has the same set.
 *
 * Nothing tells of an entry that goes. Who wants the number asks (leftover.c), as
 * does whoever comes or closes; else it is looked for less and less often.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"

/* ---- the program's side -------------------------------------------------------------- */

bool sock_give(struct sock_ref *r, int fd)
{
	struct sock *sk = r->sk;
	struct driver *was = rt_enter(sk);
	struct hello h = { 0, sk->index, r->gen, HELLO_GIVEN, 0 };
	int fds[2] = { fd, -1 };
	bool done = false;
	u32 before;

	if (!sock_stale(r) && atomic_load(&sk->kind) == SK_FRESH && !rt_start()) {
		h.nonce = drv.nonce;
		if (sk->bound)
			fds[1] = sock_udp_fd(sk);
		before = atomic_exchange(&sk->given, 1);
		done = mirror_send(&h, fds, fds[1] < 0 ? 1 : 2) > 0;
		if (!done)
			atomic_store(&sk->given, before);
	}
	rt_at = was;
	return done;
}

/* ---- the driver's ---------------------------------------------------------------------- */

#define LOOK_S		.1	/* doubled each time that all are held ... */
#define LOOK_MAX_S	10.

static ev_timer looks;
static double pause_s;
static u8 round_no = 1;		/* 0: not known, 1: not looked for yet */

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	given_look();
	if (!drv.ngiven)
		return;
	pause_s = pause_s * 2 < LOOK_MAX_S ? pause_s * 2 : LOOK_MAX_S;
	ev_timer_set(t, pause_s, 0.);
	ev_timer_start(loop, t);
}

void given_driver_init(void)
{
	ev_timer_init(&looks, on_look, LOOK_S, 0.);
}

bool given_here(const struct sock *sk)
{
	return sk->given_seen && atomic_load(&sk->kind) == SK_FRESH;
}

static void meet(struct sock *sk)
{
	drv.ngiven += !sk->given_seen;
	sk->given_seen = 1;
	care_new(sk);
	driver_busy();
	pause_s = LOOK_S;
	ev_timer_stop(drv.loop, &looks);
	ev_now_update(drv.loop);
	ev_timer_set(&looks, pause_s, 0.);
	ev_timer_start(drv.loop, &looks);
}

bool given_adopt(const struct hello *h, int app, int udp)
{
	struct sock *sk = rt_sock(h->index);
	struct epoll_event ev = { .data.u64 = (u64)h->gen << 32 | h->index };
	bool keep;

	if (!sk || atomic_load(&sk->gen) != h->gen || atomic_load(&sk->kind) != SK_FRESH)
		return false;
	sys_call6(SYS_epoll_ctl, drv.given_epfd, EPOLL_CTL_ADD, app, (long)&ev, 0, 0);
	keep = udp >= 0 && sk->port.drv_fd < 0;
	if (keep)
		sk->port.drv_fd = udp;
	meet(sk);
	return keep;
}

void given_used(struct sock *sk)
{
	if (!sk->given_seen)
		return;
	sk->given_seen = 0;
	drv.ngiven--;
	if (sk->port.drv_fd < 0)
		return;
	care_forget(sk, CARE_PORT);
	sys_close(sk->port.drv_fd);
	sk->port.drv_fd = -1;
}

/* Who follows without having had a caretaker has no set either, nor the UDP
 * socket: it is a fresh one again. */
void given_follow(struct sock *sk, int udp)
{
	sk->given_seen = 0;
	sk->port.drv_fd = udp;
	if (drv.caretaker)
		meet(sk);
	else
		atomic_store(&sk->given, 0);
}

/* Marks those that somebody has; how many. False: it can't be told. */
static bool mark_held(u32 *held)
{
	char line[128];
	unsigned long long data;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/thread-self/fdinfo/%d", drv.given_epfd);
	f = fopen(line, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		struct sock *sk;

		if (sscanf(line, "tfd: %*d events: %*x data: %llx", &data) != 1)
			continue;
		sk = rt_sock((u32)data);
		if (!sk || atomic_load(&sk->gen) != (u32)(data >> 32) || !given_here(sk) ||
		    sk->given_seen == round_no)
			continue;
		sk->given_seen = round_no;
		++*held;
	}
	fclose(f);
	return true;
}

static void end(struct sock *sk)
{
	if (!sock_trylock(sk, 0))
		return;		/* the next time */
	if (!given_here(sk)) {
		pthread_mutex_unlock(&sk->lock);
		return;
	}
	given_used(sk);
	sk->closing = true;
	sock_unlock(sk, -1);		/* frees it */
}

void given_look(void)
{
	u32 held = 0;

	if (!drv.ngiven)
		return;
	round_no = round_no == UINT8_MAX ? 2 : round_no + 1;
	if (!mark_held(&held) && !drv.alone)
		return;
	for (u32 i = 1; i < arena_slots_max(drv.ar) && held < drv.ngiven; i++) {
		struct sock *sk = rt_sock(i);

		if (sk && given_here(sk) && sk->given_seen != round_no)
			end(sk);
	}
}
