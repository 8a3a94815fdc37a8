/*
 * conn.h - one connection: the protocol as a pure function of packets, calls
 * and time. Nothing here reads a clock, touches a descriptor, takes a lock or
 * allocates, but through the account (mem/acct.h).
 *
 * Who calls: the runtime (under the sock's lock), the simulator, the tests.
 * After any call that takes `now`, the caller settles the connection:
 *
 *     while (conn_output(c, &b, now) > 0)  send b; conn_sent(c, &b, n, now);
 *     re-arm one timer at conn_deadline(c);
 *     show conn_ready(c) to whoever polls.
 *
 * States (RFC 9293 3.3.2). There is no SYN_RECEIVED: the listener is
 * stateless until the cookie comes back (open.h).
 *
 *   CLOSED -connect-> SYN_SENT -syn,ack-> ESTABLISHED
 *   (cookie ok) -> ESTABLISHED
 *   ESTABLISHED -close/shutdown-> FIN_WAIT1 -ack-> FIN_WAIT2 -fin-> TIME_WAIT
 *   FIN_WAIT1 -fin-> CLOSING -ack-> TIME_WAIT
 *   ESTABLISHED -fin-> CLOSE_WAIT -close/shutdown-> LAST_ACK -ack-> CLOSED
 *   any -rst, timeout, abort-> CLOSED
 *
 * A client that has not yet heard from the connection proper (`unconfirmed`)
 * repeats OPEN in every packet, and its first packet by the RTO timer, so that
 * the loss of the third packet is repaired.
 *
 * Sender's invariants (conn_check):
 *   snd_una <= snd_nxt <= write_seq + fin;  unsent segments follow in-flight
 *   ones in one list; packets_out = sum of pcount over [snd_una, snd_nxt), and
 *   sacked_out, lost_out, retrans_out count the pcounts with these flags;
 *   SACKED and LOST exclude each other; in_flight = packets_out - sacked_out
 *   - lost_out + retrans_out (RFC 6675 pipe as Linux counts it).
 * Receiver's: copied_seq <= rcv_nxt <= rcv_wup + rcv_wnd (the offered edge is
 *   never taken back); the ofo queue is sorted, disjoint and above rcv_nxt.
 * Memory: account identity of acct.h; wmem_queued = truesize of the send
 *   queue, rmem_alloc = of both receive queues.
 */
#ifndef RUDP_CORE_CONN_H
#define RUDP_CORE_CONN_H

#include <sys/types.h>
#include <sys/uio.h>
#include "base.h"
#include "bounds.h"
#include "mem/acct.h"
#include "core/seg.h"
#include "core/wire.h"

enum conn_state {		/* numbers are the kernel's (TCP_INFO, ss) */
	CONN_ESTABLISHED = 1, CONN_SYN_SENT, CONN_SYN_RECV_unused, CONN_FIN_WAIT1,
	CONN_FIN_WAIT2, CONN_TIME_WAIT, CONN_CLOSED, CONN_CLOSE_WAIT,
	CONN_LAST_ACK, CONN_LISTEN, CONN_CLOSING,
};

enum ca_state { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS };

struct conn;
struct trace_ring;

/* One acknowledgement's findings, for recovery and congestion control. */
struct ack_sample {
	u64 prior_una;
	u32 prior_in_flight;	/* datagrams */
	u32 acked;		/* newly cumulatively acked datagrams */
	u32 sacked;		/* newly sacked */
	u32 delivered;		/* acked + sacked, each once */
	u32 lost;		/* newly marked lost */
	s64 rtt_us;		/* -1: none */
	bool una_advanced, dsack, ece, is_limited;
	/* the delivery rate (rate.c): rate_pkts in interval_us; 0: no sample */
	u32 rate_pkts, interval_us;
	u64 prior_delivered;	/* when the sample's datagram was sent */
	bool app_limited;	/* the program's rate, not the network's */
};

struct cc_ops {			/* congestion control */
	const char *name;
	bool paces;		/* trains leave at conn.pacing_rate */
	void (*init)(struct conn *c);
	u32 (*ssthresh)(struct conn *c);	/* on loss: new ssthresh, datagrams */
	void (*cong_avoid)(struct conn *c, const struct ack_sample *s, usec_t now);
	/* instead of cong_avoid, PRR and all else that sets cwnd but a timeout */
	void (*cong_control)(struct conn *c, const struct ack_sample *s, usec_t now);
	void (*set_state)(struct conn *c, enum ca_state to);	/* may be NULL */
	void (*idle_restart)(struct conn *c, usec_t now);	/* may be NULL */
	u32 (*undo_cwnd)(struct conn *c);
};
extern const struct cc_ops cc_cubic, cc_reno, cc_bbr;
/* Connections name their algorithm by number: processes that share an arena
 * have the table at different addresses. 0 is the default (cubic). */
const struct cc_ops *cc_by_id(u8 id);
int cc_find(const char *name);		/* its number, or -ENOENT */

struct conn_rtt {		/* RFC 6298, microseconds */
	u32 srtt_us, rttvar_us, min_rtt_us;
	u32 rto_us;		/* without back-off */
	u8 backoff;
	usec_t min_rtt_stamp;
};

struct conn_rack {		/* RFC 8985 */
	usec_t xmit_ts;
	u64 end_seq;
	u32 rtt_us;
	u32 reo_wnd_mult;
	u64 dsack_round;	/* snd_nxt at the last growth of reo_wnd_mult */
	u8 reo_wnd_persist;
	bool reordering_seen, dsack_seen;
	u64 fack;		/* highest offset delivered */
	u64 prior_fack;		/* before the acknowledgement at hand */
};

struct conn_rate {		/* rate.c: C of the draft */
	usec_t delivered_time, first_sent;
	u64 app_limited;	/* until so much is delivered; 0: not */
	u64 prior_delivered;	/* of the acknowledgement at hand: P */
	usec_t prior_time;
	u32 send_elapsed;
	bool any, was_limited;
};

struct conn_prr {		/* RFC 6937bis / 9937 */
	u32 delivered, out, recover_fs;
};

enum conn_timer {		/* a deadline each; conn_deadline is the least */
	T_RTX,			/* RTO, or the handshake's */
	T_REO,			/* RACK's reordering timer */
	T_TLP,
	T_PERSIST,
	T_DELACK,
	T_KEEPALIVE,		/* also FIN_WAIT2's and TIME_WAIT's end */
	T_DOMWAIT,		/* D8.6 */
	T_NOMEM,		/* D8.7: look again for memory */
	T_PACE,			/* R3.15: the next departure; look at the queue below */
	T_COUNT
};

enum urg_state {		/* of the newest mark */
	URG_NONE,		/* there is none, or reading has passed it */
	URG_VALID,		/* its byte can be taken */
	URG_TAKEN,
};

enum probe_due {
	PROBE_TLP = 1,		/* tail loss probe: new data or the last segment */
	PROBE_WND = 2,		/* R4.23: what fits the window, else an empty packet */
	PROBE_KEEP = 4,		/* keepalive */
};

enum tx_why {			/* why no more data leaves */
	WHY_NONE, WHY_EMPTY, WHY_STATE, WHY_NOMEM, WHY_CWND, WHY_WND, WHY_CREDIT,
	WHY_NAGLE, WHY_MEM, WHY_PACE, WHY_BELOW,
};

/* What the program and the runtime choose; set before connect or inherited. */
/* SYN_RACES: the first is sent; SYN_AGAIN: the second, too; SYN_SILENT: in vain. */
enum syn_race { SYN_ALONE, SYN_RACES, SYN_AGAIN, SYN_SILENT };

struct conn_opts {
	bool nodelay, cork, keepalive, quickack, nonagle_push;
	u8 shut_linger;		/* SO_LINGER on */
	bool oobinline : 1;	/* SO_OOBINLINE */
	bool keep_chosen : 1;	/* TCP_KEEPINTVL or TCP_KEEPCNT */
	u8 cc_id;		/* congestion control, see cc_by_id() */
	u32 linger_s;
	s32 linger2_s;		/* TCP_LINGER2; 0: default */
	u32 keepidle_us, keepintvl_us;
	u32 keepcnt;
	u32 user_timeout_ms, syncnt, notsent_lowat, rcvlowat, window_clamp, maxseg;
	s32 peek_off;		/* SO_PEEK_OFF: conn_recv() takes it back; < 0: none */
	u64 max_pacing_rate;	/* SO_MAX_PACING_RATE, bytes/s; PACING_NONE */
};
#define PACING_NONE	UINT64_MAX

struct conn {
	struct mem_acct mem;

	enum conn_state state;
	int err;		/* sk_err: reported once, positive errno */
	int err_soft;		/* the last ICMP error */
	bool unconfirmed;	/* client: nothing but SYN,ACK heard yet */
	bool orphan;		/* no program holds it any more */
	bool orphan_counted;	/* and it is one of the arena's orphans (R6.1) */
	bool snd_shut;		/* SEND_SHUTDOWN: by program, or terminal */
	bool rcv_shut;		/* RCV_SHUTDOWN: FIN received, or by program */
	bool fin_queued;	/* FIN is at write_seq */
	bool fin_rcvd;
	bool rst_pending;	/* an RST must leave (conn_output emits it) */
	bool rcvd_reset;
	bool held;		/* conn_hold() */

	u64 id, peer_id, sum_seed;
	struct trace_ring *trace;	/* where its events go (trace.h); NULL: nowhere */
	u64 dest;		/* names the peer's host in the table of metrics; 0: none */
	u64 cookie_time;
	u32 ts_offset;

	struct conn_opts opts;

	/* --- sending ---------------------------------------------------- */
	u16 dgram_max;		/* path MTU less IP and UDP headers */
	u16 peer_dgram_max;
	u32 mss;		/* payload of a full datagram without options */
	u32 credit;		/* in flight towards the peer's port, wire.h */
	u64 snd_una, snd_nxt, write_seq;
	u64 snd_wnd_edge;	/* furthest offset the peer promised to take */
	u32 snd_wnd, max_window;
	u64 snd_wl1, snd_wl2;
	struct list sndq;	/* segments: in flight, then unsent */
	struct list *send_head;	/* first unsent; &sndq: none */
	struct list tsorted;	/* in flight, by last transmission */
	usec_t xmit_last;	/* when the last data left, and its end: */
	u64 xmit_end;		/* order within one microsecond */
	u32 packets_out, sacked_out, lost_out, retrans_out;	/* datagrams */
	u32 flight_bytes;	/* snd_nxt - snd_una less SACKed, for `credit` */
	u64 push_seq;		/* data up to here must not wait for Nagle */
	u64 snd_sml;		/* end of the last small packet (Minshall) */
	bool peer_nomem;	/* its last ACK said NOMEM */
	bool snd_more;		/* the last send said MSG_MORE: corked until the next */
	u32 ack_ts;		/* peer's ts in the newest ACK: orders NOMEM and wnd */
	struct list *rtx_hint;	/* nothing to retransmit before it; NULL: unknown */
	struct list *sack_hint;	/* the segment a SACK block last marked; NULL: none */
	u64 sack_cache_base;	/* blocks of the last acknowledgement, from here: */
	struct {
		u32 start, end;
	} sack_cache[SACK_BLOCKS_ACK];
	u32 rtx_pending;	/* LOST and not yet retransmitted, datagrams */
	u8 probe_due;		/* enum probe_due: timers ask conn_output for these */
	u8 why_blocked;		/* enum tx_why: conn_output's last first no */
	bool below_told;	/* somebody looks: conn_below() */
	bool below_full;	/* conn_output() held something back for tx_below */

	u32 cwnd, ssthresh, prior_cwnd, prior_ssthresh, cwnd_cnt;	/* datagrams */
	u32 cwnd_used;
	usec_t cwnd_stamp, last_send;	/* any packet */
	usec_t last_data_send;
	bool cwnd_limited;
	bool tlp_is_retrans;
	bool pace_held;		/* what leaves next had to wait for pace_next, for nothing else */
	u32 max_packets_out;	/* most in flight in this window of data, which */
	u64 cwnd_usage_seq;	/* ends here (RFC 7661: was cwnd used?) */
	enum ca_state ca_state;
	u64 high_seq;		/* recovery point */
	u64 undo_marker;
	s32 undo_retrans;
	u32 reordering;
	u64 delivered, lost_total, retrans_total;
	struct conn_rtt rtt;
	struct conn_rack rack;
	struct conn_prr prr;
	struct conn_rate rate;
	u64 tlp_end_seq;
	u64 pacing_rate;	/* the algorithm's wish, bytes/s; 0: by cwnd */
	u64 pace_next;		/* ns: no data leaves earlier, if it is paced */
	u64 tx_below;		/* truesize handed over and perhaps not gone yet */
	u64 cc_priv[16];	/* the algorithm's */
	u8 cc_now;		/* whose cc_priv is */

	bool nospace;		/* SOCK_NOSPACE */
	bool domwait;		/* D8.6: the domain refused; T_DOMWAIT ends it */
	usec_t domwait_until;	/* at the latest then; T_DOMWAIT looks on each tick */

	/* --- receiving --------------------------------------------------- */
	u64 rcv_nxt, rcv_wup, copied_seq;
	u32 rcv_wnd;		/* offered at rcv_wup */
	struct list rcvq, ofoq;
	u64 fin_seq;		/* offset of the peer's FIN, when fin_rcvd or ofo */
	bool fin_ofo;
	u32 rcv_ssthresh, window_clamp, rcv_mss, advmss, scaling_ratio;
	struct {		/* DRS */
		u32 space;
		u64 seq;
		usec_t time;
	} rcvq_space;
	u32 rcv_rtt_us;
	u32 rcv_credit;		/* what we tell the peer (set by the runtime) */
	u32 ts_recent;		/* peer's ts to echo */
	bool ack_now, ack_pending, nomem, quickack_mode, pingpong;
	u32 ack_bytes;		/* received since the last ACK went out */
	u32 nomem_len;		/* payload that was refused last */
	u8 quick_left;
	struct sack_block dsack;	/* to report; start == end: none */
	struct sack_block sack_recent[4];	/* most recent ofo blocks first */
	u32 drops;
	u32 rx_edge;		/* + 1 for each arrival of readable data */
	bool passive;		/* made by a listener: its cookie is remembered */
	bool rcv_psh;		/* the last segment in order was pushed */
	u32 last_seg_size;	/* rcv_mss follows a size that comes twice (R4.3) */
	struct {		/* R4.19's RTT, sample (a): a window's worth */
		u64 seq;
		usec_t time;
	} rcv_rtt_est;
	u32 rcv_rtt_ecr;	/* sample (b): the last echo used */
	u32 coalesced, pure_acks;	/* counted once a batch */
	u32 data_segs_in, ooo_segs_in;
	usec_t last_data_rcv, last_ack_rcv;
	usec_t read_stamp;	/* when the segment came that was read last; 0: none */
	struct {		/* urgent.c */
		u64 seq;
		u8 byte, state;	/* enum urg_state */
	} urg;
	usec_t icmp_first;	/* port unreachable, nothing heard since; 0: none */
	usec_t icmp_probed;	/* and a packet left after it by then */

	usec_t timer[T_COUNT];	/* USEC_NEVER: off */
	usec_t last_rcv;	/* sign of life */
	u8 retries, probes, keep_probes, syn_retries;
	u8 syn_race;		/* enum syn_race */
	usec_t retrans_stamp;	/* first retransmission of this trouble */

	u64 rng;		/* xorshift, seeded */
	u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	u64 segs_in, segs_out;
};

/* ---- life -------------------------------------------------------------- */

struct conn_seed {
	u64 id;			/* ours, random, not 0 */
	u64 rng;
	u16 dgram_max;
	u8 cc_id;
};

/* A CLOSED connection over an account that is already open. Queues empty,
 * buffers and options at their defaults. */
void conn_init(struct conn *c, const struct conn_seed *seed, usec_t now);
/* Frees every queue (mem_acct_fini is the caller's). */
void conn_purge(struct conn *c);

/* ---- calls of the program ---------------------------------------------- */

int conn_connect(struct conn *c, usec_t now);		/* SYN_SENT; -EISCONN, -EALREADY */
/* Right after it, where the caller has another way to the peer: the first SYN is
 * repeated early, once. */
void conn_race(struct conn *c);
/* It is time to take the other way: both were not answered. */
bool conn_silent(const struct conn *c);
/* Takes up to len bytes. Returns the count; -EAGAIN: no room (nospace or
 * domwait are set), -EPIPE, -ENOTCONN, or -c->err (once). more: MSG_MORE. */
ssize_t conn_send(struct conn *c, const void *buf, size_t len, bool more, usec_t now);
/* Flags of recv(2) that matter here: MSG_PEEK, MSG_TRUNC. -EAGAIN: nothing
 * yet; 0: end of the stream. */
ssize_t conn_recv(struct conn *c, void *buf, size_t len, int flags, usec_t now);
/* The same with MSG_PEEK, from that byte of what is unread on. NULL: counts. */
ssize_t conn_peek(struct conn *c, void *buf, size_t len, u64 from);
/* The last byte that conn_send() took is urgent (MSG_OOB). */
void conn_mark_urgent(struct conn *c);
/* The urgent byte; -EINVAL: none to be had; -ENOTCONN. */
int conn_recv_urgent(struct conn *c, bool peek);
bool conn_at_mark(const struct conn *c);	/* SIOCATMARK; recv(2) stops here */
int conn_shutdown(struct conn *c, int how, usec_t now);	/* -ENOTCONN */
/* The last descriptor is gone (R6.2): FIN or RST; the conn is an orphan. */
void conn_close(struct conn *c, usec_t now);
/* Kill: RST to the peer if it may care, err as given (0: none). */
void conn_abort(struct conn *c, int err, usec_t now);
/* The peer reset it (the caller has proved that it was the peer). */
void conn_reset(struct conn *c, usec_t now);
/* An ICMP error arrived (errno), or the network refused. */
void conn_icmp(struct conn *c, int err, usec_t now);
/* Options changed: nodelay, cork, sndbuf ... : push what may go now. */
void conn_opts_changed(struct conn *c, usec_t now);
/* The path carries datagrams of this size (WIRE_DGRAM_MIN at least). */
void conn_set_dgram_max(struct conn *c, u16 dgram_max);
void conn_set_sndbuf(struct conn *c, u32 val, usec_t now);	/* R3.11 */
void conn_set_rcvbuf(struct conn *c, u32 val);			/* R4.20 */
void conn_set_rcvlowat(struct conn *c, s32 val);		/* R4.21 */

/* ---- packets ------------------------------------------------------------ */

/* A received packet: decoded header, payload in place. If the payload lies in
 * whole pages of the pool that may be taken over, page/npages name them and
 * conn_input sets *taken when it did. */
struct rx_pkt {
	struct wire_hdr h;
	const u8 *payload;
	u32 len;
	u32 page, npages;	/* 0: copy only */
	bool taken;
};

/* RFC 9293 3.10.7.4 for a packet whose checksum was right. Hostile input only
 * bumps a counter. */
void conn_input(struct conn *c, struct rx_pkt *p, usec_t now);
/* R4.6: may a packet not be parked any more, with so many bytes parked? May be
 * asked without the lock: a bound need not be exact. */
bool conn_backlog_full(const struct conn *c, u64 parked);
/* The receive batch is over: decide about the one acknowledgement. */
void conn_input_end(struct conn *c, usec_t now);

enum tx_kind { TX_NONE, TX_DATA, TX_RETRANS, TX_ACK, TX_SYN, TX_RST, TX_PROBE };

/* A train of datagrams: all gso_size long but the last. */
struct tx_batch {
	enum tx_kind kind;
	unsigned npkts, gso_size, bytes;
	int niov;
	struct iovec iov[TX_BATCH_PKTS * 3 + SEG_FRAGS];
	u64 seq, end;		/* core's: what conn_sent() commits */
	bool fin;
	bool acks;		/* carries every acknowledgement that was owed */
	u32 mss;		/* payload of a full datagram of the train */
	u8 probe;		/* enum probe_due: what it was asked for by; 0 */
	struct seg *seg;
	u8 hdr[TX_BATCH_PKTS * WIRE_HDR_DATA_MAX];
};

/* Builds what may leave now. 1: b is filled; 0: nothing may leave. Changes no
 * state but the pacing note: a batch that the network refused is simply built
 * again later. At most max_bytes of datagrams (UDP GSO's limit). */
int conn_output(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now);
/* So many bytes lie in the queue below at most, of all connections. To be
 * called once before the first batch, or there is no bound (R3.15), and when
 * conn_output() has returned 0 with c->below_full. True: some have left, try
 * conn_output() again. (If not, T_PACE brings the question back.) */
bool conn_below(struct conn *c, u64 bytes);
/* The batch left. */
void conn_sent(struct conn *c, const struct tx_batch *b, usec_t now);

/* ---- time ---------------------------------------------------------------- */

usec_t conn_deadline(const struct conn *c);	/* USEC_NEVER: none */
void conn_timeout(struct conn *c, usec_t now);	/* runs every timer that is due */

/* ---- questions ------------------------------------------------------------ */

enum {				/* conn_ready: poll(2) bits by the kernel's rules */
	READY_IN = 1, READY_OUT = 2, READY_RDHUP = 4, READY_HUP = 8, READY_ERR = 16,
	READY_PRI = 32,
};
unsigned conn_ready(const struct conn *c);
u64 conn_unread(const struct conn *c);		/* FIONREAD */
u64 conn_outq(const struct conn *c);		/* SIOCOUTQ */
u64 conn_notsent(const struct conn *c);		/* SIOCOUTQNSD */
bool conn_finished(const struct conn *c);	/* CLOSED and nothing to send */
void conn_check(const struct conn *c);		/* asserts the invariants above */
struct tcp_info;
void conn_info(const struct conn *c, struct tcp_info *ti, usec_t now);

/* ---- module borders inside the core --------------------------------------- */

/* sender's half (ack.c, recovery.c, rack.c, output.c, timer.c) */
void snd_ack_received(struct conn *c, const struct wire_hdr *h, u32 len, usec_t now);
bool snd_memory_free(const struct conn *c);	/* R3.1, wake 0 */
bool snd_writeable(const struct conn *c);	/* R3.2 */
void snd_write_space(struct conn *c, usec_t now);	/* R3.7's space check */
void snd_expand_sndbuf(struct conn *c);		/* R3.9, when it may */
void snd_established(struct conn *c, usec_t now);
void snd_queue_fin(struct conn *c, usec_t now);	/* R3.14 */
void snd_purge(struct conn *c);			/* frees the send queue */
void metrics_start(struct conn *c, usec_t now);	/* established: what others learned */
void metrics_end(struct conn *c, usec_t now);	/* ended in order: what it learned */
u32 snd_in_flight(const struct conn *c);	/* datagrams */
void timer_set(struct conn *c, enum conn_timer t, usec_t when);
void timer_clear(struct conn *c, enum conn_timer t);
usec_t timer_rto(const struct conn *c);		/* with back-off */

/* receiver's half (rcvq.c, flow.c, acks.c, input.c, state.c) */
void rcv_established(struct conn *c, usec_t now);
void rcv_data(struct conn *c, struct rx_pkt *p, usec_t now);	/* step 7 */
void rcv_purge(struct conn *c);
u32 rcv_select_window(struct conn *c);		/* R4.16; commits the offer */
void rcv_ack_sent(struct conn *c, usec_t now);	/* an ACK left: clear what was owed */
unsigned rcv_sack_fill(const struct conn *c, struct wire_hdr *h, unsigned max_blocks);
void conn_set_state(struct conn *c, enum conn_state to, usec_t now);
/* It failed while it was being opened, and the caller goes on in another way:
 * as if it were still being opened, but silent. */
void conn_hold(struct conn *c, usec_t now);
/* The connection is dead: err for the program, queues purged, timers off. */
void conn_done(struct conn *c, int err, usec_t now);

#endif
