/* app.c - reading, writing, ending; every call's answer is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "app.h"
#include "refuse.h"

enum { CHUNK_MAX = 262144 };

static u8 buf[CHUNK_MAX];

#define APP_FAIL(a, fmt, ...) \
	sim_fail("port %u of %s: " fmt, (a)->ep ? (a)->ep->lport : 0, \
		 (a)->ep ? (a)->ep->host->name : "?", __VA_ARGS__)

/* Byte `off` of the stream `seed`. */
static u8 pattern(u64 seed, u64 off)
{
	return (u8)(rng_mix(seed + off / 8) >> off % 8 * 8);
}

static void fill(u64 seed, u64 off, u8 *out, size_t len)
{
	size_t i = 0;

	for (; i < len && (off + i) % 8; i++)
		out[i] = pattern(seed, off + i);
	for (; i + 8 <= len; i += 8) {
		u64 word = rng_mix(seed + (off + i) / 8);

		memcpy(out + i, &word, 8);
	}
	for (; i < len; i++)
		out[i] = pattern(seed, off + i);
}

static void verify(struct app *a, const u8 *data, size_t len)
{
	static u8 want[CHUNK_MAX];

	fill(a->peer->seed, a->rx, want, len);
	if (!memcmp(data, want, len))
		return;
	for (size_t i = 0; i < len; i++)
		if (data[i] != want[i])
			APP_FAIL(a, "byte %llu of the stream is 0x%02x, not 0x%02x",
				 (unsigned long long)(a->rx + i), data[i], want[i]);
}

static void wake_run(struct event *e, usec_t now);

void app_init(struct app *a, unsigned index, struct clock *clock, const struct app_plan *p,
	      u64 seed, struct app *peer)
{
	*a = (struct app){ .index = index, .clock = clock, .plan = *p,
			   .seed = rng_mix(seed), .peer = peer };
	a->rng.seed = seed;
	a->wake.run = wake_run;
}

void app_attach(struct app *a, struct endpoint *ep)
{
	struct conn *c = ep->c;
	const struct app_plan *p = &a->plan;

	a->ep = ep;
	a->started = a->clock->now;
	ep->app = a;
	c->opts.nodelay = p->nodelay;
	c->opts.cork = p->cork;
	c->opts.quickack = p->quickack;
	if (p->keepalive_off)
		c->opts.keepalive = false;
	if (p->notsent_lowat)
		c->opts.notsent_lowat = p->notsent_lowat;
	if (p->sndbuf)
		conn_set_sndbuf(c, p->sndbuf, a->clock->now);
	if (p->rcvbuf)
		conn_set_rcvbuf(c, p->rcvbuf);
	if (p->rcvlowat)
		conn_set_rcvlowat(c, (s32)p->rcvlowat);
}

void app_ready(struct app *a, unsigned edges)
{
	if (edges & (READY_IN | READY_RDHUP | READY_HUP | READY_ERR))
		a->can_read = a->read_edge = true;
	if (edges & (READY_OUT | READY_HUP | READY_ERR))
		a->can_write = true;
	/* Not within the packet's processing: a program runs later. */
	clock_set(a->clock, &a->wake, min(a->wake.pos ? a->wake.at : USEC_NEVER,
					  a->clock->now));
}

static void wake_at(struct app *a, usec_t at)
{
	if (!a->wake.pos || a->wake.at > at)
		clock_set(a->clock, &a->wake, at);
}

/* ---- the end ---------------------------------------------------------------- */

static void finish(struct app *a)
{
	struct endpoint *ep = a->ep;

	clock_set(a->clock, &a->wake, USEC_NEVER);
	a->done = true;
	a->finished = a->clock->now;
	a->ep = NULL;
	conn_close(ep->c, a->clock->now);
	host_release(ep);
}

static void fail_with(struct app *a, int err)
{
	sim_trace(a->ep->host, "port %u: %s", a->ep->lport, strerror(err));
	if (!a->err)
		a->err = err;
	finish(a);
}

static void violent_end(struct app *a)
{
	struct endpoint *ep = a->ep;

	switch (a->plan.end) {
	case END_ABORT:
		conn_abort(ep->c, 0, a->clock->now);
		finish(a);
		break;
	case END_LINGER0:
		ep->c->opts.shut_linger = 1;
		ep->c->opts.linger_s = 0;
		finish(a);
		break;
	case END_VANISH:
		clock_set(a->clock, &a->wake, USEC_NEVER);
		a->done = true;
		a->ep = NULL;
		host_forget(ep);
		break;
	case END_HASTY:
		finish(a);
		break;
	case END_SHUTDOWN: case END_CLOSE: case END_WAIT: case END_EARLY:
		break;
	}
}

static bool written(const struct app *a)
{
	return a->tx == a->plan.tx_total;
}

/* How much may be written now: all, or with turns what is our turn's. */
static u64 allowance(const struct app *a)
{
	u64 left = a->plan.tx_total - a->tx;
	u32 turn = a->plan.turn;

	if (!turn)
		return left;
	u64 turns_read = a->rx / turn + !a->plan.turn_second;

	return min(left, turns_read * turn > a->tx ? turns_read * turn - a->tx : 0);
}

/* Takes the step towards the end that is due. True: closed. */
static bool end(struct app *a)
{
	const struct app_plan *p = &a->plan;

	if (p->end == END_HASTY ||
	    (p->end >= END_ABORT && a->connected && a->tx + a->rx >= p->end_at)) {
		violent_end(a);
		return true;
	}
	if (!a->connected)
		return false;
	if (written(a) && !a->shut && (p->end == END_SHUTDOWN ||
				       (p->end == END_CLOSE && a->rx == p->rx_expect) ||
				       p->end == END_EARLY)) {
		a->shut = true;
		if (p->end != END_SHUTDOWN) {
			finish(a);
			return true;
		}
		if (conn_shutdown(a->ep->c, SHUT_WR, a->clock->now) && !a->ep->c->err &&
		    a->ep->c->state != CONN_CLOSED)
			APP_FAIL(a, "shutdown failed in state %d", a->ep->c->state);
		host_settle(a->ep);
	}
	/* All is said, or the peer left without its next turn. */
	if (a->eof && !allowance(a)) {
		finish(a);
		return true;
	}
	return false;
}

/* ---- reading ------------------------------------------------------------------- */

static void got(struct app *a, size_t n)
{
	const struct app_plan *p = &a->plan;

	verify(a, buf, n);
	if (!a->rx)
		a->first_byte = a->clock->now;
	a->last_byte = a->clock->now;
	a->told -= min(a->told, (u64)n);
	a->rx += n;
	a->reads++;
	if (a->rx > a->peer->tx)
		APP_FAIL(a, "read %llu bytes, the peer wrote %llu",
			 (unsigned long long)a->rx, (unsigned long long)a->peer->tx);
	if (p->read_pause_us)
		a->read_at = a->clock->now + p->read_pause_us;
	if (p->stall_us && !a->stalled && a->rx >= p->stall_at) {
		a->stalled = true;
		a->read_at = a->clock->now + p->stall_us;
	}
}

static void peek(struct app *a, size_t len)
{
	struct conn *c = a->ep->c;
	u64 unread = conn_unread(c);
	ssize_t n = conn_recv(c, buf, len, MSG_PEEK, a->clock->now);

	if (n < 0 && unread)
		APP_FAIL(a, "a peek says %zd with %llu unread", n, (unsigned long long)unread);
	if (n > 0)
		verify(a, buf, (size_t)n);
	if (n > 0 && (u64)n != min(unread, (u64)len))
		APP_FAIL(a, "a peek says %zd of %llu", n, (unsigned long long)unread);
	if (conn_unread(c) != unread)
		APP_FAIL(a, "a peek took %zd bytes", n);
	host_settle(a->ep);
}

/* Options change at any time; none may lose or delay anything for good. */
static void fidget(struct app *a)
{
	struct conn *c = a->ep->c;
	usec_t now = a->clock->now;

	if (!rng_chance(&a->rng, 5))
		return;
	switch (rng_below(&a->rng, 6)) {
	case 0:
		conn_set_sndbuf(c, (u32)rng_scale(&a->rng, 1, 300000), now);
		break;
	case 1:
		conn_set_rcvbuf(c, (u32)rng_scale(&a->rng, 1, 300000));
		break;
	case 2:
		c->opts.nodelay = !c->opts.nodelay;
		break;
	case 3:
		c->opts.cork = !c->opts.cork;
		break;
	case 4:
		c->opts.quickack = !c->opts.quickack;
		break;
	case 5:
		c->opts.notsent_lowat = (u32)rng_scale(&a->rng, 1, 100000);
		break;
	}
	conn_opts_changed(c, now);
	host_settle(a->ep);
}

static ssize_t read_once(struct app *a)
{
	struct conn *c = a->ep->c;
	size_t len = min((size_t)a->plan.read_chunk, sizeof(buf));
	bool in = conn_ready(c) & READY_IN;

	if (a->plan.peeks && in && !c->err && rng_chance(&a->rng, 20))
		peek(a, len);
	if (a->plan.ask_fionread && a->told)
		len = min(len, (size_t)a->told);
	ssize_t n = conn_recv(c, buf, len, 0, a->clock->now);

	if (n == -EAGAIN && in)
		APP_FAIL(a, "readable, but recv says EAGAIN, %llu unread",
			 (unsigned long long)conn_unread(c));
	if (n >= 0 && !in && c->opts.rcvlowat <= 1)
		APP_FAIL(a, "not readable, but recv says %zd", n);
	if (n > (ssize_t)len)
		APP_FAIL(a, "recv of %zu bytes says %zd", len, n);
	return n;
}

/* Reads what FIONREAD told and not until EAGAIN, then waits for the next edge:
 * each arrival must be one (nginx does so). */
static bool may_read(struct app *a)
{
	if (!a->can_read || a->eof || a->clock->now < a->read_at)
		return false;
	if (!a->plan.ask_fionread || a->told ||
	    conn_ready(a->ep->c) & (READY_RDHUP | READY_HUP | READY_ERR))
		return true;		/* nothing more will be shown */
	if (!a->read_edge) {
		a->can_read = false;
		return false;
	}
	a->read_edge = false;
	a->told = conn_unread(a->ep->c);
	return true;
}

/* False: the connection is gone. */
static bool do_read(struct app *a)
{
	while (may_read(a)) {
		ssize_t n = read_once(a);

		if (n == -EAGAIN) {
			a->eagain_rx++;
			a->can_read = false;
			a->ep->ready &= ~(unsigned)READY_IN;
		} else if (n < 0) {
			fail_with(a, (int)-n);
			return false;
		} else if (n == 0) {
			a->eof = true;
			sim_trace(a->ep->host, "port %u: end of the stream", a->ep->lport);
		} else {
			got(a, (size_t)n);
		}
		host_settle(a->ep);
		if (a->plan.end >= END_ABORT && end(a))
			return false;
	}
	if (a->can_read && !a->eof)
		wake_at(a, a->read_at);
	return true;
}

/* ---- writing ---------------------------------------------------------------------- */

static ssize_t write_once(struct app *a, size_t len)
{
	struct conn *c = a->ep->c;
	bool out = conn_ready(c) & READY_OUT;
	u64 refused = refuse.refused;
	bool more = a->plan.more && len < allowance(a) && rng_chance(&a->rng, 50);

	fill(a->seed, a->tx, buf, len);
	ssize_t n = conn_send(c, buf, len, more, a->clock->now);

	if (n == -EAGAIN) {
		if (out && !c->domwait && refuse.refused == refused)
			APP_FAIL(a, "writeable, but send says EAGAIN; w=%lld of %u",
				 (long long)c->mem.wmem_queued, c->mem.sndbuf);
		if (!c->nospace && !c->domwait)
			APP_FAIL(a, "send says EAGAIN, and nothing will wake us; w=%lld of %u",
				 (long long)c->mem.wmem_queued, c->mem.sndbuf);
	}
	if (n == 0 || n > (ssize_t)len)
		APP_FAIL(a, "send of %zu bytes says %zd", len, n);
	return n;
}

static bool do_write(struct app *a)
{
	while (a->can_write && allowance(a) && a->clock->now >= a->write_at) {
		u64 want = min((u64)a->plan.write_chunk, allowance(a));
		ssize_t n = write_once(a, min((size_t)want, sizeof(buf)));

		if (n == -EAGAIN) {
			a->eagain_tx++;
			a->can_write = false;
			a->ep->ready &= ~(unsigned)READY_OUT;
		} else if (n < 0) {
			fail_with(a, (int)-n);
			return false;
		} else {
			a->tx += (u64)n;
			if (a->plan.write_pause_us)
				a->write_at = a->clock->now + a->plan.write_pause_us;
		}
		host_settle(a->ep);
	}
	if (written(a) && a->ep->c->opts.cork && a->connected) {
		a->ep->c->opts.cork = false;
		conn_opts_changed(a->ep->c, a->clock->now);
		host_settle(a->ep);
	}
	if (a->can_write && allowance(a))
		wake_at(a, a->write_at);
	return true;
}

static void wake_run(struct event *e, usec_t now)
{
	struct app *a = container_of(e, struct app, wake);

	if (a->done)
		return;
	if (!a->ep) {
		a->open(a);
		if (a->plan.end == END_HASTY)
			wake_at(a, now + a->plan.end_at);
		return;
	}
	if (a->plan.fidgets)
		fidget(a);
	a->connected |= a->ep->c->state != CONN_SYN_SENT && a->ep->c->state != CONN_CLOSED;
	if (do_read(a) && do_write(a) && !end(a) && a->can_read && !a->eof)
		wake_at(a, a->read_at);
}
