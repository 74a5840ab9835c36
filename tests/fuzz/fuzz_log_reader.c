/* SPDX-License-Identifier: MIT
 *
 * The log reader and all that the model makes of a log.  Property: whatever the
 * bytes are, opening and loading ends, leaves nothing behind, gives an error
 * with a message or a model whose indexes all lie within their lists and whose
 * parents never go in circles.
 *
 * Input that begins with 'B' is the content of frames, each behind its length
 * (u16): they are compressed first, for a checksum lets no change of a
 * compressed frame through.
 */
#include <stdlib.h>
#include <zstd.h>

#include "model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void check_definitions(const struct mr_model *model, const struct mr_run *run)
{
	static struct mr_position positions[4 * MR_LOG_STACK_DEPTH_MAX];

	for (uint32_t i = 0; i < run->class_count; i++) {
		must(mr_run_class_name(model, run, i)[0] != '\0');
		must(run->classes[i].parent < run->class_count);
	}
	for (uint32_t i = 0; i < run->code_count; i++) {
		must(run->codes[i].module < run->module_count);
		must(run->codes[i].symbol_first + run->codes[i].symbol_count <= run->symbol_count);
	}
	for (uint32_t i = 0; i < run->path_count; i++)
		must(run->paths[i].parent < run->path_count && run->paths[i].level <= MR_LOG_PATH_DEPTH_MAX);
	for (uint32_t i = 0; i < run->stack_count && i < 50; i++)
		must(mr_run_trace(model, run, i, positions, MR_ARRAY_LEN(positions)) <=
		     MR_ARRAY_LEN(positions));
}

/* Whoever draws a graph follows its edges without looking. */
static void check_census(const struct mr_model *model, const struct mr_run *run)
{
	for (size_t i = 0; i < run->holder_count; i++) {
		const struct mr_holder_way *const way = &run->holders[i];

		must(way->snapshot < run->snapshot_count && way->class_index < run->class_count);
		must(mr_model_string(model, way->path) != NULL &&
		     mr_model_string(model, way->example) != NULL);
		if (way->object != MR_NONE) {
			const uint32_t row = mr_model_object_row(model, run, way->snapshot, way->object);

			must(row == MR_INDEX_NONE || row < run->objects.count);
		}
	}
	for (uint32_t i = 0; i < run->graph_count; i++) {
		const struct mr_graph *const graph = &run->graphs[i];

		must(graph->snapshot == MR_INDEX_NONE || graph->snapshot < run->snapshot_count);
		must(graph->node_count <= MR_LOG_GRAPH_NODES_MAX &&
		     graph->edge_count <= MR_LOG_GRAPH_EDGES_MAX);
		must(graph->node_count <= run->graph_node_count &&
		     graph->edge_count <= run->graph_edge_count);
		must(graph->node_first <= run->graph_node_count - graph->node_count);
		must(graph->edge_first <= run->graph_edge_count - graph->edge_count);
		for (uint32_t k = 0; k < graph->node_count; k++)
			must(run->graph_nodes[graph->node_first + k].graph == i &&
			     (k == 0 || run->graph_nodes[graph->node_first + k - 1].id <
			                        run->graph_nodes[graph->node_first + k].id));
		for (uint32_t k = 0; k < graph->edge_count; k++) {
			const struct mr_graph_edge *const edge = &run->graph_edges[graph->edge_first + k];

			must(edge->from - graph->node_first < graph->node_count);
			must(edge->to - graph->node_first < graph->node_count);
		}
	}
}

static void check_run(const struct mr_model *model, const struct mr_run *run)
{
	const struct mr_objects *const objects = &run->objects;

	check_definitions(model, run);
	check_census(model, run);
	must(run->parent == MR_INDEX_NONE || run->parent < model->run_count);
	for (size_t i = 0; i < run->snapshot_count; i++) {
		const struct mr_snapshot *const snapshot = &run->snapshots[i];

		must(i == 0 || run->snapshots[i - 1].time_ns <= snapshot->time_ns);
		must(snapshot->class_total_first + snapshot->class_total_count <= run->class_total_count);
		must(snapshot->referent_total_first + snapshot->referent_total_count <=
		     run->referent_total_count);
		must(snapshot->holder_first + snapshot->holder_count <= run->holder_count);
	}
	for (size_t i = 0; i < run->class_total_count; i++)
		must(run->class_totals[i].class_index < run->class_count);
	for (size_t i = 0; i < run->referent_total_count; i++)
		must(run->referent_totals[i].path < run->path_count);
	for (size_t i = 0; i < objects->count; i++) {
		must(objects->class_index[i] < run->class_count && objects->stack[i] < run->stack_count);
		must(objects->size_max_bytes[i] >= objects->size_bytes[i]);
	}
	for (size_t i = 1; i < run->samples.count; i++)
		must(run->samples.time_ns[i - 1] <= run->samples.time_ns[i]);
}

static int see(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	(void)err;
	must(view->row_first <= view->row_end && view->row_end <= view->run->objects.count);
	for (size_t row = view->row_first; row < view->row_end; row++)
		*(uint64_t *)context += view->size_bytes[row] ^ view->class_index[row];
	return 0;
}

static void look_closer(struct mr_model *model)
{
	for (size_t run = 0; run < model->run_count && run < 4; run++) {
		const struct mr_objects *const objects = &model->runs[run].objects;
		struct mr_states *details = NULL;
		uint32_t rows[3];
		uint64_t sum = 0;
		size_t count = 0;

		if (objects->count * (uint64_t)model->runs[run].snapshot_count < 1000000)
			must(mr_model_replay(model, run, 0, MR_INDEX_NONE, see, &sum, NULL) == 0);
		for (size_t row = 0; row < objects->count && count < 3; row += objects->count / 3 + 1)
			rows[count++] = (uint32_t)row;
		must(mr_model_details(model, run, rows, count, &details, NULL) == 0);
		for (size_t i = 0; i < count; i++)
			for (size_t j = 0; j < details[i].count; j++)
				for (size_t k = 0; k < details[i].states[j].referent_count; k++)
					must(details[i].states[j].referents[k].path <
					     model->runs[run].path_count);
		mr_details_free(details);
	}
}

static void check_sites(struct mr_model *model, size_t run_index, uint32_t snapshot)
{
	const struct mr_run *const run = &model->runs[run_index];
	struct mr_heap_sites sites = { 0 };
	struct mr_error err = { 0 };

	must(mr_model_heap_sites(model, run_index, snapshot, &sites, &err) == 0);
	for (size_t i = 0; i < sites.count; i++) {
		must(sites.sites[i].stack < run->stack_count);
		must(i == 0 || sites.sites[i - 1].stack < sites.sites[i].stack);
	}
	mr_heap_sites_release(&sites);
}

/* What is read of a heap recording on demand. */
static void look_at_heap(struct mr_model *model)
{
	struct mr_heap_bucket *buckets = NULL;
	struct mr_allocations *images = NULL;
	size_t count = 0;

	must(mr_model_check_heap(model, NULL) == 0);
	must(mr_model_heap_histogram(model, MR_INDEX_NONE, &buckets, &count, NULL) == 0);
	for (size_t i = 0; i < count; i++) {
		must(buckets[i].run < model->run_count && buckets[i].bucket <= 64);
		must(buckets[i].stack < model->runs[buckets[i].run].stack_count);
		must(buckets[i].image < model->runs[buckets[i].run].heap_image_count);
	}
	mr_free(buckets);
	must(mr_model_allocations(model, 63, NULL, &images, &count, NULL) == 0);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < images[i].count; k++)
			must(images[i].stack[k] < model->runs[images[i].run].stack_count &&
			     images[i].thread[k] < model->runs[images[i].run].thread_count);
	mr_allocations_free(images, count);
	for (size_t i = 0; i < model->run_count && i < 8; i++) {
		const struct mr_run *const run = &model->runs[i];

		for (uint32_t k = 0; k < run->heap_snapshot_count; k++)
			must(run->heap_snapshots[k].image < run->heap_image_count);
		for (uint32_t k = 0; k < run->heap_thread_count; k++)
			must(run->heap_threads[k].thread < run->thread_count);
		for (size_t k = 1; k < run->heap_samples.count; k++)
			must(run->heap_samples.time_ns[k - 1] <= run->heap_samples.time_ns[k]);
		check_sites(model, i, MR_INDEX_NONE);
		for (uint32_t k = 0; k < run->heap_snapshot_count && k < 6; k++)
			check_sites(model, i, k);
	}
}

static int check_log(const uint8_t *data, size_t size)
{
	struct mr_model *model = NULL;
	struct mr_error err = { 0 };

	if (mr_model_open_memory(data, size, "fuzzed", &model, &err) < 0) {
		must(err.message[0] != '\0' && err.code != 0);
		return 0;
	}
	must(mr_model_load(model, MR_LOAD_ALL, &err) == 0);
	for (size_t i = 0; i < model->run_count; i++)
		check_run(model, &model->runs[i]);
	look_closer(model);
	look_at_heap(model);
	for (size_t i = 0; i < model->warning_count; i++)
		must(model->warnings[i][0] != '\0');
	mr_model_close(model);
	return 0;
}

/* A log of frames with the given contents, as a killed program leaves it. */
static void compress_frames(struct mr_buffer *log, const uint8_t *data, size_t size)
{
	const struct mr_log_header header = { .version_major = MR_LOG_VERSION_MAJOR,
		                              .pid = 1,
		                              .start_ticks = 1 };
	ZSTD_CCtx *const zstd = ZSTD_createCCtx();
	uint8_t bytes[MR_LOG_HEADER_SIZE];

	mr_log_header_encode(&header, bytes);
	mr_buffer_append(log, bytes, sizeof(bytes));
	must(zstd != NULL);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
	while (size >= 2) {
		size_t len = mr_get_u16le(data);

		len = len < size - 2 ? len : size - 2;
		const size_t bound = ZSTD_compressBound(len);
		uint8_t *const out = mr_buffer_reserve(log, bound);
		must(out != NULL);
		const size_t made = ZSTD_compress2(zstd, out, bound, data + 2, len);
		must(!ZSTD_isError(made));
		log->len += made;
		data += 2 + len;
		size -= 2 + len;
	}
	ZSTD_freeCCtx(zstd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_buffer log = { 0 };

	if (size == 0 || data[0] != 'B')
		return check_log(data, size);
	compress_frames(&log, data + 1, size - 1);
	check_log(log.data, log.len);
	mr_buffer_release(&log);
	return 0;
}
