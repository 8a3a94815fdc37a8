/*
 * check_trace.c - the events of a connection: what was sent, came, was lost and
 * changed, in order; a reader who is slow or gone harms nobody.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "core/trace.h"
#include "mem/arena_layout.h"
#include "script.h"

static struct trace_ring *ring;
static u64 next;

static void follow(usec_t until)
{
	ring = arena_trace(S.arena, 0);
	next = atomic_load(&ring->head);
	atomic_store(&ring->owner, trace_owner(S.c));
	atomic_store(&ring->until, until);
	trace_begin(S.c, ring, S.now);
}

/* The next event of the kind; what lies before it is passed over. NULL: none. */
static const struct trace_event *find(enum trace_kind kind)
{
	while (next != atomic_load(&ring->head)) {
		const struct trace_event *e = &ring->event[next++ % TRACE_EVENTS];

		want(atomic_load(&e->seq) == next);
		want(e->time <= S.now);
		if (e->kind == kind)
			return e;
	}
	return NULL;
}

static void begins_with_all_as_it_is(void)
{
	const struct trace_event *e;

	establish(.mss = 1000, .rtt_ms = 100);
	app_write(5000);
	follow(USEC_NEVER);
	e = find(TRACE_STATE);
	want(e && e->a == CONN_ESTABLISHED);
	e = find(TRACE_METRICS);
	want(e && (u32)e->w[0] == S.c->cwnd && e->w[1] >> 32 == 5 && (u32)e->w[1] == 1000);
	e = find(TRACE_TIMER);
	want(e && e->a == (T_RTX | TIMER_SET << 8) && e->w[0] == S.c->timer[T_RTX]);
	want(!find(TRACE_SENT));
	skip_all();
	script_end();
}

static void a_loss_and_its_repair(void)
{
	const struct trace_event *e;

	establish(.mss = 1000, .rtt_ms = 100);
	follow(USEC_NEVER);
	app_write(6000);
	e = find(TRACE_SENT);
	want(e && e->n == 6 && e->w[0] == 1 && e->w[1] == 6001 && (e->a & 0xff) == TX_DATA &&
	     e->w[2] >> 32 == 1000 && (u32)e->w[2] == 6 * (1000 + WIRE_HDR));
	skip_all();
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	e = find(TRACE_RECEIVED);
	want(e && (e->a & 0xff) == WF_ACK && (e->a >> 8 & 0xff) == 1 && e->w[2] == 1);
	e = find(TRACE_SACK);
	want(e && e->n == 1 && (u32)e->w[0] == 1000 && e->w[0] >> 32 == 4000);
	e = find(TRACE_LOST);
	want(e && e->n == 1 && e->a == LOST_TIME && e->w[0] == 1 && e->w[1] == 1001 &&
	     e->time == S.now);
	e = find(TRACE_METRICS);
	want(e && e->a == CA_RECOVERY && e->w[0] >> 32 == S.c->ssthresh);
	e = find(TRACE_SENT);
	want(e && (e->a & 0xff) == TX_RETRANS && e->w[0] == 1 && e->w[1] == 1001);
	skip_all();
	at(200);
	inject(.ack = 6000);
	do
		e = find(TRACE_METRICS);
	while (e && e->a != CA_OPEN);
	want(e && e->w[1] >> 32 == 0);
	do
		e = find(TRACE_TIMER);
	while (e && e->a != (T_RTX | TIMER_CANCELLED << 8));
	want(e != NULL);
	want(!find(TRACE_LOST));
	script_end();
}

static void a_timeout(void)
{
	const struct trace_event *e;

	establish(.mss = 1000, .rtt_ms = 100);
	follow(USEC_NEVER);
	app_write(1000);
	skip_all();
	at(1000);
	do
		e = find(TRACE_TIMER);
	while (e && e->a != (T_RTX | TIMER_EXPIRED << 8));
	want(e != NULL);
	e = find(TRACE_LOST);
	want(e && e->a == LOST_TIMEOUT && e->w[0] == 1 && e->w[1] == 1001);
	e = find(TRACE_METRICS);
	want(e && e->a == CA_LOSS);
	skip_all();
	script_end();
}

static void waits_for_memory(void)
{
	const struct trace_event *e;

	establish(.mss = 1000, .rtt_ms = 100, .sndbuf = 20000);
	follow(USEC_NEVER);
	while (app_write(1000) == 1000)
		;
	trace_changes(S.c, S.now);
	e = find(TRACE_MEMORY);
	want(e && e->a == (MEMORY_NOSPACE | 1 << 8) && e->w[0] == (u64)S.c->mem.wmem_queued &&
	     e->w[1] == S.c->mem.sndbuf);
	skip_all();
	for (u64 ms = 100; S.c->nospace && ms < 1000; ms += 100) {
		at(ms);
		inject(.ack = S.c->snd_nxt - 1);
		skip_all();
	}
	do
		e = find(TRACE_MEMORY);
	while (e && e->a != MEMORY_NOSPACE);
	want(e != NULL);
	skip_all();
	script_end();
}

static void ends_of_the_stream(void)
{
	const struct trace_event *e;

	establish(.mss = 1000, .rtt_ms = 100);
	follow(USEC_NEVER);
	want(conn_shutdown(S.c, SHUT_WR, S.now) == 0);
	settle();
	e = find(TRACE_STATE);
	while (e && e->a != (CONN_FIN_WAIT1 | CONN_ESTABLISHED << 8))
		e = find(TRACE_STATE);
	want(e != NULL);
	e = find(TRACE_STREAM);
	want(e && e->a == STREAM_SENT_ALL && e->w[0] == 1);
	skip_all();
	script_end();
}

/* Its lease ends, or the ring is another connection's by now. */
static void a_reader_who_is_gone(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	follow(S.now + 50000);
	app_write(1000);
	want(find(TRACE_SENT));
	skip_all();
	at(100);
	inject(.ack = 1000);
	want(!find(TRACE_RECEIVED) && !S.c->trace);

	follow(USEC_NEVER);
	want(S.c->trace);
	while (find(TRACE_METRICS))
		;
	atomic_store(&ring->owner, trace_owner(S.c) + 1);
	app_write(1000);
	want(!find(TRACE_SENT) && !S.c->trace);
	skip_all();
	script_end();
}

static void a_reader_who_is_slow(void)
{
	u64 head;

	establish(.mss = 1000, .rtt_ms = 10);
	follow(USEC_NEVER);
	for (u64 ms = 10; ms < 20000 && atomic_load(&ring->head) < 2 * TRACE_EVENTS; ms += 10) {
		app_write(1000);
		skip_all();
		at(ms);
		inject(.ack = S.written);
		skip_all();
	}
	head = atomic_load(&ring->head);
	want(head >= 2 * TRACE_EVENTS);
	next = head - TRACE_EVENTS;
	want(find(TRACE_SENT) && find(TRACE_RECEIVED));
	script_end();
}

int main(void)
{
	begins_with_all_as_it_is();
	a_loss_and_its_repair();
	a_timeout();
	waits_for_memory();
	ends_of_the_stream();
	a_reader_who_is_gone();
	a_reader_who_is_slow();
	puts("check_trace: ok");
	return 0;
}
