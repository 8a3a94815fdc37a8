/* ready.c - poll and select from what socks publish. */
#include <pthread.h>
#include "preload/epoll_move.h"
#include "preload/fdtab.h"
#include "preload/ready.h"
#include "preload/wrap.h"
#include "rt/errq.h"
#include "rt/watch.h"

/* Without a pin: what is only looked at. False: none of ours. */
static bool fd_peek(int fd, struct sock_ref *r)
{
	struct fd_entry *e = fd_entry(fd);

	r->sk = e ? atomic_load_explicit(&e->sk, memory_order_acquire) : NULL;
	if (r->sk)
		r->gen = atomic_load_explicit(&e->gen, memory_order_relaxed);
	return r->sk;
}

static u32 fd_ready(int fd)
{
	struct sock_ref r;

	return fd_peek(fd, &r) ? sock_ready(&r) : SOCK_READY_UNKNOWN;
}

static void fd_watch_urgent(int fd)
{
	struct sock_ref r;
	FD_USE(u);

	if (fd_peek(fd, &r) && unlikely(!atomic_load(&r.sk->urgent)) && fd_get(fd, &u))
		sock_watch_urgent(&u.ref);
}

/* ERR that no mirror shows, for poll() the kernel's answers. */
static bool fd_errq(int fd)
{
	struct sock_ref r;

	return unlikely(errq_used()) && fd_peek(fd, &r) && sock_errq(&r);
}

static bool fd_failed(int fd)
{
	struct sock_ref r;

	return fd_peek(fd, &r) && sock_failed(&r);
}

/* A call that waits is where a thread may be cancelled, also if it need not. */
static int answer(int n)
{
	if (n)
		pthread_testcancel();
	return n;
}

/* The thread that received an end has asked the driver to show it: who is told of
 * it here and then asks an epoll set must be told there, too. */
static void await_end(int fd, u32 ready, short events)
{
	const struct timespec limit = { .tv_nsec = WATCH_TOKEN_MS * 1000000L };
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	if (unlikely(ready & READY_RDHUP && events & POLLRDHUP) &&
	    !(ready & (SOCK_READY_UNKNOWN | SOCK_READY_END_SHOWN)) &&
	    atomic_load(&epoll_move_used))
		LIBC(ppoll)(&p, 1, &limit, NULL);
}

/* What poll() would say of it, asked for these events: ERR unasked. */
static short poll_bits(u32 ready, short events)
{
	int bits = 0;

	if (ready & READY_IN)
		bits |= POLLIN | POLLRDNORM;
	if (ready & READY_RDHUP)
		bits |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (ready & READY_OUT)
		bits |= POLLOUT | POLLWRNORM;
	if (ready & READY_PRI)
		bits |= POLLPRI;
	if (unlikely(ready & SOCK_READY_ERRQ))
		bits |= POLLERR;
	return (short)(bits & (events | POLLERR));
}

int ready_poll(struct pollfd *fds, nfds_t n, bool may_answer)
{
	int ready = 0, any = 0;

	if (!fd_active() || rt_bypass || bad_pointer(fds))
		return 0;
	for (nfds_t i = 0; i < n; i++)
		if (unlikely(fds[i].events & POLLPRI))
			fd_watch_urgent(fds[i].fd);
	if (!may_answer)
		return 0;
	for (nfds_t i = 0; i < n; i++) {
		u32 r = fds[i].fd < 0 ? 0 : fd_ready(fds[i].fd);

		if (r & SOCK_READY_UNKNOWN)
			return 0;
		any |= poll_bits(r, fds[i].events);
	}
	for (nfds_t i = 0; any && i < n; i++) {
		u32 r = fds[i].fd < 0 ? 0 : fd_ready(fds[i].fd);

		await_end(fds[i].fd, r, fds[i].events);
		fds[i].revents = poll_bits(r, fds[i].events);
		ready += fds[i].revents != 0;
	}
	return answer(ready);
}

/* PRI is shown by a byte that is IN, too (rt/urgent.c); but is there one? */
static bool fd_only_urgent(int fd)
{
	return !(fd_ready(fd) & (SOCK_READY_UNKNOWN | READY_IN | READY_RDHUP));
}

int ready_amend(struct pollfd *fds, nfds_t n, int ret)
{
	int ready = 0;

	if (ret < 0 || !fd_active() || rt_bypass)
		return ret;
	for (nfds_t i = 0; i < n; i++) {
		u32 r = fds[i].fd < 0 ? 0 : fd_ready(fds[i].fd);
		short *got = &fds[i].revents;

		await_end(fds[i].fd, r, fds[i].events);
		if (!(r & SOCK_READY_UNKNOWN))
			*got |= poll_bits(r, fds[i].events);
		if ((*got & (POLLHUP | POLLERR)) == POLLHUP && fd_failed(fds[i].fd))
			*got |= POLLERR;
		if (fds[i].fd >= 0 && fd_errq(fds[i].fd))
			*got |= POLLERR;
		if (unlikely(*got & POLLPRI) && fd_only_urgent(fds[i].fd))
			*got &= ~(POLLIN | POLLRDNORM);
		ready += *got != 0;
	}
	return ready;
}

bool ready_ours(const struct pollfd *fds, nfds_t n)
{
	struct sock_ref r;

	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= 0 && fd_peek(fds[i].fd, &r))
			return true;
	return false;
}

bool ready_some(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++) {
		u32 r = fds[i].fd < 0 ? 0 : fd_ready(fds[i].fd);

		if (!(r & SOCK_READY_UNKNOWN) && poll_bits(r, fds[i].events))
			return true;
	}
	return false;
}

bool ready_errq(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; errq_used() && fd_active() && !rt_bypass && i < n; i++)
		if (fds[i].fd >= 0 && fd_errq(fds[i].fd))
			return true;
	return false;
}

enum { WORD_BITS = 8 * sizeof(fd_mask) };

/* The bits of one word of the sets that are ready; their number, or -1. */
static int ready_word(int base, fd_mask *rd, fd_mask *wr, fd_mask *ex)
{
	unsigned long left = (unsigned long)(*rd | *wr | *ex), in = 0, out = 0, pri = 0;

	while (left) {
		int bit = __builtin_ctzl(left);
		u32 r = fd_ready(base + bit);

		if (r & SOCK_READY_UNKNOWN)
			return -1;
		if (r & (READY_IN | READY_RDHUP | SOCK_READY_ERRQ))
			in |= 1UL << bit;
		if (r & (READY_OUT | SOCK_READY_ERRQ))
			out |= 1UL << bit;
		if (r & READY_PRI)
			pri |= 1UL << bit;
		left &= left - 1;
	}
	*rd &= (fd_mask)in;
	*wr &= (fd_mask)out;
	*ex &= (fd_mask)pri;
	return __builtin_popcountl((unsigned long)*rd) + __builtin_popcountl((unsigned long)*wr) +
	       __builtin_popcountl((unsigned long)*ex);
}

static void watch_urgent(int n, const fd_set *ex)
{
	for (int fd = 0; fd < n; fd++)
		if (FD_ISSET(fd, ex))
			fd_watch_urgent(fd);
}

int ready_select(int n, fd_set *rd, fd_set *wr, fd_set *ex, bool may_answer)
{
	enum { WORDS = FD_SETSIZE / WORD_BITS };
	fd_mask in[WORDS] = { 0 }, out[WORDS] = { 0 }, pri[WORDS] = { 0 };
	int words = (n + WORD_BITS - 1) / WORD_BITS, ready = 0;

	if (!fd_active() || rt_bypass || n <= 0 || n > FD_SETSIZE)
		return 0;
	if (ex)
		watch_urgent(n, ex);
	if (!may_answer)
		return 0;
	for (int i = 0; i < words; i++) {
		fd_mask asked = (fd_mask)~0UL;
		int got;

		if (i == words - 1 && n % WORD_BITS)
			asked = (fd_mask)((1UL << (n % WORD_BITS)) - 1);
		in[i] = rd ? __FDS_BITS(rd)[i] & asked : 0;
		out[i] = wr ? __FDS_BITS(wr)[i] & asked : 0;
		pri[i] = ex ? __FDS_BITS(ex)[i] & asked : 0;
		got = ready_word(i * WORD_BITS, &in[i], &out[i], &pri[i]);
		if (got < 0)
			return 0;
		ready += got;
	}
	for (int i = 0; ready && i < words; i++) {
		if (rd)
			__FDS_BITS(rd)[i] = in[i];
		if (wr)
			__FDS_BITS(wr)[i] = out[i];
		if (ex)
			__FDS_BITS(ex)[i] = pri[i];
	}
	return answer(ready);
}

int ready_select_amend(int n, fd_set *rd, const fd_set *ex, int ret)
{
	if (ret <= 0 || !rd || !ex || !fd_active() || rt_bypass || n > FD_SETSIZE)
		return ret;
	for (int fd = 0; fd < n; fd++)
		if (FD_ISSET(fd, ex) && FD_ISSET(fd, rd) && fd_only_urgent(fd)) {
			FD_CLR(fd, rd);
			ret--;
		}
	return ret;
}

/* ---- epoll ------------------------------------------------------------------------------ */

/* The sock that this event is of has failed, and nobody was told. */
static bool event_failed(int epfd, u64 data)
{
	for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1)) {
		struct sock_ref r;
		struct watch_place at;
		struct driver *was;
		bool found;

		if (!fd_peek(fd, &r) || !sock_failed(&r))
			continue;
		was = rt_enter(r.sk);
		found = watch_where(r.sk, &at) && at.epfd == epfd && at.data == data;
		rt_at = was;
		if (found)
			return true;
	}
	return false;
}

int ready_epoll_amend(int epfd, struct epoll_event *ev, int n)
{
	if (n <= 0 || rt_bypass || !fd_active())
		return n;
	if (unlikely(errq_used()))
		n = errq_merge(ev, n);
	for (int i = 0; i < n; i++)
		if (unlikely((ev[i].events & (EPOLLHUP | EPOLLERR)) == EPOLLHUP) &&
		    event_failed(epfd, ev[i].data.u64))
			ev[i].events |= EPOLLERR;
	return n;
}
