/* direct.c - poll() and select() that receive. */
#include <string.h>
#include "preload/direct.h"
#include "preload/ready.h"
#include "preload/wrap.h"
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

/* One wait of the kernel's. *packets: some came, and were run. */
static int wait_once(struct pollfd *fds, nfds_t n, const struct timespec *ts,
		     const sigset_t *mask, bool *packets)
{
	struct pollfd all[DIRECT_FDS + 1];
	int ret;

	memcpy(all, fds, n * sizeof(*fds));
	all[n] = (struct pollfd){ .fd = drv.wait_app, .events = POLLIN };
	ret = LIBC(ppoll)(all, n + 1, ts, mask);
	if (ret < 0)
		return ret;
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = all[i].revents;
	*packets = all[n].revents;
	if (*packets)
		watch_poll_packets();
	ret = ready_amend(fds, n, ret - *packets);
	return ret || !*packets ? ret : watch_interrupted();
}

bool direct_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask, int *ret)
{
	struct timespec left, *leftp = NULL;
	usec_t until = 0, now;
	bool packets;

	if (!can_wait(n, timeout) || bad_pointer(fds) || !ready_ours(fds, n) ||
	    !watch_poll_begin())
		return false;
	if (timeout) {
		until = rt_now() + in_usec(timeout);
		left = *timeout;
		leftp = &left;
	}
	do {
		bool some = ready_some(fds, n);

		*ret = wait_once(fds, n, some ? &at_once : leftp, mask, &packets);
		if (*ret || !(packets || some))
			break;
		now = timeout ? rt_now() : 0;
		if (timeout)
			left = in_timespec(until > now ? until - now : 0);
	} while (!timeout || now < until);
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
