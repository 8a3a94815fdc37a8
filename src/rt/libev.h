/*
 * libev.h - libev, opened beside the program's libraries. Were it one that we
 * are linked with, the loader would look into it before theirs: it has libevent's
 * old names, too (event_add() ...), and what brings libevent by way of another
 * library, or in a module, would be given these.
 */
#ifndef RUDP_RT_LIBEV_H
#define RUDP_RT_LIBEV_H

#include <ev.h>
#include <stdbool.h>

#define LIBEV_CALLS(X)							\
	X(loop_new) X(loop_fork) X(run) X(now_update)			\
	X(io_start) X(io_stop)						\
	X(timer_start) X(timer_stop) X(timer_again)			\
	X(prepare_start) X(check_start)					\
	X(set_allocator) X(set_syserr_cb)

struct libev {
#define LIBEV_CALL(name) __typeof__(&ev_##name) name;
	LIBEV_CALLS(LIBEV_CALL)
#undef LIBEV_CALL
};

extern struct libev libev;

/* Once, before a program can have left its root or ended its right to open
 * files. False: it is not there, and standard error says so. */
bool libev_open(void);

#define ev_loop_new		libev.loop_new
#define ev_loop_fork		libev.loop_fork
#define ev_run			libev.run
#define ev_now_update		libev.now_update
#define ev_io_start		libev.io_start
#define ev_io_stop		libev.io_stop
#define ev_timer_start		libev.timer_start
#define ev_timer_stop		libev.timer_stop
#define ev_timer_again		libev.timer_again
#define ev_prepare_start	libev.prepare_start
#define ev_check_start		libev.check_start

#endif
