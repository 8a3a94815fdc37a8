/*
 * pressure.c - the shared total and the pressure flag (R2.8 to R2.10, D8.10).
 */
#include <time.h>
#include "mem/domain.h"
#include "mem/domain_local.h"

static usec_t monotonic_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * USEC_PER_SEC + (u64)ts.tv_nsec / 1000;
}

static usec_t (*clock_now)(void) = monotonic_now;

void mem_set_clock(usec_t (*now)(void))
{
	clock_now = now ? now : monotonic_now;
}

u64 mem_now_ms(void)
{
	return clock_now() / USEC_PER_MSEC;
}

s64 domain_allocated(const struct domain *d)
{
	s64 v = atomic_load_explicit(&d->memory_allocated, memory_order_relaxed);

	return max(v, (s64)0);
}

bool domain_under_pressure(const struct domain *d)
{
	return atomic_load_explicit(&d->pressure_since, memory_order_relaxed) != 0;
}

void domain_enter_pressure(struct domain *d)
{
	u64 clear = 0, now;

	if (domain_under_pressure(d))
		return;
	now = mem_now_ms();
	if (!now)
		now = 1;
	if (!atomic_compare_exchange_strong(&d->pressure_since, &clear, now))
		return;
	domain_count(d, CNT_TCPMemoryPressures, 1);
	atomic_fetch_add(&d->flush, 1);
}

void domain_leave_pressure(struct domain *d)
{
	u64 since, now;

	if (!domain_under_pressure(d))
		return;
	since = atomic_exchange(&d->pressure_since, 0);
	if (!since)
		return;
	now = mem_now_ms();
	if (now > since)
		domain_count(d, CNT_TCPMemoryPressuresChrono, now - since);
}

void domain_look(struct domain *d)
{
	struct mem_limits l;
	s64 total = domain_allocated(d);

	domain_limits(d, &l);
	if (total > (s64)l.mem[1])
		domain_enter_pressure(d);
	else if (total < (s64)l.mem[0])
		domain_leave_pressure(d);
}
