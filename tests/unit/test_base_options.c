/* SPDX-License-Identifier: MIT
 *
 * Command lines: what the handler sees, what is complained about, and help.
 */
#include "base.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID_SORT = 1, ID_LIMIT, ID_QUIET, ID_LINES };

static const struct mr_option options[] = {
	{ "sort", 's', "COL[,COL...]",
	  "sort the rows by these columns; a unique prefix of a name is enough, and "
	  "later columns break ties",
	  ID_SORT },
	{ "limit", 'n', "N", "keep N rows", ID_LIMIT },
	{ "quiet", 'q', NULL, "say less", ID_QUIET },
	{ "lines-of-a-very-long-option", 0, "LINES", "shown below", ID_LINES },
};

static const struct mr_command command = {
	.name = "memtool",
	.synopsis = "memtool [TABLE] FILE...\nmemtool verify FILE",
	.summary =
		"Reads one or more logs and prints what is in them as a table, sorted and cut as asked for.",
	.epilogue = "exit status: 0 done",
	.options = options,
	.option_count = MR_ARRAY_LEN(options),
};

/* Writes what it gets as "id=value " and fails on the value "bad". */
static int record(void *context, int id, const char *value, struct mr_error *err)
{
	struct mr_buffer *seen = context;

	if (value && strcmp(value, "bad") == 0)
		return mr_fail(err, MR_ERR_ARG, "--limit: 'bad' is not a number; give a whole number");
	if (value && strcmp(value, "silent") == 0)
		return MR_ERR_ARG;
	mr_buffer_printf(seen, "%d=%s ", id, value ? value : "-");
	return 0;
}

struct outcome {
	int code;
	int rest;
	char seen[200];
	struct mr_error err;
};

/* Parses the words of LINE, which are separated by one space. */
static struct outcome parse(const struct mr_command *with, const char *line)
{
	char words[200];
	char *argv[20] = { words };
	int argc = 0;
	struct mr_buffer seen = { NULL, 0, 0, false };
	struct outcome outcome = { 0, -1, "", { 0, "" } };

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = words; word; argc++) {
		argv[argc] = word;
		word = strchr(word, ' ');
		if (word)
			*word++ = '\0';
	}
	argv[argc] = NULL;
	outcome.code = mr_command_parse(with, argc, argv, record, &seen, &outcome.rest, &outcome.err);
	snprintf(outcome.seen, sizeof(outcome.seen), "%.*s", (int)seen.len,
	         seen.data ? (char *)seen.data : "");
	mr_buffer_release(&seen);
	return outcome;
}

Test(base_options, parse__gives_options_and_operands_in_their_order)
{
	const struct outcome got = parse(&command, "memtool a --sort=x,y b -n5 -q -s z --limit 3 c");

	cr_expect_eq(got.code, 0);
	cr_expect_str_eq(got.seen, "0=a 1=x,y 0=b 2=5 3=- 1=z 2=3 0=c ");
	cr_expect_eq(got.rest, 11);
}

Test(base_options, parse__takes_what_follows_two_dashes_as_operands)
{
	cr_expect_str_eq(parse(&command, "memtool a -- --sort -q --").seen, "0=a 0=--sort 0=-q 0=-- ");
	cr_expect_str_eq(parse(&command, "memtool - --").seen, "0=- ");
	cr_expect_str_eq(parse(&command, "memtool").seen, "");
}

Test(base_options, parse__stays_the_same_under_posixly_correct)
{
	setenv("POSIXLY_CORRECT", "1", 1);
	cr_expect_str_eq(parse(&command, "memtool a -q b").seen, "0=a 3=- 0=b ");
}

Test(base_options, parse__can_stop_at_the_first_operand)
{
	struct mr_command stopping = command;

	stopping.stop_at_operand = true;
	const struct outcome plain = parse(&stopping, "memtool -q ls -q --sort");

	cr_expect_eq(plain.code, 0);
	cr_expect_str_eq(plain.seen, "3=- ");
	cr_expect_eq(plain.rest, 2);
	const struct outcome dashed = parse(&stopping, "memtool -q -- -odd -q");

	cr_expect_str_eq(dashed.seen, "3=- ");
	cr_expect_eq(dashed.rest, 3);
	cr_expect_eq(parse(&stopping, "memtool -q").rest, 2);
}

Test(base_options, parse__names_the_option_that_is_wrong)
{
	static const struct {
		const char *line;
		const char *message;
	} cases[] = {
		{ "memtool --nosuch=1", "--nosuch: there is no such option; 'memtool --help' lists them" },
		{ "memtool -qx", "-x: there is no such option; 'memtool --help' lists them" },
		{ "memtool --li 3", "--li: could be --limit or --lines-of-a-very-long-option; write it out" },
		{ "memtool --limit", "--limit: needs a value: --limit N" },
		{ "memtool -n", "--limit: needs a value: --limit N" },
		{ "memtool --quiet=1", "--quiet: takes no value" },
		{ "memtool --help=1", "--help: takes no value" },
		{ "memtool -n bad", "--limit: 'bad' is not a number; give a whole number" },
		{ "memtool -n silent", "--limit: 'silent' cannot be used" },
		{ "memtool silent", "'silent' cannot be used" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const struct outcome got = parse(&command, cases[i].line);

		cr_expect_eq(got.code, MR_ERR_ARG, "%s", cases[i].line);
		cr_expect_str_eq(got.err.message, cases[i].message);
	}
}

Test(base_options, parse__takes_unique_prefixes)
{
	cr_expect_str_eq(parse(&command, "memtool --lim 3 --so x").seen, "2=3 1=x ");
}

static const char help[] = "usage: memtool [TABLE] FILE...\n"
			   "       memtool verify FILE\n"
			   "\n"
			   "Reads one or more logs and prints what is in them as a table, sorted and cut as\n"
			   "asked for.\n"
			   "\n"
			   "options:\n"
			   "  -s, --sort COL[,COL...]  sort the rows by these columns; a unique prefix of a\n"
			   "                           name is enough, and later columns break ties\n"
			   "  -n, --limit N            keep N rows\n"
			   "  -q, --quiet              say less\n"
			   "      --lines-of-a-very-long-option LINES\n"
			   "                           shown below\n"
			   "  -h, --help               show this help\n"
			   "  -V, --version            show the version\n"
			   "\n"
			   "exit status: 0 done\n";

Test(base_options, help__is_aligned_and_wrapped, .init = cr_redirect_stdout)
{
	cr_expect_eq(parse(&command, "memtool --help --nosuch").code, 1);
	cr_expect_stdout_eq_str(help);
}

Test(base_options, version__names_the_project, .init = cr_redirect_stdout)
{
	cr_expect_eq(parse(&command, "memtool -V").code, 1);
	cr_expect_stdout_eq_str("memtool (memreport) " MR_VERSION_STRING "\n");
}

Test(base_options, letters__of_the_command_win)
{
	static const struct mr_option own[] = { { "host", 'h', "NAME", "a host", 1 } };
	const struct mr_command with_host = {
		.name = "memtool", .synopsis = "memtool", .summary = "x", .options = own, .option_count = 1
	};

	cr_expect_str_eq(parse(&with_host, "memtool -h x").seen, "1=x ");
}

static void redirect_stderr(void)
{
	cr_redirect_stderr();
}

Test(base_options, complain__shows_control_characters, .init = redirect_stderr)
{
	const struct mr_error err = { MR_ERR_READ, "cannot open 'a\x1b[31m\nb'" };

	mr_command_complain(&command, &err);
	mr_command_warn(&command, "%s: cut short", "x\x07");
	fflush(stderr);
	cr_expect_stderr_eq_str("memtool: cannot open 'a\\x1b[31m\\x0ab'\nmemtool: x\\x07: cut short\n");
}
