/* SPDX-License-Identifier: MIT
 *
 * Numbers as bytes: little-endian whatever the machine, and LEB128 varints.
 * The fixed widths compile to single loads and stores where the machine is
 * little-endian itself.
 */
#include "base.h"

void mr_put_u16le(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)value;
	out[1] = (uint8_t)(value >> 8);
}

void mr_put_u32le(uint8_t *out, uint32_t value)
{
	mr_put_u16le(out, (uint16_t)value);
	mr_put_u16le(out + 2, (uint16_t)(value >> 16));
}

void mr_put_u64le(uint8_t *out, uint64_t value)
{
	mr_put_u32le(out, (uint32_t)value);
	mr_put_u32le(out + 4, (uint32_t)(value >> 32));
}

uint16_t mr_get_u16le(const uint8_t *in)
{
	return (uint16_t)(in[0] | (uint16_t)(in[1] << 8));
}

uint32_t mr_get_u32le(const uint8_t *in)
{
	return mr_get_u16le(in) | (uint32_t)mr_get_u16le(in + 2) << 16;
}

uint64_t mr_get_u64le(const uint8_t *in)
{
	return mr_get_u32le(in) | (uint64_t)mr_get_u32le(in + 4) << 32;
}

size_t mr_put_uvarint(uint8_t *out, uint64_t value)
{
	size_t len = 0;

	while (value >= 0x80) {
		out[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[len++] = (uint8_t)value;
	return len;
}

size_t mr_get_uvarint(const uint8_t *in, const uint8_t *end, uint64_t *value)
{
	uint64_t result = 0;

	for (size_t len = 0; len < MR_UVARINT_MAX && in + len < end; len++) {
		const uint64_t byte = in[len];

		/* The tenth byte has room for the 64th bit alone. */
		if (len == MR_UVARINT_MAX - 1 && byte > 1)
			return 0;
		result |= (byte & 0x7f) << (7 * len);
		if (byte < 0x80) {
			*value = result;
			return len + 1;
		}
	}
	return 0;
}
