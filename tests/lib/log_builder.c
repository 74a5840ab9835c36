/* SPDX-License-Identifier: MIT
 *
 * See log_builder.h.
 */
#include "log_builder.h"

#include <stdlib.h>
#include <zstd.h>

static void check(bool good)
{
	if (!good)
		abort();
}

void log_builder_release(struct log_builder *builder)
{
	mr_buffer_release(&builder->bytes);
	mr_buffer_release(&builder->content);
}

void log_builder_begin_with(struct log_builder *builder, const struct mr_log_header *header)
{
	uint8_t bytes[MR_LOG_HEADER_SIZE];

	builder->segment = builder->bytes.len;
	builder->sequence = 0;
	builder->entry_count = 0;
	mr_log_header_encode(header, bytes);
	mr_buffer_append(&builder->bytes, bytes, sizeof(bytes));
}

void log_builder_begin(struct log_builder *builder)
{
	const struct mr_log_header header = {
		.version_major = MR_LOG_VERSION_MAJOR,
		.version_minor = MR_LOG_VERSION_MINOR,
		.boot_id = { 1, 2 },
		.start_ticks = 7,
		.pid = 42,
		.clock_realtime_ns = UINT64_C(1700000000000000000),
	};

	log_builder_begin_with(builder, &header);
}

static void track_kind(struct log_builder *builder, unsigned kind)
{
	if (kind < 64)
		builder->entry.kinds |= UINT64_C(1) << kind;
}

void log_builder_frame(struct log_builder *builder, uint64_t stream)
{
	struct mr_block_writer block;

	if (builder->content.len == 0) {
		builder->entry = (struct mr_index_entry){ .stream = stream };
	} else if (stream != builder->entry.stream) {
		builder->entry.stream = 0;
	}
	builder->stream = stream;
	mr_block_begin(&block, &builder->content, MR_KIND_FRAME, 1);
	mr_block_scalar(&block, MR_FRAME_STREAM, stream);
	mr_block_scalar(&block, MR_FRAME_SEQUENCE, builder->sequence);
	mr_block_end(&block);
	track_kind(builder, MR_KIND_FRAME);
}

void log_builder_seal(struct log_builder *builder, uint64_t kinds)
{
	struct mr_buffer *const bytes = &builder->bytes;
	const size_t bound = ZSTD_compressBound(builder->content.len);
	uint8_t *const out = mr_buffer_reserve(bytes, bound);
	ZSTD_CCtx *const zstd = ZSTD_createCCtx();

	check(out != NULL && zstd != NULL && !builder->content.failed && builder->entry_count < 255);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	const size_t len = ZSTD_compress2(zstd, out, bound, builder->content.data, builder->content.len);
	check(!ZSTD_isError(len));
	ZSTD_freeCCtx(zstd);

	builder->entry.offset = bytes->len - builder->segment;
	builder->entry.size = len;
	builder->entry.content = builder->content.len;
	builder->entry.kinds = kinds;
	builder->entries[builder->entry_count++] = builder->entry;
	bytes->len += len;
	builder->sequence++;
	mr_buffer_clear(&builder->content);
}

void log_builder_frame_end(struct log_builder *builder, uint64_t snapshot_first, uint64_t snapshot_last)
{
	builder->entry.snapshot_first = snapshot_first;
	builder->entry.snapshot_last = snapshot_last;
	log_builder_seal(builder, builder->entry.kinds);
}

void log_builder_end(struct log_builder *builder, uint64_t time_ns, enum mr_end_reason reason)
{
	struct mr_block_writer block;
	const size_t frames = builder->entry_count;

	log_builder_frame(builder, 0);
	mr_block_begin(&block, &builder->content, MR_KIND_END, 1);
	mr_block_scalar(&block, MR_END_TIME, time_ns);
	mr_block_scalar(&block, MR_END_REASON, reason);
	mr_block_end(&block);
	mr_index_encode(&builder->content, builder->entries, frames);
	log_builder_seal(builder, 0);
	mr_seek_table_encode(&builder->bytes, builder->entries, builder->entry_count);
	check(!builder->bytes.failed);
}

/* ---- Blocks ---------------------------------------------------------------------- */

void log_builder_rows(struct log_builder *builder, enum mr_kind kind, unsigned columns, uint32_t rows,
                      const uint64_t *values)
{
	struct mr_block_writer block;
	uint64_t *const column = malloc((rows + 1) * sizeof(*column));

	check(column != NULL);
	mr_block_begin(&block, &builder->content, kind, rows);
	for (unsigned id = 1; id <= columns; id++) {
		for (uint32_t row = 0; row < rows; row++)
			column[row] = values[(size_t)row * columns + id - 1];
		mr_block_column(&block, id, column);
	}
	mr_block_end(&block);
	free(column);
	track_kind(builder, kind);
}

void log_builder_strings(struct log_builder *builder, uint64_t first, size_t count, const char *const *texts)
{
	struct mr_block_writer block;
	uint64_t ids[64], lens[64];
	struct mr_buffer joined = { 0 };

	check(count <= MR_ARRAY_LEN(ids));
	for (size_t i = 0; i < count; i++) {
		ids[i] = first + i;
		lens[i] = strlen(texts[i]);
		mr_buffer_append(&joined, texts[i], strlen(texts[i]));
	}
	mr_block_begin(&block, &builder->content, MR_KIND_STRINGS, (uint32_t)count);
	mr_block_column(&block, MR_STRINGS_ID, ids);
	mr_block_column(&block, MR_STRINGS_LENGTH, lens);
	mr_block_bytes(&block, MR_STRINGS_BYTES, joined.data, joined.len);
	mr_block_end(&block);
	mr_buffer_release(&joined);
	track_kind(builder, MR_KIND_STRINGS);
}

void log_builder_stream(struct log_builder *builder, uint64_t pid, enum mr_stream_source source,
                        uint64_t clock_monotonic_ns)
{
	const uint64_t values[] = { 1,
		                    2,
		                    pid,
		                    7,
		                    source,
		                    clock_monotonic_ns,
		                    UINT64_C(1700000000000000000) + clock_monotonic_ns,
		                    1,
		                    1 << 16 };

	log_builder_rows(builder, MR_KIND_STREAM, MR_STREAM_VERSION, 1, values);
}

/* Classes Node (48 bytes) and Leaf (16, a Node); four objects:
 *   10 Node  born 100, traced, named "root"
 *   11 Leaf  born 200, freed 3500
 *   12 Leaf  born 1500, becomes a Node of level 2 at 2500
 *   13 Node  born 1600, freed 1700: in no snapshot
 * snapshots 1 (key) at 1000, 2 at 2000, 3 (key) at 3000, 4 at 4000; sizes:
 *   1: object 10 is 100 with two referents; 2: object 10 is 150 with one; 3: all as their class says;
 *   4: object 12 is 70; and object 11 was 20 when it was freed. */
static void sample_definitions(struct log_builder *builder)
{
	static const char *const texts[] = { "libmemcapture 1.0.0",
		                             "Node",
		                             "Leaf",
		                             "root",
		                             "children",
		                             "[]",
		                             "start",
		                             "make_node",
		                             "node.c",
		                             "/usr/bin/tree",
		                             "0123456789abcdef",
		                             "main",
		                             "tree",
		                             "depth",
		                             "7",
		                             "flushes",
		                             "half way",
		                             "<Node>",
		                             "worker" };

	log_builder_frame(builder, 1);
	log_builder_stream(builder, 42, MR_SOURCE_TRACKER, 5000);
	log_builder_strings(builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(builder, MR_KIND_CLASSES, 6, 1, 2, 0, 48, 1, MR_CLASS_TRACE, 2, 3, 1, 16, 0, 0);
	LOG_ROWS(builder, MR_KIND_MODULES, 4, 1, 10, 11, 0x400000);
	LOG_ROWS(builder, MR_KIND_CODE, 6, 1, 0, 0, 8, 9, 12, 2, 1, 0x1234, 0, 0, 0);
	LOG_ROWS(builder, MR_KIND_STACKS, 3, 1, 0, 2, 2, 1, 1);
	LOG_ROWS(builder, MR_KIND_SYMBOLS, 5, 2, 0, 12, 9, 30, 2, 1, 13, 9, 40);
	LOG_ROWS(builder, MR_KIND_PATHS, 3, 1, 0, 5, 2, 1, 6);
	LOG_ROWS(builder, MR_KIND_THREADS, 3, 1, 4242, 19);
	log_builder_frame_end(builder, 0, 0);
}

static void sample_detail(struct log_builder *builder)
{
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_SIZES, 4, 1, 10, 100, 48);
	LOG_ROWS(builder, MR_KIND_REFERENTS, 6, 1, 10, 1, 1, 52, 16, 1, 10, 2, 3, 36, 36);
	log_builder_frame_end(builder, 1, 1);
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_SIZES, 4, 2, 10, 150, 48);
	LOG_ROWS(builder, MR_KIND_REFERENTS, 6, 2, 10, 1, 1, 102, 16);
	LOG_ROWS(builder, MR_KIND_LABELS, 3, 2, 10, 18);
	log_builder_frame_end(builder, 2, 2);
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_SIZES, 4, 0, 11, 20, 20);
	LOG_ROWS(builder, MR_KIND_SIZES, 4, 4, 12, 70, 48);
	log_builder_frame_end(builder, 4, 4);
}

static void sample_summary(struct log_builder *builder)
{
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_PROCESS, 6, 10, 13, 13, 10, 41, 6);
	LOG_ROWS(builder, MR_KIND_SNAPSHOTS, 16, 1, 1000, 5, 7, MR_SNAPSHOT_KEY, 2, 116, 9, 4097, 8193, 0, 0,
	         0, 0, 0, 0, 2, 2000, 5, 0, 0, 3, 182, 9, 4097, 8193, 0, 0, 0, 0, 0, 0, 3, 3000, 5, 0,
	         MR_SNAPSHOT_KEY, 3, 112, 9, 4097, 8193, 0, 0, 0, 0, 0, 0, 4, 4000, 5, 0, 0, 2, 118, 9, 4097,
	         8193, 0, 0, 0, 0, 0, 0);
	LOG_ROWS(builder, MR_KIND_CLASS_TOTALS, 7, 1, 1, 1, 100, 48, 100, 100, 1, 2, 1, 16, 16, 16, 16, 2, 1,
	         1, 150, 48, 150, 150, 2, 2, 2, 32, 32, 16, 16, 3, 1, 2, 96, 96, 48, 48, 3, 2, 1, 16, 16, 16,
	         16, 4, 1, 2, 118, 96, 48, 70);
	LOG_ROWS(builder, MR_KIND_REFERENT_TOTALS, 6, 1, 1, 2, 3, 36, 36, 1, 1, 1, 1, 52, 16, 2, 1, 1, 1, 102,
	         16);
	LOG_ROWS(builder, MR_KIND_SETTINGS, 2, 14, 15);
	LOG_ROWS(builder, MR_KIND_COUNTERS, 2, 16, 3, 16, 4);
	LOG_ROWS(builder, MR_KIND_EXIT, 3, 4500, MR_EXIT_EXITED, 3);
	log_builder_frame_end(builder, 1, 4);
}

void log_builder_sample(struct log_builder *builder)
{
	log_builder_begin(builder);
	sample_definitions(builder);
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_BIRTHS, 7, 10, 100, 1, 2, 0x1000, 4, 0, 11, 200, 2, 0, 0x2000, 0, 0);
	LOG_ROWS(builder, MR_KIND_BIRTHS, 7, 12, 1500, 2, 0, 0x3000, 0, 0, 13, 1600, 1, 0, 0x4000, 0, 1);
	LOG_ROWS(builder, MR_KIND_DEATHS, 3, 13, 1700, 0, 11, 3500, 0);
	LOG_ROWS(builder, MR_KIND_CHANGES, 4, 12, 2500, 2, 3);
	log_builder_frame_end(builder, 0, 0);
	sample_detail(builder);
	sample_summary(builder);
	log_builder_frame(builder, 1);
	LOG_ROWS(builder, MR_KIND_SAMPLES, 11, 50, 4096, 8192, 0, 0, 1, 10, 1, 5, 6, 1, 60, 4100, 8192, 3001,
	         2001, 1, 11, 1, 7, 8, 2);
	LOG_ROWS(builder, MR_KIND_MARKS, 3, 55, 17, 1);
	log_builder_frame_end(builder, 0, 0);
	log_builder_end(builder, 4600, MR_END_CLOSED);
}
