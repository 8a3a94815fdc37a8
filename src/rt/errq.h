/*
 * errq.h - completions of MSG_ZEROCOPY, in the error queue of a sock. What is
 * sent is copied: the program has its memory back when the call returns, and is
 * told what the kernel tells on the loopback device, a range of calls that were
 * COPIED. Ranges of neighbours are one, so that the queue is two numbers.
 *
 * poll() finds ERR in sock.ready; one that sleeps when it comes is woken by a
 * descriptor that each thread has of its own (errq_wait_begin()). In an epoll set no mirror can show ERR without
 * HUP; there a sock has a companion while completions wait: the writing end of
 * a pipe that nobody reads, which the kernel reports as ERR, under the data of
 * the sock's own registration. Two events of one sock are made one.
 *
 * The companion is in struct local, under the sock's lock; it is the process's
 * that sends, in the set that watch.h knows the sock to be in.
 */
#ifndef RUDP_RT_ERRQ_H
#define RUDP_RT_ERRQ_H

#include <sys/epoll.h>
#include "rt/sock.h"

struct local;

/* Lock held: a call with MSG_ZEROCOPY has sent something. */
void errq_sent(struct sock *sk);
/* recvmsg(2) with MSG_ERRQUEUE: 0, or -EAGAIN and msg is as it was. */
ssize_t sock_recv_errq(struct sock_ref *r, int fd, struct msghdr *msg);
/* Something waits there. Any thread, without the lock. */
bool sock_errq(const struct sock_ref *r);
bool errq_used(void);			/* by this process, ever */

/* Around a sleep in poll() or select(): what is readable when a sock of this process
 * has something new there; -1: nobody here uses such. To be begun before the last
 * look at what there is. */
int errq_wait_begin(void);
void errq_wait_again(void);		/* it was readable: before the next look */
void errq_wait_end(void);
void errq_allowed(void);		/* SO_ZEROCOPY is set */
void errq_sleepers_moved(int from, int to);

void errq_watched(struct sock_ref *r, int fd);	/* after epoll_ctl() */
int errq_merge(struct epoll_event *ev, int n);	/* what is left of n events */
void errq_closed(struct local *l);	/* lock held: the last descriptor in this process is */
void errq_moved(struct local *l, int from, int to);	/* a number of ours was */
void errq_forked(void);			/* in the child */

#endif
