/* cancels.c - where a thread is cancelled: at the entry of every call that is a
 * cancellation point, and in it; with what is left behind. threads.c has those that
 * wait in the most common calls. */
#include "conform.h"
#include <setjmp.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/mman.h>

static char big[64];
static int set, listening, null, tube[2];
static union addr at;
static socklen_t at_len;

static struct iovec one_byte = { big, 1 };

static void on_fd(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
}

static long do_read(int fd) { return read(fd, big, 1); }
static long do_readv(int fd) { return readv(fd, &one_byte, 1); }
static long do_preadv2(int fd) { return preadv2(fd, &one_byte, 1, -1, 0); }
static long do_recv(int fd) { return recv(fd, big, 1, 0); }
static long do_dontwait(int fd) { return recv(fd, big, 1, MSG_DONTWAIT); }
static long do_peek(int fd) { return recv(fd, big, 1, MSG_PEEK); }
static long do_recvfrom(int fd) { return recvfrom(fd, big, 1, 0, NULL, NULL); }
static long do_write(int fd) { return write(fd, big, 1); }
static long do_writev(int fd) { return writev(fd, &one_byte, 1); }
static long do_pwritev2(int fd) { return pwritev2(fd, &one_byte, 1, -1, 0); }
static long do_send(int fd) { return send(fd, big, 1, MSG_NOSIGNAL); }
static long do_sendto(int fd) { return sendto(fd, big, 1, 0, NULL, 0); }
static long do_sendfile(int fd) { return sendfile(fd, null, NULL, 1); }
static long do_splice(int fd) { return splice(fd, NULL, tube[1], NULL, 1, 0); }
static long do_shutdown(int fd) { return shutdown(fd, SHUT_WR); }
static long do_close(int fd) { return close(fd); }
static long do_dup(int fd) { return close(dup(fd)); }
static long do_getfl(int fd) { return fcntl(fd, F_GETFL) < 0; }
static long do_listen(int fd) { return listen(fd, 3) < 0; }
static long do_epoll(int fd)
{
	(void)fd;
	return epoll_wait(set, &(struct epoll_event){ 0 }, 1, -1);
}

static long do_epoll_pwait(int fd)
{
	(void)fd;
	return epoll_pwait(set, &(struct epoll_event){ 0 }, 1, -1, NULL);
}

static long do_epoll_pwait2(int fd)
{
	(void)fd;
	return epoll_pwait2(set, &(struct epoll_event){ 0 }, 1, NULL, NULL);
}

static long do_recvmsg(int fd)
{
	struct msghdr m = { .msg_iov = &one_byte, .msg_iovlen = 1 };

	return recvmsg(fd, &m, 0);
}

static long do_recvmmsg(int fd)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &one_byte, .msg_iovlen = 1 } };

	return recvmmsg(fd, &m, 1, 0, NULL);
}

static long do_sendmsg(int fd)
{
	struct msghdr m = { .msg_iov = &one_byte, .msg_iovlen = 1 };

	return sendmsg(fd, &m, 0);
}

static long do_sendmmsg(int fd)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &one_byte, .msg_iovlen = 1 } };

	return sendmmsg(fd, &m, 1, 0);
}

static long do_accept(int fd)
{
	(void)fd;
	return accept(listening, NULL, NULL) < 0;
}

static long do_accept4(int fd)
{
	(void)fd;
	return accept4(listening, NULL, NULL, SOCK_CLOEXEC) < 0;
}

static long do_connect(int fd)
{
	int c = fresh();

	(void)fd;
	return connect(c, &at.sa, at_len);
}

static long do_poll(int fd)
{
	return poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1);
}

static long do_ppoll(int fd)
{
	return ppoll(&(struct pollfd){ fd, POLLIN, 0 }, 1, NULL, NULL);
}

static long do_select(int fd)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return select(fd + 1, &rd, NULL, NULL, NULL);
}

static long do_pselect(int fd)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return pselect(fd + 1, &rd, NULL, NULL, NULL, NULL);
}

enum kind { READS, WRITES, OTHER };

static const struct call {
	const char *name;
	long (*fn)(int fd);
	enum kind kind;
} calls[] = {
	{ "read", do_read, READS }, { "readv", do_readv, READS },
	{ "preadv2", do_preadv2, READS }, { "recv", do_recv, READS },
	{ "recv, not waiting", do_dontwait, READS }, { "recv, peek", do_peek, READS },
	{ "recvfrom", do_recvfrom, READS }, { "recvmsg", do_recvmsg, READS },
	{ "recvmmsg", do_recvmmsg, READS }, { "splice", do_splice, READS },
	{ "poll", do_poll, READS }, { "ppoll", do_ppoll, READS },
	{ "select", do_select, READS }, { "pselect", do_pselect, READS },
	{ "epoll_wait", do_epoll, READS }, { "epoll_pwait", do_epoll_pwait, READS },
	{ "epoll_pwait2", do_epoll_pwait2, READS },
	{ "write", do_write, WRITES }, { "writev", do_writev, WRITES },
	{ "pwritev2", do_pwritev2, WRITES }, { "send", do_send, WRITES },
	{ "sendto", do_sendto, WRITES }, { "sendmsg", do_sendmsg, WRITES },
	{ "sendmmsg", do_sendmmsg, WRITES }, { "sendfile", do_sendfile, WRITES },
	{ "accept", do_accept, OTHER }, { "accept4", do_accept4, OTHER },
	{ "connect", do_connect, OTHER }, { "shutdown", do_shutdown, OTHER },
	{ "close", do_close, OTHER }, { "dup", do_dup, OTHER },
	{ "F_GETFL", do_getfl, OTHER }, { "listen", do_listen, OTHER },
};

struct work {
	const struct call *call;
	int fd;
	bool at_entry, asynchronous;
	_Atomic pid_t tid;
	_Atomic int cleaned;
};

static void clean(void *arg)
{
	struct work *w = arg;

	w->cleaned++;
}

static void *worker(void *arg)
{
	struct work *w = arg;
	long ret;

	w->tid = (pid_t)syscall(SYS_gettid);
	pthread_cleanup_push(clean, w);
	if (w->at_entry)
		pthread_cancel(pthread_self());
	if (w->asynchronous)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	ret = w->call->fn(w->fd);
	printf(" (went on: %s)", ret < 0 ? ename(errno) : "done");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

/* Runs it, and cancels it when it waits. */
static pthread_t cancelled_asleep(void *(*run)(void *), struct work *w)
{
	pthread_t t;

	pthread_create(&t, NULL, run, w);
	while (!w->tid)
		poll(NULL, 0, 1);
	until_asleep(w->tid, NULL);
	pthread_cancel(t);
	return t;
}

static void ended(pthread_t t, struct work *w)
{
	void *ret;

	pthread_join(t, &ret);
	printf(" cancelled %d, cleaned up %d", ret == PTHREAD_CANCELED, w->cleaned);
}

/* What could be had at once is not, and nothing of it is taken or sent. */
static void at_entry(const struct call *call)
{
	struct work w = { .call = call, .at_entry = true };
	int c, s, waiting = fresh();
	pthread_t t;

	pair(&c, &s);
	set = epoll_create1(EPOLL_CLOEXEC);
	on_fd(c);
	connect(waiting, &at.sa, at_len);
	await(listening, POLLIN);
	write_all(s, "ab", 2);
	await(c, POLLIN);
	w.fd = c;
	printf("%s, at its entry:", call->name);
	pthread_create(&t, NULL, worker, &w);
	ended(t, &w);
	printf(", open %d, left %zd", fcntl(c, F_GETFD) >= 0,
	       recv(c, big, 2, MSG_DONTWAIT));
	if (call->fn == do_shutdown)
		await(s, POLLIN);	/* its FIN is on its way */
	printf(", sent %d, listener %s\n", (look(s) & POLLIN) != 0, bits(look(listening)));
	close(waiting);
	nonblocking(listening, true);
	while (close(accept(listening, NULL, NULL)) == 0)
		;
	nonblocking(listening, false);
	close(set);
	if (call->fn != do_close)
		close(c);
	close(s);
}

/* The socket goes on. */
static void in_it(const struct call *call, bool asynchronous)
{
	struct work w = { .call = call, .asynchronous = asynchronous };
	pthread_t t;
	int c, s;

	pair(&c, &s);
	set = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &(struct epoll_event){ .events = EPOLLIN });
	if (call->kind == WRITES) {
		fill(c);
		nonblocking(c, false);
	}
	w.fd = c;
	printf("%s, waiting%s:", call->name, asynchronous ? ", asynchronously" : "");
	t = cancelled_asleep(worker, &w);
	ended(t, &w);
	write_all(s, "x", 1);
	printf(", reads %zd", read(c, big, 1));
	close(c);
	close(set);
	if (call->kind == WRITES)
		drain(s, SIZE_MAX);
	printf(", the peer %s\n", bits(await(s, POLLRDHUP)));
	close(s);
}

/* Its number is nobody's, whether it waited or not. */
static void in_close(const struct call *call)
{
	struct work w = { .call = call };
	struct linger l = { 1, 20 };
	pthread_t t;
	int c, s;

	pair(&c, &s);
	fill(c);
	setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	w.fd = c;
	printf("%s, lingering:", call->name);
	t = cancelled_asleep(worker, &w);
	ended(t, &w);
	printf(", open %d", fcntl(c, F_GETFD) >= 0);
	drain(s, SIZE_MAX);
	printf(", the peer %s\n", bits(await(s, POLLRDHUP)));
	close(s);
}

static void in_accept(const struct call *call)
{
	struct work w = { .call = call };
	int c = fresh();
	pthread_t t;

	printf("%s, waiting:", call->name);
	t = cancelled_asleep(worker, &w);
	ended(t, &w);
	say(", connect", connect(c, &at.sa, at_len));
	close(accept(listening, NULL, NULL));
	close(c);
}

/* Not while it is switched off; then at the next point. */
static void *disabled(void *arg)
{
	struct work *w = arg;
	long ret;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	w->tid = (pid_t)syscall(SYS_gettid);
	ret = w->call->fn(w->fd);
	printf(" (went on: %ld)", ret);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	recv(w->fd, big, 1, 0);
	printf(" (and on)");
	return NULL;
}

static void switched_off(const struct call *call)
{
	struct work w = { .call = call };
	pthread_t t;
	int c, s;

	pair(&c, &s);
	w.fd = c;
	set = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &(struct epoll_event){ .events = EPOLLIN });
	printf("%s, switched off:", call->name);
	t = cancelled_asleep(disabled, &w);
	until_asleep(w.tid, NULL);
	write_all(s, "xy", 2);
	ended(t, &w);
	printf("\n");
	close(c);
	close(s);
	close(set);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	null = memfd_create("file", MFD_CLOEXEC);
	if (pipe(tube) || write(null, "x", 1) != 1)
		return 1;
	listening = listener(8, &at, &at_len);
	for (size_t i = 0; i < NELEM(calls); i++)
		at_entry(&calls[i]);
	for (size_t i = 0; i < NELEM(calls); i++)
		if (calls[i].kind != OTHER && calls[i].fn != do_sendfile &&
		    calls[i].fn != do_dontwait) {
			in_it(&calls[i], false);
			if (calls[i].kind == READS)
				switched_off(&calls[i]);
		}
	in_it(&calls[0], true);
	in_accept(&calls[25]);
	in_accept(&calls[26]);
	in_close(&calls[29]);
	return 0;
}
