/* SPDX-License-Identifier: MIT
 *
 * Holds the worked example of capture/FORMAT.md against the code: the log that
 * it describes is written here, and the bytes must be those in the document.
 * With FORMAT_PRINT set, the hex that belongs into the document is printed.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "log_writer.h"

TestSuite(format_document);

#define COLUMN(block, id, ...) mr_block_column((block), (id), (const uint64_t[]){ __VA_ARGS__ })

static struct mr_log_writer *writer;

static void end_block(struct mr_block_writer *block, const struct mr_log_span *span)
{
	cr_assert_eq(mr_log_writer_end(writer, block, span, NULL), 0);
}

/* Begins a stream of a process that was started LATER ticks of the system's after the first one. */
static void write_stream(uint32_t stream, enum mr_stream_source source, uint64_t pid, uint64_t later,
                         uint64_t minor)
{
	const uint64_t later_ns = later * 10000000;
	struct mr_block_writer block;

	mr_log_writer_begin(writer, stream, MR_KIND_STREAM, 1, &block);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_HIGH, 0x0123456789abcdef);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_LOW, 0xfedcba9876543210);
	mr_block_scalar(&block, MR_STREAM_PID, pid);
	mr_block_scalar(&block, MR_STREAM_START_TICKS, 123456 + later);
	mr_block_scalar(&block, MR_STREAM_SOURCE, source);
	mr_block_scalar(&block, MR_STREAM_CLOCK_MONOTONIC, 1234560000000 + later_ns);
	mr_block_scalar(&block, MR_STREAM_CLOCK_REALTIME, 1760000000000000000 + later_ns);
	mr_block_scalar(&block, MR_STREAM_CREATOR, 1);
	mr_block_scalar(&block, MR_STREAM_VERSION, 1 << 16 | minor);
	end_block(&block, NULL);
}

static void write_definitions(uint32_t stream)
{
	static const char strings[] = "libmemcapture 1.0.0Nodeloaded";
	struct mr_block_writer block;

	write_stream(stream, MR_SOURCE_TRACKER, 4711, 0, 1);
	mr_log_writer_begin(writer, stream, MR_KIND_STRINGS, 3, &block);
	COLUMN(&block, MR_STRINGS_ID, 1, 2, 3);
	COLUMN(&block, MR_STRINGS_LENGTH, 19, 4, 6);
	mr_block_bytes(&block, MR_STRINGS_BYTES, strings, sizeof(strings) - 1);
	end_block(&block, NULL);

	mr_log_writer_begin(writer, stream, MR_KIND_CLASSES, 1, &block);
	mr_block_scalar(&block, MR_CLASSES_ID, 1);
	mr_block_scalar(&block, MR_CLASSES_NAME, 2);
	mr_block_scalar(&block, MR_CLASSES_SIZE, 48);
	end_block(&block, NULL);
}

static void write_events(uint32_t stream)
{
	struct mr_block_writer block;

	mr_log_writer_begin(writer, stream, MR_KIND_BIRTHS, 2, &block);
	COLUMN(&block, MR_BIRTHS_OBJECT, 1, 2);
	COLUMN(&block, MR_BIRTHS_TIME, 1000, 1500);
	COLUMN(&block, MR_BIRTHS_CLASS, 1, 1);
	COLUMN(&block, MR_BIRTHS_ADDRESS, 0x55550010, 0x55550050);
	end_block(&block, &(struct mr_log_span){ 1000, 1500, 0, 0 });

	mr_log_writer_begin(writer, stream, MR_KIND_DEATHS, 1, &block);
	mr_block_scalar(&block, MR_DEATHS_OBJECT, 1);
	mr_block_scalar(&block, MR_DEATHS_TIME, 9000);
	end_block(&block, &(struct mr_log_span){ 9000, 9000, 0, 0 });
}

static void write_snapshot(uint32_t stream)
{
	const struct mr_log_span span = { 5000, 5000, 1, 1 };
	struct mr_block_writer block;

	mr_log_writer_begin(writer, stream, MR_KIND_SIZES, 1, &block);
	mr_block_scalar(&block, MR_SIZES_SNAPSHOT, 1);
	mr_block_scalar(&block, MR_SIZES_OBJECT, 2);
	mr_block_scalar(&block, MR_SIZES_SIZE, 64);
	mr_block_scalar(&block, MR_SIZES_FLAT, 64);
	end_block(&block, &span);

	mr_log_writer_begin(writer, stream, MR_KIND_SNAPSHOTS, 1, &block);
	mr_block_scalar(&block, MR_SNAPSHOTS_NUMBER, 1);
	mr_block_scalar(&block, MR_SNAPSHOTS_TIME, 5000);
	mr_block_scalar(&block, MR_SNAPSHOTS_DURATION, 700);
	mr_block_scalar(&block, MR_SNAPSHOTS_DESCRIPTION, 3);
	mr_block_scalar(&block, MR_SNAPSHOTS_FLAGS, MR_SNAPSHOT_KEY);
	mr_block_scalar(&block, MR_SNAPSHOTS_COUNT, 2);
	mr_block_scalar(&block, MR_SNAPSHOTS_SIZE, 112);
	mr_block_scalar(&block, MR_SNAPSHOTS_OVERHEAD, 4096);
	mr_block_scalar(&block, MR_SNAPSHOTS_RSS, 1048576 + 1);
	end_block(&block, &span);

	mr_log_writer_begin(writer, stream, MR_KIND_CLASS_TOTALS, 1, &block);
	mr_block_scalar(&block, MR_CLASS_TOTALS_SNAPSHOT, 1);
	mr_block_scalar(&block, MR_CLASS_TOTALS_CLASS, 1);
	mr_block_scalar(&block, MR_CLASS_TOTALS_COUNT, 2);
	mr_block_scalar(&block, MR_CLASS_TOTALS_SIZE, 112);
	mr_block_scalar(&block, MR_CLASS_TOTALS_FLAT, 112);
	mr_block_scalar(&block, MR_CLASS_TOTALS_MIN, 48);
	mr_block_scalar(&block, MR_CLASS_TOTALS_MAX, 64);
	end_block(&block, &span);
}

/* The same of a heap recording: its definitions, then two snapshots of one site. */
static void write_heap_definitions(uint32_t stream)
{
	static const char strings[] = "memrecord 1.0.0/usr/bin/shopc0ffee";
	struct mr_block_writer block;

	write_stream(stream, MR_SOURCE_HEAP, 4712, 1, 2);
	mr_log_writer_begin(writer, stream, MR_KIND_STRINGS, 3, &block);
	COLUMN(&block, MR_STRINGS_ID, 1, 2, 3);
	COLUMN(&block, MR_STRINGS_LENGTH, 15, 13, 6);
	mr_block_bytes(&block, MR_STRINGS_BYTES, strings, sizeof(strings) - 1);
	end_block(&block, NULL);

	mr_log_writer_begin(writer, stream, MR_KIND_MODULES, 1, &block);
	mr_block_scalar(&block, MR_MODULES_ID, 1);
	mr_block_scalar(&block, MR_MODULES_PATH, 2);
	mr_block_scalar(&block, MR_MODULES_BUILD_ID, 3);
	mr_block_scalar(&block, MR_MODULES_BASE, 0x555555554000);
	end_block(&block, NULL);

	mr_log_writer_begin(writer, stream, MR_KIND_CODE, 1, &block);
	mr_block_scalar(&block, MR_CODE_ID, 1);
	mr_block_scalar(&block, MR_CODE_MODULE, 1);
	mr_block_scalar(&block, MR_CODE_OFFSET, 0x1139);
	end_block(&block, NULL);

	mr_log_writer_begin(writer, stream, MR_KIND_STACKS, 1, &block);
	mr_block_scalar(&block, MR_STACKS_ID, 1);
	mr_block_scalar(&block, MR_STACKS_CODE, 1);
	end_block(&block, NULL);
}

static void write_heap_snapshots(uint32_t stream)
{
	const struct mr_log_span span = { 1000, 9000, 1, 2 };
	struct mr_block_writer block;

	mr_log_writer_begin(writer, stream, MR_KIND_HEAP_SITES, 2, &block);
	COLUMN(&block, MR_HEAP_SITES_SNAPSHOT, 1, 2);
	COLUMN(&block, MR_HEAP_SITES_STACK, 1, 1);
	COLUMN(&block, MR_HEAP_SITES_LIVE, 96, 48);
	COLUMN(&block, MR_HEAP_SITES_LIVE_COUNT, 2, 1);
	COLUMN(&block, MR_HEAP_SITES_PEAK, 96, 144);
	COLUMN(&block, MR_HEAP_SITES_PEAK_COUNT, 2, 3);
	COLUMN(&block, MR_HEAP_SITES_TOTAL, 96, 144);
	COLUMN(&block, MR_HEAP_SITES_COUNT, 2, 3);
	COLUMN(&block, MR_HEAP_SITES_TEMPORARY, 0, 1);
	COLUMN(&block, MR_HEAP_SITES_LIFETIME, 0, 9000);
	end_block(&block, &span);

	mr_log_writer_begin(writer, stream, MR_KIND_HEAP_SNAPSHOTS, 2, &block);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_NUMBER, 1, 2);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_TIME, 1000, 9000);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_REASON, MR_HEAP_INTERVAL, MR_HEAP_END);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_FLAGS, MR_SNAPSHOT_KEY, 0);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_LIVE, 96, 48);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_LIVE_COUNT, 2, 1);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_PEAK, 96, 144);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_PEAK_COUNT, 2, 3);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_PEAK_TIME, 900, 3000);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_TOTAL, 96, 144);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_COUNT, 2, 3);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_FREES, 0, 2);
	COLUMN(&block, MR_HEAP_SNAPSHOTS_TEMPORARY, 0, 1);
	end_block(&block, &span);

	mr_log_writer_begin(writer, stream, MR_KIND_ACCOUNT, 1, &block);
	mr_block_scalar(&block, MR_ACCOUNT_TIME, 1000);
	mr_block_scalar(&block, MR_ACCOUNT_RSS, 1 << 20);
	mr_block_scalar(&block, MR_ACCOUNT_HEAP, 128 << 10);
	mr_block_scalar(&block, MR_ACCOUNT_LIVE, 96);
	mr_block_scalar(&block, MR_ACCOUNT_FILES, 800 << 10);
	mr_block_scalar(&block, MR_ACCOUNT_STACKS, 32 << 10);
	mr_block_scalar(&block, MR_ACCOUNT_RECORDER, 64 << 10);
	mr_block_scalar(&block, MR_ACCOUNT_HEAP_MAPPED, 132 << 10);
	end_block(&block, &span);
}

static size_t read_file(const char *path, uint8_t *data, size_t size)
{
	FILE *const file = fopen(path, "rb");

	cr_assert_not_null(file, "%s", path);
	const size_t len = fread(data, 1, size, file);
	fclose(file);
	return len;
}

/* Appends LEN bytes as lines of 32 in hexadecimal. */
static void put_hex(struct mr_buffer *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		mr_buffer_printf(out, "%02x%s", data[i], i % 32 == 31 || i + 1 == len ? "\n" : " ");
}

/* The content of all frames but the end's, whose INDEX depends on how well zstd compresses. */
static void put_content(struct mr_buffer *out, const uint8_t *log, size_t len)
{
	static uint8_t content[4096];

	for (size_t at = MR_LOG_HEADER_SIZE; at < len;) {
		const size_t size = ZSTD_findFrameCompressedSize(log + at, len - at);
		const size_t content_len = ZSTD_decompress(content, sizeof(content), log + at, size);
		struct mr_block block;

		cr_assert_not(ZSTD_isError(size) || ZSTD_isError(content_len));
		for (size_t offset = 0, start = 0; offset < content_len; start = offset) {
			cr_assert_eq(mr_block_parse(content, content_len, &offset, &block, NULL), 0);
			uint64_t stream = 1;
			if (block.kind == MR_KIND_FRAME)
				cr_assert_eq(mr_block_value(&block, MR_FRAME_STREAM, &stream, NULL), 0);
			if (stream == 0)
				return;
			put_hex(out, content + start, offset - start);
			mr_buffer_append(out, "\n", 1);
		}
		at += size;
	}
}

/* Compares what stands between "```hex NAME" and "```" in the document, white space apart. */
static void expect_in_document(const char *document, const char *name, const struct mr_buffer *hex)
{
	char fence[32];

	snprintf(fence, sizeof(fence), "```hex %s\n", name);
	const char *at = strstr(document, fence);
	cr_assert_not_null(at, "%s", fence);
	at += strlen(fence);
	const char *const end = strstr(at, "```");
	cr_assert_not_null(end);

	for (size_t i = 0; i < hex->len; i++) {
		if (isspace(hex->data[i]))
			continue;
		while (isspace((unsigned char)*at))
			at++;
		cr_assert(at < end && *at == (char)hex->data[i], "the example '%s' ends or differs at %.20s",
		          name, at);
		at++;
	}
	while (isspace((unsigned char)*at))
		at++;
	cr_expect_eq(at, end, "the example '%s' holds more than the code writes", name);
}

/* What a log says whose one stream WRITE writes, up to its end. */
static size_t make_log(void (*write)(uint32_t stream), uint8_t *log, size_t size)
{
	static const struct mr_log_header header = { .version_major = MR_LOG_VERSION_MAJOR,
		                                     .version_minor = MR_LOG_VERSION_MINOR,
		                                     .boot_id = { 0x0123456789abcdef, 0xfedcba9876543210 },
		                                     .start_ticks = 123456,
		                                     .pid = 4711,
		                                     .clock_realtime_ns = 1760000000000000000 };
	char path[64];

	snprintf(path, sizeof(path), "/tmp/test_format_document.%d.dat", (int)getpid());
	cr_assert_eq(mr_log_writer_open(&writer, path, &header, NULL, NULL), 0);
	write(mr_log_writer_add_stream(writer));
	cr_assert_eq(mr_log_writer_close(writer, 9000, MR_END_CLOSED, NULL), 0);
	const size_t len = read_file(path, log, size);
	unlink(path);
	return len;
}

static void write_tracker(uint32_t stream)
{
	write_definitions(stream);
	write_events(stream);
	write_snapshot(stream);
}

static void write_heap(uint32_t stream)
{
	write_heap_definitions(stream);
	write_heap_snapshots(stream);
}

static void expect_example(const char *name, const struct mr_buffer *hex)
{
	static uint8_t document[262144];

	cr_assert_eq(mr_buffer_status(hex, NULL), 0);
	if (getenv("FORMAT_PRINT") != NULL)
		fprintf(stderr, "%s:\n%.*s\n", name, (int)hex->len, (const char *)hex->data);
	document[read_file("capture/FORMAT.md", document, sizeof(document) - 1)] = '\0';
	expect_in_document((const char *)document, name, hex);
}

Test(format_document, counters_of_a_heap__are_those_of_the_code)
{
	static uint8_t document[262144];
	static const char *const rows[] = {
#define ROW(key, text) "\n| " key " | " text " |\n",
		MR_HEAP_LOSS_KEYS(ROW) MR_HEAP_EFFORT_KEYS(ROW)
#undef ROW
	};

	document[read_file("capture/FORMAT.md", document, sizeof(document) - 1)] = '\0';
	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++)
		cr_expect_not_null(strstr((const char *)document, rows[i]), "not in the document: %s",
		                   rows[i]);
}

static uint8_t log_bytes[65536];

Test(format_document, worked_example__is_what_the_code_writes)
{
	struct mr_buffer header_hex = { 0 };
	struct mr_buffer content_hex = { 0 };

	const size_t len = make_log(write_tracker, log_bytes, sizeof(log_bytes));
	put_hex(&header_hex, log_bytes, MR_LOG_HEADER_SIZE);
	put_content(&content_hex, log_bytes, len);
	expect_example("header", &header_hex);
	expect_example("content", &content_hex);
	mr_buffer_release(&header_hex);
	mr_buffer_release(&content_hex);
}

Test(format_document, example_of_a_heap__is_what_the_code_writes)
{
	struct mr_buffer hex = { 0 };

	const size_t len = make_log(write_heap, log_bytes, sizeof(log_bytes));
	put_content(&hex, log_bytes, len);
	expect_example("heap", &hex);
	mr_buffer_release(&hex);
}
