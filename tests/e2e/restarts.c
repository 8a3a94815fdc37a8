/*
 * restarts.c - a server ends and the next one, which waits for that, binds the
 * same number at once.
 *
 *	restarts PORT TIMES HOW LIFE_MS [reuse] [called]
 *				runs servers one after the other; each ends by exit,
 *				_exit, TERM or KILL when it has lived for LIFE_MS.
 *				called: a connection to it is there. Says how often
 *				the number was taken and how often a call failed.
 *	restarts serve PORT HOW [reuse] [called]
 *				waits for a line, binds and listens, says what came
 *				of it, accepts, waits for another line, ends
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "helpers.h"

struct server {
	pid_t pid;
	int in, out;		/* its standard input, its output */
};

static char *self;

static bool has(char **words, const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

/* ---- a server ------------------------------------------------------------------ */

static void wait_line(void)
{
	char c;

	if (read(0, &c, 1) != 1)
		exit(1);
}

static int serve(const char *port, const char *how, char **words)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = has(words, "reuse");
	struct sockaddr_in sin = address(port);
	char ret = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("socket");
	if (write(1, "r", 1) != 1)
		return 1;
	wait_line();
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 5))
		ret = (char)errno;
	if (write(1, &ret, 1) != 1)
		return 1;
	if (!ret && has(words, "called") && accept(fd, NULL, NULL) < 0)
		die("accept");
	wait_line();
	if (!strcmp(how, "_exit"))
		_exit(0);
	else if (!strcmp(how, "TERM") || !strcmp(how, "KILL"))
		pause();
	exit(0);
}

/* ---- who starts them --------------------------------------------------------------- */

static char said(const struct server *s)
{
	char c;

	if (read(s->out, &c, 1) != 1)
		die("a server says nothing");
	return c;
}

static struct server start(char **argv)
{
	int in[2], out[2];
	struct server s;

	if (pipe(in) || pipe(out))
		die("pipe");
	s = (struct server){ fork(), in[1], out[0] };
	if (s.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execv(self, argv);
		_exit(1);
	}
	close(in[0]);
	close(out[1]);
	said(&s);
	return s;
}

static void end(struct server *s, const char *how)
{
	if (write(s->in, "\n", 1) != 1)
		die("write");
	if (!strcmp(how, "TERM"))
		kill(s->pid, SIGTERM);
	else if (!strcmp(how, "KILL"))
		kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->in);
	close(s->out);
}

static int call(const char *port)
{
	struct sockaddr_in sin = address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("connect");
		return -1;
	}
	return fd;
}

static int restart(char *port, int times, char *how, int life_ms, char **words)
{
	char *argv[8] = { self, "serve", port, how, words[0], words[0] ? words[1] : NULL, NULL };
	struct server s = start(argv), next;
	int taken = 0, unheard = 0, fd = -1;
	char ret;

	for (int i = 0; i < times; i++) {
		if (write(s.in, "\n", 1) != 1)
			die("write");
		ret = said(&s);
		taken += ret != 0;
		if (ret && ret != EADDRINUSE)
			fprintf(stderr, "%s\n", strerror(ret));
		if (!ret && has(words, "called")) {
			fd = call(port);
			unheard += fd < 0;
		}
		next = start(argv);
		usleep((useconds_t)life_ms * 1000);
		end(&s, how);
		if (fd >= 0)
			close(fd);
		fd = -1;
		s = next;
	}
	end(&s, "KILL");
	printf("%d of %d: taken, %d calls failed\n", taken, times, unheard);
	return taken || unheard;
}

int main(int argc, char **argv)
{
	self = argv[0];
	signal(SIGPIPE, SIG_IGN);
	if (argc > 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3], argv + 4);
	if (argc > 4)
		return restart(argv[1], atoi(argv[2]), argv[3], atoi(argv[4]), argv + 5);
	return 2;
}
