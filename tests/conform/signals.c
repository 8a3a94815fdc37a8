/* signals.c - handlers that use, or jump out of, what they interrupt. */
#include "conform.h"
#include <setjmp.h>
#include <sys/time.h>

enum { BYTES = 2000000 };

static int out_fd;
static volatile sig_atomic_t ticks, failed;
static volatile long from_handler;
static sigjmp_buf jump;

static void ticking(bool on)
{
	struct itimerval it = { { 0, on ? 300 : 0 }, { 0, on ? 300 : 0 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* Every call on a descriptor that the standard allows in a handler. */
static void use_socket(int sig)
{
	struct pollfd p = { out_fd, POLLOUT, 0 };
	int err = errno, val;
	socklen_t len = sizeof(val);
	ssize_t n;

	(void)sig;
	ticks++;
	poll(&p, 1, 0);
	if (getsockopt(out_fd, SOL_SOCKET, SO_TYPE, &val, &len))
		failed++;
	n = send(out_fd, "h", 1, MSG_DONTWAIT);
	if (n > 0)
		from_handler += n;
	errno = err;
}

static void *read_all_of_it(void *arg)
{
	static char buf[30000];
	long *total = calloc(1, sizeof(*total));
	ssize_t n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		*total += n;
	return total;
}

/* The main thread writes, its handler writes to the same socket. */
static void same_socket(void)
{
	struct sigaction sa = { .sa_handler = use_socket, .sa_flags = SA_RESTART };
	sigset_t alrm;
	pthread_t t;
	void *got;
	long sent = 0;
	int c, s;

	pair(&c, &s);
	out_fd = c;
	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alrm, NULL);
	pthread_create(&t, NULL, read_all_of_it, &s);
	pthread_sigmask(SIG_UNBLOCK, &alrm, NULL);
	sigaction(SIGALRM, &sa, NULL);
	ticking(true);
	while (sent < BYTES || ticks < 50) {
		ssize_t n = write(c, "0123456789abcdef", 16);

		if (n > 0)
			sent += n;
	}
	ticking(false);
	signal(SIGALRM, SIG_IGN);
	shutdown(c, SHUT_WR);
	pthread_join(t, &got);
	printf("same socket: all there %d, failed %d\n", *(long *)got == sent + from_handler,
	       (int)failed);
	free(got);
	close(c);
	close(s);
}

static void jump_out(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

/* Jumps out of sends and receives at any moment; both ends still work. */
static void jump_away(void)
{
	volatile int round = 0;
	struct itimerval it = { { 0, 0 }, { 0, 0 } };
	char x[64];
	int c, s;

	pair(&c, &s);
	signal(SIGALRM, jump_out);
	while (round < 300) {
		if (sigsetjmp(jump, 1) == 0) {
			it.it_value.tv_usec = 100 + round * 7 % 500;
			setitimer(ITIMER_REAL, &it, NULL);
			for (;;) {
				if (write(c, x, sizeof(x)) > 0)
					read(s, x, sizeof(x));
			}
		}
		round++;
	}
	signal(SIGALRM, SIG_IGN);
	nonblocking(s, true);
	while (await(s, 0) & POLLIN)
		if (read(s, x, sizeof(x)) < 0)
			break;
	nonblocking(s, false);
	write_all(c, "over", 4);
	while (read(s, x, 1) == 1 && x[0] != 'o')
		;
	say("after the jumps", recv(s, x, 3, MSG_WAITALL));
	say("close", close(c));
	show_await("end", s, POLLRDHUP);
	close(s);
}

/* What was asked for is what is told. */
static void told(void)
{
	struct sigaction sa = { .sa_handler = use_socket, .sa_flags = SA_RESTART | SA_NODEFER };
	struct sigaction old;

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR1, NULL, &old);
	printf("handler %d flags %#x mask %d\n", old.sa_handler == use_socket,
	       (unsigned)old.sa_flags & (unsigned)(SA_RESTART | SA_NODEFER | SA_SIGINFO),
	       sigismember(&old.sa_mask, SIGUSR2));
	printf("signal returns it: %d\n", signal(SIGUSR1, SIG_DFL) == use_socket);
	printf("then the default: %d\n", signal(SIGUSR1, jump_out) == SIG_DFL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	siginterrupt(SIGUSR1, 1);
#pragma GCC diagnostic pop
	sigaction(SIGUSR1, NULL, &old);
	printf("siginterrupt: %d\n", (old.sa_flags & SA_RESTART) == 0);
	say("of no signal", sigaction(77, &sa, NULL));
	say("of SIGKILL", sigaction(SIGKILL, &sa, NULL));
}

int main(int argc, char **argv)
{
	start(argc, argv);
	alarm(0);
	same_socket();
	jump_away();
	told();
	return 0;
}
