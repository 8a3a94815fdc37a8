/* watch_term.c - apart, since <term.h> takes words like lines and columns. */
#include <curses.h>
#include <stdio.h>
#include <term.h>
#include <unistd.h>
#include "rudpstat/watch.h"

bool watch_can_draw(const char *term)
{
	int err;

	if (!term || !*term || setupterm(term, STDOUT_FILENO, &err) == ERR) {
		fprintf(stderr, "rudpstat: --watch: TERM=%s: the terminal is unknown\n",
			term ? term : "");
		return false;
	}
	if (!tigetstr("cup")) {
		fprintf(stderr, "rudpstat: --watch: TERM=%s: the terminal cannot move its cursor\n",
			term);
		return false;
	}
	return true;
}
