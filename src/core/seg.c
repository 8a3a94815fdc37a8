/*
 * seg.c - segments: a descriptor of one unit and the runs of units that hold
 * its bytes.
 *
 * A run's bytes are contiguous in memory, also across pages, so a frag is one
 * piece for memcpy and for an iovec. Where a segment was cut in the middle of
 * a unit, that unit belongs to the second half; the first half's last frag
 * then reads beyond the units it owns (unit, off and len say where the bytes
 * are, units only who frees them).
 */
#include <string.h>
#include <sys/uio.h>
#include "core/seg.h"

struct seg *seg_new(struct mem_acct *a, u64 seq, enum mem_dir dir, bool force)
{
	u32 unit = mem_alloc(a, 1, dir, force);
	struct seg *s;

	if (unit == MEM_NONE)
		return NULL;
	s = mem_addr(a, unit);
	memset(s, 0, sizeof(*s));
	list_init(&s->link);
	list_init(&s->tsorted);
	s->seq = seq;
	s->unit = unit;
	s->dir = dir;
	return s;
}

static void frag_free(struct mem_acct *a, const struct seg_frag *f, enum mem_dir dir)
{
	if (f->units)
		mem_free(a, f->unit, f->units, dir);
}

void seg_free(struct mem_acct *a, struct seg *s)
{
	enum mem_dir dir = s->dir;

	for (unsigned i = 0; i < s->nfrags; i++)
		frag_free(a, &s->frag[i], dir);
	mem_free(a, s->unit, 1, dir);
}

/* Bytes that fit behind the last frag's data without another unit. */
static u32 tail_room(const struct seg *s)
{
	const struct seg_frag *f;
	u32 owned, used;

	if (!s->nfrags)
		return 0;
	f = &s->frag[s->nfrags - 1];
	owned = (u32)f->units * UNIT_BYTES;
	used = f->off + f->len;
	return owned > used ? owned - used : 0;
}

/* Makes room for up to `len` more bytes: a longer last run, else a new one.
 * Returns the room, 0: refused or no frag left. */
static u32 tail_grow(struct mem_acct *a, struct seg *s, u32 len)
{
	unsigned want = min(DIV_ROUND_UP(len, (u32)UNIT_BYTES), (u32)RUN_UNITS_MAX);
	struct seg_frag *f = s->nfrags ? &s->frag[s->nfrags - 1] : NULL;
	unsigned got = 0;
	u32 unit;

	if (f && f->units && f->units < RUN_UNITS_MAX) {
		got = mem_extend(a, f->unit + f->units,
				 min(want, (unsigned)(RUN_UNITS_MAX - f->units)), s->dir);
		f->units += got;
		if (got)
			return tail_room(s);
	}
	if (s->nfrags == SEG_FRAGS)
		return 0;
	unit = mem_alloc_most(a, want, &got, s->dir);
	if (unit == MEM_NONE)
		return 0;
	f = &s->frag[s->nfrags++];
	*f = (struct seg_frag){ .unit = unit, .units = got };
	return got * UNIT_BYTES;
}

u32 seg_append(struct mem_acct *a, struct seg *s, const void *src, u32 len, u32 max_len)
{
	const u8 *from = src;
	u32 done = 0;

	if (s->len >= max_len)
		return 0;
	len = min(len, max_len - s->len);
	while (done < len) {
		u32 room = tail_room(s);
		struct seg_frag *f;

		if (!room)
			room = tail_grow(a, s, len - done);
		if (!room)
			break;
		room = min(room, len - done);
		f = &s->frag[s->nfrags - 1];
		memcpy((u8 *)mem_addr(a, f->unit) + f->off + f->len, from + done, room);
		f->len += room;
		s->len += room;
		done += room;
	}
	return done;
}

bool seg_full(const struct seg *s)
{
	return s->nfrags == SEG_FRAGS && !tail_room(s);
}

/* Cuts frag f after its first k bytes (0 < k < len); the rest goes to `rest`. */
static void frag_cut(struct seg_frag *f, u32 k, struct seg_frag *rest)
{
	u32 at = f->off + k;
	u32 front = min(at / UNIT_BYTES, (u32)f->units);

	rest->unit = f->unit + front;
	rest->units = f->units - front;
	rest->off = at - front * UNIT_BYTES;
	rest->len = f->len - k;
	f->units = front;
	f->len = k;
}

struct seg *seg_split(struct mem_acct *a, struct seg *s, u32 at)
{
	struct seg *n;
	u32 pos = 0;
	unsigned i;

	assert(at > 0 && at < s->len);
	n = seg_new(a, s->seq + at, s->dir, true);
	if (!n)
		return NULL;
	n->len = s->len - at;
	n->flags = s->flags;
	n->retrans = s->retrans;
	n->xmit_time = s->xmit_time;
	n->delivered = s->delivered;
	n->delivered_ago = s->delivered_ago;
	n->first_sent_ago = s->first_sent_ago;
	n->mss = s->mss;
	n->pcount = s->pcount;

	for (i = 0; pos + s->frag[i].len <= at; i++)
		pos += s->frag[i].len;
	if (pos < at)
		frag_cut(&s->frag[i++], at - pos, &n->frag[n->nfrags++]);
	memcpy(&n->frag[n->nfrags], &s->frag[i], (s->nfrags - i) * sizeof(s->frag[0]));
	n->nfrags += s->nfrags - i;
	s->nfrags = i;
	s->len = at;
	s->flags &= ~(SEG_FIN | SEG_PSH | SEG_URG);
	return n;
}

void seg_trim_head(struct mem_acct *a, struct seg *s, u32 n)
{
	unsigned gone = 0;

	assert(n < s->len || (n == s->len && (s->flags & SEG_FIN)));
	s->seq += n;
	s->len -= n;
	while (gone < s->nfrags && n >= s->frag[gone].len) {
		n -= s->frag[gone].len;
		frag_free(a, &s->frag[gone++], s->dir);
	}
	s->nfrags -= gone;
	memmove(s->frag, s->frag + gone, s->nfrags * sizeof(s->frag[0]));
	if (n) {
		struct seg_frag front = s->frag[0];

		frag_cut(&front, n, &s->frag[0]);
		frag_free(a, &front, s->dir);
	}
}

void seg_trim_tail(struct mem_acct *a, struct seg *s, u32 new_len)
{
	u32 pos = 0;
	unsigned i;

	assert(new_len <= s->len);
	s->len = new_len;
	for (i = 0; i < s->nfrags && pos < new_len; i++) {
		struct seg_frag *f = &s->frag[i];
		unsigned keep;

		f->len = min(f->len, new_len - pos);
		pos += f->len;
		keep = DIV_ROUND_UP(f->off + f->len, (u32)UNIT_BYTES);
		if (keep < f->units) {
			mem_free(a, f->unit + keep, f->units - keep, s->dir);
			f->units = keep;
		}
	}
	while (s->nfrags > i)
		frag_free(a, &s->frag[--s->nfrags], s->dir);
}

int seg_iov(const struct mem_acct *a, const struct seg *s, u32 off, u32 len, struct iovec *iov)
{
	int n = 0;

	assert(off + len <= s->len);
	for (const struct seg_frag *f = s->frag; len; off -= min(off, f->len), f++) {
		u32 part;

		if (off >= f->len)
			continue;
		part = min(len, f->len - off);
		iov[n].iov_base = (u8 *)mem_addr(a, f->unit) + f->off + off;
		iov[n++].iov_len = part;
		len -= part;
	}
	return n;
}

void seg_copy(const struct mem_acct *a, const struct seg *s, u32 off, void *dst, u32 len)
{
	struct iovec iov[SEG_FRAGS];
	int n = seg_iov(a, s, off, len, iov);
	u8 *to = dst;

	for (int i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

u32 seg_truesize(const struct seg *s)
{
	u32 units = 1;

	for (unsigned i = 0; i < s->nfrags; i++)
		units += s->frag[i].units;
	return units * UNIT_BYTES;
}
