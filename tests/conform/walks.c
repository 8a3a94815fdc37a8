/* walks.c - random calls in random states: the same walk, the same answers. */
#include <linux/sockios.h>
#include "conform.h"

enum { WALKS = 40, STEPS = 60, SETTLE_US = 4000 };

static char buf[4096];
static unsigned seed;
static int fd[2];
static bool deaf[2];	/* shut for reading: what an urgent byte does there is odd */

static unsigned roll(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* Until all that is on its way has come. */
static void settle(void)
{
	usleep(SETTLE_US);
}

static void show(int i)
{
	int n = -1, err = 0;

	err = ioctl(fd[i], FIONREAD, &n) ? errno : 0;
	printf("   %c: %s, unread %d %s\n", "cs"[i], bits(look(fd[i])), n, err ? ename(err) : "");
}

static void open_pair(void)
{
	int on = 1;

	pair(&fd[0], &fd[1]);
	for (int i = 0; i < 2; i++) {
		deaf[i] = false;
		nonblocking(fd[i], true);
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

static void close_one(int i)
{
	say("close", close(fd[i]));
	settle();
	show(!i);
	say("  recv", recv(fd[!i], buf, sizeof(buf), 0));
	say("  recv", recv(fd[!i], buf, sizeof(buf), 0));
	say("  send", send(fd[!i], "x", 1, MSG_NOSIGNAL));
	settle();
	show(!i);
	say("  send", send(fd[!i], "x", 1, MSG_NOSIGNAL));
	say("  recv", recv(fd[!i], buf, sizeof(buf), 0));
	say("  shutdown", shutdown(fd[!i], (int)roll(3)));
	settle();
	show(!i);
	close(fd[!i]);
	open_pair();
}

static void option(int i)
{
	static const struct { int level, name; } some[] = {
		{ SOL_SOCKET, SO_OOBINLINE }, { SOL_SOCKET, SO_RCVLOWAT },
		{ IPPROTO_TCP, TCP_QUICKACK },
	};
	unsigned o = roll(NELEM(some));
	int v = o == 1 ? (int)roll(4) : (int)roll(2);

	printf("%c option %d = %d: ", "cs"[i], some[o].name, v);
	say("set", setsockopt(fd[i], some[o].level, some[o].name, &v, sizeof(v)));
}

static void names(int i)
{
	union addr a;
	socklen_t len = sizeof(a);
	int v = 0;

	say("getpeername", getpeername(fd[i], &a.sa, &len));
	len = sizeof(v);
	say("SO_ERROR", getsockopt(fd[i], SOL_SOCKET, SO_ERROR, &v, &len));
	printf("   %s\n", v ? ename(v) : "none");
}

static void step(void)
{
	static const int flags[] = { 0, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, MSG_PEEK | MSG_TRUNC };
	int i = (int)roll(2), f;

	printf("%c ", "cs"[i]);
	switch (roll(16)) {
	case 0: case 1: case 2: case 3:
		say("send", send(fd[i], buf, 1 + roll(8), MSG_NOSIGNAL));
		break;
	case 4: case 5: case 6:
		f = flags[roll(NELEM(flags))];
		printf("flags %#x ", (unsigned)f);
		say("recv", recv(fd[i], buf, 1 + roll(16), f));
		break;
	case 7:
		f = MSG_NOSIGNAL | (deaf[!i] ? 0 : MSG_OOB);
		say("send urgent", send(fd[i], buf, 1 + roll(3), f));
		break;
	case 8:
		say("recv urgent", recv(fd[i], buf, 1, MSG_OOB));
		break;
	case 9:
		say("at mark", sockatmark(fd[i]));
		break;
	case 10:
		f = (int)roll(3);
		deaf[i] |= f != SHUT_WR;
		say("shutdown", shutdown(fd[i], f));
		break;
	case 11:
		option(i);
		break;
	case 12:
		names(i);
		break;
	case 13:
		if (roll(3))
			say("recv nothing", recv(fd[i], buf, 0, 0));
		else
			close_one(i);
		break;
	case 14:
		say("send nothing", send(fd[i], buf, 0, MSG_NOSIGNAL));
		break;
	case 15:
		if (!roll(6))
			linger0(fd[i]);
		say("read", read(fd[i], buf, 3));
		break;
	}
	settle();
	show(0);
	show(1);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	for (unsigned w = 1; w <= WALKS; w++) {
		seed = argc > 2 ? (unsigned)atoi(argv[2]) : w;
		printf("-- walk %u\n", seed);
		open_pair();
		for (int i = 0; i < STEPS; i++)
			step();
		close(fd[0]);
		close(fd[1]);
		if (argc > 2)
			break;
	}
	return 0;
}
