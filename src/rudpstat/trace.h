/*
 * trace.h - rudpstat --trace: one connection over time, as qlog.
 */
#ifndef RUDPSTAT_TRACE_H
#define RUDPSTAT_TRACE_H

#include "rudpstat/filter.h"

/* Looks at the connection fifty times a second and writes one JSON object
 * on standard output, with an event for each change, until the connection is
 * gone or the user interrupts. 0; -ENOENT: there is no such connection;
 * -EIO. */
int trace(const char *domain, u64 id);

#endif
