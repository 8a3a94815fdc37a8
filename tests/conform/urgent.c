/* urgent.c - MSG_OOB and what belongs to it. */
#include <sys/select.h>
#include "conform.h"

static char buf[256];

static void show_mark(const char *what, int fd)
{
	int n = -1;

	printf("%s: at the mark %d", what, sockatmark(fd));
	printf(", readable %d\n", ioctl(fd, FIONREAD, &n) == 0 ? n : -1);
}

static void get(const char *what, int fd, size_t n, int flags)
{
	long got;

	memset(buf, 0, sizeof(buf));
	got = say(what, recv(fd, buf, n, flags | MSG_DONTWAIT));
	if (got > 0)
		printf("  '%s'\n", buf);
}

static void show_select(const char *what, int fd)
{
	struct timeval now = { 0, 0 };
	fd_set r, w, x;
	int n;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	n = select(fd + 1, &r, &w, &x, &now);
	printf("%s, select: %d%s%s%s\n", what, n, FD_ISSET(fd, &r) ? " r" : "",
	       FD_ISSET(fd, &w) ? " w" : "", FD_ISSET(fd, &x) ? " x" : "");
}

/* Its byte has come. */
static void until_there(int fd)
{
	await(fd, POLLPRI);
}

static void urge(int fd, const char *text)
{
	say("send urgent", send(fd, text, strlen(text), MSG_OOB));
}

static void alone(void)
{
	int c, s;

	printf("-- alone\n");
	pair(&c, &s);
	get("none", s, 1, MSG_OOB);
	urge(c, "!");
	until_there(s);
	show_poll("one", s);
	show_select("one", s);
	show_mark("one", s);
	get("plain read peeks", s, 10, MSG_PEEK);
	get("peek", s, 1, MSG_OOB | MSG_PEEK);
	get("take nothing", s, 0, MSG_OOB | MSG_PEEK);
	get("take", s, 10, MSG_OOB);
	get("again", s, 1, MSG_OOB);
	show_poll("taken", s);
	show_select("taken", s);
	show_mark("taken", s);
	get("plain read", s, 10, 0);
	show_mark("read", s);
	write_all(c, "abc", 3);
	await(s, POLLIN);
	show_poll("data", s);
	get("data", s, 10, 0);
	show_poll("all read", s);
	close(c);
	close(s);
}

static void among_data(void)
{
	struct iovec iov[2] = { { buf, 2 }, { buf + 2, 100 } };
	int c, s;

	printf("-- among data\n");
	pair(&c, &s);
	write_all(c, "abc", 3);
	urge(c, "de!");
	write_all(c, "fgh", 3);
	until_there(s);
	show_poll("there", s);
	show_select("there", s);
	show_mark("there", s);
	get("peek", s, 100, MSG_PEEK);
	memset(buf, 0, sizeof(buf));
	say("readv stops", readv(s, iov, 2));
	printf("  '%s'\n", buf);
	show_await("at it", s, POLLIN);
	show_mark("at it", s);
	while (recv(s, buf, 10, MSG_PEEK | MSG_DONTWAIT) < 3)
		;
	get("on", s, 2, 0);
	show_mark("passed", s);
	get("too late", s, 1, MSG_OOB);
	get("rest", s, 10, 0);
	show_poll("all read", s);
	close(c);
	close(s);
}

static void in_line(void)
{
	int c, s, on = 1;

	printf("-- in line\n");
	pair(&c, &s);
	say("SO_OOBINLINE", setsockopt(s, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	write_all(c, "ab", 2);
	urge(c, "!");
	until_there(s);
	show_poll("there", s);
	show_mark("there", s);
	get("as urgent", s, 1, MSG_OOB);
	get("stops", s, 10, 0);
	show_mark("at it", s);
	show_poll("at it", s);
	get("the byte", s, 10, 0);
	show_mark("passed", s);
	show_poll("passed", s);
	close(c);
	close(s);
}

static void two(void)
{
	int c, s;

	printf("-- two\n");
	pair(&c, &s);
	write_all(c, "a", 1);
	urge(c, "1");
	until_there(s);
	get("first peeked", s, 1, MSG_OOB | MSG_PEEK);
	write_all(c, "b", 1);
	urge(c, "2");
	do
		recv(s, buf, 1, MSG_OOB | MSG_PEEK);
	while (buf[0] != '2');
	show_mark("the second", s);
	get("take", s, 1, MSG_OOB);
	get("data", s, 10, 0);
	get("all read", s, 10, 0);
	show_poll("all read", s);
	urge(c, "3");
	until_there(s);
	get("a third", s, 1, MSG_OOB);
	show_poll("taken", s);
	close(c);
	close(s);
}

static void ends(void)
{
	int c, s;

	printf("-- ends\n");
	pair(&c, &s);
	write_all(c, "a", 1);
	urge(c, "!");
	shutdown(c, SHUT_WR);
	await(s, POLLRDHUP | POLLPRI);
	show_poll("both", s);
	get("urgent", s, 1, MSG_OOB);
	show_poll("taken", s);
	get("data", s, 10, 0);
	get("end", s, 10, 0);
	get("urgent", s, 1, MSG_OOB);
	say("send after shutdown", send(c, "x", 1, MSG_OOB | MSG_NOSIGNAL));
	close(c);
	close(s);

	pair(&c, &s);
	urge(c, "!");
	until_there(s);
	linger0(c);
	close(c);
	await(s, POLLERR);
	show_poll("reset", s);
	get("urgent", s, 1, MSG_OOB);
	get("data", s, 1, 0);
	close(s);
	c = fresh();
	get("fresh", c, 1, MSG_OOB);
	say("send", send(c, "x", 1, MSG_OOB | MSG_NOSIGNAL));
	say("at mark", sockatmark(c));
	close(c);
}

static void blocked(void)
{
	struct msghdr m = { .msg_iov = &(struct iovec){ buf, 10 }, .msg_iovlen = 1 };
	int c, s;

	printf("-- blocking\n");
	pair(&c, &s);
	write_all(c, "abc", 3);
	urge(c, "!");
	until_there(s);
	say("waitall stops", recv(s, buf, 10, MSG_WAITALL));
	say("recvmsg", recvmsg(s, &m, MSG_OOB));
	printf("'%c' flags %#x\n", buf[0], (unsigned)m.msg_flags);
	urge(c, "?");
	until_there(s);
	m.msg_iov->iov_len = 0;
	say("recvmsg of nothing", recvmsg(s, &m, MSG_OOB));
	printf("flags %#x\n", (unsigned)m.msg_flags);
	write_all(c, "def", 3);
	memset(buf, 0, sizeof(buf));
	say("waitall goes around", recv(s, buf, 3, MSG_WAITALL));
	printf("'%s'\n", buf);
	close(c);
	close(s);
}

static volatile sig_atomic_t urgs;
static int urg_fd;
static volatile char urg_byte;

static void on_urg(int sig)
{
	char x = 0;

	(void)sig;
	if (recv(urg_fd, &x, 1, MSG_OOB) == 1)
		urg_byte = x;
	urgs++;
}

static void signalled(void)
{
	struct sigaction sa = { .sa_handler = on_urg, .sa_flags = SA_RESTART };
	struct timespec ms = { 0, 1000000 };
	int c, s;

	printf("-- SIGURG\n");
	pair(&c, &s);
	urg_fd = s;
	sigaction(SIGURG, &sa, NULL);
	say("F_SETOWN", fcntl(s, F_SETOWN, getpid()));
	urge(c, "!");
	for (int i = 0; i < 5000 && !urgs; i++)
		nanosleep(&ms, NULL);
	printf("signals %d, '%c'\n", urgs > 0, urg_byte);
	urge(c, "?");
	for (int i = 0; i < 5000 && urgs < 2; i++)
		nanosleep(&ms, NULL);
	printf("signals %d, '%c'\n", urgs > 1, urg_byte);
	write_all(c, "x", 1);
	say("a read that blocks", read(s, buf, 1));
	close(c);
	close(s);
}

static void in_a_set(void)
{
	struct epoll_event ev = { .events = EPOLLPRI }, got = { 0 };
	int c, s, ep = epoll_create1(0);

	printf("-- epoll\n");
	pair(&c, &s);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	write_all(c, "x", 1);
	say("data", epoll_wait(ep, &got, 1, 50));
	urge(c, "!");
	say("urgent", epoll_wait(ep, &got, 1, 5000));
	printf("%s\n", bits((int)got.events));
	get("take", s, 1, MSG_OOB);
	say("taken", epoll_wait(ep, &got, 1, 0));
	get("data", s, 10, 0);
	get("data", s, 10, 0);
	urge(c, "?");
	await(s, POLLPRI);
	ev.events = EPOLLPRI | EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_MOD, s, &ev);
	say("modified", epoll_wait(ep, &got, 1, 5000));
	printf("%s\n", bits((int)got.events));
	close(ep);
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	alone();
	among_data();
	in_line();
	two();
	ends();
	blocked();
	signalled();
	in_a_set();
	return 0;
}
