/* poll.c - waiting for readiness. The mirror makes the kernel answer rightly,
 * so these go through; they are wrapped to be the one place where that can
 * change. */
#include "preload/wrap.h"

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	return LIBC(poll)(fds, n, timeout);
}

int __poll(struct pollfd *, nfds_t, int) ALIAS(poll);

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen)
{
	return LIBC(__poll_chk)(fds, n, timeout, fdslen);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	return LIBC(ppoll)(fds, n, timeout, mask);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask, size_t fdslen)
{
	return LIBC(__ppoll_chk)(fds, n, timeout, mask, fdslen);
}

int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	return LIBC(select)(n, rd, wr, ex, timeout);
}

int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *) ALIAS(select);

int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
	    const sigset_t *mask)
{
	return LIBC(pselect)(n, rd, wr, ex, timeout, mask);
}
