/* SPDX-License-Identifier: MIT
 *
 * See log_content.h.
 */
#include "log_content.h"

#include <stdlib.h>
#include <zstd.h>

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "log_content: %s\n", what);
	abort();
}

static void *grow(void *memory, size_t size_bytes)
{
	void *const grown = realloc(memory, size_bytes > 0 ? size_bytes : 1);

	require(grown != NULL, "no memory");
	return grown;
}

static uint8_t *read_file(const char *path, size_t *len)
{
	FILE *const file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t got = 1;

	require(file != NULL, "the log cannot be opened");
	for (*len = 0; got > 0; *len += got) {
		data = grow(data, *len + 65536);
		got = fread(data + *len, 1, 65536, file);
	}
	fclose(file);
	return data;
}

void log_content_load(struct log_content *content, const char *path)
{
	size_t len;
	uint8_t *const log = read_file(path, &len);
	ZSTD_DCtx *const zstd = ZSTD_createDCtx();
	ZSTD_inBuffer in = { log, len, 0 };

	*content = (struct log_content){ 0 };
	while (in.pos < in.size) {
		content->data = grow(content->data, content->len + (1u << 20));
		ZSTD_outBuffer out = { content->data + content->len, 1u << 20, 0 };

		require(!ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)), "the log is not valid zstd");
		content->len += out.pos;
	}
	ZSTD_freeDCtx(zstd);
	free(log);
}

void log_content_release(struct log_content *content)
{
	free(content->data);
	*content = (struct log_content){ 0 };
}

struct log_rows log_rows_of(const struct log_content *content, enum mr_kind kind)
{
	struct log_rows rows = { 0 };
	struct mr_block block;
	size_t offset = 0;

	while (offset < content->len) {
		require(mr_block_parse(content->data, content->len, &offset, &block, NULL) == 0,
		        "a block is damaged");
		if (block.kind != (unsigned)kind)
			continue;
		for (unsigned id = 1; id <= MR_BLOCK_COLUMNS_MAX; id++) {
			rows.columns[id] =
				grow(rows.columns[id], (rows.count + block.rows) * sizeof(uint64_t));
			require(mr_block_decode(&block, id, rows.columns[id] + rows.count, NULL) == 0,
			        "a column is damaged");
		}
		rows.count += block.rows;
	}
	return rows;
}

void log_rows_release(struct log_rows *rows)
{
	for (unsigned id = 1; id <= MR_BLOCK_COLUMNS_MAX; id++)
		free(rows->columns[id]);
	*rows = (struct log_rows){ 0 };
}

size_t log_rows_find(const struct log_rows *rows, unsigned id, uint64_t value)
{
	for (size_t row = 0; row < rows->count; row++)
		if (rows->columns[id][row] == value)
			return row;
	return SIZE_MAX;
}

char *log_content_string(const struct log_content *content, uint64_t id)
{
	char *text = calloc(1, 1);
	struct mr_block block;
	size_t offset = 0;

	require(text != NULL, "no memory");
	while (offset < content->len) {
		require(mr_block_parse(content->data, content->len, &offset, &block, NULL) == 0,
		        "a block is damaged");
		if (block.kind != MR_KIND_STRINGS || block.rows == 0)
			continue;

		uint64_t *const ids = calloc(block.rows, sizeof(*ids));
		uint64_t *const lengths = calloc(block.rows, sizeof(*lengths));
		const struct mr_column *const bytes = &block.columns[MR_STRINGS_BYTES];
		size_t at = 0;

		require(ids != NULL && lengths != NULL, "no memory");
		require(mr_block_decode(&block, MR_STRINGS_ID, ids, NULL) == 0 &&
		                mr_block_decode(&block, MR_STRINGS_LENGTH, lengths, NULL) == 0,
		        "a column is damaged");
		for (uint32_t row = 0; row < block.rows; at += lengths[row++]) {
			require(at + lengths[row] <= bytes->len, "strings are longer than their bytes");
			if (ids[row] != id)
				continue;
			text = grow(text, lengths[row] + 1);
			if (lengths[row] > 0)
				memcpy(text, bytes->data + at, lengths[row]);
			text[lengths[row]] = '\0';
		}
		free(ids);
		free(lengths);
	}
	return text;
}
