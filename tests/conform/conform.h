/*
 * conform.h - what the differential programs share. Each prints what it sees,
 * line by line, and is run twice: over kernel TCP and over librudp; the output
 * must be the same. Both ends live in the one program; ports are ephemeral;
 * argv[1] is the family, 4 or 6.
 *
 * Nothing is printed that may differ between two runs (ports, times, sizes of
 * buffers), and every state that takes a packet to reach is waited for.
 */
#ifndef RUDP_TESTS_CONFORM_H
#define RUDP_TESTS_CONFORM_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

#ifdef __aarch64__		/* its libc has that for what was linked long ago alone */
__asm__(".symver __send, __send@GLIBC_2.17");
#endif

extern int family;		/* AF_INET or AF_INET6 */

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage ss;
};

void start(int argc, char **argv);	/* family; output line by line; a time limit */

/* "what: ret" or "what: EXXX"; returns ret. Uses errno. */
long say(const char *what, long ret);
const char *ename(int err);

/* Loopback of the family, port 0 and the address's length. */
socklen_t loopback(union addr *a);
int fresh(void);			/* a socket; never fails */
int listener(int backlog, union addr *a, socklen_t *len);
void pair(int *client, int *server);	/* connected to each other */
void port_nobody_has(union addr *a, socklen_t *len);

/* Waits (10 s) until poll() reports all of `want`, and returns what it
 * reports; prints a complaint when it never does. */
int await(int fd, int want);
int look(int fd);			/* what poll() reports now */
const char *bits(int revents);		/* "IN OUT RDHUP" */
void show_poll(const char *what, int fd);	/* as it is now */
void show_await(const char *what, int fd, int want);

/* Until that thread of ours sleeps, in whatever call; NULL or: until *done. */
void until_asleep(pid_t tid, const _Atomic bool *done);

void fill(int fd);		/* writes until EAGAIN; fd becomes nonblocking */
size_t drain(int fd, size_t want);	/* reads so many bytes, or to the end */
void nonblocking(int fd, bool on);
void linger0(int fd);
void read_all(int fd, void *buf, size_t len);	/* or dies */
void write_all(int fd, const void *buf, size_t len);

#endif
