/* polling.c - one thread, poll() and select(): what is told when nobody but the
 * waiting thread receives, and who else looks meanwhile. */
#include "conform.h"
#include <sys/select.h>
#include <sys/time.h>

enum { MANY = 70 };

static int c, s, tube[2];

static void begin(const char *what)
{
	printf("%s\n", what);
	pair(&c, &s);
	if (pipe(tube))
		exit(99);
}

static void end(void)
{
	close(c);
	close(s);
	close(tube[0]);
	close(tube[1]);
}

static void see(const char *when, int ms)
{
	struct pollfd p[3] = { { .fd = c, .events = POLLIN | POLLRDHUP },
			       { .fd = -1, .events = POLLIN },
			       { .fd = tube[0], .events = POLLIN } };
	int n = poll(p, 3, ms);

	printf("  %s: %d [%s] [%s]\n", when, n, bits(p[0].revents), bits(p[2].revents));
}

static void see_select(const char *when, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	fd_set rd, wr, ex;
	int n;

	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	FD_SET(c, &rd);
	FD_SET(tube[0], &rd);
	FD_SET(tube[0], &ex);
	n = select((c > tube[0] ? c : tube[0]) + 1, &rd, &wr, &ex, ms < 0 ? NULL : &tv);
	printf("  %s: %d%s%s", when, n, FD_ISSET(c, &rd) ? " socket" : "",
	       FD_ISSET(tube[0], &rd) ? " pipe" : "");
	printf("%s\n", ms > 0 && !n && (tv.tv_sec || tv.tv_usec) ? ", time left" : "");
}

static void take(int fd, int n)
{
	char buf[64];

	printf("  read %d: %d\n", n, (int)read(fd, buf, (size_t)n));
}

static void levels(void (*look_at)(const char *, int))
{
	look_at("nothing", 0);
	look_at("nothing, waiting", 20);
	write_all(s, "abcdef", 6);
	look_at("data", 5000);
	look_at("still", 0);
	take(c, 2);
	look_at("some is left", 0);
	if (write(tube[1], "x", 1) != 1)
		exit(99);
	look_at("both", 5000);
	take(c, 10);
	look_at("the pipe", 5000);
	take(tube[0], 1);
	look_at("read, waiting", 20);
	write_all(s, "gh", 2);
	look_at("again", -1);
	take(c, 10);
	shutdown(s, SHUT_WR);
	look_at("end", 5000);
}

static void room(void)
{
	struct pollfd p[2] = { { .fd = c, .events = POLLOUT }, { .fd = tube[0], .events = POLLIN } };
	size_t n = 0;
	char buf[4096];
	ssize_t got;

	begin("room");
	fill(c);
	printf("  full: %d", poll(p, 2, 0));
	printf(" [%s]\n", bits(p[0].revents));
	nonblocking(s, true);
	do {
		got = read(s, buf, sizeof(buf));
		n += got > 0 ? (size_t)got : 0;
	} while (poll(p, 2, got > 0 ? 0 : 100) == 0);
	printf("  room after some were read: %d [%s]\n", n > 0, bits(p[0].revents));
	end();
}

static void many(void)
{
	struct pollfd p[MANY];

	begin("many");
	for (int i = 0; i < MANY; i++)
		p[i] = (struct pollfd){ .fd = i ? tube[0] : c, .events = POLLIN };
	write_all(s, "abc", 3);
	printf("  data: %d", poll(p, MANY, 5000));
	printf(" [%s]\n", bits(p[0].revents));
	end();
}

static void nonsense(void)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int none;
	fd_set rd;

	begin("nonsense");
	none = dup(c);
	close(none);
	p[0].fd = c;
	p[1].fd = none;
	printf("  no such descriptor: %d", poll(p, 2, 5000));
	printf(" [%s] %d\n", bits(p[0].revents), p[1].revents == POLLNVAL);
	FD_ZERO(&rd);
	FD_SET(c, &rd);
	FD_SET(none, &rd);
	say("select", select(none + 1, &rd, NULL, NULL, &(struct timeval){ 0, 50000 }));
	FD_SET(c, &rd);
	FD_SET(900, &rd);
	say("beyond", select(901, &rd, NULL, NULL, &(struct timeval){ 0, 50000 }));
	say("negative", select(c + 1, &rd, NULL, NULL, &(struct timeval){ -1, 0 }));
	say("ppoll", ppoll(p, 1, &(struct timespec){ 0, 2000000000 }, NULL));
	end();
}

static volatile sig_atomic_t rang;

static void ring(int sig)
{
	(void)sig;
	rang++;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = ring, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value = { 0, 30000 } };
	struct pollfd p = { .fd = 0, .events = POLLIN };
	fd_set rd;

	begin("interrupted");
	sigaction(SIGALRM, &sa, NULL);
	p.fd = c;
	setitimer(ITIMER_REAL, &soon, NULL);
	say("poll", poll(&p, 1, -1));
	FD_ZERO(&rd);
	FD_SET(c, &rd);
	setitimer(ITIMER_REAL, &soon, NULL);
	say("select", select(c + 1, &rd, NULL, NULL, NULL));
	printf("  %d alarms\n", (int)rang);
	end();
}

/* A set that is made when all is known already. */
static void then_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN }, got;
	int set = epoll_create1(0), edges = epoll_create1(0);

	begin("then epoll");
	write_all(s, "abc", 3);
	see("data", 5000);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &ev);
	printf("  a set: %d\n", epoll_wait(set, &got, 1, 5000));
	ev.events |= EPOLLET;
	epoll_ctl(edges, EPOLL_CTL_ADD, c, &ev);
	printf("  edges: %d\n", epoll_wait(edges, &got, 1, 5000));
	printf("  edges again: %d\n", epoll_wait(edges, &got, 1, 0));
	see("poll", 0);
	take(c, 3);
	printf("  a set: %d\n", epoll_wait(set, &got, 1, 0));
	close(set);
	close(edges);
	end();
}

static void child_looks(void)
{
	begin("a child looks");
	write_all(s, "abc", 3);
	see("data", 5000);
	fflush(stdout);
	if (!fork()) {
		see("the child", 5000);
		see_select("the child", 5000);
		take(c, 3);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	see("the child has read", 50);
	write_all(s, "d", 1);
	see("data", 5000);
	take(c, 1);
	end();
}

/* One byte there, and what a poll() of the others' end said of it. */
static void to_and_fro(int from, int to, int rounds)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	int seen = 0;
	char byte = 'x';

	for (int i = 0; i < rounds; i++) {
		write_all(from, &byte, 1);
		seen += poll(&p, 1, -1) == 1 && p.revents == POLLIN;
		read_all(to, &byte, 1);
	}
	printf("  seen %d times\n", seen);
}

static void answer_all(void)
{
	struct pollfd p = { .fd = c, .events = POLLIN };
	char byte;

	while (poll(&p, 1, -1) == 1 && read(c, &byte, 1) == 1)
		write_all(c, &byte, 1);
	_exit(0);
}

/* The parent receives for both, while it waits for the answer. */
static void child_serves(void)
{
	begin("a child serves");
	fflush(stdout);
	if (!fork()) {
		close(s);
		answer_all();
	}
	to_and_fro(s, s, 2000);
	shutdown(s, SHUT_WR);
	wait(NULL);
}

static long pass(int over, int fd, bool many)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct iovec iov = { (void *)"x", 1 };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1,
					  .msg_control = ctl.buf,
					  .msg_controllen = sizeof(ctl.buf) } };

	CMSG_FIRSTHDR(&m.msg_hdr)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m.msg_hdr)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m.msg_hdr)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m.msg_hdr)), &fd, sizeof(fd));
	return many ? sendmmsg(over, &m, 1, 0) : sendmsg(over, &m.msg_hdr, 0);
}

static int passed(int over)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	char x;
	struct iovec iov = { &x, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	int fd = -1;

	if (recvmsg(over, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* To a process that was there before the connection. */
static void other_process(const char *what, bool many)
{
	int sv[2];
	long ret;

	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		exit(99);
	if (!fork()) {
		close(sv[0]);
		if (pipe(tube))
			_exit(99);
		c = passed(sv[1]);
		see("the other", -1);	/* who waits longer would look once more */
		take(c, 3);
		see("the other, waiting", 20);
		fflush(stdout);
		_exit(0);
	}
	close(sv[1]);
	begin(what);
	to_and_fro(s, c, 50);		/* from now on it is this thread that receives */
	write_all(s, "abc", 3);
	see("data", 5000);
	fflush(stdout);
	ret = pass(sv[0], c, many);
	wait(NULL);
	say("passed", ret);
	see("the other has read", 50);
	close(sv[0]);
}

static void *thread_looks(void *arg)
{
	(void)arg;
	see("a thread", 5000);
	take(c, 3);
	see("a thread has read", 0);
	write_all(s, "d", 1);
	see("a thread", 5000);
	return NULL;
}

static void second_thread(void)
{
	pthread_t t;

	begin("a second thread");
	write_all(s, "abc", 3);
	see("data", 5000);
	pthread_create(&t, NULL, thread_looks, NULL);
	pthread_join(t, NULL);
	see("the first", 5000);
	take(c, 1);
	see("read", 0);
	end();
}

int main(int argc, char **argv)
{
	start(argc, argv);
	/* These close nothing: a port that only the event thread can read ends that
	 * this one receives. */
	other_process("passed on", false);
	other_process("passed on among many", true);
	child_serves();
	begin("poll");
	levels(see);
	end();
	begin("select");
	levels(see_select);
	end();
	room();
	many();
	nonsense();
	interrupted();
	then_epoll();
	child_looks();
	second_thread();
	return 0;
}
