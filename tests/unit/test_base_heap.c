/* SPDX-License-Identifier: MIT
 *
 * The heap of a command: memory works as it did before.
 */
#include "base.h"

#include <criterion/criterion.h>
#include <sys/resource.h>

/* Blocks small and large, that grow and go, keep what was put into them. */
static void use_memory(void)
{
	unsigned char *blocks[24] = { NULL };

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < MR_ARRAY_LEN(blocks); i++) {
			const size_t size = (size_t)1 << i;
			blocks[i] = mr_alloc(size);
			cr_assert_not_null(blocks[i]);
			cr_assert_eq(blocks[i][size - 1], 0,
			             "memory is zeroed, also where it was used before");
			blocks[i][size - 1] = (unsigned char)(i + 1);
			blocks[i] = mr_realloc(blocks[i], size * 2);
			cr_assert_not_null(blocks[i]);
			cr_assert_eq(blocks[i][size - 1], i + 1);
		}
		for (size_t i = 0; i < MR_ARRAY_LEN(blocks); i++)
			mr_free(blocks[i]);
	}
}

Test(base_heap, prepared__memory_works_as_before)
{
	mr_heap_prepare();
	use_memory();
}

Test(base_heap, twice__does_no_harm)
{
	mr_heap_prepare();
	mr_heap_prepare();
	use_memory();
}

Test(base_heap, little_address_space__leaves_the_heap_as_it_is)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	cr_skip_test("sanitizers need address space of their own");
#else
	const struct rlimit limit = { 200u << 20, 200u << 20 };
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	mr_heap_prepare();
	use_memory();
#endif
}
