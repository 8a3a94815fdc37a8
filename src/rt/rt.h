/*
 * rt.h - inside the runtime: the driver, ports, mirrors. One driver a process,
 * its event thread started with the first socket that listens or connects.
 *
 * Who touches what:
 *   struct driver      the event thread alone, but for the fields named shared
 *   struct driver_shm  in arena slot 0, for every process of the family
 *   struct sock        under its lock (sock.h)
 *   pool account       under driver_shm.pool_lock
 *
 * The event thread has a descriptor table of its own: numbers named drv_fd,
 * owner_fd, tomb_fd are meaningless elsewhere, app_fd and fd there.
 */
#ifndef RUDP_RT_RT_H
#define RUDP_RT_RT_H

#include <errno.h>
#include "mem/arena.h"
#include "mem/domain.h"
#include "rt/critical.h"
#include "rt/driver_shm.h"
#include "rt/libev.h"
#include "rt/match.h"
#include "rt/sock.h"

struct idmap;
struct twtab;
struct relay;
struct hello;
struct rx_meta;

struct port_watch {		/* of a sock that owns a port; under rx_lock (pump.h) */
	ev_io wr;		/* started while datagrams wait for room */
	u32 index;
	u32 ovfl;		/* SO_RXQ_OVFL as last seen */
	u32 senders, senders_now;	/* connections that sent in the last, this tick */
};

enum watched { WATCH_NONE, WATCH_ONE, WATCH_MANY };

/* This process's own view of a sock, by index: descriptor numbers differ from
 * process to process. Forked children have a copy. */
enum { LOCAL_CHUNK = 1024, LOCAL_CHUNKS = 1024 };

struct local {
	_Atomic u32 refs;	/* descriptors of it in this process */
	_Atomic u32 port_users;	/* of its port: socks with refs, itself included */
	_Atomic s32 udp_fd;	/* number + 1 of its UDP socket here; 0: none */
	_Atomic u32 udp_serial;	/* sock.udp_serial when it came here */
	_Atomic bool shared;	/* sock.shared is set: a fork need not look */

	/* Its registration in an epoll set; under watch.c's lock. */
	_Atomic u8 watched;	/* enum watched; these two: read without the lock, too */
	_Atomic bool listed;
	u32 watch_gen, watch_events;
	u32 watch_set;		/* its number in watch.c, not the descriptor */
	u64 watch_data;

	/* errq.h; under the sock's lock. */
	_Atomic s32 err_fd;	/* number + 1 of the companion; 0: none */
	bool err_shown;
	int err_epfd;
	u32 err_events, err_forks;
	u64 err_data;
};

struct sock_timer {
	ev_timer t;
	u32 index, gen;
};

struct driver {
	/* shared with the program's threads: written once before they look */
	struct domain *dom;
	struct arena *ar;
	struct driver_shm *shm;
	int wake_app;			/* eventfd in the program's table */
	int wait_app, kick_app;		/* pump.h; in the program's table */
	int alive_app;			/* held open there: its end is the family's */
	pid_t pid;			/* whose event thread it is */
	char name[28];			/* abstract address of `hello_fd` */
	unsigned name_len;
	u64 nonce;
	u64 hello_id;			/* the number in the name */

	/* the event thread's */
	struct ev_loop *loop;
	ev_io hello, wake, hups;
	ev_prepare prepare;
	ev_check check;
	ev_timer tick;
	int wake_fd, hello_fd, alive_fd, hup_epfd, given_epfd, ports_epfd, wait_epfd, kick_fd;
	struct idmap *by_id, *by_peer;	/* rx_lock */
	struct twtab *tw;
	struct sock_timer **timers;	/* by sock index */
	struct port_watch **ports;	/* by sock index; rx_lock */
	struct relay **relays;		/* by sock index */
	u32 ntables;			/* length of the three */
	u32 nknown;			/* socks it drives */
	u32 ngiven;			/* and those of given.c */
	u32 ticks;			/* counts up, from 1; rx_lock */
	u32 touched[256];		/* socks met in this receive batch; rx_lock */
	unsigned ntouched;
	u32 blocked[256];		/* socks whose UDP socket was full */
	unsigned nblocked;
	bool caretaker;			/* the process that drove is gone */
	bool alone;			/* and all others of the family */
	bool handed_over;		/* this process has a caretaker: hands off */
	bool stands_in;			/* we work for a driver that is stopped: standin.h */
	bool follows;			/* the arena has had a driver before */
	_Atomic bool left;		/* shared; driven_no_more() */
	bool unclaimed;			/* driven_claim() is still to be done */
	bool starves;			/* something waits for a descriptor number */
	usec_t now;
	_Atomic(struct local *) locals[LOCAL_CHUNKS];	/* shared; of this process */
};

extern _Atomic(struct driver *) rt_home;
extern TLS_IE struct driver *rt_at;	/* the family that the thread stands in */
#define drv (*rt_at)

/* Of a sock's descriptors that are the driver's: in this thread's table. */
int standin_end(const struct sock *sk);
int standin_port(const struct sock *sk);
void standin_hup(struct sock *sk, usec_t now);	/* lock held: the app end is gone */

static inline int mirror_end(const struct sock *sk)
{
	return unlikely(drv.stands_in) ? standin_end(sk) : sk->owner_fd;
}

static inline int port_end(const struct sock *sk)
{
	return unlikely(drv.stands_in) ? standin_port(sk) : sk->port.drv_fd;
}

/* ---- family.c: the families of this process ------------------------------------ */

struct driver *family_new(void);	/* of nobody yet */
bool family_leave(void);		/* home is another from now on */
void family_add(struct driver *d);	/* rt_family() knows it from now on */
struct driver *family_next(const struct driver *d);	/* home for NULL, then others */
void family_fd_moved(int from, int to);	/* the program took a number of ours */

/* ---- process and driver (start.c, driver.c) ------------------------------ */

int rt_attach(void);			/* domain and arena; once; 0 or -errno */
struct sock *rt_sock(u32 index);	/* NULL: no such slot */
void driver_wake(void);			/* any thread */
void driver_rouse(void);		/* unless it is awake, or somebody just did */
bool driver_attention(struct sock *sk);	/* lock held: on the list; true: wake it after unlock */
void *driver_thread(void *arg);
void driver_tx_wait(struct sock *sk);	/* driver: go on when the port takes more */
int driver_loop(void);			/* driver: what it watches */
/* What is left of a driver whose child this process is. */
void mirror_driver_init(void);
void plain_driver_init(void);
void both_driver_init(void);
void care_driver_init(void);
void given_driver_init(void);
void driver_publish(void);		/* driver: where others find it */
void driver_close_range(unsigned from, unsigned to);	/* both included */
void rt_set_hello(u64 id);
void rt_joined(void);			/* this process has a family, which has a driver */
bool rt_leave_home(void);		/* it makes its sockets in another from now on */
bool rt_abandon(void);	/* leaves a family without sockets or driver; false: it has some */
enum { RELAY_SNDBUF = 65536 };		/* of an app end that is relayed */
void driver_see_hups(void);		/* driver: those that are there, now */
void driver_busy(void);			/* driver: tick for a while */
void driver_few_files(void);		/* driver: hardly a number is left */
void driver_starves(void);		/* driver: none */
u64 rt_random(void);
int rt_fd_high(int fd);			/* moves to the top of the range; new number */
int rt_fd_far(int fd);			/* beyond the program's limit, if that can be */
void rt_fd_protect(int fd);		/* it is ours, and stays */
void rt_fd_forget(int fd);
const struct rt_env *rt_env(void);
struct local *local_get(u32 index);	/* NULL: no memory */
void local_ref(struct sock *sk);
bool local_unref(struct sock *sk);	/* true: it was the last one here */

struct rt_env {
	char domain[DOMAIN_NAME_MAX];
	bool has_limits;
	struct mem_limits limits;
	u8 cc_id;
	bool caretaker;		/* a standing one */
	bool both;		/* listeners on the kernel's TCP, too */
	bool fallback;		/* to the kernel's TCP */
	struct match match;
};

/* ---- UDP (udp.c) ----------------------------------------------------------- */

/* A UDP socket for a sock: options set, not bound. The driver's own; one in the
 * program's table. */
int udp_make(struct port *p, int family, bool v6only, bool reuseport);
int udp_open(struct port *p, int family, bool v6only, bool reuseport);
/* Sends what the connection has to send. From the calling thread. */
void udp_flush(struct sock *sk, usec_t now);
/* Gives back the receive buffers that little traffic does not need. Driver. */
void udp_rest(void);
u32 udp_below(struct sock *sk);	/* its bytes in the kernel's queue; lock held */
/* Sends one made-up packet (listener's answers) from the driver. */
void udp_reply(struct sock *port_sk, const void *pkt, unsigned len,
	       const union sock_addr *to, const union sock_addr *from);
/* The largest datagram by the route: now; as a socket that is connected to it
 * has it; as it was within the last second (driver). */
u16 udp_path_dgram(const union sock_addr *peer);
u16 udp_fd_dgram(int fd, const union sock_addr *peer);
u16 udp_known_dgram(const union sock_addr *peer);
u64 path_key(const union sock_addr *peer);	/* conn.dest of its host */
void port_watch_start(struct sock *sk);
void port_watch_stop(struct sock *sk);
u32 port_credit(const struct port_watch *pw);	/* what a sender may have in flight */
bool port_receive(struct port_watch *pw);	/* rx_lock held; false: no descriptor here */
/* One datagram, or a train of equal ones of *step bytes, from fd. Its length, or
 * -errno; -EAGAIN: no more there. pw may be NULL. */
ssize_t port_read(struct port_watch *pw, struct sock *port_sk, int fd, void *buf, size_t size,
		  struct rx_meta *m, u32 *step);
void port_read_errors(struct sock *port_sk, int fd);
void port_tick(void);		/* share of each port's capacity among its senders */

struct rx_meta {		/* of one received buffer */
	union sock_addr from, to;	/* to: by PKTINFO, or the port's own */
	socklen_t from_len;
};

static inline bool addr_is_any(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET ? a->in.sin_addr.s_addr == INADDR_ANY :
	       IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

static inline bool port_is_same(const struct sock *a, const struct sock *b)
{
	return a->local.in.sin_port == b->local.in.sin_port;	/* in6 has it there, too */
}

/* ---- port.c ------------------------------------------------------------------------ */

void port_release(int udp_fd);		/* its listener is gone: others may bind the number */
int port_bind(const struct sock *sk, const union sock_addr *a);	/* or SOCK_PLAIN */
int port_connect(const struct sock *sk);	/* to sk->peer; -ENETUNREACH: to no one host */
void port_reserve(int udp_fd, const union sock_addr *local, socklen_t len);
void port_deafen(const struct sock *sk, int udp_fd);	/* it receives nothing any more */
void port_empty(struct sock *sk);	/* driver: a listener's, before it is closed */
void port_drain(struct sock *port_sk);	/* driver: all that has come is run, or refused */
int port_open(struct sock *sk);	/* lock held: receives from now on */
void port_options(const struct sock *sk, int udp_fd);	/* the program's, to a fresh one */
void port_option_changed(const struct sock *sk, int level, int name);
void port_of_its_own(struct sock *sk);	/* driver: just accepted, if it needs one */
void port_split(struct sock *owner);	/* driver: its connections get sockets of their own */

/* The pool's lock; its account is the truth whoever died in it (pages that no
 * buffer names are found when a driver is followed by another). */
static inline void pool_lock(void)
{
	if (pthread_mutex_lock(&drv.shm->pool_lock) == EOWNERDEAD)
		pthread_mutex_consistent(&drv.shm->pool_lock);
}

/* ---- neighbour.c ------------------------------------------------------------------- */

void neighbour_settle(struct sock *sk);	/* driver, lock held: the number is wanted */

/* ---- leftover.c -------------------------------------------------------------------- */

/* App side: when the dead have let go of their numbers. */
int leftover_retry(int (*again)(const struct sock *sk, const union sock_addr *a),
		   const struct sock *sk, const union sock_addr *a);

/* ---- packets to socks (rx.c, listen.c) -------------------------------------- */

/* rx_lock held, from one rx_batch_begin() to its end. */
void rx_batch_begin(usec_t now);
void rx_buffer(struct port_watch *pw, struct sock *port_sk, struct rxbuf *rb,
	       const struct rx_meta *m);
void rx_batch_end(void);
/* Datagrams of `step` bytes, each for whom it is. Driver, rx_lock held. */
void rx_one_by_one(struct sock *port_sk, const u8 *pkt, u32 total, u32 step,
		   const struct rx_meta *m);
/* Runs one buffer's datagrams into sk. Lock held. */
void rx_run(struct sock *sk, struct rxbuf *rb, usec_t now);
/* One datagram. rb: the buffer that holds nothing else, or NULL. Lock held. */
void rx_one(struct sock *sk, struct rxbuf *rb, const u8 *pkt, u32 len, usec_t now);
/* The listener that answers on this port, if there is one; does it? */
struct sock *rx_listener_of(struct sock *port_sk);
bool rx_listens(const struct sock *sk);
/* A parked buffer has been run. Its pages stay with it, unless the pool holds
 * more than it may while nothing is parked. */
void rx_release(struct rxbuf *rb);
void rx_give_back(struct rxbuf *rb);	/* pool's lock held */
void rx_icmp(struct sock *port_sk, int err, const u8 *quoted, size_t len,
	     const union sock_addr *to);
void listen_input(struct sock *lsk, const u8 *pkt, size_t len, const struct rx_meta *m);
/* Any process: a SYN is answered, unless the queue is full. False: it is none. */
bool listen_syn(struct sock *lsk, const u8 *pkt, size_t len, const struct rx_meta *m, bool full);
bool listen_crowded(const struct sock *lsk);
int listen_send(struct sock *lsk, int app, u32 index, u32 gen);
void listen_refill(struct sock *lsk);	/* lock held: hand out up to 16; one that
					 * was reset becomes a failed connection */
void listen_close(struct sock *lsk);	/* lock held: abort what waits */
void listen_end(struct sock *lsk);	/* and give the number away */
bool listen_unaccepted(struct sock *sk);	/* lock held: its mirror hung up unseen;
						 * true: queued again */

/* ---- mirror (mirror.c) -------------------------------------------------------- */

int mirror_fresh(int type);			/* an unconnected app end */
int mirror_pair(struct sock *sk, int fd);	/* app side: connect it to the driver */
int mirror_again(struct sock *sk);		/* app side: a second pair, for the relay */
/* app side: tells the driver; one descriptor or two go along */
int mirror_send(const struct hello *h, const int *fds, unsigned n);
/* app side: returns when the driver has seen all hang-ups, or then */
void mirror_driver_round(usec_t until);
int mirror_make(struct sock *sk);		/* driver: a pair; returns the app end */
void mirror_watch(struct sock *sk, int fd);	/* driver: tells when the app end is gone */
void mirror_hello(void);			/* driver: pairs that connect */
void mirror_plug(struct sock *sk, int fd);
void mirror_drain(struct sock *sk, int fd, u32 keep);
void mirror_unplug(struct sock *sk);	/* driver */
void mirror_sync(struct sock *sk);		/* driver, lock held */
u32 mirror_shown(const struct sock *sk);	/* SOCK_READY_SHOWN: as readable */
bool mirror_sync_app(struct sock *sk, int fd);	/* other holders; true: the driver is needed */
void mirror_drop(struct sock *sk);		/* driver: close our ends */

/* ---- recv_ctl.c ------------------------------------------------------------------- */

struct recv_ctl {
	u32 what;		/* 0: nothing was asked for */
	s32 inq, stamp;
	struct timespec ts;
};
/* Lock held; read: some bytes. Then, without it: to the program. */
bool recv_ctl_wanted(const struct sock *sk);
void recv_ctl_take(const struct sock *sk, struct recv_ctl *ctl, bool read);
void recv_ctl_put(struct msghdr *msg, size_t room, const struct recv_ctl *ctl);
/* The one control message that there is; msg_controllen as the program gave it. */
void recv_ctl_add(struct msghdr *msg, int level, int type, const void *data, size_t len);

/* ---- urgent.c ------------------------------------------------------------------- */

bool mirror_urgent_due(const struct sock *sk, unsigned ready);
void mirror_show_urgent(struct sock *sk);	/* driver, lock held */
void mirror_calm(struct sock *sk, int fd);	/* any holder: PRI goes */
void mirror_fill_hole(struct sock *sk, int fd);	/* any holder: all tokens go, too */

/* ---- sock.c, io.c ---------------------------------------------------------------- */

void sock_init(struct sock *sk, u32 index, u32 gen);	/* a slot just got */
void listen_inherit(const struct sock *lsk, struct sock *sk);
int sock_udp_fd(const struct sock *sk);	/* of its port, in this process; -1 */
int sock_bind_locked(struct sock *sk, const struct sockaddr *sa, socklen_t len); /* likewise */
/* Lock held: sleeps without it. 0: held again, look again; else unlocked. */
int sock_wait(struct sock_ref *r, int fd, bool reading, usec_t until);

/* ---- fresh.c: socks that no driver knows -------------------------------------------- */

void fresh_made(void);
void fresh_used(void);			/* one connects or listens now */
void fresh_shared(struct sock *sk);	/* one process more will hold it */
void fresh_forked(void);		/* before a fork */
void fresh_closed(struct sock *sk);	/* lock held: the last close here; unlocks */

/* ---- given.c: those of them that go to another program -------------------------------- */

bool given_here(const struct sock *sk);	/* driver, as all of these */
bool given_adopt(const struct hello *h, int app, int udp);	/* true: udp is its own now */
void given_used(struct sock *sk);	/* it listens or connects */
void given_follow(struct sock *sk, int udp);	/* the driver before had it */
void given_look(void);			/* those that nobody holds end */

/* ---- linger.c ------------------------------------------------------------------ */

/* Lock held: how long a close that is the last may take; 0: it does not wait. */
usec_t linger_until(const struct sock *sk);
void linger_wait(struct sock_ref *r, usec_t until);	/* the descriptor is closed */
bool linger_unfinished(const struct sock *sk);

/* ---- lock.c --------------------------------------------------------------------- */

bool sock_trylock(struct sock *sk, u32 gen);
/* The driver, for one that waits to be accepted: only a thread that receives can
 * have its lock, for a moment, and waits for none then. Trying would lose it. */
bool sock_lock_unaccepted(struct sock *sk);
/* Packets that were parked while this thread held the lock. */
void sock_run_backlog(struct sock *sk, usec_t now);
void sock_note(struct sock *sk, u32 what);	/* pending |= what */
bool sock_note_trylock(struct sock *sk, u32 gen, u32 what);
bool sock_want_reader(const struct sock *sk);	/* lock held: somebody sleeps for what is there */

/* ---- socks in the driver (life.c) -------------------------------------------------- */

void life_adopt(struct sock *sk);	/* driver knows it from now on: tables, timers */
void life_hup(struct sock *sk);		/* driver, lock held: the last reference is gone */
bool life_maybe_free(struct sock *sk);	/* lock held; true: freed and unlocked */
void life_arm(struct sock *sk);		/* driver: timer as the deadline says */
int life_tables(u32 index);
void life_meet_peer(struct sock *sk);	/* driver, lock held: the peer's id, if new */

/* ---- relay.c, exit.c ------------------------------------------------------------------- */

void relay_sync(struct sock *sk);	/* driver, lock held: pump */
bool relay_hup(struct sock *sk);		/* lock held; true: it may close */
void relay_stop(struct sock *sk);
int relay_start(struct sock *sk, int fd);	/* lock held; as sock_relay() */
void exit_if_asked(void);		/* driver */
void exit_if_idle(void);

/* ---- sweep.c ---------------------------------------------------------------------------- */

void sweep_tick(void);		/* driver: after what somebody left who was killed */

/* ---- driven.c: whether anybody drives the family ------------------------------------- */

bool driven_claim(void);	/* driver: it is us from now on; false: somebody else lives */
bool driven(void);		/* any thread */
/* Lock held, fd the app end: the owner end went with a dead driver, so the
 * connection is aborted. */
bool driven_lost(struct sock *sk, int fd);
/* Nor will anybody: what this process makes from now on is of a family of its own. */
bool driven_no_more(void);

/* ---- care.c: the standing caretaker, as the driver sees it ------------------------------ */

enum care_what { CARE_OWNER, CARE_TOMB, CARE_PORT, CARE_PLAIN, CARE_KINDS };

void care_prepare(void);		/* before the event thread starts */
void care_new(const struct sock *sk);	/* driver: it has a descriptor that is worth passing */
void care_forget(const struct sock *sk, enum care_what what);	/* driver: before it closes it */
void care_told(void);		/* driver: what it is to forget is told by now */
void care_tick(void);			/* driver: passes what has lived for a moment */
bool care_all(void);			/* driver: everything, now; false: there is no caretaker */

void care_adopt(void);	/* who drives from now on: what the driver before had */
void care_again(void);	/* at ticks: what somebody was inside then */
void care_met(void);			/* driver: there is a process of the family again */

/* ---- join.c: processes that come to a family other than by fork ----------------------------- */

u64 join_cookie(int fd);		/* SO_COOKIE */
/* Driver: somebody holds such a descriptor; 0: is of the family. */
void join_answer(int chan, u64 cookie, u64 nonce);
void join_child(void);		/* in a forked child: nobody is in there */
int join_relatives(void);	/* 0: the family has a driver, which is ours now */
void join_udp(struct sock *lsk);	/* its port was opened by another process: what that one got */

/* ---- both.c: a listener on the kernel's TCP beside ours -------------------------------------- */

int both_make(struct sock *sk);			/* app side: its descriptor; -ENOENT: without */
void both_pass(struct sock *sk, int fd);	/* to the driver */
bool both_adopt(u32 index, u32 gen, int fd);	/* driver; false: fd stays the caller's */
void both_taken(struct sock *lsk, u32 number);	/* by accept() */
void both_enter(struct sock *sk);
void both_refill(struct sock *lsk);		/* driver, lock held */
void both_stop(struct sock *sk);		/* driver */

/* ---- follow.c: who wants to see a connection's events ------------------------------------------ */

void follow_look(void);			/* driver: somebody has asked */
void follow_begin(struct sock *sk, usec_t now);	/* lock held */

/* ---- idmap.c ------------------------------------------------------------------------- */

struct idmap *idmap_new(void);
void idmap_free(struct idmap *m);	/* may be NULL */
bool idmap_put(struct idmap *m, u64 id, u32 val);
void idmap_del(struct idmap *m, u64 id, u32 val);
/* Values under an id, from *pos on; 0: no more. */
u32 idmap_get(const struct idmap *m, u64 id);

struct twtab *twtab_new(u32 max);
void twtab_limit(struct twtab *t, u32 max);	/* what is there stays */
struct tw *twtab_find(struct twtab *t, u64 id);
bool twtab_add(struct twtab *t, const struct tw *tw);	/* false: overflow */
u32 twtab_expire(struct twtab *t, usec_t now);		/* entries left */
void tw_input(struct sock *port_sk, struct tw *tw, const u8 *pkt, size_t len,
	      const struct rx_meta *m);

#endif
