/*
 * fd.c - descriptors are closed, duplicated, and have their flags changed.
 *
 * A few numbers at the top of the range are the runtime's own (wake-up, UDP
 * sockets): closing one is EBADF, ranges go around them, and a dup2() onto
 * one moves ours out of the way.
 */
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include "preload/wrap.h"
#include "rt/sys.h"
#include "rt/watch.h"

static void forget_set(int fd)
{
	if (watch_is_set(fd) && !proc_is_vfork_child())
		watch_forget_sets((unsigned)fd, (unsigned)fd);
}

int fd_close_number(int fd)
{
	FD_USE(u);

	if (rt_bypass || !fd_active())
		return LIBC(close)(fd);
	if (rt_fd_protected(fd))
		return (int)result(-EBADF);
	if (!fd_get(fd, &u)) {
		forget_set(fd);
		return LIBC(close)(fd);
	}
	if (proc_is_vfork_child())
		return LIBC(close)(fd);
	return (int)result(fd_close(&u));
}

/* Who is cancelled at its entry has closed nothing. */
int close(int fd)
{
	if (!rt_bypass && fd_active())
		pthread_testcancel();
	return fd_close_number(fd);
}

int __close(int) ALIAS(close);

/* The number of descriptors there can be: what ranges are cut to. */
static unsigned fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur > FD_CHUNKS * FD_CHUNK)
		return FD_CHUNKS * FD_CHUNK;
	return (unsigned)rl.rlim_cur;
}

/* close_range() around the runtime's descriptors. */
static int close_pieces(unsigned first, unsigned last, int flags)
{
	unsigned end = min(last, rt_fd_highest());
	unsigned from = first;
	int ret = 0;

	for (unsigned fd = first; fd <= end; fd++) {
		if (!rt_fd_protected((int)fd))
			continue;
		if (fd > from)
			ret = LIBC(close_range)(from, fd - 1, flags);
		if (ret < 0)
			return ret;
		from = fd + 1;
	}
	return from <= last ? LIBC(close_range)(from, last, flags) : 0;
}

int close_range(unsigned int first, unsigned int last, int flags)
{
	if (rt_bypass || !fd_active() || first > last || (flags & CLOSE_RANGE_CLOEXEC) ||
	    (flags & ~CLOSE_RANGE_UNSHARE))
		return LIBC(close_range)(first, last, flags);
	if (!proc_is_vfork_child() && first < FD_CHUNKS * FD_CHUNK) {
		for (int fd = fd_next((int)first); fd >= 0 && (unsigned)fd <= last;
		     fd = fd_next(fd + 1))
			fd_close_number(fd);
		watch_forget_sets(first, last);
	}
	return close_pieces(first, last, flags);
}

void closefrom(int first)
{
	unsigned from = first < 0 ? 0 : (unsigned)first;

	if (rt_bypass || !fd_active() || close_range(from, ~0U, 0) < 0)
		LIBC(closefrom)(first);
}

/* One more number for the same sock. Without memory for the table it stays a
 * bare mirror: nothing else can be had then either. */
static void enter_dup(int fd, struct fd_use *u)
{
	sock_dup(&u->ref);
	fd_set_sock(fd, &u->ref);
}

int dup(int fd)
{
	int ret;
	FD_USE(u);

	if (rt_bypass || !fd_active())
		return LIBC(dup)(fd);
	if (!fd_get(fd, &u)) {
		watch_nested(fd, true);
		ret = LIBC(dup)(fd);
		fd_forget(ret);
		return ret;
	}
	ret = LIBC(dup)(fd);
	if (ret >= 0)
		enter_dup(ret, &u);
	return ret;
}

/* dup3() will close what is at `to`, unless it fails. */
static struct fd_left make_way(int fd, int to, int flags)
{
	if (flags & ~O_CLOEXEC || (unsigned)to >= fd_limit() || LIBC(fcntl)(fd, F_GETFD) < 0)
		return (struct fd_left){ .linger = 0 };
	return fd_lost(to);
}

/* To a number that is nobody's any more. */
static int dup_to(int fd, int to, int flags)
{
	int ret;
	FD_USE(u);

	if (!fd_get(fd, &u)) {
		watch_nested(fd, true);
		watch_forget_sets((unsigned)to, (unsigned)to);
		return LIBC(dup3)(fd, to, flags);
	}
	ret = LIBC(dup3)(fd, to, flags);
	if (ret >= 0)
		enter_dup(ret, &u);
	return ret;
}

int dup3(int fd, int to, int flags)
{
	struct fd_left left;
	int ret;

	if (rt_bypass || !fd_active() || fd == to)
		return LIBC(dup3)(fd, to, flags);
	if (to >= 0 && to <= 2)
		proc_hand_over(fd);
	if (proc_is_vfork_child())
		return LIBC(dup3)(fd, to, flags);
	if (rt_fd_protected(fd))
		return (int)result(-EBADF);
	if (rt_fd_protected(to)) {
		ret = rt_fd_move(to);
		if (ret < 0)
			return (int)result(ret);
	}
	left = make_way(fd, to, flags);
	ret = dup_to(fd, to, flags);
	if (ret >= 0)
		fd_lost_wait(&left);
	return ret;
}

int dup2(int fd, int to)
{
	if (rt_bypass || !fd_active() || fd == to)
		return LIBC(dup2)(fd, to);
	return dup3(fd, to, 0);
}

int __dup2(int fd, int to)
{
	return dup2(fd, to);
}

static int do_fcntl(struct fd_use *u, int fd, int cmd, long arg)
{
	int ret = LIBC(fcntl64)(fd, cmd, arg);

	if (ret < 0)
		return ret;
	if (cmd == F_SETOWN || cmd == F_SETOWN_EX)	/* for SIGURG, too */
		sock_watch_urgent(&u->ref);
	if (cmd == F_SETFL && arg & O_ASYNC)	/* a signal for each edge */
		sock_edge_triggered(&u->ref);
	if (cmd == F_SETFL)
		sock_set_nonblock(&u->ref, arg & O_NONBLOCK);
	else if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		enter_dup(ret, u);
	return ret;
}

int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg;
	int ret;
	FD_USE(u);

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (fd_get(fd, &u))
		return do_fcntl(&u, fd, cmd, arg);
	if (fd_is_closing(fd))
		return (int)result(-EBADF);
	ret = LIBC(fcntl64)(fd, cmd, arg);
	if ((cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) && !rt_bypass) {
		watch_nested(fd, true);
		fd_forget(ret);
	}
	return ret;
}

int fcntl(int, int, ...) ALIAS(fcntl64);
int __fcntl(int, int, ...) ALIAS(fcntl64);

/* FIONBIO changes the file, which duplicates and children share, and what the
 * sock knows of it. */
static int do_ioctl(struct fd_use *u, int fd, unsigned long req, void *arg)
{
	enum { ENOIOCTLCMD = 515 };
	int ret;

	if (req == FIONBIO && !bad_pointer(arg)) {
		ret = LIBC(ioctl)(fd, req, arg);
		if (ret == 0)
			sock_set_nonblock(&u->ref, *(int *)arg != 0);
		return ret;
	}
	if (bad_pointer(arg))
		return LIBC(ioctl)(fd, req, arg);
	if (req == FIOASYNC)
		sock_edge_triggered(&u->ref);
	if (req == FIOSETOWN || req == SIOCSPGRP)
		sock_watch_urgent(&u->ref);
	ret = sock_ioctl(&u->ref, fd, req, arg);
	return ret == -ENOIOCTLCMD ? LIBC(ioctl)(fd, req, arg) : (int)result(ret);
}

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	void *arg;
	FD_USE(u);

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!fd_get(fd, &u))
		return LIBC(ioctl)(fd, req, arg);
	return do_ioctl(&u, fd, req, arg);
}
