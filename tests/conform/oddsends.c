/* oddsends.c - flags and control messages that few use, bad pointers, and
 * opening with data. */
#include "conform.h"
#include <limits.h>
#include <linux/errqueue.h>
#include <sys/un.h>

static char buf[4096];

static void flags(void)
{
	static const struct { const char *name; int flag; } list[] = {
		{ "MSG_CONFIRM", MSG_CONFIRM }, { "MSG_DONTROUTE", MSG_DONTROUTE },
		{ "MSG_EOR", MSG_EOR }, { "MSG_FIN", MSG_FIN }, { "MSG_SYN", MSG_SYN },
		{ "MSG_RST", MSG_RST }, { "MSG_PROXY", MSG_PROXY },
		{ "MSG_BATCH", MSG_BATCH }, { "MSG_ZEROCOPY, not asked for", MSG_ZEROCOPY },
		{ "MSG_CMSG_CLOEXEC", MSG_CMSG_CLOEXEC }, { "MSG_CTRUNC", MSG_CTRUNC },
		{ "MSG_TRUNC", MSG_TRUNC }, { "MSG_PEEK", MSG_PEEK },
		{ "MSG_ERRQUEUE", MSG_ERRQUEUE }, { "MSG_WAITALL", MSG_WAITALL },
	};
	int c, s;

	for (size_t i = 0; i < NELEM(list); i++) {
		pair(&c, &s);
		printf("%s\n", list[i].name);
		say(" send", send(c, "abc", 3, list[i].flag));
		say(" arrives", recv(s, buf, 3, MSG_WAITALL));
		if (list[i].flag == MSG_PEEK || list[i].flag == MSG_WAITALL) {
			close(c);
			close(s);
			continue;
		}
		write_all(c, "abc", 3);
		await(s, POLLIN);
		say(" recv", recv(s, buf, 3, list[i].flag));
		close(c);
		close(s);
	}
}

static void control(const char *what, int fd, int level, int type, size_t len)
{
	union {
		char buf[64];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = CMSG_SPACE(sizeof(int)) };

	CMSG_FIRSTHDR(&m)->cmsg_level = level;
	CMSG_FIRSTHDR(&m)->cmsg_type = type;
	CMSG_FIRSTHDR(&m)->cmsg_len = len;
	say(what, sendmsg(fd, &m, MSG_NOSIGNAL));
}

static void controls(void)
{
	struct iovec iov = { buf, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = (size_t)IOV_MAX + 1 };
	int c, s;

	pair(&c, &s);
	control("control message: SCM_RIGHTS", c, SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(sizeof(int)));
	control("SO_MARK, short", c, SOL_SOCKET, SO_MARK, CMSG_LEN(1));
	control("unknown", c, SOL_SOCKET, 999, CMSG_LEN(sizeof(int)));
	control("another level", c, IPPROTO_IP, 1, CMSG_LEN(sizeof(int)));
	control("too short", c, SOL_SOCKET, SCM_RIGHTS, 1);
	control("too long", c, SOL_SOCKET, SCM_RIGHTS, 4000);
	say("sendmsg, too many pieces", sendmsg(c, &m, 0));
	say("recvmsg, too many pieces", recvmsg(c, &m, 0));
	close(c);
	close(s);
}

static void pointers(void)
{
	struct iovec iov = { (void *)-4096L, 8 };
	char *volatile nothing = NULL, *volatile high = (char *)-4096L;
	union addr a;
	socklen_t len = sizeof(a);
	int c, s;

	pair(&c, &s);
	say("send from nowhere", send(c, nothing, 8, MSG_NOSIGNAL));
	say("send from the kernel's half", send(c, high, 8, MSG_NOSIGNAL));
	say("write from nowhere", write(c, nothing, 8));
	say("writev", writev(c, &iov, 1));
	write_all(s, "abcdefgh", 8);
	await(c, POLLIN);
	say("recv to nowhere", recv(c, nothing, 8, 0));
	say("recv to the kernel's half", recv(c, high, 8, 0));
	say("readv", readv(c, &iov, 1));
	say("it is still there", recv(c, buf, 8, 0));
	say("bind", bind(c, (struct sockaddr *)nothing, 16));
	say("connect", connect(c, (struct sockaddr *)nothing, 16));
	say("getsockname", getsockname(c, (struct sockaddr *)nothing, &len));
	say("getsockname, no length", getsockname(c, &a.sa, (socklen_t *)(void *)nothing));
	say("getpeername, no length", getpeername(c, &a.sa, (socklen_t *)(void *)nothing));
	say("getsockopt", getsockopt(c, SOL_SOCKET, SO_TYPE, high, &len));
	say("setsockopt", setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, high, 4));
	say("sendmsg", sendmsg(c, (struct msghdr *)(void *)nothing, MSG_NOSIGNAL));
	say("recvmsg", recvmsg(c, (struct msghdr *)(void *)nothing, 0));
	say("ioctl", ioctl(c, FIONREAD, nothing));
	say("ioctl FIONBIO", ioctl(c, FIONBIO, nothing));
	close(c);
	close(s);
}

static void fast_open(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c = fresh(), s;

	say("MSG_FASTOPEN", sendto(c, "hello", 5, MSG_FASTOPEN, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("arrives", recv(s, buf, 5, MSG_WAITALL));
	say("again", sendto(c, "x", 1, MSG_FASTOPEN, &a.sa, len));
	say("write", write(c, "x", 1));
	close(c);
	close(s);
	c = fresh();
	say("without an address", sendto(c, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, NULL, 0));
	a.sa.sa_family = AF_UNIX;
	say("wrong family", sendto(c, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &a.sa, len));
	close(c);
	close(l);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	flags();
	controls();
	pointers();
	fast_open();
	return 0;
}
