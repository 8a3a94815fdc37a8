/*
 * arena.h - the memory of one process family: two memfds, mapped shared at
 * one address that the domain handed out, growing in pieces.
 *
 *   base ............................ control region (memfd "librudp")
 *     struct arena                    this header
 *     sock slots                      SOCK_SLOT bytes each, index 0..
 *     page table                      16 bytes a page
 *   base + ARENA_BUF_OFF ............ buffer region (memfd "librudp-buf")
 *     pages of 4096 bytes             page 0 is never handed out
 *
 * The page table is the ground truth. Everything else here (free map, counts)
 * is a cache that arena_recount() rebuilds from it when the allocator lock's
 * owner died.
 *
 * Locks: `lock` (robust, process-shared) guards page table ownership, the
 * free map and the counters; it is a leaf lock: nothing else is taken under
 * it. Unit maps of an owned page are guarded by its owner's sock lock.
 *
 * The core and the simulator use arenas over plain anonymous memory
 * (arena_init_private); the code is the same, only grow() differs.
 */
#ifndef RUDP_MEM_ARENA_H
#define RUDP_MEM_ARENA_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include "base.h"
#include "bounds.h"
#include "mem/acct.h"

struct domain;

/* One page. `owner`: enum below; a sock's is
 * valid together with gen. */
struct page_entry {
	u32 owner;
	u32 gen;
	u32 next;		/* account's chain of partly free pages */
	u16 used;		/* map of its 16 units */
	u16 flags;		/* PAGE_TOUCHED: has a block in the memfd */
};
static_assert(sizeof(struct page_entry) == 16, "16 bytes a page");

enum { OWNER_FREE = 0, OWNER_POOL = 1, OWNER_SOCK0 = 2 };

struct arena;	/* layout in arena_layout.h: only mem/, rt/ and stat readers */

/* Makes the family's arena: reserves nothing beyond the first piece, takes an
 * arena slot of `d` (address, accounting). 0 or -errno. Any thread, once. */
int arena_create(struct arena **ret, struct domain *d);
/* The memfds, as numbers in the table of the thread that created. Nothing but
 * other families' attaching needs them afterwards: mappings grow in place and
 * holes are punched through them. */
void arena_fds(const struct arena *ar, int *ctl, int *buf);
/* And the descriptor whose lock says that the family lives; -1: private. */
int arena_hold_fd(const struct arena *ar);
/* They are under these numbers now, in the table of whoever drives. */
void arena_moved_fds(struct arena *ar, int ctl, int buf, int hold);
/* Maps an arena by its three descriptors, as one of its family does. */
int arena_attach_fds(struct arena **ret, struct domain *d, u32 row, int ctl, int buf, int hold);
/* Tells everybody where they lie open now. */
void arena_publish(struct arena *ar, pid_t pid, pid_t tid, int ctl_fd, int buf_fd);
/* Maps another family's arena, row `row` of `d`, at its address. Read-only
 * ones do not keep the family alive. -ESRCH: nobody lives there. */
int arena_attach(struct arena **ret, struct domain *d, u32 row, bool readonly);
void arena_detach(struct arena *ar);	/* unmaps, this process only */
u32 arena_row(const struct arena *ar);

/* Maps what the family has grown to meanwhile. To be called with a sock's lock
 * just taken, before anything that its pointers lead to is read: other
 * processes may have put it into pages that this one has not mapped yet.
 * False: no address space (ENOMEM); the sock must be left alone. */
bool arena_sync(struct arena *ar);

/* An arena of `pages` buffer pages and `slots` sock slots over anonymous
 * private memory, for simulator and unit tests. `d` likewise private. */
int arena_create_private(struct arena **ret, struct domain *d, u32 pages, u32 slots,
			 size_t slot_size);
void arena_destroy_private(struct arena *ar);

/* What every slot begins with. */
struct slot_head {
	pthread_mutex_t lock;	/* robust, process-shared; made once, for ever */
	_Atomic u32 gen;	/* raised by arena_slot_put */
	u32 index;
};

/* Sock slots: a slot, zeroed but for its head, and its generation, or NULL
 * (errno ENFILE: the socket limit). put: the slot's lock may be held. */
void *arena_slot_get(struct arena *ar, u32 *index, u32 *gen);
void arena_slot_put(struct arena *ar, u32 index);
void *arena_slot(struct arena *ar, u32 index);		/* NULL: out of range */
u32 arena_slots_max(const struct arena *ar);	/* one above the highest ever used */

/* The driver's pool account: receive buffers before their sock is known. */
struct mem_acct *arena_pool(struct arena *ar);
/* Pages the pool may hold now: clamp(high / (32 * arenas), 16, 512). */
unsigned arena_pool_target(const struct arena *ar);

/* A driver's 100 ms tick: give back credit that was not used for a second,
 * flush it when the domain asks, punch out what exceeds it, level-triggered
 * look at pressure while the flag is set. */
void arena_tick(struct arena *ar, usec_t now);

/* There is credit or pressure to be looked at: tick again. */
bool arena_wants_tick(const struct arena *ar);
/* Gives all credit back at once: at exit. */
void arena_flush(struct arena *ar);
/* For tests: Linux's own rules in its whole domain, without D8.4 and D8.5. */
void arena_kernel_rules(struct arena *ar, bool on);

struct domain *arena_domain(const struct arena *ar);
struct page_entry *arena_page(const struct arena *ar, u32 page);
void *arena_unit_addr(const struct arena *ar, u32 unit);

/* Rebuilds caches from the page table; corrects the domain by the difference.
 * Returns the pages that were charged and not there, or there and not charged.
 * Lock held by the caller, or taken inside when `locked` is false. */
long arena_recount(struct arena *ar, bool locked);

#endif
