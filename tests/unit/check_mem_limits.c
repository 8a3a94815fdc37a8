/* Defaults, parsing, checking of limits; how much memory there is. */
#include <stdio.h>
#include <unistd.h>
#include "mem_test.h"

START_TEST(t1_defaults)
{
	static const struct {
		u64 m, mem[3];
		u32 wmem2, rmem2;
	} rows[] = {
		{ 2048, { 96, 128, 192 }, 65536, 131072 },
		{ 4096, { 192, 256, 384 }, 131072, 131072 },
		{ 16384, { 768, 1024, 1536 }, 524288, 524288 },
		{ 116033, { 5439, 7252, 10878 }, 3713056, 3713056 },
		{ 262144, { 12288, 16384, 24576 }, 4194304, 8388608 },
		{ 1048576, { 49152, 65536, 98304 }, 4194304, 33554432 },
		{ 6141872, { 287898, 383867, 575796 }, 4194304, 33554432 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem_limits l;

		mem_limits_default(&l, rows[i].m, rows[i].m * 4096);
		for (int k = 0; k < 3; k++)
			ck_assert_uint_eq(l.mem[k], rows[i].mem[k]);
		ck_assert_uint_eq(l.wmem[2], rows[i].wmem2);
		ck_assert_uint_eq(l.rmem[2], rows[i].rmem2);
		ck_assert_uint_eq(l.wmem[0], 4096);
		ck_assert_uint_eq(l.wmem[1], 16384);
		ck_assert_uint_eq(l.rmem[0], 4096);
		ck_assert_uint_eq(l.rmem[1], 131072);
		ck_assert_ptr_null(mem_limits_check(&l));
	}
}
END_TEST

START_TEST(t97_max_orphans)
{
	static const struct {
		u64 kb;
		u32 orphans;
	} rows[] = {
		{ 476036, 2048 }, { 24ull << 20, 131072 },
		{ 64ull << 20, 262144 }, { 1ull << 30, 262144 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem_limits l;

		mem_limits_default(&l, rows[i].kb / 4, rows[i].kb << 10);
		ck_assert_uint_eq(l.max_orphans, rows[i].orphans);
	}
}
END_TEST

START_TEST(table_of_destinations_by_memory)
{
	ck_assert_uint_eq(mem_metrics_rows(0), 1024);
	ck_assert_uint_eq(mem_metrics_rows(16384), 1024);
	ck_assert_uint_eq(mem_metrics_rows(1024 * 512), 1024);
	ck_assert_uint_eq(mem_metrics_rows(1024 * 512 + 512), 2048);
	ck_assert_uint_eq(mem_metrics_rows(6141872), 16384);
	ck_assert_uint_eq(mem_metrics_rows(1ull << 40), 16384);
}
END_TEST

/* Which limit is wrong, and that it is known what it may be. */
#define wrong(limit) do {						\
	ck_assert_str_eq(mem_limits_check(&l), limit);			\
	ck_assert_ptr_nonnull(mem_limits_accepted(limit));		\
	} while (0)

START_TEST(check_says_what_is_wrong)
{
	struct mem_limits ok = test_limits(100, 150, 200), l;

	ck_assert_ptr_null(mem_limits_check(&ok));
	l = ok, l.mem[0] = 151;
	wrong("mem");
	l = ok, l.mem[2] = 149;
	wrong("mem");
	l = ok, l.mem[0] = 0;
	wrong("mem");
	l = ok, l.rmem[0] = 4095;
	wrong("rmem");
	l = ok, l.wmem[0] = 0;
	wrong("wmem");
	l = ok, l.wmem[1] = 4095;
	wrong("wmem");
	l = ok, l.rmem[2] = 100000;
	wrong("rmem");
	l = ok, l.mem[0] = l.mem[1] = l.mem[2] = 1;
	ck_assert_ptr_null(mem_limits_check(&l));
	l = ok, l.wmem_max = 1u << 30;
	wrong("wmem_max");
	l = ok, l.rmem_max = 1u << 30;
	wrong("rmem_max");
	l = ok, l.notsent_lowat = 0;
	wrong("notsent_lowat");
	l = ok, l.reserve = 257;
	wrong("reserve");
	l = ok, l.ssthresh_metrics = 2;
	wrong("ssthresh_metrics");
	l = ok, l.max_orphans = 0;
	ck_assert_ptr_null(mem_limits_check(&l));
	ck_assert_ptr_null(mem_limits_accepted("no such"));
}
END_TEST

START_TEST(parses_pages_and_bytes)
{
	u64 mem[3] = { 1, 2, 3 };
	u32 b[3] = { 1, 2, 3 };

	ck_assert(mem_parse_mem("100 150 200", mem));
	ck_assert_uint_eq(mem[0], 100);
	ck_assert_uint_eq(mem[2], 200);
	ck_assert(mem_parse_mem("  4M\t6m 1G ", mem));
	ck_assert_uint_eq(mem[0], 1024);
	ck_assert_uint_eq(mem[1], 1536);
	ck_assert_uint_eq(mem[2], 262144);
	ck_assert(mem_parse_bytes3("4096 16K 4M", b));
	ck_assert_uint_eq(b[1], 16384);
	ck_assert_uint_eq(b[2], 4194304);
}
END_TEST

START_TEST(refuses_what_is_malformed)
{
	static const char *const bad[] = {
		"", " ", "1", "1 2", "1 2 3 4", "1 2 x", "1 2 3x", "-1 2 3", "1,2,3",
		"1 2 3MB", "1K2 3 4", "18446744073709551616 1 1", "1 2 99999999999999999999G",
		"0x10 2 3", "1 2 +3", "1.5 2 3",
	};
	u64 mem[3] = { 7, 8, 9 };
	u32 b[3] = { 7, 8, 9 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(!mem_parse_mem(bad[i], mem), "%s", bad[i]);
		ck_assert_msg(!mem_parse_bytes3(bad[i], b), "%s", bad[i]);
	}
	ck_assert(!mem_parse_bytes3("1 2 4G", b));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (strcmp(bad[i], "1"))
			ck_assert_msg(!mem_parse_number(bad[i], &b[0], true), "%s", bad[i]);
	ck_assert(!mem_parse_number("4G", &b[0], true) && !mem_parse_number("4K", &b[0], false));
	ck_assert_uint_eq(b[0], 7);
	ck_assert(mem_parse_number(" 4k ", &b[0], true) && b[0] == 4096);
	ck_assert_uint_eq(mem[0], 7);
	ck_assert_uint_eq(b[2], 9);
}
END_TEST

/* A made-up machine of 24 GiB, and its groups. */
static char root[32], meminfo[48], self[48];

static void put_file(const char *name, const char *text)
{
	char path[256], cmd[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(cmd, sizeof(cmd), "mkdir -p $(dirname %s)", path);
	ck_assert_int_eq(system(cmd), 0);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void make_machine(void)
{
	strcpy(root, "/tmp/rudp-cgroup-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(meminfo, sizeof(meminfo), "%s/meminfo", root);
	snprintf(self, sizeof(self), "%s/self", root);
	put_file("meminfo", "MemTotal:       25165824 kB\nMemFree: 1 kB\n");
}

static void remove_machine(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	ck_assert_int_eq(system(cmd), 0);
}

/* T2's rule over a made-up hierarchy: the limit two levels up counts. */
START_TEST(t2_cgroup_two_levels_up)
{
	u64 bytes;

	put_file("a/memory.max", "67108864\n");
	put_file("a/b/memory.max", "max\n");
	put_file("self", "1:name=systemd:/x\n0::/a/b\n");

	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 16384);
	ck_assert_uint_eq(bytes, 24ull << 30);
	put_file("a/b/memory.high", "33554432\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 8192);
	ck_assert_uint_eq(mem_available_from(meminfo, "/nonexistent", root, &bytes), 6291456);
	ck_assert_uint_eq(mem_available_from("/nonexistent", self, root, &bytes), 8192);
}
END_TEST

/* The same where memory has a hierarchy of its own (version 1), and in a
 * container that shows its group as the root. */
START_TEST(t2_cgroup_of_the_old_kind)
{
	u64 bytes;

	put_file("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put_file("memory/a/memory.limit_in_bytes", "67108864\n");

	put_file("self", "5:cpuset,memory:/a/b\n1:name=memory_of:/x\n0::/\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 16384);
	put_file("self", "5:memory_too:/a/b\n0::/\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 6291456);
	put_file("self", "5:memory:/docker/0123456789\n0::/\n");
	put_file("memory/memory.limit_in_bytes", "33554432\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 8192);
	/* a name that only begins so, and one after a comma */
	put_file("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put_file("self", "6:memoryx,x:/a\n5:cpu,memory:/a\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 16384);
	put_file("self", "6:memoryx,x:/a\n");
	ck_assert_uint_eq(mem_available_from(meminfo, self, root, &bytes), 6291456);
}
END_TEST

START_TEST(this_machine_has_memory)
{
	u64 bytes, pages = mem_available_pages(&bytes);

	ck_assert_uint_gt(pages, 0);
	ck_assert_uint_le(pages, bytes / 4096);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits");
	TCase *t = tcase_create("limits");

	tcase_add_test(t, t1_defaults);
	tcase_add_test(t, t97_max_orphans);
	tcase_add_test(t, table_of_destinations_by_memory);
	tcase_add_test(t, check_says_what_is_wrong);
	tcase_add_test(t, parses_pages_and_bytes);
	tcase_add_test(t, refuses_what_is_malformed);
	tcase_add_test(t, this_machine_has_memory);
	suite_add_tcase(s, t);

	t = tcase_create("groups");
	tcase_add_checked_fixture(t, make_machine, remove_machine);
	tcase_add_test(t, t2_cgroup_two_levels_up);
	tcase_add_test(t, t2_cgroup_of_the_old_kind);
	suite_add_tcase(s, t);
	return run_suite(s);
}
