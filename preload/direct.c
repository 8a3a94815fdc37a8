/* direct.c - poll() and select() that receive. */
#include <string.h>
#include "preload/direct.h"
#include "preload/ready.h"
#include "preload/wrap.h"
#include "rt/errq.h"
#include "rt/rt.h"
#include "rt/watch.h"

enum { DIRECT_FDS = 64 };

static const struct timespec at_once;

static usec_t in_usec(const struct timespec *ts)
{
	return (usec_t)ts->tv_sec * USEC_PER_SEC + (usec_t)ts->tv_nsec / 1000;
}

static struct timespec in_timespec(usec_t us)
{
	return (struct timespec){ .tv_sec = (time_t)(us / USEC_PER_SEC),
				  .tv_nsec = (long)(us % USEC_PER_SEC * 1000) };
}

/* Nothing, or too much, or nonsense: the kernel knows what to say. */
static bool can_wait(nfds_t n, const struct timespec *timeout)
{
	return n && n <= DIRECT_FDS && fd_active() && !rt_bypass &&
	       (!timeout || (timeout->tv_sec >= 0 && timeout->tv_sec < INT32_MAX &&
			     timeout->tv_nsec >= 0 && timeout->tv_nsec < 1000000000));
}

/* A mirror is writable with a bit that TCP never has. */
static bool asks_band(const struct pollfd *p)
{
	return unlikely(p->events & POLLWRBAND) && ready_ours(p, 1);
}

static bool any_band(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		if (asks_band(&fds[i]))
			return true;
	return false;
}

/* What is waited for beside the program's descriptors; -1: not. */
struct beside {
	int packets, errq;
	bool came;		/* some of it: the wait is not over */
};

/* One wait of the kernel's. */
static int wait_once(struct pollfd *fds, nfds_t n, const struct timespec *ts,
		     const sigset_t *mask, struct beside *b)
{
	struct pollfd all[DIRECT_FDS + 2];
	int ret;

	memcpy(all, fds, n * sizeof(*fds));
	for (nfds_t i = 0; i < n; i++)
		if (asks_band(&all[i]))
			all[i].events &= ~POLLWRBAND;
	all[n] = (struct pollfd){ .fd = b->packets, .events = POLLIN };
	all[n + 1] = (struct pollfd){ .fd = b->errq, .events = POLLIN };
	ret = LIBC(ppoll)(all, n + 2, ts, mask);
	if (ret < 0)
		return ret;
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = all[i].revents;
	b->came = all[n].revents || all[n + 1].revents;
	if (all[n].revents)
		watch_poll_packets();
	if (all[n + 1].revents)
		errq_wait_again();
	ret = ready_amend(fds, n, ret);
	return ret || !all[n].revents ? ret : watch_interrupted();
}

static int wait_all(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		    const sigset_t *mask, struct beside *b)
{
	usec_t until = timeout ? rt_now() + in_usec(timeout) : 0, now;
	struct timespec left = timeout ? *timeout : at_once;
	int ret;

	for (;;) {
		bool some = ready_some(fds, n) || ready_errq(fds, n);

		ret = wait_once(fds, n, some ? &at_once : timeout ? &left : NULL, mask, b);
		if (ret || !(b->came || some))
			return ret;
		now = timeout ? rt_now() : 0;
		if (timeout && now >= until)
			return 0;
		if (timeout)
			left = in_timespec(until - now);
	}
}

bool direct_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask, int *ret)
{
	struct beside b = { .packets = -1 };
	bool seat;

	if (!can_wait(n, timeout) || bad_pointer(fds) || !ready_ours(fds, n))
		return false;
	seat = watch_poll_begin();
	b.errq = errq_wait_begin();
	if (seat)
		b.packets = drv.wait_app;
	else if (b.errq < 0 && !any_band(fds, n))
		return false;
	else
		watch_flush();
	*ret = wait_all(fds, n, timeout, mask, &b);
	if (b.errq >= 0)
		errq_wait_end();
	if (seat)
		watch_poll_end();
	return true;
}

/* ---- select ------------------------------------------------------------------------------- */

enum {
	IN_BITS = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	OUT_BITS = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
};

static short wanted(int fd, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	return (short)((rd && FD_ISSET(fd, rd) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
		       (wr && FD_ISSET(fd, wr) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) |
		       (ex && FD_ISSET(fd, ex) ? POLLPRI : 0));
}

/* The number of descriptors; more than DIRECT_FDS: too many. */
static nfds_t to_poll(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex,
		      struct pollfd *fds)
{
	nfds_t found = 0;

	for (int fd = 0; fd < n && found <= DIRECT_FDS; fd++) {
		short events = wanted(fd, rd, wr, ex);

		if (events && found < DIRECT_FDS)
			fds[found] = (struct pollfd){ .fd = fd, .events = events };
		found += events != 0;
	}
	return found;
}

static int keep(fd_set *set, int fd, bool asked, bool is)
{
	if (asked && !is)
		FD_CLR(fd, set);
	return asked && is;
}

static int from_poll(const struct pollfd *fds, nfds_t n, fd_set *rd, fd_set *wr, fd_set *ex)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		const struct pollfd *p = &fds[i];

		ready += keep(rd, p->fd, p->events & POLLIN, p->revents & IN_BITS);
		ready += keep(wr, p->fd, p->events & POLLOUT, p->revents & OUT_BITS);
		ready += keep(ex, p->fd, p->events & POLLPRI, p->revents & POLLPRI);
	}
	return ready;
}

static bool invalid(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents & POLLNVAL)
			return true;
	return false;
}

bool direct_select(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
		   const sigset_t *mask, struct timespec *left, int *ret)
{
	struct pollfd fds[DIRECT_FDS];
	usec_t begun;
	nfds_t found;

	if (!fd_active() || rt_bypass || n <= 0 || n > FD_SETSIZE)
		return false;
	found = to_poll(n, rd, wr, ex, fds);
	begun = timeout ? rt_now() : 0;
	if (found > DIRECT_FDS)
		return false;
	if (!direct_poll(fds, found, timeout, mask, ret)) {
		if (!ready_errq(fds, found))
			return false;
		*ret = ready_amend(fds, found, LIBC(ppoll)(fds, found, &at_once, mask));
	}
	if (*ret > 0 && invalid(fds, found))
		return false;		/* EBADF, or beyond its table: ignored */
	if (*ret >= 0)
		*ret = from_poll(fds, found, rd, wr, ex);
	if (timeout) {
		usec_t passed = rt_now() - begun, most = in_usec(timeout);

		*left = in_timespec(passed < most ? most - passed : 0);
	}
	return true;
}
