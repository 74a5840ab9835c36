/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4) in base64, for the page's content security policy: only
 * the style and the script whose hashes it names are used, so that nothing that
 * found its way into the page could run.
 */
#include "html_write.h"

struct sha256 {
	uint32_t state[8];
	uint8_t block[64];
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value >> bits | value << (32 - bits);
}

/* Section 6.2.2. */
static void add_block(struct sha256 *sha, const uint8_t block[64])
{
	uint32_t schedule[64], v[8];
	for (size_t t = 0; t < 16; t++)
		schedule[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
		              (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (size_t t = 16; t < 64; t++) {
		const uint32_t a = schedule[t - 15], b = schedule[t - 2];
		schedule[t] = (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + schedule[t - 7] +
		              (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + schedule[t - 16];
	}
	memcpy(v, sha->state, sizeof(v));
	for (size_t t = 0; t < 64; t++) {
		const uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
		                     ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[t] + schedule[t];
		const uint32_t two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
		                     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += one;
		v[0] = one + two;
	}
	for (size_t i = 0; i < 8; i++)
		sha->state[i] += v[i];
}

/* LEN is below 2^32 here: assets are parts of a page. */
static void digest(uint8_t out[32], const uint8_t *data, size_t len)
{
	struct sha256 sha = { .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
		                         0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
	const uint64_t bits = (uint64_t)len * 8;
	for (; len >= 64; data += 64, len -= 64)
		add_block(&sha, data);
	if (len > 0)
		memcpy(sha.block, data, len);
	sha.block[len] = 0x80;
	if (len >= 56) {
		add_block(&sha, sha.block);
		memset(sha.block, 0, sizeof(sha.block));
	}
	for (unsigned i = 0; i < 8; i++)
		sha.block[63 - i] = (uint8_t)(bits >> (8 * i));
	add_block(&sha, sha.block);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(sha.state[i / 4] >> (24 - 8 * (i % 4)));
}

void mr_html_hash(char out[48], const void *data, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t sum[33] = { 0 };
	digest(sum, data, len);
	char *end = out;
	for (size_t i = 0; i < 33; i += 3) {
		const uint32_t bits =
			(uint32_t)sum[i] << 16 | (uint32_t)sum[i + 1] << 8 | (i + 2 < 32 ? sum[i + 2] : 0);
		for (int shift = 18; shift >= 0; shift -= 6)
			*end++ = letters[bits >> shift & 63];
	}
	end[-1] = '='; /* 32 bytes leave the last of 44 letters without bits */
	*end = '\0';
}
