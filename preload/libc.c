/* libc.c - finds the real functions. */
#include <dlfcn.h>
#include <errno.h>
#include "preload/libc.h"
#include "rt/sys.h"

_Atomic(void *) libc_table[LIBC_COUNT];

static const char *const names[LIBC_COUNT] = {
#define CALL(ret, name, args) [LIBC_##name] = #name,
#include "calls.def"
#undef CALL
};

/* Set while this thread looks a function up. */
static TLS_IE int resolving;

static long finish(long ret)
{
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

static ssize_t raw_read(int fd, void *buf, size_t len)
{
	return finish(sys_read(fd, buf, len));
}

static ssize_t raw_write(int fd, const void *buf, size_t len)
{
	return finish(sys_write(fd, buf, len));
}

static ssize_t raw_readv(int fd, const struct iovec *iov, int n)
{
	return finish(sys_call6(SYS_readv, fd, (long)iov, n, 0, 0, 0));
}

static ssize_t raw_writev(int fd, const struct iovec *iov, int n)
{
	return finish(sys_call6(SYS_writev, fd, (long)iov, n, 0, 0, 0));
}

static int raw_close(int fd)
{
	return (int)finish(sys_close(fd));
}

static int raw_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)finish(sys_fcntl(fd, cmd, arg));
}

static int raw_ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	long arg;

	va_start(ap, req);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)finish(sys_call6(SYS_ioctl, fd, (long)req, arg, 0, 0, 0));
}

static int raw_socket(int family, int type, int protocol)
{
	return (int)finish(sys_socket(family, type, protocol));
}

static void raw_exit(int status)
{
	for (;;)
		sys_call6(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* A C library without the function: as a kernel without the call. */
static long no_such_call(void)
{
	errno = ENOSYS;
	return -1;
}

static void *const raw[LIBC_COUNT] = {
	[LIBC_read] = (void *)raw_read,
	[LIBC___read] = (void *)raw_read,
	[LIBC___read_chk] = (void *)raw_read,
	[LIBC_write] = (void *)raw_write,
	[LIBC___write] = (void *)raw_write,
	[LIBC_readv] = (void *)raw_readv,
	[LIBC_writev] = (void *)raw_writev,
	[LIBC_close] = (void *)raw_close,
	[LIBC___close] = (void *)raw_close,
	[LIBC_fcntl] = (void *)raw_fcntl,
	[LIBC___fcntl] = (void *)raw_fcntl,
	[LIBC_fcntl64] = (void *)raw_fcntl,
	[LIBC_ioctl] = (void *)raw_ioctl,
	[LIBC_socket] = (void *)raw_socket,
	[LIBC__exit] = (void *)raw_exit,
	[LIBC__Exit] = (void *)raw_exit,
};

BEFORE_TSAN
void *libc_resolve(enum libc_call call)
{
	void *f = raw[call] ? raw[call] : (void *)no_such_call;
	void *found;

	if (resolving)
		return f;
	resolving = 1;
	found = dlsym(RTLD_NEXT, names[call]);
	resolving = 0;
	if (found)
		f = found;
	atomic_store_explicit(&libc_table[call], f, memory_order_relaxed);
	return f;
}

void libc_resolve_all(void)
{
	for (int i = 0; i < LIBC_COUNT; i++)
		if (!libc_table[i])
			libc_resolve((enum libc_call)i);
}
