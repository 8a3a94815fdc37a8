/*
 * ready.h - answers to poll() and select() without the kernel, where all that
 * was asked for are socks and something is ready. Where nothing is, or one of
 * the descriptors is somebody else's, or a state is too special, the kernel is
 * asked: the mirror has the whole truth, and only it can wait.
 */
#ifndef RUDP_PRELOAD_READY_H
#define RUDP_PRELOAD_READY_H

#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>

/* What poll() would return at once: revents are set. 0: ask the kernel, which
 * finds fds as they were. Not may_answer: it is asked in any case. */
int ready_poll(struct pollfd *fds, nfds_t n, bool may_answer);
/* What the kernel answered, but for what a mirror cannot show, or not yet: ERR of
 * a reset after the end was shown, PRI without IN, tokens that are on their way
 * (watch.h). */
int ready_amend(struct pollfd *fds, nfds_t n, int ret);
/* One of them is ours. One of ours is ready, whatever the others are. */
bool ready_ours(const struct pollfd *fds, nfds_t n);
bool ready_some(const struct pollfd *fds, nfds_t n);
/* One has an error queue that is not empty: there is nothing to wait for. */
bool ready_errq(const struct pollfd *fds, nfds_t n);
/* The same as ready_amend() for n events of a set, of which some may be left. */
int ready_epoll_amend(int epfd, struct epoll_event *ev, int n);
/* What select() would. rd, wr, ex may be NULL. */
int ready_select(int n, fd_set *rd, fd_set *wr, fd_set *ex, bool may_answer);
int ready_select_amend(int n, fd_set *rd, const fd_set *ex, int ret);

#endif
