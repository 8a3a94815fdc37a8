/*
 * rudp-run.h - rudp-run --check: would it work here, and for this program?
 */
#ifndef RUDP_RUN_H
#define RUDP_RUN_H

#include "base.h"

enum { EXIT_UNFIT = 1, EXIT_USAGE = 2, EXIT_CONFIG = 78, EXIT_NOEXEC = 126,
       EXIT_NOTFOUND = 127 };

/* Says on standard output what was found; program may be NULL. 0, or
 * EXIT_UNFIT: it would not be carried. The environment has the settings. */
int check_machine(const char *lib, const char *program);
/* What check_machine() runs under the library: a connection to itself. */
int check_self(void);
/* Would this program be preloaded with it? */
void check_program(const char *lib, const char *program);

extern unsigned check_unfit;		/* reasons why not */
void check_say(const char *verdict, const char *fmt, ...) RUDP_PRINTF(2, 3);

#define good(...)	check_say("ok", __VA_ARGS__)
#define note(...)	check_say("note", __VA_ARGS__)
#define wrong(...)	(check_unfit++, check_say("no", __VA_ARGS__))

#endif
