/*
 * accept.c - accept(): a connection's descriptor comes out of the listener's
 * mirror in a message, to whichever process reads it first (listen.c sends it).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "rt/files.h"
#include "rt/plain.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

/* The listener is none any more (rudpstat -K): whatever came says only that. */
static int was_reset(struct cmsghdr *cm)
{
	int got;

	if (cm && cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(&got, CMSG_DATA(cm), sizeof(got));
		sys_close(got);
	}
	return -EINVAL;
}

/* Takes one message out of the listener's mirror. */
static int take(struct sock *lsk, int fd, int flags, u32 *index, u32 *gen)
{
	u32 msg[2];
	struct iovec iov = { msg, sizeof(msg) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	struct waiting w = wait_begin();
	ssize_t n = sys_recvmsg(fd, &m, flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0);
	struct cmsghdr *cm = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int got;

	wait_end(w);
	if (n == 0 || n == -ECONNRESET)
		return -EINVAL;		/* shut down: no longer listening */
	if (n < 0)
		return (int)n;
	if (unlikely(atomic_load(&lsk->kind) != SK_LISTENER))
		return was_reset(cm);
	atomic_fetch_sub(&lsk->shown, 1);
	if (!cm || cm->cmsg_type != SCM_RIGHTS || cm->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EMFILE;		/* the kernel had no number; the driver queues it again */
	memcpy(&got, CMSG_DATA(cm), sizeof(got));
	*index = msg[0];
	*gen = msg[1];
	return got;
}

static void taken(struct sock_ref *r)
{
	struct sock *lsk = r->sk;

	atomic_fetch_add(&lsk->taken, 1);
	if ((atomic_load(&lsk->waiting) || atomic_load(&lsk->plain_waiting)) &&
	    sock_note_trylock(lsk, r->gen, PEND_REFILL))
		sock_unlock(lsk, -1);
}

static int take_over(struct sock_ref *r, u32 index, u32 gen, struct sock_ref *ret)
{
	int err;

	taken(r);
	*ret = (struct sock_ref){ rt_sock(index), gen };
	err = ret->sk ? sock_lock(ret) : -EBADF;
	if (!err)
		local_ref(ret->sk);
	return err;
}

/* One of the kernel's (both.c). */
static int take_plain(struct sock_ref *r, int fd, u32 number, struct sockaddr *sa,
		      socklen_t *len, int flags)
{
	taken(r);
	files_look(fd);
	both_taken(r->sk, number);
	plain_options(r->sk, fd);
	if (flags & SOCK_NONBLOCK)
		sys_fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (sa && len)
		sys_call6(SYS_getpeername, fd, (long)sa, (long)len, 0, 0, 0);
	return fd;
}

int sock_accept(struct sock_ref *r, int fd, struct sockaddr *sa, socklen_t *len, int flags,
		struct sock_ref *ret)
{
	u32 index = 0, gen = 0;
	int got, err;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (atomic_load(&r->sk->kind) != SK_LISTENER)
		return -EINVAL;
	for (;;) {
		if (!atomic_load(&r->sk->nonblock) && !atomic_load(&r->sk->shown))
			pump_away();
		got = take(r->sk, fd, flags, &index, &gen);
		if (got == -EMFILE)
			return got;
		if (got < 0)
			return got;
		if (!index) {
			ret->sk = NULL;
			return take_plain(r, got, gen, sa, len, flags);
		}
		err = take_over(r, index, gen, ret);
		if (!err)
			break;
		sys_close(got);		/* it died in the queue */
	}
	ret->sk->accepted = true;
	atomic_store(&ret->sk->nonblock, !!(flags & SOCK_NONBLOCK));
	if (sa && len) {
		memcpy(sa, &ret->sk->peer, min(*len, ret->sk->addr_len));
		*len = ret->sk->addr_len;
	}
	pthread_mutex_unlock(&ret->sk->lock);
	join_udp(r->sk);
	files_look(got);
	if (flags & SOCK_NONBLOCK)
		sys_fcntl(got, F_SETFL, O_RDWR | O_NONBLOCK);
	return got;
}
