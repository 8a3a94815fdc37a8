/*
 * pump.h - who receives. The event thread does, unless the program has a
 * thread that is about to wait for the network anyway: then this thread waits
 * for the ports itself and runs what comes, and the hop from thread to thread
 * is gone.
 *
 *   ports_epfd   an epoll set of all ports' UDP sockets, the event thread's
 *   wait_epfd    the same and `kick`, which ends a wait, for the program's
 *   rx_lock      held by whoever receives; guards the driver's tables of ids,
 *                the receive slots, the list of socks met in a batch. Order: a
 *                sock's lock before it, inside it socks are only tried.
 *   seat         taken by a thread while it waits so. At most one thread of
 *                the program may: the one that uses socks, while no other does
 *                (`direct`). Correctness never depends on the seat.
 *
 * The event thread goes off duty when it meets packets while the seat is
 * taken, and looks each two milliseconds whether they are being run; if twice
 * they were not it takes them, and the duty, back. It also takes it back when
 * nothing has come for a while, so that an idle program costs no wake-ups, and
 * when the thread that sat is about to wait in accept(). A program that computes
 * between its calls is behind by six milliseconds at most (less than a delayed
 * acknowledgement), once, until it waits again.
 *
 * What only the driver can do (its descriptors): new connections, answers to
 * packets of no connection, tokens. Such packets are put aside for it.
 */
#ifndef RUDP_RT_PUMP_H
#define RUDP_RT_PUMP_H

#include "rt/rt.h"

/* sock.rwait and sock.wwait: who sleeps. */
enum { WAIT_FUTEX = 1, WAIT_PUMP = 2 };

int pump_create(void);			/* before the event thread: both tables get it */
void pump_destroy(void);
int pump_driver_init(void);		/* driver: its watchers */
void pump_forked(void);			/* driver, in a caretaker that was forked */
void pump_no_more(void);		/* any thread: from now on the event thread alone */
void pump_note_thread(void);		/* a thread uses socks for the first time */
bool pump_is_me(void);			/* this thread runs packets now */

void pump_lock(void);
void pump_unlock(void);
int pump_port_add(int fd, u32 index);	/* driver, rx_lock held */
void pump_port_del(int fd);
/* rx_lock held, not the driver: somebody must do this who has the descriptors. */
void pump_put_aside(struct rxbuf *rb, u32 port, const struct rx_meta *m);
void pump_run_aside(void);		/* driver: what was put aside */

/* Takes the seat; false: wait otherwise. */
bool pump_take(void);
/* Waits for packets, runs them, leaves the seat: 0; -EINTR; -EAGAIN: it is
 * later than `until`. No lock held. */
int pump_wait(usec_t until);
/* The same in two steps, for a wait that somebody else does on wait_epfd. */
void pump_now(void);			/* runs what is there */
void pump_leave(void);
bool pump_allowed(void);
void pump_away(void);			/* it will wait, but not for packets */
void pump_asked_back(void);		/* driver: it was woken */
void pump_kick(void);			/* ends its wait */

/* A thread that received has asked for tokens, and poll() may have said so
 * already: who looks at a set without waiting waits for them first. True: it
 * did. The driver says when all that was asked for before is shown. */
void pump_tokens_due(void);
bool pump_await_tokens(void);
u32 pump_tokens_asked(void);
void pump_tokens_shown(u32 asked);

#endif
