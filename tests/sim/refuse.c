/* refuse.c - see refuse.h. The names are the linker's. */
#include "refuse.h"
#include "rng.h"

struct refuse refuse;

u32 __real_mem_alloc(struct mem_acct *a, unsigned n, enum mem_dir dir, bool force);
u32 __real_mem_alloc_most(struct mem_acct *a, unsigned want, unsigned *got, enum mem_dir dir);
unsigned __real_mem_extend(struct mem_acct *a, u32 end, unsigned want, enum mem_dir dir);
bool __real_mem_adopt(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages,
		      bool force);
u32 __wrap_mem_alloc(struct mem_acct *a, unsigned n, enum mem_dir dir, bool force);
u32 __wrap_mem_alloc_most(struct mem_acct *a, unsigned want, unsigned *got, enum mem_dir dir);
unsigned __wrap_mem_extend(struct mem_acct *a, u32 end, unsigned want, enum mem_dir dir);
bool __wrap_mem_adopt(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages,
		      bool force);

static bool refused(struct mem_acct *a, bool force)
{
	u64 n = ++refuse.calls;
	bool no = n >= refuse.from && n - refuse.from < refuse.count;

	if (refuse.ppm && rng_hash(refuse.seed, n, 0) % 1000000 < refuse.ppm)
		no = true;
	if (!no || (force && !refuse.machine))
		return false;
	a->refused = !refuse.machine;
	refuse.refused++;
	return true;
}

u32 refuse_exempt_alloc(struct mem_acct *a, unsigned units)
{
	return __real_mem_alloc(a, units, MEM_RCV, true);
}

u32 __wrap_mem_alloc(struct mem_acct *a, unsigned n, enum mem_dir dir, bool force)
{
	return refused(a, force) ? MEM_NONE : __real_mem_alloc(a, n, dir, force);
}

u32 __wrap_mem_alloc_most(struct mem_acct *a, unsigned want, unsigned *got, enum mem_dir dir)
{
	return refused(a, false) ? MEM_NONE : __real_mem_alloc_most(a, want, got, dir);
}

unsigned __wrap_mem_extend(struct mem_acct *a, u32 end, unsigned want, enum mem_dir dir)
{
	u8 before = a->refused;

	if (!refused(a, false))
		return __real_mem_extend(a, end, want, dir);
	a->refused = before;	/* the caller asks for a run of its own next */
	return 0;
}

bool __wrap_mem_adopt(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages,
		      bool force)
{
	return !refused(a, force) && __real_mem_adopt(a, from, page, npages, force);
}
