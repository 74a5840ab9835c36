/* SPDX-License-Identifier: MIT
 *
 * See object_tracker.h: the names of types, as type's own repr() makes them, but
 * without asking a metaclass.  A type that is being torn down may have lost its
 * dict; its name is then what is left.
 */
#include "object_tracker.h"

#include "census_private.h"

#define CAPACITY_FIRST 512u

static void append_character(struct mr_buffer *out, Py_UCS4 c)
{
	if (c < 0x80) {
		mr_buffer_put_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		mr_buffer_put_u8(out, (uint8_t)(0xC0 | c >> 6));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
	} else if (c >= 0xD800 && c < 0xE000) {
		mr_buffer_put_u8(out, '?'); /* half a character */
	} else if (c < 0x10000) {
		mr_buffer_put_u8(out, (uint8_t)(0xE0 | c >> 12));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
	} else {
		mr_buffer_put_u8(out, (uint8_t)(0xF0 | c >> 18));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3F)));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
	}
}

/* Not by PyUnicode_AsUTF8(), which leaves a copy in the str. */
static void append_text(struct mr_buffer *out, PyObject *text)
{
	const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
	const int kind = PyUnicode_KIND(text);
	const void *const data = PyUnicode_DATA(text);

	for (Py_ssize_t i = 0; i < length; i++)
		append_character(out, PyUnicode_READ(kind, data, i));
}

static void write_name(struct mr_buffer *out, PyTypeObject *type)
{
	mr_buffer_clear(out);
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		PyObject *const module = mr_census_type_value(type, "__module__");
		PyObject *const name = ((const PyHeapTypeObject *)type)->ht_qualname;

		if (module && PyUnicode_Check(module) &&
		    PyUnicode_CompareWithASCIIString(module, "builtins") != 0) {
			append_text(out, module);
			mr_buffer_put_u8(out, '.');
		}
		if (name && PyUnicode_Check(name)) {
			append_text(out, name);
			return;
		}
	}
	const char *const name = type->tp_name ? type->tp_name : "?";

	mr_buffer_append(out, name, strlen(name));
}

static uint32_t hash_of(const uint8_t *text, size_t len)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ text[i]) * UINT64_C(0x100000001B3);
	hash *= UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(hash ^ (hash >> 32));
}

static int grow_by_text(struct mr_type_names *names)
{
	const size_t capacity = names->by_text_capacity ? 2 * names->by_text_capacity : CAPACITY_FIRST;
	uint32_t *const table = mr_alloc(capacity * sizeof(*table));

	if (!table)
		return -1;
	for (size_t i = 0; i < names->count; i++) {
		size_t at = names->names[i].hash & (capacity - 1);

		while (table[at])
			at = (at + 1) & (capacity - 1);
		table[at] = (uint32_t)i + 1;
	}
	mr_free(names->by_text);
	names->by_text = table;
	names->by_text_capacity = capacity;
	return 0;
}

/* The number of the name in `scratch`. */
static uint32_t number_of_name(struct mr_type_names *names)
{
	const struct mr_buffer *const text = &names->scratch;

	if (text->failed || text->len >= UINT32_MAX)
		return UINT32_MAX;
	if (names->count * 2 >= names->by_text_capacity && grow_by_text(names) < 0)
		return UINT32_MAX;

	const uint32_t hash = hash_of(text->data, text->len);
	size_t at = hash & (names->by_text_capacity - 1);

	for (; names->by_text[at]; at = (at + 1) & (names->by_text_capacity - 1)) {
		const struct mr_type_name *const name = &names->names[names->by_text[at] - 1];

		if (name->hash == hash && name->len == text->len &&
		    memcmp(name->text, text->data, text->len) == 0)
			return names->by_text[at] - 1;
	}
	if (mr_grow(&names->names, &names->names_capacity, names->count + 1, sizeof(*names->names)) < 0)
		return UINT32_MAX;

	char *const copy = mr_alloc(text->len + 1);

	if (!copy)
		return UINT32_MAX;
	memcpy(copy, text->data, text->len);
	names->names[names->count] =
		(struct mr_type_name){ .text = copy, .len = (uint32_t)text->len, .hash = hash };
	names->by_text[at] = (uint32_t)++names->count;
	return (uint32_t)names->count - 1;
}

uint32_t mr_type_names_of(struct mr_type_names *names, PyTypeObject *type)
{
	write_name(&names->scratch, type);
	return number_of_name(names);
}

PyObject *mr_type_name_str(const struct mr_type_name *name)
{
	return PyUnicode_DecodeUTF8(name->text, name->len, "replace");
}

void mr_type_names_release(struct mr_type_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		mr_free(names->names[i].text);
	mr_free(names->names);
	mr_free(names->by_text);
	mr_buffer_release(&names->scratch);
	*names = (struct mr_type_names){ 0 };
}
