/* SPDX-License-Identifier: MIT
 *
 * Blocks that say what ids mean.  Rows are kept with the stream's own ids until
 * model_runs.c resolves them; only strings get their final place at once.
 */
#include "model_private.h"

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the definitions of a log");
}

int mr_model__spend_rows(struct mr_loading *loading, uint32_t rows, struct mr_error *err)
{
	MR_FAIL_IF(rows > loading->budget->rows_left, err, MR_ERR_LIMIT,
	           "the log claims far more rows than its size can hold");
	loading->budget->rows_left -= rows;
	return 0;
}

/* Where in a list of COUNT the definition of ID goes: where an earlier one is,
 * or at the end.  ID 0 means "none" and cannot be defined. */
static int define(struct mr_loading *loading, enum mr_defined what, uint64_t id, size_t count, size_t *index,
                  struct mr_error *err)
{
	struct mr_id_map *const map = &loading->stream->ids[what];

	MR_FAIL_IF(id == 0, err, MR_ERR_FORMAT, "a definition has no id");
	const uint32_t known = mr_id_map_get(map, id);
	if (known != 0) {
		*index = known - 1;
		return 0;
	}
	MR_FAIL_IF(count >= UINT32_MAX - 2, err, MR_ERR_LIMIT, "the log has too many definitions");
	MR_TRY(mr_id_map_put(map, id, (uint32_t)count + 1, err));
	*index = count;
	return 0;
}

/* ---- Strings --------------------------------------------------------------- */

static int add_string(struct mr_loading *loading, uint64_t id, const uint8_t *bytes, size_t len,
                      struct mr_error *err)
{
	struct mr_model_state *const state = loading->model->state;
	char *text;

	MR_FAIL_IF(id == 0, err, MR_ERR_FORMAT, "a string has no id");
	if (mr_grow(&state->text, &state->text_capacity, state->text_len + len + 1, 1) < 0 ||
	    MR_LIST_RESERVE(&state->strings, 1) < 0 || state->strings.count >= MR_STRINGS_MAX)
		return no_memory(err);

	text = state->text + state->text_len;
	if (len != 0)
		memcpy(text, bytes, len);
	text[len] = '\0';
	for (char *zero = memchr(text, '\0', len); zero != NULL;
	     zero = memchr(zero, '\0', (size_t)(text + len - zero)))
		*zero = '?';
	state->strings.items[state->strings.count] = state->text_len;
	state->text_len += len + 1;
	MR_TRY(mr_id_map_put(&loading->stream->ids[MR_DEFINED_STRING], id, (uint32_t)state->strings.count,
	                     err));
	state->strings.count++;
	if (id > loading->stream->string_id_max)
		loading->stream->string_id_max = id;
	return 0;
}

int mr_model__read_strings(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	const struct mr_column *const bytes = &block->columns[MR_STRINGS_BYTES];
	struct mr_rows rows;
	size_t used = 0;
	int count;

	MR_FAIL_IF(bytes->data != NULL && bytes->encoding != MR_ENCODING_BYTES, err, MR_ERR_FORMAT,
	           "the bytes of strings are not bytes");
	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_STRINGS_LENGTH, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t len = rows.values[MR_STRINGS_LENGTH][i];

			MR_FAIL_IF(len > MR_LOG_STRING_MAX, err, MR_ERR_LIMIT,
			           "a string of %llu bytes is too long", (unsigned long long)len);
			MR_FAIL_IF(len > bytes->len - used, err, MR_ERR_FORMAT,
			           "a string ends behind its block");
			MR_TRY(add_string(loading, rows.values[MR_STRINGS_ID][i], bytes->data + used,
			                  (size_t)len, err));
			used += (size_t)len;
		}
	}
	return count;
}

/* ---- Classes and code ------------------------------------------------------ */

int mr_model__read_classes(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_CLASSES_FLAGS, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->classes, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_CLASS, rows.values[MR_CLASSES_ID][i],
			              stream->classes.count, &at, err));
			stream->classes.items[at] = (struct mr_class){
				.name = mr_raw_id(rows.values[MR_CLASSES_NAME][i]),
				.parent = mr_raw_id(rows.values[MR_CLASSES_PARENT][i]),
				.level = mr_raw_id(rows.values[MR_CLASSES_LEVEL][i]),
				.flags = (uint32_t)rows.values[MR_CLASSES_FLAGS][i],
				.size_bytes = rows.values[MR_CLASSES_SIZE][i],
			};
			stream->classes.count += at == stream->classes.count;
		}
	}
	return count;
}

int mr_model__read_modules(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_MODULES_BASE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->modules, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_MODULE, rows.values[MR_MODULES_ID][i],
			              stream->modules.count, &at, err));
			stream->modules.items[at] = (struct mr_module){
				.path = mr_raw_id(rows.values[MR_MODULES_PATH][i]),
				.build_id = mr_raw_id(rows.values[MR_MODULES_BUILD_ID][i]),
				.base = rows.values[MR_MODULES_BASE][i],
			};
			stream->modules.count += at == stream->modules.count;
		}
	}
	return count;
}

int mr_model__read_code(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_CODE_SOURCE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->codes, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_CODE, rows.values[MR_CODE_ID][i],
			              stream->codes.count, &at, err));
			stream->codes.items[at] = (struct mr_code){
				.module = mr_raw_id(rows.values[MR_CODE_MODULE][i]),
				.function = mr_raw_id(rows.values[MR_CODE_FUNCTION][i]),
				.file = mr_raw_id(rows.values[MR_CODE_FILE][i]),
				.source = mr_raw_id(rows.values[MR_CODE_SOURCE][i]),
				.line = mr_raw_id(rows.values[MR_CODE_LINE][i]),
				.offset = rows.values[MR_CODE_OFFSET][i],
				.id = rows.values[MR_CODE_ID][i],
			};
			stream->codes.count += at == stream->codes.count;
		}
	}
	return count;
}

/* The rows above in a block of stacks, by their depth: what is deeper hangs on them. */
struct stack_depths {
	uint64_t deepest; /* that the next row can be */
	uint64_t ids[MR_LOG_STACK_DEPTH_MAX];
};

/* The caller of the stack ID, as its row says; 0 for nonsense. */
static uint64_t caller_of(struct stack_depths *depths, uint64_t depth, uint64_t parent, uint64_t id)
{
	const bool known = depth <= depths->deepest && depth < MR_LOG_STACK_DEPTH_MAX;

	if (depth > 0)
		parent = known ? depths->ids[depth - 1] : 0;
	if (known) {
		depths->ids[depth] = id;
		depths->deepest = depth + 1;
	}
	return parent;
}

int mr_model__read_stacks(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct stack_depths depths = { 0 };
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_STACKS_DEPTH, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->stacks, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			const uint64_t id = rows.values[MR_STACKS_ID][i];
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_STACK, id, stream->stacks.count, &at, err));
			stream->stacks.items[at] = (struct mr_stack){
				.parent = mr_raw_id(caller_of(&depths, rows.values[MR_STACKS_DEPTH][i],
				                              rows.values[MR_STACKS_PARENT][i], id)),
				.code = mr_raw_id(rows.values[MR_STACKS_CODE][i]),
			};
			stream->stacks.count += at == stream->stacks.count;
		}
	}
	return count;
}

int mr_model__read_symbols(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_SYMBOLS_LINE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->symbols, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->symbols.items[stream->symbols.count++] = (struct mr_raw_symbol){
				.code = mr_raw_id(rows.values[MR_SYMBOLS_CODE][i]),
				.depth = mr_raw_id(rows.values[MR_SYMBOLS_DEPTH][i]),
				.symbol = {
					.function = mr_raw_id(rows.values[MR_SYMBOLS_FUNCTION][i]),
					.file = mr_raw_id(rows.values[MR_SYMBOLS_FILE][i]),
					.line = mr_raw_id(rows.values[MR_SYMBOLS_LINE][i]),
				},
			};
	}
	return count;
}

/* ---- Paths and threads ------------------------------------------------------ */

int mr_model__read_paths(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_PATHS_NAME, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->paths, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_PATH, rows.values[MR_PATHS_ID][i],
			              stream->paths.count, &at, err));
			stream->paths.items[at] = (struct mr_path){
				.parent = mr_raw_id(rows.values[MR_PATHS_PARENT][i]),
				.name = mr_raw_id(rows.values[MR_PATHS_NAME][i]),
			};
			stream->paths.count += at == stream->paths.count;
		}
	}
	return count;
}

int mr_model__read_threads(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_THREADS_NAME, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->threads, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			size_t at;

			MR_TRY(define(loading, MR_DEFINED_THREAD, rows.values[MR_THREADS_ID][i],
			              stream->threads.count, &at, err));
			stream->threads.items[at] = (struct mr_thread){
				.tid = rows.values[MR_THREADS_TID][i],
				.name = mr_raw_id(rows.values[MR_THREADS_NAME][i]),
			};
			stream->threads.count += at == stream->threads.count;
		}
	}
	return count;
}

/* ---- Streams ---------------------------------------------------------------- */

int mr_model__read_stream(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;

	MR_FAIL_IF(block->rows != 1, err, MR_ERR_FORMAT, "a STREAM block has %u rows instead of one",
	           block->rows);
	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_STREAM_IMPORTED, err));
	MR_TRY(mr_rows_next(&rows, err));
	stream->described = true;
	stream->boot_id[0] = rows.values[MR_STREAM_BOOT_ID_HIGH][0];
	stream->boot_id[1] = rows.values[MR_STREAM_BOOT_ID_LOW][0];
	stream->pid = rows.values[MR_STREAM_PID][0];
	stream->start_ticks = rows.values[MR_STREAM_START_TICKS][0];
	stream->source = rows.values[MR_STREAM_SOURCE][0];
	stream->clock_monotonic_ns = rows.values[MR_STREAM_CLOCK_MONOTONIC][0];
	stream->clock_realtime_ns = rows.values[MR_STREAM_CLOCK_REALTIME][0];
	stream->creator = mr_raw_id(rows.values[MR_STREAM_CREATOR][0]);
	stream->language = rows.values[MR_STREAM_LANGUAGE][0];
	stream->imported = rows.values[MR_STREAM_IMPORTED][0];
	return 0;
}
