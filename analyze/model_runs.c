/* SPDX-License-Identifier: MIT
 *
 * Runs from streams: streams that tell of one process (the same boot, pid and
 * start) become one run, its time 0 is the earliest of theirs, runs are ordered
 * by start and know the run that started them.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the runs of a log");
}

/* Streams whose process is not known have nothing in common. */
static bool has_identity(const struct mr_stream_state *stream)
{
	return stream->start_ticks != 0 || stream->boot_id[0] != 0 || stream->boot_id[1] != 0;
}

/* By process. */
static int compare_identity(const struct mr_stream_state *a, const struct mr_stream_state *b)
{
	MR_COMPARE(a->boot_id[0], b->boot_id[0]);
	MR_COMPARE(a->boot_id[1], b->boot_id[1]);
	MR_COMPARE(a->start_ticks, b->start_ticks);
	MR_COMPARE(a->pid, b->pid);
	if (!has_identity(a)) {
		MR_COMPARE(a->segment, b->segment);
		MR_COMPARE(a->id, b->id);
	}
	return 0;
}

/* By process, then by what else tells streams of a process apart, then as they stand in the files. */
static int compare_streams(const void *left, const void *right)
{
	const struct mr_stream_state *const a = *(const struct mr_stream_state *const *)left;
	const struct mr_stream_state *const b = *(const struct mr_stream_state *const *)right;
	const int order = compare_identity(a, b);

	if (order != 0)
		return order;
	MR_COMPARE(a->clock_monotonic_ns, b->clock_monotonic_ns);
	MR_COMPARE(a->clock_realtime_ns, b->clock_realtime_ns);
	MR_COMPARE(a->source, b->source);
	MR_COMPARE(a->segment, b->segment);
	MR_COMPARE(a->id, b->id);
	return 0;
}

/* A stream whose own description is lost: its segment's header may speak of it. */
static void describe_from_header(struct mr_model *model, struct mr_stream_state *stream)
{
	const struct mr_model_state *const state = model->state;
	const struct mr_log *const log = &state->logs[stream->log];
	const struct mr_log_segment *const segment =
		&log->segments[stream->segment - state->segment_first[stream->log]];

	if (stream->described)
		return;
	stream->clock_realtime_ns = segment->header.clock_realtime_ns;
	if (stream->id != 1 || !segment->has_header)
		return;
	stream->boot_id[0] = segment->header.boot_id[0];
	stream->boot_id[1] = segment->header.boot_id[1];
	stream->pid = segment->header.pid;
	stream->start_ticks = segment->header.start_ticks;
}

/* Whether two streams of one process are copies of one: `cat a.dat a.dat`. */
static bool is_repeated(const struct mr_stream_state *a, const struct mr_stream_state *b)
{
	return has_identity(a) && a->described && b->described && a->segment != b->segment &&
	       a->source == b->source && a->clock_monotonic_ns == b->clock_monotonic_ns &&
	       a->clock_realtime_ns == b->clock_realtime_ns && a->id == b->id;
}

/* The last times that the index knows of single streams. */
static void last_times(struct mr_model *model)
{
	struct mr_model_state *const state = model->state;

	for (size_t i = 0; i < state->log_count; i++) {
		const struct mr_log *const log = &state->logs[i];

		for (size_t j = 0; j < log->segment_count; j++) {
			struct mr_segment *const segment = &model->segments[state->segment_first[i] + j];

			for (size_t k = 0; k < log->segments[j].frame_count; k++) {
				const struct mr_frame *const frame = &log->segments[j].frames[k];
				const uint32_t known = mr_id_map_get(
					&state->stream_ids[state->segment_first[i] + j], frame->stream);

				if (frame->damaged)
					continue;
				if (frame->time_last > segment->time_last_ns)
					segment->time_last_ns = frame->time_last;
				if (known != 0 &&
				    state->streams.items[known - 1]->time_last_ns < frame->time_last)
					state->streams.items[known - 1]->time_last_ns = frame->time_last;
			}
		}
	}
}

/* ---- One run ------------------------------------------------------------------ */

static void set_clocks(struct mr_run *run, struct mr_stream_state *const *streams, size_t count)
{
	const struct mr_stream_state *first = streams[0];

	for (size_t i = 1; i < count; i++)
		if (streams[i]->described &&
		    (!first->described || streams[i]->clock_monotonic_ns < first->clock_monotonic_ns))
			first = streams[i];
	run->start_monotonic_ns = first->clock_monotonic_ns;
	run->start_realtime_ns = first->clock_realtime_ns;
	for (size_t i = 0; i < count; i++)
		streams[i]->shift_ns = streams[i]->described
		                               ? streams[i]->clock_monotonic_ns - first->clock_monotonic_ns
		                               : 0;
}

static void set_exit(struct mr_run *run, struct mr_stream_state *const *streams, size_t count)
{
	run->exit_time_ns = MR_NONE;
	for (size_t i = 0; i < count; i++) {
		const struct mr_stream_state *const stream = streams[i];

		if (stream->exit_state == 0 || (run->exit_state != 0 && stream->source != MR_SOURCE_SAMPLER))
			continue;
		run->exit_state = stream->exit_state;
		run->exit_value = stream->exit_value;
		run->exit_time_ns = mr_run_time(stream, stream->exit_time_ns);
	}
}

/* The run's end is the last thing that any stream speaks of. */
static void set_end(struct mr_run *run)
{
	for (size_t i = 0; i < run->stream_count; i++)
		if (run->streams[i].time_last_ns > run->end_ns)
			run->end_ns = run->streams[i].time_last_ns;
	for (size_t i = 0; i < run->snapshot_count; i++)
		if (run->snapshots[i].time_ns > run->end_ns)
			run->end_ns = run->snapshots[i].time_ns;
	for (size_t i = 0; i < run->heap_image_count; i++)
		if (run->heap_images[i].end_ns > run->end_ns)
			run->end_ns = run->heap_images[i].end_ns;
	for (size_t i = 0; i < run->process_count; i++)
		if (run->processes[i].time_ns > run->end_ns)
			run->end_ns = run->processes[i].time_ns;
	if (run->exit_time_ns != MR_NONE && run->exit_time_ns > run->end_ns)
		run->end_ns = run->exit_time_ns;
}

static int build_run(struct mr_model *model, struct mr_run *run, struct mr_stream_state **streams,
                     size_t count, struct mr_error *err)
{
	const struct mr_stream_state *main_stream = streams[0];

	*run = (struct mr_run){
		.boot_id = { streams[0]->boot_id[0], streams[0]->boot_id[1] },
		.pid = streams[0]->pid,
		.start_ticks = streams[0]->start_ticks,
		.parent = MR_INDEX_NONE,
		.file = streams[0]->log,
	};
	set_clocks(run, streams, count);
	set_exit(run, streams, count);
	run->streams = mr_alloc(count * sizeof(*run->streams));
	if (run->streams == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		struct mr_stream_state *const stream = streams[i];

		if (stream->log < run->file)
			run->file = stream->log;
		if (stream->source == MR_SOURCE_TRACKER && main_stream->source != MR_SOURCE_TRACKER)
			main_stream = stream;
		stream->index = (uint32_t)i;
		if (stream->language == MR_LANGUAGE_PYTHON)
			run->language = MR_LANGUAGE_PYTHON;
		if (stream->imported == MR_IMPORTED_PYMPLER)
			run->imported = MR_IMPORTED_PYMPLER;
		run->streams[run->stream_count++] = (struct mr_stream){
			.source = (uint32_t)stream->source,
			.imported = stream->imported < UINT32_MAX ? (uint32_t)stream->imported : UINT32_MAX,
			.segment = stream->segment,
			.shift_ns = stream->shift_ns,
			.creator = mr_model__resolve(model, stream, MR_DEFINED_STRING, stream->creator),
			.time_last_ns = mr_run_time(stream, stream->time_last_ns),
		};
	}
	run->end_reason = model->segments[main_stream->segment].end_reason;
	MR_TRY(mr_model__merge(model, run, streams, count, err));
	set_end(run);
	return 0;
}

/* ---- All runs ------------------------------------------------------------------ */

/* Leaves out copies among streams [FIRST, END) of one process. Gives how many are left. */
static int drop_repeated(struct mr_model *model, struct mr_stream_state **streams, size_t count, size_t *kept,
                         struct mr_error *err)
{
	*kept = 0;
	for (size_t i = 0; i < count; i++) {
		/* Copies stand side by side, in the order of the files. */
		if (*kept > 0 && is_repeated(streams[*kept - 1], streams[i])) {
			struct mr_log *const log = &model->state->logs[streams[i]->log];

			streams[i]->repeated = true;
			MR_TRY(mr_notes_add(&log->notes, err,
			                    "%s: repeats the account of process %llu: it is used once",
			                    log->source.path, (unsigned long long)streams[i]->pid));
			continue;
		}
		streams[(*kept)++] = streams[i];
	}
	return 0;
}

static int compare_runs(const void *left, const void *right)
{
	const struct mr_run *const a = left;
	const struct mr_run *const b = right;

	MR_COMPARE(a->start_realtime_ns, b->start_realtime_ns);
	MR_COMPARE(a->start_monotonic_ns, b->start_monotonic_ns);
	MR_COMPARE(a->file, b->file);
	MR_COMPARE(a->start_ticks, b->start_ticks);
	MR_COMPARE(a->pid, b->pid);
	MR_COMPARE(a->streams[0].segment, b->streams[0].segment);
	return 0;
}

/* A process as a parent is looked for. */
struct identity {
	uint64_t boot_id[2];
	uint64_t start_ticks;
	uint64_t pid;
	uint32_t run;
};

static int compare_identities(const void *left, const void *right)
{
	const struct identity *const a = left;
	const struct identity *const b = right;

	MR_COMPARE(a->boot_id[0], b->boot_id[0]);
	MR_COMPARE(a->boot_id[1], b->boot_id[1]);
	MR_COMPARE(a->start_ticks, b->start_ticks);
	MR_COMPARE(a->pid, b->pid);
	return 0;
}

static int find_parents(struct mr_model *model, struct mr_error *err)
{
	struct identity *const known = mr_alloc((model->run_count + 1) * sizeof(*known));

	if (known == NULL)
		return no_memory(err);
	for (size_t i = 0; i < model->run_count; i++) {
		const struct mr_run *const run = &model->runs[i];

		known[i] = (struct identity){
			{ run->boot_id[0], run->boot_id[1] }, run->start_ticks, run->pid, (uint32_t)i
		};
	}
	qsort(known, model->run_count, sizeof(*known), compare_identities);
	for (size_t i = 0; i < model->run_count; i++) {
		struct mr_run *const run = &model->runs[i];
		size_t first = 0; /* that tells of the parent: not all recorders know it */

		while (first < run->process_count && run->processes[first].parent_start_ticks == 0)
			first++;
		if (first == run->process_count)
			continue;
		const struct identity parent = {
			.boot_id = { run->boot_id[0], run->boot_id[1] },
			.start_ticks = run->processes[first].parent_start_ticks,
			.pid = run->processes[first].parent_pid,
		};
		const struct identity *const found =
			bsearch(&parent, known, model->run_count, sizeof(*known), compare_identities);

		/* A parent starts before its child: so following parents always ends. */
		if (found != NULL && found->run < i)
			run->parent = found->run;
	}
	mr_free(known);
	return 0;
}

/* Numbers the streams' runs after these were sorted. */
static int sort_runs(struct mr_model *model, struct mr_stream_state **streams, size_t count,
                     struct mr_error *err)
{
	uint32_t *const places = mr_alloc((model->run_count + 1) * sizeof(*places));

	if (places == NULL)
		return no_memory(err);
	/* While they are sorted, a run's parent holds where it was. */
	for (size_t i = 0; i < model->run_count; i++)
		model->runs[i].parent = (uint32_t)i;
	qsort(model->runs, model->run_count, sizeof(*model->runs), compare_runs);
	for (size_t i = 0; i < model->run_count; i++) {
		places[model->runs[i].parent] = (uint32_t)i;
		model->runs[i].parent = MR_INDEX_NONE;
	}
	for (size_t i = 0; i < count; i++)
		streams[i]->run = places[streams[i]->run];
	mr_free(places);
	return find_parents(model, err);
}

int mr_model__build_runs(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	const size_t count = state->streams.count;
	struct mr_stream_state **const streams = mr_alloc((count + 1) * sizeof(struct mr_stream_state *));
	size_t run_capacity = 0;
	int code = 0;

	if (streams == NULL)
		return no_memory(err);
	last_times(model);
	for (size_t i = 0; i < count; i++) {
		streams[i] = state->streams.items[i];
		describe_from_header(model, streams[i]);
	}
	qsort(streams, count, sizeof(struct mr_stream_state *), compare_streams);

	for (size_t first = 0, end; first < count && code == 0; first = end) {
		size_t kept = 0;

		for (end = first + 1; end < count && compare_identity(streams[first], streams[end]) == 0;
		     end++)
			;
		for (size_t i = first; i < end; i++)
			streams[i]->run = (uint32_t)model->run_count;
		if (mr_grow(&model->runs, &run_capacity, model->run_count + 1, sizeof(*model->runs)) < 0) {
			code = no_memory(err);
			break;
		}
		/* Copies fall off the list here; the state's list keeps all streams. */
		code = drop_repeated(model, streams + first, end - first, &kept, err);
		if (code == 0)
			code = build_run(model, &model->runs[model->run_count++], streams + first, kept, err);
	}
	if (code == 0 && model->run_count > 0)
		code = sort_runs(model, state->streams.items, count, err);
	mr_free(streams);
	return code;
}
