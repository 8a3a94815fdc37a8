/*
 * sys.h - system calls that cannot be interposed, not even by ourselves, and
 * leave errno alone: they return -errno. The calls of libc arrive in the
 * preload layer's wrappers; the runtime must not meet itself there.
 */
#ifndef RUDP_RT_SYS_H
#define RUDP_RT_SYS_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <time.h>
#include "base.h"

#if defined(__x86_64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "x86-64 and aarch64 are known; another machine needs its sys_call6() here"
#endif

static inline int sys_close(int fd)
{
	return (int)sys_call6(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline int sys_socket(int family, int type, int proto)
{
	return (int)sys_call6(SYS_socket, family, type, proto, 0, 0, 0);
}

static inline int sys_socketpair(int family, int type, int proto, int sv[2])
{
	return (int)sys_call6(SYS_socketpair, family, type, proto, (long)sv, 0, 0);
}

static inline int sys_bind(int fd, const void *sa, socklen_t len)
{
	return (int)sys_call6(SYS_bind, fd, (long)sa, len, 0, 0, 0);
}

static inline int sys_listen(int fd, int backlog)
{
	return (int)sys_call6(SYS_listen, fd, backlog, 0, 0, 0, 0);
}

static inline int sys_connect(int fd, const void *sa, socklen_t len)
{
	return (int)sys_call6(SYS_connect, fd, (long)sa, len, 0, 0, 0);
}

static inline int sys_accept4(int fd, void *sa, socklen_t *len, int flags)
{
	return (int)sys_call6(SYS_accept4, fd, (long)sa, (long)len, flags, 0, 0);
}

static inline int sys_getsockname(int fd, void *sa, socklen_t *len)
{
	return (int)sys_call6(SYS_getsockname, fd, (long)sa, (long)len, 0, 0, 0);
}

static inline int sys_shutdown(int fd, int how)
{
	return (int)sys_call6(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

static inline int sys_setsockopt(int fd, int level, int name, const void *v, socklen_t len)
{
	return (int)sys_call6(SYS_setsockopt, fd, level, name, (long)v, len, 0);
}

static inline int sys_getsockopt(int fd, int level, int name, void *v, socklen_t *len)
{
	return (int)sys_call6(SYS_getsockopt, fd, level, name, (long)v, (long)len, 0);
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return sys_call6(SYS_sendmsg, fd, (long)m, flags, 0, 0, 0);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *m, int flags)
{
	return sys_call6(SYS_recvmsg, fd, (long)m, flags, 0, 0, 0);
}

static inline int sys_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	return (int)sys_call6(SYS_recvmmsg, fd, (long)m, n, flags, 0, 0);
}

static inline ssize_t sys_send(int fd, const void *buf, size_t len, int flags)
{
	return sys_call6(SYS_sendto, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline ssize_t sys_recv(int fd, void *buf, size_t len, int flags)
{
	return sys_call6(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0);
}

static inline ssize_t sys_read(int fd, void *buf, size_t len)
{
	return sys_call6(SYS_read, fd, (long)buf, (long)len, 0, 0, 0);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return sys_call6(SYS_write, fd, (long)buf, (long)len, 0, 0, 0);
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)sys_call6(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static inline int sys_eventfd(unsigned init, int flags)
{
	return (int)sys_call6(SYS_eventfd2, init, flags, 0, 0, 0, 0);
}

/* Shared futexes: socks lie in memory of several processes. */
static inline long sys_futex_wait(_Atomic u32 *w, u32 val, const struct timespec *rel)
{
	return sys_call6(SYS_futex, (long)w, FUTEX_WAIT, val, (long)rel, 0, 0);
}

static inline long sys_futex_wake(_Atomic u32 *w, int n)
{
	return sys_call6(SYS_futex, (long)w, FUTEX_WAKE, n, 0, 0, 0);
}

#endif
