/*
 * socks.c - reads sock slots out of a living arena. Nothing is mapped: the
 * control memfd is read like a file, so that no length that somebody changes
 * meanwhile can make us touch memory that is not there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "rt/sock.h"
#include "rudpstat/socks.h"

enum { SLOTS_AT_ONCE = 1024, REST_TRIES = 64 };

/* ---- names -------------------------------------------------------------------- */

const char *state_name(unsigned state)
{
	static const char *const names[] = {
		[CONN_ESTABLISHED] = "ESTAB", [CONN_SYN_SENT] = "SYN-SENT",
		[CONN_SYN_RECV_unused] = "SYN-RECV", [CONN_FIN_WAIT1] = "FIN-WAIT-1",
		[CONN_FIN_WAIT2] = "FIN-WAIT-2", [CONN_TIME_WAIT] = "TIME-WAIT",
		[CONN_CLOSED] = "UNCONN", [CONN_CLOSE_WAIT] = "CLOSE-WAIT",
		[CONN_LAST_ACK] = "LAST-ACK", [CONN_LISTEN] = "LISTEN",
		[CONN_CLOSING] = "CLOSING",
	};

	return state < ARRAY_SIZE(names) && names[state] ? names[state] : "?";
}

const char *ca_state_name(unsigned s)
{
	static const char *const names[] = { "Open", "Disorder", "CWR", "Recovery", "Loss" };

	return s < ARRAY_SIZE(names) ? names[s] : "?";
}

const char *limited_name(unsigned why)
{
	static const char *const names[] = {
		[WHY_NONE] = "none", [WHY_EMPTY] = "application", [WHY_STATE] = "state",
		[WHY_NOMEM] = "peer_memory", [WHY_CWND] = "cwnd", [WHY_WND] = "rwnd",
		[WHY_CREDIT] = "credit", [WHY_NAGLE] = "nagle", [WHY_MEM] = "memory",
		[WHY_PACE] = "pacing", [WHY_BELOW] = "queue_below",
	};

	return why < ARRAY_SIZE(names) && names[why] ? names[why] : "?";
}

/* The table is the core's; a number from shared memory may be none of it. */
const char *cc_name(u8 id)
{
	const struct cc_ops *cc = cc_by_id(id);

	return cc ? cc->name : "?";
}

static void address(char out[static STAT_ADDR], const union sock_addr *a)
{
	char ip[INET6_ADDRSTRLEN] = "*", port[8] = "*";

	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
		if (a->in.sin_port)
			snprintf(port, sizeof(port), "%u", ntohs(a->in.sin_port));
		snprintf(out, STAT_ADDR, "%s:%s", ip, port);
	} else if (a->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
		if (a->in6.sin6_port)
			snprintf(port, sizeof(port), "%u", ntohs(a->in6.sin6_port));
		snprintf(out, STAT_ADDR, "[%s]:%s", ip, port);
	} else {
		snprintf(out, STAT_ADDR, "*:*");
	}
}

/* ---- one sock ------------------------------------------------------------------ */

static u64 distance(u64 from, u64 to)
{
	return to > from ? to - from : 0;
}

/* A bool that others write may hold any byte. */
static bool truth(const bool *b)
{
	u8 byte;

	memcpy(&byte, b, sizeof(byte));
	return byte != 0;
}

static void queues(struct stat_conn *c, const struct sock *sk)
{
	const struct conn *cn = &sk->conn;

	if (c->listener) {
		c->recv_q = sk->waiting;
		c->send_q = sk->backlog_max;
		return;
	}
	c->recv_q = distance(cn->copied_seq, cn->rcv_nxt);
	if (truth(&cn->fin_rcvd) && c->recv_q)		/* FIN is no byte to read */
		c->recv_q--;
	c->send_q = cn->state == CONN_CLOSED ? 0 : distance(cn->snd_una, cn->write_seq);
}

static void memory(struct stat_conn *c, const struct sock *sk)
{
	const struct mem_acct *m = &sk->conn.mem;

	c->skmem.rmem_alloc = m->rmem_alloc;
	c->skmem.rcvbuf = m->rcvbuf;
	/* what was acknowledged has gone, whether somebody looked or not */
	if (sk->conn.packets_out)
		c->skmem.wmem_alloc = (s64)min(sk->conn.tx_below, (u64)INT64_MAX);
	c->skmem.sndbuf = m->sndbuf;
	c->skmem.forward_alloc = m->forward_alloc;
	c->skmem.wmem_queued = m->wmem_queued;
	c->skmem.backlog = sk->backlog_len;
	c->skmem.drops = sk->conn.drops;
}

struct place {			/* where an arena is found */
	s32 pid, tid, ctl_fd;
	char comm[STAT_COMM];
};

static void describe(struct stat_conn *c, const struct sock *sk, const struct place *at)
{
	*c = (struct stat_conn){
		.id = sk->conn.id, .state = state_name(sk->kind == SK_LISTENER ? CONN_LISTEN : sk->conn.state), .pid = at->pid,
		.ctl_tid = at->tid, .ctl_fd = at->ctl_fd, .gen = sk->gen,
		.st = sk->kind == SK_LISTENER ? CONN_LISTEN : sk->conn.state,
		.listener = sk->kind == SK_LISTENER,
		.orphan = sk->stale || truth(&sk->conn.orphan),
	};
	memcpy(c->comm, at->comm, STAT_COMM);
	memcpy(&c->conn, &sk->conn, sizeof(c->conn));
	c->laddr = sk->local;
	c->paddr = sk->peer;
	address(c->local, &sk->local);
	address(c->peer, &sk->peer);
	queues(c, sk);
	memory(c, sk);
}

/* ---- an arena -------------------------------------------------------------------- */

/* Opens what the row calls the control memfd, if it is one. */
static int open_control(const struct place *at)
{
	char path[96], target[64];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", at->pid, at->tid, at->ctl_fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	if (strncmp(target, "/memfd:librudp", strlen("/memfd:librudp")) != 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool read_at(int fd, void *buf, size_t len, u64 off)
{
	return pread(fd, buf, len, (off_t)off) == (ssize_t)len;
}

/* Between two operations the account balances (R2.1). */
static bool at_rest(const struct mem_acct *m)
{
	return (u64)m->pages * PAGE_BYTES ==	/* any numbers, so without a sign */
	       (u64)m->forward_alloc + (u64)m->wmem_queued + (u64)m->rmem_alloc;
}

/* A copy that no reuse of the slot tore, if possible of a moment between two
 * operations. */
static bool read_sock(int fd, u32 index, u32 gen, struct sock *sk)
{
	u64 at = ARENA_SLOTS_OFF + (u64)index * SOCK_SLOT;
	u32 after;

	for (int i = 0; i < REST_TRIES; i++) {
		if (!read_at(fd, sk, sizeof(*sk), at) ||
		    !read_at(fd, &after, sizeof(after), at + offsetof(struct sock, gen)) ||
		    sk->gen != gen || after != gen || sk->kind == SK_FREE ||
		    sk->kind > SK_RELAY)
			return false;
		if (at_rest(&sk->conn.mem))
			break;
	}
	return true;
}

static struct stat_conn *more_conns(struct stat_domain *s)
{
	struct stat_conn *more;

	if (s->nconns & (s->nconns - 1))	/* room for the next power of two */
		return &s->conns[s->nconns];
	more = realloc(s->conns, max(s->nconns * 2, (size_t)1) * sizeof(*more));
	if (more)
		s->conns = more;
	return more ? &more[s->nconns] : NULL;
}

static void take_slots(struct stat_domain *s, int fd, u32 top, const struct place *at)
{
	static struct slot_entry tab[SLOTS_AT_ONCE];

	for (u32 base = 0; base < top; base += SLOTS_AT_ONCE) {
		u32 n = min(top - base, (u32)SLOTS_AT_ONCE);
		struct sock sk;

		if (!read_at(fd, tab, n * sizeof(tab[0]),
			     ARENA_SLOTTAB_OFF + base * sizeof(tab[0])))
			return;
		for (u32 i = base ? 0 : 1; i < n; i++) {	/* slot 0: the driver's */
			struct stat_conn *c;

			if (!tab[i].used || !read_sock(fd, base + i, tab[i].gen, &sk))
				continue;
			c = more_conns(s);
			if (!c)
				return;
			describe(c, &sk, at);
			c->index = base + i;
			c->conn.rtt.backoff = min(c->conn.rtt.backoff, (u8)31);
			conn_info(&c->conn, &c->ti, s->taken);
			s->nconns++;
		}
	}
}

void socks_take(struct stat_domain *s, const struct domain_arena *row)
{
	struct place at = { .pid = atomic_load(&row->pid), .tid = atomic_load(&row->tid),
			    .ctl_fd = atomic_load(&row->ctl_fd) };
	int fd = open_control(&at);
	struct arena head;

	if (fd < 0)
		return;
	if (read_at(fd, &head, sizeof(head), 0) &&
	    !memcmp(head.magic, ARENA_MAGIC, sizeof(ARENA_MAGIC)) &&
	    head.version == ARENA_VERSION && head.slot_bytes == SOCK_SLOT &&
	    head.slots_limit == ARENA_SLOTS) {
		proc_comm(at.pid, at.comm);
		take_slots(s, fd, min(head.slot_top, (u32)ARENA_SLOTS), &at);
	}
	close(fd);
}
