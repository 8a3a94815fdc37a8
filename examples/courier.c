/*
 * courier.c - a small reliable protocol over UDP whose memory is governed:
 * what it carries waits in buffers that are charged to a domain, so that all
 * couriers of a user together stay within one limit.
 *
 *	courier receive				prints "port N" on standard error,
 *						writes what arrives to standard output
 *	courier send HOST PORT <FILE		blocking: one call puts a message into
 *						the queue and waits until there is room
 *	... | courier send-epoll HOST PORT	one loop: while there is no room,
 *						standard input is not looked at
 *
 * The protocol: messages have numbers, the receiver answers each datagram with
 * the number that it wants next, and what was not acknowledged for RESEND_MS
 * is sent again. An empty message ends it.
 *
 * There are two reasons to wait, and they end differently:
 *   the queue is full (rudp_may_send() is false): acknowledgements free it; go
 *     on when rudp_writeable() is true again, not at the first byte;
 *   the domain refused (EAGAIN): nobody will tell when it would not; come back
 *     after rudp_backoff_ms(). What is queued goes on being sent meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <rudp/mem.h>

enum { PAYLOAD = 1200, IN_FLIGHT = 32, RESEND_MS = 50, TICK_MS = 100, GIVE_UP_MS = 30000,
       QUEUE = 32768 };

struct packet {
	uint32_t seq;		/* of a message; of an answer: the next one wanted.
				 * Network byte order */
	char data[PAYLOAD];
};

struct message {		/* lies in its own governed buffer */
	STAILQ_ENTRY(message) next;
	size_t len;
	struct packet p;
};

STAILQ_HEAD(queue, message);

struct courier {
	struct rudp_domain *domain;
	struct rudp_account *account;
	struct queue queue;	/* sent and not acknowledged, then not sent */
	struct message *unsent;
	unsigned in_flight;
	uint32_t next;		/* number of the next message queued, or wanted */
	int64_t resend_at, tick_at, heard_at;
	int64_t stay_away;	/* until then the domain is not asked again */
	int fd;
};

static void die(const char *what)
{
	fprintf(stderr, "courier: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static size_t size_of(size_t len)
{
	return offsetof(struct message, p.data) + len;
}

static void open_courier(struct courier *c)
{
	int err = rudp_domain_open(&c->domain, NULL);

	if (err) {
		errno = -err;
		die("the domain");
	}
	c->account = rudp_account_new(c->domain);
	c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!c->account || c->fd < 0)
		die("starting");
	rudp_account_set_buf(c->account, RUDP_SND, QUEUE);
	STAILQ_INIT(&c->queue);
	c->tick_at = c->heard_at = now_ms();
}

static void close_courier(struct courier *c)
{
	rudp_account_free(c->account);
	rudp_domain_close(c->domain);
	close(c->fd);
}

static void drop_first(struct courier *c, enum rudp_dir dir)
{
	struct message *m = STAILQ_FIRST(&c->queue);

	STAILQ_REMOVE_HEAD(&c->queue, next);
	rudp_buf_put(c->account, m, size_of(m->len), dir);
}

/* ---- sending ---------------------------------------------------------------- */

static void transmit(struct courier *c, const struct message *m)
{
	/* What does not leave now is sent again like what got lost. */
	if (send(c->fd, &m->p, sizeof(m->p.seq) + m->len, 0) < 0 && errno != EAGAIN &&
	    errno != ECONNREFUSED && errno != ENOBUFS)
		die("send");
}

static void push(struct courier *c)
{
	for (; c->unsent && c->in_flight < IN_FLIGHT; c->unsent = STAILQ_NEXT(c->unsent, next)) {
		if (!c->in_flight++)
			c->resend_at = now_ms() + RESEND_MS;
		transmit(c, c->unsent);
	}
}

/* Takes acknowledgements in, sends again what is late, does what a domain's
 * member has to do ten times a second. */
static void turn(struct courier *c)
{
	struct message *m;
	struct packet p;

	while (recv(c->fd, &p, sizeof(p), 0) >= (ssize_t)sizeof(p.seq)) {
		c->heard_at = now_ms();
		while (c->in_flight && ntohl(STAILQ_FIRST(&c->queue)->p.seq) < ntohl(p.seq)) {
			drop_first(c, RUDP_SND);
			c->in_flight--;
			c->resend_at = now_ms() + RESEND_MS;
		}
	}
	if (c->in_flight && now_ms() >= c->resend_at) {
		STAILQ_FOREACH(m, &c->queue, next) {
			if (m == c->unsent)
				break;
			transmit(c, m);
		}
		c->resend_at = now_ms() + RESEND_MS;
		if (now_ms() - c->heard_at > GIVE_UP_MS) {
			errno = ETIMEDOUT;
			die("the receiver");
		}
	}
	push(c);
	if (now_ms() >= c->tick_at) {
		rudp_domain_tick(c->domain);
		c->tick_at = now_ms() + TICK_MS;
	}
}

/* Queues a message, or says why not: EAGAIN, and c->stay_away tells which of
 * the two waits it is. */
static int queue_message(struct courier *c, const char *data, size_t len)
{
	struct message *m = NULL;

	if (now_ms() < c->stay_away || !rudp_may_send(c->account))
		return -EAGAIN;
	if (STAILQ_EMPTY(&c->queue))	/* what lets a queue move is never refused */
		m = rudp_buf_force(c->account, size_of(len), RUDP_SND);
	else
		m = rudp_buf_get(c->account, size_of(len), RUDP_SND);
	if (!m) {
		if (errno == EAGAIN)
			c->stay_away = now_ms() + rudp_backoff_ms(c->account);
		return -errno;
	}
	m->len = len;
	m->p.seq = htonl(c->next++);
	if (len)			/* the end has none, and no address */
		memcpy(m->p.data, data, len);
	STAILQ_INSERT_TAIL(&c->queue, m, next);
	if (!c->unsent)
		c->unsent = m;
	push(c);
	return 0;
}

/* Milliseconds until something is to be done that no event announces. */
static int patience(const struct courier *c)
{
	int64_t until = c->tick_at;

	if (c->in_flight && c->resend_at < until)
		until = c->resend_at;
	if (c->stay_away > now_ms() && c->stay_away < until)
		until = c->stay_away;
	return until > now_ms() ? (int)(until - now_ms()) : 0;
}

static void wait_event(struct courier *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	poll(&p, 1, patience(c));
	turn(c);
}

/* The blocking call. */
static void put_message(struct courier *c, const char *data, size_t len)
{
	int err;

	while ((err = queue_message(c, data, len)) == -EAGAIN) {
		if (now_ms() < c->stay_away) {		/* the domain */
			wait_event(c);
			continue;
		}
		while (!rudp_writeable(c->account))	/* the queue */
			wait_event(c);
	}
	if (err) {
		errno = -err;
		die("no memory");
	}
}

static void finish(struct courier *c)
{
	put_message(c, NULL, 0);
	while (!STAILQ_EMPTY(&c->queue))
		wait_event(c);
}

static void send_blocking(struct courier *c)
{
	char buf[PAYLOAD];
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0) {
		turn(c);
		put_message(c, buf, (size_t)n);
	}
	finish(c);
}

/* Room for one more, as poll would say it: a third of the queue is free, and
 * the domain did not tell us to stay away. */
static bool ready(const struct courier *c)
{
	return now_ms() >= c->stay_away && rudp_writeable(c->account);
}

static void send_epoll(struct courier *c)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = c->fd };
	bool watched = false;
	char buf[PAYLOAD];
	ssize_t n = -1, held = 0;	/* bytes read that found no room */

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll");
	fcntl(0, F_SETFL, O_NONBLOCK);
	while (n != 0) {
		bool want = !held;

		ev.data.fd = 0;
		if (want != watched &&
		    epoll_ctl(ep, want ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, 0, &ev) < 0)
			die("standard input");
		watched = want;
		if (epoll_wait(ep, &ev, 1, patience(c)) < 0 && errno != EINTR)
			die("epoll_wait");
		turn(c);
		if (held && ready(c) && !queue_message(c, buf, (size_t)held))
			held = 0;
		while (!held && (n = read(0, buf, sizeof(buf))) > 0)
			if (queue_message(c, buf, (size_t)n))
				held = n;
	}
	if (held)
		put_message(c, buf, (size_t)held);
	finish(c);
}

/* ---- receiving --------------------------------------------------------------- */

/* Room for what arrived in order? One is always taken, so that things go on. */
static bool hold(struct courier *c, const struct packet *p, size_t len)
{
	struct message *m = NULL;

	if (rudp_may_receive(c->account))
		m = rudp_buf_get(c->account, size_of(len), RUDP_RCV);
	if (!m && STAILQ_EMPTY(&c->queue))
		m = rudp_buf_force(c->account, size_of(len), RUDP_RCV);
	if (!m)
		return false;	/* dropped: it will be sent again */
	m->len = len;
	memcpy(&m->p, p, sizeof(p->seq) + len);
	STAILQ_INSERT_TAIL(&c->queue, m, next);
	return true;
}

static void write_out(struct courier *c)
{
	struct message *m;

	while ((m = STAILQ_FIRST(&c->queue))) {
		if (fwrite(m->p.data, 1, m->len, stdout) != m->len)
			die("writing");
		drop_first(c, RUDP_RCV);
	}
}

/* False: the last message is here. */
static bool receive_some(struct courier *c)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct packet p;
	bool more = true;
	ssize_t n;

	while ((n = recvfrom(c->fd, &p, sizeof(p), 0, (struct sockaddr *)&from, &len)) >=
	       (ssize_t)sizeof(p.seq)) {
		if (ntohl(p.seq) == c->next && hold(c, &p, (size_t)n - sizeof(p.seq))) {
			c->next++;
			more = n > (ssize_t)sizeof(p.seq);
		}
		p.seq = htonl(c->next);
		sendto(c->fd, &p, sizeof(p.seq), 0, (struct sockaddr *)&from, len);
		c->heard_at = now_ms();
		if (!more)
			break;
	}
	write_out(c);
	return more;
}

static void receive(struct courier *c)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	bool more = true;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(c->fd, (struct sockaddr *)&sin, len) < 0 ||
	    getsockname(c->fd, (struct sockaddr *)&sin, &len) < 0)
		die("bind");
	fprintf(stderr, "port %u\n", ntohs(sin.sin_port));
	while (more) {
		poll(&p, 1, TICK_MS);
		more = receive_some(c);
		rudp_domain_tick(c->domain);
	}
	fflush(stdout);
	/* The last answer may get lost: the sender asks again. */
	while (poll(&p, 1, 4 * RESEND_MS) > 0)
		receive_some(c);
}

int main(int argc, char **argv)
{
	bool sends = argc == 4 && !strncmp(argv[1], "send", 4);
	struct courier c = { .fd = -1 };

	if (!sends && (argc != 2 || strcmp(argv[1], "receive"))) {
		fprintf(stderr, "usage: courier receive | send HOST PORT | send-epoll HOST PORT\n");
		return 2;
	}
	open_courier(&c);
	if (sends) {
		struct sockaddr_in sin = { .sin_family = AF_INET };

		sin.sin_port = htons((uint16_t)atoi(argv[3]));
		if (inet_pton(AF_INET, argv[2], &sin.sin_addr) != 1 ||
		    connect(c.fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
			die("connect");
		if (strcmp(argv[1], "send"))
			send_epoll(&c);
		else
			send_blocking(&c);
	} else {
		receive(&c);
	}
	close_courier(&c);
	return 0;
}
