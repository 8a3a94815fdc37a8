/* stdio.c - streams. libc's own reads and writes never meet a wrapper, so a
 * socket under a FILE becomes a relay. */
#include "preload/wrap.h"

FILE *fdopen(int fd, const char *mode)
{
	int ret = proc_hand_over(fd);

	if (ret < 0) {
		result(ret);
		return NULL;
	}
	return LIBC(fdopen)(fd, mode);
}

/* The descriptor is closed inside libc, where no wrapper sees it. */
static struct fd_left forget_stream(FILE *fp)
{
	int fd = fp && fd_active() && !rt_bypass ? fileno(fp) : -1;

	if (fd >= 0 && !proc_is_vfork_child())
		return fd_lost(fd);
	return (struct fd_left){ .linger = 0 };
}

/* What was written is flushed before the file is closed, and waited for then. */
static void linger(struct fd_left *left)
{
	int err = errno;

	fd_lost_wait(left);
	errno = err;
}

int fclose(FILE *fp)
{
	struct fd_left left = forget_stream(fp);
	int ret = LIBC(fclose)(fp);

	linger(&left);
	return ret;
}

FILE *freopen(const char *path, const char *mode, FILE *fp)
{
	struct fd_left left = forget_stream(fp);
	FILE *ret = LIBC(freopen)(path, mode, fp);

	linger(&left);
	return ret;
}

FILE *freopen64(const char *path, const char *mode, FILE *fp)
{
	struct fd_left left = forget_stream(fp);
	FILE *ret = LIBC(freopen64)(path, mode, fp);

	linger(&left);
	return ret;
}

/* All of it is written, as vdprintf would, or the first error returned. */
RUDP_PRINTF(2, 0)
static int print(struct fd_use *u, const char *fmt, va_list ap)
{
	char *text;
	int len = vasprintf(&text, fmt, ap);
	int done = 0;

	if (len < 0)
		return -1;
	while (done < len) {
		struct iovec iov = { text + done, (size_t)(len - done) };
		ssize_t n = msg_send_result(msg_send(u, &iov, 1, 0), 0);

		if (n < 0)
			break;
		done += (int)n;
	}
	free(text);
	return done < len ? -1 : len;
}

int vdprintf(int fd, const char *fmt, va_list ap)
{
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(vdprintf)(fd, fmt, ap);
	return print(&u, fmt, ap);
}

int dprintf(int fd, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vdprintf(fd, fmt, ap);
	va_end(ap);
	return ret;
}

RUDP_PRINTF(3, 0)
int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap)
{
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(__vdprintf_chk)(fd, flag, fmt, ap);
	return print(&u, fmt, ap);
}

RUDP_PRINTF(3, 4)
int __dprintf_chk(int fd, int flag, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = __vdprintf_chk(fd, flag, fmt, ap);
	va_end(ap);
	return ret;
}
