/* dataflags.c - MSG_ flags, zero lengths, vectors, and that bytes arrive. */
#include "conform.h"

static char buf[1 << 16];

static void peek_and_trunc(int c, int s)
{
	write_all(c, "abcdefgh", 8);
	await(s, POLLIN);
	say("peek 3", recv(s, buf, 3, MSG_PEEK));
	say("peek 5", recv(s, buf, 5, MSG_PEEK));
	printf("%.5s\n", buf);
	say("recv 2", recv(s, buf, 2, 0));
	printf("%.2s\n", buf);
	say("trunc 2, no buffer", recv(s, NULL, 2, MSG_TRUNC));
	say("peek and trunc", recv(s, buf, 2, MSG_PEEK | MSG_TRUNC));
	say("recv the rest", recv(s, buf, sizeof(buf), 0));
	printf("%.4s\n", buf);
	say("peek, nothing there", recv(s, buf, 3, MSG_PEEK | MSG_DONTWAIT));
}

static void dontwait(int c, int s)
{
	say("recv dontwait", recv(s, buf, 1, MSG_DONTWAIT));
	say("recv of nothing, dontwait", recv(s, buf, 0, MSG_DONTWAIT));
	say("read of nothing", read(s, buf, 0));
	say("waitall dontwait", recv(s, buf, 4, MSG_WAITALL | MSG_DONTWAIT));
	write_all(c, "xy", 2);
	await(s, POLLIN);
	say("recv of nothing with data", recv(s, buf, 0, 0));
	say("waitall dontwait, half there", recv(s, buf, 4, MSG_WAITALL | MSG_DONTWAIT));
	say("send of nothing", send(c, buf, 0, 0));
	say("write of nothing", write(c, buf, 0));
	say("errqueue", recv(s, buf, 1, MSG_ERRQUEUE | MSG_DONTWAIT));
	say("oob, none", recv(s, buf, 1, MSG_OOB));
}

static void *late_writer(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 10; i++)
		write_all(fd, "0123456789", 10);
	return NULL;
}

static void waitall(int c, int s)
{
	pthread_t t;

	pthread_create(&t, NULL, late_writer, &c);
	say("waitall", recv(s, buf, 100, MSG_WAITALL));
	pthread_join(t, NULL);
	printf("%.20s\n", buf + 80);
	say("send more", send(c, "abc", 3, MSG_MORE));
	say("send rest", send(c, "def", 3, 0));
	say("waitall", recv(s, buf, 6, MSG_WAITALL));
	printf("%.6s\n", buf);
	write_all(c, "tail", 4);
	shutdown(c, SHUT_WR);
	say("waitall, cut by the end", recv(s, buf, 100, MSG_WAITALL));
	say("waitall at the end", recv(s, buf, 100, MSG_WAITALL));
}

static void vectors(void)
{
	struct iovec out[3] = { { "ab", 2 }, { NULL, 0 }, { "cdef", 4 } };
	char x[3], y[8];
	struct iovec in[2] = { { x, sizeof(x) }, { y, sizeof(y) } };
	static struct iovec many[2000];
	volatile int less = -1;
	struct msghdr m = { .msg_iov = in, .msg_iovlen = 2 };
	char control[64];
	union addr from;
	int c, s;

	pair(&c, &s);
	say("writev", writev(c, out, 3));
	await(s, POLLIN);
	say("readv", readv(s, in, 2));
	printf("%.3s %.3s\n", x, y);
	say("writev of nothing", writev(c, out, 0));
	say("writev of too many", writev(c, many, 2000));
	say("writev of less than none", writev(c, out, less));
	say("readv of nothing", readv(s, in, 0));
	say("pread", pread(s, buf, 1, 0));
	say("pwrite", pwrite(s, buf, 1, 0));
	say("preadv", preadv(s, in, 2, 0));
	say("lseek", lseek(s, 0, SEEK_CUR));
	say("pwritev2 at -1", pwritev2(c, out, 3, -1, 0));
	await(s, POLLIN);
	say("preadv2 at -1", preadv2(s, in, 2, -1, 0));
	say("preadv2, nowait", preadv2(s, in, 2, -1, RWF_NOWAIT));
	write_all(c, "123456789", 9);
	await(s, POLLIN);
	m.msg_name = &from;
	m.msg_namelen = sizeof(from);
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	m.msg_flags = -1;
	say("recvmsg", recvmsg(s, &m, 0));
	printf("name %d control %zu flags %#x\n", (int)m.msg_namelen, m.msg_controllen,
	       (unsigned)m.msg_flags);
	write_all(c, "1", 1);
	await(s, POLLIN);
	socklen_t fromlen = sizeof(from);
	say("recvfrom", recvfrom(s, buf, 1, 0, &from.sa, &fromlen));
	printf("from %d\n", (int)fromlen);
	loopback(&from);
	say("sendto, address ignored", sendto(c, "z", 1, 0, &from.sa, sizeof(from.in)));
	close(c);
	close(s);
}

/* A few megabytes both ways at once, odd sizes, checked byte by byte. */
enum { BULK = 3000017 };

static void *bulk_writer(void *arg)
{
	int fd = *(int *)arg;
	char piece[7777];
	unsigned n = 0;

	while (n < BULK) {
		unsigned len = n % 7777 + 1;

		if (len > BULK - n)
			len = BULK - n;
		for (unsigned i = 0; i < len; i++)
			piece[i] = (char)((n + i) * 7 >> 3);
		write_all(fd, piece, len);
		n += len;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void *bulk_reader(void *arg)
{
	int fd = *(int *)arg;
	char piece[5000];
	unsigned n = 0, wrong = 0;
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < got; i++, n++)
			wrong += piece[i] != (char)(n * 7 >> 3);
	printf("bulk: %u bytes, %u wrong\n", n, wrong);
	return NULL;
}

static void bulk(void)
{
	pthread_t t[4];
	int fd[2];

	pair(&fd[0], &fd[1]);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, i < 2 ? bulk_writer : bulk_reader, &fd[i % 2]);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	close(fd[0]);
	close(fd[1]);
}

int main(int argc, char **argv)
{
	int c, s;

	start(argc, argv);
	pair(&c, &s);
	peek_and_trunc(c, s);
	dontwait(c, s);
	waitall(c, s);
	vectors();
	bulk();
	return 0;
}
