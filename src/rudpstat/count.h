/*
 * count.h - counters since the last look, as nstat(8) has them. The last look
 * is kept in a file of the user's: $RUDPSTAT_HISTORY, else rudpstat.history in
 * $XDG_RUNTIME_DIR, else /tmp/.rudpstat.uUID.
 */
#ifndef RUDPSTAT_COUNT_H
#define RUDPSTAT_COUNT_H

#include "rudpstat/snapshot.h"

/* Fills in `since` of each domain's snapshot and, with `update`, makes this the
 * last look. Without a history everything is new. -errno: it could not be read
 * or written; `since` is then what could be found. */
int count_since(struct stat_domain *s, size_t n, bool update);

#endif
