/*
 * arena_map.c - an arena's place in the address space: made, attached to, and
 * growing (arena_layout.h tells how).
 *
 * The memfds get their final size at once; sparse files cost nothing. Growing
 * is then mremap in place. It is idempotent: whoever finds a piece mapped
 * already (another thread was faster, or a fork copied the mapping but not yet
 * the mark) just raises the mark.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "mem/domain_local.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static size_t table_len(u32 pages)
{
	return pages * sizeof(struct page_entry);
}

static u32 next_pages(u32 pages)
{
	u32 piece = clamp(pages, PIECE_PAGES_MIN, PIECE_PAGES_MAX);

	return min(pages + piece, ARENA_PAGES);
}

static u32 next_slots(u32 slots)
{
	u32 piece = clamp(slots, PIECE_SLOTS_MIN, PIECE_SLOTS_MAX);

	return min(slots + piece, ARENA_SLOTS);
}

/* ---- growing ----------------------------------------------------------------------- */

static bool extend(void *at, size_t len, size_t new_len)
{
	unsigned char resident;

	return mremap(at, len, new_len, 0) != MAP_FAILED ||
	       !mincore((char *)at + new_len - PAGE_BYTES, PAGE_BYTES, &resident);
}

static void raise_mark(_Atomic u32 *mark, u32 to)
{
	u32 seen = atomic_load(mark);

	while (seen < to && !atomic_compare_exchange_weak(mark, &seen, to))
		;
}

static bool map_pages(struct arena_local *l, u32 want)
{
	u32 have;

	while ((have = atomic_load(&l->pages)) < want) {
		u32 to = next_pages(have);

		if (!extend(l->table, table_len(have), table_len(to)) ||
		    !extend(l->buf, (size_t)have * PAGE_BYTES, (size_t)to * PAGE_BYTES))
			return false;
		raise_mark(&l->pages, to);
	}
	return true;
}

static bool map_slots(struct arena_local *l, u32 want)
{
	u32 have;

	while ((have = atomic_load(&l->slots)) < want) {
		u32 to = next_slots(have);

		if (!extend(l->slots_at, (size_t)have * SOCK_SLOT, (size_t)to * SOCK_SLOT))
			return false;
		raise_mark(&l->slots, to);
	}
	return true;
}

bool arena_sync_slow(struct arena *ar)
{
	struct arena_local *l = arena_local(ar);
	u32 pages = atomic_load_explicit(&ar->pages, memory_order_acquire);
	u32 slots = atomic_load_explicit(&ar->slots, memory_order_acquire);

	return map_pages(l, min(pages, ARENA_PAGES)) && map_slots(l, min(slots, ARENA_SLOTS));
}

bool arena_sync(struct arena *ar)
{
	return arena_synced(ar) || arena_sync_slow(ar);
}

bool arena_grow(struct arena *ar)
{
	u32 have = atomic_load(&ar->pages), to;

	if (ar->is_private || have >= ar->pages_limit)
		return false;
	to = min(next_pages(have), ar->pages_limit);
	if (!map_pages(arena_local(ar), to))
		return false;
	atomic_store_explicit(&ar->pages, to, memory_order_release);
	pages_added(ar, have, to);
	return true;
}

bool arena_grow_slots(struct arena *ar)
{
	u32 have = atomic_load(&ar->slots), to;

	if (ar->is_private || have >= ar->slots_limit)
		return false;
	to = min(next_slots(have), ar->slots_limit);
	if (!map_slots(arena_local(ar), to))
		return false;
	atomic_store_explicit(&ar->slots, to, memory_order_release);
	return true;
}

/* ---- mapping ------------------------------------------------------------------------ */

static bool map_at(u64 at, size_t len, int prot, int flags, int fd, u64 off)
{
	void *want = (void *)(uintptr_t)at;
	void *got = mmap(want, len, prot, flags | MAP_FIXED_NOREPLACE, fd, (off_t)off);

	if (got == want)
		return true;
	if (got != MAP_FAILED) {	/* a kernel that does not know the flag */
		munmap(got, len);
		errno = EEXIST;
	}
	return false;
}

static void unmap_all(u64 base, u32 pages, u32 slots)
{
	char *at = (char *)(uintptr_t)base;

	munmap(at + ARENA_BUF_OFF, (size_t)pages * PAGE_BYTES);
	munmap(at + ARENA_SLOTS_OFF, (size_t)slots * SOCK_SLOT);
	munmap(at + ARENA_TABLE_OFF, table_len(pages));
	munmap(at + ARENA_LOCAL_OFF, 2 * PAGE_BYTES);
	munmap(at, ARENA_HEAD_END);
}

/* The first pieces of everything. hold < 0: no lock page. On failure nothing of
 * ours is left (and nothing of others is touched). */
static int map_first(u64 base, int ctl, int buf, int hold, bool readonly)
{
	const int prot = PROT_READ | (readonly ? 0 : PROT_WRITE);
	char *at = (char *)(uintptr_t)base;
	int err;

	if (!map_at(base, ARENA_HEAD_END, prot, MAP_SHARED, ctl, 0))
		return -errno;
	if (!map_at(base + ARENA_LOCAL_OFF, PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
		goto out_head;
	if (hold >= 0 && !map_at(base + ARENA_LOCK_OFF, PAGE_BYTES, PROT_NONE,
				 MAP_SHARED, hold, 0))
		goto out_local;
	if (!map_at(base + ARENA_TABLE_OFF, table_len(PIECE_PAGES_MIN), prot,
		    MAP_SHARED, ctl, ARENA_TABLE_OFF))
		goto out_lock;
	if (!map_at(base + ARENA_SLOTS_OFF, PIECE_SLOTS_MIN * (size_t)SOCK_SLOT, prot,
		    MAP_SHARED, ctl, ARENA_SLOTS_OFF))
		goto out_table;
	if (!map_at(base + ARENA_BUF_OFF, PIECE_PAGES_MIN * (size_t)PAGE_BYTES, prot,
		    MAP_SHARED, buf, 0))
		goto out_slots;
	return 0;

out_slots:
	err = errno;
	munmap(at + ARENA_SLOTS_OFF, PIECE_SLOTS_MIN * (size_t)SOCK_SLOT);
	errno = err;
out_table:
	err = errno;
	munmap(at + ARENA_TABLE_OFF, table_len(PIECE_PAGES_MIN));
	errno = err;
out_lock:
	err = errno;
	if (hold >= 0)
		munmap(at + ARENA_LOCK_OFF, PAGE_BYTES);
	errno = err;
out_local:
	err = errno;
	munmap(at + ARENA_LOCAL_OFF, PAGE_BYTES);
	errno = err;
out_head:
	err = errno;
	munmap(at, ARENA_HEAD_END);
	return -err;
}

static struct arena_local *local_init(struct arena *ar, struct domain *d, u32 row,
				      int ctl, int buf)
{
	struct arena_local *l = arena_local(ar);
	char *at = (char *)ar;

	l->ctl_fd = ctl;
	l->buf_fd = buf;
	l->hold_fd = -1;
	l->domain = d;
	l->row = &d->arenas[row];
	l->slottab = (struct slot_entry *)(void *)(at + ARENA_SLOTTAB_OFF);
	l->free_map = (u64 *)(void *)(at + ARENA_MAPS_OFF);
	l->resident_map = (u64 *)(void *)(at + ARENA_MAPS_OFF + ARENA_PAGES / 8);
	l->table = (struct page_entry *)(void *)(at + ARENA_TABLE_OFF);
	l->slots_at = at + ARENA_SLOTS_OFF;
	l->buf = at + ARENA_BUF_OFF;
	atomic_store(&l->pages, PIECE_PAGES_MIN);
	atomic_store(&l->slots, PIECE_SLOTS_MIN);
	return l;
}

/* ---- making ---------------------------------------------------------------------------- */

/* A memfd of `len` bytes, or as many as the program may make a file long: more
 * would be a signal. */
static int sized_memfd(const char *name, u64 len, u64 *got)
{
	struct rlimit rl;
	int fd, err;

	if (!getrlimit(RLIMIT_FSIZE, &rl) && rl.rlim_cur < len)
		len = rl.rlim_cur / PAGE_BYTES * PAGE_BYTES;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = errno;
		close(fd);
		return -err;
	}
	*got = len;
	return fd;
}

struct memfds {
	int ctl, buf;
	u32 pages, slots;	/* what their sizes allow */
};

static int make_memfds(struct memfds *m)
{
	u64 ctl_len, buf_len;

	m->ctl = sized_memfd("librudp", ARENA_SLOTS_OFF + (u64)ARENA_SLOTS * SOCK_SLOT, &ctl_len);
	if (m->ctl < 0)
		return m->ctl;
	m->buf = sized_memfd("librudp-buf", (u64)ARENA_PAGES * PAGE_BYTES, &buf_len);
	if (m->buf < 0) {
		close(m->ctl);
		return m->buf;
	}
	m->pages = (u32)(buf_len / PAGE_BYTES);
	m->slots = ctl_len < ARENA_SLOTS_OFF ? 0 :
		   (u32)((ctl_len - ARENA_SLOTS_OFF) / SOCK_SLOT);
	if (m->pages >= PIECE_PAGES_MIN && m->slots >= PIECE_SLOTS_MIN)
		return 0;
	close(m->ctl);
	close(m->buf);
	return -EFBIG;
}

static void close_memfds(const struct memfds *m)
{
	close(m->ctl);
	close(m->buf);
}

/* Claims a row whose addresses are free here. */
static int claim_and_map(struct domain *d, const struct memfds *m, int *ret_hold)
{
	int row = -1;

	for (;;) {
		int hold, err;
		u64 base;

		row = domain_row_claim(d, (u32)row + 1, &hold);
		if (row < 0)
			return row;
		base = ARENA_BASE + (u64)row * ARENA_STRIDE;
		err = map_first(base, m->ctl, m->buf, hold, false);
		*ret_hold = hold;
		if (!err)
			return row;
		if (hold >= 0)
			close(hold);
		domain_row_drop(d, (u32)row);
		if (err != -EEXIST)
			return err;
	}
}

int arena_create(struct arena **ret, struct domain *d)
{
	struct domain_arena *r;
	struct memfds m;
	struct arena *ar;
	u64 base;
	int row, hold, err;

	err = make_memfds(&m);
	if (err)
		return err;
	row = claim_and_map(d, &m, &hold);
	if (row < 0) {
		close_memfds(&m);
		return row;
	}
	base = ARENA_BASE + (u64)row * ARENA_STRIDE;
	ar = (struct arena *)(uintptr_t)base;
	local_init(ar, d, (u32)row, m.ctl, m.buf)->hold_fd = hold;
	atomic_store(&ar->pages, PIECE_PAGES_MIN);
	atomic_store(&ar->slots, PIECE_SLOTS_MIN);
	ar->base = base;
	ar->row = (u32)row;
	ar->pages_limit = m.pages;
	ar->slots_limit = m.slots;
	arena_init(ar, SOCK_SLOT);
	r = &d->arenas[row];
	atomic_store(&r->base, base);
	atomic_store(&r->start_time, proc_start_time(getpid()));
	domain_row_live(d, (u32)row);
	arena_init_pool(ar);
	*ret = ar;
	return 0;
}

void arena_fds(const struct arena *ar, int *ctl, int *buf)
{
	*ctl = arena_local(ar)->ctl_fd;
	*buf = arena_local(ar)->buf_fd;
}

int arena_hold_fd(const struct arena *ar)
{
	return arena_local(ar)->hold_fd;
}

void arena_moved_fds(struct arena *ar, int ctl, int buf, int hold)
{
	struct arena_local *l = arena_local(ar);

	l->ctl_fd = ctl;
	l->buf_fd = buf;
	l->hold_fd = hold;
}

void arena_publish(struct arena *ar, pid_t pid, pid_t tid, int ctl_fd, int buf_fd)
{
	struct domain_arena *r = arena_local(ar)->row;

	atomic_store(&r->ctl_fd, -1);
	atomic_store(&r->tid, tid);	/* first: see domain_row_deserted() */
	atomic_store(&r->pid, pid);
	atomic_store(&r->start_time, proc_start_time(pid));
	atomic_store(&r->buf_fd, buf_fd);
	atomic_store(&r->ctl_fd, ctl_fd);
}

/* ---- attaching --------------------------------------------------------------------------- */

static int open_published(const struct domain_arena *r, s32 num, bool readonly)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", atomic_load(&r->pid),
		 atomic_load(&r->tid), num);
	fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The head says what we expect of an arena at this place. */
static int check_head(const struct arena *ar, u32 row, u64 base)
{
	if (memcmp(ar->magic, ARENA_MAGIC, sizeof(ar->magic)) ||
	    ar->version != ARENA_VERSION || ar->row != row || ar->base != base)
		return -EPROTO;
	return 0;
}

/* Mapping a file beyond its end succeeds, and using it kills. */
static int check_sizes(int ctl, int buf)
{
	struct stat a, b;

	if (fstat(ctl, &a) || fstat(buf, &b))
		return -errno;
	if (a.st_uid != geteuid() || b.st_uid != geteuid())
		return -EPERM;
	if (a.st_size < (off_t)(ARENA_SLOTS_OFF + PIECE_SLOTS_MIN * (u64)SOCK_SLOT) ||
	    b.st_size < (off_t)(PIECE_PAGES_MIN * (u64)PAGE_BYTES))
		return -EPROTO;
	return 0;
}

static int map_published(struct domain *d, u32 row, int ctl, int buf, bool readonly)
{
	u64 base = atomic_load(&d->arenas[row].base);
	int hold = -1, err;

	if (base < ARENA_BASE || (base - ARENA_BASE) % ARENA_STRIDE)
		return -EPROTO;
	err = check_sizes(ctl, buf);
	if (!err && !readonly)
		err = domain_hold_row(d, row, &hold);
	if (err)
		return err;
	err = map_first(base, ctl, buf, hold, readonly);
	if (hold >= 0)
		close(hold);
	if (err)
		return err;
	err = check_head((struct arena *)(uintptr_t)base, row, base);
	if (err)
		unmap_all(base, PIECE_PAGES_MIN, PIECE_SLOTS_MIN);
	return err;
}

int arena_attach(struct arena **ret, struct domain *d, u32 row, bool readonly)
{
	const struct domain_arena *r = &d->arenas[row];
	struct arena *ar;
	s32 ctl_num, buf_num;
	int ctl, buf, err;

	if (row >= DOMAIN_ARENAS)
		return -EINVAL;
	ctl_num = atomic_load(&r->ctl_fd);
	buf_num = atomic_load(&r->buf_fd);
	if (domain_row_state(r) != ROW_LIVE || ctl_num < 0 || buf_num < 0)
		return -ESRCH;
	ctl = open_published(r, ctl_num, readonly);
	if (ctl < 0)
		return ctl == -ENOENT ? -ESRCH : ctl;
	buf = open_published(r, buf_num, readonly);
	err = buf < 0 ? (buf == -ENOENT ? -ESRCH : buf) : 0;
	if (!err)
		err = map_published(d, row, ctl, buf, readonly);
	close(ctl);
	if (buf >= 0)
		close(buf);
	if (err)
		return err;
	ar = (struct arena *)(uintptr_t)atomic_load(&r->base);
	local_init(ar, d, row, -1, -1)->readonly = readonly;
	if (!arena_sync(ar)) {
		arena_detach(ar);
		return -ENOMEM;
	}
	*ret = ar;
	return 0;
}

/* Who has the descriptors was given them by one of the family. */
int arena_attach_fds(struct arena **ret, struct domain *d, u32 row, int ctl, int buf, int hold)
{
	struct arena *ar;
	u64 base;
	int err;

	if (row >= DOMAIN_ARENAS)
		return -EINVAL;
	base = ARENA_BASE + (u64)row * ARENA_STRIDE;
	err = map_first(base, ctl, buf, hold, false);
	if (err)
		return err;
	ar = (struct arena *)(uintptr_t)base;
	if (check_head(ar, row, base)) {
		unmap_all(base, PIECE_PAGES_MIN, PIECE_SLOTS_MIN);
		return -EPROTO;
	}
	local_init(ar, d, row, ctl, buf)->hold_fd = hold;
	if (!arena_sync(ar)) {
		arena_detach(ar);
		return -ENOMEM;
	}
	*ret = ar;
	return 0;
}

void arena_detach(struct arena *ar)
{
	struct arena_local *l = arena_local(ar);

	if (l->hold_fd >= 0)
		close(l->hold_fd);
	unmap_all((uintptr_t)ar, atomic_load(&l->pages), atomic_load(&l->slots));
}

/* ---- private ------------------------------------------------------------------------------- */

int arena_create_private(struct arena **ret, struct domain *d, u32 pages, u32 slots,
			 size_t slot_size)
{
	size_t table = (table_len(pages + 1) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	size_t slot_len = (slots * slot_size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	size_t len = ARENA_TABLE_OFF + table + slot_len + ((size_t)pages + 1) * PAGE_BYTES;
	struct arena_local *l;
	struct arena *ar;
	int row, hold;
	char *at;

	if (pages >= ARENA_PAGES || slots > ARENA_SLOTS || slot_size < sizeof(struct slot_head))
		return -EINVAL;
	row = domain_row_claim(d, 0, &hold);
	if (row < 0)
		return row;
	if (hold >= 0)
		close(hold);
	at = mmap(NULL, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		domain_row_drop(d, (u32)row);
		return -ENOMEM;
	}
	ar = (struct arena *)(void *)at;
	l = local_init(ar, d, (u32)row, -1, -1);
	l->slots_at = at + ARENA_TABLE_OFF + table;
	l->buf = l->slots_at + slot_len;
	l->map_len = len;
	atomic_store(&l->pages, pages + 1);
	atomic_store(&l->slots, slots);
	atomic_store(&ar->pages, pages + 1);	/* page 0 is never handed out */
	atomic_store(&ar->slots, slots);
	ar->base = (uintptr_t)at;
	ar->row = (u32)row;
	ar->pages_limit = pages + 1;
	ar->slots_limit = slots;
	ar->is_private = 1;
	arena_init(ar, (u32)slot_size);
	atomic_store(&l->row->base, ar->base);
	domain_row_live(d, (u32)row);
	arena_init_pool(ar);
	*ret = ar;
	return 0;
}

void arena_destroy_private(struct arena *ar)
{
	struct arena_local *l;

	if (!ar)
		return;
	l = arena_local(ar);
	mem_acct_purge(&ar->pool);
	arena_flush(ar);
	domain_row_drop(l->domain, ar->row);
	munmap(ar, l->map_len);
}
