/*
 * set.c - rudpstat --set: limits of a living domain. All changes of one call
 * come into force together or not at all (domain.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rudpstat/set.h"

static bool parse_u32(const char *s, u32 *out)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (*end || errno || v > UINT32_MAX)
		return false;
	*out = (u32)v;
	return true;
}

/* KEY=VALUE into l; false: no such key, or not such a value. */
static bool set_limit(struct mem_limits *l, const char *key, const char *value)
{
	const struct {
		const char *key;
		u32 *where;
	} numbers[] = {
		{ "rmem_max", &l->rmem_max }, { "wmem_max", &l->wmem_max },
		{ "max_orphans", &l->max_orphans }, { "notsent_lowat", &l->notsent_lowat },
		{ "reserve", &l->reserve }, { "ssthresh_metrics", &l->ssthresh_metrics },
	};

	if (!strcmp(key, "mem"))
		return mem_parse_mem(value, l->mem);
	if (!strcmp(key, "rmem"))
		return mem_parse_bytes3(value, l->rmem);
	if (!strcmp(key, "wmem"))
		return mem_parse_bytes3(value, l->wmem);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(key, numbers[i].key))
			return parse_u32(value, numbers[i].where);
	return false;
}

/* One KEY=VALUE. */
static bool set_one(struct mem_limits *l, const char *set)
{
	char *key = strdup(set), *eq = key ? strchr(key, '=') : NULL;
	bool ok;

	if (eq)
		*eq = '\0';
	ok = eq && set_limit(l, key, eq + 1);
	free(key);
	return ok;
}

int set_limits(struct domain *d, const char *const *sets, unsigned n)
{
	struct mem_limits l;
	const char *wrong;

	domain_limits(d, &l);
	for (unsigned i = 0; i < n; i++)
		if (!set_one(&l, sets[i])) {
			fprintf(stderr, "rudpstat: --set %s: no such limit or value\n", sets[i]);
			return EXIT_USAGE;
		}
	wrong = mem_limits_check(&l);
	if (wrong || domain_set_limits(d, &l) < 0) {
		fprintf(stderr, "rudpstat: limits unchanged: %s\n",
			wrong ? wrong : "the domain refused them");
		return EXIT_FAIL;
	}
	return 0;
}
