/*
 * count.c - the history file: one JSON object, a member for each domain, each
 * with its counters. Whoever uses it locks it: two looks at one time see one
 * after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "rudpstat/count.h"

static void history_path(char *path, size_t len)
{
	const char *own = getenv("RUDPSTAT_HISTORY"), *dir = getenv("XDG_RUNTIME_DIR");

	if (own && *own)
		snprintf(path, len, "%s", own);
	else if (dir && *dir == '/')
		snprintf(path, len, "%s/rudpstat.history", dir);
	else
		snprintf(path, len, "/tmp/.rudpstat.u%u", (unsigned)getuid());
}

/* In /tmp somebody else may have been first: only a file of ours will do. */
static int open_history(void)
{
	char path[4096];
	struct stat st;
	int fd;

	history_path(path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		close(fd);
		return -EPERM;
	}
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			close(fd);
			return -EIO;
		}
	return fd;
}

static void take_since(struct stat_domain *s, const json_t *last)
{
	for (unsigned i = 0; i < CNT_COUNT; i++) {
		const json_t *v = json_object_get(last, counter_names[i]);
		u64 was = json_is_integer(v) ? (u64)json_integer_value(v) : 0;

		/* fewer than before: it is a new domain by that name */
		s->since[i] = s->counters[i] - (was <= s->counters[i] ? was : 0);
	}
}

static json_t *as_json(const struct stat_domain *s)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < CNT_COUNT; i++)
		json_object_set_new(o, counter_names[i],
				    json_integer((json_int_t)s->counters[i]));
	return o;
}

static int write_history(int fd, const json_t *all)
{
	if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0)
		return -errno;
	return json_dumpfd(all, fd, JSON_COMPACT) < 0 ? -EIO : 0;
}

int count_since(struct stat_domain *s, size_t n, bool update)
{
	int fd = open_history(), ret = fd < 0 ? fd : 0;
	json_t *all = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);

	if (!json_is_object(all)) {
		json_decref(all);
		all = json_object();
	}
	for (size_t i = 0; i < n; i++) {
		take_since(&s[i], json_object_get(all, s[i].name));
		json_object_set_new(all, s[i].name, as_json(&s[i]));
	}
	if (update && fd >= 0)
		ret = write_history(fd, all);
	json_decref(all);
	if (fd >= 0)
		close(fd);
	return ret;
}
