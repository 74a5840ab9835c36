/* SPDX-License-Identifier: MIT
 *
 * Names of a dump as ids of the log: texts, referents' paths, and the stacks of
 * instantiation traces.  Much of it is named by the same word of the pickle again
 * and again, so what a word meant is kept.
 */
#include "import_pympler.h"

static uint32_t checked(struct mr_dump *dump, uint32_t id)
{
	dump->failed |= id == 0;
	return id;
}

uint32_t mr_dump_string(struct mr_dump *dump, const char *text)
{
	return mr_texts_id(&dump->texts, text, strlen(text), &dump->failed);
}

uint32_t mr_dump_text(struct mr_dump *dump, mr_value text)
{
	size_t len = 0, slot = (size_t)(text * UINT64_C(0x9e3779b97f4a7c15) >> 52);

	_Static_assert(MR_DUMP_CACHE == 1 << 12, "twelve bits choose a slot");
	if (mr_value_tag(text) != MR_TAG_TEXT)
		return 0;
	if (dump->cache[slot].value != text) {
		const uint8_t *const bytes = mr_value_text(&dump->pickle, text, &len);

		mr_dump_spend(dump, len / 16);
		dump->cache[slot].id = mr_texts_id(&dump->texts, bytes, len, &dump->failed);
		dump->cache[slot].value = text;
	}
	return dump->cache[slot].id;
}

/* ---- Paths ------------------------------------------------------------------------ */

/* "[V] 'a': 1" and "[V] 'a': 2" are one when the referents of a class are summed up. */
static uint32_t merged_name(struct mr_dump *dump, uint32_t name)
{
	const struct mr_import_text text = dump->texts.items[name - 1];

	mr_dump_spend(dump, text.len / 16);
	const uint8_t *const colon = memchr(text.bytes, ':', text.len);

	if (colon == NULL || colon == text.bytes)
		return name;
	return mr_texts_id(&dump->texts, text.bytes, (size_t)(colon - text.bytes), &dump->failed);
}

uint32_t mr_dump_path(struct mr_dump *dump, uint32_t parent, mr_value name)
{
	const size_t known = dump->paths.count;
	uint32_t text = mr_dump_text(dump, name);

	if (text == 0 && mr_value_tag(name) != MR_TAG_TEXT) /* as print() shows it */
		text = mr_dump_string(dump, "None");
	const uint32_t path = checked(dump, mr_pairs_id(&dump->paths, parent, text));
	if (dump->failed || dump->paths.count == known)
		return path;
	/* It is new: what it is summed up under is new, too, perhaps. */
	const uint32_t above = parent != 0 ? dump->merged[parent - 1] : 0;
	const uint32_t short_name = text != 0 ? merged_name(dump, text) : 0;
	const uint32_t merged = short_name == text && above == parent
	                                ? path
	                                : checked(dump, mr_pairs_id(&dump->paths, above, short_name));

	if (mr_grow(&dump->merged, &dump->merged_capacity, dump->paths.count, sizeof(*dump->merged)) < 0) {
		dump->failed = true;
		return 0;
	}
	dump->merged[path - 1] = merged;
	if (dump->paths.count == known + 2)
		dump->merged[merged - 1] = merged; /* made by the way: it is its own */
	return path;
}

/* ---- Stacks ------------------------------------------------------------------------ */

/* The lines of source text, each without the space around it, a newline between them. */
static uint32_t source_of(struct mr_dump *dump, mr_value lines)
{
	struct mr_buffer joined = { 0 };
	struct mr_items items;
	mr_value key = 0, line = 0;
	bool first = true;

	mr_items_begin(&items, &dump->pickle, lines);
	while (!dump->exhausted && joined.len < MR_LOG_STRING_MAX && mr_items_next(&items, &key, &line)) {
		size_t len = 0;
		const char *text = (const char *)mr_value_text(&dump->pickle, line, &len);

		/* What is put together is kept, so it counts as more than what is looked at. */
		mr_dump_spend(dump, 1 + len / (mr_items_count(&dump->pickle, lines) == 1 ? 16 : 2));
		while (len > 0 && memchr(" \t\n\r\f\v", text[len - 1], 6) != NULL)
			len--;
		while (len > 0 && memchr(" \t\n\r\f\v", text[0], 6) != NULL) {
			text++;
			len--;
		}
		if (mr_items_count(&dump->pickle, lines) == 1)
			return mr_texts_id(&dump->texts, text, len, &dump->failed);
		if (!first)
			mr_buffer_put_u8(&joined, '\n');
		mr_buffer_append(&joined, text, len);
		first = false;
	}
	dump->failed |= joined.failed;
	const uint32_t id = mr_texts_keep(&dump->texts, joined.data, joined.len, &dump->failed);
	mr_buffer_release(&joined);
	return id;
}

/* (file, line, function, lines of source, index) */
static uint32_t code_of(struct mr_dump *dump, mr_value frame)
{
	mr_value key = 0, parts[4] = { 0 };
	struct mr_items items;

	mr_items_begin(&items, &dump->pickle, frame);
	for (size_t i = 0; i < MR_ARRAY_LEN(parts) && mr_items_next(&items, &key, &parts[i]); i++)
		;
	const uint64_t line = mr_value_unsigned(&dump->pickle, parts[1]);
	const uint32_t position = checked(dump, mr_pairs_id(&dump->code_files, mr_dump_text(dump, parts[0]),
	                                                    mr_dump_text(dump, parts[2])));
	const uint32_t place = checked(
		dump, mr_pairs_id(&dump->code_lines, position, line < UINT32_MAX ? (uint32_t)line : 0));

	return checked(dump, mr_pairs_id(&dump->codes, place, source_of(dump, parts[3])));
}

uint32_t mr_dump_stack(struct mr_dump *dump, mr_value trace)
{
	struct mr_items items;
	mr_value key = 0, frame = 0;
	uint32_t stack = 0, depth = 0;

	if (mr_value_tag(trace) != MR_TAG_LIST) /* None: it was not asked for */
		return 0;
	mr_items_begin(&items, &dump->pickle, trace);
	while (depth++ < MR_LOG_STACK_DEPTH_MAX && !dump->exhausted && mr_items_next(&items, &key, &frame)) {
		mr_dump_spend(dump, 1);
		stack = checked(dump, mr_pairs_id(&dump->stacks, stack, code_of(dump, frame)));
	}
	return stack;
}

/* ---- Writing ------------------------------------------------------------------------ */

/* Ids, and the two halves of PAIRS in the columns behind it. */
static int write_pairs(struct mr_dump *dump, const struct mr_pairs *pairs, enum mr_kind kind,
                       struct mr_error *err)
{
	struct mr_import_rows rows;

	MR_TRY(mr_import_rows_init(&rows, kind, 3, err));
	for (size_t i = 0; i < pairs->count; i++) {
		const uint32_t row = mr_import_rows_add(&rows, &dump->log);

		rows.values[0][row] = i + 1;
		rows.values[1][row] = mr_pairs_first(pairs, (uint32_t)i + 1);
		rows.values[2][row] = mr_pairs_second(pairs, (uint32_t)i + 1);
	}
	mr_import_rows_flush(&rows, &dump->log);
	mr_import_rows_release(&rows);
	return 0;
}

static int write_codes(struct mr_dump *dump, struct mr_error *err)
{
	struct mr_import_rows rows;

	MR_TRY(mr_import_rows_init(&rows, MR_KIND_CODE, MR_CODE_SOURCE, err));
	for (size_t i = 0; i < dump->codes.count; i++) {
		const uint32_t row = mr_import_rows_add(&rows, &dump->log);
		const uint32_t id = (uint32_t)i + 1;
		const uint32_t place = mr_pairs_first(&dump->codes, id);
		const uint32_t position = mr_pairs_first(&dump->code_lines, place);

		rows.values[MR_CODE_ID - 1][row] = id;
		rows.values[MR_CODE_MODULE - 1][row] = 0;
		rows.values[MR_CODE_OFFSET - 1][row] = 0;
		rows.values[MR_CODE_FUNCTION - 1][row] = mr_pairs_second(&dump->code_files, position);
		rows.values[MR_CODE_FILE - 1][row] = mr_pairs_first(&dump->code_files, position);
		rows.values[MR_CODE_LINE - 1][row] = mr_pairs_second(&dump->code_lines, place);
		rows.values[MR_CODE_SOURCE - 1][row] = mr_pairs_second(&dump->codes, id);
	}
	mr_import_rows_flush(&rows, &dump->log);
	mr_import_rows_release(&rows);
	return 0;
}

int mr_dump_write_names(struct mr_dump *dump, struct mr_error *err)
{
	MR_TRY(mr_dump_status(dump, err));
	mr_texts_write(&dump->texts, &dump->log);
	MR_TRY(write_pairs(dump, &dump->paths, MR_KIND_PATHS, err));
	MR_TRY(write_codes(dump, err));
	return write_pairs(dump, &dump->stacks, MR_KIND_STACKS, err);
}
