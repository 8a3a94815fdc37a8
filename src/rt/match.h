/*
 * match.h - RUDP_MATCH: which connections are carried, by address and port.
 *
 *	rules   = rule { separator rule }	separator: blanks, commas
 *	rule    = ["!"] place			"!": the kernel's TCP
 *	place   = "*" [":" ports] | address ["/" bits] [":" ports] | ":" ports
 *	address = 192.0.2.1 | "[" IPv6 "]"
 *	ports   = number ["-" number]
 *
 * The first rule that holds decides. Where none does: the kernel's, if some
 * rule says what is to be carried; carried, if all say what is not.
 */
#ifndef RUDP_RT_MATCH_H
#define RUDP_RT_MATCH_H

#include "base.h"

enum { MATCH_RULES = 64 };

struct match_rule {
	u8 addr[16];		/* IPv4 as an IPv6 address maps it */
	u8 bits;		/* so many of it count */
	bool plain;
	u16 from, to;		/* ports */
};

struct match {
	unsigned n;
	bool rest_plain;
	struct match_rule rule[MATCH_RULES];
};

/* False: malformed, or too many. */
bool match_parse(struct match *m, const char *rules);
#define MATCH_ACCEPTED "accepted are ADDRESS[/BITS][:PORT[-PORT]], *[:PORT] and :PORT, " \
		       "IPv6 in brackets, '!' in front for the kernel's TCP, at most 64"

struct sockaddr;
/* Is a connection to, or a listener at, this address to be the kernel's? */
bool match_plain(const struct match *m, const struct sockaddr *sa);

#endif
