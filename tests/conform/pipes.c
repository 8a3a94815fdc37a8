/* pipes.c - EPIPE and when SIGPIPE comes with it. */
#include "conform.h"
#include <sys/sendfile.h>

static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void told(const char *what, long ret)
{
	say(what, ret);
	printf("  SIGPIPE: %d\n", (int)sigpipes);
	sigpipes = 0;
}

int main(int argc, char **argv)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };
	int c, s, f = open("/proc/self/exe", O_RDONLY);

	start(argc, argv);
	signal(SIGPIPE, on_sigpipe);
	pair(&c, &s);
	shutdown(c, SHUT_WR);
	told("write", write(c, "x", 1));
	told("write of nothing", write(c, "x", 0));
	told("writev", writev(c, &iov, 1));
	told("send", send(c, "x", 1, 0));
	told("send, nosignal", send(c, "x", 1, MSG_NOSIGNAL));
	told("sendto", sendto(c, "x", 1, 0, NULL, 0));
	told("sendmsg", sendmsg(c, &m, 0));
	told("sendmsg, nosignal", sendmsg(c, &m, MSG_NOSIGNAL));
	told("sendmmsg", sendmmsg(c, &mm, 1, 0));
	told("sendfile", sendfile(c, f, NULL, 10));
	told("dprintf", dprintf(c, "hello"));
	told("fresh: write", write(fresh(), "x", 1));
	told("fresh: read", read(fresh(), &c, 1));
	linger0(s);
	close(s);
	await(c, POLLERR);
	told("reset after our shutdown: write", write(c, "x", 1));
	close(c);

	pair(&c, &s);
	linger0(s);
	close(s);
	await(c, POLLERR);
	told("reset: write", write(c, "x", 1));
	told("again", write(c, "x", 1));
	close(c);
	return 0;
}
