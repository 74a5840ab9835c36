/* SPDX-License-Identifier: MIT
 *
 * Looking at what a pickle holds: numbers, texts, fields of objects, and the
 * items of containers, wherever in the arena they are.
 */
#include "import_pickle_private.h"

#include <endian.h>
#include <math.h>

static int64_t integer(mr_value value)
{
	return (int64_t)value >> 4;
}

static double real(const struct mr_pickle *pickle, mr_value value)
{
	uint64_t bits;
	double number;

	memcpy(&bits, pickle->data + mr_value_payload(value), sizeof(bits));
	bits = be64toh(bits);
	memcpy(&number, &bits, sizeof(number));
	return number;
}

bool mr_value_double(const struct mr_pickle *pickle, mr_value value, double *number)
{
	double found = 0;

	switch (mr_value_tag(value)) {
	case MR_TAG_FLOAT:
		found = real(pickle, value);
		break;
	case MR_TAG_INT:
	case MR_TAG_BOOL:
		found = (double)integer(value);
		break;
	default:
		return false;
	}
	if (!isfinite(found))
		return false;
	*number = found;
	return true;
}

uint64_t mr_value_unsigned(const struct mr_pickle *pickle, mr_value value)
{
	const enum mr_tag tag = mr_value_tag(value);
	double number = 0;

	if (tag == MR_TAG_INT || tag == MR_TAG_BOOL)
		return integer(value) > 0 ? (uint64_t)integer(value) : 0;
	if (tag != MR_TAG_FLOAT || !mr_value_double(pickle, value, &number) || number < 1)
		return 0;
	return number < 0x1p59 ? (uint64_t)number : UINT64_C(1) << 59;
}

const uint8_t *mr_value_text(const struct mr_pickle *pickle, mr_value value, size_t *len)
{
	const uint64_t payload = mr_value_payload(value);

	*len = 0;
	if (mr_value_tag(value) != MR_TAG_TEXT)
		return pickle->data;
	*len = (size_t)(payload & TEXT_LEN_MAX);
	return pickle->data + (payload >> TEXT_LEN_BITS);
}

bool mr_value_is_a(const struct mr_pickle *pickle, mr_value value, enum mr_pickle_class class)
{
	return mr_value_tag(value) == MR_TAG_OBJECT &&
	       pickle->words[mr_value_payload(value) + OBJECT_CLASS] == class;
}

/* A field of a dict that was filled in several goes, or is of no shape. */
static mr_value search(const struct mr_pickle *pickle, mr_value dict, enum mr_pickle_field field)
{
	static const char *const names[] = {
#define FIELD_NAME(name, text) text,
		MR_PICKLE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
	};
	mr_value key = VALUE_NONE, value = VALUE_NONE, found = VALUE_NONE;
	struct mr_items items;

	/* What was put in after it became the attributes of an object may be too much. */
	mr_items_begin(&items, pickle, dict);
	for (unsigned i = 0; i < ATTRIBUTES_MAX && mr_items_next(&items, &key, &value); i++) {
		size_t len = 0;
		const uint8_t *const text = mr_value_text(pickle, key, &len);

		if (len == strlen(names[field]) && memcmp(text, names[field], len) == 0)
			found = value;
	}
	return found;
}

void mr_fields_open(struct mr_fields *fields, const struct mr_pickle *pickle, mr_value object)
{
	*fields = (struct mr_fields){ .pickle = pickle, .object = object };
	if (mr_value_tag(object) != MR_TAG_OBJECT)
		return;
	const mr_value dict = pickle->words[mr_value_payload(object) + OBJECT_STATE];
	if (mr_value_tag(dict) != MR_TAG_DICT)
		return;
	const uint64_t *const header = &pickle->words[mr_value_payload(dict)];
	if (header[HEADER_FIRST] == 0 || header[HEADER_FIRST] != header[HEADER_LAST])
		return;
	const uint64_t *const chunk = &pickle->words[header[HEADER_FIRST]];
	if (chunk[CHUNK_COUNT] >> 32 == 0)
		return;
	fields->places = pickle->shapes[chunk[CHUNK_COUNT] >> 32].places;
	fields->values = chunk + CHUNK_WORDS;
}

mr_value mr_value_field(const struct mr_pickle *pickle, mr_value object, enum mr_pickle_field field)
{
	struct mr_fields fields;

	mr_fields_open(&fields, pickle, object);
	if (fields.places != NULL)
		return mr_fields_get(&fields, field);
	if (mr_value_tag(object) != MR_TAG_OBJECT)
		return VALUE_NONE;
	const mr_value dict = pickle->words[mr_value_payload(object) + OBJECT_STATE];
	return mr_value_tag(dict) == MR_TAG_DICT ? search(pickle, dict, field) : VALUE_NONE;
}

/* ---- Items ----------------------------------------------------------------------- */

static void next_chunk(struct mr_items *items)
{
	const uint64_t *const chunk = &items->pickle->words[items->next];
	const uint64_t shape = chunk[CHUNK_COUNT] >> 32;

	items->left = (size_t)(chunk[CHUNK_COUNT] & UINT32_MAX);
	items->keys = shape != 0 ? items->pickle->shapes[shape].keys : NULL;
	items->items = chunk + CHUNK_WORDS;
	items->next = chunk[CHUNK_NEXT];
}

void mr_items_begin(struct mr_items *items, const struct mr_pickle *pickle, mr_value container)
{
	const uint64_t place = mr_value_payload(container); /* of other values it is none */

	*items = (struct mr_items){ .pickle = pickle };
	switch (mr_value_tag(container)) {
	case MR_TAG_PAIR:
		items->items = &pickle->words[place];
		items->left = 2;
		break;
	case MR_TAG_TUPLE:
		items->items = &pickle->words[place + 1];
		items->left = (size_t)pickle->words[place];
		break;
	case MR_TAG_LIST:
	case MR_TAG_DICT:
		items->pairs = mr_value_tag(container) == MR_TAG_DICT;
		items->next = pickle->words[place + HEADER_FIRST];
		break;
	default:
		break;
	}
}

bool mr_items_next(struct mr_items *items, mr_value *key, mr_value *value)
{
	if (items->left == 0 && items->next != 0)
		next_chunk(items);
	if (items->left == 0)
		return false;
	items->left--;
	if (items->pairs && items->keys == NULL) {
		*key = items->items[0];
		*value = items->items[1];
		items->items += 2;
		return true;
	}
	if (items->pairs)
		*key = *items->keys++;
	*value = *items->items++;
	return true;
}

size_t mr_items_count(const struct mr_pickle *pickle, mr_value container)
{
	switch (mr_value_tag(container)) {
	case MR_TAG_PAIR:
		return 2;
	case MR_TAG_TUPLE:
	case MR_TAG_LIST:
	case MR_TAG_DICT:
		return (size_t)pickle->words[mr_value_payload(container)];
	default:
		return 0;
	}
}
