/* SPDX-License-Identifier: MIT
 *
 * See memory_failing.h.  A header before each block remembers its size, so that
 * what is held can be added up.
 */
#include "memory_failing.h"

#include "base.h"

#include <stdlib.h>

#define HEADER_BYTES 16

static size_t allowed = SIZE_MAX;
static size_t calls;
static size_t blocks;
static size_t bytes;
static size_t peak;

void memory_fail_after(size_t count)
{
	allowed = count;
	calls = 0;
}

void memory_fail_never(void)
{
	memory_fail_after(SIZE_MAX);
}

size_t memory_calls(void)
{
	return calls;
}

size_t memory_blocks(void)
{
	return blocks;
}

size_t memory_bytes(void)
{
	return bytes;
}

size_t memory_peak(void)
{
	return peak;
}

void memory_peak_reset(void)
{
	peak = bytes;
}

static void account(size_t size_bytes)
{
	bytes += size_bytes;
	if (bytes > peak)
		peak = bytes;
}

static size_t size_of(const uint8_t *block)
{
	size_t size_bytes;

	memcpy(&size_bytes, block, sizeof(size_bytes));
	return size_bytes;
}

void *mr_alloc(size_t size_bytes)
{
	if (calls++ >= allowed)
		return NULL;

	uint8_t *block = calloc(1, HEADER_BYTES + size_bytes);

	if (!block)
		return NULL;
	memcpy(block, &size_bytes, sizeof(size_bytes));
	blocks++;
	account(size_bytes);
	return block + HEADER_BYTES;
}

void *mr_realloc(void *memory, size_t size_bytes)
{
	if (!memory)
		return mr_alloc(size_bytes);
	if (calls++ >= allowed)
		return NULL;

	uint8_t *old = (uint8_t *)memory - HEADER_BYTES;
	const size_t old_size = size_of(old);
	uint8_t *block = realloc(old, HEADER_BYTES + size_bytes);

	if (!block)
		return NULL;
	bytes -= old_size;
	memcpy(block, &size_bytes, sizeof(size_bytes));
	account(size_bytes);
	return block + HEADER_BYTES;
}

void mr_free(void *memory)
{
	if (!memory)
		return;

	uint8_t *block = (uint8_t *)memory - HEADER_BYTES;

	bytes -= size_of(block);
	blocks--;
	free(block);
}
