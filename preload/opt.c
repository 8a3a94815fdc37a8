/* opt.c - socket options; the table is the runtime's (rt/sockopt.c). */
#include <linux/sockios.h>
#include "preload/wrap.h"

int getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(getsockopt)(fd, level, name, val, len);
	if (len && bad_pointer(len))
		return (int)result(-EFAULT);
	val = bad_pointer(val) ? NULL : val;
	return (int)result(sock_getsockopt(&u.ref, fd, level, name, val, len));
}

int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(setsockopt)(fd, level, name, val, len);
	if (len && val && bad_pointer(val))
		return (int)result(-EFAULT);
	return (int)result(sock_setsockopt(&u.ref, fd, level, name, val, len));
}

int sockatmark(int fd)
{
	int at = 0;

	return ioctl(fd, SIOCATMARK, &at) < 0 ? -1 : at != 0;
}
