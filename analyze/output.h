/* SPDX-License-Identifier: MIT
 *
 * Writing a table.  A format is three functions: what comes before the rows, a
 * row, and what comes after.  Each appends to a buffer that goes to the stream
 * whenever it is large, so that a table of any length is written row by row.
 */
#ifndef MR_OUTPUT_TABLE_H
#define MR_OUTPUT_TABLE_H

#include "model.h"
#include "table.h"

#define MR_OUTPUT_WIDTH 79 /* characters of the lines between parts of a text layout */

struct mr_writing {
	struct memstats_table *table;
	unsigned flags; /* enum memstats_write_flag */
	FILE *out;
	struct mr_buffer buffer;  /* what is not yet in the stream */
	struct mr_buffer scratch; /* one cell, as it is shown */
	/* Of the text format: in characters, and the columns that begin and end a line. */
	size_t widths[MR_TABLE_COLUMNS_MAX];
	size_t column_first;
	size_t column_last;
};

struct mr_output_format {
	int (*begin)(struct mr_writing *writing, struct mr_error *err);
	int (*row)(struct mr_writing *writing, size_t row, struct mr_error *err);
	int (*end)(struct mr_writing *writing, struct mr_error *err);
};

extern const struct mr_output_format mr_output_text;
extern const struct mr_output_format mr_output_json;
extern const struct mr_output_format mr_output_ndjson;
extern const struct mr_output_format mr_output_csv;
extern const struct mr_output_format mr_output_markdown;

/* Sends the buffer to the stream when it holds enough for that, or with ALL in any case. */
int mr_writing_flush(struct mr_writing *writing, bool all, struct mr_error *err) MR_MUST_CHECK;

/* Writes the table in aligned columns, for a text layout that does not suit it as it is. */
int mr_writing_plain(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;

/* Puts a cell into the scratch buffer as people read it; "-" for null.  Text is
 * safe to show and cut to TEXT_MAX characters (0: never). */
void mr_writing_show(struct mr_writing *writing, enum memstats_type type, const struct mr_cell *cell,
                     size_t text_max);
/* Appends a number in decimal digits: what tables are mostly made of, so not by way of printf(). */
void mr_output_number(struct mr_buffer *out, uint64_t number);
void mr_output_change(struct mr_buffer *out, int64_t change);
/* Appends a time of day as hours, minutes, seconds and thousandths: "00:01:02.003". */
void mr_output_clock(struct mr_buffer *out, uint64_t time_ns);
/* Appends nanoseconds as seconds, exactly and without needless zeros: "1.25". */
void mr_output_seconds(struct mr_buffer *out, uint64_t time_ns);
/* Characters in LEN bytes of UTF-8. */
size_t mr_output_characters(const void *text, size_t len);
/* Appends the LEN bytes at TEXT (UTF-8) in a field of WIDTH characters. */
void mr_output_field(struct mr_buffer *out, const void *text, size_t len, size_t width, bool right);
/* Appends TEXT safe to show, cut to MAX characters: the end with "..." after it,
 * or with FROM_LEFT the beginning with "..." before. */
void mr_output_name(struct mr_buffer *out, const char *text, size_t max, bool from_left);
/* The same as ClassTracker has it, where PYTHON is true: with '|' for the end of a line. */
void mr_output_name_of(struct mr_buffer *out, bool python, const char *text, size_t max, bool from_left);
/* Appends SIZE_BYTES as columns of bytes show them, at the right of WIDTH characters. */
void mr_output_bytes(struct mr_writing *writing, uint64_t size_bytes, size_t width);
/* Ends the line that begins at START of OUT with dashes up to WIDTH characters, behind a space where it has a
 * title. */
void mr_output_rule(struct mr_buffer *out, size_t start, size_t width);
/* Appends the line that stands above the rows of a run, where there are several runs. */
void mr_output_run(struct mr_writing *writing, const struct mr_model *model, size_t run);
/* Appends how many rows the query left out, if a limit did. */
void mr_output_more(struct mr_writing *writing);

#endif
