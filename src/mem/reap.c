/*
 * reap.c - what dead families and processes left in the domain (D8.9).
 *
 * A row that is not free and whose lock nobody holds belongs to nobody. The
 * reaper, who has a lock of his own meanwhile, claims it by one compare-and-swap;
 * if he dies on the way, the next one takes over. What he subtracts he has taken out of the row
 * first, so that a death in between leaves the total too high, which the audit
 * at the end of every reaping finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/domain_local.h"

enum { AUDIT_TRIES = 16 };
#define PROC_ENDED UINT64_MAX

u64 proc_start_time(pid_t pid)
{
	char path[32], buf[512], *p;
	unsigned long long start = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');	/* the name may hold anything */
	if (p && (p[2] == 'Z' || p[2] == 'X'))
		return PROC_ENDED;	/* nobody has asked for its status yet */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		sscanf(p, "%llu", &start);
	return start;
}

static bool process_dead(pid_t pid, u64 start_time)
{
	u64 start;

	if (pid <= 0 || (kill(pid, 0) && errno == ESRCH))
		return true;
	start = proc_start_time(pid);
	return start == PROC_ENDED || (start && start_time && start != start_time);
}

/* A program's driver is one of its threads, a caretaker has no other. */
bool domain_row_deserted(const struct domain_arena *row)
{
	s32 pid = atomic_load(&row->pid);

	return pid == atomic_load(&row->tid) || process_dead(pid, atomic_load(&row->start_time));
}

static u64 pid_space(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
}

/* ---- processes -------------------------------------------------------------------- */

void domain_proc_add(struct domain *d, u32 row)
{
	s32 self = getpid();
	u64 space = pid_space();
	struct domain_proc *p;
	int i;

	for (i = 0; i < DOMAIN_PROCS; i++) {
		s32 seen = atomic_load(&d->procs[i].pid);
		bool ours = atomic_load(&d->procs[i].space) == space;

		if (seen && (seen != self || !ours))
			continue;
		if (seen == self || atomic_compare_exchange_strong(&d->procs[i].pid, &seen, self))
			break;
	}
	if (i == DOMAIN_PROCS)
		return;		/* it runs all the same, unlisted */
	p = &d->procs[i];
	atomic_store(&p->space, space);
	atomic_store(&p->arena, row);
	atomic_store(&p->start_time, proc_start_time(self));
	snprintf(p->comm, sizeof(p->comm), "%.15s", program_invocation_short_name);
}

void domain_proc_del(struct domain *d)
{
	s32 self = getpid();
	u64 space = pid_space();

	for (int i = 0; i < DOMAIN_PROCS; i++) {
		s32 pid = self;

		if (atomic_load(&d->procs[i].space) == space &&
		    atomic_compare_exchange_strong(&d->procs[i].pid, &pid, 0))
			return;
	}
}

/* Another container's pid says nothing here: its family does. */
static bool is_gone(const struct domain *d, const struct domain_proc *p, s32 pid, u64 space)
{
	u32 row = atomic_load(&p->arena);

	if (atomic_load(&p->space) == space)
		return process_dead(pid, atomic_load(&p->start_time));
	return row >= DOMAIN_ARENAS || !domain_row_held(d, row);
}

static void reap_procs(struct domain *d)
{
	u64 space = pid_space();

	for (int i = 0; i < DOMAIN_PROCS; i++) {
		struct domain_proc *p = &d->procs[i];
		s32 pid = atomic_load(&p->pid);

		if (pid && is_gone(d, p, pid, space))
			atomic_compare_exchange_strong(&p->pid, &pid, 0);
	}
}

/* ---- arenas --------------------------------------------------------------------------- */

/* An absurd number from a row is not subtracted; the audit makes it good. */
static s64 plausible(s64 n, s64 of)
{
	return n < 0 || n > of ? 0 : n;
}

/* One that is being reaped, by whoever has the lock, is held by nobody either. */
static bool is_dead(const struct domain *d, u32 i)
{
	return domain_row_state(&d->arenas[i]) != ROW_FREE && !domain_row_held(d, i);
}

static bool any_dead(const struct domain *d)
{
	for (u32 i = 0; i < DOMAIN_ARENAS; i++)
		if (is_dead(d, i))
			return true;
	return false;
}

/* The state first: who claims a free row holds it before. */
static bool claim_dead(struct domain *d, u32 i, u64 *claimed)
{
	struct domain_arena *row = &d->arenas[i];
	u64 state = atomic_load(&row->state);

	if (!is_dead(d, i))
		return false;
	*claimed = (state & ~3ull) | ROW_REAPING;
	return (state & 3) != ROW_FREE &&
	       atomic_compare_exchange_strong(&row->state, &state, *claimed);
}

static s64 reap_row(struct domain *d, u32 i, u64 claimed)
{
	struct domain_arena *row = &d->arenas[i];
	s64 total = domain_allocated(d);
	s64 pages = plausible(atomic_exchange(&row->charged, 0), total);
	s64 socks = plausible(atomic_exchange(&row->sockets, 0),
			      atomic_load(&d->sockets_allocated));

	atomic_fetch_sub(&d->memory_allocated, pages);
	atomic_fetch_sub(&d->sockets_allocated, socks);
	if (atomic_load(&row->seq) & 1)		/* somebody died inside */
		atomic_fetch_add(&row->seq, 1);
	atomic_store(&row->credit, 0);
	atomic_store(&row->pool, 0);
	atomic_store(&row->orphans, 0);
	atomic_store(&row->timewait, 0);
	atomic_store(&row->pid, 0);
	atomic_compare_exchange_strong(&row->state, &claimed, claimed & ~3ull);
	atomic_fetch_add(&d->config, 1);
	domain_count(d, CNT_MemReaped, (u64)pages);
	return pages;
}

/* False: nobody has died. */
static bool reap_rows(struct domain *d, long *pages)
{
	bool any = false;
	u64 claimed;
	int lock;

	*pages = 0;
	if (domain_fd(d) < 0 || domain_local(d)->readonly || !any_dead(d))
		return false;
	lock = domain_lock(d, LOCK_REAPER, false);
	if (lock < 0)
		return false;
	for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
		if (!claim_dead(d, i, &claimed))
			continue;
		*pages += reap_row(d, i, claimed);
		any = true;
	}
	domain_unlock(lock, LOCK_REAPER);
	return any;
}

static void after_reaping(struct domain *d)
{
	reap_procs(d);
	domain_audit(d);
	domain_look(d);
}

long domain_reap_rows(struct domain *d)
{
	long pages;

	if (reap_rows(d, &pages))
		after_reaping(d);
	return pages;
}

long domain_reap(struct domain *d)
{
	long pages;

	reap_rows(d, &pages);
	if (domain_fd(d) >= 0 && !domain_local(d)->readonly)
		after_reaping(d);
	return pages;
}

/* ---- the audit ---------------------------------------------------------------------------- */

struct sums {
	u64 seqs;
	s64 charged, sockets;
};

/* False: some row is changing. A free row is counted, too: it holds zeros, or
 * what a reaper that died left. */
static bool sum_rows(const struct domain *d, struct sums *s)
{
	*s = (struct sums){ 0 };
	for (int i = 0; i < DOMAIN_ARENAS; i++) {
		const struct domain_arena *row = &d->arenas[i];
		u32 seq = atomic_load(&row->seq);

		if (seq & 1 || domain_row_state(row) == ROW_REAPING)
			return false;
		s->seqs += seq;
		s->charged += atomic_load(&row->charged);
		s->sockets += atomic_load(&row->sockets);
	}
	return true;
}

static bool one_moment(const struct domain *d, struct sums *s, s64 *total, s64 *socks)
{
	struct sums again;

	if (!sum_rows(d, s))
		return false;
	*total = atomic_load(&d->memory_allocated);
	*socks = atomic_load(&d->sockets_allocated);
	return sum_rows(d, &again) && again.seqs == s->seqs &&
	       again.charged == s->charged && again.sockets == s->sockets;
}

long domain_audit(struct domain *d)
{
	for (int i = 0; i < AUDIT_TRIES; i++) {
		s64 total, socks, diff;
		struct sums s;

		if (!one_moment(d, &s, &total, &socks))
			continue;
		diff = (s64)((u64)total - (u64)s.charged);
		if (diff) {
			atomic_fetch_sub(&d->memory_allocated, diff);
			/* absurd ones count as many, not as overflow */
			domain_count(d, CNT_MemAudit,
				     min(diff < 0 ? -(u64)diff : (u64)diff, (u64)UINT32_MAX));
		}
		if (socks != s.sockets)
			atomic_fetch_sub(&d->sockets_allocated,
					 (s64)((u64)socks - (u64)s.sockets));
		return (long)diff;
	}
	return 0;
}
