/* SPDX-License-Identifier: MIT
 *
 * Runs one fuzz target without a fuzzer: over every file of its corpus, and
 * over a fixed number of changes to each, always the same ones.  So a crash
 * that was found once stays found, with any compiler and in a known time.
 *
 * usage: fuzz_TARGET FOLDER
 */
#include "base.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CHANGES_PER_FILE 200
#define FILE_SIZE_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t random_state = 1;

/* xorshift64: G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* One change to DATA, which has room for one byte more; gives the new size. */
static size_t change(uint8_t *data, size_t size)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };
	const size_t at = size > 0 ? random_next() % size : 0;

	switch (size > 0 ? random_next() % 6 : 5) {
	case 0: /* a bit */
		data[at] ^= (uint8_t)(1U << (random_next() % 8));
		return size;
	case 1: /* a byte at the edge of its range */
		data[at] = edges[random_next() % MR_ARRAY_LEN(edges)];
		return size;
	case 2: /* cut */
		return at;
	case 3: /* take a run of bytes out */
	{
		const size_t len = random_next() % (size - at) + 1;

		memmove(data + at, data + at + len, size - at - len);
		return size - len;
	}
	case 4: /* write a run over another place */
	{
		const size_t from = random_next() % size;
		const size_t rest = size - (from > at ? from : at);

		memmove(data + at, data + from, random_next() % rest + 1);
		return size;
	}
	default: /* put a byte in */
		memmove(data + at + 1, data + at, size - at);
		data[at] = (uint8_t)random_next();
		return size + 1;
	}
}

/* Each input in a block of exactly its size, so that a byte read too many shows. */
static bool run_once(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);

	if (!exact)
		return false;
	if (size > 0)
		memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return true;
}

static bool run_file(const uint8_t *data, size_t size)
{
	uint8_t *changed = malloc(size + 16);
	bool fine = changed && run_once(data, size);

	random_state = size + 1;
	for (unsigned i = 0; fine && i < CHANGES_PER_FILE; i++) {
		size_t changed_size = size;

		memcpy(changed, data, size);
		for (uint64_t left = random_next() % 8 + 1; left > 0; left--)
			changed_size = change(changed, changed_size);
		fine = run_once(changed, changed_size);
	}
	free(changed);
	return fine;
}

static bool run_path(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(FILE_SIZE_MAX);
	bool fine = false;

	if (file && data) {
		const size_t size = fread(data, 1, FILE_SIZE_MAX, file);

		fine = !ferror(file) && run_file(data, size);
	}
	free(data);
	if (file)
		fclose(file);
	return fine;
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	const int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
	int failures = 0;
	int files = 0;

	if (count < 0) {
		printf("not ok corpus: cannot read '%s'\n", argc == 2 ? argv[1] : "");
		return 1;
	}
	for (int i = 0; i < count; i++) {
		struct mr_buffer path = { NULL, 0, 0, false };

		mr_buffer_printf(&path, "%s/%s", argv[1], entries[i]->d_name);
		mr_buffer_put_u8(&path, 0);
		if (entries[i]->d_name[0] != '.' && !path.failed) {
			const bool fine = run_path((const char *)path.data);

			printf("%s %s\n", fine ? "ok" : "not ok", entries[i]->d_name);
			fflush(stdout);
			failures += !fine;
			files++;
		}
		mr_buffer_release(&path);
		free(entries[i]);
	}
	free(entries);
	if (files == 0)
		printf("not ok corpus: '%s' is empty\n", argv[1]);
	return failures > 0 || files == 0;
}
