/*
 * evhooks.c - libev is the program's, too, when it uses it: one copy in the
 * process, with hooks that hold for all loops. What a program hooks in is called
 * for its own loops, and never in the event thread: it may take a lock there
 * that is held by who waits for that thread, or end it (Python ends threads that
 * ask for its lock when it is about to exit).
 */
#include <stdio.h>
#include <stdlib.h>
#include "preload/wrap.h"
#include "rt/rt.h"

static void *(*_Atomic programs_alloc)(void *ptr, long size);
static void (*_Atomic programs_syserr)(const char *msg);

/* As libev's own. What the event thread has of it was never another's. */
static void *ours_or_programs(void *ptr, long size)
{
	if (!rt_bypass)
		return atomic_load(&programs_alloc)(ptr, size);
	if (size)
		return realloc(ptr, (size_t)size);
	free(ptr);
	return NULL;
}

static void tell_program(const char *msg)
{
	if (rt_bypass) {
		perror(msg);
		abort();
	}
	atomic_load(&programs_syserr)(msg);
}

void ev_set_allocator(void *(*cb)(void *ptr, long size))
{
	atomic_store(&programs_alloc, cb);
	libev.set_allocator(cb ? ours_or_programs : NULL);
}

void ev_set_syserr_cb(void (*cb)(const char *msg))
{
	atomic_store(&programs_syserr, cb);
	libev.set_syserr_cb(cb ? tell_program : NULL);
}
