/*
 * swarm.c - many connections between several processes, some of whose readers
 * stall, while every byte is compared.
 *
 *	swarm server PORT
 *		reads from everybody who connects and compares; from those who ask
 *		for it not before SIGUSR1. At the end of a stream it answers with
 *		the count of its bytes.
 *	swarm client PORT NUMBER N STALLED [mortal]
 *		N connections, numbered from NUMBER on, of which the first STALLED
 *		ask to be stalled; writes into all of them as fast as they take it,
 *		until SIGUSR1 came and all of them stand. Then it ends the streams,
 *		waits for the counts and prints what was written, how often it woke,
 *		and its time on the processor; then, a line for each that was not
 *		stalled, its number and the bytes a second that were acknowledged
 *		between the moment when all stood and the signal. A mortal one may
 *		be killed at any time: the server does not mind. At SIGUSR2 it
 *		prints into how many poll() would let it write now, how many have
 *		a smaller SO_SNDBUF than one had when it stood, and how many others
 *		one that is half full, or more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, CHUNK = 32768, STALL = 1, MORTAL = 2 };

struct hello {			/* what a stream begins with */
	uint32_t number, flags;
};

struct flow {
	int fd;
	struct hello hello;
	uint64_t at;		/* bytes of the pattern written, read */
	uint64_t acked[2];	/* client: when all stood, at SIGUSR1 */
	uint64_t count;		/* client: the answer */
	unsigned got;		/* bytes of the hello, of the answer */
	double moved, gap;	/* client: last progress, longest time without */
	struct flow *next;
};

static int ep, sigs;
static bool go;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "swarm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void watch(int op, struct flow *f, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.ptr = f };

	if (epoll_ctl(ep, op, f->fd, &ev) < 0)
		die("epoll_ctl");
}

static uint64_t word(const struct flow *f, uint64_t n)
{
	return (n + 1) * 0x9e3779b97f4a7c15ULL ^ f->hello.number;
}

/* The pattern from f->at on. */
static void fill(const struct flow *f, unsigned char *buf, size_t len)
{
	size_t skip = f->at % 8, part;

	for (uint64_t n = f->at / 8; len; n++, skip = 0) {
		uint64_t w = word(f, n);

		part = 8 - skip < len ? 8 - skip : len;
		memcpy(buf, (unsigned char *)&w + skip, part);
		buf += part;
		len -= part;
	}
}

/* --- the server ---------------------------------------------------------------- */

static struct flow *stalled;

static void take_all(int lfd)
{
	for (;;) {
		int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct flow *f;

		if (fd < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
				return;
			die("accept");
		}
		f = calloc(1, sizeof(*f));
		if (!f)
			die("calloc");
		f->fd = fd;
		watch(EPOLL_CTL_ADD, f, EPOLLIN);
	}
}

static void end_of(struct flow *f, bool answer)
{
	if (answer && send(f->fd, &f->at, sizeof(f->at), MSG_NOSIGNAL) != sizeof(f->at) &&
	    !(f->hello.flags & MORTAL))
		die("answering");
	close(f->fd);
	free(f);
}

static void compare(struct flow *f, const unsigned char *buf, size_t len)
{
	unsigned char want[CHUNK];

	fill(f, want, len);
	if (memcmp(buf, want, len)) {
		fprintf(stderr, "swarm: connection %u: wrong data after %llu bytes\n",
			f->hello.number, (unsigned long long)f->at);
		exit(1);
	}
	f->at += len;
}

/* False: the flow is gone, or to be left alone. */
static bool read_some(struct flow *f)
{
	unsigned char buf[CHUNK];
	bool greeting = f->got < sizeof(f->hello);
	void *to = greeting ? (unsigned char *)&f->hello + f->got : buf;
	ssize_t n = recv(f->fd, to, greeting ? sizeof(f->hello) - f->got : sizeof(buf), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0 && !(f->hello.flags & MORTAL) && !greeting)
		die("recv");
	if (n <= 0) {
		end_of(f, n == 0 && !greeting);
		return false;
	}
	if (!greeting) {
		compare(f, buf, (size_t)n);
		return true;
	}
	f->got += (unsigned)n;
	if (f->got < sizeof(f->hello) || !(f->hello.flags & STALL) || go)
		return true;
	watch(EPOLL_CTL_DEL, f, 0);
	f->next = stalled;
	stalled = f;
	return false;
}

static void wake_stalled(void)
{
	go = true;
	for (struct flow *f = stalled, *next; f; f = next) {
		next = f->next;
		watch(EPOLL_CTL_ADD, f, EPOLLIN);
	}
	stalled = NULL;
}

static int listen_on(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, 1024) < 0)
		die("listen");
	return fd;
}

/* Which has come; 0: none. */
static int signalled(void)
{
	struct signalfd_siginfo si;

	return read(sigs, &si, sizeof(si)) > 0 ? (int)si.ssi_signo : 0;
}

static _Noreturn void server(unsigned port)
{
	struct flow listener = { .fd = listen_on(port) }, signals = { .fd = sigs };
	struct epoll_event ev[EVENTS];

	watch(EPOLL_CTL_ADD, &listener, EPOLLIN);
	watch(EPOLL_CTL_ADD, &signals, EPOLLIN);
	puts("listening");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;

			if (f == &listener)
				take_all(f->fd);
			else if (f == &signals && signalled() == SIGUSR1)
				wake_stalled();
			else if (f != &signals)
				for (int left = 8; left && read_some(f); left--)
					;
		}
	}
}

/* --- the client ------------------------------------------------------------------ */

static struct flow *flows;
static unsigned nflows, nstalled, wakes;
static unsigned greeted;	/* that have sent their hello: they stand */
static double begun, stood;
static int sndbuf_stood;	/* the largest */

static void open_one(struct flow *f, unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0 || (connect(f->fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
			  errno != EINPROGRESS))
		die("connect");
	watch(EPOLL_CTL_ADD, f, EPOLLOUT);
}

static void progress(struct flow *f)
{
	double t = now_s();

	if (t - f->moved > f->gap)
		f->gap = t - f->moved;
	f->moved = t;
}

/* What the peer has of it, as the sender knows. */
static uint64_t acked(const struct flow *f)
{
	int queued = 0;

	if (ioctl(f->fd, SIOCOUTQ, &queued) < 0)
		die("SIOCOUTQ");
	return f->at - (uint64_t)queued;
}

static int sndbuf(const struct flow *f)
{
	socklen_t len = sizeof(int);
	int v = 0;

	if (getsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &v, &len) < 0)
		die("SO_SNDBUF");
	return v;
}

static void tell(void)
{
	unsigned writeable = 0, smaller = 0, full = 0;

	for (unsigned i = 0; i < nflows; i++) {
		struct pollfd p = { .fd = flows[i].fd, .events = POLLOUT };

		writeable += poll(&p, 1, 0) > 0;
		if (sndbuf(&flows[i]) < sndbuf_stood)
			smaller++;
		else
			full += flows[i].at - acked(&flows[i]) >= (uint64_t)sndbuf_stood / 2;
	}
	printf("writeable %u smaller %u full %u of %u\n", writeable, smaller, full, nflows);
	fflush(stdout);
}

static void all_stand(void)
{
	for (unsigned i = 0; i < nflows; i++)
		flows[i].acked[0] = acked(&flows[i]);
	stood = now_s();
}

static void write_some(struct flow *f)
{
	unsigned char buf[CHUNK];
	ssize_t n;

	if (f->got < sizeof(f->hello)) {
		n = send(f->fd, (char *)&f->hello + f->got, sizeof(f->hello) - f->got,
			 MSG_NOSIGNAL);
		if (n > 0)
			f->got += (unsigned)n;
		if (n > 0 && f->got == sizeof(f->hello)) {
			sndbuf_stood = sndbuf(f) > sndbuf_stood ? sndbuf(f) : sndbuf_stood;
			if (++greeted == nflows)
				all_stand();
		}
	} else {
		fill(f, buf, sizeof(buf));
		n = send(f->fd, buf, sizeof(buf), MSG_NOSIGNAL);
		if (n > 0)
			f->at += (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("send");
	if (n > 0)
		progress(f);
}

static void stop_writing(void)
{
	for (unsigned i = 0; i < nflows; i++) {
		struct flow *f = &flows[i];

		progress(f);
		f->acked[1] = acked(f);
		f->got = 0;
		watch(EPOLL_CTL_MOD, f, EPOLLIN);
		if (shutdown(f->fd, SHUT_WR) < 0)
			die("shutdown");
	}
	go = true;
}

/* True: the answer is here, and right. */
static bool answered(struct flow *f)
{
	ssize_t n = recv(f->fd, (char *)&f->count + f->got, sizeof(f->count) - f->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		errno = n ? errno : EPIPE;
		die("waiting for an answer");
	}
	f->got += (unsigned)n;
	if (f->got < sizeof(f->count))
		return false;
	if (f->count != f->at) {
		fprintf(stderr, "swarm: connection %u: %llu of %llu bytes arrived\n",
			f->hello.number, (unsigned long long)f->count,
			(unsigned long long)f->at);
		exit(1);
	}
	close(f->fd);
	return true;
}

static void report(double stopped)
{
	uint64_t sum = 0;
	double gap = 0;

	for (unsigned i = 0; i < nflows; i++)
		sum += flows[i].at;
	for (unsigned i = nstalled; i < nflows; i++)
		gap = flows[i].gap > gap ? flows[i].gap : gap;
	printf("bytes %llu seconds %.2f wakes %u cpu_ms %ld gap_ms %.0f\n",
	       (unsigned long long)sum, stopped - begun, wakes,
	       (long)(clock() * 1000 / CLOCKS_PER_SEC), gap * 1e3);
	for (unsigned i = nstalled; i < nflows; i++)
		printf("rate %u %.0f\n", flows[i].hello.number,
		       (double)(flows[i].acked[1] - flows[i].acked[0]) / (stopped - stood));
}

static int client(unsigned port, unsigned first, uint32_t flags)
{
	struct flow signals = { .fd = sigs };
	struct epoll_event ev[EVENTS];
	bool asked = false;
	double stopped = 0;
	unsigned left;

	watch(EPOLL_CTL_ADD, &signals, EPOLLIN);
	begun = now_s();
	for (unsigned i = 0; i < nflows; i++) {
		flows[i].hello.number = first + i;
		flows[i].hello.flags = flags | (i < nstalled ? STALL : 0);
		flows[i].moved = begun;
		open_one(&flows[i], port);
	}
	for (left = nflows; left;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		wakes += !go;

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;

			if (f == &signals) {
				int sig = signalled();

				asked |= sig == SIGUSR1;
				if (sig == SIGUSR2)
					tell();
			} else if (go) {
				left -= answered(f);
			} else {
				write_some(f);
			}
		}
		/* Who is connecting still would be told that it was reset. */
		if (asked && !go && greeted == nflows) {
			stopped = now_s();
			stop_writing();
		}
	}
	report(stopped);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	sigset_t set;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigs = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || sigs < 0)
		die("starting");
	if (argc == 3 && !strcmp(argv[1], "server"))
		server((unsigned)atoi(argv[2]));
	if (argc < 6 || strcmp(argv[1], "client")) {
		fprintf(stderr, "usage: swarm server PORT\n"
			"       swarm client PORT NUMBER N STALLED [mortal]\n");
		return 2;
	}
	nflows = (unsigned)atoi(argv[4]);
	nstalled = (unsigned)atoi(argv[5]);
	flows = calloc(nflows, sizeof(*flows));
	if (!flows || nstalled > nflows)
		die("flows");
	return client((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]), argc > 6 ? MORTAL : 0);
}
