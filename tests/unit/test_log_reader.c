/* SPDX-License-Identifier: MIT
 *
 * Finding segments and frames in logs that are whole, cut, flipped, joined or
 * lie; columns against the decoder of all rows at once.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "log_builder.h"
#include "log_reader.h"
#include "model.h"

static struct log_builder builder;

static void release(void)
{
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
}

static void make_sample(void)
{
	log_builder_sample(&builder);
}

TestSuite(log_reader, .fini = release);

static int open_log(struct mr_log *log, const void *data, size_t len, struct mr_error *err)
{
	struct mr_source source;

	cr_assert(eq(int, mr_source_open_memory(&source, data, len, "made.dat", err), 0));
	return mr_log_open_take(log, &source, err);
}

/* Opens and loads everything, whatever it is; what was found is added up. */
static uint64_t load_all(const void *data, size_t len)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;
	uint64_t sum = 0;

	if (mr_model_open_memory(data, len, "made.dat", &model, &err) < 0) {
		cr_assert(err.message[0] != '\0');
		return 0;
	}
	cr_assert(eq(int, mr_model_load(model, MR_LOAD_ALL, &err), 0), "%s", err.message);
	for (size_t i = 0; i < model->run_count; i++)
		sum += model->runs[i].objects.count + model->runs[i].snapshot_count +
		       model->runs[i].samples.count;
	mr_model_close(model);
	return sum;
}

/* ---- Where a log is cut ------------------------------------------------------------- */

Test(log_reader, cut_at_every_byte__yields_whole_frames, .init = make_sample)
{
	struct log_builder *b = &builder;

	for (size_t len = 0; len < b->bytes.len; len++) {
		struct mr_error err = { 0 };
		struct mr_log log;
		size_t whole = 0;

		/* A copy of its own, so that a sanitizer sees a read behind the end. */
		uint8_t *copy = malloc(len + 1);
		memcpy(copy, b->bytes.data, len);
		while (whole < b->entry_count && b->entries[whole].offset + b->entries[whole].size <= len)
			whole++;
		const int code = open_log(&log, copy, len, &err);
		if (len < MR_LOG_HEADER_SIZE) {
			cr_expect(eq(int, code, MR_ERR_FORMAT), "%zu", len);
			cr_expect(eq(int, memcmp(err.message, "made.dat: ", 10), 0));
		} else {
			cr_assert(eq(int, code, 0), "%zu: %s", len, err.message);
			cr_assert(eq(sz, log.segment_count, 1));
			cr_expect(eq(sz, log.segments[0].frame_count, whole), "%zu", len);
			cr_expect(ne(int, (int)log.segments[0].end, MR_SEGMENT_WHOLE));
			cr_expect(gt(sz, log.notes.count, 0), "says how far it reaches");
			mr_log_release(&log);
		}
		load_all(copy, len);
		free(copy);
	}
}

Test(log_reader, cut_log__says_where_and_why, .init = make_sample)
{
	struct mr_error err = { 0 };
	struct mr_log log;
	const struct mr_index_entry *last = &builder.entries[builder.entry_count - 2];

	cr_assert(eq(int, open_log(&log, builder.bytes.data, last->offset + last->size - 3, &err), 0));
	cr_assert(eq(sz, log.notes.count, 2));
	cr_expect(ne(ptr, strstr(log.notes.items[0], "ends within a frame"), NULL), "%s", log.notes.items[0]);
	cr_expect(ne(ptr,
	             strstr(log.notes.items[1],
	                    "ends at t=4.5 us without an end record: the program was killed, "
	                    "could not write, or still runs"),
	             NULL),
	          "%s", log.notes.items[1]);
	mr_log_release(&log);
}

/* ---- Where a byte is wrong ------------------------------------------------------------- */

Test(log_reader, flipped_byte__costs_at_most_its_frame, .init = make_sample)
{
	struct log_builder *b = &builder;
	uint8_t *copy = malloc(b->bytes.len);

	for (size_t at = 0; at < b->bytes.len; at++) {
		struct mr_error err = { 0 };
		struct mr_log log;
		size_t hit = 0, readable = 0;

		memcpy(copy, b->bytes.data, b->bytes.len);
		copy[at] ^= (uint8_t)(1u << (at % 8));
		while (hit < b->entry_count && b->entries[hit].offset + b->entries[hit].size <= at)
			hit++;

		const int code = open_log(&log, copy, b->bytes.len, &err);
		if (code == MR_ERR_VERSION) { /* the header's version or features */
			cr_expect(at >= 16 && at < 24, "%zu", at);
			continue;
		}
		cr_assert(eq(int, code, 0), "byte %zu: %s", at, err.message);
		cr_assert(eq(sz, log.segment_count, 1), "byte %zu", at);
		for (size_t i = 0; i < log.segments[0].frame_count; i++) {
			struct mr_frame *const frames[] = { &log.segments[0].frames[i] };
			struct mr_frame_pipe *pipe = NULL;
			struct mr_frame_content content;

			cr_assert(eq(int, mr_frame_pipe_open(&pipe, &log, frames, 1, &err), 0));
			cr_assert(eq(int, mr_frame_pipe_next(pipe, &content, &err), 1));
			readable += content.data != NULL;
			mr_frame_pipe_close(pipe);
		}
		/* All frames but the end frame, less the one that was hit. */
		const size_t frames = b->entry_count - 1;
		cr_expect(ge(sz, readable, at >= MR_LOG_HEADER_SIZE && hit < frames ? frames - 1 : frames),
		          "byte %zu", at);
		mr_log_release(&log);
		load_all(copy, b->bytes.len);
	}
	free(copy);
}

Test(log_reader, damaged_frame__is_named_with_its_place, .init = make_sample)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;
	char expected[64];

	builder.bytes.data[builder.entries[1].offset + builder.entries[1].size / 2] ^= 0x10;
	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, &err),
	             0));
	cr_expect(eq(sz, model->warning_count, 0), "events are not looked at before they are asked for");
	cr_assert(eq(int, mr_model_load(model, MR_LOAD_OBJECTS, &err), 0));
	cr_assert(eq(sz, model->warning_count, 1));
	snprintf(expected, sizeof(expected),
	         "made.dat: damaged at byte %llu: ", (unsigned long long)builder.entries[1].offset);
	cr_expect(eq(int, strncmp(model->warnings[0], expected, strlen(expected)), 0), "%s",
	          model->warnings[0]);
	cr_expect(eq(u64, model->segments[0].frames_damaged, 1));
	cr_expect(eq(u64, model->segments[0].bytes_lost, builder.entries[1].size));
	mr_model_close(model);
}

Test(log_reader, missing_frame__is_counted, .init = make_sample)
{
	struct mr_error err = { 0 };
	struct mr_log log;
	const struct mr_index_entry *gone = &builder.entries[2];
	uint8_t *const data = builder.bytes.data;

	memmove(data + gone->offset, data + gone->offset + gone->size,
	        builder.bytes.len - gone->offset - gone->size);
	cr_assert(eq(int, open_log(&log, data, builder.bytes.len - gone->size, &err), 0));
	cr_expect(eq(u64, log.segments[0].frames_missing, 1));
	cr_expect(eq(int, (int)log.segments[0].end, MR_SEGMENT_UNINDEXED));
	mr_log_release(&log);
}

/* ---- Several segments --------------------------------------------------------------------- */

static void append_copy(struct mr_buffer *to, const struct mr_buffer *from, size_t len)
{
	mr_buffer_append(to, from->data, len);
	cr_assert(not(to->failed));
}

Test(log_reader, joined_logs__are_segments_in_order, .init = make_sample)
{
	const size_t cut = builder.entries[3].offset + 5;
	const struct {
		size_t lens[3];
		enum mr_segment_end ends[3];
	} cases[] = {
		{ { builder.bytes.len, builder.bytes.len, builder.bytes.len },
		  { MR_SEGMENT_WHOLE, MR_SEGMENT_WHOLE, MR_SEGMENT_WHOLE } },
		{ { cut, builder.bytes.len, builder.bytes.len },
		  { MR_SEGMENT_CUT, MR_SEGMENT_WHOLE, MR_SEGMENT_WHOLE } },
		{ { builder.bytes.len, cut, builder.bytes.len },
		  { MR_SEGMENT_UNINDEXED, MR_SEGMENT_CUT, MR_SEGMENT_WHOLE } },
		{ { builder.bytes.len, builder.bytes.len, cut },
		  { MR_SEGMENT_UNINDEXED, MR_SEGMENT_UNINDEXED, MR_SEGMENT_CUT } },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer joined = { 0 };
		struct mr_error err = { 0 };
		struct mr_log log;
		uint64_t offset = 0;

		for (size_t j = 0; j < 3; j++)
			append_copy(&joined, &builder.bytes, cases[i].lens[j]);
		cr_assert(eq(int, open_log(&log, joined.data, joined.len, &err), 0));
		cr_assert(eq(sz, log.segment_count, 3), "case %zu", i);
		for (size_t j = 0; j < 3; j++) {
			cr_expect(eq(int, (int)log.segments[j].end, (int)cases[i].ends[j]),
			          "case %zu segment %zu", i, j);
			cr_expect(eq(u64, log.segments[j].offset, offset));
			cr_expect(log.segments[j].frames[0].segment == j);
			offset += cases[i].lens[j];
		}
		mr_log_release(&log);
		mr_buffer_release(&joined);
	}
}

Test(log_reader, segment_without_header__is_told_apart, .init = make_sample)
{
	struct mr_buffer joined = { 0 };
	struct mr_error err = { 0 };
	struct mr_log log;

	/* A killed log, then one whose header is damaged: numbers of frames start again. */
	append_copy(&joined, &builder.bytes, builder.entries[builder.entry_count - 1].offset);
	append_copy(&joined, &builder.bytes, builder.bytes.len);
	joined.data[builder.entries[builder.entry_count - 1].offset + 10] ^= 0xff;
	cr_assert(eq(int, open_log(&log, joined.data, joined.len, &err), 0));
	cr_assert(eq(sz, log.segment_count, 2));
	cr_expect(log.segments[0].has_header);
	cr_expect(not(log.segments[1].has_header));
	cr_expect(eq(sz, log.segments[0].frame_count, builder.entry_count - 1));
	cr_expect(eq(u64, log.segments[1].end_reason, MR_END_CLOSED));
	mr_log_release(&log);
	mr_buffer_release(&joined);
}

Test(log_reader, trailing_garbage__is_left_out, .init = make_sample)
{
	struct mr_error err = { 0 };
	struct mr_log log;

	mr_buffer_append(&builder.bytes, "\x28\xb5\x2f\xfdgarbage that is not a frame", 30);
	cr_assert(eq(int, open_log(&log, builder.bytes.data, builder.bytes.len, &err), 0));
	cr_assert(eq(sz, log.segment_count, 1));
	cr_expect(eq(sz, log.segments[0].frame_count, builder.entry_count),
	          "the end frame is one of those that were walked over");
	cr_expect(eq(u64, log.segments[0].bytes_lost, 30));
	mr_log_release(&log);
}

/* ---- What is no log ------------------------------------------------------------------------- */

Test(log_reader, no_log__is_refused)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *message;
	} cases[] = {
		{ "", 0, "made.dat: is empty, not a log" },
		{ "hello\n", 6, "made.dat: not a log: it does not begin with a log's header" },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 19,
		  "made.dat: not a log: it does not begin with a log's header" },
		/* A zstd file of another kind. */
		{ "\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51", 13,
		  "made.dat: not a log: it does not begin with a log's header" },
		{ "\x50\x2a\x4d\x18\x30\0\0\0memreplg\1\0\0\0", 20,
		  "made.dat: the log is cut off within its header" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_error err = { 0 };
		struct mr_log log;

		cr_expect(eq(int, open_log(&log, cases[i].bytes, cases[i].len, &err), MR_ERR_FORMAT),
		          "case %zu", i);
		cr_expect(eq(str, err.message, (char *)cases[i].message), "case %zu", i);
	}
}

Test(log_reader, versions__newer_minor_is_read_newer_major_refused)
{
	struct mr_log_header header = { .version_major = MR_LOG_VERSION_MAJOR,
		                        .version_minor = MR_LOG_VERSION_MINOR + 7 };
	struct mr_error err = { 0 };
	struct mr_log log;

	log_builder_begin_with(&builder, &header);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	cr_expect(eq(int, open_log(&log, builder.bytes.data, builder.bytes.len, &err), 0));
	mr_log_release(&log);

	header.version_major++;
	release();
	log_builder_begin_with(&builder, &header);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	cr_expect(eq(int, open_log(&log, builder.bytes.data, builder.bytes.len, &err), MR_ERR_VERSION));
	cr_expect(ne(ptr, strstr(err.message, "2.10"), NULL), "%s", err.message);
	cr_expect(ne(ptr, strstr(err.message, "1.3"), NULL), "%s", err.message);
}

Test(log_reader, unknown_blocks_and_columns__are_skipped, .init = make_sample)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;

	release();
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, 60, 3, 1, 2, 3);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_SETTINGS, 12, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
	LOG_ROWS(&builder, 200, 1, 9);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, &err),
	             0));
	cr_expect(eq(u64, model->segments[0].blocks_unknown, 2));
	cr_expect(eq(sz, model->runs[0].setting_count, 1));
	cr_expect(eq(sz, model->warning_count, 0));
	mr_model_close(model);
}

/* ---- Claims ------------------------------------------------------------------------------------ */

/* A frame of KIND whose columns are runs that claim ROWS rows, BLOCKS times. */
static void add_bomb(enum mr_kind kind, unsigned columns, uint32_t rows, unsigned blocks)
{
	log_builder_frame(&builder, 1);
	for (unsigned i = 0; i < blocks; i++) {
		const size_t start = builder.content.len;
		struct mr_block_writer block;

		mr_block_begin(&block, &builder.content, kind, 1);
		for (unsigned id = 1; id <= columns; id++) {
			uint8_t run[16];
			size_t len = mr_put_uvarint(run, id == 1 ? 2 : 1); /* rising ids, ones */

			len += mr_put_uvarint(run + len, rows);
			mr_block_bytes(&block, id, run, len);
		}
		mr_block_end(&block);
		mr_put_u32le(builder.content.data + start + 4, rows);
		/* mr_block_bytes() says BYTES: make runs of them. */
		size_t at = start + MR_BLOCK_HEADER_SIZE;
		for (unsigned id = 1; id <= columns; id++) {
			builder.content.data[at + 1] = id == 1 ? MR_ENCODING_DELTA_RUNS : MR_ENCODING_RUNS;
			at += MR_COLUMN_HEADER_SIZE + mr_get_u32le(builder.content.data + at + 2);
		}
	}
	log_builder_seal(&builder, (UINT64_C(1) << MR_KIND_FRAME) | UINT64_C(1) << kind);
}

struct claim {
	enum mr_kind kind;
	unsigned columns;
};

ParameterizedTestParameters(log_reader, many_rows_claimed__end_soon)
{
	static struct claim cases[] = {
		{ MR_KIND_BIRTHS, MR_BIRTHS_LEVEL },
		{ MR_KIND_DEATHS, MR_DEATHS_REASON },
		{ MR_KIND_CHANGES, MR_CHANGES_LEVEL },
		{ MR_KIND_CLASSES, MR_CLASSES_FLAGS },
		{ MR_KIND_CODE, MR_CODE_LINE },
		{ MR_KIND_STACKS, MR_STACKS_CODE },
		{ MR_KIND_PATHS, MR_PATHS_NAME },
		{ MR_KIND_SNAPSHOTS, MR_SNAPSHOTS_CODE },
		{ MR_KIND_SAMPLES, MR_SAMPLES_THREADS },
		{ MR_KIND_MARKS, MR_MARKS_THREAD },
		{ MR_KIND_STRINGS, MR_STRINGS_LENGTH },
		{ MR_KIND_COUNTERS, MR_COUNTERS_VALUE },
		{ MR_KIND_SETTINGS, MR_SETTINGS_VALUE },
		{ MR_KIND_CLASS_TOTALS, MR_CLASS_TOTALS_MAX },
		{ MR_KIND_SYMBOLS, MR_SYMBOLS_LINE },
		{ MR_KIND_PROCESS, MR_PROCESS_PARENT_START_TICKS },
		{ MR_KIND_REFERENT_TOTALS, MR_REFERENT_TOTALS_FLAT },
		{ MR_KIND_SIZES, MR_SIZES_FLAT },
	};
	return cr_make_param_array(struct claim, cases, MR_ARRAY_LEN(cases));
}

ParameterizedTest(struct claim *param, log_reader, many_rows_claimed__end_soon)
{
	/* 10^9 rows in a few thousand bytes. */
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_frame_end(&builder, 0, 0);
	add_bomb(param->kind, param->columns, MR_LOG_ROWS_MAX, 1000);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	load_all(builder.bytes.data, builder.bytes.len);
	release();
}

Test(log_reader, more_rows_than_allowed__are_refused)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_frame_end(&builder, 0, 0);
	add_bomb(MR_KIND_BIRTHS, 7, MR_LOG_ROWS_MAX + 1, 1);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, &err),
	             0));
	cr_assert(eq(int, mr_model_load(model, MR_LOAD_OBJECTS, &err), 0));
	cr_expect(eq(sz, model->runs[0].objects.count, 0));
	cr_expect(eq(sz, model->warning_count, 1));
	mr_model_close(model);
}

Test(log_reader, bomb_of_frames__is_read_in_part)
{
	uint8_t *const zeros = calloc(1, MR_LOG_FRAME_CONTENT_MAX + 1);
	const size_t bound = ZSTD_compressBound(MR_LOG_FRAME_CONTENT_MAX + 1);
	uint8_t *const out = malloc(bound);
	ZSTD_CCtx *const zstd = ZSTD_createCCtx();
	struct mr_error err = { 0 };
	struct mr_log log;

	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	const size_t len = ZSTD_compress2(zstd, out, bound, zeros, MR_LOG_FRAME_CONTENT_MAX);
	log_builder_sample(&builder);
	builder.bytes.len = builder.entries[builder.entry_count - 1].offset;
	for (size_t i = 0; i < 1000; i++)
		mr_buffer_append(&builder.bytes, out, len);
	/* One that claims more than a frame may. */
	const size_t big = ZSTD_compress2(zstd, out, bound, zeros, MR_LOG_FRAME_CONTENT_MAX + 1);
	mr_buffer_append(&builder.bytes, out, big);
	cr_assert(eq(int, open_log(&log, builder.bytes.data, builder.bytes.len, &err), 0), "%s", err.message);
	cr_expect(ge(sz, log.segments[0].frame_count, builder.entry_count - 1));
	cr_expect(lt(sz, log.segments[0].frame_count, 900), "4 GB are more than 200 KB can mean");
	mr_log_release(&log);
	ZSTD_freeCCtx(zstd);
	free(out);
	free(zeros);
}

Test(log_reader, seek_table_that_lies__is_not_believed, .init = make_sample)
{
	const size_t table = 17 + 8 * (builder.entry_count + 1);
	uint8_t *copy = malloc(builder.bytes.len);

	for (size_t at = builder.bytes.len - table; at < builder.bytes.len; at++) {
		for (unsigned value = 0; value < 3; value++) {
			struct mr_error err = { 0 };
			struct mr_log log;

			memcpy(copy, builder.bytes.data, builder.bytes.len);
			copy[at] = value == 0 ? 0xff : value == 1 ? 0 : (uint8_t)(copy[at] + 1);
			cr_assert(eq(int, open_log(&log, copy, builder.bytes.len, &err), 0));
			cr_expect(ge(sz, log.segments[0].frame_count, builder.entry_count - 1));
			mr_log_release(&log);
		}
	}
	free(copy);
}

/* ---- Files ------------------------------------------------------------------------------------- */

Test(log_reader, sources__say_what_is_wrong)
{
	struct mr_source source;
	struct mr_error err = { 0 };

	cr_expect(eq(int, mr_source_open(&source, "/nonexistent/x.dat", &err), MR_ERR_READ));
	cr_expect(eq(str, err.message, "/nonexistent/x.dat: cannot be read: No such file or directory"));
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_source_open(&source, "/tmp", &err), MR_ERR_READ));
	cr_expect(eq(str, err.message, "/tmp: is a directory, not a log"));
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_source_open(&source, "/dev/zero", &err), MR_ERR_READ));
	cr_expect(eq(str, err.message, "/dev/zero: is a device, not a log"));
}

Test(log_reader, standard_input__is_spooled, .init = make_sample)
{
	int ends[2];
	struct mr_source source;
	struct mr_error err = { 0 };
	uint8_t *read_back = malloc(builder.bytes.len);

	cr_assert(eq(int, pipe(ends), 0));
	cr_assert(eq(sz, (size_t)write(ends[1], builder.bytes.data, builder.bytes.len), builder.bytes.len));
	close(ends[1]);
	cr_assert(eq(int, dup2(ends[0], STDIN_FILENO), STDIN_FILENO));
	close(ends[0]);
	cr_assert(eq(int, mr_source_open(&source, "-", &err), 0), "%s", err.message);
	cr_expect(eq(u64, source.size_bytes, builder.bytes.len));
	cr_expect(eq(i64, mr_source_read(&source, read_back, builder.bytes.len, 0, &err),
	             (int64_t)builder.bytes.len));
	cr_expect(eq(int, memcmp(read_back, builder.bytes.data, builder.bytes.len), 0));
	mr_source_release(&source);
	cr_assert(eq(int, mr_source_open(&source, "-", &err), 0), "%s", err.message);
	cr_expect(eq(u64, source.size_bytes, builder.bytes.len), "and can be opened again");
	mr_source_release(&source);
	free(read_back);
}

/* ---- Columns ------------------------------------------------------------------------------------- */

Test(log_reader, columns_by_chunks__are_those_at_once)
{
	enum { ROWS = 3000 };
	static uint64_t values[ROWS], once[ROWS], chunks[ROWS];

	srand(5);
	for (unsigned shape = 0; shape < 40; shape++) {
		struct mr_buffer content = { 0 };
		struct mr_block_writer writer;
		struct mr_block block;
		struct mr_cursor cursor;
		size_t offset = 0;
		const uint32_t rows = shape % 4 == 3 ? (uint32_t)rand() % ROWS : ROWS;

		for (uint32_t i = 0; i < rows; i++)
			switch (shape % 5) {
			case 0:
				values[i] = (uint64_t)rand() << (rand() % 33);
				break;
			case 1:
				values[i] = i / (1 + shape) * 7;
				break;
			case 2:
				values[i] = UINT64_MAX - i * 3;
				break;
			case 3:
				values[i] = (uint64_t)rand() % 3 == 0 ? (uint64_t)rand() % 200
				            : i > 0                   ? values[i - 1]
				                                      : 1;
				break;
			case 4:
				values[i] = (i > 0 ? values[i - 1] : 0) + (uint64_t)rand() % 300;
				break;
			}
		mr_block_begin(&writer, &content, MR_KIND_SIZES, rows);
		mr_block_column(&writer, 3, values);
		mr_block_end(&writer);
		cr_assert(eq(int, mr_block_parse(content.data, content.len, &offset, &block, NULL), 0));
		cr_assert(eq(int, mr_block_decode(&block, 3, once, NULL), 0));
		cr_assert(eq(int, mr_cursor_open(&cursor, &block, 3, NULL), 0));
		for (uint32_t done = 0; done < rows;) {
			uint32_t some = 1 + (uint32_t)rand() % 400;
			uint64_t first, step;

			some = some < rows - done ? some : rows - done;
			const int line = rand() % 2 == 0 ? mr_cursor_line(&cursor, &first, &step, NULL) : 0;
			cr_assert(ge(int, line, 0));
			if (line > 0) {
				some = some < (uint32_t)line ? some : (uint32_t)line;
				cr_assert(eq(int, mr_cursor_pass(&cursor, some, NULL), 0));
				for (uint32_t i = 0; i < some; i++)
					chunks[done + i] = first + i * step;
			} else if (rand() % 3 == 0) {
				cr_assert(eq(int, mr_cursor_skip(&cursor, some, NULL), 0));
				memcpy(chunks + done, once + done, some * sizeof(*once));
			} else {
				cr_assert(eq(int, mr_cursor_read(&cursor, chunks + done, some, NULL), 0));
			}
			done += some;
		}
		cr_expect(eq(int, memcmp(chunks, once, rows * sizeof(*once)), 0), "shape %u", shape);
		cr_expect(eq(int, memcmp(chunks, values, rows * sizeof(*once)), 0), "shape %u", shape);
		mr_buffer_release(&content);
	}
}

Test(log_reader, columns_of_wrong_length__are_refused)
{
	uint8_t bytes[] = { 1, 2, 3, 4 };
	struct mr_block block = { .kind = MR_KIND_SIZES, .rows = 3 };
	struct mr_cursor cursor;
	uint64_t values[8];

	block.columns[1] = (struct mr_column){ bytes, 4, MR_ENCODING_PLAIN };
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_read(&cursor, values, 3, NULL), MR_ERR_FORMAT), "one value is left");
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_skip(&cursor, 3, NULL), MR_ERR_FORMAT));
	block.rows = 5;
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_read(&cursor, values, 5, NULL), MR_ERR_FORMAT), "one value is missing");
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_read(&cursor, values, 6, NULL), MR_ERR_FORMAT),
	          "more than there are rows");
	block.columns[1].encoding = MR_ENCODING_RUNS; /* 1 x 2, 3 x 4: six rows */
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_read(&cursor, values, 5, NULL), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_line(&cursor, &values[0], &values[1], NULL), 2));
	cr_expect(eq(int, mr_cursor_pass(&cursor, 3, NULL), MR_ERR_FORMAT), "the line is of two");
	cr_expect(eq(int, mr_cursor_pass(&cursor, 2, NULL), 0));
	cr_expect(eq(int, mr_cursor_line(&cursor, &values[0], &values[1], NULL), MR_ERR_FORMAT),
	          "four where three rows are left");
	block.rows = 2;
	cr_assert(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), 0));
	cr_expect(eq(int, mr_cursor_line(&cursor, &values[0], &values[1], NULL), 2));
	cr_expect(eq(int, mr_cursor_pass(&cursor, 2, NULL), MR_ERR_FORMAT), "bytes are left");
	block.columns[1].encoding = 9;
	cr_expect(eq(int, mr_cursor_open(&cursor, &block, 1, NULL), MR_ERR_FORMAT));
}
