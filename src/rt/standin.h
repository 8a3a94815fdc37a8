/*
 * standin.h - a driver that is stopped (SIGSTOP, Ctrl-Z, a debugger), while
 * others hold sockets that it drives. The kernel would go on with its TCP; here
 * the caretaker (care.h) does, which has copies of all that is needed.
 *
 * It stands in, it does not take over: it does the driver's work with things of
 * its own and under the socks' locks, as any process of the family may enter a
 * sock, and leaves everything that is the driver's alone. So nothing is owned by
 * two, and a driver that goes on in the midst of anything finds work done and no
 * more; for a moment both may work, which is as with two threads of a program.
 *
 *   done for it     packets of connections that are there, and their timers;
 *                   what may be sent; what mirrors show; a close that is the
 *                   last; answers to SYNs (these need no memory)
 *   told to it      packets of no connection: a new one's, an ended one's. They
 *                   wait in the channel between the two (`care_said`)
 *   left to it      freeing a sock, its tables, the accept queue, pairs that
 *                   connect, relays, attempts at the kernel's TCP. Who asks for
 *                   these is on the attention list, which is not touched
 *
 * What the driver may have been stopped in: a sock's lock (this one waits, the
 * packets for it are dropped like any that are lost), the pool's or the arena's
 * (who needs a page waits, this one, too; that one is held for moments only, over no
 * system call but one that maps more; receive buffers are not used here), a batch that it has read (lost, and
 * sent again), half of the attention list (`attn` stays: such socks are looked at
 * in each round here). `sleeping` is only ever made to say that the driver sleeps:
 * who finds that rings the bell once too often, never once too few.
 *
 * A stop is noticed (notice.c) by work that is not done. The driver counts the
 * rounds of its loop. The caretaker sleeps until a packet comes, the driver's
 * bell rings, somebody hangs up, or it is later than the driver's next timer; it
 * looks once more after LOOK_US, and if the count has not moved it asks /proc
 * whether that thread is stopped. So an idle driver costs nothing, a busy one ten
 * looks in a second, and one that is merely slow is left alone. The same count
 * tells that it goes on.
 */
#ifndef RUDP_RT_STANDIN_H
#define RUDP_RT_STANDIN_H

#include "rt/care.h"

struct epoll_event;

enum { NOTICE_EVENTS = 64 };

/* What an event is of. */
#define NOTICE_CHANNEL 0
#define NOTICE_BELL (1ULL << 28)
static inline u32 notice_index(u64 data) { return (u32)data & (NOTICE_BELL - 1); }
static inline u32 notice_gen(u64 data) { return (u32)(data >> 32); }
static inline enum care_what notice_what(u64 data) { return (enum care_what)((u32)data >> 28); }

bool notice_init(pid_t pid, pid_t tid);	/* the driver's */
void notice_close(void);
void notice_add(int fd, u32 index, u32 gen, enum care_what what);
void notice_del(int fd);
/* Once more: a port has been read to its end, or all is to be looked at. */
void notice_again(int fd, u32 index, u32 gen, enum care_what what);
void notice_bell(bool always);	/* each ring, not only the next */
/* Until the driver is stopped. False: it is gone. */
bool notice_stop(void);
bool notice_stopped(void);
/* Events, at most NOTICE_EVENTS; 0: it is later than `until`. */
int notice_wait(struct epoll_event *ev, usec_t until);

/* Until the driver goes on. False: it is gone. */
bool stand_in(void);

/* ---- caretaker.c, for the two ------------------------------------------------------- */

u32 care_kept_end(void);
int care_kept(u32 index, u32 gen, enum care_what what);	/* -1 */
bool care_is_driven(const struct sock *sk);
bool care_hear(void);		/* one message, if there is one. False: the driver is gone */
bool care_hear_until(usec_t until);	/* likewise */

#endif
