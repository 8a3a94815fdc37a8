/* forks.c - sockets that are made before a fork and used after it: whoever
 * closes one takes it from nobody else. */
#include "conform.h"

/* Runs in a child; what it prints comes before anything that follows. */
static void in_child(void (*fn)(int), int fd)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn(fd);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		printf("a child ended with status %x\n", (unsigned)status);
}

static int bound(union addr *a, socklen_t *len)
{
	int fd = fresh();

	*len = loopback(a);
	bind(fd, &a->sa, *len);
	getsockname(fd, &a->sa, len);
	return fd;
}

/* One byte from a new client to the listener. */
static void use(int l, const union addr *a, socklen_t len)
{
	int c = fresh(), t;
	char byte = 0;

	say("connect", connect(c, &a->sa, len));
	t = accept(l, NULL, NULL);
	write_all(c, "x", 1);
	read_all(t, &byte, 1);
	printf("read '%c'\n", byte);
	close(c);
	close(t);
}

static void closes(int fd) { say("the child closes it", close(fd)); }
static void leaves(int fd) { (void)fd; }

static void executes(int fd)
{
	(void)fd;
	execl("/bin/true", "true", (char *)NULL);
}

/* Its last connection may be about to end. */
static int again(const union addr *a, socklen_t len)
{
	int fd = fresh(), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	say("bind again", bind(fd, &a->sa, len));
	return fd;
}

/* A child that does not want it, and a parent that goes on. */
static void parent_listens(const char *how, void (*fn)(int))
{
	union addr a;
	socklen_t len;
	int l = bound(&a, &len);

	printf("bound, then a child %s\n", how);
	in_child(fn, l);
	in_child(fn, l);
	say("listen", listen(l, 4));
	use(l, &a, len);
	close(l);
	l = again(&a, len);
	close(l);
}

static void connects(int fd)
{
	union addr a;
	socklen_t len;
	int l = listener(4, &a, &len), t;
	char byte = 0;

	say("the child connects it", connect(fd, &a.sa, len));
	t = accept(l, NULL, NULL);
	write_all(t, "y", 1);
	read_all(fd, &byte, 1);
	printf("and reads '%c'\n", byte);
}

static void child_uses(void)
{
	int fd = fresh();

	printf("unbound, for the child\n");
	in_child(connects, fd);
	close(fd);
}

static void echoes(int l, int told)
{
	char byte = 0;
	int t;

	say("the child listens", listen(l, 4));
	fflush(stdout);
	write_all(told, &byte, 1);
	t = accept(l, NULL, NULL);
	while (read(t, &byte, 1) == 1)
		write_all(t, &byte, 1);
	_exit(0);
}

/* The parent has the listener too; it waits for much, and for both. */
static void child_listens(void)
{
	union addr a;
	socklen_t len;
	int l = bound(&a, &len), c, answers = 0, told[2];
	struct pollfd p = { .events = POLLIN };
	char byte = 'x';

	printf("bound, and a child listens\n");
	fflush(stdout);
	if (pipe(told))
		exit(1);
	if (!fork())
		echoes(l, told[1]);
	read_all(told[0], &byte, 1);
	p.fd = c = fresh();
	say("connect", connect(c, &a.sa, len));
	for (int i = 0; i < 1000; i++) {
		write_all(c, &byte, 1);
		answers += poll(&p, 1, 5000) == 1 && read(c, &byte, 1) == 1;
		if (answers <= i)
			break;
	}
	printf("%d answers\n", answers);
	close(c);
	close(l);
	close(told[0]);
	close(told[1]);
	wait(NULL);
}

/* The parent is through with it before the child begins. */
static void parent_closes_first(void)
{
	union addr a;
	socklen_t len;
	int go[2], l = bound(&a, &len), status;
	pid_t pid;
	char byte;

	printf("bound, and closed by the parent\n");
	fflush(stdout);
	if (pipe(go))
		exit(1);
	pid = fork();
	if (!pid) {
		close(go[1]);
		while (read(go[0], &byte, 1) > 0)
			;
		say("the child listens", listen(l, 4));
		use(l, &a, len);
		close(l);
		fflush(stdout);
		_exit(0);
	}
	close(go[0]);
	close(l);
	close(fresh());		/* which would be at the same place */
	l = fresh();
	say("its name is still taken", bind(l, &a.sa, len));
	close(l);
	close(go[1]);
	waitpid(pid, &status, 0);
	printf("the child's status: %x\n", (unsigned)status);
	l = again(&a, len);
	close(l);
}

/* Each in a process of its own, so that one end has made no socket before. */
static void apart(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	printf("status %x\n", (unsigned)status);
}

static void child_closes(void) { parent_listens("closes it", closes); }
static void child_leaves(void) { parent_listens("ends", leaves); }
static void child_executes(void) { parent_listens("executes a program", executes); }

/* As execvp() does all along PATH, one right after the other. */
static void fails_to_execute(void)
{
	static char *argv[] = { "none", NULL };
	union addr a;
	socklen_t len;
	int l = bound(&a, &len), failed = 0;

	listen(l, 4);
	use(l, &a, len);
	for (int i = 0; i < 300; i++)
		failed += execv("/nowhere/none", argv) < 0 && errno == ENOENT;
	printf("%d failed\n", failed);
	use(l, &a, len);
	close(l);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	apart(child_closes);
	apart(child_leaves);
	apart(child_executes);
	apart(fails_to_execute);
	apart(child_uses);
	apart(child_listens);
	apart(parent_closes_first);
	return 0;
}
