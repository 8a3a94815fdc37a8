/* rw.c - read and write in all their shapes. */
#include <limits.h>
#include "preload/wrap.h"

/* read() and write() of no bytes: read returns at once, write asks the
 * connection first (EPIPE). */
ssize_t read(int fd, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(read)(fd, buf, len);
	return len ? result(msg_recv(&u, &iov, 1, 0)) : 0;
}

ssize_t __read(int, void *, size_t) ALIAS(read);

ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (len > buflen || !fd_get_stream(fd, &u))
		return LIBC(__read_chk)(fd, buf, len, buflen);
	return len ? result(msg_recv(&u, &iov, 1, 0)) : 0;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(write)(fd, buf, len);
	return msg_send_result(msg_send(&u, &iov, 1, 0), 0);
}

ssize_t __write(int, const void *, size_t) ALIAS(write);

static bool iov_empty(const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len)
			return false;
	return true;
}

static ssize_t do_readv(struct fd_use *u, const struct iovec *iov, int n, int flags)
{
	if (n < 0 || n > IOV_MAX)
		return result(-EINVAL);
	if (n && bad_pointer(iov))
		return result(-EFAULT);
	if (iov_empty(iov, n))
		return 0;
	return result(msg_recv(u, iov, n, flags));
}

static ssize_t do_writev(struct fd_use *u, const struct iovec *iov, int n, int flags)
{
	if (n < 0 || n > IOV_MAX)
		return result(-EINVAL);
	if (n && bad_pointer(iov))
		return result(-EFAULT);
	if (iov_empty(iov, n))
		return 0;
	return msg_send_result(msg_send(u, iov, n, flags), flags);
}

ssize_t readv(int fd, const struct iovec *iov, int n)
{
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(readv)(fd, iov, n);
	return do_readv(&u, iov, n, 0);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(writev)(fd, iov, n);
	return do_writev(&u, iov, n, 0);
}

/*
 * Offset -1 makes these readv and writev with flags; any other offset is
 * ESPIPE on a socket, which the kernel says of the mirror too. RWF_NOWAIT is
 * the one flag that a socket takes.
 */
ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	FD_USE(u);

	if (off != -1 || (flags & ~RWF_NOWAIT) || !fd_get_stream(fd, &u))
		return LIBC(preadv64v2)(fd, iov, n, off, flags);
	return do_readv(&u, iov, n, flags ? MSG_DONTWAIT : 0);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return preadv64v2(fd, iov, n, off, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	FD_USE(u);

	if (off != -1 || (flags & ~RWF_NOWAIT) || !fd_get_stream(fd, &u))
		return LIBC(pwritev64v2)(fd, iov, n, off, flags);
	return do_writev(&u, iov, n, flags ? MSG_DONTWAIT : 0);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	return pwritev64v2(fd, iov, n, off, flags);
}
