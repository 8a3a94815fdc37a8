/*
 * given.c - sockets that were only bound, or not even that, in a program that did
 * nothing else with them, and are another program's now: over an exec, a fork and
 * an exec, posix_spawn(), in a message. Each scene is a program of its own, so
 * that nothing has listened or connected before.
 */
#include <spawn.h>
#include "conform.h"

extern char **environ;
static char *self, fam[4];

static void run(const char *role, int fd, int tell)
{
	char a[12], b[12];

	snprintf(a, sizeof(a), "%d", fd);
	snprintf(b, sizeof(b), "%d", tell);
	execl(self, self, fam, role, a, b, (char *)NULL);
	say("exec", -1);
	_exit(1);
}

static int bound(union addr *a, socklen_t *len)
{
	int s = fresh();

	*len = loopback(a);
	if (bind(s, &a->sa, *len) || getsockname(s, &a->sa, len))
		say("bind", -1);
	return s;
}

static void tell(int fd)
{
	if (write(fd, "x", 1) != 1)
		say("tell", -1);
}

static void told(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		say("told", -1);
}

static void in_child(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	if (status)
		printf("child: %x\n", (unsigned)status);
}

/* ---- what the other program does ------------------------------------------------------ */

static void greets(int s)
{
	int t = accept(s, NULL, NULL);

	if (t < 0)
		say("accept", -1);
	write_all(t, "hello", 5);
	close(t);
}

/* Talks to itself. */
static void listens(int s, int unused)
{
	union addr a;
	socklen_t len = sizeof(a);
	char got[5];
	int c, t;

	(void)unused;
	say("listen", listen(s, 4));
	getsockname(s, &a.sa, &len);
	printf("has a name: %d %d\n", a.sa.sa_family == family, a.in.sin_port != 0);
	c = fresh();
	say("connect", connect(c, &a.sa, len));
	t = accept(s, NULL, NULL);
	write_all(t, "hello", 5);
	read_all(c, got, 5);
	printf("%.5s\n", got);
}

static void serves(int s, int fd)
{
	say("listen", listen(s, 4));
	tell(fd);
	greets(s);
}

static void connects(int c, int unused)
{
	union addr a;
	socklen_t len;
	int s = listener(4, &a, &len), t;

	(void)unused;
	say("connect", connect(c, &a.sa, len));
	t = accept(s, NULL, NULL);
	close(t);
	show_await("connected", c, POLLIN | POLLRDHUP);
}

static void receives(int chan, int unused)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			    .msg_controllen = sizeof(ctl) };
	int s = -1;

	if (recvmsg(chan, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&s, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(s));
	listens(s, unused);
}

static void closes(int s, int unused)
{
	(void)unused;
	say("close", close(s));
}

static void holds(int s, int fd)
{
	(void)s;
	tell(fd);
	pause();
}

static const struct { const char *name; void (*with)(int, int); } roles[] = {
	{ "listens", listens }, { "serves", serves }, { "connects", connects },
	{ "receives", receives }, { "closes", closes }, { "holds", holds },
};

/* ---- scenes ---------------------------------------------------------------------------- */

static void over_exec(void)
{
	union addr a;
	socklen_t len;

	run("listens", bound(&a, &len), 0);
}

static void unbound_over_exec(void)
{
	union addr a;
	socklen_t len;
	int s = bound(&a, &len), c = fresh();

	(void)s;		/* a program that gives nothing more has no driver */
	run("connects", c, 0);
}

static void call(const union addr *a, socklen_t len)
{
	char got[5];
	int c = fresh();

	say("connect", connect(c, &a->sa, len));
	read_all(c, got, 5);
	printf("%.5s\n", got);
	close(c);
}

static void by_a_child(void)
{
	union addr a;
	socklen_t len;
	int p[2], s = bound(&a, &len);
	pid_t pid;

	if (pipe(p))
		say("pipe", -1);
	pid = fork();
	if (!pid)
		run("serves", s, p[1]);
	told(p[0]);
	close(s);
	call(&a, len);
	in_child(pid);
}

/* As many programs have it, python among them. */
static void by_vfork(void)
{
	union addr a;
	socklen_t len;
	char to[12], tells[12];
	int p[2], s = bound(&a, &len);
	pid_t pid;

	if (pipe(p))
		say("pipe", -1);
	snprintf(to, sizeof(to), "%d", s);
	snprintf(tells, sizeof(tells), "%d", p[1]);
	pid = vfork();
	if (!pid) {
		execl(self, self, fam, "serves", to, tells, (char *)NULL);
		_exit(1);
	}
	close(s);
	told(p[0]);
	call(&a, len);
	in_child(pid);
}

static void spawned(void)
{
	union addr a;
	socklen_t len;
	char to[] = "9", tells[12], role[] = "serves";
	char *argv[] = { self, fam, role, to, tells, NULL };
	posix_spawn_file_actions_t fa;
	int p[2], s = bound(&a, &len), ret;
	pid_t pid;

	fcntl(s, F_SETFD, FD_CLOEXEC);
	if (pipe(p))
		say("pipe", -1);
	snprintf(tells, sizeof(tells), "%d", p[1]);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, s, 9);
	ret = posix_spawn(&pid, self, &fa, NULL, argv, environ);
	close(s);
	told(p[0]);
	printf("posix_spawn: %d\n", ret);
	call(&a, len);
	in_child(pid);
}

static void send_one(int chan, int fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { ctl, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
			    .msg_controllen = sizeof(ctl) };

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	say("sendmsg", sendmsg(chan, &m, 0));
}

/* Who made it is gone by then, and was not the first of its family. */
static void in_a_message(void)
{
	union addr a;
	socklen_t len;
	int sv[2], other = bound(&a, &len);
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		say("socketpair", -1);
	pid = fork();
	if (!pid) {
		send_one(sv[0], bound(&a, &len));
		_exit(0);
	}
	in_child(pid);
	close(other);
	run("receives", sv[1], 0);
}

/* Nobody has it any more: the number is free. */
static void closed_again(void)
{
	union addr a;
	socklen_t len;
	int s = bound(&a, &len);
	pid_t pid = fork();

	if (!pid)
		run("closes", s, 0);
	in_child(pid);
	close(s);
	s = fresh();
	say("bind", bind(s, &a.sa, len));
	say("listen", listen(s, 1));
}

static void holder_killed(void)
{
	union addr a;
	socklen_t len;
	int p[2], n[2], s;
	pid_t pid;

	if (pipe(p) || pipe(n))
		say("pipe", -1);
	pid = fork();
	if (!pid) {
		s = bound(&a, &len);
		write_all(n[1], &a, sizeof(a));
		run("holds", s, p[1]);
	}
	read_all(n[0], &a, sizeof(a));
	told(p[0]);
	s = fresh();
	len = loopback(&(union addr){ .sa = { 0 } });
	say("bind while it is held", bind(s, &a.sa, len));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	say("bind", bind(s, &a.sa, len));
}

static const struct { const char *name; void (*run)(void); } scenes[] = {
	{ "over exec", over_exec },
	{ "unbound, over exec", unbound_over_exec },
	{ "by a child", by_a_child },
	{ "by vfork", by_vfork },
	{ "spawned", spawned },
	{ "in a message", in_a_message },
	{ "closed again", closed_again },
	{ "its holder is killed", holder_killed },
};

int main(int argc, char **argv)
{
	char i[12];

	start(argc, argv);
	self = argv[0];
	snprintf(fam, sizeof(fam), "%.3s", argc > 1 ? argv[1] : "4");
	if (argc == 3) {
		scenes[atoi(argv[2])].run();
		return 0;
	}
	for (size_t r = 0; argc > 4 && r < NELEM(roles); r++)
		if (!strcmp(roles[r].name, argv[2]))
			roles[r].with(atoi(argv[3]), atoi(argv[4]));
	for (size_t s = 0; argc < 3 && s < NELEM(scenes); s++) {
		pid_t pid = fork();

		snprintf(i, sizeof(i), "%zu", s);
		if (!pid) {
			printf("%s:\n", scenes[s].name);
			execl(self, self, fam, i, (char *)NULL);
			_exit(1);
		}
		in_child(pid);
	}
	return 0;
}
