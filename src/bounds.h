/*
 * bounds.h - every bound and default of librudp, each with its reason.
 */
#ifndef RUDP_BOUNDS_H
#define RUDP_BOUNDS_H

enum {
	/* --- memory ----------------------------------------------------- */
	PAGE_BYTES = 4096,		/* the quantum, on every machine */
	UNIT_BYTES = 256,		/* what a sock allots inside its pages */
	PAGE_UNITS = PAGE_BYTES / UNIT_BYTES,
	RUN_PAGES_MAX = 16,		/* longest run: one 64 KiB datagram */
	RUN_UNITS_MAX = RUN_PAGES_MAX * PAGE_UNITS,
	SOCK_MIN_SNDBUF = 4608,		/* as Linux reports them */
	SOCK_MIN_RCVBUF = 2304,
	SOCK_SLOT = 2048,		/* a sock's control block in the arena */
	POOL_PAGES_MIN = 16,		/* one 64 KiB receive buffer */
	POOL_PAGES_MAX = 512,		/* 32 of them: measured best */

	/* --- the domain object stays below 1 MiB ------------------------ */
	DOMAIN_ARENAS = 256,
	DOMAIN_PROCS = 1024,
	DOMAIN_NAME_MAX = 64,

	/* --- packets ---------------------------------------------------- */
	WIRE_DGRAM_MAX = 65507,		/* UDP over IPv4 */
	WIRE_DGRAM_MIN = 1200,		/* what every path must carry */
	TX_BATCH_PKTS = 64,		/* UDP_MAX_SEGMENTS of older kernels */
	RX_FEW_BUFS = 4,		/* to begin with, and while little comes */
	RX_BATCH_BUFS = 32,		/* recvmmsg: 4 gave 7, 32 gave 12.8 Gbit/s */
	AUTOCORK_PKTS = 4,		/* small packets in flight; then they gather */
	AUTOCORK_BYTES = 16384,		/* ... up to this: more gains nothing */
	SACK_BLOCKS_ACK = 16,		/* in a bare acknowledgement */
	SACK_BLOCKS_DATA = 4,		/* beside data, as with TCP's options */

	/* --- connections ------------------------------------------------ */
	SYN_RETRIES = 6,		/* tcp_syn_retries: 127 s */
	RETRIES2 = 15,			/* tcp_retries2 */
	ORPHAN_RETRIES = 8,
	COOKIE_LIFE_S = 64,		/* age at which an opening cookie dies */
	SOMAXCONN_DEFAULT = 4096,
	ACCEPT_IN_FLIGHT = 16,		/* descriptors in flight are rationed */
};

/* Times, in microseconds. */
#define RTO_INIT_US		1000000ULL	/* RFC 6298 2.1 */
/* A SYN that races with another way to the peer is sent again after the first, and
 * the other way is taken after the second; RFC 8305 8 names 0.1 to 2 s. */
#define SYN_AGAIN_US		200000ULL
#define SYN_SILENT_US		400000ULL
#define RTO_MIN_US		200000ULL	/* Linux; RFC 6298 says 1 s */
#define RTO_MAX_US		120000000ULL
#define DELACK_US		40000ULL	/* TCP_DELACK_MIN */
#define TLP_MIN_US		10000ULL	/* RFC 8985 7.2 leaves it open */
#define AUTOCORK_RTT_US		1000ULL		/* on paths this near */
#define FIN_TIMEOUT_US		60000000ULL
#define KEEPALIVE_IDLE_US	5000000ULL	/* a user-space peer can vanish */
#define KEEPALIVE_INTVL_US	1000000ULL
#define KEEPALIVE_PROBES	8
/* Unless the program chooses: the interval is doubled so often, and who is silent is
 * given up as late as with data under way (tcp_retries2). It may be stopped. */
#define KEEPALIVE_DOUBLINGS	4
#define KEEPALIVE_PATIENCE_US	900000000ULL
#define ICMP_VERDICT_US		1000000ULL	/* silence after port unreachable that decides */
#define TICK_US			100000ULL	/* a driver's housekeeping */

#endif
