/*
 * base.h - what every file of librudp may use: fixed-width words, time,
 * small arithmetic, an intrusive list, lock annotations. No state, no calls.
 */
#ifndef RUDP_BASE_H
#define RUDP_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/* Microseconds of a monotonic clock. Never 0 for a moment that happened. */
typedef u64 usec_t;
#define USEC_NEVER	UINT64_MAX
#define USEC_PER_MSEC	1000ULL
#define USEC_PER_SEC	1000000ULL

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define min(a, b) ({ __typeof__(a) min_a_ = (a); __typeof__(b) min_b_ = (b); \
		     min_a_ < min_b_ ? min_a_ : min_b_; })
#define max(a, b) ({ __typeof__(a) max_a_ = (a); __typeof__(b) max_b_ = (b); \
		     max_a_ > max_b_ ? max_a_ : max_b_; })
#define clamp(v, lo, hi)	min(max(v, lo), hi)

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define RUDP_EXPORT	__attribute__((visibility("default")))
#define RUDP_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define TLS_IE		__thread __attribute__((tls_model("initial-exec")))

/* Documentation for readers; clang checks them with -Wthread-safety. */
#if defined(__clang__)
#define REQUIRES(...)	__attribute__((requires_capability(__VA_ARGS__)))
#else
#define REQUIRES(...)
#endif

/* An intrusive doubly linked ring; the head is a node of its own. Pointers
 * into an arena are plain pointers: every process maps it at one address. */
struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Inserts n before pos; with pos the head, that is at the tail. */
static inline void list_add_before(struct list *n, struct list *pos)
{
	n->prev = pos->prev;
	n->next = pos;
	pos->prev->next = n;
	pos->prev = n;
}

static inline void list_add_after(struct list *n, struct list *pos)
{
	list_add_before(n, pos->next);
}

static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#endif
