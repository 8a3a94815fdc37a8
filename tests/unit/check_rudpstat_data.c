/* check_rudpstat_data.c - what rudpstat prints for programs: JSON as its schema
 * says, and the text format of Prometheus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "rudpstat_domain.h"

/* Prometheus: a name once, its samples together, each a number. */
START_TEST(prometheus_reads_every_view)
{
	static const char *const views[] = { "", "-s", "-am", "-ai", "-asmi" };
	char seen[1 << 16], *line, *save;

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		char args[64], type[96] = "", *end;

		snprintf(args, sizeof(args), "--prometheus %s", views[i]);
		ck_assert_int_eq(run_here(args), 0);
		strcpy(seen, "\n");
		for (line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			if (!strncmp(line, "# HELP ", 7))
				continue;
			if (sscanf(line, "# TYPE %90s", type) == 1) {
				/* who ends in _total counts, and nobody else */
				ck_assert_msg(!strstr(line, "_total ") == !strstr(line, " counter"),
					      "%s", line);
				strcat(type, "\n");
				ck_assert_msg(!strstr(seen, type), "%s twice", type);
				strcat(seen, type);
				type[strlen(type) - 1] = '\0';
				continue;
			}
			ck_assert_msg(!strncmp(line, type, strlen(type)) && line[strlen(type)] == '{',
				      "%s in %s", line, type);
			strtod(strrchr(line, ' ') + 1, &end);
			ck_assert_msg(!*end, "%s", line);
		}
	}
	ck_assert_int_eq(run_here("--prometheus"), 0);
	has("rudp_memory_limit_pages{domain=");
	has("limit=\"high\"} 2000\n");
	ck_assert_int_eq(run_here("--prometheus -s"), 0);
	has("\nrudp_tcp_rcv_q_drop_total{domain=");
}
END_TEST

static s64 num(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	ck_assert_msg(json_is_integer(v), "no integer %s", key);
	return json_integer_value(v);
}

static void all_integers(const json_t *o, const char *const *keys)
{
	for (; *keys; keys++)
		num(o, *keys);
}

static void check_established(const json_t *c)
{
	const json_t *mem = json_object_get(c, "skmem"), *info = json_object_get(c, "info");

	ck_assert_str_eq(json_string_value(json_object_get(c, "id")), "0123456789abcdef");
	ck_assert_str_eq(json_string_value(json_object_get(c, "local")), "127.0.0.1:7001");
	ck_assert_str_eq(json_string_value(json_object_get(c, "peer")), "127.0.0.1:40001");
	ck_assert_int_eq(num(c, "pid"), getpid());
	ck_assert_int_eq(num(mem, "wmem_queued"), 768);
	ck_assert_int_eq(num(mem, "rmem_alloc"), 512);
	/* R2.1: whole pages */
	ck_assert_int_eq((num(mem, "wmem_queued") + num(mem, "rmem_alloc") +
			  num(mem, "forward_alloc")) % PAGE_BYTES, 0);
	ck_assert_int_eq(num(info, "srtt_us"), 12345);
	ck_assert_int_eq(num(info, "recv_q"), 500);
}

START_TEST(json_has_every_key)
{
	static const char *const memory[] = { "allocated", "low", "pressure", "high",
					      "page_size", NULL };
	static const char *const sockets[] = { "inuse", "orphan", "timewait", "alloc", NULL };
	static const char *const skmem[] = { "rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf",
		"forward_alloc", "wmem_queued", "optmem", "backlog", "drops", NULL };
	json_t *j = run_json(), *d = json_array_get(json_object_get(j, "domains"), 0), *o, *c;
	size_t i;

	ck_assert(json_is_string(json_object_get(j, "version")));
	ck_assert_uint_eq(json_array_size(json_object_get(j, "domains")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(d, "name")), name);
	ck_assert_int_eq(num(d, "uid"), getuid());
	o = json_object_get(d, "memory");
	all_integers(o, memory);
	ck_assert_int_eq(num(o, "high"), 2000);
	ck_assert_int_eq(num(o, "allocated"), domain_allocated(dom));
	ck_assert(json_is_false(json_object_get(o, "under_pressure")));
	ck_assert(json_is_real(json_object_get(o, "pressure_seconds")));
	o = json_object_get(d, "limits");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "rmem")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "wmem")), 3);
	num(o, "max_orphans");
	all_integers(json_object_get(d, "sockets"), sockets);
	ck_assert_int_eq(num(json_object_get(d, "sockets"), "alloc"), 3);
	ck_assert_int_eq(num(json_object_get(d, "sockets"), "inuse"), 3);
	o = json_array_get(json_object_get(d, "processes"), 0);
	ck_assert_int_eq(num(o, "pid"), getpid());
	ck_assert_int_eq(num(o, "sockets"), 3);
	ck_assert_int_eq(num(o, "charged"), domain_allocated(dom));
	ck_assert_uint_eq(json_array_size(json_object_get(d, "connections")), 3);
	json_array_foreach(json_object_get(d, "connections"), i, c)
		all_integers(json_object_get(c, "skmem"), skmem);
	check_established(json_array_get(json_object_get(d, "connections"), 1));
	ck_assert_uint_eq(json_object_size(json_object_get(d, "counters")), CNT_COUNT);
	ck_assert_int_eq(num(json_object_get(d, "counters"), "TCPRcvQDrop"), 7);
	json_decref(j);
}
END_TEST

/* As much of JSON Schema as the schema uses. */
static bool is_type(const json_t *v, const char *type)
{
	if (!strcmp(type, "number"))
		return json_is_number(v);
	return (!strcmp(type, "object") && json_is_object(v)) ||
	       (!strcmp(type, "array") && json_is_array(v)) ||
	       (!strcmp(type, "string") && json_is_string(v)) ||
	       (!strcmp(type, "integer") && json_is_integer(v)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(v));
}

static void matches(json_t *schema, json_t *v, const char *where);

static void object_matches(json_t *schema, json_t *v, const char *where)
{
	json_t *props = json_object_get(schema, "properties"), *item;
	json_t *more = json_object_get(schema, "additionalProperties");
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, item)
		ck_assert_msg(json_object_get(v, json_string_value(item)) != NULL, "%s lacks %s",
			      where, json_string_value(item));
	json_object_foreach(v, key, item) {
		json_t *s = json_object_get(props, key);

		ck_assert_msg(s || more, "%s.%s is not in the schema", where, key);
		matches(s ? s : more, item, key);
	}
}

static void matches(json_t *schema, json_t *v, const char *where)
{
	const json_t *least = json_object_get(schema, "minimum");
	json_t *words = json_object_get(schema, "enum"), *item;
	bool found = !words;
	size_t i;

	ck_assert_msg(is_type(v, json_string_value(json_object_get(schema, "type"))),
		      "%s has another type", where);
	ck_assert_msg(!least || json_number_value(v) >= json_number_value(least), "%s", where);
	json_array_foreach(words, i, item)
		found |= json_equal(item, v);
	ck_assert_msg(found, "%s is none of the words", where);
	if (json_is_object(v))
		object_matches(schema, v, where);
	json_array_foreach(v, i, item)
		matches(json_object_get(schema, "items"), item, where);
}

START_TEST(json_is_as_its_schema_says)
{
	const char *src = getenv("top_srcdir");
	char path[512];
	json_error_t err;
	json_t *schema, *j = run_json();

	snprintf(path, sizeof(path), "%s/src/rudpstat/rudpstat.schema.json", src ? src : ".");
	schema = json_load_file(path, 0, &err);
	ck_assert_msg(schema != NULL, "%s: %s", path, err.text);
	matches(schema, j, "rudpstat");
	json_decref(j);
	ck_assert_int_eq(run_here("-j -s"), 0);
	j = json_loads(output, 0, &err);
	matches(schema, j, "rudpstat");
	ck_assert_ptr_nonnull(json_object_get(json_array_get(json_object_get(j, "domains"), 0),
					      "counters_since"));
	json_decref(j);
	json_decref(schema);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, prometheus_reads_every_view);
	tcase_add_test(tc, json_has_every_key);
	tcase_add_test(tc, json_is_as_its_schema_says);
}

int main(void)
{
	return run_tests("rudpstat data", add);
}
