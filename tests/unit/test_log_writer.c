/* SPDX-License-Identifier: MIT
 *
 * The log writer: what it writes is a zstd file whose frames, index and seek
 * table agree with each other, and a failure leaves whole frames behind.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include "log_writer.h"

TestSuite(log_writer);

static char path[64];

static struct mr_log_writer *open_log(const struct mr_log_writer_options *options)
{
	static const struct mr_log_header header = { .version_major = 1, .pid = 1 };
	struct mr_log_writer *writer = NULL;
	struct mr_error err = { 0 };

	snprintf(path, sizeof(path), "/tmp/test_log_writer.%d.dat", (int)getpid());
	cr_assert_eq(mr_log_writer_open(&writer, path, &header, options, &err), 0, "%s", err.message);
	return writer;
}

static size_t read_log(uint8_t **data)
{
	FILE *const file = fopen(path, "rb");
	cr_assert_not_null(file);
	fseek(file, 0, SEEK_END);
	const size_t len = (size_t)ftell(file);
	rewind(file);
	*data = malloc(len + 1);
	cr_assert_eq(fread(*data, 1, len, file), len);
	fclose(file);
	unlink(path);
	return len;
}

/* Deaths of ROWS objects, whose ids are noise that does not compress. */
static int add_deaths(struct mr_log_writer *writer, uint32_t stream, uint32_t rows, uint64_t time_ns)
{
	static uint64_t state = 1;
	uint64_t *const values = malloc(rows * sizeof(*values));
	const struct mr_log_span span = { time_ns, time_ns + rows, 0, 0 };
	struct mr_block_writer block;

	for (uint32_t i = 0; i < rows; i++)
		values[i] = state = state * 6364136223846793005u + 1442695040888963407u;
	mr_log_writer_begin(writer, stream, MR_KIND_DEATHS, rows, &block);
	mr_block_column(&block, MR_DEATHS_OBJECT, values);
	free(values);
	return mr_log_writer_end(writer, &block, &span, NULL);
}

/* Checks every frame of the file; gives the number of DEATHS rows in it. */
static uint64_t check_frames(const uint8_t *data, size_t len, bool ended)
{
	static uint8_t content[MR_LOG_FRAME_CONTENT_MAX];
	size_t at = MR_LOG_HEADER_SIZE;
	uint64_t rows = 0;
	uint64_t sequence = 0;
	uint64_t index_rows = 0;
	bool end_seen = false;

	while (at < len) {
		const size_t size = ZSTD_findFrameCompressedSize(data + at, len - at);
		cr_assert_not(ZSTD_isError(size), "at %zu: %s", at, ZSTD_getErrorName(size));
		if (mr_get_u32le(data + at) == MR_LOG_SEEK_TABLE_MAGIC) {
			cr_assert_eq(at + size, len, "the seek table comes last");
			cr_assert_eq(mr_get_u32le(data + len - 9), sequence + 1,
			             "the table counts all frames");
			break;
		}
		const size_t content_len = ZSTD_decompress(content, sizeof(content), data + at, size);
		cr_assert_not(ZSTD_isError(content_len));
		cr_assert_eq(ZSTD_getFrameContentSize(data + at, size), content_len);

		struct mr_block block;
		size_t offset = 0;
		uint64_t value;
		for (bool first = true; offset < content_len; first = false) {
			cr_assert_eq(mr_block_parse(content, content_len, &offset, &block, NULL), 0);
			if (first) {
				cr_assert_eq(block.kind, MR_KIND_FRAME);
				cr_assert_eq(mr_block_value(&block, MR_FRAME_SEQUENCE, &value, NULL), 0);
				cr_assert_eq(value, sequence, "sequence");
			}
			rows += block.kind == MR_KIND_DEATHS ? block.rows : 0;
			index_rows += block.kind == MR_KIND_INDEX ? block.rows : 0;
			end_seen = end_seen || block.kind == MR_KIND_END;
		}
		sequence++;
		at += size;
	}
	cr_expect_eq(end_seen, ended);
	if (ended)
		cr_expect_eq(index_rows, sequence - 1, "the index has a row for each frame before it");
	return rows;
}

Test(log_writer, empty__is_a_whole_log)
{
	struct mr_log_writer *const writer = open_log(NULL);
	uint8_t *data;

	cr_assert_eq(mr_log_writer_close(writer, 5, MR_END_CLOSED, NULL), 0);
	cr_expect_eq(check_frames(data, read_log(&data), true), 0);
	free(data);
}

Test(log_writer, blocks__of_several_streams_come_back_in_whole_frames)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t one = mr_log_writer_add_stream(writer);
	const uint32_t two = mr_log_writer_add_stream(writer);
	uint64_t rows = 0;
	uint8_t *data;

	for (uint32_t i = 0; i < 40; i++) {
		const uint32_t count = 1 + i * 997;

		cr_assert_eq(add_deaths(writer, i % 3 == 0 ? one : two, count, i), 0);
		rows += count;
		if (i % 10 == 9)
			cr_assert_eq(mr_log_writer_flush(writer, NULL), 0);
	}
	cr_assert_eq(mr_log_writer_close(writer, 99, MR_END_CLOSED, NULL), 0);
	const size_t len = read_log(&data);
	cr_expect_eq(check_frames(data, len, true), rows);
	free(data);
}

Test(log_writer, append__refuses_what_is_not_a_block_of_rows)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	struct mr_buffer block = { 0 };
	struct mr_block_writer out;

	mr_block_begin(&out, &block, MR_KIND_MARKS, 1);
	mr_block_scalar(&out, MR_MARKS_TIME, 5);
	mr_block_end(&out);
	cr_expect_eq(mr_log_writer_append(writer, stream, block.data, block.len, NULL, NULL), 0);
	cr_expect_eq(mr_log_writer_append(writer, stream, block.data, block.len - 1, NULL, NULL),
	             MR_ERR_FORMAT);
	static const uint8_t not_for_streams[] = { MR_KIND_FRAME, MR_KIND_END, MR_KIND_INDEX, 63, 0 };
	for (size_t i = 0; i < sizeof(not_for_streams); i++) {
		block.data[0] = not_for_streams[i];
		cr_expect_eq(mr_log_writer_append(writer, stream, block.data, block.len, NULL, NULL),
		             MR_ERR_FORMAT);
	}
	mr_buffer_release(&block);
	cr_expect_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, NULL), 0);
	unlink(path);
}

Test(log_writer, max_size__ends_detail_and_keeps_the_log_whole)
{
	const struct mr_log_writer_options options = { .max_size_bytes = 300 << 10 };
	struct mr_log_writer *const writer = open_log(&options);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	uint8_t *data;

	for (unsigned i = 0; i < 100; i++) {
		cr_assert_eq(add_deaths(writer, stream, 1000, i), 0);
		cr_assert_eq(mr_log_writer_flush(writer, NULL), 0);
	}
	cr_expect(mr_log_writer_is_full(writer));
	cr_assert_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, NULL), 0);
	const size_t len = read_log(&data);
	cr_expect_leq(len, options.max_size_bytes);
	cr_expect_gt(check_frames(data, len, true), 1000);
	free(data);
}

Test(log_writer, restart__leaves_nothing_of_before)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	uint8_t *data;

	cr_assert_eq(add_deaths(writer, stream, 50000, 0), 0);
	cr_assert_eq(mr_log_writer_flush(writer, NULL), 0);
	cr_assert_eq(add_deaths(writer, stream, 70, 0), 0);
	cr_assert_eq(mr_log_writer_restart(writer, NULL), 0);
	cr_assert_eq(add_deaths(writer, stream, 11, 0), 0);
	cr_assert_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, NULL), 0);
	const size_t len = read_log(&data);
	cr_expect_eq(check_frames(data, len, true), 11);
	free(data);
}

Test(log_writer, full_disk__leaves_whole_frames_and_a_message)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	const struct rlimit limit = { 200 << 10, 200 << 10 };
	struct mr_error err = { 0 };
	uint8_t *data;
	int code = 0;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 100 && code == 0; i++) {
		(void)add_deaths(writer, stream, 1000, i);
		code = mr_log_writer_flush(writer, &err);
	}
	cr_expect_eq(code, MR_ERR_WRITE);
	cr_expect_not_null(strstr(err.message, path), "%s", err.message);
	cr_expect_eq(add_deaths(writer, stream, 10, 0), MR_ERR_WRITE, "the failure sticks");
	cr_expect_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, NULL), MR_ERR_WRITE);
	const size_t len = read_log(&data);
	cr_expect_gt(check_frames(data, len, false), 0);
	free(data);
}

/* What a program does that closes every descriptor: the log's number is another file's.  Its descriptor. */
static int take_descriptor(void)
{
	char name[96], link[32], target[96] = "";

	snprintf(name, sizeof(name), "%s.other", path);
	for (int fd = 3; fd < 256; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		const ssize_t len = readlink(link, target, sizeof(target) - 1);
		if (len < 0 || (size_t)len != strlen(path) || memcmp(target, path, (size_t)len) != 0)
			continue;

		const int other = open(name, O_RDWR | O_CREAT | O_APPEND, 0600);
		cr_assert_eq(write(other, "x", 1), 1);
		cr_assert_eq(dup2(other, fd), fd);
		close(other);
		unlink(name);
		return fd;
	}
	cr_assert_fail("the log is open");
	return -1;
}

Test(log_writer, closed_by_the_program__goes_on_in_its_own_file)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	uint8_t *data;

	cr_assert_eq(add_deaths(writer, stream, 1000, 0), 0);
	cr_assert_eq(mr_log_writer_flush(writer, NULL), 0);
	const int taken = take_descriptor();
	cr_assert_eq(add_deaths(writer, stream, 70, 0), 0);
	cr_assert_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, NULL), 0);
	cr_expect_eq(lseek(taken, 0, SEEK_END), 1, "nothing is added, and it is not closed");
	const size_t len = read_log(&data);
	cr_expect_eq(check_frames(data, len, true), 1070);
	free(data);
}

Test(log_writer, closed_and_gone__writes_nothing)
{
	struct mr_log_writer *const writer = open_log(NULL);
	const uint32_t stream = mr_log_writer_add_stream(writer);
	struct mr_error err = { 0 };
	const int taken = take_descriptor();

	unlink(path);
	cr_assert_eq(add_deaths(writer, stream, 70, 0), 0);
	cr_expect_eq(mr_log_writer_close(writer, 0, MR_END_CLOSED, &err), MR_ERR_WRITE);
	cr_expect_not_null(strstr(err.message, path), "%s", err.message);
	cr_expect_eq(lseek(taken, 0, SEEK_END), 1);
}

Test(log_writer, open__says_which_file_cannot_be_made)
{
	static const struct mr_log_header header = { .version_major = 1 };
	struct mr_log_writer *writer = NULL;
	struct mr_error err = { 0 };

	cr_expect_eq(mr_log_writer_open(&writer, "/nonexistent/x.dat", &header, NULL, &err), MR_ERR_WRITE);
	cr_expect_not_null(strstr(err.message, "/nonexistent/x.dat"));
	cr_expect_null(writer);
}
