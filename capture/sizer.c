/* SPDX-License-Identifier: MIT
 *
 * The sizer's face: its life, sizing one object, and the calls by which a walk
 * says what an object refers to (exported by libmemcapture).
 */
#include "sizer.h"
#include "sizer_state.h"

/* Scratch of one object that is kept for the next snapshot. */
#define KEPT_BYTES_MAX ((size_t)256 << 10)

int mr_sizer_new(struct mr_sizer **sizer, const struct mr_path_source *paths, struct mr_error *err)
{
	struct mr_sizer *made = mr_alloc(sizeof(*made));

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "no memory to size objects");
	made->source = *paths;
	if (mr_sizer_paths_init(made) < 0) {
		mr_sizer_free(made);
		return mr_fail(err, MR_ERR_NOMEM, "no memory to size objects");
	}
	*sizer = made;
	return 0;
}

static void release_entries(struct mr_sizer *sizer)
{
	mr_free(sizer->referents);
	mr_free(sizer->nodes);
	mr_free(sizer->ordered);
	mr_free(sizer->links);
	sizer->referents = NULL;
	sizer->nodes = NULL;
	sizer->ordered = NULL;
	sizer->links = NULL;
	sizer->referent_count = 0;
	sizer->referent_capacity = 0;
	sizer->ordered_capacity = 0;
}

static void release_pending(struct mr_sizer *sizer)
{
	mr_free(sizer->pending);
	sizer->pending = NULL;
	sizer->pending_count = 0;
	sizer->pending_capacity = 0;
}

void mr_sizer_free(struct mr_sizer *sizer)
{
	if (!sizer)
		return;
	release_entries(sizer);
	release_pending(sizer);
	mr_sizer_paths_release(sizer);
	mr_visited_release(&sizer->visited);
	mr_free(sizer);
}

static size_t entries_memory(const struct mr_sizer *sizer)
{
	return sizer->referent_capacity * (sizeof(*sizer->referents) + sizeof(*sizer->nodes)) +
	       sizer->ordered_capacity * (sizeof(*sizer->ordered) + 3 * sizeof(*sizer->links));
}

void mr_sizer_clear(struct mr_sizer *sizer)
{
	mr_visited_clear(&sizer->visited);
	if (entries_memory(sizer) > KEPT_BYTES_MAX)
		release_entries(sizer);
	if (sizer->pending_capacity * sizeof(*sizer->pending) > KEPT_BYTES_MAX)
		release_pending(sizer);
}

uint64_t mr_sizer_memory(const struct mr_sizer *sizer)
{
	return sizeof(*sizer) + mr_visited_memory(&sizer->visited) + entries_memory(sizer) +
	       sizer->pending_capacity * sizeof(*sizer->pending) + sizer->paths_bytes;
}

int mr_sizer_mark(struct mr_sizer *sizer, const void *object)
{
	const int added = mr_visited_add(&sizer->visited, object);

	return added < 0 ? added : 0;
}

void mr_sizer_ask(struct mr_sizer *sizer, mr_sizer_is_tracked *is_tracked, void *context)
{
	sizer->is_tracked = is_tracked;
	sizer->is_tracked_context = context;
}

static bool embedded_is_flat(const struct memcapture_layout *layout, unsigned depth)
{
	if (layout->walk)
		return false;
	for (size_t i = 0; i < layout->field_count; i++) {
		const struct memcapture_field *field = &layout->fields[i];

		if (field->kind != MEMCAPTURE_FIELD_EMBEDDED)
			return false;
		if (field->layout && depth < MR_SIZER_EMBEDDED_MAX &&
		    !embedded_is_flat(field->layout, depth + 1))
			return false;
	}
	return true;
}

bool mr_layout_is_flat(const struct memcapture_layout *layout)
{
	return embedded_is_flat(layout, 0);
}

/* ---- One object ------------------------------------------------------------------- */

/* Adds each entry to the one above it, and gives the sum of those at level 1.
 * A path's entry comes after its parent's, so backwards everything is added once. */
static uint64_t sum_up(struct mr_sizer *sizer)
{
	uint64_t total = 0;

	for (size_t i = sizer->referent_count; i-- > 0;) {
		const struct mr_path_node *parent = sizer->nodes[i]->parent;
		const uint64_t size_bytes = sizer->referents[i].size_bytes;

		if (parent->level > 0)
			sizer->referents[parent->index].size_bytes += size_bytes;
		else
			total += size_bytes;
	}
	return total;
}

static int grow_ordered(struct mr_sizer *sizer)
{
	size_t capacity = sizer->ordered_capacity;

	MR_TRY(mr_grow(&sizer->links, &capacity, sizer->referent_count, 3 * sizeof(*sizer->links)));
	capacity = sizer->ordered_capacity;
	MR_TRY(mr_grow(&sizer->ordered, &capacity, sizer->referent_count, sizeof(*sizer->ordered)));
	sizer->ordered_capacity = capacity;
	return 0;
}

/* Copies the entries depth first.  An entry's links are the number + 1 of its
 * first child, of its next sibling and of its parent, 0 for none. */
static int order_entries(struct mr_sizer *sizer)
{
	enum { CHILD, SIBLING, PARENT };
	uint32_t first = 0;
	size_t count = 0;

	MR_TRY(grow_ordered(sizer));

	uint32_t(*links)[3] = (uint32_t(*)[3])(void *)sizer->links;

	memset(links, 0, sizer->referent_count * sizeof(*links));
	for (size_t i = sizer->referent_count; i-- > 0;) {
		const struct mr_path_node *parent = sizer->nodes[i]->parent;
		uint32_t *head = parent->level > 0 ? &links[parent->index][CHILD] : &first;

		links[i][SIBLING] = *head;
		links[i][PARENT] = parent->level > 0 ? parent->index + 1 : 0;
		*head = (uint32_t)i + 1;
	}
	for (uint32_t at = first; at;) {
		sizer->ordered[count++] = sizer->referents[at - 1];
		if (links[at - 1][CHILD]) {
			at = links[at - 1][CHILD];
			continue;
		}
		while (at && !links[at - 1][SIBLING])
			at = links[at - 1][PARENT];
		if (at)
			at = links[at - 1][SIBLING];
	}
	return 0;
}

int mr_sizer_size(struct mr_sizer *sizer, const void *object, const struct memcapture_layout *layout,
                  unsigned level, struct mr_sized *sized)
{
	const uint64_t flat_bytes = mr_layout_measure(layout, object);
	const struct mr_span span = { object, flat_bytes };
	uint64_t below_bytes = 0;

	sizer->status = 0;
	sizer->level = level < MR_LOG_PATH_DEPTH_MAX ? level : MR_LOG_PATH_DEPTH_MAX;
	sizer->serial++;
	sizer->referent_count = 0;
	sizer->unordered = false;
	if (sizer->level == 0) {
		below_bytes = mr_sizer_fold(sizer, layout, object, span);
	} else {
		mr_sizer_resolve(sizer, layout, object, span, sizer->root);
		below_bytes = sum_up(sizer);
	}
	if (sizer->status == 0 && sizer->unordered)
		sizer->status = order_entries(sizer);
	if (sizer->status < 0)
		return sizer->status;
	sized->size_bytes = flat_bytes + below_bytes;
	sized->flat_bytes = flat_bytes;
	sized->referents = sizer->unordered ? sizer->ordered : sizer->referents;
	sized->referent_count = sizer->referent_count;
	return 0;
}

void mr_sizer_prefetch(const struct mr_sizer *sizer, const void *object)
{
	__builtin_prefetch(object);
	__builtin_prefetch((const char *)object + 64);
	mr_visited_prefetch(&sizer->visited, object);
}

/* ---- What a walk calls -------------------------------------------------------------- */

void memcapture_visit(struct memcapture_visitor *visitor, const char *name, const void *pointer,
                      size_t size_bytes)
{
	struct mr_sizer *sizer = visitor->sizer;

	if (!pointer || sizer->status < 0)
		return;
	if (visitor->node)
		mr_sizer_resolve_block(visitor, mr_sizer_named_path(sizer, visitor->node, name), pointer,
		                       size_bytes);
	else
		mr_sizer_fold_block(visitor, pointer, size_bytes);
}

void memcapture_visit_string(struct memcapture_visitor *visitor, const char *name, const char *text)
{
	struct mr_sizer *sizer = visitor->sizer;

	if (!text || sizer->status < 0)
		return;
	if (visitor->node)
		mr_sizer_resolve_string(visitor, mr_sizer_named_path(sizer, visitor->node, name), text);
	else
		mr_sizer_fold_string(visitor, text);
}

void memcapture_visit_object(struct memcapture_visitor *visitor, const char *name, const void *pointer,
                             const struct memcapture_layout *layout)
{
	struct mr_sizer *sizer = visitor->sizer;

	if (!pointer || !layout || sizer->status < 0)
		return;
	if (visitor->node)
		mr_sizer_resolve_object(visitor, mr_sizer_named_path(sizer, visitor->node, name), pointer,
		                        layout);
	else
		mr_sizer_fold_object(visitor, pointer, layout);
}
