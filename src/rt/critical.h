/*
 * critical.h - where a program's thread is inside the library: it may hold a
 * lock, which a signal handler that interrupts it would wait for in vain, and
 * which a siglongjmp() out of the handler would leave taken. So handlers that
 * come meanwhile are put off to the end of the section, or to the wait in it.
 */
#ifndef RUDP_RT_CRITICAL_H
#define RUDP_RT_CRITICAL_H

#include <pthread.h>
#include "base.h"

enum {				/* what has run since the section began */
	HANDLER_RESTARTS = 1,
	HANDLER_INTERRUPTS = 2,	/* without SA_RESTART */
};

struct critical {
	u32 depth;
	u8 deferred;		/* a signal was put off */
	u8 handlers;		/* of those that ran late */
	u32 in_handler;		/* handlers of the program that run now */
};

extern TLS_IE struct critical critical;
/* Delivers what was put off; whoever defers signals sets it. */
extern void (*critical_deliver)(void);

static inline void critical_enter(void)
{
	if (!critical.depth++)
		critical.handlers = 0;
}

static inline void critical_leave(void)
{
	if (critical.depth && !--critical.depth && unlikely(critical.deferred))
		critical_deliver();
}

/* Around a system call that waits, with no lock held: signals come through,
 * and pthread_cancel() ends it, as it ends the call of libc. */
struct waiting {
	int cancel;
	u32 depth;
};

static inline struct waiting wait_begin(void)
{
	struct waiting w = { .depth = critical.depth };

	critical.depth = 0;
	if (unlikely(critical.deferred))
		critical_deliver();
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &w.cancel);
	return w;
}

static inline void wait_end(struct waiting w)
{
	pthread_setcanceltype(w.cancel, NULL);
	critical.depth = w.depth;
}

/* A handler ran before the wait that would have interrupted it. A wait with a
 * time limit is not restarted. */
static inline bool wait_was_interrupted(bool limited)
{
	return critical.handlers & HANDLER_INTERRUPTS || (limited && critical.handlers);
}

#endif
