/*
 * out.h - the printers of rudpstat, and what they are asked for.
 */
#ifndef RUDPSTAT_OUT_H
#define RUDPSTAT_OUT_H

#include <jansson.h>
#include "rudpstat/snapshot.h"

enum show {
	SHOW_SOCKETS = 1, SHOW_MEMORY = 2, SHOW_INFO = 4, SHOW_COUNTERS = 8,
	SHOW_NO_HEADER = 16,
	SHOW_SINCE = 32,	/* counters: `since` is known */
	SHOW_ZEROS = 64,
	SHOW_ANY_SOCKETS = SHOW_SOCKETS | SHOW_MEMORY | SHOW_INFO,
	SHOW_VIEWS = SHOW_ANY_SOCKETS | SHOW_COUNTERS,	/* none: the summary */
};

/* Colours are escape sequences, or "" when there are none. */
struct colours {
	const char *head, *good, *warn, *bad, *off;
};
extern struct colours col;
void colours_on(void);

/* For people: 1.5 MiB; 12.3Mbps. Both return buf. */
const char *human_pages(u64 pages, char buf[static 32]);
const char *human_rate(double bits, char buf[static 32]);

void summary_print(const struct stat_domain *s, bool header);	/* summary.c */
void text_print(const struct stat_domain *s, unsigned show);	/* text.c */

/* The whole as one object, NULL: no memory. */
json_t *json_build(const struct stat_domain *s, size_t n, unsigned show);
int json_print(const struct stat_domain *s, size_t n, unsigned show);	/* -ENOMEM, -EIO */
int prom_print(const struct stat_domain *s, size_t n, unsigned show);	/* the same */

#endif
