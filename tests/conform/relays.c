/* relays.c - sockets under stdio, under other programs, and what the socket
 * calls say of them meanwhile. */
#include <linux/sockios.h>
#include <spawn.h>
#include <sys/time.h>
#include "conform.h"

static char buf[65536];

/* What makes one: a stream for it, which nobody uses. */
static FILE *streams_of(int fd)
{
	FILE *fp = fdopen(dup(fd), "r+");

	if (!fp)
		say("fdopen", -1);
	return fp;
}

static void both_ways(void)
{
	char line[64];
	FILE *a, *b, *in;
	int c, s;

	printf("-- both ways\n");
	pair(&c, &s);
	a = fdopen(c, "r+");
	b = fdopen(s, "r+");
	setvbuf(a, NULL, _IOLBF, 0);
	setvbuf(b, NULL, _IONBF, 0);
	fprintf(a, "a question %d\n", 1);
	printf("%s", fgets(line, sizeof(line), b));
	fprintf(b, "an answer %d\n", 2);
	printf("%s", fgets(line, sizeof(line), a));
	say("fileno", fileno(a) == c ? 0 : -1);
	say("fseek", fseek(a, 0, SEEK_SET));
	say("ungetc", ungetc('x', a));
	say("getc", getc(a));
	fputs("unterminated", a);
	say("nothing yet", poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 20));
	say("fflush", fflush(a));
	say("fread", (long)fread(line, 1, 12, b));
	say("shutdown", shutdown(fileno(a), SHUT_WR));
	say("the end", fgets(line, sizeof(line), b) == NULL && feof(b));
	in = fdopen(dup(s), "w");
	say("a second stream, fputs", fputs("more\n", in) < 0 ? -1 : 0);
	say("fclose", fclose(in));
	printf("%s", fgets(line, sizeof(line), a));
	say("fclose", fclose(a));
	say("fclose", fclose(b));
	say("its number is free", write(c, "x", 1));
}

static void socket_calls(void)
{
	struct msghdr m = { .msg_iov = &(struct iovec){ buf, 100 }, .msg_iovlen = 1 };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	FILE *fp;
	int c, s, n, v;

	printf("-- socket calls\n");
	pair(&c, &s);
	fp = streams_of(c);
	show_poll("fresh", c);
	say("getpeername", getpeername(c, (struct sockaddr *)&ss, &len));
	say("family", ss.ss_family == family ? 0 : -1);
	len = sizeof(v);
	say("SO_TYPE", getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len));
	say("SO_DOMAIN", getsockopt(c, SOL_SOCKET, SO_DOMAIN, &v, &len));
	printf("%d\n", v == family);
	v = 1;
	say("TCP_NODELAY", setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
	write_all(s, "0123456789", 10);
	await(c, POLLIN);
	show_poll("data", c);
	do
		ioctl(c, FIONREAD, &n);
	while (n < 10);
	say("FIONREAD", n);
	say("peek", recv(c, buf, 4, MSG_PEEK));
	say("recv", recv(c, buf, 4, 0));
	say("recvmsg", recvmsg(c, &m, MSG_DONTWAIT));
	printf("flags %#x name %u control %zu\n", (unsigned)m.msg_flags, (unsigned)m.msg_namelen,
	       m.msg_controllen);
	say("nothing", recv(c, buf, 4, MSG_DONTWAIT));
	say("urgent", recv(c, buf, 4, MSG_OOB));
	say("errors", recv(c, buf, 4, MSG_ERRQUEUE | MSG_DONTWAIT));
	say("send", send(c, "ab", 2, MSG_NOSIGNAL));
	say("send more", send(c, "cd", 2, MSG_MORE));
	say("sendto", sendto(c, "ef", 2, 0, NULL, 0));
	say("writev", writev(c, &(struct iovec){ buf, 2 }, 1));
	say("arrive", recv(s, buf, 8, MSG_WAITALL));
	say("connect", connect(c, (struct sockaddr *)&ss, len));
	say("listen", listen(c, 1));
	say("accept", accept(c, NULL, NULL));
	say("bind", bind(c, (struct sockaddr *)&ss, len));
	say("pread", pread(c, buf, 1, 0));
	v = 1;
	say("FIONBIO", ioctl(c, FIONBIO, &v));
	say("read", read(c, buf, 1));
	close(s);
	await(c, POLLRDHUP);
	show_poll("peer closed", c);
	say("read", read(c, buf, 1));
	fclose(fp);
	close(c);
}

static void failures(void)
{
	struct timeval tv = { 0, 100000 };
	FILE *fp;
	int c, s, v;
	socklen_t len = sizeof(v);

	printf("-- failures\n");
	pair(&c, &s);
	fp = streams_of(c);
	say("SO_RCVTIMEO", setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	say("a stream that waits", fgets((char *)buf, 10, fp) ? 0 : -1);
	clearerr(fp);
	say("read", read(c, buf, 1));
	say("shutdown", shutdown(c, SHUT_WR));
	say("write", send(c, "x", 1, MSG_NOSIGNAL));
	say("fputs", fputs("x", fp) < 0 || fflush(fp) ? -1 : 0);
	fclose(fp);
	close(c);
	close(s);

	pair(&c, &s);
	fp = streams_of(c);
	write_all(c, "x", 1);
	await(s, POLLIN);
	linger0(s);
	close(s);
	/* The error itself is not told: librudp(7). */
	printf("reset: %s\n", bits(await(c, POLLHUP) & ~POLLERR));
	getsockopt(c, SOL_SOCKET, SO_ERROR, &v, &len);
	say("read", read(c, buf, 1));
	say("write", send(c, "x", 1, MSG_NOSIGNAL));
	fclose(fp);
	close(c);

	pair(&c, &s);
	fp = streams_of(c);
	write_all(s, "unread", 6);
	await(c, POLLIN);
	fclose(fp);
	say("close with unread data", close(c));
	show_await("resets the peer", s, POLLERR);
	close(s);
}

static void much(void)
{
	char *data = malloc(3000000);
	FILE *fp;
	int c, s;
	pid_t pid;

	printf("-- much\n");
	pair(&c, &s);
	pid = fork();
	if (!pid) {
		close(s);
		fp = fdopen(c, "w");
		for (int i = 0; i < 400000; i++)
			fprintf(fp, "%07d\n", i);
		_exit(fclose(fp) ? 1 : 0);
	}
	close(c);
	fp = fdopen(s, "r");
	for (int i = 0; i < 400000; i++) {
		if (!fgets(data, 100, fp) || atoi(data) != i) {
			printf("wrong at %d\n", i);
			break;
		}
	}
	printf("end %d\n", fgets(data, 100, fp) == NULL);
	fclose(fp);
	waitpid(pid, NULL, 0);
	free(data);
}

static void as_standard(void)
{
	int c, s, saved_in = dup(0), saved_out = dup(1);
	FILE *p;

	printf("-- standard streams\n");
	fflush(stdout);
	pair(&c, &s);
	dup2(s, 1);
	printf("to the socket\n");
	fflush(stdout);
	say("system", system("echo from a shell; echo and more"));
	fflush(stdout);
	dup2(saved_out, 1);
	read_all(c, buf, 14 + 13 + 9 + 10);
	printf("%.46s", buf);

	dup2(s, 0);
	write_all(c, "a line for cat\nand one for us\n", 30);
	shutdown(c, SHUT_WR);
	close(s);
	p = popen("head -c 15", "r");
	printf("popen %d\n", p != NULL);
	printf("%s", fgets((char *)buf, 100, p));
	say("pclose", pclose(p));
	printf("%s", fgets((char *)buf, 100, stdin));
	say("end", fgets((char *)buf, 100, stdin) == NULL);
	dup2(saved_in, 0);
	clearerr(stdin);
	show_await("nobody holds it", c, POLLRDHUP);
	close(c);

	pair(&c, &s);
	saved_out = dup(1);
	dup2(s, 1);
	close(s);
	p = popen("cat", "w");
	fputs("through popen\n", p);
	say("pclose", pclose(p));
	fflush(stdout);
	dup2(saved_out, 1);
	read_all(c, buf, 14);
	printf("%.14s", buf);
	close(c);
	close(saved_in);
	close(saved_out);
}

static void reopened(void)
{
	char line[64];
	FILE *fp;
	int c, s;

	printf("-- freopen\n");
	pair(&c, &s);
	fp = fdopen(s, "r+");
	fputs("before\n", fp);
	fp = freopen("/dev/null", "r", fp);
	printf("freopen %d\n", fp != NULL);
	read_all(c, line, 7);
	printf("%.7s", line);
	show_await("the socket is closed", c, POLLRDHUP);
	fclose(fp);
	close(c);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	both_ways();
	socket_calls();
	failures();
	much();
	as_standard();
	reopened();
	return 0;
}
