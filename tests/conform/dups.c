/* dups.c - one socket under several numbers, in one process or two. */
#include "conform.h"
#include <dirent.h>
#include <sys/syscall.h>

static char buf[64];

static void duplicates(void)
{
	int c, s, d, e;

	pair(&c, &s);
	d = dup(c);
	e = fcntl(c, F_DUPFD_CLOEXEC, 50);
	printf("dup: %d, F_DUPFD: %d, cloexec %d\n", d >= 0, e >= 50, fcntl(e, F_GETFD));
	say("close the first", close(c));
	say("write to a duplicate", write(d, "abc", 3));
	say("arrives", recv(s, buf, 3, MSG_WAITALL));
	nonblocking(d, true);
	printf("flags are shared: %d\n", (fcntl(e, F_GETFL) & O_NONBLOCK) != 0);
	say("read", read(e, buf, 1));
	nonblocking(e, false);
	say("close another", close(d));
	show_poll("peer sees nothing", s);
	say("close the last", close(e));
	show_await("peer sees the end", s, POLLRDHUP);
	close(s);
}

static void over_one(void)
{
	int c, s, c2, s2, null = open("/dev/null", O_RDWR), got;

	pair(&c, &s);
	pair(&c2, &s2);
	got = dup2(c2, c);
	printf("dup2 over a socket: %d\n", got == c);
	show_await("which is closed by that", s, POLLRDHUP);
	say("write to its successor", write(c, "abc", 3));
	say("arrives", recv(s2, buf, 3, MSG_WAITALL));
	got = dup2(null, c);
	printf("dup2 of a file over a socket: %d\n", got == c);
	say("write to the file", write(c, "abc", 3));
	say("read of the file", read(c, buf, 3));
	printf("dup2 onto itself: %d\n", dup2(c2, c2) == c2);
	say("dup3 onto itself", dup3(c2, c2, 0));
	say("dup2 of a closed one", dup2(999, c2));
	say("still there", write(c2, "x", 1));
	close(c2);
	show_await("closed", s2, POLLIN | POLLRDHUP);
	close(s);
	close(s2);
	close(c);
	close(null);
}

/* A number that was a socket is a file now, however the socket was closed. */
static void recycled(void)
{
	int c, s, f;

	pair(&c, &s);
	syscall(SYS_close, c);
	do
		f = open("/dev/zero", O_RDWR);
	while (f < c);
	printf("same number: %d\n", f == c);
	buf[0] = 'x';
	say("read", read(f, buf, 4));
	printf("zero: %d\n", buf[0] == 0);
	show_await("the socket is closed", s, POLLRDHUP);
	close(f);
	close(s);
}

static void ranges(void)
{
	int c, s, hi, hi2;

	pair(&c, &s);
	hi = fcntl(c, F_DUPFD, 100);
	hi2 = fcntl(s, F_DUPFD, 101);
	close(c);
	close(s);
	say("close_range", close_range((unsigned)hi, (unsigned)hi, 0));
	show_await("closed", hi2, POLLRDHUP);
	closefrom(100);
	say("closed, too", fcntl(hi2, F_GETFD));
	pair(&c, &s);
	say("sockets can be made after it", write(c, "x", 1));
	say("and used", read(s, buf, 1));
	say("close_range of everything", close_range(3, ~0U, 0));
	say("closed", fcntl(c, F_GETFD));
	pair(&c, &s);
	say("sockets can be made after it", write(c, "x", 1));
	say("and used", read(s, buf, 1));
	close(c);
	close(s);
}

static void fresh_ones(void)
{
	union addr a;
	socklen_t len;
	int l = listener(2, &a, &len), f = fresh(), d = dup(f), s;

	close(f);
	say("connect a duplicate of a closed fresh one", connect(d, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("write", write(d, "x", 1));
	say("read", read(s, buf, 1));
	f = dup2(l, 70);
	close(l);
	int c = fresh();
	say("connect to a moved listener", connect(c, &a.sa, len));
	printf("accept: %d\n", accept(f, NULL, NULL) >= 0);
	close(f);
	close(d);
	close(s);
	close(c);
}

static void children(void)
{
	int c, s, status;
	pid_t pid;

	pair(&c, &s);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(s);
		write_all(c, "from child", 10);
		read_all(c, buf, 5);
		_exit(memcmp(buf, "reply", 5) != 0);
	}
	close(c);
	say("parent reads", recv(s, buf, 10, MSG_WAITALL));
	write_all(s, "reply", 5);
	waitpid(pid, &status, 0);
	printf("child: %d\n", status);
	show_await("the child's end took the socket along", s, POLLRDHUP);
	close(s);

	pair(&c, &s);
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, &status, 0);
	show_poll("not while the parent has it", s);
	say("write", write(c, "x", 1));
	say("read", read(s, buf, 1));
	close(c);
	close(s);
}

static void child_accepts(void)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), c, status;
	pid_t pid = fork();

	if (pid == 0) {
		int s = accept(l, NULL, NULL);

		write_all(s, "hello", 5);
		_exit(0);
	}
	close(l);
	c = fresh();
	say("connect", connect(c, &a.sa, len));
	say("read", recv(c, buf, 5, MSG_WAITALL));
	waitpid(pid, &status, 0);
	say("end", read(c, buf, 5));
	close(c);
}

static int open_now(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void by_close(int fd)
{
	close(fd);
}

static void by_fclose(int fd)
{
	fclose(fdopen(fd, "w"));
}

static void by_fclose_of_one(int fd)
{
	int other = dup(fd);

	close(fd);
	fclose(fdopen(other, "r+"));
}

static void by_dup2(int fd)
{
	int null = open("/dev/null", O_RDONLY);

	dup2(null, fd);
	close(null);
	close(fd);
}

static void by_range(int fd)
{
	close_range((unsigned)fd, (unsigned)fd, 0);
}

/* However a socket is closed, nothing of it stays. */
static void nothing_stays(void)
{
	static const struct { const char *name; void (*end)(int fd); } ways[] = {
		{ "close", by_close }, { "fclose", by_fclose },
		{ "fclose of one", by_fclose_of_one }, { "dup2", by_dup2 },
		{ "close_range", by_range },
	};
	enum { ROUNDS = 40 };

	for (size_t i = 0; i < NELEM(ways); i++) {
		int before = 0, c, s;

		for (int round = 0; round <= ROUNDS; round++) {
			pair(&c, &s);
			ways[i].end(c);
			await(s, POLLRDHUP);
			ways[i].end(s);
			if (!round)
				before = open_now();
		}
		printf("%s: %s\n", ways[i].name,
		       open_now() - before < ROUNDS / 2 ? "nothing stays" : "some stay open");
	}
}

int main(int argc, char **argv)
{
	start(argc, argv);
	duplicates();
	over_one();
	recycled();
	ranges();
	fresh_ones();
	children();
	child_accepts();
	nothing_stays();
	return 0;
}
