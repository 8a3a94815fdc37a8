/*
 * domain.h - the accounting group: one POSIX shared-memory object per user and
 * RUDP_DOMAIN name ("/rudp.<uid>.<name>", mode 0600, below 1 MiB), holding the
 * limits, the shared counters, the pressure flag, the tables of arenas and of
 * processes. Everything in it is atomics; there is no lock over the account.
 * Limits are replaced as one (sequence count), tables by compare-and-swap.
 *
 * What is in shared memory is writable by every process of the user: values
 * are clamped when read, never used as an index unchecked; an absurd counter
 * triggers an audit, never an abort.
 */
#ifndef RUDP_MEM_DOMAIN_H
#define RUDP_MEM_DOMAIN_H

#include <stdatomic.h>
#include <sys/types.h>
#include "base.h"
#include "bounds.h"
#include "mem/metrics.h"

/* Limits, in the units of the environment variables after parsing. */
struct mem_limits {
	u64 mem[3];		/* low, pressure, high; pages */
	u32 wmem[3];		/* min, default, max; bytes */
	u32 rmem[3];
	u32 wmem_max, rmem_max;	/* what setsockopt may ask for; bytes */
	u32 max_orphans;
	u32 notsent_lowat;
	u32 reserve;		/* R of D8.3; 0: by the formula */
	u32 ssthresh_metrics;	/* 1: connections start with the last one's ssthresh */
};

enum counter {
#define COUNTER(name, desc) CNT_##name,
#include "stat/counters.def"
#undef COUNTER
	CNT_COUNT
};

/* A row of the table of arenas. Its charge counts until a reaper has taken it
 * back, so the state moves by compare-and-swap of one word, which also names
 * the generation. A family is alive
 * as long as the byte of its row in the domain object is locked: every mapping
 * of the family holds that lock, the kernel drops it with the last one. */
enum row_state { ROW_FREE, ROW_MAKING, ROW_LIVE, ROW_REAPING };

struct domain_arena {
	_Atomic u64 state;	/* row_state | generation << 2 */
	_Atomic u32 seq;	/* odd while the counters below change */
	_Atomic s32 pid;	/* whose event thread holds the memfds ... */
	_Atomic s32 tid;
	_Atomic s32 ctl_fd, buf_fd;	/* ... under these numbers; -1: not yet */
	_Atomic u64 hello;	/* abstract name of the driver, "rudp-%016llx"; 0: none */
	_Atomic u64 start_time;	/* of pid, from /proc: tells a reused pid */
	_Atomic u64 base;	/* address, the same for every process */
	_Atomic s64 charged;	/* pages charged to the domain by this arena,
				 * credit and pool included */
	_Atomic s64 credit;
	_Atomic s64 pool;
	_Atomic s64 sockets;	/* part of sockets_allocated */
	_Atomic s64 orphans;
	_Atomic s64 timewait;
};

static inline enum row_state domain_row_state(const struct domain_arena *row)
{
	return (enum row_state)(atomic_load(&row->state) & 3);
}

/* Its program has ended: its caretaker drives it, or is about to. */
bool domain_row_deserted(const struct domain_arena *row);

struct domain_proc {		/* a row of the table of processes */
	_Atomic u64 space;	/* in which the pid is one: inode of its namespace */
	_Atomic s32 pid;	/* 0: free */
	_Atomic u32 arena;	/* row of its family's */
	_Atomic u64 start_time;
	char comm[16];
};

struct domain {
	char magic[8];		/* "rudpdom" */
	u32 version;		/* layout; another one is refused */
	u32 size;
	u32 uid;
	char name[DOMAIN_NAME_MAX];
	_Atomic u32 ready;	/* set last by the creator */

	/* Limits are written into the copy that is not in force, then the
	 * number is raised: copy limits_seq % 2 counts. */
	_Atomic u32 limits_seq;
	struct mem_limits limits[2];
	_Atomic u32 config;	/* raised when limits or the count of arenas change */
	_Atomic u32 linux_rules;	/* for tests: without D8.4 and D8.5 */
	_Atomic u32 metrics_rows;	/* used of the table of destinations */

	/* One line of their own each: every charge writes the first. */
	_Alignas(64) _Atomic s64 memory_allocated;	/* pages */
	_Alignas(64) _Atomic s64 sockets_allocated;
	_Alignas(64) _Atomic u64 pressure_since;	/* ms; 0: clear */
	_Atomic u32 flush;	/* episodes of pressure: credit is to be given back */
	_Atomic u64 reaped_at;	/* when dead families were looked for; microseconds */
	_Alignas(64) _Atomic u64 counters[CNT_COUNT];

	struct domain_arena arenas[DOMAIN_ARENAS];
	struct domain_proc procs[DOMAIN_PROCS];
	struct metrics_row metrics[METRICS_ROWS];	/* of destinations; the last */
};
static_assert(sizeof(struct domain) < 1024 * 1024, "the domain is small");

/* Attaches the domain `name` of this user, making it with `want` (NULL:
 * defaults from memory, D8.17) when it is not there, or is of another version
 * and nobody's any more; when it is there and `explicit` is set, `want` replaces
 * its limits. Dead processes' arenas are reaped on the way. 0; -errno when there is no shared memory to be had (the
 * caller falls back to domain_private). Any thread. */
int domain_attach(struct domain **ret, const char *name, const struct mem_limits *want,
		  bool explicit);
/* One of the process's own, over anonymous memory: simulator, tests, and the
 * fallback. */
struct domain *domain_private(const struct mem_limits *want);
void domain_detach(struct domain *d);
/* Read-only, never made: for rudpstat. */
int domain_open(struct domain **ret, const char *name);
/* The same by the object's descriptor, which another process of the family gave.
 * Keeps it. */
int domain_attach_fd(struct domain **ret, int fd);
/* The object's descriptor, in the table of the thread that attached (-1:
 * private). Reaping needs it: whoever moves it to another table says where it
 * is now, in that table. */
int domain_fd(const struct domain *d);
void domain_moved_fd(struct domain *d, int fd);

/* Defaults for a machine with `m` pages usable for buffers (R1.3, R1.4). */
void mem_limits_default(struct mem_limits *l, u64 m_pages, u64 total_bytes);
/* Rows of the table of destinations for such a machine: one for 2 MiB. */
u32 mem_metrics_rows(u64 m_pages);
/* M of R1.3 and D8.17: MemTotal and every cgroup limit above us. */
u64 mem_available_pages(u64 *total_bytes);
/* Checks D8.14: NULL, or the name of the limit that is wrong. */
const char *mem_limits_check(const struct mem_limits *l);
/* What such a limit may be, as text; NULL: there is none of that name. */
const char *mem_limits_accepted(const char *limit);
/* "low pressure high" in pages, or bytes with K, M, G; "min default max" in
 * bytes or K, M, G. False: malformed, the output is untouched. */
bool mem_parse_mem(const char *s, u64 out_pages[3]);
bool mem_parse_bytes3(const char *s, u32 out[3]);
bool mem_parse_number(const char *s, u32 *out, bool suffix);	/* one; K, M, G allowed? */

/* As a whole, never half old and half new; absurd ones are mended. */
void domain_limits(const struct domain *d, struct mem_limits *out);
/* -EINVAL: mem_limits_check() says why. Looks at pressure (D8.10). */
int domain_set_limits(struct domain *d, const struct mem_limits *l);

/* Would the families' receive buffers alone fill a third of high (D8.14)? */
bool domain_is_tight(const struct domain *d);

/* The account. All atomic, any thread. */
s64 domain_allocated(const struct domain *d);		/* never below 0 */
void domain_enter_pressure(struct domain *d);		/* R2.9 */
void domain_leave_pressure(struct domain *d);
bool domain_under_pressure(const struct domain *d);
void domain_look(struct domain *d);			/* D8.10: by level */
static inline void domain_count(struct domain *d, enum counter c, u64 n)
{
	atomic_fetch_add_explicit(&d->counters[c], n, memory_order_relaxed);
}

/* The clock of pressure_since and the counter; NULL: the monotonic one. For
 * the simulator. Microseconds. */
void mem_set_clock(usec_t (*now)(void));

/* The table of processes: this one, of the family in `row`. Any thread. */
void domain_proc_add(struct domain *d, u32 row);
void domain_proc_del(struct domain *d);

/* Gives back what dead families held (D8.9), frees dead processes' rows, then
 * audits. Needs the descriptor. Pages returned. */
long domain_reap(struct domain *d);
/* The families alone: cheap, and an audit only where one was found. */
long domain_reap_rows(struct domain *d);
/* Makes memory_allocated and sockets_allocated the sums over the arenas, if
 * one moment can be found at which none is changing. Pages corrected. */
long domain_audit(struct domain *d);

#endif
