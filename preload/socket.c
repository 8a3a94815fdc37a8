/* socket.c - sockets are made, named, connected, shut. */
#include <pthread.h>
#include "preload/wrap.h"
#include "rt/sys.h"

/* Which sockets are taken over: TCP, as Linux understands these three. */
static bool is_ours(int family, int type, int protocol)
{
	return (family == AF_INET || family == AF_INET6) &&
	       (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP) && !rt_bypass;
}

/* Enters a descriptor that the runtime made. A kernel socket (no sock) is
 * just passed on. */
static int enter(int fd, const struct sock_ref *r)
{
	struct sock_ref ref = *r;
	int ret;

	if (fd < 0)
		return (int)result(fd);
	fd_forget(fd);
	if (!r->sk)
		return fd;
	ret = fd_set_sock(fd, r);
	if (ret == 0)
		return fd;
	sock_close(&ref, fd);
	return (int)result(ret);
}

int socket(int family, int type, int protocol)
{
	struct sock_ref r = { .sk = NULL };
	int fd;

	if (!is_ours(family, type, protocol)) {
		fd = LIBC(socket)(family, type, protocol);
		if (!rt_bypass)
			fd_forget(fd);
		return fd;
	}
	critical_enter();
	fd = sock_socket(family, type, protocol, &r);
	fd = enter(fd, &r);
	critical_leave();
	return fd;
}

/* Puts a kernel's socket under all its numbers. */
static int replace(struct fd_use *u, int file)
{
	static const struct sock_ref none = { .sk = NULL };
	int ret = file;

	fd_taking = true;
	if (file >= 0)
		ret = fd_replace_all(u, file, &none);
	fd_taking = false;
	return ret;
}

void fd_take_plain(struct fd_use *u)
{
	replace(u, sock_take(&u->ref, u->fd));
}

/* What the kernel copies in before it looks at the address. */
static bool bad_length(socklen_t len)
{
	return len > sizeof(struct sockaddr_storage);
}

/* Is this a UDP socket that is to have a certain number? */
static bool names_udp(int fd, const union sock_addr *a, socklen_t len)
{
	int type = 0;
	socklen_t tlen = sizeof(type);

	return fd_active() && !rt_bypass && len >= sizeof(a->in) &&
	       len <= sizeof(struct sockaddr_storage) && !bad_pointer(a) &&
	       (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6) && a->in.sin_port &&
	       !LIBC(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &tlen) && type == SOCK_DGRAM;
}

/* bind() of what is none of ours, beside which ours may have to give way. */
static int bind_beside(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
	bool found = false;
	int was = 0, on = 1, ret;
	socklen_t olen = sizeof(was);

	for (int other = fd_next(0); other >= 0; other = fd_next(other + 1)) {
		FD_USE(u);

		if (fd_get(other, &u))
			found |= sock_give_way(&u.ref, sa.__sockaddr__);
	}
	if (!found)
		return LIBC(bind)(fd, sa, len);
	LIBC(getsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &was, &olen);
	LIBC(setsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ret = LIBC(bind)(fd, sa, len);
	on = errno;
	LIBC(setsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &was, sizeof(was));
	errno = on;
	return ret;
}

int bind(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
	int ret;
	FD_USE(u);

	if (!fd_get(fd, &u))
		return names_udp(fd, (const void *)sa.__sockaddr__, len) ?
		       bind_beside(fd, sa, len) : LIBC(bind)(fd, sa, len);
	if (bad_length(len) || (len && bad_pointer(sa.__sockaddr__)))
		return (int)result(bad_length(len) ? -EINVAL : -EFAULT);
	ret = sock_bind(&u.ref, fd, sa.__sockaddr__, len);
	if (ret == SOCK_PLAIN)
		ret = replace(&u, sock_plain(&u.ref));
	else
		return (int)result(ret);
	return ret < 0 ? (int)result(ret) : LIBC(bind)(fd, sa, len);
}

/* A socket whose connection failed, or was dissolved, or that listens no more,
 * may be used for another: it becomes one as new under all its numbers. */
static int renew(struct fd_use *u)
{
	struct sock_ref fresh;
	int file = sock_renew(&u->ref, u->fd, &fresh);

	if (file >= 0)
		fd_replace_all(u, file, &fresh);
	else			/* no number for it: this one is of no more use */
		LIBC(shutdown)(u->fd, SHUT_RDWR);
	return min(file, 0);
}

/* The same with one that nobody would drive: u is the new one's. */
static int renew_first(struct fd_use *u)
{
	int fd = u->fd, ret = renew(u);

	fd_put(u);
	return ret < 0 ? ret : fd_get(fd, u) ? 0 : -EBADF;
}

int listen(int fd, int backlog)
{
	int ret;
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(listen)(fd, backlog);
	ret = sock_listen(&u.ref, fd, backlog);
	if (unlikely(ret == SOCK_AGAIN)) {
		ret = renew_first(&u);
		if (!ret)
			ret = sock_listen(&u.ref, fd, backlog);
	}
	if (ret == SOCK_PLAIN)
		ret = replace(&u, sock_plain(&u.ref));
	else
		return (int)result(ret);
	return ret < 0 ? (int)result(ret) : LIBC(listen)(fd, backlog);
}

/* Where a peer's name is to go. */
static int bad_name(const struct sockaddr *sa, const socklen_t *len)
{
	if (!sa)
		return 0;
	if (bad_pointer(len))
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	return *len && bad_pointer(sa) ? -EFAULT : 0;
}

int accept4(int fd, __SOCKADDR_ARG sa, socklen_t *len, int flags)
{
	struct sock_ref r = { .sk = NULL };
	int ret, err;
	FD_USE(u);

	if (!fd_get(fd, &u)) {
		ret = LIBC(accept4)(fd, sa, len, flags);
		if (!rt_bypass)
			fd_forget(ret);
		return ret;
	}
	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return (int)result(-EINVAL);
	err = bad_name(sa.__sockaddr__, len);
	ret = enter(sock_accept(&u.ref, fd, err ? NULL : sa.__sockaddr__, len, flags, &r), &r);
	if (ret < 0 || !err)
		return ret;
	fd_close_number(ret);		/* it has been taken, and is lost */
	return (int)result(err);
}

int accept(int fd, __SOCKADDR_ARG sa, socklen_t *len)
{
	return accept4(fd, sa, len, 0);
}

int socket_connect(struct fd_use *u, const struct sockaddr *sa, socklen_t len, int flags)
{
	int ret, kernels;

	if (bad_length(len) || (len && bad_pointer(sa)))
		return bad_length(len) ? -EINVAL : -EFAULT;
	pthread_testcancel();
	ret = sock_connect(&u->ref, u->fd, sa, len, flags);
	if (unlikely(ret == SOCK_AGAIN)) {
		ret = renew_first(u);
		if (!ret)
			ret = sock_connect(&u->ref, u->fd, sa, len, flags);
	}
	if (ret == SOCK_TAKE || ret == SOCK_PLAIN) {
		kernels = ret == SOCK_TAKE ? sock_take(&u->ref, u->fd) : sock_plain(&u->ref);
		kernels = replace(u, kernels);
		fd_put(u);
		return kernels < 0 ? kernels : ret;
	}
	if (len < sizeof(sa->sa_family))
		return ret;		/* nothing was tried */
	if (ret > 0 || (ret < 0 && ret != -EINPROGRESS && ret != -EALREADY && ret != -EINTR &&
			sock_renewable(&u->ref)))
		renew(u);
	return min(ret, 0);
}

int connect(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
	int ret;
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(connect)(fd, sa, len);
	ret = socket_connect(&u, sa.__sockaddr__, len, 0);
	if (ret == SOCK_PLAIN || ret == SOCK_TAKE)	/* connected, it says so once */
		return LIBC(connect)(fd, sa, len);
	return (int)result(min(ret, 0));
}

int __connect(int, __CONST_SOCKADDR_ARG, socklen_t) ALIAS(connect);

static int get_name(struct fd_use *u, struct sockaddr *sa, socklen_t *len, bool peer)
{
	static const struct sockaddr nowhere;
	struct sockaddr_storage ss;
	socklen_t room = sizeof(ss);
	int bad = bad_name(sa ? sa : &nowhere, len), ret;

	if (!bad && !sa && *len)
		bad = -EFAULT;
	ret = sock_getname(&u->ref, u->fd, bad ? (void *)&ss : sa, bad ? &room : len, peer);
	return (int)result(ret < 0 ? ret : bad);
}

int getsockname(int fd, __SOCKADDR_ARG sa, socklen_t *len)
{
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(getsockname)(fd, sa, len);
	return get_name(&u, sa.__sockaddr__, len, false);
}

int getpeername(int fd, __SOCKADDR_ARG sa, socklen_t *len)
{
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(getpeername)(fd, sa, len);
	return get_name(&u, sa.__sockaddr__, len, true);
}

int shutdown(int fd, int how)
{
	int ret;
	FD_USE(u);

	if (!fd_get(fd, &u))
		return LIBC(shutdown)(fd, how);
	ret = sock_shutdown(&u.ref, fd, how);
	if (ret > 0)
		renew(&u);
	return ret > 0 ? 0 : (int)result(ret);
}
