/*
 * rudp/mem.h - librudp's memory governance alone, for protocols of your own:
 * buffers that are charged to an account and to a domain before you get them.
 * See rudp_mem(3). Link with -lrudp-mem.
 *
 * Calls on one account must not overlap; calls on different ones may.
 */
#ifndef RUDP_PUBLIC_MEM_H
#define RUDP_PUBLIC_MEM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rudp_domain;
struct rudp_account;

enum rudp_dir { RUDP_SND, RUDP_RCV };

enum { RUDP_BUF_MAX = 65536 };	/* longest buffer, bytes */

/* Joins a domain of this user (NULL: $RUDP_DOMAIN, or "default") with an arena
 * of this process. 0 or -errno. Close it when no account is left. */
int rudp_domain_open(struct rudp_domain **ret, const char *name);
void rudp_domain_close(struct rudp_domain *d);
/* low, pressure, high in pages of 4096 bytes, for everybody. 0 or -EINVAL. */
int rudp_domain_set(struct rudp_domain *d, const unsigned long long pages[3]);
unsigned long long rudp_domain_allocated(const struct rudp_domain *d);	/* pages */
bool rudp_domain_under_pressure(const struct rudp_domain *d);
/* To be called about ten times a second: gives credit back, looks at pressure. */
void rudp_domain_tick(struct rudp_domain *d);

/* NULL: errno ENFILE or ENOMEM. Free its buffers before it. */
struct rudp_account *rudp_account_new(struct rudp_domain *d);
void rudp_account_free(struct rudp_account *a);
/* Limits, as SO_SNDBUF and SO_RCVBUF set them (the value is doubled). */
void rudp_account_set_buf(struct rudp_account *a, enum rudp_dir dir, unsigned bytes);
size_t rudp_account_used(const struct rudp_account *a, enum rudp_dir dir);

/* len bytes, 1 to RUDP_BUF_MAX, in one piece. NULL: errno EAGAIN, the domain
 * refused (come back after rudp_backoff_ms()), or ENOMEM. */
void *rudp_buf_get(struct rudp_account *a, size_t len, enum rudp_dir dir);
/* The same, whatever the domain says: for what cannot wait, like the one
 * message that lets a queue move again. Only ENOMEM. */
void *rudp_buf_force(struct rudp_account *a, size_t len, enum rudp_dir dir);
void rudp_buf_put(struct rudp_account *a, void *buf, size_t len, enum rudp_dir dir);

/* May another message be queued for sending (below sndbuf)? Is it time to tell
 * a program that it may write (a third is free)? May one more be taken in
 * (not above rcvbuf)? */
bool rudp_may_send(const struct rudp_account *a);
bool rudp_writeable(const struct rudp_account *a);
bool rudp_may_receive(const struct rudp_account *a);
/* How long to stay away after a refusal: 2 to 201 ms, random, so that those
 * who were refused together do not come back together. */
unsigned rudp_backoff_ms(struct rudp_account *a);

#ifdef __cplusplus
}
#endif

#endif
