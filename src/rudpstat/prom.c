/*
 * prom.c - the same numbers for Prometheus, in the text format that the node
 * exporter's textfile collector reads. A metric's samples stand together, so
 * metrics are the outer loop. What a socket has comes from its JSON object:
 * every number there is a metric by the same name.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "rudpstat/out.h"

struct from {
	const struct stat_domain *s;
	size_t n;
	const json_t *top;
};

static void metric(const char *name, const char *type, const char *help)
{
	printf("# HELP rudp_%s %s\n# TYPE rudp_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline have to be escaped. */
static void quoted(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			putchar('\\');
		if (*s == '\n')
			fputs("\\n", stdout);
		else
			putchar(*s);
	}
	putchar('"');
}

/* ---- domains -------------------------------------------------------------------- */

static void print_memory(const struct from *f)
{
	static const char *const limit[] = { "low", "pressure", "high" };

	metric("memory_pages", "gauge", "Pages of 4096 bytes charged to the domain.");
	for (size_t i = 0; i < f->n; i++)
		printf("rudp_memory_pages{domain=\"%s\"} %" PRIu64 "\n", f->s[i].name,
		       f->s[i].allocated);
	metric("memory_limit_pages", "gauge", "The domain's limits in pages.");
	for (size_t i = 0; i < f->n; i++)
		for (unsigned j = 0; j < 3; j++)
			printf("rudp_memory_limit_pages{domain=\"%s\",limit=\"%s\"} %" PRIu64 "\n",
			       f->s[i].name, limit[j], f->s[i].limits.mem[j]);
	metric("memory_under_pressure", "gauge", "1 while the domain is under pressure.");
	for (size_t i = 0; i < f->n; i++)
		printf("rudp_memory_under_pressure{domain=\"%s\"} %d\n", f->s[i].name,
		       f->s[i].under_pressure);
	metric("memory_pressure_seconds_total", "counter", "Time spent under pressure.");
	for (size_t i = 0; i < f->n; i++)
		printf("rudp_memory_pressure_seconds_total{domain=\"%s\"} %.3f\n", f->s[i].name,
		       f->s[i].pressure_seconds);
}

static void print_counts(const struct from *f)
{
	metric("sockets", "gauge", "Sockets of the domain by what they are.");
	for (size_t i = 0; i < f->n; i++) {
		const struct stat_domain *s = &f->s[i];
		const struct {
			const char *kind;
			u64 v;
		} kinds[] = { { "inuse", s->inuse }, { "orphan", s->orphan },
			      { "timewait", s->timewait }, { "alloc", s->alloc } };

		for (size_t j = 0; j < ARRAY_SIZE(kinds); j++)
			printf("rudp_sockets{domain=\"%s\",kind=\"%s\"} %" PRIu64 "\n", s->name,
			       kinds[j].kind, kinds[j].v);
	}
}

static void print_processes(const struct from *f, const char *name, const char *help, bool pages)
{
	metric(name, "gauge", help);
	for (size_t i = 0; i < f->n; i++)
		for (size_t j = 0; j < f->s[i].nprocs; j++) {
			const struct stat_proc *p = &f->s[i].procs[j];

			printf("rudp_%s{domain=\"%s\",pid=\"%" PRId32 "\",comm=", name,
			       f->s[i].name, p->pid);
			quoted(p->comm);
			printf("} %" PRIu64 "\n", pages ? p->charged : p->sockets);
		}
}

/* TCPMemoryPressures becomes rudp_tcp_memory_pressures_total. */
static void snake(char *out, size_t len, const char *name)
{
	size_t n = 0;

	for (const char *p = name; *p && n + 2 < len; p++) {
		if (p > name && isupper((unsigned char)*p) &&
		    (islower((unsigned char)p[-1]) || islower((unsigned char)p[1])))
			out[n++] = '_';
		out[n++] = (char)tolower((unsigned char)*p);
	}
	out[n] = '\0';
}

static void print_counters(const struct from *f)
{
	char name[80], total[96];

	for (unsigned c = 0; c < CNT_COUNT; c++) {
		snake(name, sizeof(name), counter_names[c]);
		snprintf(total, sizeof(total), "%s_total", name);
		metric(total, "counter", counter_descs[c]);
		for (size_t i = 0; i < f->n; i++)
			printf("rudp_%s{domain=\"%s\"} %" PRIu64 "\n", total, f->s[i].name,
			       f->s[i].counters[c]);
	}
}

/* ---- sockets ----------------------------------------------------------------------- */

static const json_t *conn_of(const struct from *f, size_t dom, size_t i)
{
	return json_array_get(json_object_get(json_array_get(json_object_get(f->top, "domains"),
							     dom), "connections"), i);
}

/* One number of one part ("skmem", "info") of every socket that has it. */
static void print_number(const struct from *f, const char *part, const char *key)
{
	char name[96], help[160];
	size_t len = strlen(key);
	bool total = len > 6 && !strcmp(key + len - 6, "_total");

	snprintf(name, sizeof(name), "socket_%s", key);
	snprintf(help, sizeof(help), "%s of a socket, see rudpstat(1).", key);
	metric(name, total ? "counter" : "gauge", help);
	for (size_t d = 0; d < f->n; d++)
		for (size_t i = 0; i < f->s[d].nconns; i++) {
			const struct stat_conn *c = &f->s[d].conns[i];
			const json_t *v = json_object_get(json_object_get(conn_of(f, d, i), part),
							  key);

			if (!json_is_integer(v))
				continue;
			printf("rudp_%s{domain=\"%s\",id=\"%016" PRIx64 "\",state=\"%s\","
			       "local=\"%s\",peer=\"%s\",pid=\"%" PRId32 "\",slot=\"%" PRIu32
			       "\"} %" JSON_INTEGER_FORMAT "\n", name, f->s[d].name, c->id,
			       c->state, c->local, c->peer, c->pid, c->index,
			       json_integer_value(v));
		}
}

/* The names are those of any socket: a connection has all that there are. */
static void print_part(const struct from *f, const char *part, bool queues_only)
{
	const json_t *best = NULL;
	const char *key;
	json_t *v;

	for (size_t d = 0; d < f->n; d++)
		for (size_t i = 0; i < f->s[d].nconns; i++) {
			const json_t *o = json_object_get(conn_of(f, d, i), part);

			if (json_object_size(o) > json_object_size(best))
				best = o;
		}
	json_object_foreach((json_t *)(uintptr_t)best, key, v)
		if (json_is_integer(v) && queues_only == (!strcmp(key, "recv_q") ||
							  !strcmp(key, "send_q")))
			print_number(f, part, key);
}

int prom_print(const struct stat_domain *s, size_t n, unsigned show)
{
	struct from f = { s, n, json_build(s, n, show) };

	if (!f.top)
		return -ENOMEM;
	if (!(show & SHOW_VIEWS)) {
		print_memory(&f);
		print_counts(&f);
		print_processes(&f, "process_pages", "Pages charged for a process's sockets.", true);
		print_processes(&f, "process_sockets", "Sockets that a process drives.", false);
	}
	if (show & SHOW_COUNTERS)
		print_counters(&f);
	if (show & SHOW_ANY_SOCKETS)
		print_part(&f, "info", true);
	if (show & SHOW_MEMORY)
		print_part(&f, "skmem", false);
	if (show & SHOW_INFO)
		print_part(&f, "info", false);
	json_decref((json_t *)(uintptr_t)f.top);
	return ferror(stdout) ? -EIO : 0;
}
