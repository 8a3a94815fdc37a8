/*
 * domain_local.h - what a process remembers of a domain it has mapped, in the
 * page before it. Private to mem/.
 */
#ifndef RUDP_MEM_DOMAIN_LOCAL_H
#define RUDP_MEM_DOMAIN_LOCAL_H

#include "mem/domain.h"

struct domain_local {
	_Atomic int fd;		/* of the object; -1: private */
	bool readonly;
	dev_t dev;		/* the object: a program may close or replace what it */
	ino_t ino;		/* does not know */
	char path[DOMAIN_NAME_MAX + 32];
};

static inline struct domain_local *domain_local(const struct domain *d)
{
	return (struct domain_local *)((uintptr_t)d - PAGE_BYTES);
}

/* Bytes of the object behind those of the rows; for as long as it takes. Locks of
 * open files: the kernel drops a dead one's, and process ids mean nothing to those
 * who share a domain from several containers. -errno: it is not locked (-EAGAIN,
 * -EACCES: somebody has it). */
enum domain_lock { LOCK_LIMITS = DOMAIN_ARENAS, LOCK_REAPER };
int domain_lock(struct domain *d, enum domain_lock which, bool wait);
void domain_unlock(int lock, enum domain_lock which);

/* A descriptor of its own for the object, with the row's liveness lock taken
 * through it: whatever maps it keeps the row alive. 0 or -errno; a private
 * domain has none, *fd is -1 then. */
int domain_hold_row(struct domain *d, u32 row, int *fd);
/* Does any family hold the row? Who can't tell says that one does. */
bool domain_row_held(const struct domain *d, u32 row);

/* Free row -> being made, held by *fd (domain_hold_row). The index, or
 * -ENFILE. Rows below `from` are not considered. */
int domain_row_claim(struct domain *d, u32 from, int *fd);
void domain_row_live(struct domain *d, u32 row);
/* Gives up a row that was claimed and has charged nothing. */
void domain_row_drop(struct domain *d, u32 row);

u32 domain_arenas(const struct domain *d);	/* live rows, at least 1 */

u64 proc_start_time(pid_t pid);		/* 0: no such process, or no /proc */
u64 mem_now_ms(void);

/* mem_available_pages() with the files named. */
u64 mem_available_from(const char *meminfo, const char *self_cgroup,
		       const char *cgroup_root, u64 *total_bytes);

#endif
