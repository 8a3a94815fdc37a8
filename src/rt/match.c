/* match.c - see match.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "rt/match.h"

static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool parse_ports(struct match_rule *r, const char *s)
{
	char *end;
	unsigned long from, to;

	if (*s < '0' || *s > '9')
		return false;
	from = to = strtoul(s, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		to = strtoul(end + 1, &end, 10);
	if (*end || from > to || to > 65535)
		return false;
	r->from = (u16)from;
	r->to = (u16)to;
	return true;
}

static bool parse_bits(struct match_rule *r, const char *s, unsigned most)
{
	char *end;
	unsigned long bits = strtoul(s, &end, 10);

	if (end == s || *end || bits > most || *s < '0' || *s > '9')
		return false;
	r->bits = (u8)(128 - most + bits);
	return true;
}

/* What stands before the ports. */
static bool parse_address(struct match_rule *r, char *s)
{
	char *slash = strchr(s, '/'), *end = s + strlen(s);

	if (!*s || !strcmp(s, "*"))
		return true;
	if (slash) {
		*slash = '\0';
		end = slash;
	}
	r->bits = 128;
	if (*s == '[') {
		if (end == s || end[-1] != ']')
			return false;
		end[-1] = '\0';
		return inet_pton(AF_INET6, s + 1, r->addr) == 1 &&
		       (!slash || parse_bits(r, slash + 1, 128));
	}
	memcpy(r->addr, mapped, sizeof(mapped));
	return inet_pton(AF_INET, s, r->addr + 12) == 1 &&
	       (!slash || parse_bits(r, slash + 1, 32));
}

static bool parse_rule(struct match_rule *r, char *s)
{
	char *bracket, *colon;

	*r = (struct match_rule){ .to = 65535, .plain = *s == '!' };
	s += r->plain;
	bracket = strrchr(s, ']');
	colon = strchr(bracket ? bracket : s, ':');
	if (!*s)
		return false;
	if (colon) {
		*colon = '\0';
		if (!parse_ports(r, colon + 1))
			return false;
	}
	return parse_address(r, s);
}

bool match_parse(struct match *m, const char *rules)
{
	static const char between[] = " \t\n,";
	char word[80];

	*m = (struct match){ .n = 0 };
	for (;;) {
		size_t len;

		rules += strspn(rules, between);
		len = strcspn(rules, between);
		if (!len)
			return m->n > 0;
		if (len >= sizeof(word) || m->n == MATCH_RULES)
			return false;
		memcpy(word, rules, len);
		word[len] = '\0';
		if (!parse_rule(&m->rule[m->n], word))
			return false;
		m->rest_plain |= !m->rule[m->n++].plain;
		rules += len;
	}
}

static bool holds(const struct match_rule *r, const u8 addr[16], u16 port)
{
	unsigned bytes = r->bits / 8, rest = r->bits % 8;

	if (port < r->from || port > r->to || memcmp(r->addr, addr, bytes) != 0)
		return false;
	return !rest || !((r->addr[bytes] ^ addr[bytes]) >> (8 - rest));
}

bool match_plain(const struct match *m, const struct sockaddr *sa)
{
	u8 addr[16];
	u16 port;

	if (!m->n)
		return false;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		memcpy(addr, mapped, sizeof(mapped));
		memcpy(addr + 12, &in->sin_addr, 4);
		port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(addr, &in6->sin6_addr, 16);
		port = ntohs(in6->sin6_port);
	} else {
		return false;
	}
	for (unsigned i = 0; i < m->n; i++)
		if (holds(&m->rule[i], addr, port))
			return m->rule[i].plain;
	return m->rest_plain;
}
