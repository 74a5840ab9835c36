/* SPDX-License-Identifier: MIT
 *
 * Below the resolution level nothing is told apart: all that is reachable adds
 * to one sum, so the order in which it is followed is free.  Each object's
 * members are read once; what they lead to is counted at once when it leads
 * nowhere itself, and otherwise put on a stack.  Arrays and lists are single
 * items there that step through their elements, so the stack grows with the
 * branching of what is followed, not with the length of arrays, lists and chains.
 */
#include "sizer_state.h"

static void push(struct mr_sizer *sizer, struct mr_pending item)
{
	const int status = mr_grow(&sizer->pending, &sizer->pending_capacity, sizer->pending_count + 1,
	                           sizeof(*sizer->pending));

	if (status < 0)
		sizer->status = status;
	else
		sizer->pending[sizer->pending_count++] = item;
}

/* For the kinds that lie upon their owner; both or none are pushed. */
static void push_owned(struct memcapture_visitor *visitor, enum mr_pending_kind kind, const char *pointer,
                       const struct memcapture_layout *layout, uint64_t count)
{
	struct mr_sizer *sizer = visitor->sizer;
	const struct mr_span span = visitor->span;

	push(sizer, (struct mr_pending){ span.start, NULL, span.size_bytes, MR_PENDING_OWNER });
	if (sizer->status == 0)
		push(sizer, (struct mr_pending){ pointer, layout, count, kind });
}

/* ---- What a member points to --------------------------------------------------- */

void mr_sizer_fold_block(struct memcapture_visitor *visitor, const char *block, uint64_t size_bytes)
{
	if (!block || size_bytes == 0 || mr_span_has(visitor->span, block))
		return;
	if (mr_sizer_claim(visitor->sizer, block))
		visitor->sizer->folded_bytes += size_bytes;
}

void mr_sizer_fold_string(struct memcapture_visitor *visitor, const char *text)
{
	if (!text || mr_span_has(visitor->span, text))
		return;
	if (mr_sizer_claim(visitor->sizer, text))
		visitor->sizer->folded_bytes += strlen(text) + 1;
}

void mr_sizer_fold_object(struct memcapture_visitor *visitor, const char *object,
                          const struct memcapture_layout *layout)
{
	struct mr_sizer *sizer = visitor->sizer;

	if (!object || !layout)
		return;

	const bool owned = mr_span_has(visitor->span, object);

	if (mr_layout_is_leaf(layout)) {
		if (!owned && mr_sizer_claim(sizer, object))
			sizer->folded_bytes += mr_layout_measure(layout, object);
	} else if (mr_sizer_claim(sizer, object)) {
		if (owned)
			push_owned(visitor, MR_PENDING_INNER, object, layout, 0);
		else
			push(sizer, (struct mr_pending){ object, layout, 0, MR_PENDING_OBJECT });
	}
}

static void fold_pointers(struct memcapture_visitor *visitor, const char *block, uint64_t count,
                          const struct memcapture_layout *layout)
{
	const uint64_t bytes = mr_block_bytes_of(count, sizeof(void *));

	if (bytes == 0)
		return;
	if (!mr_span_has(visitor->span, block)) {
		if (!mr_sizer_claim(visitor->sizer, block))
			return;
		visitor->sizer->folded_bytes += bytes;
	}
	push_owned(visitor, MR_PENDING_POINTERS, block, layout, count);
}

static void scan(struct memcapture_visitor *visitor, const struct memcapture_layout *layout,
                 const char *object, unsigned embedded_depth)
{
	struct mr_sizer *sizer = visitor->sizer;

	for (size_t i = 0; i < layout->field_count && sizer->status == 0; i++) {
		const struct memcapture_field *field = &layout->fields[i];
		const char *member = object + field->offset;

		if (field->kind == MEMCAPTURE_FIELD_EMBEDDED) {
			if (field->layout && embedded_depth < MR_SIZER_EMBEDDED_MAX)
				scan(visitor, field->layout, member, embedded_depth + 1);
			continue;
		}

		const char *pointer = mr_read_pointer(member);
		const uint64_t count = mr_field_count(field, object);

		if (!pointer)
			continue;
		if (field->kind == MEMCAPTURE_FIELD_STRING)
			mr_sizer_fold_string(visitor, pointer);
		else if (field->kind == MEMCAPTURE_FIELD_BLOCK)
			mr_sizer_fold_block(visitor, pointer, mr_block_bytes_of(count, field->size));
		else if (field->kind == MEMCAPTURE_FIELD_OBJECT)
			mr_sizer_fold_object(visitor, pointer, field->layout);
		else if (field->kind == MEMCAPTURE_FIELD_POINTERS)
			fold_pointers(visitor, pointer, count, field->layout);
		else if (field->kind == MEMCAPTURE_FIELD_LIST && field->layout)
			push_owned(visitor, MR_PENDING_LIST, pointer, field->layout, field->link_offset);
		else if (field->kind == MEMCAPTURE_FIELD_ARRAY &&
		         mr_sizer_enter_array(sizer, field->layout, pointer, count))
			push_owned(visitor, MR_PENDING_ARRAY, pointer, field->layout, count);
	}
	if (layout->walk && sizer->status == 0)
		layout->walk(object, visitor);
}

/* ---- Following what is pending ---------------------------------------------------- */

/* Counts OBJECT, which has just been claimed, as BYTES large, and reads its members. */
static void expand(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                   uint64_t bytes, struct mr_span owner)
{
	struct memcapture_visitor visitor = { .sizer = sizer };

	visitor.span = mr_span_enter(owner, object, &bytes);
	sizer->folded_bytes += bytes;
	if (!mr_layout_is_leaf(layout))
		scan(&visitor, layout, object, 0);
}

/* Each of these does one element of the item on top of the stack, and says
 * whether that was the last.  The item is changed before the element is
 * expanded, since that may push others and move the stack. */

static bool step_array(struct mr_sizer *sizer, struct mr_pending *item, struct mr_span owner)
{
	const struct memcapture_layout *layout = item->layout;
	const char *element = item->pointer;
	const uint64_t stride = mr_layout_stride(layout, element);

	if (item->count == 0 || stride == 0)
		return true;
	item->count--;
	item->pointer += stride;
	if (mr_sizer_claim(sizer, element))
		expand(sizer, layout, element, stride, owner);
	return false;
}

static bool step_pointers(struct mr_sizer *sizer, struct mr_pending *item, struct mr_span owner)
{
	const struct memcapture_layout *layout = item->layout;

	if (item->count == 0)
		return true;

	const char *element = mr_read_pointer(item->pointer);

	item->count--;
	item->pointer += sizeof(void *);
	if (!element)
		return false;
	if (layout) {
		if (mr_sizer_claim(sizer, element))
			expand(sizer, layout, element, mr_layout_measure(layout, element), owner);
	} else {
		struct memcapture_visitor visitor = { .sizer = sizer, .span = owner };

		mr_sizer_fold_string(&visitor, element);
	}
	return false;
}

static bool step_list(struct mr_sizer *sizer, struct mr_pending *item, struct mr_span owner)
{
	const struct memcapture_layout *layout = item->layout;
	const char *node = item->pointer;

	if (!node)
		return true;

	const bool claimed = mr_sizer_claim(sizer, node);

	item->pointer = mr_sizer_next_node(sizer, node, claimed, item->count);
	if (claimed)
		expand(sizer, layout, node, mr_layout_measure(layout, node), owner);
	return false;
}

static void step(struct mr_sizer *sizer)
{
	struct mr_pending *item = &sizer->pending[sizer->pending_count - 1];
	const struct mr_pending copy = *item;
	struct mr_span owner = { NULL, 0 };
	bool done = false;

	if (copy.kind == MR_PENDING_OBJECT) {
		sizer->pending_count--;
		expand(sizer, copy.layout, copy.pointer, mr_layout_measure(copy.layout, copy.pointer), owner);
		return;
	}
	owner.start = item[-1].pointer;
	owner.size_bytes = item[-1].count;
	if (copy.kind == MR_PENDING_INNER) {
		sizer->pending_count -= 2;
		expand(sizer, copy.layout, copy.pointer, 0, owner);
		return;
	}
	if (copy.kind == MR_PENDING_ARRAY)
		done = step_array(sizer, item, owner);
	else if (copy.kind == MR_PENDING_POINTERS)
		done = step_pointers(sizer, item, owner);
	else
		done = step_list(sizer, item, owner);
	if (done)
		sizer->pending_count -= 2;
}

uint64_t mr_sizer_fold(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                       struct mr_span span)
{
	struct memcapture_visitor visitor = { .sizer = sizer, .span = span };

	sizer->folded_bytes = 0;
	scan(&visitor, layout, object, 0);
	while (sizer->pending_count > 0 && sizer->status == 0)
		step(sizer);
	sizer->pending_count = 0;
	return sizer->folded_bytes;
}
