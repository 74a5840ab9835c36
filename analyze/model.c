/* SPDX-License-Identifier: MIT
 *
 * Opening and loading: walks over the frames that hold what is wanted, hands
 * each block to the function that knows its kind, and keeps count of what was
 * read and what was lost.  A new kind of block is one line in `readers`.
 */
#include "import.h"
#include "model_private.h"

/* Snapshots and streams that a file may have beyond what its size holds. */
#define SNAPSHOTS_ALLOWANCE 1024u
#define SNAPSHOT_BYTES 4u
#define STREAMS_ALLOWANCE 1024u
#define STREAM_BYTES 16u

static const struct {
	enum mr_kind kind;
	unsigned part; /* of enum mr_load, or MR_LOAD__SUMMARY */
	mr_block_reader *read;
} readers[] = {
	{ MR_KIND_STREAM, MR_LOAD__SUMMARY, mr_model__read_stream },
	{ MR_KIND_STRINGS, MR_LOAD__SUMMARY, mr_model__read_strings },
	{ MR_KIND_CLASSES, MR_LOAD__SUMMARY, mr_model__read_classes },
	{ MR_KIND_MODULES, MR_LOAD__SUMMARY, mr_model__read_modules },
	{ MR_KIND_CODE, MR_LOAD__SUMMARY, mr_model__read_code },
	{ MR_KIND_STACKS, MR_LOAD__SUMMARY, mr_model__read_stacks },
	{ MR_KIND_SYMBOLS, MR_LOAD__SUMMARY, mr_model__read_symbols },
	{ MR_KIND_PATHS, MR_LOAD__SUMMARY, mr_model__read_paths },
	{ MR_KIND_THREADS, MR_LOAD__SUMMARY, mr_model__read_threads },
	{ MR_KIND_SNAPSHOTS, MR_LOAD__SUMMARY, mr_model__read_snapshots },
	{ MR_KIND_CLASS_TOTALS, MR_LOAD__SUMMARY, mr_model__read_class_totals },
	{ MR_KIND_REFERENT_TOTALS, MR_LOAD__SUMMARY, mr_model__read_referent_totals },
	{ MR_KIND_PROCESS, MR_LOAD__SUMMARY, mr_model__read_process },
	{ MR_KIND_EXIT, MR_LOAD__SUMMARY, mr_model__read_exit },
	{ MR_KIND_SETTINGS, MR_LOAD__SUMMARY, mr_model__read_settings },
	{ MR_KIND_COUNTERS, MR_LOAD__SUMMARY, mr_model__read_counters },
	{ MR_KIND_HEAP_SNAPSHOTS, MR_LOAD__SUMMARY, mr_model__read_heap_snapshots },
	{ MR_KIND_HEAP_THREADS, MR_LOAD__SUMMARY, mr_model__read_heap_threads },
	{ MR_KIND_ACCOUNT, MR_LOAD__SUMMARY, mr_model__read_account },
	{ MR_KIND_HOLDERS, MR_LOAD__SUMMARY, mr_model__read_holders },
	{ MR_KIND_GRAPHS, MR_LOAD__SUMMARY, mr_model__read_graphs },
	{ MR_KIND_GRAPH_NODES, MR_LOAD__SUMMARY, mr_model__read_graph_nodes },
	{ MR_KIND_GRAPH_EDGES, MR_LOAD__SUMMARY, mr_model__read_graph_edges },
	{ MR_KIND_BIRTHS, MR_LOAD_OBJECTS, mr_model__read_births },
	{ MR_KIND_DEATHS, MR_LOAD_OBJECTS, mr_model__read_deaths },
	{ MR_KIND_CHANGES, MR_LOAD_OBJECTS, mr_model__read_changes },
	{ MR_KIND_SAMPLES, MR_LOAD_SAMPLES, mr_model__read_samples },
	{ MR_KIND_MARKS, MR_LOAD_SAMPLES, mr_model__read_marks },
	{ MR_KIND_HEAP_SAMPLES, MR_LOAD_SAMPLES, mr_model__read_heap_samples },
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the content of a log");
}

/* ---- Walking over frames ----------------------------------------------------- */

/* The stream ID of SEGMENT; made when it is new. */
static int stream_for(struct mr_loading *loading, uint32_t segment, uint64_t id, struct mr_error *err)
{
	struct mr_model_state *const state = loading->model->state;
	struct mr_id_map *const ids = &state->stream_ids[segment];
	uint32_t known = mr_id_map_get(ids, id);

	if (known == 0) {
		MR_FAIL_IF(loading->budget->streams_left == 0, err, MR_ERR_LIMIT,
		           "the log claims far more streams than its size can hold");
		loading->budget->streams_left--;

		struct mr_stream_state *const made = mr_alloc(sizeof(*made));
		if (made == NULL || mr_grow(&state->streams.items, &state->streams.capacity,
		                            state->streams.count + 1, sizeof(struct mr_stream_state *)) < 0) {
			mr_free(made);
			return no_memory(err);
		}
		*made = (struct mr_stream_state){ .log = (uint32_t)(loading->log - state->logs),
			                          .segment = segment,
			                          .number = (uint32_t)state->streams.count,
			                          .id = id,
			                          .repeated = state->runs_built,
			                          .late = state->runs_built };
		state->streams.items[state->streams.count++] = made;
		known = (uint32_t)state->streams.count;
		MR_TRY(mr_id_map_put(ids, id, known, err));
	}
	loading->stream = state->streams.items[known - 1];
	return 0;
}

/* Handles the blocks of one frame.  1: enough was read. */
static int walk_blocks(struct mr_loading *loading, const struct mr_frame_walk *walk,
                       const struct mr_frame_content *content, struct mr_segment *segment,
                       struct mr_error *err)
{
	const uint32_t segment_index = (uint32_t)(segment - loading->model->segments);
	size_t offset = 0;

	loading->stream = NULL;
	loading->frame = content->frame;
	while (offset < content->len) {
		struct mr_block block;
		uint64_t stream;

		MR_TRY(mr_block_parse(content->data, content->len, &offset, &block, err));
		if (block.kind == MR_KIND_FRAME) {
			MR_TRY(mr_block_value(&block, MR_FRAME_STREAM, &stream, err));
			loading->stream = NULL;
			if (stream != 0)
				MR_TRY(stream_for(loading, segment_index, stream, err));
			continue;
		}
		if (!content->frame->counted && mr_kind_name(block.kind) == NULL)
			segment->blocks_unknown++;
		if (block.kind >= 64 || (walk->kinds >> block.kind & 1) == 0 || block.rows == 0)
			continue;
		if (mr_kind_group(block.kind) == MR_GROUP_END)
			continue; /* the reader's affair */
		MR_FAIL_IF(loading->stream == NULL, err, MR_ERR_FORMAT,
		           "a block of rows belongs to no stream");
		if (loading->stream->late)
			segment->rows_dropped += block.rows;
		if (loading->stream->repeated)
			continue;
		const int code = walk->block(walk->context, loading, &block, err);
		if (code != 0)
			return code;
	}
	return 0;
}

static int walk_frames(struct mr_loading *loading, const struct mr_frame_walk *walk,
                       struct mr_frame_pipe *pipe, struct mr_error *err)
{
	struct mr_model *const model = loading->model;
	const uint32_t segment_first = model->state->segment_first[loading->log - model->state->logs];
	struct mr_frame_content content;
	int code;

	while ((code = mr_frame_pipe_next(pipe, &content, err)) > 0) {
		struct mr_segment *const segment = &model->segments[segment_first + content.frame->segment];
		struct mr_error why = { 0 };

		code = content.data == NULL ? mr_fail(&why, MR_ERR_FORMAT, "%s", content.reason)
		                            : walk_blocks(loading, walk, &content, segment, &why);
		if (!content.frame->counted) {
			content.frame->counted = true;
			if (code == 0)
				segment->frames_read++;
			else if (code == MR_ERR_FORMAT)
				segment->frames_damaged++;
		}
		if (code > 0)
			return 0; /* enough */
		if (code == MR_ERR_FORMAT) {
			MR_TRY(mr_log_damaged(loading->log, content.frame, why.message, err));
		} else if (code == MR_ERR_LIMIT) {
			return mr_notes_add(&loading->log->notes, err, "%s: is read only up to byte %llu: %s",
			                    loading->log->source.path,
			                    (unsigned long long)content.frame->offset, why.message);
		} else if (code < 0) {
			return mr_fail(err, code, "%s: %s", loading->log->source.path, why.message);
		}
	}
	return code;
}

/* The frames of LOG that WALK asks for; the caller frees them. */
static int frames_of(struct mr_log *log, const struct mr_frame_walk *walk, struct mr_frame ***frames,
                     size_t *count, struct mr_error *err)
{
	size_t total = 0;

	for (size_t i = 0; i < log->segment_count; i++)
		total += log->segments[i].frame_count;
	struct mr_frame **const chosen = mr_alloc((total + 1) * sizeof(struct mr_frame *));
	if (chosen == NULL)
		return no_memory(err);
	*count = 0;
	for (size_t i = 0; i < log->segment_count; i++) {
		for (size_t j = 0; j < log->segments[i].frame_count; j++) {
			struct mr_frame *const frame = &log->segments[i].frames[j];

			if ((frame->kinds & walk->kinds) != 0 && !frame->damaged &&
			    (walk->wanted == NULL || walk->wanted(walk->context, frame)))
				chosen[(*count)++] = frame;
		}
	}
	*frames = chosen;
	return 0;
}

int mr_model__walk(struct mr_model *model, size_t log_index, const struct mr_frame_walk *walk,
                   struct mr_error *err)
{
	struct mr_log *const log = &model->state->logs[log_index];
	struct mr_loading loading = { .model = model,
		                      .log = log,
		                      .budget = &model->state->budgets[log_index] };
	struct mr_frame **frames = NULL;
	struct mr_frame_pipe *pipe = NULL;
	size_t count = 0;

	int code = frames_of(log, walk, &frames, &count, err);
	if (code == 0 && count > 0)
		code = mr_frame_pipe_open(&pipe, log, frames, count, err);
	if (code == 0 && count > 0)
		code = walk_frames(&loading, walk, pipe, err);
	mr_frame_pipe_close(pipe);
	mr_free(frames);
	return code;
}

/* ---- Loading ------------------------------------------------------------------- */

static int read_block(void *context, struct mr_loading *loading, const struct mr_block *block,
                      struct mr_error *err)
{
	const unsigned parts = *(const unsigned *)context;

	for (size_t i = 0; i < MR_ARRAY_LEN(readers); i++)
		if (readers[i].kind == block->kind && (readers[i].part & parts) != 0)
			return readers[i].read(loading, block, err);
	return 0;
}

static int load_parts(struct mr_model *model, unsigned parts, struct mr_error *err)
{
	struct mr_frame_walk walk = { .block = read_block, .context = &parts };

	for (size_t i = 0; i < MR_ARRAY_LEN(readers); i++)
		if ((readers[i].part & parts) != 0)
			walk.kinds |= UINT64_C(1) << readers[i].kind;
	for (size_t log = 0; log < model->state->log_count; log++)
		MR_TRY(mr_model__walk(model, log, &walk, err));
	return 0;
}

int mr_model__take_notes(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;

	for (size_t i = 0; i < state->log_count; i++) {
		struct mr_log *const log = &state->logs[i];

		for (; state->notes_taken[i] < log->notes.count; state->notes_taken[i]++) {
			if (MR_LIST_RESERVE(&state->warnings, 1) < 0)
				return no_memory(err);
			state->warnings.items[state->warnings.count++] =
				log->notes.items[state->notes_taken[i]];
		}
		for (size_t j = 0; j < log->segment_count; j++)
			model->segments[state->segment_first[i] + j].bytes_lost = log->segments[j].bytes_lost;
	}
	model->warnings = state->warnings.items;
	model->warning_count = state->warnings.count;
	return 0;
}

int mr_model_load(struct mr_model *model, unsigned parts, struct mr_error *err)
{
	if ((parts & MR_LOAD_SIZES) != 0)
		parts |= MR_LOAD_OBJECTS;

	const unsigned missing = parts & MR_LOAD_ALL & ~model->loaded;
	int code = 0;
	if ((missing & (MR_LOAD_OBJECTS | MR_LOAD_SAMPLES)) != 0)
		code = load_parts(model, missing & (MR_LOAD_OBJECTS | MR_LOAD_SAMPLES), err);
	if (code == 0 && (missing & MR_LOAD_OBJECTS) != 0)
		code = mr_model__finish_objects(model, err);
	if (code == 0 && (missing & MR_LOAD_SAMPLES) != 0)
		code = mr_model__finish_samples(model, err);
	if (code == 0 && (missing & MR_LOAD_SIZES) != 0)
		code = mr_model__load_sizes(model, err);
	if (code == 0)
		code = mr_model__take_notes(model, err);
	if (code == 0)
		model->loaded |= missing;
	return code;
}

/* ---- Opening -------------------------------------------------------------------- */

static uint64_t allowance(uint64_t base, uint64_t size_bytes, uint64_t per_byte)
{
	uint64_t sum;

	if (__builtin_mul_overflow(size_bytes, per_byte, &sum) || __builtin_add_overflow(sum, base, &sum))
		return UINT64_MAX;
	return sum;
}

/* Makes the model's segments of those of its logs. */
static int add_segments(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	size_t total = 0;

	for (size_t i = 0; i < state->log_count; i++)
		total += state->logs[i].segment_count;
	model->segments = mr_alloc(total * sizeof(*model->segments));
	state->stream_ids = mr_alloc(total * sizeof(*state->stream_ids));
	if (model->segments == NULL || state->stream_ids == NULL)
		return no_memory(err);
	for (size_t i = 0; i < state->log_count; i++) {
		const struct mr_log *const log = &state->logs[i];

		state->segment_first[i] = (uint32_t)model->segment_count;
		for (size_t j = 0; j < log->segment_count; j++) {
			const struct mr_log_segment *const from = &log->segments[j];
			struct mr_segment *const segment = &model->segments[model->segment_count++];

			*segment = (struct mr_segment){
				.file = (uint32_t)i,
				.version = (uint32_t)from->header.version_major << 16 |
				           from->header.version_minor,
				.offset = from->offset,
				.size_bytes = from->size_bytes,
				.frames = from->frame_count,
				.frames_missing = from->frames_missing,
				.bytes_lost = from->bytes_lost,
				.time_last_ns = from->end_time,
				.end_reason = from->end_reason,
				.end = from->end,
			};
			for (size_t k = 0; k < from->frame_count; k++)
				if (from->frames[k].damaged) {
					from->frames[k].counted = true;
					segment->frames_damaged++;
				}
		}
	}
	return 0;
}

/* Takes a log's source; also on failure. */
static int add_log_take(struct mr_model *model, struct mr_source *source, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	const uint64_t size_bytes = source->size_bytes;
	const size_t at = state->log_count;

	model->files[at].size_bytes = size_bytes;
	model->files[at].path = source->path; /* borrowed from the log */
	MR_TRY(mr_import_open_take(&state->logs[at], source, err));
	state->budgets[at] = (struct mr_budget){
		.objects_left = allowance(MR_LOG_OBJECTS_ALLOWANCE, size_bytes, MR_LOG_OBJECTS_PER_BYTE),
		.rows_left = allowance(MR_LOG_OBJECTS_ALLOWANCE, size_bytes, MR_LOG_OBJECTS_PER_BYTE),
		.snapshots_left = allowance(SNAPSHOTS_ALLOWANCE, size_bytes / SNAPSHOT_BYTES, 1),
		.streams_left = allowance(STREAMS_ALLOWANCE, size_bytes / STREAM_BYTES, 1),
	};
	state->log_count++;
	model->file_count++;
	return 0;
}

static int model_new(size_t log_count, struct mr_model **model, struct mr_error *err)
{
	struct mr_model *const made = mr_alloc(sizeof(*made));
	struct mr_model_state *const state = mr_alloc(sizeof(*state));

	if (made == NULL || state == NULL) {
		mr_free(made);
		mr_free(state);
		return no_memory(err);
	}
	made->state = state;
	made->files = mr_alloc(log_count * sizeof(*made->files));
	state->logs = mr_alloc(log_count * sizeof(*state->logs));
	state->budgets = mr_alloc(log_count * sizeof(*state->budgets));
	state->segment_first = mr_alloc(log_count * sizeof(*state->segment_first));
	state->notes_taken = mr_alloc(log_count * sizeof(*state->notes_taken));
	if (made->files == NULL || state->logs == NULL || state->budgets == NULL ||
	    state->segment_first == NULL || state->notes_taken == NULL ||
	    mr_grow(&state->text, &state->text_capacity, 3, 1) < 0 ||
	    MR_LIST_RESERVE(&state->strings, 2) < 0) {
		mr_model_close(made);
		return no_memory(err);
	}
	memcpy(state->text, "\0?", 3); /* none, and lost */
	state->text_len = 3;
	state->strings.items[0] = 0;
	state->strings.items[1] = 1;
	state->strings.count = 2;
	*model = made;
	return 0;
}

/* Streams whose definitions and summaries are lost may still have objects or
 * samples: the index names them. */
static int find_streams(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;

	for (size_t i = 0; i < state->log_count; i++) {
		struct mr_loading loading = { .model = model,
			                      .log = &state->logs[i],
			                      .budget = &state->budgets[i] };

		for (size_t j = 0; j < loading.log->segment_count; j++) {
			const struct mr_log_segment *const segment = &loading.log->segments[j];

			for (size_t k = 0; k < segment->frame_count; k++) {
				const struct mr_frame *const frame = &segment->frames[k];

				if (frame->damaged || frame->stream == 0 ||
				    state->budgets[i].streams_left == 0)
					continue;
				MR_TRY(stream_for(&loading, state->segment_first[i] + (uint32_t)j,
				                  frame->stream, err));
			}
		}
	}
	return 0;
}

static int load_summary(struct mr_model *model, struct mr_error *err)
{
	MR_TRY(add_segments(model, err));
	MR_TRY(load_parts(model, MR_LOAD__SUMMARY, err));
	MR_TRY(find_streams(model, err));
	MR_TRY(mr_model__build_runs(model, err));
	model->state->built = true;
	model->state->runs_built = true;
	return mr_model__take_notes(model, err);
}

int mr_model_open(const char *const *paths, size_t path_count, struct mr_model **model, struct mr_error *err)
{
	struct mr_model *opened = NULL;
	int code = 0;

	MR_FAIL_IF(path_count == 0, err, MR_ERR_ARG, "there is no log to read");
	MR_TRY(model_new(path_count, &opened, err));
	for (size_t i = 0; i < path_count && code == 0; i++) {
		struct mr_source source;

		code = mr_source_open(&source, paths[i], err);
		if (code == 0)
			code = add_log_take(opened, &source, err);
	}
	if (code == 0)
		code = load_summary(opened, err);
	if (code < 0) {
		mr_model_close(opened);
		return code;
	}
	*model = opened;
	return 0;
}

int mr_model__open_take(struct mr_source *source, struct mr_model **model, struct mr_error *err)
{
	struct mr_model *opened = NULL;

	int code = model_new(1, &opened, err);
	if (code < 0) {
		mr_source_release(source);
		return code;
	}
	code = add_log_take(opened, source, err);
	if (code == 0)
		code = load_summary(opened, err);
	if (code < 0) {
		mr_model_close(opened);
		return code;
	}
	*model = opened;
	return 0;
}

int mr_model_open_memory(const void *data, size_t size_bytes, const char *name, struct mr_model **model,
                         struct mr_error *err)
{
	struct mr_source source;

	MR_TRY(mr_source_open_memory(&source, data, size_bytes, name, err));
	return mr_model__open_take(&source, model, err);
}
