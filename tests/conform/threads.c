/* threads.c - several threads: one waits for a set while another calls; one
 * socket is closed, shut, cancelled while another thread waits in a call on it. */
#include "conform.h"
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

struct call {
	const char *name;
	ssize_t (*fn)(int fd);
	enum { READS, WRITES, WRITES_TOO, ACCEPTS, CONNECTS } kind;
};

static char big[1 << 20];
static union addr full;		/* where a connect waits */
static socklen_t full_len;

static ssize_t do_read(int fd)
{
	return read(fd, big, 1);
}

static ssize_t do_readv(int fd)
{
	struct iovec v = { big, 1 };

	return readv(fd, &v, 1);
}

static ssize_t do_recv(int fd)
{
	return recv(fd, big, 1, 0);
}

static ssize_t do_recvfrom(int fd)
{
	return recvfrom(fd, big, 1, 0, NULL, NULL);
}

static ssize_t do_recvmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return recvmsg(fd, &m, 0);
}

static ssize_t do_recvmmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };

	return recvmmsg(fd, &m, 1, 0, NULL);
}

static ssize_t do_write(int fd)
{
	return write(fd, big, 1);
}

static ssize_t do_writev(int fd)
{
	struct iovec v = { big, 1 };

	return writev(fd, &v, 1);
}

static ssize_t do_send(int fd)
{
	return send(fd, big, 1, MSG_NOSIGNAL);
}

static ssize_t do_sendto(int fd)
{
	return sendto(fd, big, 1, MSG_NOSIGNAL, NULL, 0);
}

static ssize_t do_sendmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static ssize_t do_sendmmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };

	return sendmmsg(fd, &m, 1, MSG_NOSIGNAL);
}

static ssize_t do_preadv2(int fd)
{
	struct iovec v = { big, 1 };

	return preadv2(fd, &v, 1, -1, 0);
}

static ssize_t do_pwritev2(int fd)
{
	struct iovec v = { big, 1 };

	return pwritev2(fd, &v, 1, -1, 0);
}

static ssize_t do_accept(int fd)
{
	return accept(fd, NULL, NULL) < 0 ? -1 : 0;
}

static ssize_t do_accept4(int fd)
{
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC) < 0 ? -1 : 0;
}

static ssize_t do_connect(int fd)
{
	return connect(fd, &full.sa, full_len);
}

static ssize_t do_poll(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, -1);
}

static ssize_t do_ppoll(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return ppoll(&p, 1, NULL, NULL);
}

static ssize_t do_select(int fd)
{
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	return select(fd + 1, &r, NULL, NULL, NULL);
}

static ssize_t do_epoll(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	return epoll_wait(ep, &ev, 1, -1);
}

static const struct call calls[] = {
	{ "read", do_read, READS }, { "readv", do_readv, READS },
	{ "recv", do_recv, READS }, { "recvfrom", do_recvfrom, READS },
	{ "recvmsg", do_recvmsg, READS }, { "recvmmsg", do_recvmmsg, READS },
	{ "preadv2", do_preadv2, READS },
	{ "poll", do_poll, READS }, { "ppoll", do_ppoll, READS }, { "select", do_select, READS },
	{ "epoll_wait", do_epoll, READS },
	{ "write", do_write, WRITES }, { "writev", do_writev, WRITES_TOO },
	{ "send", do_send, WRITES }, { "sendto", do_sendto, WRITES_TOO },
	{ "sendmsg", do_sendmsg, WRITES }, { "sendmmsg", do_sendmmsg, WRITES_TOO },
	{ "pwritev2", do_pwritev2, WRITES_TOO },
	{ "accept", do_accept, ACCEPTS }, { "accept4", do_accept4, ACCEPTS },
	{ "poll of a listener", do_poll, ACCEPTS },
	{ "connect", do_connect, CONNECTS },
};

static bool is_writer(const struct call *c)
{
	return c->kind == WRITES || c->kind == WRITES_TOO;
}

struct work {
	const struct call *call;
	int fd, other;
	union addr a;
	socklen_t len;
	pthread_t t;
	_Atomic pid_t tid;
	ssize_t ret;
	int err;
};

static void *worker(void *arg)
{
	struct work *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->ret = w->call->fn(w->fd);
	w->err = errno;
	return NULL;
}

static void begin(struct work *w, const struct call *c)
{
	memset(w, 0, sizeof(*w));
	w->call = c;
	w->other = -1;
	if (c->kind == ACCEPTS) {
		w->fd = listener(4, &w->a, &w->len);
	} else if (c->kind == CONNECTS) {
		w->fd = fresh();
	} else {
		pair(&w->fd, &w->other);
		if (is_writer(c)) {
			fill(w->fd);
			nonblocking(w->fd, false);
		}
	}
	pthread_create(&w->t, NULL, worker, w);
	while (!w->tid)
		poll(NULL, 0, 1);
	until_asleep(w->tid, NULL);
}

static void result_of(struct work *w)
{
	pthread_join(w->t, NULL);
	if (w->ret < 0)
		printf("  %s: %s\n", w->call->name, ename(w->err));
	else
		printf("  %s: %zd\n", w->call->name, w->ret);
}

/* What the waiting call needs to return. */
static void relieve(struct work *w)
{
	int c;

	switch (w->call->kind) {
	case READS: write_all(w->other, "x", 1); break;
	case WRITES:
	case WRITES_TOO: drain(w->other, SIZE_MAX); break;	/* to its end */
	case ACCEPTS:
		c = fresh();
		connect(c, &w->a.sa, w->len);
		pthread_join(w->t, NULL);
		w->t = pthread_self();
		close(c);
		break;
	case CONNECTS: break;
	}
}

/* The call goes on: the file lives as long as somebody is in it. */
static void closed_meanwhile(void)
{
	printf("close while another thread waits\n");
	for (size_t i = 0; i < NELEM(calls); i++) {
		struct work w;

		if (calls[i].kind == CONNECTS || calls[i].fn == do_select ||
		    calls[i].fn == do_epoll ||	/* nothing ends them any more */
		    (calls[i].kind == ACCEPTS && calls[i].fn == do_poll))
			continue;
		begin(&w, &calls[i]);
		say(" close", close(w.fd));
		say(" it is closed", fcntl(w.fd, F_GETFD));
		relieve(&w);
		if (!pthread_equal(w.t, pthread_self()))
			pthread_join(w.t, NULL);
		if (w.ret < 0)
			printf("  %s: %s\n", w.call->name, ename(w.err));
		else
			printf("  %s: %zd\n", w.call->name, w.ret);
		if (w.other >= 0) {
			show_await("  then the peer sees the end", w.other, POLLRDHUP);
			close(w.other);
		}
	}
}

static void shut_meanwhile(int how, const char *name)
{
	printf("shutdown %s while another thread waits\n", name);
	for (size_t i = 0; i < NELEM(calls); i++) {
		struct work w;

		if (calls[i].kind == CONNECTS || calls[i].kind == WRITES_TOO ||
		    (calls[i].kind == WRITES && how == SHUT_RD) ||
		    (calls[i].kind != WRITES && how == SHUT_WR))
			continue;
		begin(&w, &calls[i]);
		say(" shutdown", shutdown(w.fd, how));
		result_of(&w);
		close(w.fd);
		if (w.other >= 0)
			close(w.other);
	}
}

static void reset_meanwhile(void)
{
	printf("reset by the peer while another thread waits\n");
	for (size_t i = 0; i < NELEM(calls); i++) {
		struct work w;

		if (calls[i].kind != READS && calls[i].kind != WRITES)
			continue;
		begin(&w, &calls[i]);
		linger0(w.other);
		close(w.other);
		result_of(&w);
		close(w.fd);
	}
}

static void cancelled_meanwhile(void)
{
	void *ret;

	printf("cancelled\n");
	for (size_t i = 0; i < NELEM(calls); i++) {
		struct work w;

		begin(&w, &calls[i]);
		pthread_cancel(w.t);
		pthread_join(w.t, &ret);
		printf(" %s: %d\n", calls[i].name, ret == PTHREAD_CANCELED);
		if (calls[i].kind == READS) {
			write_all(w.other, "x", 1);
			say("  socket still reads", read(w.fd, big, 1));
		}
		close(w.fd);
		if (calls[i].kind == READS)
			show_await("  peer sees the close", w.other, POLLRDHUP);
		if (w.other >= 0)
			close(w.other);
	}
}

/* A listener whose queue is full: who connects waits. */
static int full_listener(int *filler)
{
	int l = listener(0, &full, &full_len);

	for (int i = 0; i < 4; i++) {
		filler[i] = fresh();
		nonblocking(filler[i], true);
		connect(filler[i], &full.sa, full_len);
	}
	await(filler[0], POLLOUT);
	return l;
}

/* Descriptors come and go in many threads; nobody gets another's bytes. */
enum { ROUNDS = 60, MANY = 8 };

static void *opener(void *arg)
{
	long wrong = 0, me = (long)arg;

	for (long i = 0; i < ROUNDS; i++) {
		long out[2] = { me, i }, in[2] = { -1, -1 };
		int c, s, f = open("/dev/null", O_RDONLY);

		pair(&c, &s);
		write_all(c, out, sizeof(out));
		close(f);
		read_all(s, in, sizeof(in));
		wrong += memcmp(in, out, sizeof(in)) != 0;
		close(i % 2 ? c : s);
		f = dup(i % 2 ? s : c);
		close(i % 2 ? s : c);
		wrong += read(f, in, sizeof(in)) != 0;
		close(f);
	}
	return (void *)wrong;
}

static void many_open(void)
{
	pthread_t t[MANY];
	long wrong = 0;

	for (long i = 0; i < MANY; i++)
		pthread_create(&t[i], NULL, opener, (void *)i);
	for (int i = 0; i < MANY; i++) {
		void *w;

		pthread_join(t[i], &w);
		wrong += (long)w;
	}
	printf("opened and closed in %d threads: %ld wrong\n", MANY, wrong);
}

static void *waits_for_set(void *arg)
{
	struct epoll_event ev;

	return (void *)(long)epoll_wait((int)(long)arg, &ev, 1, -1);
}

/* A thread that has done nothing yet but wait for a set receives what another
 * one waits for. */
static void set_beside_calls(void)
{
	enum { CALLS = 300 };
	struct epoll_event ev = { .events = EPOLLIN };
	int c, s, set = epoll_create1(EPOLL_CLOEXEC), refused = 0;
	union addr a;
	socklen_t len;
	pthread_t t;
	void *n;

	pair(&c, &s);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &ev);
	port_nobody_has(&a, &len);
	pthread_create(&t, NULL, waits_for_set, (void *)(long)set);
	for (int i = 0; i < CALLS; i++) {
		int fd = fresh();

		refused += connect(fd, &a.sa, len) < 0 && errno == ECONNREFUSED;
		close(fd);
	}
	write_all(s, "x", 1);
	pthread_join(t, &n);
	printf("beside a set: %d refused, then %ld event\n", refused, (long)n);
	close(c);
	close(s);
	close(set);
}

int main(int argc, char **argv)
{
	int filler[4], l;

	start(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	set_beside_calls();	/* first: no second thread has used a socket yet */
	l = full_listener(filler);
	closed_meanwhile();
	shut_meanwhile(SHUT_RD, "RD");
	shut_meanwhile(SHUT_WR, "WR");
	shut_meanwhile(SHUT_RDWR, "RDWR");
	reset_meanwhile();
	cancelled_meanwhile();
	many_open();
	close(l);
	return 0;
}
