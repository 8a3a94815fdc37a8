/*
 * many - many connections at once, in one thread at each end.
 *
 *	many server PORT		echoes, by epoll, until it is killed
 *	many client HOST PORT N ROUNDS	holds N connections; in each round every
 *					one sends a message and compares the echo;
 *					then all half-close and see the end
 *	many hold HOST PORT N		holds N idle connections: prints "held",
 *					ends with its standard input
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, MSG_MAX = 16384, LIMIT_S = 60, CONNECTING_MAX = 128 };

struct flow {
	int fd;
	unsigned len, done;	/* echo: bytes held, of which written;
				 * client: message length, echoed so far */
	unsigned sent;
	unsigned number;
	bool connected, ended;
	unsigned char *buf;	/* server: what is to be echoed */
};

static int ep;

static void die(const char *what)
{
	fprintf(stderr, "many: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	signal(SIGPIPE, SIG_IGN);
}

static void watch(int op, struct flow *f, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.ptr = f };

	if (epoll_ctl(ep, op, f->fd, &ev) < 0)
		die("epoll_ctl");
}

/* --- the server ------------------------------------------------------------ */

static void accept_all(int lfd)
{
	for (;;) {
		struct flow *f;
		int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

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

static void drop(struct flow *f)
{
	close(f->fd);
	free(f->buf);
	free(f);
}

/* False: the flow is over. The buffer is there only while it holds something. */
static bool echo(struct flow *f)
{
	for (;;) {
		ssize_t n;

		while (f->done < f->len) {
			n = send(f->fd, f->buf + f->done, f->len - f->done, 0);
			if (n < 0 && errno == EAGAIN) {
				watch(EPOLL_CTL_MOD, f, EPOLLOUT);
				return true;
			}
			if (n < 0)
				return false;
			f->done += n;
		}
		if (!f->buf)
			f->buf = malloc(MSG_MAX);
		if (!f->buf)
			die("malloc");
		n = recv(f->fd, f->buf, MSG_MAX, 0);
		if (n <= 0) {
			free(f->buf);
			f->buf = NULL;
			f->len = f->done = 0;
			if (n == 0 || errno != EAGAIN)
				return false;
			watch(EPOLL_CTL_MOD, f, EPOLLIN);
			return true;
		}
		f->len = n;
		f->done = 0;
	}
}

static _Noreturn void server(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct epoll_event ev[EVENTS];
	struct flow listener = { 0 };
	int one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_ANY);
	listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(listener.fd, 1024) < 0)
		die("listen");
	watch(EPOLL_CTL_ADD, &listener, EPOLLIN);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;

			if (f == &listener)
				accept_all(f->fd);
			else if (!echo(f))
				drop(f);
		}
	}
}

/* --- the client --------------------------------------------------------------- */

static struct addrinfo *target;
static struct flow *flows;
static unsigned nflows;
static unsigned round_no, rounds;

static unsigned char byte_of(const struct flow *f, unsigned i)
{
	return (unsigned char)(i * 7 + i / 256 * 13 + f->number + round_no * 101);
}

static void connect_one(struct flow *f, unsigned number)
{
	f->number = number;
	f->fd = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (f->fd < 0)
		die("socket");
	if (connect(f->fd, target->ai_addr, target->ai_addrlen) < 0 && errno != EINPROGRESS)
		die("connect");
	watch(EPOLL_CTL_ADD, f, EPOLLOUT);
}

static void connect_all(void)
{
	struct epoll_event ev[EVENTS];
	unsigned begun = 0, up = 0;

	while (up < nflows) {
		int n;

		for (; begun < nflows && begun - up < CONNECTING_MAX; begun++)
			connect_one(&flows[begun], begun);
		n = epoll_wait(ep, ev, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;
			socklen_t len = sizeof(int);
			int err = 0;

			if (f->connected)
				continue;
			getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &err, &len);
			if (err) {
				errno = err;
				die("connect");
			}
			f->connected = true;
			watch(EPOLL_CTL_MOD, f, EPOLLIN);
			up++;
		}
	}
}

static bool push(struct flow *f)
{
	unsigned char buf[MSG_MAX];

	while (f->sent < f->len) {
		ssize_t n;

		for (unsigned i = f->sent; i < f->len; i++)
			buf[i] = byte_of(f, i);
		n = send(f->fd, buf + f->sent, f->len - f->sent, 0);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			die("send");
		f->sent += n;
	}
	return true;
}

/* True: this flow's round is done. */
static bool pull(struct flow *f)
{
	unsigned char buf[MSG_MAX];

	while (f->done < f->len) {
		ssize_t n = recv(f->fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			die("recv");
		if (n == 0) {
			fprintf(stderr, "many: connection %u ended early\n", f->number);
			exit(1);
		}
		for (ssize_t i = 0; i < n; i++, f->done++) {
			if (f->done < f->len && buf[i] == byte_of(f, f->done))
				continue;
			fprintf(stderr, "many: connection %u, round %u: wrong at %u\n",
				f->number, round_no, f->done);
			exit(1);
		}
	}
	return true;
}

static void one_round(void)
{
	struct epoll_event ev[EVENTS];
	unsigned left = nflows;

	for (unsigned i = 0; i < nflows; i++) {
		flows[i].len = (i + round_no) % 50 == 0 ? MSG_MAX : 64 + i % 64;
		flows[i].sent = flows[i].done = 0;
		watch(EPOLL_CTL_MOD, &flows[i], push(&flows[i]) ? EPOLLIN : EPOLLIN | EPOLLOUT);
	}
	while (left > 0) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;
			bool pending = f->done < f->len;

			if (f->sent < f->len && push(f))
				watch(EPOLL_CTL_MOD, f, EPOLLIN);
			if (pending && pull(f))
				left--;
		}
	}
}

static void end_all(void)
{
	struct epoll_event ev[EVENTS];
	unsigned left = nflows;

	for (unsigned i = 0; i < nflows; i++)
		if (shutdown(flows[i].fd, SHUT_WR) < 0)
			die("shutdown");
	while (left > 0) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct flow *f = ev[i].data.ptr;
			char c;
			ssize_t got = recv(f->fd, &c, 1, 0);

			if (got < 0 && errno == EAGAIN)
				continue;
			if (got != 0) {
				errno = got < 0 ? errno : EPROTO;
				die("waiting for the end");
			}
			close(f->fd);
			left--;
		}
	}
}

static int client(bool hold)
{
	char c;

	flows = calloc(nflows, sizeof(*flows));
	if (!flows)
		die("calloc");
	if (!hold)
		alarm(LIMIT_S);
	connect_all();
	if (hold) {
		printf("held\n");
		fflush(stdout);
		while (read(0, &c, 1) > 0)
			;
		return 0;
	}
	for (round_no = 0; round_no < rounds; round_no++)
		one_round();
	end_all();
	printf("%u connections, %u rounds\n", nflows, rounds);
	return 0;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };

	raise_limits();
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("epoll_create1");
	if (argc == 3 && strcmp(argv[1], "server") == 0)
		server(atoi(argv[2]));
	if (argc < 5 || getaddrinfo(argv[2], argv[3], &hints, &target) != 0) {
		fprintf(stderr, "usage: many server PORT\n"
			"       many client HOST PORT N ROUNDS\n"
			"       many hold HOST PORT N\n");
		return 2;
	}
	nflows = atoi(argv[4]);
	rounds = argc > 5 ? atoi(argv[5]) : 0;
	return client(strcmp(argv[1], "hold") == 0);
}
