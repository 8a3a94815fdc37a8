/*
 * sock.h - stream sockets over the runtime, shaped like the socket calls. The
 * preload layer maps descriptors to socks and calls these; they return -errno
 * and never touch errno.
 *
 * A sock lives in a slot of the family's arena. `fd` is the program's
 * descriptor of it, the mirror's app end, in the calling process.
 *
 * Locks. sk->lock (robust, process-shared) guards everything in the sock that
 * is not marked otherwise. Order: sock lock -> another sock's lock never;
 * sock lock -> pool lock -> arena lock. No lock is held over anything that
 * waits. Whoever holds a sock's lock when packets, timers or closes come for
 * it finds them noted (backlog, pending) and runs them at unlock.
 *
 * The mirror. Under the lock, `m` says what the app end shows. Any holder may
 * put the plug in or drain tokens (that needs the app end); only the driver
 * writes tokens, pulls the plug, shows FIN, HUP and errors (that needs the
 * owner end), or who stands in for it while it is stopped (standin.h). A holder
 * that is neither and leaves the mirror different from conn_ready() puts the
 * sock on the driver's attention list.
 *
 * Lifetime. The slot is freed by the driver alone (fresh socks, which no
 * driver knows: by the last close), when the app end is gone everywhere, the
 * connection has finished, and no accepted connection uses its port. `gen`
 * changes when the slot is freed: a lock taken on an old reference notices.
 */
#ifndef RUDP_RT_SOCK_H
#define RUDP_RT_SOCK_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "base.h"
#include "core/conn.h"
#include "core/open.h"

union sock_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

enum sock_kind { SK_FREE, SK_FRESH, SK_CONN, SK_LISTENER, SK_RELAY,
		 SK_TRYING, SK_PLAIN };		/* plain.h */

enum sock_pending {		/* notes for whoever holds the lock */
	PEND_TIMER = 1,		/* a deadline passed */
	PEND_HUP = 2,		/* the app end is gone everywhere */
	PEND_ICMP = 4,		/* icmp_err holds the errno */
	PEND_TX = 8,		/* the UDP socket takes datagrams again */
	PEND_SETTLE = 16,	/* the driver found the lock taken */
	PEND_INPUT_END = 32,	/* a receive batch ended meanwhile */
	PEND_REFILL = 64,	/* a listener: hand out what waits (driver) */
	PEND_KILL = 128,	/* somebody wants it reset */
	PEND_TRACE = 256,	/* somebody wants its events */
};

/* One received UDP buffer: a datagram, or a GRO train of equal ones. Lives in
 * the driver's shared slot; its bytes in 16 pages of the pool. */
struct rxbuf {
	_Atomic(struct rxbuf *) next;	/* on a sock's backlog */
	u32 unit;		/* of the pool; MEM_NONE: pages were taken over */
	u32 len;
	u16 gso;		/* bytes of each datagram; 0: one datagram */
	_Atomic u16 busy;	/* parked; cleared by who ran it */
	_Atomic u32 parked;	/* on the backlog of this sock, index + 1; 0: put aside */
};

enum port_way { WAY_OURS, WAY_ASKED, WAY_GIVEN };	/* neighbour.c */

struct mirror {			/* what the app end shows */
	u32 tokens;		/* bytes in the app end's queue */
	u32 edge;		/* conn's rx_edge that was shown */
	bool paired;		/* it has an owner end */
	bool plugged, fin, hup, err;
	bool pri, hole;		/* urgent.c */
	u64 urgent;		/* conn.urg.seq that was shown */
};

struct port {			/* one kernel UDP socket */
	int drv_fd;		/* in the driver's table; -1 */
	bool connected, wildcard, v4;
	bool open;
	u32 capacity;		/* bytes its receive queue can hold */
	u32 refs;		/* socks that use it, the owner included (driver) */
	_Atomic u32 active;	/* connections that sent to it lately */
};

struct sock {
	pthread_mutex_t lock;	/* these three: struct slot_head of arena.h */
	_Atomic u32 gen;
	u32 index;

	_Atomic u32 kind;	/* enum sock_kind; changes under the lock */
	_Atomic u32 pending;	/* enum sock_pending */
	_Atomic(struct rxbuf *) backlog;
	_Atomic u32 backlog_len;
	_Atomic u32 attn;	/* on the attention list */
	_Atomic u32 attn_next;	/* index + 1 of the next on it */
	_Atomic u32 way;	/* enum port_way: its number is a neighbour's, too; futex */
	_Atomic u64 deadline;	/* conn_deadline at the last unlock */
	_Atomic u64 timer_at;	/* when the driver will look; <= deadline, or attn */
	_Atomic u32 stale;	/* the app end is gone everywhere */
	_Atomic u32 udp_serial;	/* times that its UDP socket was replaced */
	_Atomic u64 cookie;	/* SO_COOKIE of the app end: who meets it knows it by this */
	_Atomic u32 others;	/* fresh: processes more that may hold it */
	_Atomic u32 given;	/* fresh: its driver ends it (given.c) */
	_Atomic u32 offered;	/* whoever made it is ready for the driver to adopt it */
	_Atomic u32 rseq, wseq;	/* futexes: readable, writable changed */
	_Atomic u32 rwait, wwait;	/* somebody sleeps on them */
	u64 peek_seen;		/* a sleeper has peeked so far: more than that wakes it; 0: any */
	_Atomic u32 et;		/* is or was in an edge-triggered set */
	_Atomic u32 urgent;	/* somebody waits for urgent data */
	_Atomic u32 shared;	/* processes more may wait for it: see watch.h */
	_Atomic u32 ready;	/* conn_ready() when the lock was last left, or a
				 * listener's; SOCK_READY_UNKNOWN */
	_Atomic u32 shown;	/* a listener: connections in its app end's queue */

	/* what the program chose; atomics: read without the lock */
	_Atomic u32 zc_waiting;	/* completions in the error queue (errq.h) */
	u32 zc_next;		/* number of the next call with MSG_ZEROCOPY */
	_Atomic u32 nonblock;
	u64 rcvtimeo_us, sndtimeo_us;	/* 0: for ever */
	int family, type, protocol;
	bool reuseaddr, reuseport, v6only, bound, port_given, addr_given;
	bool named;		/* bound by the program, not only by us */
	u8 try_plain;		/* enum plain_try */
	int plain_fd;		/* a listener's other half; driver's table; -1 */
	_Atomic u32 plain_waiting;	/* its queue may have more */
	_Atomic u32 plain_sent;	/* number of the last connection that left the driver */
	_Atomic u32 plain_done;	/* the driver's attempt at TCP has an answer */
	bool accepted;		/* a program has taken it from accept() */
	bool connect_started;	/* EINPROGRESS was returned */
	bool hung_up;		/* PEND_HUP was met; the driver has to act */
	bool closing;		/* the last reference is gone; conn_close was done */
	bool tx_blocked;	/* the UDP socket took no more: the driver goes on */
	bool touched;		/* driver: met in this receive batch */
	bool known;		/* driver: in its tables */
	bool peer_known;	/* driver: by the peer's id too */
	u8 given_seen;		/* driver: given, and not yet used; when it was looked for */
	bool unreadable;	/* something that is not ours answered the SYN */
	bool plain_refused;	/* TCP's answer; ours goes on */
	u8 logged_state;	/* enum conn_state that the log has; 0: none yet */
	u32 icmp_err;		/* with PEND_ICMP */
	u32 sender_tick;	/* driver: the tick in which it last sent to us */
	struct mirror m;
	u32 relay_skip;		/* bytes of ours in front of the program's */
	bool relay_hup;		/* the app end is gone: close when all is read */
	bool relay_eof;		/* it is */
	_Atomic bool relay_moving;	/* a fresh pair is on its way to the driver */
	int owner_fd;		/* driver's table; -1 */
	int tomb_fd;

	union sock_addr local, peer;
	socklen_t addr_len;
	u32 port_index;		/* sock whose port carries us */
	struct port port;	/* when port_index == index */

	/* listener */
	struct listener_key key;
	_Atomic u32 backlog_max;
	u32 in_flight;		/* driver: handed out, not yet taken */
	u32 accept_head, accept_tail;	/* driver: waiting, index + 1 */
	u32 accept_next;
	u32 listener;		/* index + 1 of who will hand us out */
	_Atomic u32 waiting;	/* length of that list */
	_Atomic u32 taken;	/* accepts done, for the driver to refill */

	s32 opt_values[25];	/* options that are stored and returned only */
	struct conn conn;
};
enum { MUTEX_MAX = 48 };	/* of the machines that we know, aarch64's is the largest */
static_assert(sizeof(struct sock) - sizeof(pthread_mutex_t) + MUTEX_MAX <= SOCK_SLOT,
	      "a sock fits its slot, on every machine");

/* ---- process-wide ------------------------------------------------------- */

/* Reads RUDP_* once. A malformed one: one line on standard error, exit 78. */
void rt_init_env(void);
/* The calling thread is the driver, or inside the runtime: its libc calls must
 * go straight to the kernel. */
extern TLS_IE int rt_bypass;
/* Is this descriptor one of the runtime's own (program's table)? The highest that
 * ever was. */
bool rt_fd_protected(int fd);
unsigned rt_fd_highest(void);
/* Clears the way for the program's own use of number fd (dup2): ours moves. */
int rt_fd_move(int fd);
/* Before an end: what is unsent or unfinished goes on being driven, by somebody
 * else. rt_stay(): the exec has failed. A handler may jump out of an abort. */
enum leave { LEAVE_EXIT, LEAVE_EXEC, LEAVE_ABORT };
void rt_leave(enum leave how);
void rt_stay(void);
/* Before a fork: the child may want a driver when the parent is gone. */
void rt_forked(void);
void rt_child(void);		/* after it, in the child */

/* ---- calls ---------------------------------------------------------------- */

/* A reference as the descriptor table keeps it. */
struct sock_ref {
	struct sock *sk;
	u32 gen;
};

/* A process may be of several families (family.c). Calls on a sock are to be
 * made in its own: from rt_enter() until rt_at is put back. The calls below that
 * take no reference are made at home. */
extern bool rt_many;
extern _Atomic(struct driver *) rt_home;
extern TLS_IE struct driver *rt_at;
struct driver *rt_family(const struct sock *sk);

static inline struct driver *rt_enter(const struct sock *sk)
{
	struct driver *was = rt_at;

	if (unlikely(rt_many))
		rt_at = rt_family(sk);
	return was;
}

/* Is the descriptor, inherited over an exec or received in a message, one of a
 * sock's? Then the process joins its family, and *ret is the sock. */
int rt_join(int fd, struct sock_ref *ret);
/* A descriptor of it is about to be sent to another process; false: was not. */
void sock_passed(struct sock_ref *r, int fd, bool done);
/* And about to be there in another program. True: it is one that no driver knew,
 * and that can be used there. */
bool sock_give(struct sock_ref *r, int fd);
bool sock_bound(const struct sock_ref *r);
bool rt_running(void);		/* it has somebody to be given to */
int rt_start(void);		/* it has from now on; 0 or -errno */
bool sock_stale(const struct sock_ref *r);	/* its descriptor is surely not ours any more */

/* READY_IN, READY_OUT, READY_RDHUP, READY_PRI and SOCK_READY_ERRQ as poll would report them now. UNKNOWN:
 * only the mirror can say (it has failed, is a listener that may have
 * somebody, was never connected, is a relay). Any thread, without the lock. */
#define SOCK_READY_UNKNOWN (1u << 31)
#define SOCK_READY_ERRQ (1u << 29)	/* ERR, since the error queue is not empty */
#define SOCK_READY_SHOWN (1u << 30)	/* in sock.ready: the mirror says so */
#define SOCK_READY_END_SHOWN (1u << 28)	/* and that the peer has ended */
u32 sock_ready(const struct sock_ref *r);
/* It has an error that nobody was told of. Likewise. */
bool sock_failed(const struct sock_ref *r);

/* type carries SOCK_NONBLOCK and SOCK_CLOEXEC; returns the descriptor. */
int sock_socket(int family, int type, int protocol, struct sock_ref *ret);
/* What calls return besides 0 and -errno: what the wrapper is to do. */
enum {
	SOCK_RENEW = 1,		/* the sock is of no more use: sock_renew() */
	SOCK_PLAIN = 2,		/* sock_plain(), then the kernel's call */
	SOCK_TAKE = 3,		/* it is connected, as the kernel's: sock_take() */
	SOCK_AGAIN = 4,		/* sock_renew(), then the same call */
};
int sock_bind(struct sock_ref *r, int fd, const struct sockaddr *sa, socklen_t len);
/* The program is about to bind a UDP socket of its own there. True: the number
 * is this one's, too, and may be had with SO_REUSEADDR. */
bool sock_give_way(struct sock_ref *r, const struct sockaddr *udp);
int sock_listen(struct sock_ref *r, int fd, int backlog);
/* Returns the new descriptor. sa may be NULL. flags of accept4. */
int sock_accept(struct sock_ref *r, int fd, struct sockaddr *sa, socklen_t *len, int flags,
		struct sock_ref *ret);
/* SOCK_RENEW: it was one to AF_UNSPEC. flags: MSG_DONTWAIT or 0. */
int sock_connect(struct sock_ref *r, int fd, const struct sockaddr *sa, socklen_t len, int flags);
/* MSG_NOSIGNAL absent and -EPIPE: the caller raises SIGPIPE. */
ssize_t sock_sendmsg(struct sock_ref *r, int fd, const struct msghdr *msg, int flags);
/* Fills msg_namelen (0), msg_controllen (0), msg_flags. */
ssize_t sock_recvmsg(struct sock_ref *r, int fd, struct msghdr *msg, int flags);
/* recv(2) with MSG_OOB. Likewise. */
ssize_t sock_recv_urgent(struct sock_ref *r, int fd, struct msghdr *msg, int flags);
void sock_watch_urgent(struct sock_ref *r);	/* the program wants PRI, or SIGURG */
/* Was there a connect() that failed? */
bool sock_renewable(struct sock_ref *r);
/* A socket as new, but for the options, file flags and given name of r's, to
 * take its place: its descriptor, and its sock in *ret. */
int sock_renew(struct sock_ref *r, int fd, struct sock_ref *ret);
/* A kernel's TCP socket like r's; or the one that took its place already. */
int sock_plain(struct sock_ref *r);
int sock_take(struct sock_ref *r, int fd);
void sock_wait_plain(struct sock_ref *r, int fd);
/* Has the kernel's taken its place? Who was woken by what the driver sent through
 * the mirror may come before the driver has said so. */
static inline bool sock_is_plain(struct sock_ref *r, int fd)
{
	if (unlikely(atomic_load_explicit(&r->sk->plain_done, memory_order_acquire)))
		sock_wait_plain(r, fd);
	return atomic_load_explicit(&r->sk->kind, memory_order_relaxed) == SK_PLAIN;
}
/* SOCK_RENEW: it was a listener. */
int sock_shutdown(struct sock_ref *r, int fd, int how);
/* The program closes fd, one of possibly many references. Closes the real
 * descriptor too. */
int sock_close(struct sock_ref *r, int fd);
/* The program made one more descriptor of it in this process (dup). */
void sock_dup(struct sock_ref *r);
/* And one is something else now. linger: until when to wait, when its file is
 * closed, by sock_linger(); 0: not. May be NULL. */
void sock_undup(struct sock_ref *r, usec_t *linger);
void sock_linger(struct sock_ref *r, usec_t until);
int sock_getname(struct sock_ref *r, int fd, struct sockaddr *sa, socklen_t *len, bool peer);
int sock_set_nonblock(struct sock_ref *r, bool on);	/* the caller sets the real flag */
void sock_edge_triggered(struct sock_ref *r);		/* epoll_ctl with EPOLLET */
/* Switches to relay mode: from now on the descriptor is an ordinary stream
 * and calls on it go straight to the kernel. 0; -errno; or a descriptor: the
 * end was shown already and the mirror is of no more use, so the caller puts
 * this one in the place of fd and its duplicates, and closes it. */
int sock_relay(struct sock_ref *r, int fd);

/* sockopt.c */
int sock_getsockopt(struct sock_ref *r, int fd, int level, int name, void *val, socklen_t *len);
int sock_setsockopt(struct sock_ref *r, int fd, int level, int name, const void *val,
		    socklen_t len);
usec_t sockopt_defer_us(const struct sock *listener);
void sockopt_inherit(const struct sock *listener, struct sock *sk);
int sock_ioctl(struct sock_ref *r, int fd, unsigned long req, void *arg);	/* -ENOIOCTLCMD (515): pass on */

/* ---- for the files of the runtime (and sockopt.c) -------------------------- */

/* Locks the sock of a reference; -EBADF: it is gone. Handles a dead holder. */
int sock_lock(struct sock_ref *r);
/* Settles (sends, timer, mirror, wake-ups), runs what was noted, unlocks.
 * fd: the app end in this process, or -1 if the caller has none. */
void sock_unlock(struct sock *sk, int fd);
/* Lock held: if its driver is dead and nobody has it now, it is aborted. True:
 * it was. */
bool driven_look(struct sock *sk, int fd);
usec_t rt_now(void);

#endif
