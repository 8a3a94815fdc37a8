/* epoll.c - the kernel's sets hold mirrors; a sock only has to know that one
 * of its watchers wants edges. */
#include "preload/epoll_move.h"
#include "preload/wrap.h"
#include "preload/ready.h"
#include "rt/errq.h"
#include "rt/watch.h"

int epoll_create(int size)
{
	int fd = LIBC(epoll_create)(size);

	if (!rt_bypass) {
		fd_forget(fd);
		watch_new_set(fd);
	}
	return fd;
}

int epoll_create1(int flags)
{
	int fd = LIBC(epoll_create1)(flags);

	if (!rt_bypass) {
		fd_forget(fd);
		watch_new_set(fd);
	}
	return fd;
}

static void ctl_done(struct fd_use *u, int epfd, int op, const struct epoll_event *ev)
{
	watch_ctl(&u->ref, epfd, op, ev);
	errq_watched(&u->ref, u->fd);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	FD_USE(u);
	bool ours = fd_get(fd, &u);
	struct epoll_event mine;
	int ret;

	if (ours && op != EPOLL_CTL_DEL && !bad_pointer(ev)) {
		mine = *ev;		/* what only a mirror would show is left out */
		mine.events &= ~(u32)EPOLLWRBAND;
		ev = &mine;
		if (ev->events & EPOLLET)
			sock_edge_triggered(&u.ref);
		if (ev->events & EPOLLPRI)
			sock_watch_urgent(&u.ref);
		atomic_store_explicit(&epoll_move_used, true, memory_order_relaxed);
	}
	ret = LIBC(epoll_ctl)(epfd, op, fd, ev);
	if (ret == 0 && ours)
		ctl_done(&u, epfd, op, ev);
	else if (ret == 0 && op == EPOLL_CTL_ADD && !rt_bypass)
		watch_nested(fd, false);
	return ret;
}

static int real_wait(int epfd, struct epoll_event *ev, int max, int timeout,
		     const sigset_t *mask)
{
	return LIBC(epoll_pwait)(epfd, ev, max, timeout, mask);
}

static bool needs_us(int epfd)
{
	if (rt_bypass)
		return false;
	if (watch_knows(epfd))
		return true;
	watch_flush();
	return false;
}

int epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout)
{
	if (needs_us(epfd))
		return ready_epoll_amend(epfd, ev,
					 watch_wait(epfd, ev, max, timeout, NULL, real_wait));
	return ready_epoll_amend(epfd, ev, LIBC(epoll_wait)(epfd, ev, max, timeout));
}

int epoll_pwait(int epfd, struct epoll_event *ev, int max, int timeout, const sigset_t *mask)
{
	if (needs_us(epfd))
		return ready_epoll_amend(epfd, ev,
					 watch_wait(epfd, ev, max, timeout, mask, real_wait));
	return ready_epoll_amend(epfd, ev, LIBC(epoll_pwait)(epfd, ev, max, timeout, mask));
}

int epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
		 const sigset_t *mask)
{
	static const struct timespec token = { 0, WATCH_TOKEN_MS * 1000000L };

	if (needs_us(epfd)) {	/* finer than what we wait for: the kernel alone */
		bool now = timeout && !bad_pointer(timeout) && !timeout->tv_sec &&
			   !timeout->tv_nsec;

		if (now && watch_reports(epfd))
			timeout = &token;
		watch_nested(epfd, false);
	}
	return ready_epoll_amend(epfd, ev, LIBC(epoll_pwait2)(epfd, ev, max, timeout, mask));
}
