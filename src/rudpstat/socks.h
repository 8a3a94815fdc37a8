/*
 * socks.h - the socks of one arena, read through its driver's control memfd.
 */
#ifndef RUDPSTAT_SOCKS_H
#define RUDPSTAT_SOCKS_H

#include "rudpstat/snapshot.h"

/* Appends them to s->conns. What cannot be opened (the process is gone, or
 * may not be looked at) has none. */
void socks_take(struct stat_domain *s, const struct domain_arena *row);

void proc_comm(s32 pid, char comm[static STAT_COMM]);	/* "?": gone */

#endif
