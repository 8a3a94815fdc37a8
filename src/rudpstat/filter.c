/*
 * filter.c - reading a filter's words, and asking it about a socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rudpstat/filter.h"

#define STATE_WORDS	"established, syn-sent, fin-wait-1, fin-wait-2, time-wait, closed, " \
			"close-wait, last-ack, listening, closing, all, connected or synchronized"
#define ADDRESS_WORDS	"ADDRESS[/BITS][:PORT], an IPv6 address with a port in brackets, or :PORT"
#define PORT_WORDS	"a number from 1 to 65535 or the name of a service"

/* ---- words ------------------------------------------------------------------- */

static u32 state_bits(const char *name)
{
	static const struct {
		const char *name;
		u32 bits;
	} states[] = {
		{ "established", 1 << CONN_ESTABLISHED }, { "syn-sent", 1 << CONN_SYN_SENT },
		{ "fin-wait-1", 1 << CONN_FIN_WAIT1 }, { "fin-wait-2", 1 << CONN_FIN_WAIT2 },
		{ "time-wait", 1 << CONN_TIME_WAIT }, { "closed", 1 << CONN_CLOSED },
		{ "unconnected", 1 << CONN_CLOSED }, { "close-wait", 1 << CONN_CLOSE_WAIT },
		{ "last-ack", 1 << CONN_LAST_ACK }, { "listening", STATES_LISTEN },
		{ "listen", STATES_LISTEN }, { "closing", 1 << CONN_CLOSING },
		{ "all", STATES_ALL },
		{ "connected", STATES_ALL & ~(1 << CONN_LISTEN | 1 << CONN_CLOSED) },
		{ "synchronized", STATES_ALL & ~(1 << CONN_LISTEN | 1 << CONN_CLOSED |
						 1 << CONN_SYN_SENT) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcasecmp(states[i].name, name))
			return states[i].bits;
	return 0;
}

/* A number, or a service's name; ":80" too. 0: neither. */
static int parse_port(const char *s)
{
	struct servent *se;
	char *end;
	long n;

	s += *s == ':';
	n = strtol(s, &end, 10);
	if (end != s)
		return *end || n < 1 || n > 65535 ? 0 : (int)n;
	se = getservbyname(s, "tcp");
	return se ? ntohs((u16)se->s_port) : 0;
}

/* A[/BITS][:PORT], [A6][/BITS][:PORT], A6[/BITS], :PORT, or * for any. */
static bool parse_address(struct addr_match *m, const char *s)
{
	char buf[STAT_ADDR], *host = buf, *rest = NULL, *slash, *end;
	unsigned most;

	if (strlen(s) >= sizeof(buf))
		return false;
	strcpy(buf, s);
	if (*host == '[') {
		rest = strchr(++host, ']');
		if (!rest)
			return false;
		memmove(rest, rest + 1, strlen(rest));
		rest = strchr(rest, ':');
	} else if (strchr(host, ':') == strrchr(host, ':')) {
		rest = strchr(host, ':');
	}
	if (rest) {
		m->port = parse_port(rest);
		if (!m->port)
			return false;
		*rest = '\0';
	}
	if (!*host || !strcmp(host, "*"))
		return true;
	slash = strchr(host, '/');
	if (slash)
		*slash++ = '\0';
	m->family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(m->family, host, m->addr) != 1)
		return false;
	most = m->family == AF_INET ? 32 : 128;
	m->bits = most;
	if (slash) {
		m->bits = (unsigned)strtoul(slash, &end, 10);
		return end != slash && !*end && m->bits <= most;
	}
	return true;
}

static bool parse_pid(s32 *pid, const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	*pid = (s32)n;
	return end != s && !*end && n > 0 && n <= INT32_MAX;
}

static bool parse_id(u64 *id, const char *s)
{
	char *end;

	*id = strtoull(s, &end, 16);
	return end != s && !*end && *id;
}

static bool parse_one(struct filter *f, const char *key, const char *value)
{
	u32 bits;

	if (!strcmp(key, "state") || !strcmp(key, "exclude")) {
		bits = state_bits(value);
		if (*key == 's')
			f->states |= bits;
		else
			f->states = (f->states ? f->states : STATES_ALL) & ~bits;
		return bits != 0;
	}
	if (!strcmp(key, "src"))
		return parse_address(&f->src, value);
	if (!strcmp(key, "dst"))
		return parse_address(&f->dst, value);
	if (!strcmp(key, "sport"))
		return (f->src.port = parse_port(value)) != 0;
	if (!strcmp(key, "dport"))
		return (f->dst.port = parse_port(value)) != 0;
	if (!strcmp(key, "port"))
		return (f->port = parse_port(value)) != 0;
	if (!strcmp(key, "pid"))
		return parse_pid(&f->pid, value);
	if (!strcmp(key, "id"))
		return parse_id(&f->id, value);
	f->comm = value;
	return true;
}

static bool one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* What may stand behind a key, and all keys. */
static const struct {
	const char *key, *accepted;
} keys[] = {
	{ "state", STATE_WORDS }, { "exclude", STATE_WORDS },
	{ "src", ADDRESS_WORDS }, { "dst", ADDRESS_WORDS }, { "sport", PORT_WORDS },
	{ "dport", PORT_WORDS }, { "port", PORT_WORDS },
	{ "pid", "the number of a process" }, { "comm", "the name of a program" },
	{ "id", "16 hexadecimal digits, as rudpstat -i shows them" },
};

static const char *accepted_by(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, key))
			return keys[i].accepted;
	return NULL;
}

int filter_parse(struct filter *f, int argc, char **argv, char why[static FILTER_WHY])
{
	static const char *const between[] = { "(", ")", "and", "&&", NULL };
	static const char *const equals[] = { "=", "==", "eq", NULL };

	for (int i = 0; i < argc; i++) {
		const char *key = argv[i], *accepted = accepted_by(key);

		if (one_of(key, between))
			continue;
		if (!accepted) {
			snprintf(why, FILTER_WHY, "filter '%s': accepted are state, exclude, src, "
				 "dst, sport, dport, port, pid, comm and id", key);
			return -EINVAL;
		}
		i += i + 1 < argc && one_of(argv[i + 1], equals);
		if (++i < argc && parse_one(f, key, argv[i]))
			continue;
		snprintf(why, FILTER_WHY, "filter '%s%s%s': accepted is %s", key,
			 i < argc ? " " : "", i < argc ? argv[i] : "", accepted);
		return -EINVAL;
	}
	return 0;
}

/* ---- questions ------------------------------------------------------------------ */

static int port_of(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : ntohs(a->in.sin_port);
}

static bool same_bits(const u8 *a, const u8 *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8));
}

static bool addr_matches(const struct addr_match *m, const union sock_addr *a)
{
	const u8 *bytes = (const u8 *)&a->in.sin_addr;
	int family = a->sa.sa_family;

	if (m->port && m->port != port_of(a))
		return false;
	if (!m->family)
		return true;
	if (family == AF_INET6) {
		bytes = (const u8 *)&a->in6.sin6_addr;
		if (m->family == AF_INET && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
			bytes += 12;
			family = AF_INET;
		}
	}
	return m->family == family && same_bits(m->addr, bytes, m->bits);
}

bool filter_match(const struct filter *f, const struct stat_conn *c)
{
	u32 bit = (unsigned)c->st < 12 ? 1u << c->st : 0;

	if (f->states && !(f->states & bit))
		return false;
	if (f->port && f->port != port_of(&c->laddr) && f->port != port_of(&c->paddr))
		return false;
	if ((f->pid && f->pid != c->pid) || (f->comm && strcmp(f->comm, c->comm) != 0))
		return false;
	if (f->id && f->id != c->id)
		return false;
	return addr_matches(&f->src, &c->laddr) && addr_matches(&f->dst, &c->paddr);
}

void filter_apply(const struct filter *f, struct stat_domain *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nconns; i++)
		if (filter_match(f, &s->conns[i]))
			s->conns[n++] = s->conns[i];
	s->nconns = n;
}
