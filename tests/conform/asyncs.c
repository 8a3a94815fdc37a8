/* asyncs.c - SIGIO, syscall(), aio, signalfd beside sockets. */
#include "conform.h"
#include <aio.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static char buf[64];
static volatile sig_atomic_t ios, io_fd = -1;

static void on_io(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	ios++;
	io_fd = si->si_fd;
}

/* Signals come soon, and how many is not said: at least one. */
static void told(const char *what, int fd, bool has_fd)
{
	const struct timespec limit = { .tv_sec = 10 };
	sigset_t both, was;

	sigemptyset(&both);
	sigaddset(&both, SIGIO);
	sigaddset(&both, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &both, &was);
	while (!ios && ppoll(NULL, 0, &limit, &was) < 0)
		;
	sigprocmask(SIG_SETMASK, &was, NULL);
	printf("%s: %d%s\n", what, ios > 0, has_fd && io_fd == fd ? ", its descriptor" : "");
	ios = 0;
}

static void signalled(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct f_owner_ex ex = { F_OWNER_TID, (pid_t)syscall(SYS_gettid) }, got;
	union addr a;
	socklen_t len;
	int c, s, on = 1, l;

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	pair(&c, &s);
	say("F_GETOWN", fcntl(c, F_GETOWN));
	say("F_SETOWN", fcntl(c, F_SETOWN, getpid()));
	printf("owner: %d\n", fcntl(c, F_GETOWN) == getpid());
	say("FIOASYNC", ioctl(c, FIOASYNC, &on));
	printf("O_ASYNC: %d\n", (fcntl(c, F_GETFL) & O_ASYNC) != 0);
	ios = 0;
	write_all(s, "a", 1);
	told("data", c, false);
	write_all(s, "b", 1);
	told("more, the first unread", c, false);
	read_all(c, buf, 2);
	say("F_SETSIG", fcntl(c, F_SETSIG, SIGRTMIN));
	say("F_GETSIG", fcntl(c, F_GETSIG) == SIGRTMIN ? 0 : -1);
	write_all(s, "c", 1);
	told("data, a signal with its descriptor", c, true);
	read_all(c, buf, 1);
	ios = 0;
	shutdown(s, SHUT_WR);
	told("the end", c, true);
	close(c);
	close(s);

	l = listener(4, &a, &len);
	fcntl(l, F_SETOWN, getpid());
	say("F_SETFL O_ASYNC", fcntl(l, F_SETFL, O_ASYNC));
	c = fresh();
	say("F_SETOWN_EX", fcntl(c, F_SETOWN_EX, &ex));
	say("F_GETOWN_EX", fcntl(c, F_GETOWN_EX, &got));
	printf("the same: %d\n", got.type == ex.type && got.pid == ex.pid);
	ios = 0;
	connect(c, &a.sa, len);
	told("a connection", l, false);
	s = accept(l, NULL, NULL);
	printf("accepted has O_ASYNC: %d\n", (fcntl(s, F_GETFL) & O_ASYNC) != 0);
	close(c);
	close(s);
	close(l);
}

static void by_number(void)
{
	union addr a, b;
	socklen_t len = loopback(&a), blen = sizeof(b);
	long l = syscall(SYS_socket, family, SOCK_STREAM, 0), c, s;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct pollfd p;
	int v = 1;

	say("SYS_bind", syscall(SYS_bind, l, &a, len));
	say("SYS_listen", syscall(SYS_listen, l, 4));
	say("SYS_getsockname", syscall(SYS_getsockname, l, &a, &len));
	c = syscall(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	say("SYS_connect", syscall(SYS_connect, c, &a, len));
	s = syscall(SYS_accept4, l, &b, &blen, 0);
	printf("SYS_accept4: %d %u\n", s >= 0, (unsigned)blen);
	blen = sizeof(b);
	say("SYS_getpeername", syscall(SYS_getpeername, c, &b, &blen));
	say("SYS_setsockopt", syscall(SYS_setsockopt, c, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
	v = 0;
	blen = sizeof(v);
	say("SYS_getsockopt", syscall(SYS_getsockopt, c, IPPROTO_TCP, TCP_NODELAY, &v, &blen));
	printf("  %d\n", v);
	say("SYS_write", syscall(SYS_write, c, "one ", 4));
	say("SYS_sendto", syscall(SYS_sendto, c, "two ", 4, 0, NULL, 0));
	p = (struct pollfd){ (int)s, POLLIN, 0 };
	say("SYS_ppoll", syscall(SYS_ppoll, &p, 1, NULL, NULL, 0));
	say("SYS_recvfrom", syscall(SYS_recvfrom, s, buf, 8, MSG_WAITALL, NULL, NULL));
	iov.iov_len = 3;
	say("SYS_sendmsg", syscall(SYS_sendmsg, s, &m, 0));
	await((int)c, POLLIN);
	say("SYS_recvmsg", syscall(SYS_recvmsg, c, &m, 0));
	say("SYS_writev", syscall(SYS_writev, s, &iov, 1));
	await((int)c, POLLIN);
	say("SYS_readv", syscall(SYS_readv, c, &iov, 1));
	say("SYS_ioctl", syscall(SYS_ioctl, c, FIONREAD, &v));
	say("SYS_shutdown", syscall(SYS_shutdown, c, SHUT_WR));
	say("SYS_read", syscall(SYS_read, s, buf, 8));
	say("SYS_fcntl", syscall(SYS_fcntl, s, F_SETFL, O_NONBLOCK));
	say("SYS_close", syscall(SYS_close, c));
	say("SYS_close again", syscall(SYS_close, c));
	close((int)s);
	close((int)l);
}

static void in_background(void)
{
	struct aiocb rd = { .aio_buf = buf, .aio_nbytes = sizeof(buf) };
	struct aiocb wr = { .aio_buf = "asynchronous", .aio_nbytes = 12 };
	const struct aiocb *wait[1] = { &rd };
	struct aiocb *list[1] = { &wr };
	int c, s;

	pair(&c, &s);
	rd.aio_fildes = s;
	wr.aio_fildes = c;
	say("aio_read", aio_read(&rd));
	say("aio_error", aio_error(&rd) == EINPROGRESS ? 0 : -1);
	say("aio_write", aio_write(&wr));
	say("aio_suspend", aio_suspend(wait, 1, NULL));
	say("aio_error", aio_error(&rd));
	say("aio_return", aio_return(&rd));
	printf("%.12s\n", buf);
	while (aio_error(&wr) == EINPROGRESS)
		;
	say("aio_return of the write", aio_return(&wr));
	wr.aio_lio_opcode = LIO_WRITE;
	say("lio_listio", lio_listio(LIO_WAIT, list, 1, NULL));
	say("arrives", recv(s, buf, 12, MSG_WAITALL));
	say("plain write afterwards", write(s, "plain", 5));
	say("arrives", recv(c, buf, 5, MSG_WAITALL));
	close(c);
	close(s);
}

static void signal_descriptor(void)
{
	struct signalfd_siginfo si;
	struct pollfd p[2];
	sigset_t set;
	int c, s, sfd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_CLOEXEC);
	pair(&c, &s);
	kill(getpid(), SIGUSR2);
	write_all(c, "x", 1);
	await(s, POLLIN);
	p[0] = (struct pollfd){ sfd, POLLIN, 0 };
	p[1] = (struct pollfd){ s, POLLIN, 0 };
	say("poll of a signalfd and a socket", poll(p, 2, 5000));
	say("read", read(sfd, &si, sizeof(si)));
	printf("signal %d\n", si.ssi_signo == SIGUSR2);
	say("poll again", poll(p, 2, 0));
	close(sfd);
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	signalled();
	by_number();
	in_background();
	signal_descriptor();
	return 0;
}
