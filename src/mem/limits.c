/*
 * limits.c - defaults from the machine's memory, parsing and checking (R1.3 to
 * R1.6, D8.14, D8.17).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/domain.h"
#include "mem/domain_local.h"

enum {
	L_PAGES_MIN = 128,		/* of R1.3's L */
	ORPHANS_ENTRIES_MAX = 524288,	/* of R1.6's E */
	CGROUP_PATH_MAX = 512,
	METRICS_PAGES = 512,		/* of memory, for each destination */
};

void mem_limits_default(struct mem_limits *l, u64 m_pages, u64 total_bytes)
{
	u64 base = max(m_pages / 16, (u64)L_PAGES_MIN);
	u64 lim = m_pages * (PAGE_BYTES / 128);
	u64 entries = 1;

	while (entries < ORPHANS_ENTRIES_MAX && entries < total_bytes / (128 << 10))
		entries *= 2;
	*l = (struct mem_limits){
		.mem = { 3 * (base / 4), base, 2 * 3 * (base / 4) },
		.wmem = { 4096, 16384, (u32)max(min(lim, (u64)4 << 20), (u64)65536) },
		.rmem = { 4096, 131072, (u32)max(min(lim, (u64)32 << 20), (u64)131072) },
		.wmem_max = 4u << 20,
		.rmem_max = 4u << 20,
		.max_orphans = (u32)(entries / 2),
		.notsent_lowat = UINT32_MAX,
	};
}

u32 mem_metrics_rows(u64 m_pages)
{
	u32 rows = METRICS_ROWS_MIN;

	while (rows < METRICS_ROWS && rows < m_pages / METRICS_PAGES)
		rows *= 2;
	return rows;
}

static bool ascend(const u32 v[3], u32 least)
{
	return v[0] >= least && v[0] <= v[1] && v[1] <= v[2] && v[2] <= INT32_MAX;
}

const char *mem_limits_check(const struct mem_limits *l)
{
	if (!l->mem[0] || l->mem[0] > l->mem[1] || l->mem[1] > l->mem[2] ||
	    l->mem[2] > INT64_MAX / PAGE_BYTES)
		return "mem";
	if (!ascend(l->wmem, 1))
		return "wmem";
	if (!ascend(l->rmem, PAGE_BYTES))
		return "rmem";
	if (l->wmem_max > INT32_MAX / 2)
		return "wmem_max";
	if (l->rmem_max > INT32_MAX / 2)
		return "rmem_max";
	if (!l->notsent_lowat)		/* nobody could ever send */
		return "notsent_lowat";
	return l->reserve > 256 ? "reserve" : l->ssthresh_metrics > 1 ? "ssthresh_metrics" : NULL;
}

const char *mem_limits_accepted(const char *limit)
{
	static const char *const accepted[][2] = {
		{ "mem", "\"low pressure high\", ascending from 1, in pages of 4096 bytes, "
		  "or in bytes with K, M or G" },
		{ "wmem", "\"min default max\", ascending from 1 to 2147483647, in bytes, "
		  "each with K, M or G if wanted" },
		{ "rmem", "\"min default max\", ascending from 4096 to 2147483647, in bytes, "
		  "each with K, M or G if wanted" },
		{ "wmem_max", "0 to 1073741823 bytes, with K, M or G if wanted" },
		{ "rmem_max", "0 to 1073741823 bytes, with K, M or G if wanted" },
		{ "max_orphans", "0 to 4294967295" },
		{ "notsent_lowat", "1 to 4294967295 bytes, with K, M or G if wanted" },
		{ "reserve", "1 to 256 pages, or 0: by the limits" },
		{ "ssthresh_metrics", "0 and 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
		if (!strcmp(limit, accepted[i][0]))
			return accepted[i][1];
	return NULL;
}

/* One number with an optional K, M or G; *bytes says whether there was one. */
static bool parse_number(const char **s, u64 *out, bool *bytes)
{
	static const char suffixes[] = "KMG";
	const char *p = *s, *suffix;
	u64 v = 0;

	while (isspace((unsigned char)*p))
		p++;
	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (u64)(*p - '0'), &v))
			return false;
	suffix = *p ? strchr(suffixes, toupper((unsigned char)*p)) : NULL;
	*bytes = suffix != NULL;
	for (; suffix && suffix >= suffixes; suffix--)
		if (__builtin_mul_overflow(v, 1024, &v))
			return false;
	if (*bytes)
		p++;
	if (*p && !isspace((unsigned char)*p))
		return false;
	*s = p;
	*out = v;
	return true;
}

static bool at_end(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return !*s;
}

bool mem_parse_mem(const char *s, u64 out_pages[3])
{
	u64 v[3];

	for (int i = 0; i < 3; i++) {
		bool bytes;

		if (!parse_number(&s, &v[i], &bytes))
			return false;
		if (bytes)
			v[i] /= PAGE_BYTES;
	}
	if (!at_end(s))
		return false;
	memcpy(out_pages, v, sizeof(v));
	return true;
}

bool mem_parse_bytes3(const char *s, u32 out[3])
{
	u32 v[3];

	for (int i = 0; i < 3; i++) {
		u64 n;
		bool bytes;

		if (!parse_number(&s, &n, &bytes) || n > UINT32_MAX)
			return false;
		v[i] = (u32)n;
	}
	if (!at_end(s))
		return false;
	memcpy(out, v, sizeof(v));
	return true;
}

bool mem_parse_number(const char *s, u32 *out, bool suffix)
{
	bool bytes;
	u64 n;

	if (!parse_number(&s, &n, &bytes) || !at_end(s) || n > UINT32_MAX || (bytes && !suffix))
		return false;
	*out = (u32)n;
	return true;
}

/* ---- how much is there (D8.17) ------------------------------------------------ */

static u64 meminfo_total(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long kb = 0;
	char line[256];

	if (!f)
		return 0;
	while (!kb && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemTotal: %llu kB", &kb) != 1)
			kb = 0;
	fclose(f);
	return (u64)kb << 10;
}

/* The number in a cgroup's file; UINT64_MAX: "max", or no such file. */
static u64 cgroup_value(const char *dir, const char *file)
{
	char path[CGROUP_PATH_MAX + 32];
	unsigned long long v = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	if (!f)
		return UINT64_MAX;
	if (fscanf(f, "%llu", &v) != 1)
		v = UINT64_MAX;
	fclose(f);
	return v;
}

/* A hierarchy that may limit our memory: the unified one, or memory's own. */
struct hierarchy {
	const char *controller;	/* in /proc/self/cgroup */
	const char *under;	/* what it is mounted on, below the root of all */
	const char *files[2];	/* that hold limits */
};

static const struct hierarchy hierarchies[] = {
	{ "", "", { "memory.max", "memory.high" } },
	{ "memory", "/memory", { "memory.limit_in_bytes", NULL } },
};

/* Is it one of a list with commas? */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, word, len) && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/* Our path in it, "/..." ; false: there is none. */
static bool cgroup_self(const char *file, const char *controller, char *out, size_t len)
{
	FILE *f = fopen(file, "re");
	char line[CGROUP_PATH_MAX];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path || path[1] != '/')
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		found = listed(list + 1, controller) &&
			(size_t)snprintf(out, len, "%s", path) < len;
	}
	fclose(f);
	return found;
}

/* The least limit from our group up to the root. Of groups that are not to be
 * seen here (a container shows its own as the root) the root alone counts. */
static u64 cgroup_limit(const struct hierarchy *h, const char *self_file, const char *root)
{
	char self[CGROUP_PATH_MAX / 2], dir[CGROUP_PATH_MAX];
	size_t root_len = strlen(root) + strlen(h->under);
	u64 least = UINT64_MAX;

	if (root_len >= sizeof(dir) / 2 ||
	    !cgroup_self(self_file, h->controller, self, sizeof(self)))
		return least;
	snprintf(dir, sizeof(dir), "%s%s%s", root, h->under, self);
	for (;;) {
		char *slash;

		for (int i = 0; i < 2 && h->files[i]; i++)
			least = min(least, cgroup_value(dir, h->files[i]));
		slash = strrchr(dir + root_len, '/');
		if (!slash)
			return least;
		*slash = 0;
	}
}

u64 mem_available_from(const char *meminfo, const char *self_cgroup,
		       const char *cgroup_root, u64 *total_bytes)
{
	u64 total = meminfo_total(meminfo), least;

	if (!total)
		total = (u64)1 << 30;	/* no /proc: assume little */
	least = total;
	*total_bytes = total;
	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++)
		least = min(least, cgroup_limit(&hierarchies[i], self_cgroup, cgroup_root));
	return least / PAGE_BYTES;
}

u64 mem_available_pages(u64 *total_bytes)
{
	return mem_available_from("/proc/meminfo", "/proc/self/cgroup",
				  "/sys/fs/cgroup", total_bytes);
}
