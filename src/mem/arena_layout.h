/*
 * arena_layout.h - where things lie inside an arena. For mem/, rt/ and readers
 * of statistics.
 *
 *   head     struct arena, slot table, two maps of pages: mapped at once
 *   trace    rings of events, each of one connection that rudpstat follows
 *   local    one page that is *private* to each process (and copied by fork):
 *            how much this process has mapped, and where its domain lies
 *   lock     one page of the domain object, without access: it keeps the
 *            family's liveness lock (domain.h) as long as anybody maps it
 *   table    page entries          )
 *   slots    sock slots            ) grown in place, by mremap
 *   buffer   pages                 )
 *
 * Growing. `pages` and `slots` in the head say what somebody has mapped; only
 * numbers below them are in use. A process whose own mark (in `local`) is lower
 * maps the difference when it meets a number above its mark, or, since plain
 * pointers tell nothing, when it enters a sock: arena_sync(). An existing
 * mapping of a file grows without a descriptor, so any thread can do it,
 * whatever its table of descriptors.
 */
#ifndef RUDP_MEM_ARENA_LAYOUT_H
#define RUDP_MEM_ARENA_LAYOUT_H

#include "mem/arena.h"
#include "mem/domain.h"

#if defined(__SANITIZE_THREAD__)
#define ARENA_LOW_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ARENA_LOW_ADDRESSES 1
#endif
#endif

#ifdef ARENA_LOW_ADDRESSES	/* ThreadSanitizer has a shadow for these alone */
#define ARENA_BASE	0x1000000000ULL
#define ARENA_STRIDE	(1ULL << 30)
#define ARENA_PAGES	(128u << 10)
#define ARENA_SLOTS	(16u << 10)
#define ARENA_SLOTS_OFF	(32ULL << 20)
#define ARENA_BUF_OFF	(256ULL << 20)
#else
#define ARENA_BASE	0x200000000000ULL
#define ARENA_STRIDE	(64ULL << 30)
#define ARENA_PAGES	(12u << 20)	/* 48 GiB */
#define ARENA_SLOTS	(256u << 10)
#define ARENA_SLOTS_OFF	(256ULL << 20)
#define ARENA_BUF_OFF	(8ULL << 30)
#endif
#define ARENA_SLOTTAB_OFF (16ULL << 10)
#define ARENA_MAPS_OFF	(4ULL << 20)
#define ARENA_HEAD_LEN	(ARENA_MAPS_OFF + 2 * (ARENA_PAGES / 8))
#define ARENA_TRACE_OFF	(7ULL << 20)
#define ARENA_TRACE_RING (256ULL << 10)
#define ARENA_TRACE_RINGS 4u
#define ARENA_HEAD_END	(ARENA_TRACE_OFF + ARENA_TRACE_RINGS * ARENA_TRACE_RING)
#define ARENA_LOCAL_OFF	(8ULL << 20)
#define ARENA_LOCK_OFF	(ARENA_LOCAL_OFF + PAGE_BYTES)
#define ARENA_TABLE_OFF	(16ULL << 20)

#define ARENA_MAGIC	"rudparn"
#define ARENA_VERSION	4u

/* Pieces: address space is a limited good to some programs. */
#define PIECE_PAGES_MIN	1024u		/* 4 MiB */
#define PIECE_PAGES_MAX	16384u		/* 64 MiB */
#define PIECE_SLOTS_MIN	64u
#define PIECE_SLOTS_MAX	4096u

/* page_entry.flags */
#define PAGE_TOUCHED	1u		/* it may have a block in the memfd */

struct slot_entry {
	u32 gen;
	u32 next_free;		/* index + 1 */
	u8 made;		/* its lock is initialised */
	u8 used;
	u8 acct;		/* an account of its is open: one of `sockets` */
	u8 pad;
};

enum { RUN_CLASSES = 5 };	/* runs of at least 1, 2, 4, 8, 16 pages */

/* Free pages that somebody, who holds its lock, gives back to the system right
 * now (punch.c). The rest is guarded by the arena's lock. */
struct punch {
	pthread_mutex_t lock;	/* robust */
	_Atomic u32 n;		/* 0: none; hints read it without a lock */
	u32 page;
	s64 owed;		/* of them are charged until it is done */
};

enum { ARENA_PUNCHES = 8 };	/* at once */

/* All guarded by `lock`, but for what is marked otherwise. */
struct arena {
	char magic[8];		/* constant */
	u32 version;		/* constant */
	u32 row;		/* constant: of the domain's table */
	u64 base;		/* constant */
	u32 pages_limit;	/* constant */
	u32 slots_limit;	/* constant */
	u32 slot_bytes;		/* constant */
	u32 is_private;		/* constant: anonymous memory, nothing to punch */

	_Alignas(64) pthread_mutex_t lock;
	_Atomic u32 pages;	/* mapped by somebody; read without the lock */
	_Atomic u32 slots;
	u32 used;		/* pages that are not free */
	u32 resident;		/* free pages that may have a block */
	u32 taken_fresh;	/* the last take had pages without a block */
	u32 resident_top;	/* no such page in a word of the map above this */
	u32 hint[RUN_CLASSES];	/* no run of the class begins in a word below */

	/* the domain's limits as of `config`, and what follows from them */
	u32 config;
	_Atomic u32 arenas;	/* live ones of the domain; read without the lock */
	u32 r;			/* R of D8.3 */
	u32 k;			/* and K */
	u32 grant;		/* one sock's part of G in D8.4, pages */
	struct mem_limits lim;

	s64 credit;		/* the row has a copy of the sum of the three */
	s64 waiting;		/* charged for free pages until they are not resident */
	s64 going;		/* likewise, those in `punch` */
	s64 credit_least;	/* since the last look */
	usec_t credit_look, reap_look;
	u32 flush_seen;
	u32 audit_due;
	s64 drift;		/* charged - used - credit at the last tick */

	u32 slot_free;		/* index + 1 */
	_Atomic u32 slot_top;	/* one above the highest ever used; read without */

	u32 accts_outside;	/* open accounts that have no slot (tests) */

	struct mem_acct pool;	/* guarded by the driver */

	struct punch punch[ARENA_PUNCHES];
};
static_assert(sizeof(struct arena) <= ARENA_SLOTTAB_OFF, "the head's first part");
static_assert(ARENA_SLOTTAB_OFF + ARENA_SLOTS * sizeof(struct slot_entry) <= ARENA_MAPS_OFF,
	      "the slot table");
static_assert(ARENA_HEAD_LEN <= ARENA_TRACE_OFF, "the maps");
static_assert(ARENA_HEAD_END <= ARENA_LOCAL_OFF, "the rings");
static_assert(ARENA_TABLE_OFF + ARENA_PAGES * sizeof(struct page_entry) <= ARENA_SLOTS_OFF,
	      "the page table");
static_assert(ARENA_SLOTS_OFF + (u64)ARENA_SLOTS * SOCK_SLOT <= ARENA_BUF_OFF, "the slots");
static_assert(ARENA_BUF_OFF + (u64)ARENA_PAGES * PAGE_BYTES <= ARENA_STRIDE, "the buffer");

/* This process's view. Threads of it race to raise `pages` and `slots`. */
struct arena_local {
	_Atomic u32 pages, slots;
	u32 readonly;
	int ctl_fd, buf_fd, hold_fd;
	struct domain *domain;
	struct domain_arena *row;
	struct page_entry *table;
	char *slots_at;
	char *buf;
	u64 *free_map;		/* a bit a page: it is free */
	u64 *resident_map;	/* and may have a block */
	struct slot_entry *slottab;
	size_t map_len;		/* private arenas: the whole */
};

static inline struct arena_local *arena_local(const struct arena *ar)
{
	return (struct arena_local *)((uintptr_t)ar + ARENA_LOCAL_OFF);
}

/* Ring i; a page that nobody has written to takes no memory. */
static inline void *arena_trace(const struct arena *ar, unsigned i)
{
	return (char *)(uintptr_t)ar + ARENA_TRACE_OFF + i * ARENA_TRACE_RING;
}

bool arena_sync_slow(struct arena *ar);

static inline bool arena_synced(struct arena *ar)
{
	const struct arena_local *l = arena_local(ar);

	return likely(atomic_load_explicit(&ar->pages, memory_order_acquire) <=
		      atomic_load_explicit(&l->pages, memory_order_relaxed) &&
		      atomic_load_explicit(&ar->slots, memory_order_acquire) <=
		      atomic_load_explicit(&l->slots, memory_order_relaxed));
}

/* The allocator lock. Leaves the row's sequence number odd while held, so that
 * an auditor sees either all or nothing of what is done under it. */
void arena_lock(struct arena *ar);
void arena_unlock(struct arena *ar);	/* and gives back what is resident in excess */
void arena_release(struct arena *ar);	/* the lock alone */

/* ---- pages.c: lock held --------------------------------------------------- */

u32 pages_take(struct arena *ar, unsigned n, u32 owner, u32 gen);
/* As many as `n` that begin at `page`; 0 if that one is not free. */
unsigned pages_free_at(const struct arena *ar, u32 page, unsigned n);
/* Page has a block, or no free page has: taking it is as good as any. */
bool pages_warm_at(const struct arena *ar, u32 page);
void pages_take_at(struct arena *ar, u32 page, unsigned n, u32 owner, u32 gen);
/* n, or a shorter run that is there. */
u32 pages_take_most(struct arena *ar, unsigned n, unsigned *got, u32 owner, u32 gen);
void pages_give(struct arena *ar, u32 page, unsigned n);
void pages_rename(struct arena *ar, u32 page, unsigned n, u32 owner, u32 gen);
/* The highest run of free pages that may have blocks, at most `most` of it; 0:
 * none that is mapped here. */
u32 pages_highest_resident(struct arena *ar, unsigned most, unsigned *n);
/* Takes free pages out of the maps, as if there were none; puts them back. */
void pages_hide(struct arena *ar, u32 page, unsigned n);
void pages_show(struct arena *ar, u32 page, unsigned n, bool blocks);
void pages_added(struct arena *ar, u32 from, u32 to);
/* Lock not held. Gets real memory for pages just taken; false: there is none. */
bool pages_populate(struct arena *ar, u32 page, unsigned n);

/* ---- punch.c: lock held ---------------------------------------------------- */

void punch_init(struct arena *ar);
/* Gives memory of free pages back to the system until no more are resident than
 * the credit (D8.16), a bounded number; lets the lock go meanwhile. */
void punch_excess(struct arena *ar);
/* What one who died was at is free again. */
void punch_recover(struct arena *ar);
/* Before a recount has looked at the maps, and after it. */
void punch_before_recount(struct arena *ar);
void punch_recount(struct arena *ar);

/* ---- arena.c, slots.c ---------------------------------------------------------- */

void arena_lock_init(pthread_mutex_t *m);
void arena_init(struct arena *ar, u32 slot_bytes);
void arena_init_pool(struct arena *ar);
void arena_recount_slots(struct arena *ar);	/* lock held */

/* ---- arena_map.c ------------------------------------------------------------- */

bool arena_grow(struct arena *ar);	/* lock held: another piece of pages */
bool arena_grow_slots(struct arena *ar);

#endif
