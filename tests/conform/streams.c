/* streams.c - stdio over sockets, dprintf, sockets as somebody's 0, 1, 2. */
#include "conform.h"
#include <spawn.h>

extern char **environ;

static void file_streams(void)
{
	char line[64];
	int c, s;
	FILE *in, *out;

	pair(&c, &s);
	out = fdopen(c, "w");
	in = fdopen(s, "r");
	printf("fdopen: %d %d\n", out != NULL, in != NULL);
	fprintf(out, "hello %d\nworld\n", 42);
	fflush(out);
	printf("%s", fgets(line, sizeof(line), in));
	printf("%s", fgets(line, sizeof(line), in));
	say("dprintf beneath it", dprintf(c, "raw %s\n", "text"));
	printf("%s", fgets(line, sizeof(line), in));
	fputs("last", out);
	say("fclose", fclose(out));
	printf("%s", fgets(line, sizeof(line), in));
	printf(", end: %d\n", fgets(line, sizeof(line), in) == NULL && feof(in));
	fclose(in);
}

static void formatted(void)
{
	char buf[32];
	int c, s;

	pair(&c, &s);
	say("dprintf", dprintf(c, "%s-%04d", "abc", 7));
	say("arrives", recv(s, buf, 8, MSG_WAITALL));
	printf("%.8s\n", buf);
	close(c);
	close(s);
}

static void child_streams(void)
{
	char buf[32];
	int c, s, status;
	pid_t pid;

	pair(&c, &s);
	pid = fork();
	if (pid == 0) {
		dup2(s, 0);
		dup2(s, 1);
		close(s);
		close(c);
		execlp("tr", "tr", "a-z", "A-Z", (char *)NULL);
		_exit(127);
	}
	close(s);
	write_all(c, "some text", 9);
	shutdown(c, SHUT_WR);
	say("tr answers", recv(c, buf, 9, MSG_WAITALL));
	printf("%.9s\n", buf);
	say("end", read(c, buf, 1));
	waitpid(pid, &status, 0);
	printf("status %d\n", status);
	close(c);
}

static void spawned(void)
{
	posix_spawn_file_actions_t fa;
	char buf[32];
	char *argv[] = { "echo", "spawned", NULL };
	int c, s, status;
	pid_t pid;

	pair(&c, &s);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, s, 1);
	posix_spawn_file_actions_addclose(&fa, s);
	posix_spawn_file_actions_addclose(&fa, c);
	errno = posix_spawnp(&pid, "echo", &fa, NULL, argv, environ);
	say("posix_spawnp", errno ? -1 : 0);
	close(s);
	say("echo writes", recv(c, buf, 8, MSG_WAITALL));
	printf("%.8s", buf);
	waitpid(pid, &status, 0);
	say("end", read(c, buf, 1));
	posix_spawn_file_actions_destroy(&fa);
	close(c);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	file_streams();
	formatted();
	child_streams();
	spawned();
	return 0;
}
