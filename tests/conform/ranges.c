/* ranges.c - close_range() with its flags, closefrom(), and the calls on descriptors
 * and messages by their numbers. */
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include "conform.h"

static char buf[64];

static void talks(const char *what, int c, int s)
{
	ssize_t n = write(c, "x", 1);

	printf("%s: %s", what, n < 0 ? ename(errno) : "written");
	if (n > 0)
		printf(", %zd", recv(s, buf, 1, MSG_WAITALL));
	printf("\n");
}

/* The number, where a fork and an exec still have it. */
static void executed(const char *what, int fd)
{
	char number[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		execlp("sh", "sh", "-c", "test -e /proc/self/fd/$1", "sh", number, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	printf("%s: %d\n", what, WEXITSTATUS(status));
}

static void cloexec(void)
{
	int c, s, hi, hi2;

	printf("-- CLOSE_RANGE_CLOEXEC\n");
	pair(&c, &s);
	hi = fcntl(c, F_DUPFD, 60);
	hi2 = fcntl(s, F_DUPFD, 61);
	executed("open in what is executed", hi);
	say("close_range", close_range((unsigned)hi, (unsigned)hi2, CLOSE_RANGE_CLOEXEC));
	printf("flags: %d %d\n", fcntl(hi, F_GETFD), fcntl(hi2, F_GETFD));
	talks("they work", hi, hi2);
	executed("open in what is executed", hi);
	say("unknown flag", close_range(60, 61, 16));
	say("backwards", close_range(61, 60, 0));
	say("backwards, to the end", close_range(~0U, 60, CLOSE_RANGE_CLOEXEC));
	talks("they work", hi2, hi);
	say("close_range", close_range(60, 61, CLOSE_RANGE_UNSHARE));
	say("closed", fcntl(hi, F_GETFD));
	talks("the others work", c, s);
	say("both flags", close_range((unsigned)c, (unsigned)c,
				      CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
	printf("flags: %d %d\n", fcntl(c, F_GETFD), fcntl(s, F_GETFD));
	talks("they work", c, s);
	say("all that there are", close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
	talks("closed", c, s);
	pair(&c, &s);
	talks("and new ones", c, s);
	close(c);
	close(s);
}

static void some_of_many(void)
{
	enum { MANY = 10 };
	int c[MANY], s[MANY], open_ones = 0;

	printf("-- some of many\n");
	for (int i = 0; i < MANY; i++) {
		int x, y;

		pair(&x, &y);
		c[i] = dup2(x, 100 + 2 * i);
		s[i] = dup2(y, 200 + i);
		close(x);
		close(y);
	}
	say("close_range", close_range(104, 109, 0));
	for (int i = 0; i < MANY; i++) {
		bool gone = fcntl(c[i], F_GETFD) < 0;

		open_ones += !gone;
		printf("%d%s: %s\n", i, gone ? ", closed" : "",
		       bits(await(s[i], gone ? POLLRDHUP : POLLOUT)));
	}
	printf("%d are open\n", open_ones);
	closefrom(110);
	for (int i = 0; i < MANY; i++)
		open_ones -= fcntl(c[i], F_GETFD) < 0 || fcntl(s[i], F_GETFD) < 0;
	printf("%d after closefrom\n", open_ones > 0);
	show_await("whose ends are closed", 100, POLLRDHUP);
	close_range(3, ~0U, 0);
}

static void descriptors(void)
{
	int c, s, d, e, f;

	printf("-- by number\n");
	pair(&c, &s);
	d = (int)syscall(SYS_dup, c);
	printf("SYS_dup: %d\n", d >= 0);
	talks("it works", d, s);
	e = (int)syscall(SYS_fcntl, c, F_DUPFD_CLOEXEC, 70);
	printf("SYS_fcntl: %d, %d\n", e >= 70, fcntl(e, F_GETFD));
	talks("it works", e, s);
	f = (int)syscall(SYS_dup3, c, 80, O_CLOEXEC);
	printf("SYS_dup3: %d\n", f);
	talks("it works", f, s);
#ifdef SYS_dup2
	f = (int)syscall(SYS_dup2, c, 80);
#else
	f = (int)syscall(SYS_dup3, c, 80, 0);
#endif
	printf("SYS_dup2: %d\n", f);
	say("SYS_close", syscall(SYS_close, c));
	talks("the others work", f, s);
	say("SYS_close_range", syscall(SYS_close_range, 70, 80, 0));
	talks("one is left", d, s);
	say("SYS_close", syscall(SYS_close, d));
	show_await("the end", s, POLLRDHUP);
	close(s);
}

static void messages(void)
{
	struct iovec in = { buf, 4 }, out = { "ab", 2 };
	struct mmsghdr mi = { .msg_hdr = { .msg_iov = &in, .msg_iovlen = 1 } };
	struct mmsghdr mo = { .msg_hdr = { .msg_iov = &out, .msg_iovlen = 1 } };
	int c, s, l, f = memfd_create("file", MFD_CLOEXEC), p[2];
	union addr a;
	socklen_t len;

	l = listener(4, &a, &len);
	c = fresh();
	connect(c, &a.sa, len);
#ifdef SYS_accept
	s = (int)syscall(SYS_accept, l, NULL, NULL);
#else
	s = (int)syscall(SYS_accept4, l, NULL, NULL, 0);
#endif
	printf("SYS_accept: %d\n", s >= 0);
	say("SYS_sendmmsg", syscall(SYS_sendmmsg, c, &mo, 1, 0));
	await(s, POLLIN);
	say("SYS_recvmmsg", syscall(SYS_recvmmsg, s, &mi, 1, 0, NULL));
	printf("%u %.2s\n", mi.msg_len, buf);
	if (pipe(p) || write(f, "file", 4) != 4)
		return;
	lseek(f, 0, SEEK_SET);
	say("SYS_sendfile", syscall(SYS_sendfile, c, f, NULL, 4));
	say("arrives", recv(s, buf, 4, MSG_WAITALL));
	write_all(p[1], "pipe", 4);
	say("SYS_splice", syscall(SYS_splice, p[0], NULL, c, NULL, 4, 0));
	say("arrives", recv(s, buf, 4, MSG_WAITALL));
	printf("%.4s\n", buf);
	close(c);
	close(s);
	close(l);
	close(f);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	cloexec();
	some_of_many();
	descriptors();
	messages();
	return 0;
}
