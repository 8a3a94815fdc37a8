/*
 * epoll_move.c - a descriptor gets another file (dup3), and epoll sets do not
 * notice: they hold files. What they hold of it is read from the kernel before
 * and entered again after. Rare: a connect() that is tried again, a relay that
 * begins after the end was seen.
 */
#include <dirent.h>
#include <string.h>
#include "preload/epoll_move.h"
#include "preload/wrap.h"
#include "rt/sys.h"

_Atomic bool epoll_move_used;

struct linux_dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
};

/* The lines that say "tfd: 5 events: 19 data: 7f00" of one set. */
static void read_set(struct epoll_regs *r, int epfd, const char *text, int fd)
{
	const char *line = text;

	while (line && r->n < ARRAY_SIZE(r->reg)) {
		unsigned events;
		unsigned long long data;
		int tfd;

		if (sscanf(line, "tfd: %d events: %x data: %llx", &tfd, &events, &data) == 3 &&
		    tfd == fd) {
			struct epoll_reg *reg = &r->reg[r->n++];

			reg->epfd = epfd;
			reg->ev.events = events;
			reg->ev.data.u64 = data;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
}

static void look_at(struct epoll_regs *r, int dir, const char *name, int fd)
{
	char path[64], text[8192];
	size_t kept = 0;
	int info;
	ssize_t n;

	n = sys_call6(SYS_readlinkat, dir, (long)name, (long)text, sizeof(text) - 1, 0, 0);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (strcmp(text, "anon_inode:[eventpoll]"))
		return;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", name);
	info = (int)sys_call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (info < 0)
		return;
	while ((n = sys_read(info, text + kept, sizeof(text) - 1 - kept)) > 0) {
		char *end;

		text[kept + (size_t)n] = '\0';
		end = strrchr(text, '\n');
		if (!end)
			break;
		*end = '\0';
		read_set(r, atoi(name), text, fd);
		kept = strlen(end + 1);		/* the beginning of a line */
		memmove(text, end + 1, kept);
	}
	sys_close(info);
}

void epoll_move_begin(struct epoll_regs *r, int fd)
{
	char buf[2048];
	long n;
	int dir;

	r->n = 0;
	if (!atomic_load(&epoll_move_used))
		return;
	dir = (int)sys_call6(SYS_openat, AT_FDCWD, (long)"/proc/self/fd",
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	if (dir < 0)
		return;
	while ((n = sys_call6(SYS_getdents64, dir, (long)buf, sizeof(buf), 0, 0, 0)) > 0)
		for (long at = 0; at < n;) {
			struct linux_dirent64 *d = (struct linux_dirent64 *)(void *)(buf + at);

			look_at(r, dir, d->name, fd);
			at += d->reclen;
		}
	sys_close(dir);
}

void epoll_move_end(const struct epoll_regs *r, int fd)
{
	for (unsigned i = 0; i < r->n; i++) {
		struct epoll_event ev = r->reg[i].ev;

		LIBC(epoll_ctl)(r->reg[i].epfd, EPOLL_CTL_ADD, fd, &ev);
	}
}
