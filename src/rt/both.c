/*
 * both.c - a listener's other half, on the kernel's TCP under the same name
 * (RUDP_LISTEN=both). The program's thread makes it and passes it to the driver,
 * which takes connections from it and hands them out through the mirror, among
 * ours, as they are: accept() returns a socket of the kernel's. At most
 * ACCEPT_IN_FLIGHT lie in the mirror, the others stay in the kernel's queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include "rt/files.h"
#include "rt/join.h"
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

struct both {
	ev_io w;
	ev_timer again;		/* the mirror was full: one that was lost tells nobody */
	u32 index, gen;
};

#define AGAIN_S	.1
enum { LEAVES_MAX = 10 };	/* waits of 100 ms for a driver that may have died */

static struct both **halves;		/* the driver's, by sock index */
static u32 nhalves;

/* ---- the program's side ---------------------------------------------------------- */

static int listener_again(const struct sock *sk, const union sock_addr *a)
{
	(void)a;
	return plain_listener(sk);
}

/* The number was found by UDP: a connection of TCP's may have it. Then there is
 * no other half. */
int both_make(struct sock *sk)
{
	int fd = plain_listener(sk), ret;

	if (fd == -EADDRINUSE)
		fd = leftover_retry(listener_again, sk, NULL);
	if (fd < 0)
		return sk->port_given ? fd : -ENOENT;
	ret = sys_listen(fd, (int)atomic_load(&sk->backlog_max));
	if (!ret)
		return fd;
	sys_close(fd);
	/* two may bind a number before one of them listens */
	return ret == -EADDRINUSE && !sk->port_given ? -ENOENT : ret;
}

void both_pass(struct sock *sk, int fd)
{
	struct hello h = { drv.nonce, sk->index, atomic_load(&sk->gen), HELLO_BOTH, 0 };

	mirror_send(&h, &fd, 1);
	sys_close(fd);
}

/* ---- the driver's ------------------------------------------------------------------ */

void both_driver_init(void)
{
	halves = NULL;
	nhalves = 0;
}

static void on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
	struct both *b = container_of(w, struct both, w);
	struct sock *sk = rt_sock(b->index);

	(void)revents;
	ev_io_stop(loop, w);	/* refilling starts it when there is room */
	if (sock_note_trylock(sk, b->gen, PEND_REFILL))
		sock_unlock(sk, -1);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct both *b = container_of(t, struct both, again);

	on_connection(loop, &b->w, revents);
}

static struct both *half_of(const struct sock *sk)
{
	return sk->index < nhalves ? halves[sk->index] : NULL;
}

void both_enter(struct sock *sk)
{
	struct both *b;

	if (sk->plain_fd < 0 || half_of(sk))
		return;
	if (sk->index >= nhalves) {
		u32 want = max(sk->index + 1, nhalves * 2);
		struct both **more = realloc(halves, want * sizeof(*more));

		if (!more)
			return;
		memset(more + nhalves, 0, (want - nhalves) * sizeof(*more));
		halves = more;
		nhalves = want;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return;
	b->index = sk->index;
	b->gen = atomic_load(&sk->gen);
	halves[sk->index] = b;
	ev_io_init(&b->w, on_connection, sk->plain_fd, EV_READ);
	ev_io_start(drv.loop, &b->w);
	ev_timer_init(&b->again, on_again, AGAIN_S, 0.);
	care_new(sk);
}

bool both_adopt(u32 index, u32 gen, int fd)
{
	struct sock *sk = rt_sock(index);

	if (!sk || atomic_load(&sk->gen) != gen || sk->plain_fd >= 0 || sk->closing)
		return false;
	sk->plain_fd = fd;
	both_enter(sk);
	return true;
}

void both_stop(struct sock *sk)
{
	struct both *b = half_of(sk);

	if (b) {
		ev_io_stop(drv.loop, &b->w);
		ev_timer_stop(drv.loop, &b->again);
		free(b);
		halves[sk->index] = NULL;
	}
	if (sk->plain_fd < 0)
		return;
	/* The caretaker's copy goes a moment later: it must not listen, nor hold
	 * the number. */
	sys_setsockopt(sk->plain_fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	sys_shutdown(sk->plain_fd, SHUT_RDWR);
	care_forget(sk, CARE_PLAIN);
	sys_close(sk->plain_fd);
	sk->plain_fd = -1;
}

/* As long as the driver has a copy, a close() of the program's is not the last:
 * its epoll sets would go on telling of the socket. */
void both_taken(struct sock *lsk, u32 number)
{
	const struct timespec limit = { .tv_nsec = 100000000 };
	u32 sent;

	for (int i = 0; i < LEAVES_MAX; i++) {
		sent = atomic_load(&lsk->plain_sent);
		if ((s32)(sent - number) >= 0)
			return;
		sys_futex_wait(&lsk->plain_sent, sent, &limit);
	}
}

/* What came out of the mirror, though nobody said so. */
static void recount(struct sock *lsk)
{
	int queued = 1;

	sys_call6(SYS_ioctl, lsk->owner_fd, SIOCOUTQ, (long)&queued, 0, 0, 0);
	if (queued)
		return;
	lsk->in_flight = 0;
	atomic_store(&lsk->taken, 0);
}

void both_refill(struct sock *lsk)
{
	struct both *b = half_of(lsk);
	u32 sent;

	if (!b || ev_is_active(&b->w))
		return;			/* nothing there, as far as it has told */
	if (lsk->in_flight >= ACCEPT_IN_FLIGHT)
		recount(lsk);
	atomic_store(&lsk->plain_waiting, 0);
	while (lsk->in_flight < ACCEPT_IN_FLIGHT) {
		int fd;

		FILES_MAKE(fd, sys_accept4(lsk->plain_fd, NULL, NULL, SOCK_CLOEXEC));
		if (fd == -EMFILE && files_use_spare())
			fd = sys_accept4(lsk->plain_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd == -ECONNABORTED || fd == -EINTR)
			continue;
		if (fd == -EMFILE || fd == -ENFILE)
			break;
		if (fd < 0) {
			ev_io_start(drv.loop, &b->w);
			return;
		}
		lsk->in_flight++;
		sent = atomic_load(&lsk->plain_sent) + 1;
		if (listen_send(lsk, fd, 0, sent) < 0)
			lsk->in_flight--;
		sys_close(fd);
		files_spare();
		atomic_store(&lsk->plain_sent, sent);
		sys_futex_wake(&lsk->plain_sent, INT32_MAX);
	}
	atomic_store(&lsk->plain_waiting, 1);
	ev_timer_stop(drv.loop, &b->again);
	ev_timer_set(&b->again, AGAIN_S, 0.);
	ev_timer_start(drv.loop, &b->again);
}
