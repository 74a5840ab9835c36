/* SPDX-License-Identifier: MIT
 *
 * The canvas: three surfaces, the same bytes for the same drawing, texts and
 * hints that SVG leaves to the page, and the palette that the style sheet shares.
 */
#include "canvas.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct mr_text_style plain = { 11, false, MR_ANCHOR_START, MR_PAINT_INK };

static void draw(struct mr_canvas *canvas)
{
	mr_canvas_describe(canvas, "A drawing", "of little");
	mr_canvas_rectangle(canvas, 1, 2, 30, 10);
	mr_canvas_fill(canvas, MR_PAINT_SERIES_1, 0.5);
	mr_canvas_push(canvas, 10, 20, 2);
	mr_canvas_text(canvas, 1, 1, plain, "moved <b>");
	mr_canvas_hint(canvas, 0, 0, 5, 5, "hint");
	mr_canvas_pop(canvas);
	mr_canvas_ring(canvas, 50, 50, 10, 20, 0, 0.25);
	mr_canvas_stroke(canvas, MR_PAINT_ALERT, 1, 3);
}

static void finished(enum mr_canvas_target target, struct mr_buffer *out)
{
	struct mr_canvas *canvas = mr_canvas_new(target, 100, 80);

	cr_assert_not_null(canvas);
	mr_canvas_document(canvas, "title", "2026-01-31T10:00:00Z");
	draw(canvas);
	cr_assert_eq(mr_canvas_finish(canvas, out, NULL), 0);
	mr_buffer_put_u8(out, 0);
	mr_canvas_free(canvas);
}

Test(canvas, finish__gives_the_surface_that_was_asked_for)
{
	static const struct {
		enum mr_canvas_target target;
		const char *start;
	} cases[] = { { MR_CANVAS_SVG, "<?xml" }, { MR_CANVAS_PNG, "\x89PNG" }, { MR_CANVAS_PDF, "%PDF" } };

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer out = { 0 };

		finished(cases[i].target, &out);
		cr_expect_eq(memcmp(out.data, cases[i].start, strlen(cases[i].start)), 0, "surface %zu", i);
		mr_buffer_release(&out);
	}
}

Test(canvas, finish__gives_the_same_bytes_for_the_same_drawing)
{
	static const enum mr_canvas_target targets[] = { MR_CANVAS_PNG, MR_CANVAS_PDF };

	for (size_t i = 0; i < MR_ARRAY_LEN(targets); i++) {
		struct mr_buffer one = { 0 }, two = { 0 };

		finished(targets[i], &one);
		finished(targets[i], &two);
		cr_expect(one.len == two.len && memcmp(one.data, two.data, one.len) == 0, "surface %zu", i);
		mr_buffer_release(&one);
		mr_buffer_release(&two);
	}
}

Test(canvas, svg__keeps_texts_and_hints_out_of_the_drawing)
{
	struct mr_canvas *canvas = mr_canvas_new(MR_CANVAS_SVG, 100, 80);
	struct mr_buffer out = { 0 };
	size_t count;

	draw(canvas);
	const struct mr_canvas_label *labels = mr_canvas_labels(canvas, &count);
	cr_assert_eq(count, 1);
	cr_expect_str_eq(labels[0].text, "moved <b>");
	cr_expect_float_eq(labels[0].x, 12, 1e-9);
	cr_expect_float_eq(labels[0].y, 22, 1e-9);
	const struct mr_canvas_area *areas = mr_canvas_areas(canvas, &count);
	cr_assert_eq(count, 1);
	cr_expect_str_eq(areas[0].text, "hint");
	cr_assert_eq(mr_canvas_finish(canvas, &out, NULL), 0);
	mr_buffer_put_u8(&out, 0);
	cr_expect_null(strstr((const char *)out.data, "moved"));
	cr_expect_null(strstr((const char *)out.data, "glyph"), "no font was asked for");
	mr_buffer_release(&out);
	mr_canvas_free(canvas);
}

Test(canvas, finish__reports_what_went_wrong_before)
{
	struct mr_canvas *canvas = mr_canvas_new(MR_CANVAS_PNG, 100, 80);
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };

	mr_canvas_pop(canvas); /* one more than was pushed */
	draw(canvas);
	cr_expect_lt(mr_canvas_finish(canvas, &out, &err), 0);
	cr_expect(err.message[0] != '\0');
	cr_expect_eq(out.len, 0);
	mr_canvas_free(canvas);
}

Test(canvas, text__leaves_the_path_that_is_being_drawn)
{
	struct mr_buffer with = { 0 }, without = { 0 };

	for (int text = 0; text < 2; text++) {
		struct mr_canvas *canvas = mr_canvas_new(MR_CANVAS_PNG, 100, 80);
		const struct mr_text_style unseen = { 11, false, MR_ANCHOR_START, MR_PAINT_SURFACE };

		mr_canvas_move_to(canvas, 10, 10);
		if (text)
			mr_canvas_text(canvas, 50, 70, unseen, "white on white");
		mr_canvas_line_to(canvas, 90, 20);
		mr_canvas_stroke(canvas, MR_PAINT_INK, 2, 0);
		cr_assert_eq(mr_canvas_finish(canvas, text ? &with : &without, NULL), 0);
		mr_canvas_free(canvas);
	}
	cr_expect(with.len == without.len && memcmp(with.data, without.data, with.len) == 0);
	mr_buffer_release(&with);
	mr_buffer_release(&without);
}

Test(canvas, text__takes_any_bytes)
{
	/* None that needs a font of the system: what that keeps for its whole life looks like a leak. */
	static const char *const texts[] = { "",
		                             "a\x01"
		                             "b",
		                             "\xe2\x88\x92"
		                             "5",
		                             "~" };

	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct mr_canvas *canvas = mr_canvas_new(MR_CANVAS_PDF, 100, 80);
		struct mr_buffer out = { 0 };

		mr_canvas_text(canvas, 10, 10, plain, texts[i]);
		cr_expect_eq(mr_canvas_finish(canvas, &out, NULL), 0, "text %zu", i);
		mr_buffer_release(&out);
		mr_canvas_free(canvas);
	}
}

Test(canvas, paint_of__knows_its_own_colours_only)
{
	cr_expect_eq(mr_canvas_paint_of(MR_PAINT_SERIES_3, 77, 133), MR_PAINT_SERIES_3);
	cr_expect_eq(mr_canvas_paint_of(MR_PAINT_COUNT, 77, 133), MR_PAINT_NONE);
	cr_expect_eq(mr_canvas_paint_of(0, 0, 0), MR_PAINT_NONE);
	cr_expect_eq(mr_canvas_paint_of(-1, 77, 133), MR_PAINT_NONE);
}

/* The style sheet as it is in the tree. */
static char *style_sheet(void)
{
	const char *root = getenv("MR_ROOT");
	char path[1024];
	snprintf(path, sizeof(path), "%s/templates/style.css", root ? root : ".");
	FILE *file = fopen(path, "r");
	cr_assert_not_null(file, "cannot open %s", path);
	char *text = calloc(1, 1 << 16);
	cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
	fclose(file);
	return text;
}

Test(canvas, palette__is_that_of_the_style_sheet)
{
	char *text = style_sheet();
	char *dark = strstr(text, "prefers-color-scheme: dark");

	cr_assert_not_null(dark);
	for (size_t i = MR_PAINT_NONE + 1; i < MR_PAINT_COUNT; i++) {
		char wanted[64];
		snprintf(wanted, sizeof(wanted), "--%s: #%06x;", mr_palette[i].name, mr_palette[i].light);
		const char *light = strstr(text, wanted);
		cr_expect(light && light < dark, "light has no %s", wanted);
		snprintf(wanted, sizeof(wanted), "--%s: #%06x;", mr_palette[i].name, mr_palette[i].dark);
		cr_expect_not_null(strstr(dark, wanted), "dark has no %s", wanted);
	}
	free(text);
}
