/*
 * passing.c - sockets in messages, to a program that has sockets of its own: a
 * listener, connections, one whose sender closed it at once, one whose sender
 * is dead when it arrives, and a listener that one process accepts from while
 * another closes it.
 */
#include "conform.h"

static void send_fd(int chan, char what, int fd)
{
	struct iovec iov = { &what, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	if (sendmsg(chan, &m, 0) != 1)
		say("sendmsg", -1);
}

/* 0: the channel has ended. */
static char take_fd(int chan, int *fd)
{
	char what = 0;
	struct iovec iov = { &what, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };

	if (recvmsg(chan, &m, MSG_CMSG_CLOEXEC) != 1)
		return 0;
	if (CMSG_FIRSTHDR(&m))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(*fd));
	return what;
}

/* ---- who receives them --------------------------------------------------------- */

static void use_connection(int fd)
{
	char buf[6] = "";
	int v = -1;
	socklen_t len = sizeof(v);
	union addr a;
	socklen_t alen = sizeof(a);

	say("its getpeername", getpeername(fd, &a.sa, &alen));
	getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, &len);
	printf("its TCP_NODELAY: %d\n", v);
	read_all(fd, buf, 5);
	printf("it reads %s\n", buf);
	show_poll("it", fd);
	write_all(fd, "there", 5);
}

static void use_listener(int fd)
{
	int t = accept(fd, NULL, NULL);
	char buf[6] = "";

	read_all(t, buf, 5);
	say("its accept", t < 0 ? -1 : 0);
	printf("it reads %s\n", buf);
	write_all(t, "there", 5);
	close(t);
}

static int receiver(int chan)
{
	char buf[4], what;
	int own, other, fd = -1;

	pair(&own, &other);
	while ((what = take_fd(chan, &fd))) {
		if (what == 'l')
			use_listener(fd);
		else
			use_connection(fd);
		close(fd);
		write_all(own, "own", 3);	/* and what it had goes on */
		read_all(other, buf, 3);
		if (write(chan, "d", 1) != 1)
			return 1;
	}
	close(own);
	close(other);
	return 0;
}

/* ---- who passes them -------------------------------------------------------------- */

static pid_t start_receiver(const char *self, const char *fam, int *chan)
{
	char number[12];
	int sv[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv))
		exit(1);
	snprintf(number, sizeof(number), "%d", sv[1]);
	pid = fork();
	if (pid == 0) {
		close(sv[0]);
		execl(self, self, fam, number, (char *)NULL);
		_exit(127);
	}
	close(sv[1]);
	*chan = sv[0];
	return pid;
}

static void done(int chan)
{
	char c;

	if (read(chan, &c, 1) != 1)
		say("the receiver", -1);
}

static void talk(int c)
{
	char buf[6] = "";

	write_all(c, "hello", 5);
	read_all(c, buf, 5);
	printf("answered: %s\n", buf);
}

static void passed_and_closed(int chan)
{
	int c, t, one = 1;

	pair(&c, &t);
	setsockopt(t, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	send_fd(chan, 'c', t);
	close(t);
	talk(c);
	done(chan);
	show_await("closed by the receiver", c, POLLIN | POLLRDHUP);
	close(c);
}

static void listener_passed(int chan)
{
	union addr a;
	socklen_t len;
	int s = listener(4, &a, &len), c = fresh();

	send_fd(chan, 'l', s);
	close(s);
	say("connect", connect(c, &a.sa, len));
	talk(c);
	done(chan);
	close(c);
}

/* A process of its own makes the connection, passes it and ends. */
static void sender_dead(int chan, const char *self, const char *fam)
{
	union addr a;
	socklen_t len;
	char port[12], via[12];
	int s = listener(4, &a, &len), t;
	pid_t pid;

	snprintf(port, sizeof(port), "%d", ntohs(family == AF_INET ? a.in.sin_port :
						 a.in6.sin6_port));
	snprintf(via, sizeof(via), "%d", chan);
	pid = fork();
	if (pid == 0) {
		execl(self, self, fam, via, port, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	t = accept(s, NULL, NULL);
	talk(t);
	done(chan);
	show_await("closed by the receiver", t, POLLIN | POLLRDHUP);
	close(t);
	close(s);
}

static int sender(int chan, int port)
{
	union addr a;
	socklen_t len = loopback(&a);
	int c = fresh();

	if (family == AF_INET)
		a.in.sin_port = htons((uint16_t)port);
	else
		a.in6.sin6_port = htons((uint16_t)port);
	say("the sender's connect", connect(c, &a.sa, len));
	send_fd(chan, 'c', c);
	return 0;
}

int main(int argc, char **argv)
{
	int chan, status;
	pid_t pid;

	start(argc, argv);
	if (argc == 4)
		return sender(atoi(argv[2]), atoi(argv[3]));
	if (argc == 3)
		return receiver(atoi(argv[2]));
	pid = start_receiver(argv[0], argv[1], &chan);
	passed_and_closed(chan);
	listener_passed(chan);
	sender_dead(chan, argv[0], argv[1]);
	passed_and_closed(chan);
	close(chan);
	waitpid(pid, &status, 0);
	printf("the receiver's status: %d\n", status);
	return 0;
}
