/* SPDX-License-Identifier: MIT
 *
 * Text for people and text from people: names made safe to show, sizes and
 * times laid out, and strict parsers for the numbers on a command line.
 *
 * Nothing here follows the locale: a host program that has set one gets the
 * same digits and the same point as everyone else.  So numbers are put together
 * from integers, and read with the C locale's strtod.
 */
#include "base.h"

#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <strings.h>

/* ---- Showing ------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 character that starts at TEXT, or 0 (Unicode
 * 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t utf8_character(const uint8_t *text, size_t len, uint32_t *code_point)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t first = text[0];
	const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t value = size == 1 ? first : first & (0x7fU >> size);

	if ((first >= 0x80 && first < 0xc2) || first >= 0xf5 || size > len)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = (value << 6) | (text[i] & 0x3fU);
	}
	if (value < smallest[size] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
		return 0;
	*code_point = value;
	return size;
}

/* Characters that act instead of showing: the C0 and C1 controls, the line and
 * paragraph separators, and those that turn the direction of what follows. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void append_escaped(struct mr_buffer *out, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		const char escaped[4] = { '\\', 'x', digits[bytes[i] >> 4], digits[bytes[i] & 15] };

		mr_buffer_append(out, escaped, sizeof(escaped));
	}
}

void mr_text_show(struct mr_buffer *out, const char *text, size_t len, size_t max_columns)
{
	const uint8_t *bytes = (const uint8_t *)text;
	const size_t dots = max_columns < 3 ? max_columns : 3;
	size_t columns = 0;
	size_t cut_len = out->len; /* where the dots go, should they be needed */

	for (size_t at = 0; at < len && !out->failed;) {
		uint32_t code_point = 0;
		const size_t size = utf8_character(bytes + at, len - at, &code_point);
		const bool shown = size > 0 && !is_control(code_point);
		const size_t taken = size > 0 ? size : 1;

		if (shown)
			mr_buffer_append(out, bytes + at, taken);
		else
			append_escaped(out, bytes + at, taken);
		columns += shown ? 1 : 4 * taken;
		at += taken;
		if (max_columns == 0)
			continue;
		if (columns > max_columns) {
			if (!out->failed)
				out->len = cut_len;
			mr_buffer_append(out, "...", dots);
			return;
		}
		if (columns + dots <= max_columns)
			cut_len = out->len;
	}
}

/* VALUE / 2^SHIFT in hundredths; ties go to the even one, as printf has it. */
static uint64_t hundredths_of_power(uint64_t value, unsigned shift)
{
	const unsigned __int128 scaled = (unsigned __int128)value * 100;
	const unsigned __int128 half = shift > 0 ? (unsigned __int128)1 << (shift - 1) : 0;
	const unsigned __int128 rest = scaled & (((unsigned __int128)1 << shift) - 1);
	uint64_t result = (uint64_t)(scaled >> shift);

	if (shift > 0 && (rest > half || (rest == half && (result & 1))))
		result++;
	return result;
}

void mr_text_bytes(char out[32], uint64_t size_bytes)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	unsigned degree = 0;

	/* A size of exactly 1024 of a unit keeps that unit: only more than that
	 * moves on.  The layout is that of ClassTracker's tables. */
	while (degree + 1 < MR_ARRAY_LEN(units) &&
	       (size_bytes >> (10 * degree) > 1024 ||
	        (size_bytes >> (10 * degree) == 1024 &&
	         (size_bytes & ((UINT64_C(1) << (10 * degree)) - 1)) != 0)))
		degree++;
	if (degree == 0) {
		snprintf(out, 32, "%4" PRIu64 "     %s", size_bytes, units[0]);
		return;
	}
	const uint64_t hundredths = hundredths_of_power(size_bytes, 10 * degree);

	snprintf(out, 32, "%4" PRIu64 ".%02" PRIu64 " %s", hundredths / 100, hundredths % 100, units[degree]);
}

void mr_text_bytes_short(char out[32], uint64_t size_bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned degree = 0;
	uint64_t hundredths = 0;

	if (size_bytes < 1024) {
		snprintf(out, 32, "%" PRIu64 " B", size_bytes);
		return;
	}
	do {
		degree++;
		hundredths = hundredths_of_power(size_bytes, 10 * degree);
	} while (hundredths >= 102400 && degree + 1 < MR_ARRAY_LEN(units));
	snprintf(out, 32, "%" PRIu64 ".%02" PRIu64 " %s", hundredths / 100, hundredths % 100, units[degree]);
}

/* VALUE / UNIT, rounded. */
static uint64_t divide_rounded(uint64_t value, uint64_t unit)
{
	return value / unit + (value % unit >= unit - unit / 2 ? 1 : 0);
}

void mr_text_clock(char out[32], uint64_t time_ns)
{
	const uint64_t hundredths = divide_rounded(time_ns, 10000000);
	const uint64_t seconds = hundredths / 100;

	snprintf(out, 32, "%02" PRIu64 ":%02u:%02u.%02u", seconds / 3600, (unsigned)(seconds / 60 % 60),
	         (unsigned)(seconds % 60), (unsigned)(hundredths % 100));
}

/* Three significant digits of VALUE / UNIT, without zeros at the end of a fraction. */
static void text_three_digits(char out[32], uint64_t value, uint64_t unit, const char *name)
{
	const uint64_t hundredths = divide_rounded(value, unit / 100);
	const uint64_t tenths = divide_rounded(value, unit / 10);
	const uint64_t whole = divide_rounded(value, unit);

	if (hundredths < 1000 && hundredths % 10 != 0)
		snprintf(out, 32, "%" PRIu64 ".%02" PRIu64 " %s", hundredths / 100, hundredths % 100, name);
	else if (tenths < 1000 && tenths % 10 != 0)
		snprintf(out, 32, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, name);
	else
		snprintf(out, 32, "%" PRIu64 " %s", tenths < 1000 ? tenths / 10 : whole, name);
}

void mr_text_duration(char out[32], uint64_t duration_ns)
{
	const uint64_t second = UINT64_C(1000000000);
	const uint64_t seconds = divide_rounded(duration_ns, second);

	/* Each bound is where three digits would round up to the next unit. */
	if (duration_ns < 1000)
		snprintf(out, 32, "%u ns", (unsigned)duration_ns);
	else if (duration_ns < 999500)
		text_three_digits(out, duration_ns, 1000, "us");
	else if (duration_ns < 999500000)
		text_three_digits(out, duration_ns, 1000000, "ms");
	else if (duration_ns < 59950000000)
		text_three_digits(out, duration_ns, second, "s");
	else if (seconds < 3600)
		snprintf(out, 32, "%u min %02u s", (unsigned)(seconds / 60), (unsigned)(seconds % 60));
	else
		snprintf(out, 32, "%" PRIu64 " h %02u min", divide_rounded(seconds, 60) / 60,
		         (unsigned)(divide_rounded(seconds, 60) % 60));
}

/* ---- Parsing ------------------------------------------------------------- */

static size_t digits_len(const char *text)
{
	return strspn(text, "0123456789");
}

int mr_parse_u64(const char *text, uint64_t *value)
{
	const size_t len = digits_len(text);
	uint64_t sum = 0;

	if (len == 0 || text[len] != '\0')
		return MR_ERR_ARG;
	for (size_t i = 0; i < len; i++)
		if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
			return MR_ERR_ARG;
	*value = sum;
	return 0;
}

int mr_parse_double(const char *text, double *value)
{
	/* strtod would also take leading space, "inf", "nan" and hexadecimal. */
	if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
		return MR_ERR_ARG;
	const locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (c_locale == (locale_t)0)
		return MR_ERR_ARG;
	char *end = NULL;
	const double parsed = strtod_l(text, &end, c_locale);

	freelocale(c_locale);
	if (end == text || *end != '\0' || !__builtin_isfinite(parsed))
		return MR_ERR_ARG;
	*value = parsed;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number without sign or exponent, spaces that may be there, and a unit from
 * the list: how many of the smallest unit that is.  A whole number is exact. */
static int parse_with_unit(const char *text, const struct unit *units, size_t unit_count, uint64_t *value)
{
	const size_t len = strspn(text, "0123456789.");
	const char *name = text + len + strspn(text + len, " ");
	const struct unit *unit = NULL;
	char number[64];
	uint64_t whole = 0;
	double real = 0;

	for (size_t i = 0; i < unit_count && !unit; i++)
		if (strcasecmp(name, units[i].name) == 0)
			unit = &units[i];
	if (!unit || len == 0 || len >= sizeof(number))
		return MR_ERR_ARG;
	memcpy(number, text, len);
	number[len] = '\0';
	if (mr_parse_u64(number, &whole) == 0) {
		if (__builtin_mul_overflow(whole, unit->factor, &whole))
			return MR_ERR_ARG;
		*value = whole;
		return 0;
	}
	MR_TRY(mr_parse_double(number, &real));
	real = real * (double)unit->factor + 0.5;
	if (real >= 18446744073709551616.0)
		return MR_ERR_ARG;
	*value = (uint64_t)real;
	return 0;
}

int mr_parse_bytes(const char *text, uint64_t *size_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", UINT64_C(1) << 10 },
		{ "KB", UINT64_C(1) << 10 },
		{ "KiB", UINT64_C(1) << 10 },
		{ "M", UINT64_C(1) << 20 },
		{ "MB", UINT64_C(1) << 20 },
		{ "MiB", UINT64_C(1) << 20 },
		{ "G", UINT64_C(1) << 30 },
		{ "GB", UINT64_C(1) << 30 },
		{ "GiB", UINT64_C(1) << 30 },
		{ "T", UINT64_C(1) << 40 },
		{ "TB", UINT64_C(1) << 40 },
		{ "TiB", UINT64_C(1) << 40 },
		{ "P", UINT64_C(1) << 50 },
		{ "PB", UINT64_C(1) << 50 },
		{ "PiB", UINT64_C(1) << 50 },
		{ "E", UINT64_C(1) << 60 },
		{ "EB", UINT64_C(1) << 60 },
		{ "EiB", UINT64_C(1) << 60 },
	};

	return parse_with_unit(text, units, MR_ARRAY_LEN(units), size_bytes);
}

int mr_parse_duration(const char *text, uint64_t *duration_ns)
{
	static const struct unit units[] = {
		{ "", UINT64_C(1000000000) },
		{ "s", UINT64_C(1000000000) },
		{ "ms", 1000000 },
		{ "us", 1000 },
		{ "ns", 1 },
		{ "min", UINT64_C(60000000000) },
		{ "h", UINT64_C(3600000000000) },
	};

	return parse_with_unit(text, units, MR_ARRAY_LEN(units), duration_ns);
}
