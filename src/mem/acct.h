/*
 * acct.h - the account of one sock: every buffer byte passes through here.
 *
 * Ground truth is the arena's page table (arena.h): an entry per page says
 * which account owns it and which of its sixteen 256-byte units are in use.
 * The counters here are a cache of it, and at any moment the sock is not
 * inside an operation
 *
 *     pages * 4096 == forward_alloc + wmem_queued + rmem_alloc
 *     forward_alloc == 256 * free units in the pages the account owns
 *     no page of the account is wholly free (beyond `reserved`)
 *
 * Order, so that a death at any instruction errs on the safe side: take =
 * charge the domain, mark the page owned, use it; release = stop using, mark
 * free, uncharge.
 *
 * A *unit number* is (page index in the arena) * 16 + unit in the page; 0 is
 * never handed out (MEM_NONE). Runs of units may cross pages that are
 * adjacent and both owned by the account.
 *
 * Ownership: units belong to whoever allocated them, until mem_free() of
 * exactly those units; a run may be freed in parts. Not thread-safe by
 * itself: the caller holds the sock's lock; the arena's allocator lock is
 * taken inside, only when whole pages move.
 */
#ifndef RUDP_MEM_ACCT_H
#define RUDP_MEM_ACCT_H

#include "base.h"
#include "bounds.h"

struct arena;

#define MEM_NONE 0u

enum mem_dir { MEM_SND, MEM_RCV };

enum mem_lock_bits { SNDBUF_LOCK = 1, RCVBUF_LOCK = 2 };	/* SO_BUF_LOCK's */

struct mem_acct {
	struct arena *arena;
	u32 owner;		/* page table's name for us: OWNER_SOCK0 + sock index */
	u32 gen;		/* and its generation */
	u32 pages;		/* c of the identity */
	u32 partial;		/* page index of a partly free page, 0: none;
				 * chained through the page table */
	s64 forward_alloc;	/* charged, not used; bytes */
	s64 wmem_queued;	/* truesize, unsent and unacknowledged */
	s64 rmem_alloc;		/* truesize, in order and out of order */
	u32 sndbuf, rcvbuf;	/* limits for the two, bytes of truesize */
	u32 reserved;		/* SO_RESERVE_MEM, bytes */
	u8 lock_bits;		/* enum mem_lock_bits */
	u8 refused;		/* the last refusal came from the domain */
};

/* Opens an account of `arena` under the name owner/gen, with the domain's
 * default sndbuf and rcvbuf (wmem[1], rmem[1]); counts one socket in
 * sockets_allocated. Fails never. */
void mem_acct_init(struct mem_acct *a, struct arena *arena, u32 owner, u32 gen);

/* Closes it: all three byte counters must already say that nothing is used
 * (asserted: wmem_queued == rmem_alloc == 0). Gives every page back, counts
 * the socket off. */
void mem_acct_fini(struct mem_acct *a);

/* Closes an account whose lists cannot be trusted (its holder died): frees
 * by walking the page table for owner/gen. */
void mem_acct_purge(struct mem_acct *a);

/* n contiguous units, 1 <= n <= RUN_UNITS_MAX, charged to `dir`. Uses room in
 * pages already owned first (forward_alloc), else asks the domain for pages
 * through the decision ladder (R2.5; `force`: R2.7, cannot be refused by a
 * limit). MEM_NONE, nothing changed: refused by the domain (a->refused = 1)
 * or no address space or real memory to be had (a->refused = 0). */
u32 mem_alloc(struct mem_acct *a, unsigned n, enum mem_dir dir, bool force);

/* The same for payload: between 1 and `want` contiguous units (want <=
 * RUN_UNITS_MAX), as many as are to be had in one run, written to *got. A
 * sender that the ladder refuses still gets up to wmem[0] (R3.4). */
u32 mem_alloc_most(struct mem_acct *a, unsigned want, unsigned *got, enum mem_dir dir);

/* Makes the run that ends just before unit `end` longer by up to `want`
 * units, if those are free in pages of this account (or the next page is free
 * and the ladder grants it). Returns how many were added, 0 if none. */
unsigned mem_extend(struct mem_acct *a, u32 end, unsigned want, enum mem_dir dir);

/* Uncharges n units from `unit` on and gives wholly free pages back at once. */
void mem_free(struct mem_acct *a, u32 unit, unsigned n, enum mem_dir dir);

/* Takes over `npages` whole pages from the arena's pool account `from`, all
 * units in use, charged to MEM_RCV. False, nothing changed: refused. */
bool mem_adopt(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages,
	       bool force);

/* SO_RESERVE_MEM (R10.2): pre-pays so many bytes, rounded up to pages; gives
 * back what a lower value no longer keeps. -ENOMEM: refused, unchanged. */
int mem_reserve(struct mem_acct *a, u32 bytes);

/* R3.1 and R3.2's own-memory halves are in core/; these read the domain. */
bool mem_under_pressure(const struct mem_acct *a);	/* the flag */
bool mem_below_low(const struct mem_acct *a);		/* memory_allocated < low */
bool mem_above_high(const struct mem_acct *a);
bool mem_linux_rules(const struct mem_acct *a);		/* arena_kernel_rules() */
void mem_moderate_sndbuf(struct mem_acct *a);		/* R3.10 */

/* For tests: the nth request from now on (1: the next; any account, any of
 * mem_alloc, mem_alloc_most, mem_extend, mem_adopt) is refused, forced ones
 * too: as real shortage. 0: off. Run a scenario with n = 1, 2, 3 ... until
 * mem_test_refused() says that it ended before its nth request. One thread. */
void mem_test_refuse(u64 nth);
bool mem_test_refused(void);

/* Address of a unit; valid in every process of the family. */
void *mem_addr(const struct mem_acct *a, u32 unit);

/* R2.1 and the page table agree for this account (walks the table; tests and
 * debug builds). False: they do not. */
bool mem_acct_check(const struct mem_acct *a);

#endif
