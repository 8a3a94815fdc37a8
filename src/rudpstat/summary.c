/*
 * summary.c - a domain on one screen: its memory against the limits, its
 * sockets, its processes.
 */
#include <inttypes.h>
#include <stdio.h>
#include "rudpstat/out.h"

enum { BAR_WIDTH = 50 };

struct colours col = { "", "", "", "", "" };

void colours_on(void)
{
	col = (struct colours){ "\033[1m", "\033[32m", "\033[33m", "\033[31m", "\033[0m" };
}

const char *human_pages(u64 pages, char buf[static 32])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB" };
	double v = (double)pages * (PAGE_BYTES / 1024);
	unsigned u = 0;

	while (v >= 1024 && u + 1 < ARRAY_SIZE(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 32, v < 10 && u ? "%.1f %s" : "%.0f %s", v, unit[u]);
	return buf;
}

const char *human_rate(double bits, char buf[static 32])
{
	static const char *const unit[] = { "bps", "Kbps", "Mbps", "Gbps", "Tbps" };
	unsigned u = 0;

	while (bits >= 1000 && u + 1 < ARRAY_SIZE(unit)) {
		bits /= 1000;
		u++;
	}
	snprintf(buf, 32, bits < 10 && u ? "%.1f%s" : "%.0f%s", bits, unit[u]);
	return buf;
}

static const char *level_colour(const struct stat_domain *s)
{
	if (s->allocated > s->limits.mem[1])
		return col.bad;
	return s->under_pressure || s->allocated > s->limits.mem[0] ? col.warn : col.good;
}

/* Charged memory as # against high; | marks low and pressure. */
static void print_bar(const struct stat_domain *s)
{
	u64 high = max(s->limits.mem[2], (u64)1);
	char bar[BAR_WIDTH + 1];

	for (u64 i = 0; i < BAR_WIDTH; i++)
		bar[i] = (double)i * (double)high < (double)s->allocated * BAR_WIDTH ? '#' : '-';
	for (unsigned i = 0; i < 2; i++) {
		u64 at = (u64)((double)min(s->limits.mem[i], high) * BAR_WIDTH / (double)high);

		if (at < BAR_WIDTH && bar[at] == '-')
			bar[at] = '|';
	}
	bar[BAR_WIDTH] = '\0';
	printf("  [%s%s%s] %.0f%%%s\n", level_colour(s), bar, col.off,
	       (double)s->allocated * 100 / (double)high,
	       s->allocated > high ? " above high" : "");
}

static void print_memory(const struct stat_domain *s)
{
	char used[32], high[32], lim[3][32];

	printf("%sdomain %s%s, user %" PRIu32 "\n", col.head, s->name, col.off, s->uid);
	printf("memory %" PRIu64 " pages (%s) of %" PRIu64 " (%s)\n", s->allocated,
	       human_pages(s->allocated, used), s->limits.mem[2],
	       human_pages(s->limits.mem[2], high));
	print_bar(s);
	printf("  low %" PRIu64 " (%s)  pressure %" PRIu64 " (%s)  high %" PRIu64 " (%s)\n",
	       s->limits.mem[0], human_pages(s->limits.mem[0], lim[0]),
	       s->limits.mem[1], human_pages(s->limits.mem[1], lim[1]),
	       s->limits.mem[2], human_pages(s->limits.mem[2], lim[2]));
	if (s->under_pressure)
		printf("pressure %sYES%s, for %.3f s", col.bad, col.off, s->pressure_now);
	else
		printf("pressure no");
	printf(", entered %" PRIu64 " times, %.3f s in all\n",
	       s->counters[CNT_TCPMemoryPressures], s->pressure_seconds);
}

void summary_print(const struct stat_domain *s, bool header)
{
	char charged[32];

	print_memory(s);
	printf("sockets inuse %" PRIu64 " orphan %" PRIu64 " timewait %" PRIu64
	       " alloc %" PRIu64 "\n", s->inuse, s->orphan, s->timewait, s->alloc);
	if (!s->nprocs)
		return;
	if (header)
		printf("%s%10s  %-16s%10s%10s  %s%s\n", col.head, "PID", "COMMAND", "SOCKETS",
		       "PAGES", "CHARGED", col.off);
	for (size_t i = 0; i < s->nprocs; i++) {
		const struct stat_proc *p = &s->procs[i];

		printf("%10" PRId32 "  %-16s%10" PRIu64 "%10" PRIu64 "  %s\n", p->pid,
		       p->comm, p->sockets, p->charged, human_pages(p->charged, charged));
	}
}
