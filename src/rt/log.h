/*
 * log.h - what happens to a process's sockets, in lines, when RUDP_LOG asks
 * for it:
 *
 *	2026-11-22T07:15:00.123456Z 4711 info conn id=... local=... peer=...
 *
 * time (UTC), process, level, event, then words NAME=VALUE. One write a line,
 * so that lines of many processes in one file do not mix. librudp(7) lists the
 * events. Off, it costs a comparison where something could be said.
 */
#ifndef RUDP_RT_LOG_H
#define RUDP_RT_LOG_H

#include "base.h"

enum log_level { RUDP_LOG_OFF, RUDP_LOG_ERROR, RUDP_LOG_WARN, RUDP_LOG_INFO, RUDP_LOG_DEBUG };

struct sock;

extern int rt_log_level;

/* "level[:file]" as RUDP_LOG has it, read once before there are threads;
 * standard error when no file is named. False: malformed. */
bool rt_log_init(const char *setting);
/* The calling thread, which has its own table by now, is the driver: */
int rt_log_fd(void);		/* its copy of standard error, or -1: not needed */
void rt_log_driver(void);	/* it writes to that */
int rt_log_copy(void);		/* what a caretaker's standard error is to be, or -1 */

/* From any thread and process. Never fails: what cannot be written is lost. */
void rt_log_write(enum log_level level, const char *event, const char *fmt, ...)
	RUDP_PRINTF(3, 4);

#define rt_log(level, event, ...) do { \
		if (unlikely((int)(level) <= rt_log_level)) \
			rt_log_write(level, event, __VA_ARGS__); \
	} while (0)

/* Lock held: says what state the sock is in, if that changed since. */
void rt_log_sock_slow(struct sock *sk);

static inline void rt_log_sock(struct sock *sk)
{
	if (unlikely(rt_log_level >= RUDP_LOG_INFO))
		rt_log_sock_slow(sk);
}

#endif
