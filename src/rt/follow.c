/*
 * follow.c - rudpstat --trace: whoever wants a connection's events has claimed
 * one of the arena's rings for it (owner, until when) and has rung. The note
 * goes to the sock, and its holder begins to write there.
 */
#include "core/trace.h"
#include "mem/arena_layout.h"
#include "rt/rt.h"

static_assert(TRACE_RING_BYTES == ARENA_TRACE_RING, "a ring in its place");

static u64 owner_of(struct trace_ring *r, usec_t now)
{
	return atomic_load(&r->until) > now ? atomic_load(&r->owner) : 0;
}

void follow_look(void)
{
	usec_t now = rt_now();

	for (unsigned i = 0; i < ARENA_TRACE_RINGS; i++) {
		u64 owner = owner_of(arena_trace(drv.ar, i), now);
		struct sock *sk = owner ? rt_sock((u32)owner - OWNER_SOCK0) : NULL;

		if (sk && sock_note_trylock(sk, (u32)(owner >> 32), PEND_TRACE))
			sock_unlock(sk, -1);
	}
}

void follow_begin(struct sock *sk, usec_t now)
{
	u64 me = trace_owner(&sk->conn);

	if (sk->conn.trace)
		return;		/* a second reader sees what comes */
	for (unsigned i = 0; i < ARENA_TRACE_RINGS; i++) {
		struct trace_ring *r = arena_trace(drv.ar, i);

		if (owner_of(r, now) == me) {
			trace_begin(&sk->conn, r, now);
			return;
		}
	}
}
