/* SPDX-License-Identifier: MIT
 *
 * Widths and cuts of text, and numbers as text.
 */
#include "canvas.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>

Test(canvas_text, width__adds_up)
{
	cr_expect_float_eq(mr_canvas_text_width("", 0, 10, false), 0, 1e-9);
	cr_expect_float_eq(mr_canvas_text_width("00", 2, 10, false), 11.12, 1e-9);
	cr_expect_gt(mr_canvas_text_width("ab", 2, 10, true), mr_canvas_text_width("ab", 2, 10, false));
	cr_expect_float_eq(mr_canvas_text_width("\xe6\x97\xa5", 3, 10, false), 10, 1e-9);
}

Test(canvas_text, fit__keeps_what_fits_and_cuts_between_characters)
{
	char out[64];

	mr_canvas_text_fit(out, sizeof(out), "short", 100, 10, false);
	cr_expect_str_eq(out, "short");
	mr_canvas_text_fit(out, sizeof(out), "a name that is much too long for this", 60, 10, false);
	cr_expect_str_eq(out + strlen(out) - 3, "...");
	cr_expect_leq(mr_canvas_text_width(out, strlen(out), 10, false), 60);
	mr_canvas_text_fit(out, sizeof(out), "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 25, 10, false);
	cr_expect_str_eq(out, "\xc3\xa4\xc3\xa4...");
	mr_canvas_text_fit(out, sizeof(out), "anything", 0, 10, false);
	cr_expect_str_eq(out, "...");
}

Test(canvas_text, fit__never_writes_more_than_it_may)
{
	char out[8], text[1000];

	memset(text, 'i', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	mr_canvas_text_fit(out, sizeof(out), text, 1e9, 10, false);
	cr_expect_str_eq(out, "iiii...");
}

Test(canvas_text, utf8_next__takes_one_character_or_one_broken_byte)
{
	static const struct {
		const char *text;
		size_t size;
		uint32_t code_point;
	} cases[] = {
		{ "a", 1, 'a' },
		{ "\xc3\xa4", 2, 0xe4 },
		{ "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x98\x80", 4, 0x1f600 },
		{ "\xff", 1, UINT32_MAX },
		{ "\xc0\x80", 1, UINT32_MAX },         /* overlong */
		{ "\xe0\x80\x80", 1, UINT32_MAX },     /* overlong */
		{ "\xed\xa0\x80", 1, UINT32_MAX },     /* surrogate */
		{ "\xf4\x90\x80\x80", 1, UINT32_MAX }, /* past the last */
		{ "\xe2\x82", 1, UINT32_MAX },         /* cut */
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		uint32_t code_point = 0;

		cr_expect_eq(mr_utf8_next(cases[i].text, strlen(cases[i].text), &code_point), cases[i].size,
		             "case %zu", i);
		cr_expect_eq(code_point, cases[i].code_point, "case %zu", i);
	}
}

Test(canvas_text, decimal__writes_plain_numbers)
{
	static const struct {
		double value;
		unsigned decimals;
		const char *text;
	} cases[] = {
		{ 0, 2, "0" },
		{ 1, 0, "1" },
		{ 1.5, 1, "1.5" },
		{ 1.50, 3, "1.5" },
		{ -2.25, 2, "-2.25" },
		{ 0.05, 2, "0.05" },
		{ 0.999, 2, "1" },
		{ -0.001, 2, "0" },
		{ 1234567, 0, "1234567" },
		{ 0.000001, 6, "0.000001" },
		{ 1e300, 1, "?" },
		{ NAN, 1, "?" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char out[40];

		mr_decimal_text(out, cases[i].value, cases[i].decimals);
		cr_expect_str_eq(out, cases[i].text);
	}
}
