/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow, with one sticky failure for a whole sequence of appends, and
 * the one rule by which arrays grow.
 */
#include "base.h"

#define BUFFER_CAPACITY_MIN 256

int mr_grow(void *items, size_t *capacity, size_t wanted, size_t item_size)
{
	if (wanted <= *capacity)
		return 0;

	size_t grown = *capacity < 8 ? 8 : *capacity;
	while (grown < wanted) {
		if (__builtin_mul_overflow(grown, 2, &grown))
			return MR_ERR_LIMIT;
	}

	size_t size_bytes;
	if (__builtin_mul_overflow(grown, item_size, &size_bytes))
		return MR_ERR_LIMIT;

	/* ITEMS is the address of a pointer of any type: moved as bytes. */
	void *memory;
	memcpy(&memory, items, sizeof(memory));
	memory = mr_realloc(memory, size_bytes);
	if (memory == NULL)
		return MR_ERR_NOMEM;
	memcpy(items, &memory, sizeof(memory));
	*capacity = grown;
	return 0;
}

void mr_buffer_release(struct mr_buffer *buffer)
{
	mr_free(buffer->data);
	*buffer = (struct mr_buffer){ 0 };
}

void mr_buffer_clear(struct mr_buffer *buffer)
{
	buffer->len = 0;
	buffer->failed = false;
}

uint8_t *mr_buffer_reserve(struct mr_buffer *buffer, size_t size_bytes)
{
	if (buffer->failed)
		return NULL;

	size_t wanted;
	if (__builtin_add_overflow(buffer->len, size_bytes, &wanted)) {
		buffer->failed = true;
		return NULL;
	}
	if (wanted <= buffer->capacity && buffer->data != NULL)
		return buffer->data + buffer->len;
	if (wanted < BUFFER_CAPACITY_MIN)
		wanted = BUFFER_CAPACITY_MIN;
	if (mr_grow(&buffer->data, &buffer->capacity, wanted, 1) < 0) {
		buffer->failed = true;
		return NULL;
	}
	return buffer->data + buffer->len;
}

void mr_buffer_append(struct mr_buffer *buffer, const void *data, size_t size_bytes)
{
	uint8_t *const end = mr_buffer_reserve(buffer, size_bytes);

	if (end == NULL || size_bytes == 0)
		return;
	memcpy(end, data, size_bytes);
	buffer->len += size_bytes;
}

void mr_buffer_put_u8(struct mr_buffer *buffer, uint8_t value)
{
	mr_buffer_append(buffer, &value, sizeof(value));
}

void mr_buffer_put_u32le(struct mr_buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	mr_put_u32le(bytes, value);
	mr_buffer_append(buffer, bytes, sizeof(bytes));
}

void mr_buffer_put_u64le(struct mr_buffer *buffer, uint64_t value)
{
	uint8_t bytes[8];

	mr_put_u64le(bytes, value);
	mr_buffer_append(buffer, bytes, sizeof(bytes));
}

void mr_buffer_put_uvarint(struct mr_buffer *buffer, uint64_t value)
{
	uint8_t bytes[MR_UVARINT_MAX];

	mr_buffer_append(buffer, bytes, mr_put_uvarint(bytes, value));
}

void mr_buffer_printf(struct mr_buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	const int len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);

	if (len < 0) {
		buffer->failed = true;
		return;
	}

	/* vsnprintf ends its text with a zero byte, which is not counted. */
	uint8_t *const end = mr_buffer_reserve(buffer, (size_t)len + 1);
	if (end == NULL)
		return;
	va_start(arguments, format);
	vsnprintf((char *)end, (size_t)len + 1, format, arguments);
	va_end(arguments);
	buffer->len += (size_t)len;
}

int mr_buffer_status(const struct mr_buffer *buffer, struct mr_error *err)
{
	MR_FAIL_IF(buffer->failed, err, MR_ERR_NOMEM, "out of memory for a buffer of %zu bytes", buffer->len);
	return 0;
}
