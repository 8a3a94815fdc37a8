/* ancillary.c - what recvmsg() says beside the bytes. */
#include <linux/net_tstamp.h>
#include "conform.h"

static char buf[100];
static union {
	char bytes[256];
	struct cmsghdr align;
} ctl;

static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

/* Of stamps only whether they are of the last seconds. */
static void show_one(const struct cmsghdr *cm)
{
	struct timespec now, ts;
	struct timeval tv;
	int v;

	clock_gettime(CLOCK_REALTIME, &now);
	printf("  level %d type %d length %zu", cm->cmsg_level, cm->cmsg_type, cm->cmsg_len);
	if (cm->cmsg_level == IPPROTO_TCP) {
		memcpy(&v, CMSG_DATA(cm), sizeof(v));
		printf(": %d", v);
	} else if (cm->cmsg_type == SO_TIMESTAMP_OLD || cm->cmsg_type == SO_TIMESTAMP_NEW) {
		memcpy(&tv, CMSG_DATA(cm), sizeof(tv));
		printf(": recent %d", now.tv_sec - tv.tv_sec >= 0 && now.tv_sec - tv.tv_sec < 20);
	} else {
		memcpy(&ts, CMSG_DATA(cm), sizeof(ts));
		printf(": recent %d", now.tv_sec - ts.tv_sec >= 0 && now.tv_sec - ts.tv_sec < 20);
	}
	printf("\n");
}

static void get(const char *what, int fd, size_t n, size_t room, int flags)
{
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.bytes,
			    .msg_controllen = room };

	memset(&ctl, 0, sizeof(ctl));
	if (say(what, recvmsg(fd, &m, flags | MSG_DONTWAIT)) < 0)
		return;
	printf("  flags %#x room %zu\n", (unsigned)m.msg_flags, m.msg_controllen);
	if (m.msg_flags & MSG_CTRUNC)
		return;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm))
		show_one(cm);
}

static void put(int c, int s, const char *text)
{
	int n;

	write_all(c, text, strlen(text));
	do
		ioctl(s, FIONREAD, &n);
	while (n < (int)strlen(text));
}

static void inq(void)
{
	int c, s;

	printf("-- TCP_INQ\n");
	pair(&c, &s);
	say("set", set(s, IPPROTO_TCP, TCP_INQ, 1));
	put(c, s, "0123456789");
	get("some", s, 4, sizeof(ctl), 0);
	get("peek", s, 4, sizeof(ctl), MSG_PEEK);
	get("no room", s, 1, 0, 0);
	get("little room", s, 1, 17, 0);
	get("rest", s, 100, sizeof(ctl), 0);
	get("nothing", s, 100, sizeof(ctl), 0);
	put(c, s, "ab");
	shutdown(c, SHUT_WR);
	await(s, POLLRDHUP);
	get("before the end", s, 1, sizeof(ctl), 0);
	get("at the end", s, 1, sizeof(ctl), 0);
	get("the end", s, 1, sizeof(ctl), 0);
	close(c);
	close(s);
}

/* The kernel begins to stamp a moment after it was first asked to, by `keeper`. */
static int begin_to_stamp(void)
{
	int c, s, keeper = fresh();
	struct msghdr m = { 0 };

	set(keeper, SOL_SOCKET, SO_TIMESTAMP_OLD, 1);
	pair(&c, &s);
	set(s, SOL_SOCKET, SO_TIMESTAMP_OLD, 1);
	do {
		struct iovec v = { buf, sizeof(buf) };

		put(c, s, "x");
		m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_control = &ctl,
				     .msg_controllen = sizeof(ctl) };
		recvmsg(s, &m, 0);
	} while (!m.msg_controllen);
	close(c);
	close(s);
	return keeper;
}

static void stamps(int name, const char *what)
{
	int c, s;

	printf("-- %s\n", what);
	pair(&c, &s);
	say("set", set(s, SOL_SOCKET, name, 1));
	put(c, s, "abc");
	get("one", s, 1, sizeof(ctl), 0);
	set(s, IPPROTO_TCP, TCP_INQ, 1);
	get("with another", s, 1, sizeof(ctl), 0);
	say("off", set(s, SOL_SOCKET, name, 0));
	get("no more", s, 1, sizeof(ctl), 0);
	close(c);
	close(s);
}

int main(int argc, char **argv)
{
	static const int names[] = {
		SO_TIMESTAMP_OLD, SO_TIMESTAMPNS_OLD, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW,
	};
	int fd, keeper;

	start(argc, argv);
	keeper = begin_to_stamp();
	inq();
	stamps(SO_TIMESTAMP_OLD, "SO_TIMESTAMP");
	stamps(SO_TIMESTAMPNS_OLD, "SO_TIMESTAMPNS");
	stamps(SO_TIMESTAMP_NEW, "SO_TIMESTAMP_NEW");
	stamps(SO_TIMESTAMPNS_NEW, "SO_TIMESTAMPNS_NEW");
	fd = fresh();
	for (size_t i = 0; i < NELEM(names); i++) {
		set(fd, SOL_SOCKET, names[i], 1);
		for (size_t j = 0; j < NELEM(names); j++) {
			int v = -1;

			getsockopt(fd, SOL_SOCKET, names[j], &v, &(socklen_t){ sizeof(v) });
			printf("%d after %d: %d\n", names[j], names[i], v);
		}
	}
	close(fd);
	close(keeper);
	return 0;
}
