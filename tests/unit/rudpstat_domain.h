/*
 * rudpstat_domain.h - a domain that the test makes, with one arena and three
 * socks: a listener, a connection with data in both queues, one that closes.
 * The tool is run on it, and what it writes looked at.
 */
#ifndef TESTS_RUDPSTAT_DOMAIN_H
#define TESTS_RUDPSTAT_DOMAIN_H

#include <check.h>
#include <jansson.h>
#include "mem/arena.h"
#include "mem/domain.h"
#include "rt/sock.h"

enum { OUTPUT_MAX = 1 << 20 };

extern char name[48], history[64];	/* of the domain; the file of -s */
extern struct domain *dom;
extern struct arena *ar;
extern char output[OUTPUT_MAX];		/* of the last run, errors included */

int run(const char *args);		/* its exit status */
int run_here(const char *args);		/* with --domain */
json_t *run_json(void);			/* what -j says; to be given back */
void has(const char *text);		/* the output does, or the test fails */
void has_not(const char *text);
/* Each test has the domain afresh. An exit status. */
int run_tests(const char *what, void (*add)(TCase *tc));

#endif
