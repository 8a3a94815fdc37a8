/*
 * set.c - rudpstat --set: limits of a living domain. All changes of one call
 * come into force together or not at all (domain.h).
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "rudpstat/set.h"

/* False: not such a value. */
static bool set_limit(struct mem_limits *l, const char *key, const char *value)
{
	const struct {
		const char *key;
		u32 *where;
		bool bytes;
	} numbers[] = {
		{ "rmem_max", &l->rmem_max, true }, { "wmem_max", &l->wmem_max, true },
		{ "notsent_lowat", &l->notsent_lowat, true },
		{ "max_orphans", &l->max_orphans, false }, { "reserve", &l->reserve, false },
		{ "ssthresh_metrics", &l->ssthresh_metrics, false },
	};

	if (!strcmp(key, "mem"))
		return mem_parse_mem(value, l->mem);
	if (!strcmp(key, "rmem"))
		return mem_parse_bytes3(value, l->rmem);
	if (!strcmp(key, "wmem"))
		return mem_parse_bytes3(value, l->wmem);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(key, numbers[i].key))
			return mem_parse_number(value, numbers[i].where, numbers[i].bytes);
	return false;
}

/* One KEY=VALUE; what is wrong with it has been said. */
static bool set_one(struct mem_limits *l, const char *set)
{
	const char *eq = strchr(set, '='), *accepted;
	char key[32];

	snprintf(key, sizeof(key), "%.*s", eq ? (int)min(eq - set, (ptrdiff_t)31) : 31, set);
	accepted = mem_limits_accepted(key);
	if (!accepted)
		fprintf(stderr, "rudpstat: --set %s: no such limit; there are mem, rmem, wmem, "
			"rmem_max, wmem_max, max_orphans, notsent_lowat, reserve, "
			"ssthresh_metrics\n", set);
	else if (!eq || !set_limit(l, key, eq + 1))
		fprintf(stderr, "rudpstat: --set %s: accepted are %s\n", set, accepted);
	else
		return true;
	return false;
}

/* The last of the call that set it; the name alone if none did. */
static const char *who_set(const char *key, const char *const *sets, unsigned n)
{
	size_t len = strlen(key);

	while (n--)
		if (!strncmp(sets[n], key, len) && sets[n][len] == '=')
			return sets[n];
	return key;
}

int set_limits(struct domain *d, const char *const *sets, unsigned n)
{
	struct mem_limits l;
	const char *wrong;

	domain_limits(d, &l);
	for (unsigned i = 0; i < n; i++)
		if (!set_one(&l, sets[i]))
			return EXIT_USAGE;
	wrong = mem_limits_check(&l);
	if (wrong) {
		fprintf(stderr, "rudpstat: --set %s: accepted are %s\n",
			who_set(wrong, sets, n), mem_limits_accepted(wrong));
		return EXIT_FAIL;
	}
	if (domain_set_limits(d, &l) < 0) {
		fprintf(stderr, "rudpstat: limits unchanged: the domain refused them\n");
		return EXIT_FAIL;
	}
	if (domain_is_tight(d))
		fprintf(stderr, "rudpstat: warning: high is less than 48 pages for each family of "
			"processes: receive buffers alone may fill a third of it\n");
	return 0;
}
