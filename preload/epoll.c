/* epoll.c - the kernel's sets hold mirrors; a sock only has to know that one
 * of its watchers wants edges. */
#include "preload/epoll_move.h"
#include "preload/wrap.h"

int epoll_create(int size)
{
	int fd = LIBC(epoll_create)(size);

	if (!rt_bypass)
		fd_forget(fd);
	return fd;
}

int epoll_create1(int flags)
{
	int fd = LIBC(epoll_create1)(flags);

	if (!rt_bypass)
		fd_forget(fd);
	return fd;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	FD_USE(u);

	if (op != EPOLL_CTL_DEL && ev && fd_get(fd, &u)) {
		if (ev->events & EPOLLET)
			sock_edge_triggered(&u.ref);
		if (ev->events & EPOLLPRI)
			sock_watch_urgent(&u.ref);
		atomic_store_explicit(&epoll_move_used, true, memory_order_relaxed);
	}
	return LIBC(epoll_ctl)(epfd, op, fd, ev);
}

int epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout)
{
	return LIBC(epoll_wait)(epfd, ev, max, timeout);
}

int epoll_pwait(int epfd, struct epoll_event *ev, int max, int timeout, const sigset_t *mask)
{
	return LIBC(epoll_pwait)(epfd, ev, max, timeout, mask);
}

int epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
		 const sigset_t *mask)
{
	return LIBC(epoll_pwait2)(epfd, ev, max, timeout, mask);
}
