/* poll.c - waiting for readiness. The mirror makes the kernel answer rightly;
 * what is known without it saves the call, and a thread that is alone with its
 * socks receives while it waits. With a signal mask the kernel is asked always:
 * what it unblocks is delivered first. */
#include "preload/direct.h"
#include "preload/ready.h"
#include "preload/wrap.h"
#include "rt/watch.h"

static const struct timespec at_once;

static bool bad_time(const struct timespec *timeout)
{
	return timeout && bad_pointer(timeout);
}

/* True: *ret is the answer. Else the kernel's, after this. */
static bool answered(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		     const sigset_t *mask, int *ret)
{
	*ret = ready_poll(fds, n, !mask);
	if (*ret || direct_poll(fds, n, timeout, mask, ret))
		return true;
	watch_flush();
	return false;
}

static const struct timespec *ms(int timeout, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L };
	return timeout < 0 ? NULL : ts;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts;
	int ret;

	if (answered(fds, n, ms(timeout, &ts), NULL, &ret))
		return ret;
	timeout = ready_errq(fds, n) ? 0 : timeout;
	return ready_amend(fds, n, LIBC(poll)(fds, n, timeout));
}

int __poll(struct pollfd *, nfds_t, int) ALIAS(poll);

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t fdslen)
{
	struct timespec ts;
	int ret;

	if (n * sizeof(*fds) <= fdslen && answered(fds, n, ms(timeout, &ts), NULL, &ret))
		return ret;
	if (n * sizeof(*fds) <= fdslen && ready_errq(fds, n))
		timeout = 0;
	return ready_amend(fds, n, LIBC(__poll_chk)(fds, n, timeout, fdslen));
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int ret;

	if (!bad_time(timeout) && answered(fds, n, timeout, mask, &ret))
		return ret;
	if (!bad_time(timeout) && ready_errq(fds, n))
		timeout = &at_once;
	return ready_amend(fds, n, LIBC(ppoll)(fds, n, timeout, mask));
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask, size_t fdslen)
{
	int ret;

	if (n * sizeof(*fds) <= fdslen && !bad_time(timeout) &&
	    answered(fds, n, timeout, mask, &ret))
		return ret;
	if (!bad_time(timeout) && n * sizeof(*fds) <= fdslen && ready_errq(fds, n))
		timeout = &at_once;
	return ready_amend(fds, n, LIBC(__ppoll_chk)(fds, n, timeout, mask, fdslen));
}

static bool select_answered(int n, fd_set *rd, fd_set *wr, fd_set *ex,
			    const struct timespec *timeout, const sigset_t *mask,
			    struct timespec *left, int *ret)
{
	*ret = ready_select(n, rd, wr, ex, !mask);
	if (*ret || direct_select(n, rd, wr, ex, timeout, mask, left, ret))
		return true;
	watch_flush();
	return false;
}

/* The timeout tells what was left of it (select(2), as Linux has it). */
int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	struct timespec ts = { 0 }, left;
	bool sane = !timeout || (!bad_pointer(timeout) && timeout->tv_usec >= 0 &&
				 timeout->tv_usec < (long)USEC_PER_SEC);
	int ret;

	if (timeout && sane)
		ts = (struct timespec){ timeout->tv_sec, timeout->tv_usec * 1000 };
	left = ts;
	if (sane && select_answered(n, rd, wr, ex, timeout ? &ts : NULL, NULL, &left, &ret)) {
		if (timeout)
			*timeout = (struct timeval){ left.tv_sec, left.tv_nsec / 1000 };
		return ret;
	}
	return ready_select_amend(n, rd, ex, LIBC(select)(n, rd, wr, ex, timeout));
}

int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *) ALIAS(select);

int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
	    const sigset_t *mask)
{
	struct timespec left;
	int ret;

	if (!bad_time(timeout) &&
	    select_answered(n, rd, wr, ex, timeout, mask, &left, &ret))
		return ret;
	return ready_select_amend(n, rd, ex, LIBC(pselect)(n, rd, wr, ex, timeout, mask));
}
