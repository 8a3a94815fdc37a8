/* interrupted.c - a signal in every call that waits: EINTR, restarted, with a
 * time limit, and a handler that jumps out (signal(7)). */
#include "conform.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

enum kind { READS, LOOKS, WRITES, ACCEPTS, CONNECTS };
enum mode { PLAIN, RESTART, LIMIT, JUMP };

static char big[4096];
static sigjmp_buf out;
static volatile sig_atomic_t caught;
static _Atomic bool done;
static pthread_t main_thread;
static pid_t main_tid;

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

static ssize_t do_waitall(int fd)
{
	return recv(fd, big, 1, MSG_WAITALL);
}

static ssize_t do_peek(int fd)
{
	return recv(fd, big, 1, MSG_PEEK);
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

static ssize_t do_preadv2(int fd)
{
	struct iovec v = { big, 1 };

	return preadv2(fd, &v, 1, -1, 0);
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
	return send(fd, big, 1, 0);
}

static ssize_t do_sendto(int fd)
{
	return sendto(fd, big, 1, 0, NULL, 0);
}

static ssize_t do_sendmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return sendmsg(fd, &m, 0);
}

static ssize_t do_sendmmsg(int fd)
{
	struct iovec v = { big, 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &v, .msg_iovlen = 1 } };

	return sendmmsg(fd, &m, 1, 0);
}

static ssize_t do_pwritev2(int fd)
{
	struct iovec v = { big, 1 };

	return pwritev2(fd, &v, 1, -1, 0);
}

static int file, tube[2];

static ssize_t do_sendfile(int fd)
{
	off_t at = 0;

	return sendfile(fd, file, &at, 1);
}

static ssize_t do_splice(int fd)
{
	return splice(fd, NULL, tube[1], NULL, 1, 0);
}

static union addr full;		/* where a connect waits */
static socklen_t full_len;

static ssize_t do_connect(int fd)
{
	return connect(fd, &full.sa, full_len);
}

static int taken(int fd)
{
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static ssize_t do_accept(int fd)
{
	return taken(accept(fd, NULL, NULL));
}

static ssize_t do_accept4(int fd)
{
	return taken(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
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

static ssize_t do_pselect(int fd)
{
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	return pselect(fd + 1, &r, NULL, NULL, NULL, NULL);
}

static int ep = -1;

static int new_set(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (ep >= 0)
		close(ep);
	ep = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static ssize_t do_epoll(int fd)
{
	struct epoll_event ev;

	return new_set(fd) ? -1 : epoll_wait(ep, &ev, 1, -1);
}

static ssize_t do_pwait(int fd)
{
	struct epoll_event ev;

	return new_set(fd) ? -1 : epoll_pwait(ep, &ev, 1, -1, NULL);
}

static ssize_t do_pwait2(int fd)
{
	struct epoll_event ev;

	return new_set(fd) ? -1 : epoll_pwait2(ep, &ev, 1, NULL, NULL);
}

static const struct call {
	const char *name;
	ssize_t (*fn)(int fd);
	enum kind kind;
} calls[] = {
	{ "read", do_read, READS }, { "readv", do_readv, READS }, { "recv", do_recv, READS },
	{ "recv, all", do_waitall, READS }, { "recv, peek", do_peek, READS },
	{ "recvfrom", do_recvfrom, READS }, { "recvmsg", do_recvmsg, READS },
	{ "recvmmsg", do_recvmmsg, READS }, { "preadv2", do_preadv2, READS },
	{ "poll", do_poll, LOOKS }, { "ppoll", do_ppoll, LOOKS },
	{ "select", do_select, LOOKS }, { "pselect", do_pselect, LOOKS },
	{ "epoll_wait", do_epoll, LOOKS }, { "epoll_pwait", do_pwait, LOOKS },
	{ "epoll_pwait2", do_pwait2, LOOKS }, { "splice", do_splice, READS },
	{ "write", do_write, WRITES }, { "writev", do_writev, WRITES },
	{ "send", do_send, WRITES }, { "sendto", do_sendto, WRITES },
	{ "sendmsg", do_sendmsg, WRITES }, { "sendmmsg", do_sendmmsg, WRITES },
	{ "pwritev2", do_pwritev2, WRITES }, { "sendfile", do_sendfile, WRITES },
	{ "accept", do_accept, ACCEPTS }, { "accept4", do_accept4, ACCEPTS },
	{ "connect", do_connect, CONNECTS },
};

static void on_signal(int sig)
{
	(void)sig;
	caught++;
}

static void on_jump(int sig)
{
	(void)sig;
	caught++;
	siglongjmp(out, 1);
}

struct work {
	const struct call *call;
	enum mode mode;
	int fd, other, more;
	union addr a;
	socklen_t len;
};

/* What the call waits for, when it has been restarted. */
static void let_go(struct work *w)
{
	if (w->call->kind == ACCEPTS) {
		w->more = fresh();
		connect(w->more, &w->a.sa, w->len);
	} else if (w->call->kind == CONNECTS) {
		close(accept(w->more, NULL, NULL));
	} else if (w->call->kind == WRITES) {
		nonblocking(w->other, true);
		while (!done)
			if (read(w->other, (char[65536]){ 0 }, 65536) < 0)
				poll(&(struct pollfd){ w->other, POLLIN, 0 }, 1, 1);
	} else {
		write_all(w->other, "x", 1);
	}
}

/* Three signals for who is restarted, else one; again if it came too early. */
static void *disturber(void *arg)
{
	struct work *w = arg;
	bool restarts = w->mode == RESTART && w->call->kind != LOOKS;
	int n = 0;

	while (!done && n++ < (restarts ? 3 : 1000)) {
		int before = caught;

		until_asleep(main_tid, &done);
		if (done)
			break;
		pthread_kill(main_thread, SIGUSR1);
		while (caught == before && !done)
			sched_yield();
	}
	if (!done)
		let_go(w);
	return NULL;
}

/* One that nothing fits into serves all who are not to get through. */
static void full_pair(struct work *w)
{
	static int filled, peer;

	if (!filled || w->mode == RESTART) {
		pair(&w->fd, &w->other);
		fill(w->fd);
		nonblocking(w->fd, false);
	}
	if (w->mode == RESTART)
		return;
	if (!filled) {
		filled = w->fd;
		peer = w->other;
	}
	w->fd = dup(filled);
	w->other = dup(peer);
}

static void begin(struct work *w)
{
	struct timeval tv = { 60, 0 };

	if (w->call->kind == ACCEPTS) {
		w->fd = listener(4, &w->a, &w->len);
	} else if (w->call->kind == CONNECTS) {
		w->more = listener(0, &full, &full_len);
		w->other = fresh();
		connect(w->other, &full.sa, full_len);
		await(w->more, POLLIN);
		w->fd = fresh();
	} else if (w->call->kind == WRITES) {
		full_pair(w);
	} else {
		pair(&w->fd, &w->other);
	}
	if (w->mode != LIMIT)
		return;
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* After the jump the socket is as before. */
static void still_works(struct work *w)
{
	if (w->call->kind == READS || w->call->kind == LOOKS) {
		write_all(w->other, "yz", 2);
		say("  reads", recv(w->fd, big, 2, MSG_WAITALL));
	} else if (w->call->kind == ACCEPTS) {
		w->more = fresh();
		say("  connects", connect(w->more, &w->a.sa, w->len));
		say("  accepts", do_accept(w->fd));
	}
}

static void one(const struct call *call, enum mode mode)
{
	struct sigaction sa = {
		.sa_handler = mode == JUMP ? on_jump : on_signal,
		.sa_flags = mode == RESTART || mode == LIMIT ? SA_RESTART : 0,
	};
	struct work w = { .call = call, .mode = mode, .fd = -1, .other = -1, .more = -1 };
	sigset_t usr1;
	pthread_t t;
	volatile bool jumped = false;

	begin(&w);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	caught = 0;
	done = false;
	if (sigsetjmp(out, 1) == 0) {
		pthread_create(&t, NULL, disturber, &w);
		pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
		say(call->name, call->fn(w.fd));
	} else {
		jumped = true;
	}
	done = true;
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	pthread_join(t, NULL);
	if (mode == JUMP) {
		printf("%s: jumped %d\n", call->name, jumped);
		still_works(&w);
	} else {
		printf("  a handler ran: %d\n", caught > 0);
	}
	close(w.fd);
	if (w.other >= 0)
		close(w.other);
	if (w.more >= 0)
		close(w.more);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "a signal", "SA_RESTART", "SA_RESTART with a limit",
					     "a jump" };

	start(argc, argv);
	file = memfd_create("file", MFD_CLOEXEC);
	if (pipe(tube) || write(file, "x", 1) != 1)
		return 1;
	main_thread = pthread_self();
	main_tid = (pid_t)syscall(SYS_gettid);
	for (int mode = PLAIN; mode <= JUMP; mode++) {
		puts(names[mode]);
		for (size_t i = 0; i < NELEM(calls); i++)
			if (mode != RESTART || calls[i].kind != WRITES || i % 3 == 0)
				one(&calls[i], (enum mode)mode);
	}
	return 0;
}
