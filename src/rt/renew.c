/*
 * renew.c - a descriptor gets another file: one as new after a connection that
 * failed or was dissolved, or the kernel's own socket where nobody speaks ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

bool sock_renewable(struct sock_ref *r)
{
	struct sock *sk = r->sk;
	bool failed;

	if (sock_lock(r) < 0)
		return false;
	failed = atomic_load(&sk->kind) == SK_CONN && sk->conn.state == CONN_CLOSED &&
		 sk->connect_started;
	pthread_mutex_unlock(&sk->lock);
	return failed;
}

/* What bind() was told stays; a number that was found by itself is only shown,
 * unless nothing has been done with it, an address that was is forgotten. */
static int keep_name(struct sock *old, struct sock *sk)
{
	bool reuseaddr = sk->reuseaddr;
	union sock_addr name;
	int ret;

	sk->local = old->local;
	if (!old->addr_given && sk->family == AF_INET)
		sk->local.in.sin_addr.s_addr = INADDR_ANY;
	else if (!old->addr_given)
		sk->local.in6.sin6_addr = in6addr_any;
	if (!old->port_given && !(old->bound && atomic_load(&old->kind) == SK_FRESH))
		return 0;
	sk->reuseaddr = true;
	name = sk->local;
	ret = sock_bind_locked(sk, &name.sa, old->addr_len);
	sk->reuseaddr = reuseaddr;
	sk->port_given = old->port_given;
	return ret;
}

/* The old one's lock is held; where we stand is where the new one lives. */
static int become(struct sock *old, struct sock *sk)
{
	struct driver *here = rt_enter(old);
	int err;

	if (atomic_load(&old->kind) == SK_LISTENER) {
		atomic_store(&old->backlog_max, 0);
		atomic_fetch_add(&old->shown, 1);	/* poll: as the mirror says */
	}
	if (old->bound)
		port_release(sock_udp_fd(old));
	rt_at = here;
	listen_inherit(old, sk);
	sk->v6only = old->v6only;
	sk->conn.err = old->conn.err;
	err = keep_name(old, sk);
	return atomic_load(&old->kind) == SK_FRESH ? err : 0;
}

/* As inherited from a listener: all options, no state but an error. At home, if
 * the old one's family has no driver any more. */
int sock_renew(struct sock_ref *r, int fd, struct sock_ref *ret)
{
	struct sock *old = r->sk;
	struct driver *was = rt_at, *here;
	int fl = sys_fcntl(fd, F_GETFL, 0), made, err;

	made = sock_socket(old->family, old->type | SOCK_CLOEXEC |
			   (fl & O_NONBLOCK ? SOCK_NONBLOCK : 0), old->protocol, ret);
	here = rt_at;
	if (made < 0)
		goto out;
	rt_enter(old);
	err = sock_lock(r);
	rt_at = here;
	if (!err) {
		err = become(old, ret->sk);
		pthread_mutex_unlock(&old->lock);
	}
	if (err < 0) {
		sock_close(ret, made);
		made = err;
	}
out:
	rt_at = was;
	return made;
}

int sock_plain(struct sock_ref *r)
{
	int ret = sock_lock(r), udp;

	if (ret < 0)
		return ret;
	udp = sock_udp_fd(r->sk);
	if (udp >= 0)		/* a name that both may have */
		port_release(udp);
	ret = plain_socket(r->sk, SOCK_CLOEXEC);
	pthread_mutex_unlock(&r->sk->lock);
	return ret;
}

void sock_wait_plain(struct sock_ref *r, int fd)
{
	if (!sock_lock(r))
		sock_unlock(r->sk, fd);
}

int sock_take(struct sock_ref *r, int fd)
{
	char c;
	struct iovec iov = { &c, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	ssize_t n = sys_recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cm = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int got;

	(void)r;
	if (!cm || cm->cmsg_type != SCM_RIGHTS || cm->cmsg_len != CMSG_LEN(sizeof(int)))
		return n < 0 ? (int)n : -EMFILE;
	memcpy(&got, CMSG_DATA(cm), sizeof(got));
	return got;
}
