/*
 * watch.h - rudpstat -w: a live view in the terminal.
 */
#ifndef RUDPSTAT_WATCH_H
#define RUDPSTAT_WATCH_H

#include "rudpstat/filter.h"

/* Until the user ends it. -ENOTTY: no terminal (it has been said). */
int watch(const char *domain, const struct filter *f, double interval);
/* Is it a terminal that is known and can move its cursor, which "dumb" cannot?
 * If not, it has been said. */
bool watch_can_draw(const char *term);

#endif
