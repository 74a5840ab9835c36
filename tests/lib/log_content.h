/* SPDX-License-Identifier: MIT
 *
 * What a log holds, block by block, for tests of whoever writes one: all rows of
 * a kind as columns of numbers.  It asserts that the log is whole.
 */
#ifndef LOG_CONTENT_H
#define LOG_CONTENT_H

#include "log_format.h"

struct log_content {
	uint8_t *data; /* the blocks of all frames */
	size_t len;
};

/* Decompresses the log at PATH; aborts when it cannot. */
void log_content_load(struct log_content *content, const char *path);
void log_content_release(struct log_content *content);

struct log_rows {
	size_t count;
	uint64_t *columns[MR_BLOCK_COLUMNS_MAX + 1]; /* by id, COUNT numbers each */
};

/* All rows of KIND (not of STRINGS). */
struct log_rows log_rows_of(const struct log_content *content, enum mr_kind kind);
void log_rows_release(struct log_rows *rows);
/* The first row whose column ID is VALUE, or SIZE_MAX. */
size_t log_rows_find(const struct log_rows *rows, unsigned id, uint64_t value);

/* The text of string ID, to be freed; "" when it is not defined. */
char *log_content_string(const struct log_content *content, uint64_t id);

#endif
