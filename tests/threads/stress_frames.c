/* SPDX-License-Identifier: MIT
 *
 * Threads that decompress frames while another takes their content: all of it
 * in order, then pipes that are closed half way, then damaged frames among the
 * others.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log_builder.h"
#include "log_reader.h"

#define FRAMES 60
#define ROWS 20000u

static bool all_good = true;

static void report(const char *name, bool good)
{
	printf("%s %s\n", good ? "ok" : "not ok", name);
	all_good &= good;
}

static void build(struct log_builder *builder)
{
	uint64_t *const values = malloc(ROWS * 2 * sizeof(*values));

	if (values == NULL)
		abort();
	log_builder_begin(builder);
	for (uint64_t frame = 0; frame < FRAMES; frame++) {
		log_builder_frame(builder, 1);
		for (size_t i = 0; i < ROWS; i++) {
			values[2 * i] = frame;
			values[2 * i + 1] = (uint64_t)rand() * (uint64_t)rand();
		}
		log_builder_rows(builder, MR_KIND_SIZES, 2, ROWS, values);
		log_builder_frame_end(builder, 1, 1);
	}
	log_builder_end(builder, 0, MR_END_CLOSED);
	free(values);
}

/* Takes at most MAX frames; whether they came in order and were what they should be. */
static bool take(struct mr_log *log, size_t max, size_t *damaged)
{
	struct mr_frame *frames[FRAMES];
	struct mr_frame_pipe *pipe = NULL;
	struct mr_frame_content content;
	bool good = log->segments[0].frame_count == FRAMES;

	for (size_t i = 0; i < FRAMES; i++)
		frames[i] = &log->segments[0].frames[i];
	*damaged = 0;
	if (mr_frame_pipe_open(&pipe, log, frames, FRAMES, NULL) < 0)
		return false;
	for (size_t i = 0; i < max && good; i++) {
		if (mr_frame_pipe_next(pipe, &content, NULL) != 1) {
			good = i == FRAMES;
			break;
		}
		good = content.frame == frames[i];
		*damaged += content.data == NULL;
		for (size_t at = 0; good && at < content.len;) {
			struct mr_block block;
			uint64_t values[1] = { i };

			good = mr_block_parse(content.data, content.len, &at, &block, NULL) == 0;
			if (good && block.kind == MR_KIND_SIZES) {
				struct mr_cursor cursor;

				good = mr_cursor_open(&cursor, &block, 1, NULL) == 0 &&
				       mr_cursor_read(&cursor, values, 1, NULL) == 0 && values[0] == i;
			}
		}
	}
	mr_frame_pipe_close(pipe);
	return good;
}

int main(void)
{
	static struct log_builder builder;
	struct mr_source source;
	struct mr_log log;
	size_t damaged;
	bool good = true;

	build(&builder);
	if (mr_source_open_memory(&source, builder.bytes.data, builder.bytes.len, "made.dat", NULL) < 0 ||
	    mr_log_open_take(&log, &source, NULL) < 0)
		abort();
	for (int i = 0; i < 5; i++)
		good = good && take(&log, FRAMES + 1, &damaged) && damaged == 0;
	report("frames in order", good);
	for (size_t i = 0; i < FRAMES; i += 7)
		good = good && take(&log, i, &damaged);
	report("closed half way", good);
	for (size_t i = 0; i < FRAMES; i += 9)
		builder.bytes.data[builder.entries[i].offset + builder.entries[i].size / 2] ^= 4;
	report("damaged frames", take(&log, FRAMES + 1, &damaged) && damaged == 7);
	mr_log_release(&log);
	log_builder_release(&builder);
	return all_good ? 0 : 1;
}
