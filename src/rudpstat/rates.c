/*
 * rates.c - connections are found again by id and process: the two ends of one
 * connection in one domain have different ids.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rudpstat/rates.h"

static int compare(const void *a, const void *b)
{
	const struct rate *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

const struct rate *rates_of(const struct rates *r, const struct stat_conn *c)
{
	struct rate key = { .id = c->id, .pid = c->pid };

	return r->n ? bsearch(&key, r->conns, r->n, sizeof(key), compare) : NULL;
}

int rates_init(struct rates *r)
{
	*r = (struct rates){ .domains = calloc(RATE_DOMAINS, sizeof(*r->domains)) };
	return r->domains ? 0 : -ENOMEM;
}

void rates_fini(struct rates *r)
{
	free(r->conns);
	free(r->domains);
}

static struct history *find_domain(const struct rates *r, const char *name)
{
	for (unsigned i = 0; i < r->ndomains; i++)
		if (!strcmp(r->domains[i].name, name))
			return &r->domains[i];
	return NULL;
}

const struct history *rates_domain(const struct rates *r, const char *name)
{
	return find_domain(r, name);
}

/* A domain that nobody has seen gives its place to the new one. */
static struct history *make_domain(struct rates *r, const char *name)
{
	struct history *h = find_domain(r, name);

	for (unsigned i = 0; !h && i < r->ndomains; i++)
		if (!r->domains[i].seen)
			h = &r->domains[i];
	if (!h && r->ndomains < RATE_DOMAINS)
		h = &r->domains[r->ndomains++];
	if (h && strcmp(h->name, name) != 0) {
		*h = (struct history){ .n = 0 };
		snprintf(h->name, sizeof(h->name), "%s", name);
	}
	return h;
}

static void history_add(struct history *h, double pages, double bytes)
{
	if (h->n == HISTORY) {
		memmove(h->pages, h->pages + 1, sizeof(h->pages) - sizeof(h->pages[0]));
		memmove(h->bytes, h->bytes + 1, sizeof(h->bytes) - sizeof(h->bytes[0]));
		h->n--;
	}
	h->pages[h->n] = pages;
	h->bytes[h->n++] = bytes;
	h->seen = true;
}

static double per_second(u64 now, u64 was, double seconds)
{
	return now > was && seconds > 0 ? (double)(now - was) / seconds : 0;
}

static double take_conns(struct rates *r, struct rate *to, const struct stat_domain *s,
			 double seconds)
{
	double sum = 0;

	for (size_t i = 0; i < s->nconns; i++) {
		const struct stat_conn *c = &s->conns[i];
		const struct rate *was = rates_of(r, c);

		to[i] = (struct rate){ .id = c->id, .pid = c->pid, .sent = c->conn.bytes_acked,
				       .received = c->conn.bytes_received };
		if (was) {
			to[i].tx = per_second(to[i].sent, was->sent, seconds);
			to[i].rx = per_second(to[i].received, was->received, seconds);
		}
		sum += to[i].tx + to[i].rx;
	}
	return sum;
}

int rates_update(struct rates *r, const struct stat_domain *s, size_t n)
{
	double seconds = n && r->taken ? (double)(s[0].taken - r->taken) / USEC_PER_SEC : 0;
	size_t all = 0, at = 0;
	struct rate *conns;

	for (size_t i = 0; i < n; i++)
		all += s[i].nconns;
	conns = calloc(all + 1, sizeof(*conns));
	if (!conns)
		return -ENOMEM;
	for (unsigned i = 0; i < r->ndomains; i++)
		r->domains[i].seen = false;
	for (size_t i = 0; i < n; i++) {
		struct history *h = find_domain(r, s[i].name);

		if (h)
			h->seen = true;
	}
	for (size_t i = 0; i < n; i++) {
		double bytes = take_conns(r, conns + at, &s[i], seconds);
		struct history *h = make_domain(r, s[i].name);

		at += s[i].nconns;
		if (h)
			history_add(h, (double)s[i].allocated, bytes);
	}
	qsort(conns, all, sizeof(*conns), compare);
	free(r->conns);
	r->conns = conns;
	r->n = all;
	r->taken = n ? s[0].taken : 0;
	return 0;
}
