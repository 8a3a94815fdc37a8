/* mmsg.c - sendmmsg and recvmmsg on a stream. */
#include "conform.h"

enum { N = 4 };

static char in[N][4];

static void prepare(struct mmsghdr *m, struct iovec *iov)
{
	memset(m, 0, N * sizeof(*m));
	for (int i = 0; i < N; i++) {
		iov[i] = (struct iovec){ in[i], sizeof(in[i]) };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
}

static void show(const struct mmsghdr *m, int n)
{
	for (int i = 0; i < n; i++)
		printf("  %u %.*s flags %#x\n", m[i].msg_len, (int)m[i].msg_len, in[i],
		       (unsigned)m[i].msg_hdr.msg_flags);
}

int main(int argc, char **argv)
{
	struct timespec t = { 0, 0 }, bad = { 0, -1 };
	struct iovec iov[N], out[N] = { { "a", 1 }, { "bc", 2 }, { NULL, 0 }, { "def", 3 } };
	struct mmsghdr m[N], o[N];
	int c, s, n;

	start(argc, argv);
	pair(&c, &s);
	memset(o, 0, sizeof(o));
	for (int i = 0; i < N; i++) {
		o[i].msg_hdr.msg_iov = &out[i];
		o[i].msg_hdr.msg_iovlen = 1;
	}
	say("sendmmsg", sendmmsg(c, o, N, 0));
	for (int i = 0; i < N; i++)
		printf("  %u\n", o[i].msg_len);
	say("sendmmsg of none", sendmmsg(c, o, 0, 0));

	do
		n = (int)recv(s, in, sizeof(in), MSG_PEEK);
	while (n < 6);
	prepare(m, iov);
	n = (int)say("recvmmsg, dontwait", recvmmsg(s, m, N, MSG_DONTWAIT, NULL));
	show(m, n);
	say("recvmmsg, nothing there", recvmmsg(s, m, N, MSG_DONTWAIT, NULL));
	say("recvmmsg of none", recvmmsg(s, m, 0, MSG_DONTWAIT, NULL));
	say("recvmmsg, bad timeout", recvmmsg(s, m, N, 0, &bad));

	write_all(c, "12345", 5);
	do
		n = (int)recv(s, in, sizeof(in), MSG_PEEK);
	while (n < 5);
	prepare(m, iov);
	n = (int)say("recvmmsg, wait for one", recvmmsg(s, m, N, MSG_WAITFORONE, NULL));
	show(m, n);
	write_all(c, "xy", 2);
	prepare(m, iov);
	n = (int)say("recvmmsg, no time", recvmmsg(s, m, N, 0, &t));
	show(m, n);
	shutdown(c, SHUT_WR);
	prepare(m, iov);
	n = (int)say("recvmmsg at the end", recvmmsg(s, m, N, 0, NULL));
	show(m, n);
	shutdown(s, SHUT_WR);
	say("sendmmsg after shutdown", sendmmsg(s, o, N, MSG_NOSIGNAL));
	close(c);
	close(s);
	return 0;
}
