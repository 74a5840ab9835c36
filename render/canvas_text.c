/* SPDX-License-Identifier: MIT
 *
 * Widths of text without asking a font: a table for the face that is built
 * into cairo, in thousandths of the size.  Pages show their labels in another
 * face that is at most some percent wider, so layouts leave that much room.
 */
#include "canvas.h"

#include <inttypes.h>
#include <math.h>

#define WIDE 1000 /* characters that the face lacks: an em, enough for CJK */
#define BOLD_EXTRA 42

static const uint16_t widths[95] = {
	222, 167, 389, 583, 556, 667, 722, 222, 361, 361, 444, 667, 222, 667, 222, 667, /* space .. / */
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 222, 222, 611, 667, 611, 500, /* 0 .. ? */
	750, 611, 556, 583, 556, 528, 528, 583, 556, 167, 444, 556, 500, 611, 556, 611, /* @ .. O */
	556, 611, 556, 556, 556, 556, 611, 722, 556, 611, 556, 361, 667, 361, 611, 667, /* P .. _ */
	222, 500, 500, 500, 500, 500, 389, 500, 472, 167, 222, 472, 167, 778, 472, 528, /* ` .. o */
	500, 500, 389, 472, 389, 472, 500, 611, 472, 500, 472, 389, 167, 389, 667,      /* p .. ~ */
};

size_t mr_utf8_next(const char *text, size_t len, uint32_t *code_point)
{
	const unsigned char *bytes = (const unsigned char *)text;
	const unsigned char first = bytes[0];
	const size_t size = first < 0x80                    ? 1
	                    : first >= 0xc2 && first < 0xe0 ? 2
	                    : (first & 0xf0) == 0xe0        ? 3
	                    : first >= 0xf0 && first < 0xf5 ? 4
	                                                    : 0;
	uint32_t value = size <= 1 ? first : first & (0x7fu >> size);
	bool valid = size > 0 && size <= len;
	for (size_t i = 1; valid && i < size; i++) {
		valid = (bytes[i] & 0xc0) == 0x80;
		value = value << 6 | (bytes[i] & 0x3fu);
	}
	/* Overlong forms, surrogates and numbers past the last are no characters. */
	valid = valid && !(size == 3 && value < 0x800) &&
	        !(size == 4 && (value < 0x10000 || value > 0x10ffff)) && !(value >= 0xd800 && value < 0xe000);
	if (code_point)
		*code_point = valid ? value : UINT32_MAX;
	return valid ? size : 1;
}

static double char_width(uint32_t code_point, bool bold)
{
	if (code_point >= 32 && code_point < 127)
		return widths[code_point - 32] + (bold ? BOLD_EXTRA : 0);
	return code_point < 0x2000 ? 650 : WIDE;
}

double mr_canvas_text_width(const char *text, size_t len, double size, bool bold)
{
	double sum = 0;
	for (size_t i = 0; i < len;) {
		uint32_t code_point;
		i += mr_utf8_next(text + i, len - i, &code_point);
		sum += char_width(code_point, bold);
	}
	return sum * size / 1000;
}

void mr_canvas_text_fit(char *out, size_t out_size, const char *text, double width, double size, bool bold)
{
	static const char ellipsis[] = "...";
	const size_t len = strlen(text);
	if (len < out_size && mr_canvas_text_width(text, len, size, bold) <= width) {
		memcpy(out, text, len + 1);
		return;
	}
	const double room = width - mr_canvas_text_width(ellipsis, 3, size, bold);
	size_t used = 0;
	for (double sum = 0; used < len;) {
		uint32_t code_point;
		const size_t step = mr_utf8_next(text + used, len - used, &code_point);
		sum += char_width(code_point, bold) * size / 1000;
		if (sum > room || used + step + sizeof(ellipsis) > out_size)
			break;
		used += step;
	}
	memcpy(out, text, used);
	memcpy(out + used, ellipsis, sizeof(ellipsis));
}

void mr_decimal_text(char out[40], double value, unsigned decimals)
{
	static const uint32_t powers[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	const double scaled = round(fabs(value) * powers[decimals]);
	if (!(scaled < 9e18)) { /* also not a number: nothing that is laid out comes near */
		memcpy(out, "?", 2);
		return;
	}
	uint64_t whole = (uint64_t)scaled / powers[decimals];
	uint32_t rest = (uint32_t)((uint64_t)scaled % powers[decimals]);
	int len = snprintf(out, 40, "%s%" PRIu64, value < 0 && scaled > 0 ? "-" : "", whole);
	for (uint32_t place = powers[decimals] / 10; rest > 0; place /= 10) {
		if (len > 0 && place * 10 == powers[decimals])
			out[len++] = '.';
		out[len++] = (char)('0' + rest / place);
		rest %= place;
	}
	out[len] = '\0';
}
