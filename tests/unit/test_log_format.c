/* SPDX-License-Identifier: MIT
 *
 * The log format's functions: what is encoded comes back, in every encoding and
 * at every extreme, and bytes that lie are refused.
 */
#include <criterion/criterion.h>

#include "log_format.h"

TestSuite(log_format);

/* Encodes VALUES as the one column of a block, decodes it, compares. Gives the encoding chosen. */
static unsigned round_trip(const uint64_t *values, uint32_t rows)
{
	struct mr_buffer out = { 0 };
	struct mr_block_writer writer;
	struct mr_block block;
	size_t offset = 0;

	mr_block_begin(&writer, &out, MR_KIND_BIRTHS, rows);
	mr_block_column(&writer, 3, values);
	mr_block_end(&writer);
	cr_assert_not(out.failed);
	cr_assert_eq(mr_block_parse(out.data, out.len, &offset, &block, NULL), 0);
	cr_assert_eq(offset, out.len);
	cr_assert_eq(block.kind, MR_KIND_BIRTHS);
	cr_assert_eq(block.rows, rows);

	uint64_t *const decoded = mr_alloc((rows + 1) * sizeof(*decoded));
	cr_assert_eq(mr_block_decode(&block, 3, decoded, NULL), 0);
	cr_assert_arr_eq(decoded, values, rows * sizeof(*values));
	mr_free(decoded);

	const unsigned encoding = block.columns[3].data != NULL ? block.columns[3].encoding : 99;
	mr_buffer_release(&out);
	return encoding;
}

Test(log_format, column__comes_back_from_each_encoding)
{
	uint64_t noise[1000], sequence[1000], constant[1000], near[1000], zero[1000] = { 0 };
	uint64_t state = 12345;

	for (size_t i = 0; i < MR_ARRAY_LEN(noise); i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		noise[i] = state >> 57;
		sequence[i] = 1000000 + i;
		constant[i] = 1000000;
		near[i] = 1000000000000u + 100 * i + (state >> 60);
	}
	cr_expect_eq(round_trip(noise, 1000), MR_ENCODING_PLAIN);
	cr_expect_eq(round_trip(near, 1000), MR_ENCODING_DELTA);
	cr_expect_eq(round_trip(constant, 1000), MR_ENCODING_RUNS);
	cr_expect_eq(round_trip(sequence, 1000), MR_ENCODING_DELTA_RUNS);
	cr_expect_eq(round_trip(zero, 1000), 99, "a column of zeros is left out");
	cr_expect_eq(round_trip(noise, 0), 99);
}

Test(log_format, column__comes_back_at_the_extremes)
{
	uint64_t values[130];
	uint32_t rows = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		values[rows++] = UINT64_C(1) << bit;
		values[rows++] = (UINT64_C(1) << bit) - 1;
	}
	values[rows++] = UINT64_MAX;
	values[rows++] = 0;
	round_trip(values, rows);
	for (uint32_t i = 0; i < rows; i++)
		round_trip(&values[i], 1);
}

Test(log_format, column__takes_no_more_than_its_best_encoding)
{
	/* Runs of equal values whose boundaries fall everywhere. */
	uint64_t values[4096];
	uint64_t state = 1;

	for (unsigned trial = 0; trial < 200; trial++) {
		for (size_t i = 0; i < MR_ARRAY_LEN(values); i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			if (i == 0 || (state >> 33) % (trial + 1) == 0)
				values[i] = state >> (state % 64);
			else
				values[i] = values[i - 1] + trial % 3;
		}
		round_trip(values, MR_ARRAY_LEN(values));
	}
}

struct bad_block {
	const char *what;
	size_t offset;
	uint8_t value;
};

Test(log_format, block__refuses_each_lying_byte)
{
	static const uint64_t values[] = { 5, 5, 5, 9 };
	struct mr_buffer out = { 0 };
	struct mr_block_writer writer;
	struct mr_block block;

	mr_block_begin(&writer, &out, MR_KIND_BIRTHS, 4);
	mr_block_column(&writer, 1, values);
	mr_block_end(&writer);

	static const struct bad_block cases[] = {
		{ "more columns than there are", 1, 2 },
		{ "fewer columns than there are", 1, 0 },
		{ "reserved bytes", 2, 1 },
		{ "10^9 rows", 7, 0x40 },
		{ "a longer block", 8, 0xff },
		{ "a block of 4 GiB", 11, 0xff },
		{ "a longer column", MR_BLOCK_HEADER_SIZE + 2, 0xff },
	};
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const uint8_t kept = out.data[cases[i].offset];
		size_t offset = 0;

		out.data[cases[i].offset] = cases[i].value;
		cr_expect_lt(mr_block_parse(out.data, out.len, &offset, &block, NULL), 0, "%s",
		             cases[i].what);
		cr_expect_eq(offset, 0, "%s: the offset stays", cases[i].what);
		out.data[cases[i].offset] = kept;
	}

	for (size_t len = 0; len < out.len; len++) {
		size_t offset = 0;

		cr_expect_lt(mr_block_parse(out.data, len, &offset, &block, NULL), 0, "cut to %zu bytes",
		             len);
	}
	mr_buffer_release(&out);
}

Test(log_format, column__refuses_bytes_that_do_not_fill_its_rows)
{
	static const uint8_t too_few[] = { 1, 2 };
	static const uint8_t too_many[] = { 1, 2, 3, 4 };
	static const uint8_t endless[] = { 0x80, 0x80, 0x80 };
	static const uint8_t run_of_none[] = { 7, 0, 7, 3 };
	static const uint8_t run_beyond[] = { 7, 4 };
	static const uint8_t too_wide[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 1, 1
	};
	static const struct {
		const uint8_t *data;
		uint32_t len;
		uint8_t encoding;
	} cases[] = {
		{ too_few, sizeof(too_few), MR_ENCODING_PLAIN },
		{ too_many, sizeof(too_many), MR_ENCODING_PLAIN },
		{ too_many, sizeof(too_many), MR_ENCODING_DELTA },
		{ endless, sizeof(endless), MR_ENCODING_DELTA },
		{ run_of_none, sizeof(run_of_none), MR_ENCODING_RUNS },
		{ run_beyond, sizeof(run_beyond), MR_ENCODING_RUNS },
		{ run_beyond, sizeof(run_beyond), MR_ENCODING_DELTA_RUNS },
		{ too_wide, sizeof(too_wide), MR_ENCODING_PLAIN },
		{ too_few, sizeof(too_few), MR_ENCODING_BYTES },
		{ too_few, sizeof(too_few), 77 },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_block block = { .kind = MR_KIND_BIRTHS, .rows = 3 };
		struct mr_error err = { 0 };
		uint64_t out[3];

		block.columns[1] = (struct mr_column){ cases[i].data, cases[i].len, cases[i].encoding };
		cr_expect_eq(mr_block_decode(&block, 1, out, &err), MR_ERR_FORMAT, "case %zu", i);
		cr_expect_neq(err.message[0], '\0', "case %zu", i);
	}
}

Test(log_format, column__with_an_unknown_id_is_skipped)
{
	static const uint64_t values[] = { 1, 2 };
	struct mr_buffer out = { 0 };
	struct mr_block_writer writer;
	struct mr_block block;
	size_t offset = 0;
	uint64_t decoded[2];

	mr_block_begin(&writer, &out, MR_KIND_DEATHS, 2);
	mr_block_column(&writer, 200, values);
	mr_block_column(&writer, 2, values);
	mr_block_end(&writer);
	cr_assert_eq(mr_block_parse(out.data, out.len, &offset, &block, NULL), 0);
	cr_assert_eq(mr_block_decode(&block, 2, decoded, NULL), 0);
	cr_expect_arr_eq(decoded, values, sizeof(values));
	cr_assert_eq(mr_block_decode(&block, 1, decoded, NULL), 0);
	cr_expect_eq(decoded[0] + decoded[1], 0, "an absent column reads as zeros");
	mr_buffer_release(&out);
}

Test(log_format, header__comes_back_and_names_both_versions_when_newer)
{
	const struct mr_log_header header = { .version_major = MR_LOG_VERSION_MAJOR,
		                              .version_minor = 7,
		                              .boot_id = { 1, UINT64_MAX },
		                              .start_ticks = 99,
		                              .pid = 4000000000u,
		                              .clock_realtime_ns = 1700000000u * UINT64_C(1000000000) };
	struct mr_log_header decoded;
	struct mr_error err = { 0 };
	uint8_t bytes[MR_LOG_HEADER_SIZE];

	mr_log_header_encode(&header, bytes);
	cr_assert_eq(mr_log_header_decode(bytes, sizeof(bytes), &decoded, &err), 0,
	             "a newer minor version is read");
	cr_expect_eq(decoded.version_minor, 7);
	cr_expect_eq(decoded.boot_id[1], UINT64_MAX);
	cr_expect_eq(decoded.pid, 4000000000u);
	cr_expect_eq(decoded.clock_realtime_ns, header.clock_realtime_ns);

	bytes[16] = MR_LOG_VERSION_MAJOR + 1;
	cr_expect_eq(mr_log_header_decode(bytes, sizeof(bytes), &decoded, &err), MR_ERR_VERSION);
	cr_expect_not_null(strstr(err.message, "2.7"));
	cr_expect_not_null(strstr(err.message, "1.3"));

	bytes[16] = MR_LOG_VERSION_MAJOR;
	bytes[20] = 1;
	cr_expect_eq(mr_log_header_decode(bytes, sizeof(bytes), &decoded, NULL), MR_ERR_VERSION);
	bytes[20] = 0;
	for (size_t len = 0; len < sizeof(bytes); len++)
		cr_expect_eq(mr_log_header_decode(bytes, len, &decoded, NULL), MR_ERR_FORMAT);
	bytes[9] ^= 1;
	cr_expect_eq(mr_log_header_decode(bytes, sizeof(bytes), &decoded, NULL), MR_ERR_FORMAT);
}

Test(log_format, kinds__have_names_and_groups)
{
	cr_expect_str_eq(mr_kind_name(MR_KIND_BIRTHS), "BIRTHS");
	cr_expect_eq(mr_kind_group(MR_KIND_BIRTHS), MR_GROUP_EVENTS);
	cr_expect_null(mr_kind_name(63));
	cr_expect_null(mr_kind_name(1000));
	cr_expect_eq(mr_kind_group(0), MR_GROUP_COUNT);
}
