/*
 * govern.c - the governor as a library (include/rudp/mem.h): accounts over the
 * same arenas and domains that librudp's socks use. An account lies in a sock's
 * slot and looks like an unconnected sock, so rudpstat shows it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "mem/domain.h"
#include "rt/sock.h"
#include "rudp/mem.h"

static_assert((int)RUDP_BUF_MAX == RUN_UNITS_MAX * UNIT_BYTES, "the longest run");
static_assert((int)RUDP_SND == MEM_SND && (int)RUDP_RCV == MEM_RCV, "the same words");

struct rudp_domain {
	struct domain *d;
	struct arena *ar;
};

/* A slot, seen as what lies in it. */
struct rudp_account {
	struct sock sk;
};

static struct mem_acct *mem_of(const struct rudp_account *a)
{
	return (struct mem_acct *)(uintptr_t)&a->sk.conn.mem;
}

/* ---- domains ------------------------------------------------------------------ */

static void leave(struct rudp_domain *rd)
{
	int ctl, buf;

	arena_fds(rd->ar, &ctl, &buf);
	arena_flush(rd->ar);
	domain_proc_del(rd->d);
	arena_detach(rd->ar);
	close(ctl);
	close(buf);
	domain_reap(rd->d);
	domain_detach(rd->d);
}

static int join(struct rudp_domain *rd, const char *name)
{
	int ctl, buf, ret;
	u32 index, gen;

	ret = domain_attach(&rd->d, name, NULL, false);
	if (ret < 0)
		return ret;
	ret = arena_create(&rd->ar, rd->d);
	if (ret < 0) {
		domain_detach(rd->d);
		return ret;
	}
	arena_fds(rd->ar, &ctl, &buf);
	arena_publish(rd->ar, getpid(), gettid(), ctl, buf);
	domain_proc_add(rd->d, arena_row(rd->ar));
	/* The first slot is a driver's; here it stays empty. */
	if (arena_slot_get(rd->ar, &index, &gen))
		return 0;
	leave(rd);
	return -ENOMEM;
}

RUDP_EXPORT int rudp_domain_open(struct rudp_domain **ret, const char *name)
{
	struct rudp_domain *rd = calloc(1, sizeof(*rd));
	int err;

	if (!rd)
		return -ENOMEM;
	if (!name)
		name = getenv("RUDP_DOMAIN");
	err = join(rd, name ? name : "default");
	if (err) {
		free(rd);
		return err;
	}
	*ret = rd;
	return 0;
}

RUDP_EXPORT void rudp_domain_close(struct rudp_domain *rd)
{
	if (!rd)
		return;
	leave(rd);
	free(rd);
}

RUDP_EXPORT int rudp_domain_set(struct rudp_domain *rd, const unsigned long long pages[3])
{
	struct mem_limits l;

	domain_limits(rd->d, &l);
	for (int i = 0; i < 3; i++)
		l.mem[i] = pages[i];
	return domain_set_limits(rd->d, &l);
}

RUDP_EXPORT unsigned long long rudp_domain_allocated(const struct rudp_domain *rd)
{
	return (unsigned long long)domain_allocated(rd->d);
}

RUDP_EXPORT bool rudp_domain_under_pressure(const struct rudp_domain *rd)
{
	return domain_under_pressure(rd->d);
}

RUDP_EXPORT void rudp_domain_tick(struct rudp_domain *rd)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	arena_tick(rd->ar, (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000 + 1);
}

/* ---- accounts ------------------------------------------------------------------- */

RUDP_EXPORT struct rudp_account *rudp_account_new(struct rudp_domain *rd)
{
	u32 index, gen;
	struct rudp_account *a = arena_slot_get(rd->ar, &index, &gen);

	if (!a)
		return NULL;
	mem_acct_init(mem_of(a), rd->ar, OWNER_SOCK0 + index, gen);
	a->sk.conn.state = CONN_CLOSED;
	atomic_store(&a->sk.kind, SK_FRESH);
	return a;
}

RUDP_EXPORT void rudp_account_free(struct rudp_account *a)
{
	struct arena *ar;

	if (!a)
		return;
	ar = mem_of(a)->arena;
	atomic_store(&a->sk.kind, SK_FREE);
	mem_acct_fini(mem_of(a));
	arena_slot_put(ar, a->sk.index);
}

RUDP_EXPORT void rudp_account_set_buf(struct rudp_account *a, enum rudp_dir dir, unsigned bytes)
{
	struct mem_acct *m = mem_of(a);
	struct mem_limits l;

	domain_limits(arena_domain(m->arena), &l);
	if (dir == RUDP_SND) {
		m->sndbuf = max(2 * min(bytes, l.wmem_max), (u32)SOCK_MIN_SNDBUF);
		m->lock_bits |= SNDBUF_LOCK;
	} else {
		m->rcvbuf = max(2 * min(bytes, l.rmem_max), (u32)SOCK_MIN_RCVBUF);
		m->lock_bits |= RCVBUF_LOCK;
	}
}

RUDP_EXPORT size_t rudp_account_used(const struct rudp_account *a, enum rudp_dir dir)
{
	return (size_t)(dir == RUDP_SND ? mem_of(a)->wmem_queued : mem_of(a)->rmem_alloc);
}

/* ---- buffers ----------------------------------------------------------------------- */

static void *get(struct rudp_account *a, size_t len, enum rudp_dir dir, bool force)
{
	u32 unit;

	if (!len || len > RUDP_BUF_MAX) {
		errno = EINVAL;
		return NULL;
	}
	unit = mem_alloc(mem_of(a), (unsigned)DIV_ROUND_UP(len, UNIT_BYTES), (enum mem_dir)dir,
			 force);
	if (unit == MEM_NONE) {
		errno = mem_of(a)->refused ? EAGAIN : ENOMEM;
		return NULL;
	}
	return mem_addr(mem_of(a), unit);
}

RUDP_EXPORT void *rudp_buf_get(struct rudp_account *a, size_t len, enum rudp_dir dir)
{
	return get(a, len, dir, false);
}

RUDP_EXPORT void *rudp_buf_force(struct rudp_account *a, size_t len, enum rudp_dir dir)
{
	return get(a, len, dir, true);
}

RUDP_EXPORT void rudp_buf_put(struct rudp_account *a, void *buf, size_t len, enum rudp_dir dir)
{
	struct mem_acct *m = mem_of(a);
	size_t off;

	if (!buf)
		return;
	off = (size_t)((char *)buf - (char *)arena_local(m->arena)->buf);
	mem_free(m, (u32)(off / UNIT_BYTES), (unsigned)DIV_ROUND_UP(len, UNIT_BYTES),
		 (enum mem_dir)dir);
}

/* ---- questions ------------------------------------------------------------------------ */

RUDP_EXPORT bool rudp_may_send(const struct rudp_account *a)		/* R3.1 */
{
	return mem_of(a)->wmem_queued < mem_of(a)->sndbuf;
}

RUDP_EXPORT bool rudp_writeable(const struct rudp_account *a)		/* R3.2 */
{
	return mem_of(a)->sndbuf - mem_of(a)->wmem_queued >= mem_of(a)->wmem_queued / 2;
}

RUDP_EXPORT bool rudp_may_receive(const struct rudp_account *a)		/* R4.10 */
{
	return mem_of(a)->rmem_alloc <= mem_of(a)->rcvbuf;
}

RUDP_EXPORT unsigned rudp_backoff_ms(struct rudp_account *a)		/* R3.5 */
{
	unsigned v = 0;

	domain_count(arena_domain(mem_of(a)->arena), CNT_MemDomainWait, 1);
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) < 0)
		v = (unsigned)getpid();
	return 2 + v % 200;
}
