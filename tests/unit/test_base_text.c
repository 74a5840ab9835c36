/* SPDX-License-Identifier: MIT
 *
 * Names made safe, sizes and times laid out, numbers parsed.
 */
#include "base.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static void expect_shown(const char *text, size_t len, size_t max_columns, const char *expected)
{
	struct mr_buffer out = { NULL, 0, 0, false };

	mr_text_show(&out, text, len, max_columns);
	mr_buffer_put_u8(&out, 0);
	cr_assert_not(out.failed);
	cr_expect_str_eq((const char *)out.data, expected);
	mr_buffer_release(&out);
}

static void shown(const char *text, size_t max_columns, const char *expected)
{
	expect_shown(text, strlen(text), max_columns, expected);
}

Test(base_text, show__keeps_plain_text_and_utf8)
{
	shown("", 0, "");
	shown("Node <b>", 0, "Node <b>");
	shown("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 0, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

Test(base_text, show__escapes_what_could_steer_a_terminal)
{
	shown("a\x1b[31mb\n\t\x7f", 0, "a\\x1b[31mb\\x0a\\x09\\x7f");
	shown("\xc2\x9b"
	      "2J",
	      0, "\\xc2\\x9b2J");                        /* C1: CSI in UTF-8 */
	shown("x\xe2\x80\xaey", 0, "x\\xe2\\x80\\xaey"); /* right-to-left override */
	expect_shown("a\0b", 3, 0, "a\\x00b");
}

Test(base_text, show__escapes_bytes_that_are_not_utf8)
{
	shown("\xff\xc0\x80", 0, "\\xff\\xc0\\x80");          /* never in UTF-8; overlong */
	shown("\xed\xa0\x80", 0, "\\xed\\xa0\\x80");          /* a surrogate */
	shown("\xf4\x90\x80\x80", 0, "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	shown("\xe2\x82", 0, "\\xe2\\x82");                   /* cut short */
	shown("\xe2\x82z", 0, "\\xe2\\x82z");
}

Test(base_text, show__cuts_at_the_columns_given)
{
	shown("abcdef", 6, "abcdef");
	shown("abcdefg", 6, "abc...");
	shown("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 4, "\xc3\xa4...");
	shown("abcd\x01", 7, "abcd...");
	shown("abcd", 2, "..");
	shown("abc\x01"
	      "def",
	      3, "...");
}

Test(base_text, show__appends_to_what_is_there_and_takes_a_megabyte)
{
	struct mr_buffer out = { NULL, 0, 0, false };
	const size_t len = 1 << 20;
	char *text = mr_alloc(len);

	cr_assert_not_null(text);
	memset(text, 'x', len);
	mr_buffer_append(&out, "> ", 2);
	mr_text_show(&out, text, len, 10);
	cr_expect_eq(out.len, 12);
	cr_expect_eq(memcmp(out.data, "> xxxxxxx...", 12), 0);
	mr_buffer_clear(&out);
	mr_text_show(&out, text, len, 0);
	cr_expect_eq(out.len, len);
	mr_buffer_release(&out);
	mr_free(text);
}

Test(base_text, bytes__lays_sizes_out_in_eleven_columns)
{
	static const struct {
		uint64_t size_bytes;
		const char *text;
	} cases[] = {
		{ 0, "   0     B" },          { 344, " 344     B" },     { 1024, "1024     B" },
		{ 1025, "   1.00 KB" },       { 1536, "   1.50 KB" },    { 1048576, "1024.00 KB" },
		{ 1048577, "   1.00 MB" },    { 1279263, "   1.22 MB" }, { UINT64_C(1) << 40, "1024.00 GB" },
		{ UINT64_MAX, "  16.00 EB" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[32];

		mr_text_bytes(text, cases[i].size_bytes);
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(base_text, bytes_short__names_binary_units)
{
	static const struct {
		uint64_t size_bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.00 KiB" },
		{ 1048575, "1.00 MiB" }, /* 1024.00 KiB is not a size anyone writes */
		{ 1279263, "1.22 MiB" },
		{ UINT64_MAX, "16.00 EiB" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[32];

		mr_text_bytes_short(text, cases[i].size_bytes);
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(base_text, clock__shows_hours_minutes_and_hundredths)
{
	char text[32];

	mr_text_clock(text, 0);
	cr_expect_str_eq(text, "00:00:00.00");
	mr_text_clock(text, UINT64_C(1250000000));
	cr_expect_str_eq(text, "00:00:01.25");
	mr_text_clock(text, UINT64_C(59999999999));
	cr_expect_str_eq(text, "00:01:00.00");
	mr_text_clock(text, UINT64_C(1000) * 3600 * 1000000000 + 61000000000);
	cr_expect_str_eq(text, "1000:01:01.00");
	mr_text_clock(text, UINT64_MAX);
	cr_expect_str_eq(text, "5124095:34:33.71");
}

Test(base_text, duration__chooses_the_unit)
{
	static const struct {
		uint64_t duration_ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1 us" },
		{ 1250000, "1.25 ms" },
		{ 12340000, "12.3 ms" },
		{ 999400, "999 us" },
		{ 999600, "1 ms" },
		{ 3400000000, "3.4 s" },
		{ 9999000000, "10 s" },
		{ 59960000000, "1 min 00 s" },
		{ 61000000000, "1 min 01 s" },
		{ 3599700000000, "1 h 00 min" },
		{ 7380000000000, "2 h 03 min" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[32];

		mr_text_duration(text, cases[i].duration_ns);
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(base_text, parse_u64__takes_digits_only)
{
	static const char *const wrong[] = { "",
		                             "-1",
		                             "+1",
		                             " 1",
		                             "1 ",
		                             "1x",
		                             "0x10",
		                             "1.0",
		                             "18446744073709551616",
		                             "99999999999999999999999" };
	uint64_t value = 7;

	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++)
		cr_expect_eq(mr_parse_u64(wrong[i], &value), MR_ERR_ARG, "%s", wrong[i]);
	cr_expect_eq(value, 7, "left as it was");
	cr_expect_eq(mr_parse_u64("18446744073709551615", &value), 0);
	cr_expect_eq(value, UINT64_MAX);
	cr_expect_eq(mr_parse_u64("007", &value), 0);
	cr_expect_eq(value, 7);
}

Test(base_text, parse_double__takes_finite_decimals_only)
{
	static const char *const wrong[] = { "",      " 1",  "1 ",    "nan", "inf", "-inf", "0x1p3",
		                             "1e999", "1,5", "1.2.3", "e5",  "--1", "." };
	double value = 7;

	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++)
		cr_expect_eq(mr_parse_double(wrong[i], &value), MR_ERR_ARG, "%s", wrong[i]);
	cr_expect_eq(mr_parse_double("-2.5e3", &value), 0);
	cr_expect_eq(value, -2500.0);
}

Test(base_text, parse_bytes__reads_units_of_1024)
{
	static const struct {
		const char *text;
		uint64_t size_bytes;
	} right[] = {
		{ "1024", 1024 },
		{ "10K", 10240 },
		{ "1MiB", 1 << 20 },
		{ "1 mib", 1 << 20 },
		{ "2.5GB", 2684354560 },
		{ "0", 0 },
		{ "1.5B", 2 },
		{ "15EiB", UINT64_C(15) << 60 },
		{ "9007199254740993", UINT64_C(9007199254740993) },
	};
	static const char *const wrong[] = {
		"",
		"K",
		"-1",
		"1X",
		"1KBB",
		"16EiB",
		"1e3",
		"1.2.3K",
		"nan",
		"1 K x",
		"99999999999999999999999999999999999999999999999999999999999999999"
	};
	uint64_t value = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(right); i++) {
		cr_expect_eq(mr_parse_bytes(right[i].text, &value), 0, "%s", right[i].text);
		cr_expect_eq(value, right[i].size_bytes, "%s: %" PRIu64, right[i].text, value);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++)
		cr_expect_eq(mr_parse_bytes(wrong[i], &value), MR_ERR_ARG, "%s", wrong[i]);
}

Test(base_text, parse_duration__reads_seconds_and_units)
{
	static const struct {
		const char *text;
		uint64_t duration_ns;
	} right[] = {
		{ "2", 2000000000 },      { "2.5s", 2500000000 },  { "10ms", 10000000 },
		{ "3min", 180000000000 }, { "1h", 3600000000000 }, { "0.5us", 500 },
	};
	static const char *const wrong[] = { "", "s", "-1s", "1m", "inf", "1s 2", "99999999999h" };
	uint64_t value = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(right); i++) {
		cr_expect_eq(mr_parse_duration(right[i].text, &value), 0, "%s", right[i].text);
		cr_expect_eq(value, right[i].duration_ns, "%s: %" PRIu64, right[i].text, value);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++)
		cr_expect_eq(mr_parse_duration(wrong[i], &value), MR_ERR_ARG, "%s", wrong[i]);
}
