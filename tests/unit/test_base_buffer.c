/* SPDX-License-Identifier: MIT
 *
 * Buffers and varints: what goes in comes out, a failure sticks, and bytes that
 * are no number are refused.
 */
#include <criterion/criterion.h>

#include "base.h"

TestSuite(base_buffer);

Test(base_buffer, append__keeps_all_bytes_in_order)
{
	struct mr_buffer buffer = { 0 };

	for (unsigned i = 0; i < 10000; i++)
		mr_buffer_put_u8(&buffer, (uint8_t)i);
	mr_buffer_append(&buffer, NULL, 0);
	cr_assert_eq(mr_buffer_status(&buffer, NULL), 0);
	cr_assert_eq(buffer.len, 10000);
	for (unsigned i = 0; i < 10000; i++)
		cr_assert_eq(buffer.data[i], (uint8_t)i);

	mr_buffer_clear(&buffer);
	mr_buffer_printf(&buffer, "%s-%d", "size", 42);
	mr_buffer_put_u32le(&buffer, 0x04030201);
	mr_buffer_put_u64le(&buffer, 0x0807060504030201);
	cr_expect_eq(buffer.len, 7 + 4 + 8);
	cr_expect_arr_eq(buffer.data, "size-42\1\2\3\4\1\2\3\4\5\6\7\10", buffer.len);
	mr_buffer_release(&buffer);
}

Test(base_buffer, append__of_more_than_there_can_be_fails_and_sticks)
{
	struct mr_buffer buffer = { 0 };
	struct mr_error err = { 0 };

	mr_buffer_put_u8(&buffer, 1);
	cr_expect_null(mr_buffer_reserve(&buffer, SIZE_MAX));
	cr_expect_null(mr_buffer_reserve(&buffer, 1));
	mr_buffer_put_u8(&buffer, 2);
	cr_expect_eq(buffer.len, 1);
	cr_expect_eq(mr_buffer_status(&buffer, &err), MR_ERR_NOMEM);
	cr_expect_neq(err.message[0], '\0');
	mr_buffer_release(&buffer);
}

Test(base_buffer, reserve__uses_memory_that_is_there_already)
{
	uint8_t bytes[8];
	struct mr_buffer buffer = { .data = bytes, .capacity = sizeof(bytes) };

	mr_buffer_put_u64le(&buffer, 7);
	cr_expect_eq(buffer.data, bytes);
	cr_expect_not(buffer.failed);
}

Test(base_buffer, grow__doubles_and_refuses_overflow)
{
	uint32_t *items = NULL;
	size_t capacity = 0;

	cr_assert_eq(mr_grow(&items, &capacity, 9, sizeof(*items)), 0);
	cr_expect_geq(capacity, 9);
	items[8] = 5;
	cr_assert_eq(mr_grow(&items, &capacity, 1000, sizeof(*items)), 0);
	cr_expect_eq(items[8], 5);
	cr_expect_eq(mr_grow(&items, &capacity, SIZE_MAX, sizeof(*items)), MR_ERR_LIMIT);
	cr_expect_eq(mr_grow(&items, &capacity, SIZE_MAX / 2, 16), MR_ERR_LIMIT);
	cr_expect_eq(items[8], 5, "a failure leaves what was there");
	mr_free(items);
}

Test(base_buffer, uvarint__comes_back_at_every_width)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int64_t around = -1; around <= 1; around++) {
			const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around;
			uint8_t bytes[MR_UVARINT_MAX];
			const size_t len = mr_put_uvarint(bytes, value);
			uint64_t decoded = 0;

			cr_assert_eq(mr_get_uvarint(bytes, bytes + len, &decoded), len);
			cr_assert_eq(decoded, value);
			cr_assert_eq(mr_get_uvarint(bytes, bytes + len - 1, &decoded), 0, "cut short");
			cr_assert_eq(mr_unzigzag(mr_zigzag((int64_t)value)), (int64_t)value);
		}
	}
}

Test(base_buffer, uvarint__of_more_than_64_bits_is_refused)
{
	static const uint8_t wide[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
	static const uint8_t endless[] = {
		0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0
	};
	uint64_t value = 77;

	cr_expect_eq(mr_get_uvarint(wide, wide + sizeof(wide), &value), 0);
	cr_expect_eq(mr_get_uvarint(endless, endless + sizeof(endless), &value), 0);
	cr_expect_eq(value, 77, "a failure leaves the value");
}
