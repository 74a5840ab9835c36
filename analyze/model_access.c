/* SPDX-License-Identifier: MIT
 *
 * Looking at a model: names, traces, and letting go of it all.
 */
#include "model_private.h"

#include <errno.h>

const char *mr_model_string(const struct mr_model *model, uint32_t string)
{
	const struct mr_model_state *const state = model->state;

	return state->text + state->strings.items[string < state->strings.count ? string : MR_STRING_LOST];
}

const char *mr_run_class_name(const struct mr_model *model, const struct mr_run *run, uint32_t class_index)
{
	if (class_index == 0 || class_index >= run->class_count)
		return "?";

	const char *const name = mr_model_string(model, run->classes[class_index].name);
	return name[0] != '\0' ? name : "?";
}

/* The name of the process at its last exec that only the recording of its heap has met: its main thread's;
 * "" when there is none. */
static const char *last_image_name(const struct mr_model *model, const struct mr_run *run)
{
	const uint32_t last = run->heap_image_count - 1; /* of 0: none has it */

	if (run->heap_image_count == 0 ||
	    (run->process_count > 0 &&
	     run->processes[run->process_count - 1].time_ns >= run->heap_images[last].begin_ns))
		return "";
	for (uint32_t i = 0; i < run->heap_thread_count; i++) {
		const struct mr_thread *const thread = &run->threads[run->heap_threads[i].thread];

		if (run->heap_threads[i].image == last && run->heap_threads[i].thread != 0 &&
		    thread->tid == run->pid)
			return mr_model_string(model, thread->name);
	}
	return "";
}

const char *mr_run_name(const struct mr_model *model, const struct mr_run *run)
{
	const char *const image = last_image_name(model, run);

	if (image[0] != '\0')
		return image;
	for (size_t i = run->process_count; i > 0; i--) {
		const struct mr_process *const process = &run->processes[i - 1];
		const char *const name = mr_model_string(model, process->name);
		const char *const executable = mr_model_string(model, process->executable);
		const char *const slash = strrchr(executable, '/');

		if (name[0] != '\0')
			return name;
		if (executable[0] != '\0')
			return slash != NULL ? slash + 1 : executable;
	}
	return "?";
}

/* Writes the positions of one place; gives their number. */
static size_t code_positions(const struct mr_model *model, const struct mr_run *run,
                             const struct mr_code *code, struct mr_position *out, size_t max)
{
	const char *const module = mr_model_string(model, run->modules[code->module].path);
	const size_t count = code->symbol_count > 0 && code->function == 0 ? code->symbol_count : 1;

	for (size_t i = 0; i < count && i < max; i++) {
		const bool known = count > 1 || (code->symbol_count > 0 && code->function == 0);
		const struct mr_symbol *const symbol = known ? &run->symbols[code->symbol_first + i] : NULL;

		out[i] = (struct mr_position){
			.function = mr_model_string(model, known ? symbol->function : code->function),
			.file = mr_model_string(model, known ? symbol->file : code->file),
			.source = mr_model_string(model, known ? 0 : code->source),
			.line = known ? symbol->line : code->line,
			.module = module,
			.offset = code->offset,
			.inlined = i + 1 < count,
		};
	}
	return count;
}

size_t mr_run_trace(const struct mr_model *model, const struct mr_run *run, uint32_t stack,
                    struct mr_position *positions, size_t max)
{
	size_t count = 0;

	for (size_t depth = 0; stack != 0 && stack < run->stack_count && depth < MR_LOG_STACK_DEPTH_MAX;
	     depth++) {
		const struct mr_stack *const frame = &run->stacks[stack];
		const size_t written = count < max ? count : max;
		const size_t more = code_positions(model, run, &run->codes[frame->code], positions + written,
		                                   max - written);

		/* Deeply inlined places may not push a trace beyond what callers prepare for. */
		if (count + more > 4 * (size_t)MR_LOG_STACK_DEPTH_MAX)
			break;
		count += more;
		stack = frame->parent;
	}
	return count;
}

/* ---- Copying ------------------------------------------------------------------ */

static int copy_source(const struct mr_source *source, uint8_t *chunk, size_t chunk_len, FILE *out,
                       struct mr_error *err)
{
	for (uint64_t offset = 0; offset < source->size_bytes;) {
		const int64_t got = mr_source_read(source, chunk, chunk_len, offset, err);

		if (got < 0)
			return (int)got;
		MR_FAIL_IF(got == 0, err, MR_ERR_READ, "%s: has become shorter", source->path);
		MR_FAIL_IF(fwrite(chunk, 1, (size_t)got, out) != (size_t)got, err, MR_ERR_WRITE,
		           "cannot write a copy of %s: %s", source->path, strerror(errno));
		offset += (uint64_t)got;
	}
	return 0;
}

int mr_model_copy(const struct mr_model *model, FILE *out, struct mr_error *err)
{
	static const size_t chunk_len = 256 << 10;
	uint8_t *const chunk = mr_realloc(NULL, chunk_len);
	int code = 0;

	MR_FAIL_IF(chunk == NULL, err, MR_ERR_NOMEM, "no memory to copy a log");
	for (size_t i = 0; i < model->state->log_count && code == 0; i++)
		code = copy_source(&model->state->logs[i].source, chunk, chunk_len, out, err);
	mr_free(chunk);
	if (code == 0 && fflush(out) != 0)
		code = mr_fail(err, MR_ERR_WRITE, "cannot write a copy of a log: %s", strerror(errno));
	return code;
}

/* ---- Letting go ------------------------------------------------------------- */

void mr_objects_release(struct mr_objects *objects)
{
	mr_free(objects->id);
	mr_free(objects->birth_ns);
	mr_free(objects->death_ns);
	mr_free(objects->address);
	mr_free(objects->class_index);
	mr_free(objects->stack);
	mr_free(objects->name);
	mr_free(objects->death_reason);
	mr_free(objects->level);
	mr_free(objects->birth_bytes);
	if (objects->flat_bytes != objects->size_bytes)
		mr_free(objects->flat_bytes);
	mr_free(objects->size_bytes);
	mr_free(objects->size_max_bytes);
	mr_free(objects->label);
	mr_free(objects->label_at);
	mr_free(objects->label_text);
	*objects = (struct mr_objects){ 0 };
}

void mr_stream_state_free(struct mr_stream_state *stream)
{
	for (size_t i = 0; i < MR_DEFINED_COUNT; i++)
		mr_id_map_release(&stream->ids[i]);
	mr_free(stream->classes.items);
	mr_free(stream->modules.items);
	mr_free(stream->codes.items);
	mr_free(stream->stacks.items);
	mr_free(stream->paths.items);
	mr_free(stream->threads.items);
	mr_free(stream->symbols.items);
	mr_free(stream->snapshots.items);
	mr_free(stream->class_totals.items);
	mr_free(stream->referent_totals.items);
	mr_free(stream->holders.items);
	mr_free(stream->graphs.items);
	mr_free(stream->graph_nodes.items);
	mr_free(stream->graph_edges.items);
	mr_free(stream->processes.items);
	mr_free(stream->settings.items);
	mr_free(stream->counters.items);
	mr_free(stream->heap_snapshots.items);
	mr_free(stream->heap_threads.items);
	mr_free(stream->accounts.items);
	mr_id_map_release(&stream->heap_thread_rows);
	mr_free(stream->heap_rows.items);
	mr_free(stream->heap_end.items);
	mr_objects_release(&stream->objects);
	mr_id_map_release(&stream->object_rows);
	mr_free(stream->lives.items);
	mr_free(stream->deaths.items);
	mr_free(stream->changes.items);
	mr_free(stream->numbered.items);
	mr_free(stream);
}

static void run_release(struct mr_run *run)
{
	struct mr_samples *const samples = &run->samples;

	mr_free(run->streams);
	mr_free(run->classes);
	mr_free(run->modules);
	mr_free(run->codes);
	mr_free(run->symbols);
	mr_free(run->stacks);
	mr_free(run->paths);
	mr_free(run->threads);
	mr_free(run->snapshots);
	mr_free(run->class_totals);
	mr_free(run->referent_totals);
	mr_free(run->holders);
	mr_free(run->graphs);
	mr_free(run->graph_nodes);
	mr_free(run->graph_edges);
	mr_free(run->processes);
	mr_free(run->settings);
	mr_free(run->counters);
	mr_free(run->heap_images);
	mr_free(run->heap_snapshots);
	mr_free(run->heap_threads);
	mr_free(run->accounts);
	mr_free(run->heap_samples.time_ns);
	mr_free(run->heap_samples.live_bytes);
	mr_free(run->heap_samples.live_count);
	mr_free(run->heap_samples.live_max_bytes);
	mr_free(run->heap_samples.total_bytes);
	mr_free(run->heap_samples.total_count);
	mr_free(samples->time_ns);
	mr_free(samples->rss_bytes);
	mr_free(samples->vsz_bytes);
	mr_free(samples->pss_bytes);
	mr_free(samples->uss_bytes);
	mr_free(samples->swap_bytes);
	mr_free(samples->faults_minor);
	mr_free(samples->faults_major);
	mr_free(samples->cpu_user_ns);
	mr_free(samples->cpu_system_ns);
	mr_free(samples->threads);
	mr_free(run->marks);
	mr_objects_release(&run->objects);
	mr_free(run->changes);
}

void mr_model_close(struct mr_model *model)
{
	if (model == NULL)
		return;

	struct mr_model_state *const state = model->state;
	for (size_t i = 0; i < state->streams.count; i++)
		mr_stream_state_free(state->streams.items[i]);
	mr_free(state->streams.items);
	if (state->stream_ids != NULL)
		for (size_t i = 0; i < model->segment_count; i++)
			mr_id_map_release(&state->stream_ids[i]);
	mr_free(state->stream_ids);
	for (size_t i = 0; i < state->log_count; i++)
		mr_log_release(&state->logs[i]);
	mr_free(state->logs);
	mr_free(state->budgets);
	mr_free(state->segment_first);
	mr_free(state->notes_taken);
	mr_free(state->warnings.items);
	mr_free(state->text);
	mr_free(state->strings.items);
	mr_free(state);

	for (size_t i = 0; i < model->run_count; i++)
		run_release(&model->runs[i]);
	mr_free(model->runs);
	mr_free(model->segments);
	mr_free(model->files);
	mr_free(model);
}
