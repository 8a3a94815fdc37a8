/*
 * domain.c - making, finding and mapping the domain object; its limits; its
 * rows.
 *
 * The object is made under no name, filled, and then linked to its name, so it
 * is whole from the moment that anybody can find it; of several creators one
 * wins and the others open what he made. /dev/shm belongs to everybody, so
 * whatever lies under our name is used only if it is a file of ours, closed to
 * others, of the right size and version.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/domain_local.h"

#define DOMAIN_MAGIC	"rudpdom"
#define DOMAIN_VERSION	4u
#define SHM_DIR		"/dev/shm"

enum { ATTACH_TRIES = 8 };	/* somebody unlinks it between our looks */

#define MAP_LEN		(PAGE_BYTES + sizeof(struct domain))

static int object_path(char *out, size_t len, const char *name)
{
	int n;

	if (!*name || strlen(name) >= DOMAIN_NAME_MAX || strchr(name, '/'))
		return -EINVAL;
	n = snprintf(out, len, SHM_DIR "/rudp.%u.%s", (unsigned)geteuid(), name);
	return n > 0 && (size_t)n < len ? 0 : -EINVAL;
}

/* The private page, and the object behind it. fd -1: anonymous, but shared
 * with forked children. */
static int map_object(struct domain **ret, int fd, int prot)
{
	int flags = MAP_SHARED | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);
	struct stat st = { 0 };
	char *at;

	if (fd >= 0 && fstat(fd, &st))
		return -errno;
	at = mmap(NULL, MAP_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	if (mmap(at + PAGE_BYTES, sizeof(struct domain), prot, flags, fd, 0) == MAP_FAILED) {
		int err = errno;

		munmap(at, MAP_LEN);
		return -err;
	}
	*ret = (struct domain *)(void *)(at + PAGE_BYTES);
	domain_local(*ret)->fd = fd;
	domain_local(*ret)->readonly = !(prot & PROT_WRITE);
	domain_local(*ret)->dev = st.st_dev;
	domain_local(*ret)->ino = st.st_ino;
	return 0;
}

/* Is the descriptor (still) one of the object? */
static bool is_object(const struct domain_local *l, int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_dev == l->dev && st.st_ino == l->ino;
}

static void fill(struct domain *d, const char *name, const struct mem_limits *want, u32 rows)
{
	memcpy(d->magic, DOMAIN_MAGIC, sizeof(d->magic));
	d->version = DOMAIN_VERSION;
	d->size = sizeof(*d);
	d->uid = geteuid();
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->limits[0] = *want;
	for (int i = 0; i < DOMAIN_ARENAS; i++) {
		atomic_store(&d->arenas[i].ctl_fd, -1);
		atomic_store(&d->arenas[i].buf_fd, -1);
	}
	atomic_store(&d->metrics_rows, rows);
	atomic_store(&d->config, 1);
	atomic_store(&d->ready, 1);
}

/* Growing a file beyond this limit is a signal, not an error. */
static bool file_size_allowed(void)
{
	struct rlimit rl;

	return getrlimit(RLIMIT_FSIZE, &rl) || rl.rlim_cur >= sizeof(struct domain);
}

static int link_object(int fd, const char *path)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (!linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
		return 0;
	if (errno != ENOENT)
		return -errno;
	/* no /proc; not every kernel lets everybody do this */
	return linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) ? -errno : 0;
}

/* 0, -EEXIST: somebody else was first, or what else is wrong. */
static int create_object(const char *path, const char *name, const struct mem_limits *want)
{
	u64 bytes;
	u32 rows = mem_metrics_rows(mem_available_pages(&bytes));
	size_t used = offsetof(struct domain, metrics) + rows * sizeof(struct metrics_row);
	struct domain *d;
	int fd, ret;

	if (!file_size_allowed())
		return -EFBIG;
	fd = open(SHM_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ret = fchmod(fd, 0600) ? -errno : 0;	/* whatever the umask */
	if (!ret && ftruncate(fd, sizeof(struct domain)))
		ret = -errno;
	if (!ret)
		ret = -posix_fallocate(fd, 0, (off_t)used);
	if (!ret)
		ret = map_object(&d, fd, PROT_READ | PROT_WRITE);
	if (ret)
		goto out_close;
	fill(d, name, want, rows);
	munmap(domain_local(d), MAP_LEN);
	ret = link_object(fd, path);
out_close:
	close(fd);
	return ret;
}

static int check_object(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	if (st.st_size != sizeof(struct domain))
		return -EPROTO;
	return 0;
}

static int open_object(struct domain **ret, const char *path, bool readonly)
{
	int prot = readonly ? PROT_READ : PROT_READ | PROT_WRITE;
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct domain *d;
	int err;

	if (fd < 0)
		return -errno;
	err = check_object(fd);
	if (!err)
		err = map_object(&d, fd, prot);
	if (err)
		goto out_close;
	if (memcmp(d->magic, DOMAIN_MAGIC, sizeof(d->magic)) ||
	    d->version != DOMAIN_VERSION || d->size != sizeof(*d) || !atomic_load(&d->ready)) {
		err = -EPROTO;
		munmap(domain_local(d), MAP_LEN);
		goto out_close;
	}
	snprintf(domain_local(d)->path, sizeof(domain_local(d)->path), "%s", path);
	*ret = d;
	return 0;
out_close:
	close(fd);
	return err;
}

int domain_attach_fd(struct domain **ret, int fd)
{
	struct domain *d;
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size != sizeof(struct domain))
		return -EPROTO;
	err = map_object(&d, fd, PROT_READ | PROT_WRITE);
	if (err)
		return err;
	if (memcmp(d->magic, DOMAIN_MAGIC, sizeof(d->magic)) || d->version != DOMAIN_VERSION) {
		munmap(domain_local(d), MAP_LEN);
		return -EPROTO;
	}
	*ret = d;
	return 0;
}

static void default_limits(struct mem_limits *l)
{
	u64 bytes, pages = mem_available_pages(&bytes);

	mem_limits_default(l, pages, bytes);
}

/* An object that another version left, which no family holds: all versions lock
 * bytes of it for that. Of those who find it, who locks it all removes it. */
static bool remove_unused(const char *path)
{
	struct flock all = { .l_type = F_WRLCK };
	char magic[sizeof(DOMAIN_MAGIC)];
	struct stat st, there;
	bool removed = false;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	    !memcmp(magic, DOMAIN_MAGIC, sizeof(magic)) && !fcntl(fd, F_OFD_SETLK, &all))
		removed = stat(path, &there) || there.st_ino != st.st_ino || !unlink(path);
	close(fd);
	return removed;
}

int domain_attach(struct domain **ret, const char *name, const struct mem_limits *want,
		  bool explicit)
{
	char path[DOMAIN_NAME_MAX + 32];
	struct mem_limits l;
	struct domain *d;
	int err = object_path(path, sizeof(path), name);

	if (err)
		return err;
	for (int i = 0; i < ATTACH_TRIES; i++) {
		err = open_object(&d, path, false);
		if (err == -EPROTO && remove_unused(path))
			err = -ENOENT;
		if (err != -ENOENT)
			break;
		if (want)
			l = *want;
		else
			default_limits(&l);
		if (mem_limits_check(&l))
			return -EINVAL;
		err = create_object(path, name, &l);
		if (err && err != -EEXIST)
			break;
	}
	if (err)
		return err;
	if (want && explicit)
		err = domain_set_limits(d, want);
	if (err) {
		domain_detach(d);
		return err;
	}
	domain_reap(d);
	*ret = d;
	return 0;
}

int domain_open(struct domain **ret, const char *name)
{
	char path[DOMAIN_NAME_MAX + 32];
	int err = object_path(path, sizeof(path), name);

	return err ? err : open_object(ret, path, true);
}

struct domain *domain_private(const struct mem_limits *want)
{
	struct mem_limits l;
	struct domain *d;

	if (want)
		l = *want;
	else
		default_limits(&l);
	if (mem_limits_check(&l) || map_object(&d, -1, PROT_READ | PROT_WRITE))
		return NULL;
	fill(d, "private", &l, METRICS_ROWS_MIN);
	return d;
}

void domain_detach(struct domain *d)
{
	struct domain_local *l;

	if (!d)
		return;
	l = domain_local(d);
	if (is_object(l, atomic_load(&l->fd)))
		close(atomic_load(&l->fd));
	munmap(l, MAP_LEN);
}

int domain_fd(const struct domain *d)
{
	return atomic_load(&domain_local(d)->fd);
}

void domain_moved_fd(struct domain *d, int fd)
{
	atomic_store(&domain_local(d)->fd, fd);
}

/* ---- locks: bytes of the object --------------------------------------------------- */

static int row_lock(int fd, u32 row, short type, int cmd)
{
	struct flock fl = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = row, .l_len = 1,
	};

	if (fcntl(fd, cmd, &fl))
		return -errno;
	return fl.l_type;
}

/* Another open file of the same object: by our descriptor, or, without /proc
 * or when that is another's by now, by its name if that is still the same. */
static int reopen(const struct domain_local *l)
{
	int have = atomic_load(&l->fd), fd;
	char path[40];

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", have);
	fd = is_object(l, have) ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		fd = open(l->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (is_object(l, fd))
		return fd;
	close(fd);
	return -ESTALE;
}

int domain_lock(struct domain *d, enum domain_lock which, bool wait)
{
	int own = domain_fd(d) < 0 ? -1 : reopen(domain_local(d)), err;

	if (own < 0)
		return own;
	do
		err = row_lock(own, which, F_WRLCK, wait ? F_OFD_SETLKW : F_OFD_SETLK);
	while (err == -EINTR);
	if (err >= 0)
		return own;
	close(own);
	return err;
}

/* A child that was forked meanwhile has the open file, too. */
void domain_unlock(int lock, enum domain_lock which)
{
	if (lock < 0)
		return;
	row_lock(lock, which, F_UNLCK, F_OFD_SETLK);
	close(lock);
}

/* ---- limits --------------------------------------------------------------------- */

enum { LIMITS_WORDS = sizeof(struct mem_limits) / sizeof(u64) };
static_assert(sizeof(struct mem_limits) % sizeof(u64) == 0, "copied by words");

static void copy_words(u64 *dst, const u64 *src)
{
	for (int i = 0; i < LIMITS_WORDS; i++)
		__atomic_store_n(&dst[i], __atomic_load_n(&src[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

/* The copy in force is overwritten by the next but one change at the earliest,
 * so an unchanged number says that what was read is whole. A writer that dies
 * leaves nothing behind but his half of the other copy. */
void domain_limits(const struct domain *d, struct mem_limits *out)
{
	u32 seq;

	do {
		seq = atomic_load_explicit(&d->limits_seq, memory_order_acquire);
		copy_words((u64 *)out, (const u64 *)&d->limits[seq & 1]);
		atomic_thread_fence(memory_order_acquire);
	} while (seq != atomic_load_explicit(&d->limits_seq, memory_order_relaxed));
	if (unlikely(mem_limits_check(out) != NULL))
		default_limits(out);
}

int domain_set_limits(struct domain *d, const struct mem_limits *l)
{
	int lock;
	u32 seq;

	if (mem_limits_check(l))
		return -EINVAL;
	lock = domain_lock(d, LOCK_LIMITS, true);
	seq = atomic_load(&d->limits_seq) + 1;
	copy_words((u64 *)&d->limits[seq & 1], (const u64 *)l);
	atomic_store(&d->limits_seq, seq);
	domain_unlock(lock, LOCK_LIMITS);
	atomic_fetch_add(&d->config, 1);
	domain_look(d);
	return 0;
}

/* ---- rows --------------------------------------------------------------------------- */

int domain_hold_row(struct domain *d, u32 row, int *fd)
{
	int own, err;

	if (domain_fd(d) < 0) {
		*fd = -1;
		return 0;
	}
	own = reopen(domain_local(d));
	if (own < 0)
		return own;
	err = row_lock(own, row, F_RDLCK, F_OFD_SETLK);
	if (err < 0) {
		close(own);
		return err;
	}
	*fd = own;
	return 0;
}

bool domain_row_held(const struct domain *d, u32 row)
{
	int fd = domain_fd(d);

	/* Nobody holds a byte of a file that the program has put in its place. */
	return !is_object(domain_local(d), fd) ||
	       row_lock(fd, row, F_WRLCK, F_OFD_GETLK) != F_UNLCK;
}

u32 domain_arenas(const struct domain *d)
{
	u32 n = 0;

	for (int i = 0; i < DOMAIN_ARENAS; i++)
		n += domain_row_state(&d->arenas[i]) == ROW_LIVE;
	return max(n, 1u);
}

bool domain_is_tight(const struct domain *d)
{
	struct mem_limits l;

	domain_limits(d, &l);
	return l.mem[2] < 3ull * POOL_PAGES_MIN * domain_arenas(d);
}

static void row_clear(struct domain_arena *row)
{
	atomic_store(&row->ctl_fd, -1);
	atomic_store(&row->buf_fd, -1);
	atomic_store(&row->start_time, 0);
	atomic_store(&row->hello, 0);
	atomic_store(&row->tid, 0);
	atomic_store(&row->credit, 0);
	atomic_store(&row->pool, 0);
	atomic_store(&row->orphans, 0);
	atomic_store(&row->timewait, 0);
}

/* The lock comes before the claim: a row that is not free and not locked is
 * dead, whatever else it says. */
int domain_row_claim(struct domain *d, u32 from, int *fd)
{
	for (u32 i = from; i < DOMAIN_ARENAS; i++) {
		struct domain_arena *row = &d->arenas[i];
		u64 state = atomic_load(&row->state);
		int own, err;

		if ((state & 3) != ROW_FREE)
			continue;
		err = domain_hold_row(d, i, &own);
		if (err)
			return err;
		if (atomic_compare_exchange_strong(&row->state, &state,
						   (u32)(state + 4) | ROW_MAKING)) {
			row_clear(row);
			atomic_store(&row->pid, getpid());
			*fd = own;
			return (int)i;
		}
		if (own >= 0)
			close(own);
	}
	return -ENFILE;
}

void domain_row_live(struct domain *d, u32 row)
{
	atomic_fetch_add(&d->arenas[row].state, ROW_LIVE - ROW_MAKING);
	atomic_fetch_add(&d->config, 1);
}

void domain_row_drop(struct domain *d, u32 row)
{
	atomic_fetch_and(&d->arenas[row].state, UINT32_MAX & ~3u);
	atomic_fetch_add(&d->config, 1);
}
