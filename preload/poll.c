/* poll.c - waiting for readiness. The mirror makes the kernel answer rightly;
 * what is known without it saves the call. With a signal mask the kernel is
 * asked always: what it unblocks is delivered first. */
#include "preload/ready.h"
#include "preload/wrap.h"
#include "rt/watch.h"

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int ready = ready_poll(fds, n, true);

	if (ready)
		return ready;
	watch_flush();
	return ready_amend(fds, n, LIBC(poll)(fds, n, timeout));
}

int __poll(struct pollfd *, nfds_t, int) ALIAS(poll);

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen)
{
	int ready = n * sizeof(*fds) <= fdslen ? ready_poll(fds, n, true) : 0;

	if (ready)
		return ready;
	watch_flush();
	return ready_amend(fds, n, LIBC(__poll_chk)(fds, n, timeout, fdslen));
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int ready = ready_poll(fds, n, !mask);

	if (ready)
		return ready;
	watch_flush();
	return ready_amend(fds, n, LIBC(ppoll)(fds, n, timeout, mask));
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask, size_t fdslen)
{
	int ready = n * sizeof(*fds) <= fdslen ? ready_poll(fds, n, !mask) : 0;

	if (ready)
		return ready;
	watch_flush();
	return ready_amend(fds, n, LIBC(__ppoll_chk)(fds, n, timeout, mask, fdslen));
}

int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	int ready = ready_select(n, rd, wr, ex, true);

	if (ready)
		return ready;
	watch_flush();
	return ready_select_amend(n, rd, ex, LIBC(select)(n, rd, wr, ex, timeout));
}

int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *) ALIAS(select);

int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
	    const sigset_t *mask)
{
	int ready = ready_select(n, rd, wr, ex, !mask);

	if (ready)
		return ready;
	watch_flush();
	return ready_select_amend(n, rd, ex,
				     LIBC(pselect)(n, rd, wr, ex, timeout, mask));
}
