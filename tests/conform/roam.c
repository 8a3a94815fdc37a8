/* roam.c - random calls on a few sockets: the same seed, the same answers.
 *
 *   roam FAMILY SEED             writes what each call said, and then the state of
 *                                every socket
 *   roam FAMILY SEED FILE        compares with what was written so, line by line;
 *                                says the first difference, with what led to it
 *
 * Natively what is sent to a socket of the same machine has arrived when the call
 * returns. Where it has not, the second run waits for the state that it should see;
 * a result is never waited for. What takes time on the kernel, too (corks, Nagle),
 * and what differs in size (full queues) is one step of several calls, after which
 * all has arrived. Left out is what librudp(7) says differs. */
#include "roam.h"

enum { STEPS = 60 };

int fds[SLOTS];
bool deaf[SLOTS];
bool urgent;
int set = -1;
uint64_t dice;
char next_byte = 'a';

static void step(void)
{
	unsigned all = 0, k = 0, at;
	int i = (int)roll(SLOTS);

	for (size_t c = 0; c < ncalls; c++)
		all += calls[c].weight;
	at = roll(all);
	while (at >= calls[k].weight)
		at -= calls[k++].weight;
	for (int n = 0; n < SLOTS && fds[i] < 0; n++)
		i = (i + 1) % SLOTS;
	if (calls[k].needs_one && fds[i] < 0)
		return;
	calls[k].call(i);
	tell_states();
}

/* Most walks begin with two that are connected. */
static void begin(void)
{
	int on = 1;

	for (int i = 0; i < SLOTS; i++)
		put(i, -1, false);
	set = epoll_create1(0);
	urgent = !roll(4);
	if (!roll(4))
		return;
	pair(&fds[0], &fds[1]);
	for (int i = 0; i < 2; i++) {
		nonblocking(fds[i], true);
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

int main(int argc, char **argv)
{
	start(argc, argv);
	dice = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	if (argc > 3 && !(expected = fopen(argv[3], "r"))) {
		perror(argv[3]);
		return 1;
	}
	begin();
	tell_states();
	for (int i = 0; i < STEPS; i++)
		step();
	return 0;
}
