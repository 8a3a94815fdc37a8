/*
 * wrap.h - what the wrappers share: from -errno to errno, from a buffer to a
 * message, and which process we are in.
 */
#ifndef RUDP_PRELOAD_WRAP_H
#define RUDP_PRELOAD_WRAP_H

#include <errno.h>
#include "preload/fdtab.h"
#include "preload/libc.h"

static inline ssize_t result(ssize_t ret)
{
	if (likely(ret >= 0))
		return ret;
	errno = (int)-ret;
	return -1;
}

/* What no program can have mapped. Other bad pointers end it: librudp(7). */
static inline bool bad_pointer(const void *p)
{
	uintptr_t a = (uintptr_t)p;

	return unlikely(a < 4096 || a > UINTPTR_MAX / 2);
}

/* msg.c */
/* connect(2), MSG_DONTWAIT: without waiting. 0 or -errno; SOCK_PLAIN: the socket is
 * the kernel's now, to be connected by it; SOCK_TAKE: is, and connected. */
int socket_connect(struct fd_use *u, const struct sockaddr *sa, socklen_t len, int flags);
ssize_t msg_send(struct fd_use *u, const struct iovec *iov, int n, int flags);
ssize_t msg_recv(struct fd_use *u, const struct iovec *iov, int n, int flags);
/* A sending call's result: SIGPIPE where it is due, then errno. */
ssize_t msg_send_result(ssize_t ret, int flags);

/* fd.c: all the ways to close */
int fd_close_number(int fd);

/* signals.c */
void signals_init(void);

/* proc.c */
void proc_init(void);
/* A vfork child runs in its parent's memory with descriptors of its own: it
 * must not touch the table. */
bool proc_is_vfork_child(void);
/* If fd is ours it becomes a relay: somebody who does not know us gets it. */
int proc_hand_over(int fd);
/* Puts `file` under every number of u's sock, and closes it; they are of the
 * sock `fresh` from then on (of none, if it names none), or of the same one
 * (NULL). */
int fd_replace_all(struct fd_use *u, int file, const struct sock_ref *fresh);

/* attach.c: descriptors that came by exec, or in a message. */
void attach_inherited(void);
void attach_received(struct msghdr *msg);
void attach_sent(const struct msghdr *msg, bool done);	/* before; false: it failed */

#endif
