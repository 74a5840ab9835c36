/* SPDX-License-Identifier: MIT
 *
 * Memory from the C library.
 */
#include "base.h"

#include <criterion/criterion.h>

Test(base_memory, alloc__gives_zeros)
{
	const size_t size = 100000;
	uint8_t *memory = mr_alloc(size);

	cr_assert_not_null(memory);
	for (size_t i = 0; i < size; i++)
		cr_assert_eq(memory[i], 0);
	mr_free(memory);
}

Test(base_memory, alloc__of_nothing_is_no_failure)
{
	void *memory = mr_alloc(0);

	cr_assert_not_null(memory);
	memory = mr_realloc(memory, 0);
	cr_assert_not_null(memory);
	mr_free(memory);
	mr_free(NULL);
}

Test(base_memory, realloc__keeps_what_was_there)
{
	char *memory = mr_realloc(NULL, 4);

	cr_assert_not_null(memory);
	memcpy(memory, "abc", 4);
	memory = mr_realloc(memory, 1 << 20);
	cr_assert_not_null(memory);
	cr_expect_str_eq(memory, "abc");
	mr_free(memory);
}
