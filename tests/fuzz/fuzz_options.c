/* SPDX-License-Identifier: MIT
 *
 * The option parser and the parsers of option values: whatever the words are,
 * it ends, it never reads beyond them, what it refuses has a message, and a
 * size or time that was parsed comes back the same when it is parsed again.
 *
 * The input is a command line: words, each ended by a zero byte.
 */
#include "base.h"

#include <inttypes.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 64

static const struct mr_option options[] = {
	{ "sort", 's', "COL", "a", 1 }, { "limit", 'n', "N", "b", 2 },  { "limits", 0, NULL, "c", 3 },
	{ "quiet", 'q', NULL, "d", 4 }, { "bytes", 0, "SIZE", "e", 5 }, { "interval", 'i', "TIME", "f", 6 },
};

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "fuzz_options: %s\n", what);
		abort();
	}
}

static void check_values(const char *value)
{
	char text[64];
	uint64_t number = 0;
	uint64_t again = 0;
	double real = 0;

	if (mr_parse_u64(value, &number) == 0) {
		snprintf(text, sizeof(text), "%" PRIu64, number);
		require(mr_parse_u64(text, &again) == 0 && again == number, "a number differs");
	}
	if (mr_parse_bytes(value, &number) == 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "B", number);
		require(mr_parse_bytes(text, &again) == 0 && again == number, "a size differs");
	}
	if (mr_parse_duration(value, &number) == 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "ns", number);
		require(mr_parse_duration(text, &again) == 0 && again == number, "a duration differs");
	}
	if (mr_parse_double(value, &real) == 0)
		require(real - real == 0, "a number is not finite");
}

static int handler(void *context, int id, const char *value, struct mr_error *err)
{
	struct mr_buffer *shown = context;

	if (value) {
		check_values(value);
		mr_buffer_clear(shown);
		mr_text_show(shown, value, strlen(value), (size_t)id);
		for (size_t i = 0; i < shown->len; i++)
			require(shown->data[i] >= 0x20 && shown->data[i] != 0x7f,
			        "a control character is shown");
	}
	return id == 2 && value && value[0] == '-'
	               ? mr_fail(err, MR_ERR_ARG, "--limit: '%s' is negative", value)
	               : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_command command = { .name = "fuzz",
		                      .synopsis = "fuzz",
		                      .summary = "x",
		                      .options = options,
		                      .option_count = MR_ARRAY_LEN(options) };
	struct mr_buffer shown = { NULL, 0, 0, false };
	struct mr_error err = { 0 };
	char *words = malloc(size + 1);
	char name[] = "fuzz";
	char *argv[WORDS_MAX + 1] = { name };
	int argc = 1;
	int rest = 0;

	if (!words)
		return 0;
	if (size > 0)
		memcpy(words, data, size);
	words[size] = '\0';
	for (size_t at = 0; at < size && argc < WORDS_MAX; at += strlen(words + at) + 1)
		argv[argc++] = words + at;
	command.stop_at_operand = size > 0 && (data[size - 1] & 1) != 0;
	/* --help and --version print, which is tested elsewhere; here it would only cost time. */
	bool prints = false;

	for (int i = 1; i < argc; i++)
		prints = prints || strstr(argv[i], "h") || strstr(argv[i], "V") || strstr(argv[i], "v");
	if (!prints) {
		const int code = mr_command_parse(&command, argc, argv, handler, &shown, &rest, &err);

		require(code <= 0 && (code == 0) == (err.message[0] == '\0'), "a refusal without a message");
		require(code < 0 || (rest >= 1 && rest <= argc), "the rest lies outside the words");
	}
	mr_buffer_release(&shown);
	free(words);
	return 0;
}
