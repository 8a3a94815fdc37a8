/*
 * snd.h - what the files of the sender's half share.
 *
 * The scoreboard: packets_out, sacked_out, lost_out, retrans_out, rtx_pending
 * and flight_bytes are sums over the segments in flight. A segment's part in
 * them follows from its flags, pcount and length alone, so whoever changes one
 * of these in flight takes the segment off the scoreboard first and puts it
 * back afterwards. Nobody else touches the sums.
 */
#ifndef RUDP_CORE_SND_H
#define RUDP_CORE_SND_H

#include "core/conn.h"
#include "core/trace.h"
#include "mem/arena.h"
#include "mem/domain.h"

/* --- small words ----------------------------------------------------------- */

#define SSTHRESH_INF	0x7fffffffu
#define INIT_CWND	10u		/* RFC 6928 */
#define DUPTHRESH	3u		/* RFC 5681 */

static inline bool seq_before(u64 a, u64 b) { return (s64)(a - b) < 0; }
static inline bool seq_after(u64 a, u64 b) { return (s64)(a - b) > 0; }
static inline bool ts_before(u32 a, u32 b) { return (s32)(a - b) < 0; }

static inline struct domain *snd_domain(const struct conn *c)
{
	return arena_domain(c->mem.arena);
}

/* Limits in force (domain.h: copy limits_seq % 2). */
static inline const struct mem_limits *snd_limits(const struct conn *c)
{
	const struct domain *d = snd_domain(c);

	return &d->limits[atomic_load_explicit(&d->limits_seq, memory_order_acquire) % 2];
}

static inline void snd_count(const struct conn *c, enum counter which, u64 n)
{
	domain_count(snd_domain(c), which, n);
}

static inline struct seg *seg_of(struct list *l)
{
	return container_of(l, struct seg, link);
}

static inline struct seg *seg_of_tsorted(struct list *l)
{
	return container_of(l, struct seg, tsorted);
}

/* Our clock as the peer sees it. */
static inline u32 snd_ts(const struct conn *c, usec_t now)
{
	return (u32)now + c->ts_offset;
}

static inline u32 snd_rand(struct conn *c)	/* xorshift64* */
{
	c->rng ^= c->rng >> 12;
	c->rng ^= c->rng << 25;
	c->rng ^= c->rng >> 27;
	return (c->rng * 0x2545f4914f6cdd1dULL) >> 32;
}

static inline bool snd_in_slow_start(const struct conn *c)
{
	return c->cwnd < c->ssthresh;
}

/* Between loss and its repair: PRR and the loss state rule over cwnd. */
static inline bool snd_in_recovery(const struct conn *c)
{
	return c->ca_state == CA_RECOVERY || c->ca_state == CA_LOSS;
}

static inline bool snd_has_unsent(const struct conn *c)
{
	return c->send_head != &c->sndq;
}

/* --- the scoreboard (sndq.c) ------------------------------------------------- */

void score_add(struct conn *c, const struct seg *s);
void score_del(struct conn *c, const struct seg *s);
/* Changes flags of a segment in flight. */
void score_flags(struct conn *c, struct seg *s, unsigned set, unsigned clear);
/* LOST, to be retransmitted; its retransmission, if in flight, counts as lost too. */
void score_lost(struct conn *c, struct seg *s, enum trace_lost why);
/* Cuts a segment of the send queue at `at`, both halves linked and on the
 * scoreboard. False: no descriptor, or refused by the split limit (R3.13). */
bool sndq_split(struct conn *c, struct seg *s, u32 at);
/* Frees what `ack` covers. The first and last of these segments that were sent
 * only once date the RTT sample: *first, *last (0: none). */
struct sndq_acked {
	u32 pkts;		/* datagrams no longer in flight */
	u32 new_pkts;		/* of these, not already SACKed */
	usec_t first, last;
	bool retrans;		/* some had been sent twice */
};
void sndq_ack(struct conn *c, u64 ack, struct sndq_acked *r, usec_t now);

/* Payload of a full datagram now: the path's, less OPEN while it rides along,
 * at most half of the largest window the peer ever offered. */
u32 snd_mss(const struct conn *c);

/* --- acknowledgements (ack.c, sack.c) --------------------------------------- */

struct sack_result {
	u32 pkts;		/* datagrams newly SACKed */
	usec_t first;		/* as in sndq_acked */
	bool tlp_dup;		/* D-SACK of the tail loss probe */
};
/* The peer took back what it had SACKed. */
void sack_forget(struct conn *c);
void sack_apply(struct conn *c, const struct wire_hdr *h, struct sack_result *r, usec_t now);

/* --- delivery rate (rate.c) -------------------------------------------------- */

/* Before the segment counts as sent. */
void rate_sent(struct conn *c, struct seg *s, usec_t now);
/* (Part of) it was delivered, for the first time. */
void rate_delivered(struct conn *c, const struct seg *s);
/* All that this acknowledgement delivers is counted: fills the sample in. */
void rate_sample(struct conn *c, struct ack_sample *s, usec_t now);
/* The program is about to write: had it left us without work? */
void rate_check_app_limited(struct conn *c);
void rate_mark_limited(struct conn *c);

/* --- RTT (rtt.c) ------------------------------------------------------------- */

void rtt_init(struct conn_rtt *r);
void rtt_sample(struct conn_rtt *r, u32 rtt_us);
void rtt_min_update(struct conn_rtt *r, u32 rtt_us, usec_t now);

/* --- RACK-TLP (rack.c, tlp.c) ------------------------------------------------ */

/* A segment was acknowledged, up to `end`, or SACKed. */
void rack_advance(struct conn *c, const struct seg *s, u64 end, usec_t now);
void rack_dsack(struct conn *c);
/* Marks what RACK holds lost, arms T_REO for what it will. True: something. */
bool rack_detect_loss(struct conn *c, usec_t now);
u32 rack_reo_wnd(const struct conn *c);
void rack_recovery_done(struct conn *c);
/* Has `s` been out for longer than RACK would wait? */
bool rack_overdue(const struct conn *c, const struct seg *s, usec_t now);

void tlp_schedule(struct conn *c, usec_t now);
void tlp_on_ack(struct conn *c, u64 ack, bool una_advanced, bool sacked, bool dup, usec_t now);

/* --- recovery (recovery.c) ---------------------------------------------------- */

void recovery_init(struct conn *c);
/* The algorithm that the program chose takes over, if it is another one. */
void recovery_set_cc(struct conn *c);
void recovery_on_ack(struct conn *c, const struct wire_hdr *h, struct ack_sample *s,
		     usec_t now);
void recovery_reo_timeout(struct conn *c, usec_t now);
void recovery_rto(struct conn *c, usec_t now);
void recovery_tlp_loss(struct conn *c);
/* The receiver is short of memory no more (D8.7). */
void recovery_nomem_over(struct conn *c, usec_t now);
/* How many datagrams congestion control lets go now. */
u32 recovery_quota(const struct conn *c);
void recovery_sent(struct conn *c, u32 pkts, usec_t now);
void recovery_idle_check(struct conn *c, usec_t now);

/* --- pacing and small queues (pace.c) ------------------------------------------- */

u64 pace_rate(const struct conn *c);		/* bytes/s */
/* May no data leave yet? Then pace_wait() notes why, and when. */
bool pace_early(const struct conn *c, usec_t now);
void pace_wait(struct conn *c);
u32 pace_train(const struct conn *c, u32 mss);	/* datagrams of one train */
u64 pace_queue_limit(const struct conn *c, const struct seg *s);
/* Would s make the queue below too long? Then pace_queue_wait(). `again`: it
 * was sent before. */
bool pace_queue_full(const struct conn *c, const struct seg *s, bool again);
void pace_queue_wait(struct conn *c, usec_t now);
void pace_sent(struct conn *c, const struct tx_batch *b, usec_t now);

/* --- congestion control (cc.c) ------------------------------------------------ */

u32 cc_slow_start(struct conn *c, u32 acked);
/* Additive increase: one datagram for each w acknowledged. */
void cc_avoid_ai(struct conn *c, u32 w, u32 acked);

/* --- timers (timer.c): events ------------------------------------------------- */

void timer_syn_sent(struct conn *c, usec_t now);
void timer_ack_sent(struct conn *c, usec_t now);
void timer_data_sent(struct conn *c, usec_t now);
/* The queue's head, or a probe that takes its place, was sent again. */
void timer_head_resent(struct conn *c, usec_t now);
void timer_una_advanced(struct conn *c, usec_t now);
void timer_all_acked(struct conn *c);
void timer_nomem(struct conn *c, usec_t now);
/* Unsent data and nothing in flight: something must wake us (R4.23). */
void timer_check_persist(struct conn *c, usec_t now);
void timer_domain_wait(struct conn *c, usec_t now);
void timer_keepalive_start(struct conn *c, usec_t now);
/* The peer may be gone: it is asked then, or now. */
void timer_doubt(struct conn *c, usec_t when, usec_t now);
/* R6.3: too many orphans, or too much held by one above `high`. */
bool timer_out_of_resources(const struct conn *c, unsigned shift);

#endif
