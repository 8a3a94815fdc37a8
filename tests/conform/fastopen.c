/* fastopen.c - MSG_FASTOPEN, with and without waiting. */
#include "conform.h"

static union addr to;
static socklen_t len;
static int l;

static ssize_t send_to(int fd, size_t n, int flags)
{
	return sendto(fd, "hello", n, flags | MSG_FASTOPEN | MSG_NOSIGNAL, &to.sa, len);
}

static void heard(bool nonblock, int flags, size_t n)
{
	int c = fresh(), s;
	char buf[8] = "";
	ssize_t ret;

	printf("nonblocking %d, flags %#x, %zu bytes\n", nonblock, (unsigned)flags, n);
	nonblocking(c, nonblock);
	ret = say("send", send_to(c, n, flags));
	show_await("poll", c, POLLOUT);
	s = accept(l, NULL, NULL);
	if (ret > 0)
		read_all(s, buf, (size_t)ret);
	printf("arrived: \"%s\"\n", buf);
	say("again", send_to(c, 5, flags));
	say("and again", send_to(c, 5, flags));
	say("send", send(c, "x", 1, 0));
	close(c);
	close(s);
}

static void refused(bool nonblock, int flags)
{
	int c = fresh(), err = 0;
	socklen_t elen = sizeof(err);

	printf("nobody: nonblocking %d, flags %#x\n", nonblock, (unsigned)flags);
	nonblocking(c, nonblock);
	port_nobody_has(&to, &len);
	say("send", send_to(c, 5, flags));
	show_await("poll", c, POLLHUP);
	getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &elen);
	printf("%s\n", ename(err));
	close(c);
}

static void nonsense(void)
{
	int c = fresh();
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	say("no address", sendmsg(c, &m, MSG_FASTOPEN));
	say("a short one", sendto(c, "x", 1, MSG_FASTOPEN, &to.sa, 3));
	say("of no family", sendto(c, "x", 1, MSG_FASTOPEN, &none, sizeof(none)));
	close(c);
}

/* A client whose server knows nothing of it, as this machine may be or not. */
static bool usual(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_fastopen", "r");
	int is = -1;

	if (f && fscanf(f, "%d", &is) != 1)
		is = -1;
	if (f)
		fclose(f);
	return is == 1;
}

int main(int argc, char **argv)
{
	start(argc, argv);
	if (!usual())
		return 0;
	l = listener(8, &to, &len);
	for (int i = 0; i < 8; i++)
		heard(i & 1, i & 2 ? MSG_DONTWAIT : 0, i & 4 ? 0 : 5);
	for (int i = 0; i < 4; i++)
		refused(i & 1, i & 2 ? MSG_DONTWAIT : 0);
	nonsense();
	close(l);
	return 0;
}
