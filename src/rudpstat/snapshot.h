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

#include <linux/tcp.h>
#include "base.h"
#include "core/conn.h"
#include "mem/domain.h"
#include "rt/sock.h"

enum { STAT_COMM = 16, STAT_ADDR = 64 };

struct stat_proc {
	s32 pid;
	char comm[STAT_COMM];
	u64 charged;		/* pages of the arena this process drives */
	u64 sockets;		/* and its socks; 0 for other family members */
};

struct stat_conn {
	u64 id;
	enum conn_state st;	/* any number: shared memory */
	const char *state;	/* as ss(8) names them */
	union sock_addr laddr, paddr;
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
	struct tcp_info ti;	/* what TCP_INFO says of it */
	s32 ctl_tid;		/* with pid, ctl_fd: where its arena can be opened */
	s32 ctl_fd;
	u32 index, gen;		/* its slot there */
};

struct stat_domain {
	char name[DOMAIN_NAME_MAX];
	u32 uid;
	struct mem_limits limits;
	u64 allocated;		/* pages */
	bool under_pressure;
	double pressure_seconds;	/* in all, this episode included */
	double pressure_now;		/* this episode; 0: none */
	usec_t taken;			/* when, by the monotonic clock */
	u64 inuse, orphan, timewait, alloc;
	u64 counters[CNT_COUNT];
	u64 since[CNT_COUNT];		/* the last look, count.h */

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

/* Every domain of the user, or `name` alone; without those that vanished
 * meanwhile. The first error that is told (-errno), with its domain in
 * failed[DOMAIN_NAME_MAX]; what could be taken is there all the same. */
int snapshot_all(struct stat_domain **ret, size_t *n, const char *name, char *failed);
void snapshot_free_all(struct stat_domain *s, size_t n);

extern const char *const counter_names[CNT_COUNT];
extern const char *const counter_descs[CNT_COUNT];
const char *state_name(unsigned state);	/* as ss(8) names them; "?": none */
const char *ca_state_name(unsigned s);	/* "?": no such state */
const char *cc_name(u8 id);

const char *limited_name(unsigned why);	/* enum tx_why, for people */

/* Bits per second that the connection delivers, as TCP_INFO guesses. */
static inline double send_rate(const struct stat_conn *c)
{
	return c->conn.rtt.srtt_us ?
	       (double)c->conn.cwnd * c->conn.mss * 8e6 / c->conn.rtt.srtt_us : 0;
}

#endif
