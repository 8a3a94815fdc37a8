/* msg.c - the send and recv family. */
#include <limits.h>
#include <pthread.h>
#include "preload/wrap.h"
#include "rt/errq.h"
#include "rt/sys.h"

/* The pieces before the first that is nowhere; -EFAULT: there are none. */
static ssize_t good_pieces(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (iov[i].iov_len && bad_pointer(iov[i].iov_base))
			return i ? (ssize_t)i : -EFAULT;
	return (ssize_t)n;
}

ssize_t msg_send(struct fd_use *u, const struct iovec *iov, int n, int flags)
{
	ssize_t good = good_pieces(iov, (size_t)n);
	struct msghdr msg = {
		.msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)good,
	};

	pthread_testcancel();
	return good < 0 ? good : sock_sendmsg(&u->ref, u->fd, &msg, flags);
}

/* What was not sent yet has no error to tell. */
static ssize_t recv_msghdr(struct fd_use *u, struct msghdr *msg, int flags)
{
	size_t n = msg->msg_iovlen;
	ssize_t ret;

	pthread_testcancel();
	if (flags & MSG_ERRQUEUE)
		return sock_recv_errq(&u->ref, u->fd, msg);
	ret = flags & MSG_TRUNC ? (ssize_t)n : good_pieces(msg->msg_iov, n);
	if (ret < 0)
		return ret;
	msg->msg_iovlen = (size_t)ret;
	if (unlikely(flags & MSG_OOB))
		ret = sock_recv_urgent(&u->ref, u->fd, msg, flags);
	else
		ret = sock_recvmsg(&u->ref, u->fd, msg, flags);
	msg->msg_iovlen = n;
	if (ret >= 0)
		msg->msg_flags |= flags & MSG_CMSG_CLOEXEC;	/* comes back, as it does there */
	return ret;
}

ssize_t msg_recv(struct fd_use *u, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = {
		.msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)n,
	};

	return recv_msghdr(u, &msg, flags);
}

ssize_t msg_send_result(ssize_t ret, int flags)
{
	if (unlikely(ret == -EPIPE) && !(flags & MSG_NOSIGNAL))
		sys_call6(SYS_tgkill, getpid(), sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0),
			  SIGPIPE, 0, 0, 0);
	return result(ret);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(send)(fd, buf, len, flags);
	return msg_send_result(msg_send(&u, &iov, 1, flags), flags);
}

ssize_t __send(int, const void *, size_t, int) ALIAS(send);

/* Of the control messages that a TCP socket knows, none has an effect here. */
static int check_control(const struct msghdr *msg)
{
	struct msghdr m = *msg;

	if (bad_pointer(msg->msg_control))
		return -EFAULT;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t room = m.msg_controllen - (size_t)((char *)c - (char *)m.msg_control);

		if (c->cmsg_len < sizeof(*c) || c->cmsg_len > room)
			return -EINVAL;
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_CREDENTIALS)
			continue;
		if ((c->cmsg_type != SO_MARK && c->cmsg_type != SO_PRIORITY &&
		     c->cmsg_type != SO_TIMESTAMPING) || c->cmsg_len != CMSG_LEN(sizeof(u32)))
			return -EINVAL;
	}
	return 0;
}

/* Connects to the address that MSG_FASTOPEN names. 1: what is to be sent is the
 * kernel's business from now on, with *flags, and u is of no use. */
static int fast_open(struct fd_use *u, const struct msghdr *msg, int *flags)
{
	const struct sockaddr *sa = msg->msg_name;
	int ret;

	if (sa && msg->msg_namelen >= sizeof(sa->sa_family) && !bad_pointer(sa) &&
	    sa->sa_family == AF_UNSPEC)
		return -EOPNOTSUPP;
	ret = socket_connect(u, sa, sa ? msg->msg_namelen : 0, *flags & MSG_DONTWAIT);
	if (ret != SOCK_PLAIN)		/* else it opens, too */
		*flags &= ~MSG_FASTOPEN;
	return min(ret, 1);
}

/* TCP ignores the address of a send, but for MSG_FASTOPEN's, which opens. */
static ssize_t send_msghdr(struct fd_use *u, const struct msghdr *msg, int flags)
{
	struct msghdr good = *msg;
	ssize_t n = good_pieces(msg->msg_iov, msg->msg_iovlen);
	int err = msg->msg_controllen ? check_control(msg) : 0;

	pthread_testcancel();
	if (n < 0 || err)
		return err ? err : n;
	good.msg_iovlen = (size_t)n;
	if (flags & MSG_FASTOPEN) {
		err = fast_open(u, msg, &flags);
		if (err > 0) {
			n = LIBC(sendmsg)(u->fd, msg, flags | MSG_NOSIGNAL);
			return n < 0 ? -errno : n;
		}
		if (err < 0)
			return err;
	}
	return sock_sendmsg(&u->ref, u->fd, &good, flags);
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	       __CONST_SOCKADDR_ARG to, socklen_t tolen)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)to.__sockaddr__,
		.msg_namelen = tolen,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(sendto)(fd, buf, len, flags, to, tolen);
	return msg_send_result(send_msghdr(&u, &msg, flags), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t ret;
	FD_USE(u);

	if (!fd_get_stream(fd, &u)) {
		attach_sent(msg, true);
		ret = LIBC(sendmsg)(fd, msg, flags);
		if (ret < 0)
			attach_sent(msg, false);
		return ret;
	}
	if (bad_pointer(msg))
		return result(-EFAULT);
	if (msg->msg_iovlen > IOV_MAX)
		return result(-EMSGSIZE);
	return msg_send_result(send_msghdr(&u, msg, flags), flags);
}

/* An error after the first message is kept for the next call: the kernel
 * drops it too. */
int sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	ssize_t ret = 0;
	unsigned int i;
	FD_USE(u);

	if (!fd_get_stream(fd, &u)) {
		for (i = 0; i < n && !bad_pointer(vec); i++)
			attach_sent(&vec[i].msg_hdr, true);
		ret = LIBC(sendmmsg)(fd, vec, n, flags);
		for (i = ret < 0 ? 0 : (unsigned int)ret; i < n && !bad_pointer(vec); i++)
			attach_sent(&vec[i].msg_hdr, false);
		return (int)ret;
	}
	if (n && bad_pointer(vec))
		return (int)result(-EFAULT);
	for (i = 0; i < n && i < IOV_MAX; i++) {
		ret = send_msghdr(&u, &vec[i].msg_hdr, flags);
		if (ret < 0)
			break;
		vec[i].msg_len = (unsigned int)ret;
	}
	return i ? (int)i : (int)msg_send_result(ret, flags);
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(recv)(fd, buf, len, flags);
	return result(msg_recv(&u, &iov, 1, flags));
}

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t buflen, int flags)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (len > buflen || !fd_get_stream(fd, &u))
		return LIBC(__recv_chk)(fd, buf, len, buflen, flags);
	return result(msg_recv(&u, &iov, 1, flags));
}

/* A stream has no source address: the length becomes 0. */
static ssize_t do_recvfrom(struct fd_use *u, struct iovec *iov, int flags,
			   struct sockaddr *from, socklen_t *fromlen)
{
	ssize_t ret = msg_recv(u, iov, 1, flags);

	if (ret >= 0 && from && fromlen)
		*fromlen = 0;
	return result(ret);
}

ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
		 __SOCKADDR_ARG from, socklen_t *fromlen)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(recvfrom)(fd, buf, len, flags, from, fromlen);
	return do_recvfrom(&u, &iov, flags, from.__sockaddr__, fromlen);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t buflen, int flags,
		       __SOCKADDR_ARG from, socklen_t *fromlen)
{
	struct iovec iov = { buf, len };
	FD_USE(u);

	if (len > buflen || !fd_get_stream(fd, &u))
		return LIBC(__recvfrom_chk)(fd, buf, len, buflen, flags, from, fromlen);
	return do_recvfrom(&u, &iov, flags, from.__sockaddr__, fromlen);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	FD_USE(u);

	if (!fd_get_stream(fd, &u)) {
		ssize_t ret = LIBC(recvmsg)(fd, msg, flags);

		if (ret >= 0 && msg->msg_controllen && !rt_bypass)
			attach_received(msg);
		return ret;
	}
	if (bad_pointer(msg))
		return result(-EFAULT);
	if (msg->msg_iovlen > IOV_MAX)
		return result(-EMSGSIZE);
	return result(recv_msghdr(&u, msg, flags));
}

/* Is the time up that recvmmsg() was given? What is left goes to *timeout. */
static bool time_is_up(struct timespec *timeout, usec_t end)
{
	usec_t now = rt_now();
	usec_t left = now < end ? end - now : 0;

	timeout->tv_sec = (time_t)(left / USEC_PER_SEC);
	timeout->tv_nsec = (long)(left % USEC_PER_SEC * 1000);
	return left == 0;
}

/* As in Linux the timeout is looked at after each message only. */
int recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	usec_t end = 0;
	ssize_t ret = 0;
	unsigned int i;
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return LIBC(recvmmsg)(fd, vec, n, flags, timeout);
	if (n && bad_pointer(vec))
		return (int)result(-EFAULT);
	if (timeout && (timeout->tv_sec < 0 || (unsigned long)timeout->tv_nsec >= 1000000000UL))
		return (int)result(-EINVAL);
	if (timeout)
		end = rt_now() + (usec_t)timeout->tv_sec * USEC_PER_SEC +
		      (usec_t)timeout->tv_nsec / 1000;
	for (i = 0; i < n && i < IOV_MAX; i++) {
		ret = recv_msghdr(&u, &vec[i].msg_hdr, flags & ~MSG_WAITFORONE);
		if (ret < 0)
			break;
		vec[i].msg_len = (unsigned int)ret;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (timeout && time_is_up(timeout, end)) {
			i++;
			break;
		}
	}
	return i ? (int)i : (int)result(ret);
}
