/*
 * snapshot.h - what rudpstat knows of a domain: a copy, taken once, in plain
 * types. Everything comes from shared memory that other processes write at
 * will, and that a dying one may leave in any state; so every length and
 * index is checked on the way in, and what makes no sense is left out.
 *
 * A sock is read without its lock: its slot is copied, and the copy counts
 * only if the slot's generation was the same before and after. Numbers of one
 * sock may be some microseconds apart from each other.
 */
#ifndef RUDPSTAT_SNAPSHOT_H
#define RUDPSTAT_SNAPSHOT_H

#include "base.h"
#include "core/conn.h"
#include "mem/domain.h"

enum { STAT_COMM = 16, STAT_ADDR = 64 };

struct stat_proc {
	s32 pid;
	char comm[STAT_COMM];
	u64 charged;		/* pages of the arena this process drives */
	u64 sockets;		/* and its socks; 0 for other family members */
};

struct stat_conn {
	u64 id;
	const char *state;	/* as ss(8) names them */
	char local[STAT_ADDR], peer[STAT_ADDR];
	s32 pid;		/* its driver */
	char comm[STAT_COMM];
	bool orphan, listener;
	u64 recv_q, send_q;	/* payload; listener: queued, backlog */
	struct {
		s64 rmem_alloc, rcvbuf, wmem_alloc, sndbuf, forward_alloc,
		    wmem_queued, optmem, backlog, drops;
	} skmem;
	struct conn conn;	/* pointers in it are meaningless here */
};

struct stat_domain {
	char name[DOMAIN_NAME_MAX];
	u32 uid;
	struct mem_limits limits;
	u64 allocated;		/* pages */
	bool under_pressure;
	double pressure_seconds;	/* in all, this episode included */
	u64 inuse, orphan, timewait, alloc;
	u64 counters[CNT_COUNT];

	struct stat_proc *procs;
	size_t nprocs;
	struct stat_conn *conns;
	size_t nconns;
};

/* Names of this user's domains in /dev/shm, sorted; free with names_free(). */
int domain_names(char ***ret, size_t *count);
void names_free(char **names, size_t count);

/* 0 or -errno. */
int snapshot_take(struct stat_domain *s, const char *name);
void snapshot_free(struct stat_domain *s);

extern const char *const counter_names[CNT_COUNT];
extern const char *const counter_descs[CNT_COUNT];
const char *ca_state_name(unsigned s);	/* "?": no such state */
const char *cc_name(u8 id);

/* Printers. */
enum show {
	SHOW_SOCKETS = 1, SHOW_MEMORY = 2, SHOW_INFO = 4, SHOW_COUNTERS = 8,
	SHOW_JSON = 16, SHOW_NO_HEADER = 32,
};

void text_print(const struct stat_domain *s, unsigned show);
int json_print(const struct stat_domain *s, size_t n);	/* -ENOMEM, -EIO */

#endif
