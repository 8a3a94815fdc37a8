/*
 * watch.h - readiness that is told without the mirror. A thread that receives
 * itself (pump.h) inside epoll_wait() knows which socks became readable: it
 * reports them, and the token that would have told the kernel is not written.
 *
 * A sock is *listed* when it is readable, its mirror does not say so, and this
 * thread will report it at each epoll_wait() until it has been read. Always
 * one of three holds for a readable sock: a token is there, the driver was
 * asked for one, or it is listed.
 *
 * Only what this process alone has is listed: not what waits to be accepted, nor
 * what another got by fork, in a message or over an exec (sock.shared), for the
 * list is nobody else's.
 *
 * Only level-triggered registrations in one set are told so. Before anything
 * else could look at the mirrors (poll, another set, a second thread that uses
 * socks, fork, a descriptor that is passed on) all that is listed gets its
 * token: watch_flush().
 *
 * A set that is waited for so contains wait_epfd, under a mark that only
 * watch.c knows and takes out of what the program is given.
 *
 * Registrations are kept in struct local, by sock; all of this is private to
 * the process, under a leaf lock.
 */
#ifndef RUDP_RT_WATCH_H
#define RUDP_RT_WATCH_H

#include <sys/epoll.h>
#include "rt/sock.h"

/* What epoll_ctl() just did with a sock's descriptor. ev: NULL for DEL. */
void watch_ctl(const struct sock_ref *r, int epfd, int op, const struct epoll_event *ev);
void watch_closed(u32 index);		/* the last descriptor in this process is */
void watch_new_set(int epfd);
void watch_forget_sets(unsigned first, unsigned last);	/* these numbers are none's any more */
/* Others see it too: the kernel alone serves it. It may have one more number. */
void watch_nested(int epfd, bool duplicated);
void watch_before_fork(void);		/* what this process has, another will, too */
void watch_forked(void);		/* in the child */
void watch_shared(struct sock *sk);	/* another process has it, or is about to */

/* Where a sock is registered, in a set that is known; the last one if there are
 * several. */
struct watch_place {
	int epfd;
	u32 events;
	u64 data;
};
bool watch_where(const struct sock *sk, struct watch_place *at);

/* Lock held, not the driver: true: readable, and no token is needed. */
bool watch_covers(struct sock *sk);
bool watch_any(void);
/* Any thread: everything listed gets its token. */
void watch_flush(void);

/* Something in this set is listed: who lets the kernel report it and would not
 * wait allows the token that much. */
enum { WATCH_TOKEN_MS = 100 };
bool watch_reports(int epfd);

bool watch_is_set(int fd);		/* one that is to be forgotten when it is closed */
/* Is this a set whose wait needs watch_wait()? */
bool watch_knows(int epfd);

typedef int (*watch_kernel_wait)(int epfd, struct epoll_event *ev, int max, int timeout,
				 const sigset_t *mask);
/* epoll_pwait(2); `wait` is the real one. -1 with errno as it left it. */
int watch_wait(int epfd, struct epoll_event *ev, int max, int timeout, const sigset_t *mask,
	       watch_kernel_wait wait);

/* 0; -1 with EINTR, which no wait for readiness restarts after: a handler of the
 * program ran late, at the end of a critical section. */
int watch_interrupted(void);

/* The same in poll() and select(), for socks that are in no set: between begin
 * and end what becomes readable is listed. The caller waits for drv.wait_app
 * too and runs the packets. True: the seat is ours until the end. */
bool watch_poll_begin(void);
void watch_poll_packets(void);
void watch_poll_end(void);

#endif
