/*
 * snapshot.c - a domain's own numbers and its processes. The socks of its
 * arenas are socks.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rudpstat/snapshot.h"
#include "rudpstat/socks.h"

const char *const counter_names[CNT_COUNT] = {
#define COUNTER(name, desc) #name,
#include "stat/counters.def"
#undef COUNTER
};

const char *const counter_descs[CNT_COUNT] = {
#define COUNTER(name, desc) desc,
#include "stat/counters.def"
#undef COUNTER
};

/* ---- names ------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int domain_names(char ***ret, size_t *count)
{
	char prefix[32], **names = NULL;
	size_t n = 0, len;
	struct dirent *de;
	DIR *dir = opendir("/dev/shm");

	*ret = NULL;
	*count = 0;
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	len = (size_t)snprintf(prefix, sizeof(prefix), "rudp.%u.", (unsigned)getuid());
	while ((de = readdir(dir))) {
		char **more;

		if (strncmp(de->d_name, prefix, len) != 0 ||
		    strlen(de->d_name + len) >= DOMAIN_NAME_MAX)
			continue;
		more = realloc(names, (n + 1) * sizeof(*names));
		if (!more)
			break;
		names = more;
		names[n] = strdup(de->d_name + len);
		if (!names[n])
			break;
		n++;
	}
	closedir(dir);
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	*ret = names;
	*count = n;
	return 0;
}

void names_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* ---- processes ---------------------------------------------------------------- */

static bool alive(s32 pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* The command's name from /proc: a program may have changed its own. */
void proc_comm(s32 pid, char comm[static STAT_COMM])
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	strcpy(comm, "?");
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(comm, STAT_COMM, f))
		comm[strcspn(comm, "\n")] = '\0';
	fclose(f);
	for (char *p = comm; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
}

static struct stat_proc *find_proc(struct stat_domain *s, s32 pid)
{
	struct stat_proc *more;

	for (size_t i = 0; i < s->nprocs; i++)
		if (s->procs[i].pid == pid)
			return &s->procs[i];
	more = realloc(s->procs, (s->nprocs + 1) * sizeof(*more));
	if (!more)
		return NULL;
	s->procs = more;
	more += s->nprocs++;
	*more = (struct stat_proc){ .pid = pid };
	proc_comm(pid, more->comm);
	return more;
}

static int compare_procs(const void *a, const void *b)
{
	const struct stat_proc *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Numbers of shared memory: any. */
static u64 positive(s64 v)
{
	return v > 0 ? (u64)v : 0;
}

static u64 difference(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* One family: its numbers go to its driver. */
static void take_arena(struct stat_domain *s, const struct domain_arena *row)
{
	u64 socks = positive(atomic_load(&row->sockets));
	u64 orphans = positive(atomic_load(&row->orphans));
	s32 pid = atomic_load(&row->pid);
	struct stat_proc *p;

	s->inuse += difference(socks, orphans);	/* what a program holds */
	s->orphan += orphans;
	s->timewait += positive(atomic_load(&row->timewait));
	if (!alive(pid))
		return;
	p = find_proc(s, pid);
	if (p) {
		p->charged += positive(atomic_load(&row->charged));
		p->sockets += socks;
	}
	socks_take(s, row);
}

static void take_tables(struct stat_domain *s, const struct domain *d)
{
	for (unsigned i = 0; i < DOMAIN_PROCS; i++) {
		s32 pid = atomic_load(&d->procs[i].pid);

		if (alive(pid))
			find_proc(s, pid);
	}
	for (unsigned i = 0; i < DOMAIN_ARENAS; i++)
		if (domain_row_state(&d->arenas[i]) == ROW_LIVE)
			take_arena(s, &d->arenas[i]);
	if (s->nprocs)
		qsort(s->procs, s->nprocs, sizeof(*s->procs), compare_procs);
}

/* ---- the whole ------------------------------------------------------------------ */

/* Time under pressure: of past episodes, and of this one. */
static void take_pressure(struct stat_domain *s, const struct domain *d)
{
	u64 since = atomic_load(&d->pressure_since), now_ms;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ms = (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
	s->under_pressure = since != 0;
	s->pressure_seconds = (double)s->counters[CNT_TCPMemoryPressuresChrono] / 1e3;
	s->taken = (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
	if (since && since < now_ms)
		s->pressure_now = (double)(now_ms - since) / 1e3;
	s->pressure_seconds += s->pressure_now;
}

int snapshot_take(struct stat_domain *s, const char *name)
{
	struct domain *d;
	int ret;

	*s = (struct stat_domain){ .uid = getuid() };
	ret = domain_open(&d, name);
	if (ret < 0)
		return ret;
	snprintf(s->name, sizeof(s->name), "%s", name);
	domain_limits(d, &s->limits);
	s->allocated = positive(domain_allocated(d));
	s->alloc = positive(atomic_load(&d->sockets_allocated));
	for (unsigned i = 0; i < CNT_COUNT; i++)
		s->counters[i] = atomic_load(&d->counters[i]);
	take_pressure(s, d);
	take_tables(s, d);
	domain_detach(d);
	return 0;
}

void snapshot_free(struct stat_domain *s)
{
	free(s->procs);
	free(s->conns);
}

static int take_names(struct stat_domain *s, size_t *taken, char **names, size_t n, bool must,
		      char *failed)
{
	int ret = 0;

	for (size_t i = 0; i < n; i++) {
		int err = snapshot_take(&s[*taken], names[i]);

		if (!err) {
			(*taken)++;
		} else if ((must || err != -ENOENT) && !ret) {
			ret = err;
			snprintf(failed, DOMAIN_NAME_MAX, "%s", names[i]);
		}
	}
	return ret;
}

int snapshot_all(struct stat_domain **all, size_t *n, const char *name, char *failed)
{
	char *one[1] = { (char *)(uintptr_t)name }, **names = one;
	size_t found = 1;
	int ret;

	*n = 0;
	*all = NULL;
	strcpy(failed, "");
	if (!name) {
		ret = domain_names(&names, &found);
		if (ret < 0)
			return ret;
	}
	*all = calloc(found + 1, sizeof(**all));
	ret = *all ? take_names(*all, n, names, found, name != NULL, failed) : -ENOMEM;
	if (!name)
		names_free(names, found);
	return ret;
}

void snapshot_free_all(struct stat_domain *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snapshot_free(&s[i]);
	free(s);
}
