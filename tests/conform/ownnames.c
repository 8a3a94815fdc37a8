/* ownnames.c - a program with functions of its own in the place of libc's, which
 * reach libc's by the other names they have (beam.smp: sigaction). */
#include "conform.h"

int __sigaction(int, const struct sigaction *, struct sigaction *);
int __dup2(int, int);
int __close(int);
int __connect(int, const struct sockaddr *, socklen_t);
int __fcntl(int, int, ...);
int __poll(struct pollfd *, nfds_t, int);
ssize_t __read(int, void *, size_t);
ssize_t __send(int, const void *, size_t, int);
ssize_t __write(int, const void *, size_t);

static __thread int depth, deepest;	/* libev, too, comes by here */

/* Whoever comes here again from below has not reached libc. */
static void in(void)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth > 3)
		_exit(3);
}

static long out(long ret)
{
	depth--;
	return ret;
}

#pragma GCC visibility push(default)

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	in();
	return (int)out(__sigaction(sig, act, old));
}

int dup2(int fd, int to)
{
	in();
	return (int)out(__dup2(fd, to));
}

int close(int fd)
{
	in();
	return (int)out(__close(fd));
}

int connect(int fd, __CONST_SOCKADDR_ARG sa, socklen_t len)
{
	in();
	return (int)out(__connect(fd, sa.__sockaddr__, len));
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	in();
	return (int)out(__poll(fds, n, timeout));
}

ssize_t read(int fd, void *buf, size_t len)
{
	in();
	return out(__read(fd, buf, len));
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	in();
	return out(__send(fd, buf, len, flags));
}

ssize_t write(int fd, const void *buf, size_t len)
{
	in();
	return out(__write(fd, buf, len));
}

#pragma GCC visibility pop

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal }, was;
	int c, s, n;
	char buf[8];

	start(argc, argv);
	pair(&c, &s);
	say("sigaction", sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	printf("caught %d\n", caught == SIGUSR1);
	say("signal", signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	say("sigaction", sigaction(SIGUSR1, NULL, &was));
	printf("ignored %d\n", was.sa_handler == SIG_IGN);
	n = dup(c);
	say("dup2", dup2(c, n) == n ? 0 : -1);
	say("send", send(n, "abc", 3, 0));
	show_await("poll", s, POLLIN);
	say("read", read(s, buf, sizeof(buf)));
	say("write", write(s, "de", 2));
	say("shutdown", shutdown(s, SHUT_WR));
	show_await("poll", n, POLLIN | POLLRDHUP);
	say("read", read(n, buf, sizeof(buf)));
	say("close", close(n));
	say("close", close(c));
	say("close", close(s));
	printf("depth %d\n", deepest);
	return 0;
}
