/* SPDX-License-Identifier: MIT
 *
 * See holders.h.  Objects of a group whose paths have the same pattern are one row;
 * what their paths have in common there is told, the rest are stars.
 */
#include "holders_private.h"

#include "census.h"

#define STEPS_SHOWN 48 /* of an example; where there are more, the first half and the last */
#define RUN_MIN 4      /* equal steps in an example that are told as one */

struct way { /* a row in the making */
	uint32_t group;
	uint32_t pattern;
	uint32_t order;     /* of the group: as first given */
	uint32_t example;   /* in `held` */
	uint32_t named;     /* the example's node */
	uint64_t differing; /* steps of the pattern, from its end, that are not the same in all */
	uint64_t count;
	uint64_t bytes;
	uint32_t next; /* with the same hash, + 1 */
};

struct grouping {
	const struct mr_reach *reach;
	const struct mr_names *names;
	const struct mr_patterns *patterns;
	struct way *ways;
	size_t count;
	size_t capacity;
	uint32_t *heads; /* by hash: index + 1 */
	size_t mask;
};

/* ---- Ways ---------------------------------------------------------------------------------------- */

static size_t hash_way(const struct grouping *grouping, uint32_t group, uint32_t pattern)
{
	return (size_t)(((uint64_t)group << 32 | pattern) * UINT64_C(0x9e3779b97f4a7c15) >> 24) &
	       grouping->mask;
}

static struct way *find_way(const struct grouping *grouping, uint32_t group, uint32_t pattern)
{
	uint32_t at = grouping->heads[hash_way(grouping, group, pattern)];

	while (at && (grouping->ways[at - 1].group != group || grouping->ways[at - 1].pattern != pattern))
		at = grouping->ways[at - 1].next;
	return at ? &grouping->ways[at - 1] : NULL;
}

/* Puts one of the HELD, number I, into the way that it is held in. */
static int add_held(struct grouping *grouping, const struct mr_held *held, uint32_t i)
{
	const uint32_t first = mr_index_get(&grouping->reach->wanted, held[i].object);
	const uint32_t named = mr_names_find(grouping->names, grouping->reach->found[first]);
	const uint32_t pattern = grouping->names->nodes[named].pattern;
	struct way *way = find_way(grouping, held[i].group, pattern);

	if (!way) {
		if (mr_grow(&grouping->ways, &grouping->capacity, grouping->count + 1, sizeof(*way)) < 0)
			return -1;

		uint32_t *const head = &grouping->heads[hash_way(grouping, held[i].group, pattern)];

		way = &grouping->ways[grouping->count++];
		*way = (struct way){ .group = held[i].group,
			             .pattern = pattern,
			             .example = i,
			             .named = named,
			             .next = *head };
		*head = (uint32_t)grouping->count;
	} else {
		way->differing |= mr_names_compare(grouping->names, way->named, named);
		if (held[i].since < held[way->example].since) {
			way->example = i;
			way->named = named;
		}
	}
	way->count++;
	way->bytes += held[i].bytes;
	return 0;
}

/* Ways that hold most first, within groups in the order in which they came. */
static int compare_ways(const void *left, const void *right)
{
	const struct way *const a = left;
	const struct way *const b = right;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->example < b->example ? -1 : 1;
}

static int sort_ways(struct grouping *grouping)
{
	struct mr_index orders = { 0 };

	if (mr_index_reserve(&orders, grouping->count) < 0)
		return -1;
	/* Groups by number + 1, as if they were addresses. */
	for (size_t i = 0; i < grouping->count; i++) {
		const uintptr_t key = ((uintptr_t)grouping->ways[i].group + 1) << 4;

		grouping->ways[i].order = mr_index_add(&orders, (const PyObject *)key, (uint32_t)i);
	}
	mr_index_release(&orders);
	if (grouping->count > 1)
		qsort(grouping->ways, grouping->count, sizeof(*grouping->ways), compare_ways);
	return 0;
}

/* ---- Texts ---------------------------------------------------------------------------------------- */

struct line { /* a path that is being written */
	struct mr_buffer *out;
	size_t last_begin; /* of the text of the last step */
	size_t last_len;
	uint64_t run; /* how often it comes after the other */
	size_t shown; /* steps */
	bool skipped; /* some were */
};

static void end_run(struct line *line)
{
	struct mr_buffer step = { 0 };

	if (line->run < RUN_MIN) {
		for (; line->run > 1; line->run--) {
			uint8_t *const room = mr_buffer_reserve(line->out, line->last_len);

			if (room) {
				memcpy(room, line->out->data + line->last_begin, line->last_len);
				line->out->len += line->last_len;
			}
		}
		return;
	}
	mr_buffer_append(&step, line->out->data + line->last_begin, line->last_len);
	line->out->len = line->last_begin;
	mr_buffer_printf(line->out, "(%.*s){%llu}", (int)step.len, (const char *)step.data,
	                 (unsigned long long)line->run);
	line->out->failed |= step.failed;
	mr_buffer_release(&step);
}

static void add_step(struct line *line, const struct mr_step *step)
{
	const size_t begin = line->out->len;

	mr_step_text(line->out, step, MR_STEP_PYTHON);

	const size_t len = line->out->len - begin;

	if (line->out->failed || len == 0)
		return;
	if (line->run > 0 && len == line->last_len &&
	    memcmp(line->out->data + begin, line->out->data + line->last_begin, len) == 0) {
		line->out->len = begin;
		line->run++;
		return;
	}

	/* The new one stands behind what the run comes to. */
	struct mr_buffer text = { 0 };

	mr_buffer_append(&text, line->out->data + begin, len);
	line->out->len = begin;
	if (line->run > 0)
		end_run(line);
	line->last_begin = line->out->len;
	line->last_len = len;
	line->run = 1;
	line->shown++;
	mr_buffer_append(line->out, text.data, text.len);
	line->out->failed |= text.failed;
	mr_buffer_release(&text);
}

/* The path to NAMED as it is. */
static int append_example(const struct grouping *grouping, uint32_t named, struct mr_buffer *out)
{
	const struct mr_named *const nodes = grouping->names->nodes;
	const size_t length = nodes[named].length;
	uint32_t *const path = mr_alloc((length + 1) * sizeof(*path));
	struct line line = { .out = out };
	size_t left = length + 1;

	if (!path)
		return -1;
	for (uint32_t at = named; at != MR_REACH_NONE && left > 0; at = nodes[at].parent)
		path[--left] = at;
	mr_root_text(grouping->reach, mr_root_of(grouping->reach, nodes[path[0]].node), out);

	for (size_t i = 1; i <= length && !out->failed; i++) {
		add_step(&line, &nodes[path[i]].step);
		if (line.shown <= STEPS_SHOWN / 2 || length - i <= STEPS_SHOWN / 2 || line.skipped)
			continue;
		end_run(&line);
		mr_buffer_append(out, " ... ", 5);
		line.run = 0;
		line.skipped = true;
		i = length - STEPS_SHOWN / 2;
	}
	if (line.run > 0)
		end_run(&line);
	mr_free(path);
	return out->failed ? -1 : 0;
}

/* The path to NAMED, of at most STEPS_SHOWN steps, with stars for those steps, from its end, that differ. */
static void append_starred(const struct grouping *grouping, uint32_t named, uint64_t differing,
                           struct mr_buffer *out)
{
	const struct mr_named *const nodes = grouping->names->nodes;
	const size_t length = nodes[named].length;
	uint32_t path[STEPS_SHOWN + 1] = { 0 };
	size_t left = length + 1;

	for (uint32_t at = named; at != MR_REACH_NONE && left > 0; at = nodes[at].parent)
		path[--left] = at;
	mr_root_text(grouping->reach, mr_root_of(grouping->reach, nodes[path[0]].node), out);
	for (size_t i = 1; i <= length; i++) {
		const struct mr_step *const step = &nodes[path[i]].step;

		if (!((differing >> (length - i)) & 1))
			mr_step_text(out, step, MR_STEP_PYTHON);
		else
			mr_buffer_append(out, step->kind == MR_STEP_IS_KEY ? "<key>" : "[*]",
			                 step->kind == MR_STEP_IS_KEY ? 5 : 3);
	}
}

/* The path of a way: what differs is a star. */
static int append_path(const struct grouping *grouping, const struct way *way, struct mr_buffer *out)
{
	const struct mr_named *const nodes = grouping->names->nodes;
	const uint32_t plain = mr_pattern_plain(grouping->patterns, way->pattern);
	uint32_t at = way->named;

	if (way->count == 1)
		return append_example(grouping, way->named, out);
	/* The part before what is folded, as it is in all paths that begin so. */
	while (nodes[at].pattern != plain)
		at = nodes[at].parent;
	if (nodes[at].length > STEPS_SHOWN)
		mr_pattern_text(grouping->patterns, way->pattern, MR_REACH_NONE, out);
	else if (plain == way->pattern)
		append_starred(grouping, at, way->differing, out);
	else
		append_starred(grouping, at, mr_pattern_differing(grouping->patterns, plain), out);
	if (plain != way->pattern && nodes[at].length <= STEPS_SHOWN)
		mr_pattern_text(grouping->patterns, way->pattern, plain, out);
	return out->failed ? -1 : 0;
}

/* TEXT, which may hold surrogates, as a string of its own that is UTF-8 without control characters. */
static char *string_of(const struct mr_buffer *text)
{
	struct mr_buffer shown = { 0 };

	for (size_t i = 0; i < text->len; i++) {
		const uint8_t byte = text->data[i];

		if (byte < 0x20 || byte == 0x7f) {
			mr_buffer_printf(&shown, "\\x%02x", byte);
		} else if (byte == 0xed && i + 2 < text->len && text->data[i + 1] >= 0xa0) {
			mr_buffer_printf(&shown, "\\u%04x",
			                 0xd000u | (text->data[i + 1] & 0x3fu) << 6 |
			                         (text->data[i + 2] & 0x3fu));
			i += 2;
		} else {
			mr_buffer_put_u8(&shown, byte);
		}
	}
	mr_buffer_put_u8(&shown, 0);
	if (!shown.failed)
		return (char *)shown.data;
	mr_buffer_release(&shown);
	return NULL;
}

/* ---- Rows ------------------------------------------------------------------------------------------ */

static int fill_row(const struct grouping *grouping, const struct way *way, struct mr_holder *row)
{
	const struct mr_named *const named = &grouping->names->nodes[way->named];
	struct mr_buffer text = { 0 };
	uint32_t root = way->named;
	int status = -1;

	while (grouping->names->nodes[root].parent != MR_REACH_NONE)
		root = grouping->names->nodes[root].parent;
	*row = (struct mr_holder){
		.group = way->group,
		.root = mr_root_of(grouping->reach, grouping->names->nodes[root].node)->kind,
		.length = named->length,
		.count = way->count,
		.bytes = way->bytes,
		.example = way->example,
	};
	if (append_path(grouping, way, &text) == 0)
		row->path = string_of(&text);
	mr_buffer_clear(&text);
	if (row->path && append_example(grouping, way->named, &text) == 0)
		row->example_path = string_of(&text);
	if (row->example_path)
		status = 0;
	mr_buffer_release(&text);
	return status;
}

static char *copy_string(const char *text)
{
	const size_t size = strlen(text) + 1;
	char *const copy = mr_alloc(size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

/* Adds WAY, which is one too many, to the ROW of those. */
static int join(struct mr_holder *row, const struct way *way)
{
	if (!row->path) {
		*row = (struct mr_holder){
			.group = way->group,
			.root = MR_HOLDER_UNKNOWN,
			.example = way->example,
			.path = copy_string("(other ways)"),
			.example_path = copy_string(""),
		};
	}
	row->count += way->count;
	row->bytes += way->bytes;
	return row->path && row->example_path ? 0 : -1;
}

static int make_rows(const struct grouping *grouping, size_t ways_max, struct mr_holders *out)
{
	size_t in_group = 0;

	out->rows = mr_alloc((grouping->count + 1) * sizeof(*out->rows));
	if (!out->rows)
		return -1;
	for (size_t i = 0; i < grouping->count; i++) {
		const struct way *const way = &grouping->ways[i];
		const bool is_last = i + 1 == grouping->count || way[1].group != way->group;
		const bool is_first = i == 0 || way[-1].group != way->group;

		in_group = is_first ? 0 : in_group + 1;
		/* One that is the only one too many is told as it is. */
		if (in_group < ways_max || (in_group == ways_max && is_last)) {
			if (fill_row(grouping, way, &out->rows[out->count++]) < 0)
				return -1;
			continue;
		}
		out->count += in_group == ways_max;
		if (join(&out->rows[out->count - 1], way) < 0)
			return -1;
	}
	return 0;
}

static int group(struct grouping *grouping, const struct mr_held *held, size_t count, size_t ways_max,
                 struct mr_holders *out)
{
	size_t capacity = 64;

	while (capacity < count)
		capacity *= 2;
	grouping->mask = capacity - 1;
	grouping->heads = mr_alloc(capacity * sizeof(*grouping->heads));
	if (!grouping->heads)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (add_held(grouping, held, (uint32_t)i) < 0)
			return -1;
	}
	return sort_ways(grouping) < 0 ? -1 : make_rows(grouping, ways_max, out);
}

int mr_holders_search(PyObject *module, const struct mr_held *held, size_t count, size_t ways_max,
                      const struct mr_holders_given *given, struct mr_holders *out)
{
	struct mr_reach reach = { 0 };
	struct mr_names names = { 0 };
	struct mr_patterns *const patterns = mr_patterns_new();
	struct grouping grouping = { .reach = &reach, .names = &names, .patterns = patterns };
	int status = -1;

	*out = (struct mr_holders){ 0 };
	if (!patterns || count >= MR_REACH_NONE || mr_reach_init(&reach, module, held, count) < 0)
		PyErr_NoMemory();
	else if (mr_roots_search(&reach, held, count, given) == 0)
		status = 0;
	if (status == 0 && count > 0 &&
	    (mr_names_make(&reach, reach.found, count, patterns, &names) < 0 ||
	     group(&grouping, held, count, ways_max, out) < 0)) {
		PyErr_NoMemory();
		status = -1;
	}
	if (status < 0)
		mr_holders_release(out);
	mr_free(grouping.ways);
	mr_free(grouping.heads);
	mr_names_release(&names);
	mr_patterns_free(patterns);
	mr_reach_release(&reach);
	return status;
}

int mr_holders_find(PyObject *module, const struct mr_held *held, size_t count, size_t ways_max,
                    struct mr_holders *out)
{
	const struct mr_holders_given none = { 0 };

	if (mr_census_begin(module) < 0)
		return -1;

	const int status = mr_holders_search(module, held, count, ways_max, &none, out);

	mr_census_end(module);
	return status;
}

void mr_holders_release(struct mr_holders *holders)
{
	for (size_t i = 0; i < holders->count; i++) {
		mr_free(holders->rows[i].path);
		mr_free(holders->rows[i].example_path);
	}
	mr_free(holders->rows);
	*holders = (struct mr_holders){ 0 };
}
