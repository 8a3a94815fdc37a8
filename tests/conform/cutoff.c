/* cutoff.c - a send that waits for room when the connection ends. */
#include "conform.h"

enum { HUGE = 64 << 20 };

/* Resets in the midst of the writer's call, which is for more than there is room
 * on the way: it waits, or will. */
static void *resets(void *arg)
{
	int fd = *(int *)arg;

	await(fd, POLLIN);
	close(fd);			/* with data unread */
	return NULL;
}

/* The count now, the error with the next call, EPIPE from then on. */
static void t30_the_error_comes_after_the_count(void)
{
	static char buf[HUGE];
	pthread_t t;
	int c, s;
	ssize_t n;

	pair(&c, &s);
	pthread_create(&t, NULL, resets, &s);
	n = send(c, buf, sizeof(buf), MSG_NOSIGNAL);
	printf("a part was taken: %d\n", n > 0 && n < HUGE);
	say("send", send(c, buf, 1, MSG_NOSIGNAL));
	say("send", send(c, buf, 1, MSG_NOSIGNAL));
	pthread_join(t, NULL);
	close(c);
}

/* A part is taken, and the time is up: the count, no error. */
static void t29_the_count_when_time_is_up(void)
{
	static char buf[HUGE];
	struct timeval tv = { 0, 300000 };
	int c, s;
	ssize_t n;

	pair(&c, &s);
	setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	n = send(c, buf, sizeof(buf), MSG_NOSIGNAL);
	printf("a part was taken: %d\n", n > 0 && n < HUGE);
	close(s);
	close(c);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	t30_the_error_comes_after_the_count();
	t29_the_count_when_time_is_up();
	return 0;
}
