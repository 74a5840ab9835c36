/* SPDX-License-Identifier: MIT
 *
 * Drawings inlined in a page: ids of their own, variables for colours, short
 * paths, and words as text.
 */
#include "html_svg.h"

#include <criterion/criterion.h>

static char *inlined(void (*draw)(struct mr_canvas *), const char *id, struct mr_buffer *out)
{
	struct mr_canvas *canvas = mr_canvas_new(MR_CANVAS_SVG, 100, 50);
	struct mr_error err = { 0 };

	cr_assert_not_null(canvas);
	draw(canvas);
	cr_assert_eq(mr_html_svg(canvas, id, out, &err), 0, "%s", err.message);
	mr_buffer_put_u8(out, 0);
	mr_canvas_free(canvas);
	return (char *)out->data;
}

static void draw_clipped(struct mr_canvas *canvas)
{
	mr_canvas_push_clip(canvas, 0, 0, 50, 50);
	mr_canvas_circle(canvas, 45, 25, 20);
	mr_canvas_fill(canvas, MR_PAINT_SERIES_2, 1);
	mr_canvas_pop(canvas);
}

Test(html_svg, ids__are_the_drawings_own)
{
	struct mr_buffer out = { 0 };
	const char *text = inlined(draw_clipped, "chart7", &out);
	const char *clip = strstr(text, "<clipPath id=\"chart7-");

	if (clip) { /* cairo may clip the path itself */
		cr_expect_not_null(strstr(text, "url(#chart7-"));
		cr_expect_null(strstr(text, "url(#clip"));
	}
	cr_expect_null(strstr(text, "id=\"surface"));
	cr_expect_not_null(strstr(text, "fill=\"var(--s2)\""));
	mr_buffer_release(&out);
}

static void draw_line(struct mr_canvas *canvas)
{
	mr_canvas_move_to(canvas, 10, 20);
	mr_canvas_line_to(canvas, 12.5, 19.5);
	mr_canvas_line_to(canvas, 15, 20);
	mr_canvas_stroke(canvas, MR_PAINT_ACCENT, 1, 0);
}

Test(html_svg, paths__are_relative_and_short)
{
	struct mr_buffer out = { 0 };
	const char *text = inlined(draw_line, "c", &out);

	cr_expect_not_null(strstr(text, "d=\"m10 20 2.5-.5 2.5 .5\""), "%s", text);
	cr_expect_not_null(strstr(text, "stroke=\"var(--accent)\""));
	cr_expect_not_null(strstr(text, "viewBox=\"0 0 100 50\""));
	mr_buffer_release(&out);
}

static void draw_words(struct mr_canvas *canvas)
{
	const struct mr_text_style style = { 13, true, MR_ANCHOR_END, MR_PAINT_ALERT };

	mr_canvas_describe(canvas, "T<i>tle", "D\x01");
	mr_canvas_text(canvas, 10, 20, style, "a<b>\xff");
	mr_canvas_hint(canvas, 1, 2, 3, 4, "<hint>");
}

Test(html_svg, words__are_text)
{
	struct mr_buffer out = { 0 };
	const char *text = inlined(draw_words, "c", &out);

	cr_expect_not_null(strstr(text, "<title id=\"c-t\">T&lt;i&gt;tle</title>"));
	cr_expect_not_null(strstr(text, "<desc id=\"c-d\">D\\x01</desc>"));
	cr_expect_not_null(strstr(text, ">a&lt;b&gt;\\xff</text>"));
	cr_expect_not_null(strstr(text, "<title>&lt;hint&gt;</title>"));
	cr_expect_not_null(strstr(text, "text-anchor=\"end\""));
	mr_buffer_release(&out);
}
