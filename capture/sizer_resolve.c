/* SPDX-License-Identifier: MIT
 *
 * The levels whose referents are told apart.  What a member leads to is counted
 * at the member's path:
 *
 *   string, block, object   its bytes are the entry's flat size
 *   pointers                the block of pointers is the flat size; the things
 *                           that they point to are at "[]", one level below
 *   array                   the block is the flat size; an element lies in it,
 *                           so "[]" has no flat size, and counts those elements
 *                           that led to something
 *   list                    no flat size; its nodes are at "[]"
 *   embedded struct         no flat size; counts when it led to something
 *
 * An entry's size is its flat size and all that was counted below it; so an
 * object's size is its flat size and the sizes of its referents at level 1, and
 * the same holds at every path.  Below the last level sizer_fold.c takes over,
 * and what it counts goes to the entry where it began.
 *
 * The recursion is as deep as there are levels, MR_LOG_PATH_DEPTH_MAX at most.
 */
#include "sizer_state.h"

/* Adds to the entry at PATH; SIZE without FLAT is for what has no entry of its own. */
static void add(struct mr_sizer *sizer, struct mr_path_node *path, uint64_t count, uint64_t size_bytes,
                uint64_t flat_bytes)
{
	struct mr_referent *entry = path ? mr_sizer_entry(sizer, path) : NULL;

	if (entry) {
		entry->count += count;
		entry->size_bytes += size_bytes;
		entry->flat_bytes += flat_bytes;
	}
}

/* Where the elements of what PATH leads to are counted, or NULL below the level. */
static struct mr_path_node *elements_of(struct mr_sizer *sizer, struct mr_path_node *path)
{
	return path && path->level < sizer->level ? mr_sizer_elements_path(sizer, path) : NULL;
}

/* Counts what OBJECT leads to below PATH. */
static void follow(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                   struct mr_span span, struct mr_path_node *path)
{
	if (mr_layout_is_leaf(layout) || !path || sizer->status < 0)
		return;
	if (path->level < sizer->level) {
		mr_sizer_resolve(sizer, layout, object, span, path);
		return;
	}

	const uint64_t bytes = mr_sizer_fold(sizer, layout, object, span);

	if (bytes > 0)
		add(sizer, path, 0, bytes, 0);
}

/* The same for an OBJECT that lies in memory counted elsewhere: it counts when it led to something. */
static void follow_part(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                        struct mr_span span, struct mr_path_node *path)
{
	const uint64_t before = sizer->counted;

	follow(sizer, layout, object, span, path);
	if (sizer->counted != before)
		add(sizer, path, 1, 0, 0);
}

/* ---- What a member points to ------------------------------------------------------ */

void mr_sizer_resolve_block(struct memcapture_visitor *visitor, struct mr_path_node *path, const char *block,
                            uint64_t size_bytes)
{
	if (!block || size_bytes == 0 || mr_span_has(visitor->span, block))
		return;
	if (mr_sizer_claim(visitor->sizer, block))
		add(visitor->sizer, path, 1, size_bytes, size_bytes);
}

void mr_sizer_resolve_string(struct memcapture_visitor *visitor, struct mr_path_node *path, const char *text)
{
	if (!text || mr_span_has(visitor->span, text))
		return;
	if (mr_sizer_claim(visitor->sizer, text)) {
		const uint64_t bytes = strlen(text) + 1;

		add(visitor->sizer, path, 1, bytes, bytes);
	}
}

void mr_sizer_resolve_object(struct memcapture_visitor *visitor, struct mr_path_node *path,
                             const char *object, const struct memcapture_layout *layout)
{
	struct mr_sizer *sizer = visitor->sizer;

	if (!object || !layout)
		return;
	if (mr_layout_is_leaf(layout) && mr_span_has(visitor->span, object))
		return;
	if (!mr_sizer_claim(sizer, object))
		return;

	uint64_t bytes = mr_layout_measure(layout, object);
	const struct mr_span span = mr_span_enter(visitor->span, object, &bytes);

	add(sizer, path, 1, bytes, bytes);
	follow(sizer, layout, object, span, path);
}

static void resolve_array(struct memcapture_visitor *visitor, const struct memcapture_field *field,
                          struct mr_path_node *path, const char *array, uint64_t count)
{
	struct mr_sizer *sizer = visitor->sizer;
	const struct memcapture_layout *layout = field->layout;

	if (!mr_sizer_enter_array(sizer, layout, array, count))
		return;

	const bool leaf = mr_layout_is_leaf(layout);
	struct mr_path_node *elements = leaf ? NULL : elements_of(sizer, path);
	const char *element = array;
	uint64_t flat_bytes = 0;
	uint64_t claimed = 0;

	while (count-- > 0 && sizer->status == 0) {
		const uint64_t stride = mr_layout_stride(layout, element);
		uint64_t bytes = stride;

		if (stride == 0)
			break;
		if (mr_sizer_claim(sizer, element)) {
			const struct mr_span span = mr_span_enter(visitor->span, element, &bytes);

			claimed++;
			flat_bytes += bytes;
			if (elements)
				follow_part(sizer, layout, element, span, elements);
			else if (!leaf)
				follow(sizer, layout, element, span, path);
		}
		element += stride;
	}
	if (claimed > 0)
		add(sizer, path, 1, flat_bytes, flat_bytes);
}

/* One thing of several that PATH leads to, just claimed: counted at ELEMENTS, or at PATH without. */
static void resolve_element(struct memcapture_visitor *visitor, const struct memcapture_layout *layout,
                            struct mr_path_node *path, struct mr_path_node *elements, const char *element)
{
	uint64_t bytes = mr_layout_measure(layout, element);
	const struct mr_span span = mr_span_enter(visitor->span, element, &bytes);

	if (elements)
		add(visitor->sizer, elements, 1, bytes, bytes);
	else
		add(visitor->sizer, path, 0, bytes, 0);
	follow(visitor->sizer, layout, element, span, elements ? elements : path);
}

static void resolve_pointers(struct memcapture_visitor *visitor, const struct memcapture_field *field,
                             struct mr_path_node *path, const char *block, uint64_t count)
{
	struct mr_sizer *sizer = visitor->sizer;
	const uint64_t bytes = mr_block_bytes_of(count, sizeof(void *));

	if (bytes == 0)
		return;
	if (!mr_span_has(visitor->span, block)) {
		if (!mr_sizer_claim(sizer, block))
			return;
		add(sizer, path, 1, bytes, bytes);
	}

	struct mr_path_node *elements = elements_of(sizer, path);

	for (uint64_t i = 0; i < count && sizer->status == 0; i++) {
		const char *element = mr_read_pointer(block + i * sizeof(void *));

		if (!element)
			continue;
		if (field->layout) {
			if (mr_sizer_claim(sizer, element))
				resolve_element(visitor, field->layout, path, elements, element);
		} else if (elements) {
			mr_sizer_resolve_string(visitor, elements, element);
		} else if (!mr_span_has(visitor->span, element) && mr_sizer_claim(sizer, element)) {
			add(sizer, path, 0, strlen(element) + 1, 0);
		}
	}
}

static void resolve_list(struct memcapture_visitor *visitor, const struct memcapture_field *field,
                         struct mr_path_node *path, const char *node)
{
	struct mr_sizer *sizer = visitor->sizer;
	struct mr_path_node *elements = elements_of(sizer, path);
	bool counted = false;

	while (node && field->layout && sizer->status == 0) {
		const bool claimed = mr_sizer_claim(sizer, node);

		if (claimed) {
			if (!counted)
				add(sizer, path, 1, 0, 0);
			counted = true;
			resolve_element(visitor, field->layout, path, elements, node);
		}
		node = mr_sizer_next_node(sizer, node, claimed, field->link_offset);
	}
}

void mr_sizer_resolve(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                      struct mr_span span, struct mr_path_node *node)
{
	struct memcapture_visitor visitor = { .sizer = sizer, .span = span, .node = node };
	struct mr_path_binding *binding = mr_sizer_binding(sizer, node, layout);

	for (size_t i = 0; binding && i < layout->field_count && sizer->status == 0; i++) {
		const struct memcapture_field *field = &layout->fields[i];
		const char *member = object + field->offset;
		const bool embedded = field->kind == MEMCAPTURE_FIELD_EMBEDDED;
		const char *pointer = embedded ? member : mr_read_pointer(member);

		if (!embedded && !pointer)
			continue;

		struct mr_path_node *path = mr_sizer_field_path(sizer, binding, i);
		const uint64_t count = mr_field_count(field, object);

		switch (field->kind) {
		case MEMCAPTURE_FIELD_STRING:
			mr_sizer_resolve_string(&visitor, path, pointer);
			break;
		case MEMCAPTURE_FIELD_BLOCK:
			mr_sizer_resolve_block(&visitor, path, pointer,
			                       mr_block_bytes_of(count, field->size));
			break;
		case MEMCAPTURE_FIELD_OBJECT:
			mr_sizer_resolve_object(&visitor, path, pointer, field->layout);
			break;
		case MEMCAPTURE_FIELD_ARRAY:
			resolve_array(&visitor, field, path, pointer, count);
			break;
		case MEMCAPTURE_FIELD_POINTERS:
			resolve_pointers(&visitor, field, path, pointer, count);
			break;
		case MEMCAPTURE_FIELD_LIST:
			resolve_list(&visitor, field, path, pointer);
			break;
		case MEMCAPTURE_FIELD_EMBEDDED:
			if (field->layout)
				follow_part(sizer, field->layout, member, span, path);
			break;
		}
	}
	if (layout->walk && sizer->status == 0)
		layout->walk(object, &visitor);
}
