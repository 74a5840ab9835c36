/* SPDX-License-Identifier: MIT
 *
 * Unwind tables: whatever they hold, no byte outside of them is read, and what
 * comes of them is a rule of a kind that there is, the same each time.
 *
 * The input: 4 bytes, where the place is, from the byte after them; then a
 * module's .eh_frame_hdr and .eh_frame as they lie in memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unwind_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CODE_LEN 16 /* bytes at the end that are only code */

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "fuzz_unwind: %s\n", what);
		abort();
	}
}

static void check_place(const struct mr_unwind_tables *tables, uintptr_t place)
{
	const uint64_t rule = mr_unwind_rule(tables, place);
	int64_t offset = 0;
	bool saved = false;

	require(rule == mr_unwind_rule(tables, place), "another rule the second time");
	require((rule & MR_UNWIND_GUESS) == 0, "a guess out of tables");
	if (MR_UNWIND_BASE(rule) == MR_UNWIND_NONE)
		require(rule == 0, "something of nothing");
	for (unsigned reg = 0; reg < 17; reg++)
		saved = mr_unwind_saved(tables, place, reg, &offset) || saved;
	require(rule != 0 || !saved || offset == 0 || place != 0, "a register without a row");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int32_t place = 0;

	if (size <= sizeof(place) + CODE_LEN)
		return 0;
	memcpy(&place, data, sizeof(place));
	const size_t len = size - sizeof(place);
	/* Of just that size, so that a byte too far is found out. */
	uint8_t *const memory = malloc(len);
	if (memory == NULL)
		return 0;
	memcpy(memory, data + sizeof(place), len);

	struct mr_unwind_tables tables = {
		.header = memory,
		.header_end = memory + len,
		.frames_begin = memory,
		.frames_end = memory + len,
	};
	tables.frames = mr_unwind_tables_frames(&tables);
	/* Code is read only where the tables say that a signal's frame is; it must be there then. */
	if (tables.frames != NULL) {
		check_place(&tables, (uintptr_t)memory + (uint32_t)place % (len - CODE_LEN));
		for (size_t i = 0; i + CODE_LEN < len && i < 64; i++)
			check_place(&tables, (uintptr_t)memory + i * (len - CODE_LEN) / 64);
	}
	free(memory);
	return 0;
}
