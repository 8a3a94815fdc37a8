/*
 * set.h - changing a domain's limits; and how rudpstat ends.
 */
#ifndef RUDPSTAT_SET_H
#define RUDPSTAT_SET_H

#include "mem/domain.h"

enum { EXIT_FAIL = 1, EXIT_USAGE = 2 };

/* Applies "KEY=VALUE", n of them, as one. 0, or an exit status; what was wrong
 * has been said, and the limits are as they were. */
int set_limits(struct domain *d, const char *const *sets, unsigned n);

#endif
