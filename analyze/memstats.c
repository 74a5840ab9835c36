/* SPDX-License-Identifier: MIT
 *
 * memstats: tables from logs on the terminal and for scripts; checks, repairs
 * and names the places of logs.  Everything here is options and messages; what
 * they ask for is in the library.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_repair.h"
#include "log_symbolize.h"
#include "progress.h"
#include "table_log.h"
#include "tables_tables.h"

#define EXIT_CHECK_FAILED 1
#define WARNINGS_SHOWN 10

enum {
	OPTION_SORT = 1,
	OPTION_REVERSE,
	OPTION_FILTER,
	OPTION_MATCH,
	OPTION_WHERE,
	OPTION_LIMIT,
	OPTION_COLUMNS,
	OPTION_FOCUS,
	OPTION_HIDE,
	OPTION_MODULE,
	OPTION_INVERT,
	OPTION_FORMAT,
	OPTION_BYTES,
	OPTION_REPAIR,
	OPTION_OUTPUT,
	OPTION_QUIET
};

static const struct mr_option options[] = {
	{ "sort", 's', "COL[,COL...]",
	  "order rows by these columns: sizes, counts, durations and percentages largest "
	  "first, the rest smallest first; a unique beginning of a name is enough",
	  OPTION_SORT },
	{ "reverse", 'r', NULL, "turn the order round", OPTION_REVERSE },
	{ "filter", 'f', "TEXT", "keep rows whose name holds TEXT", OPTION_FILTER },
	{ "match", 'm', "REGEX", "keep rows whose name matches the extended regular expression",
	  OPTION_MATCH },
	{ "where", 'w', "COND",
	  "keep rows for which COND holds: 'size>=1MiB', 'birth<2.5s', 'class=Node', 'class~od'",
	  OPTION_WHERE },
	{ "limit", 'n', "N",
	  "keep N rows; with a point, such a fraction of the rows that are left (0.1; 1.0 is all)",
	  OPTION_LIMIT },
	{ "columns", 'c', "COL[,COL...]", "show these columns", OPTION_COLUMNS },
	{ "focus", 0, "REGEX", "call stacks: those with a function that matches", OPTION_FOCUS },
	{ "hide", 0, "REGEX",
	  "call stacks: without the functions that match; what they allocate is their callers'",
	  OPTION_HIDE },
	{ "module", 0, "REGEX",
	  "call stacks: those whose site is in a program or library with a file name that matches",
	  OPTION_MODULE },
	{ "invert", 0, NULL, "tree: allocating functions at the top, their callers below", OPTION_INVERT },
	{ "format", 'F', "FORMAT", "text, json, ndjson, csv or markdown", OPTION_FORMAT },
	{ "bytes", 'b', NULL, "show sizes as exact numbers of bytes", OPTION_BYTES },
	{ "repair", 0, "OUT", "verify: write a whole log of what can be read to OUT", OPTION_REPAIR },
	{ "output", 'o', "OUT", "symbolize: write the log to OUT instead of in place", OPTION_OUTPUT },
	{ "quiet", 'q', NULL, "no warnings, no progress", OPTION_QUIET },
};

static const struct mr_command command = {
	.name = "memstats",
	.synopsis = "memstats [TABLE] FILE... [QUERY]\n"
		    "memstats diff A B [QUERY]\n"
		    "memstats verify FILE... [--repair OUT]\n"
		    "memstats symbolize FILE [-o OUT]\n"
		    "memstats tables",
	.summary =
		"Prints statistics from logs that memrecord, libmemcapture or the Python module memcapture "
		"wrote, and from dumps of pympler's ClassTracker. TABLE is summary when it is left out. A "
		"first word that is a table's name is the table; ./summary is a file. "
		"FILE may be - for standard input. What is asked of the rows is done in the order given.",
	.epilogue = "'memstats tables' lists the tables and their columns.\n"
		    "For diff, A and B are FILE@N or FILE@DESCRIPTION for snapshots, or two logs;\n"
		    "tables of call stacks take such a FILE too.\n"
		    "Exit status: 0 done, 1 check failed, 2 usage, 3 unreadable input, 4 no output.",
	.options = options,
	.option_count = MR_ARRAY_LEN(options),
};

struct arguments {
	struct memstats_query *query;
	const char **operands;
	size_t operand_count;
	size_t query_count; /* options of the query */
	enum memstats_format format;
	bool format_given;
	unsigned flags;
	const char *repair;
	const char *output;
	bool quiet;
};

static int parse_format(struct arguments *arguments, const char *value, struct mr_error *err)
{
	static const char *const formats[] = {
		[MEMSTATS_FORMAT_TEXT] = "text",         [MEMSTATS_FORMAT_JSON] = "json",
		[MEMSTATS_FORMAT_NDJSON] = "ndjson",     [MEMSTATS_FORMAT_CSV] = "csv",
		[MEMSTATS_FORMAT_MARKDOWN] = "markdown",
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(formats); i++) {
		if (strcmp(formats[i], value) != 0)
			continue;
		arguments->format = (enum memstats_format)i;
		arguments->format_given = true;
		return 0;
	}
	return mr_fail(err, MR_ERR_ARG, "--format: '%.100s' is none of text, json, ndjson, csv, markdown",
	               value);
}

static int handle_option(void *context, int id, const char *value, struct mr_error *err)
{
	static const enum memstats_operation operations[] = {
		[OPTION_SORT] = MEMSTATS_SORT,       [OPTION_REVERSE] = MEMSTATS_REVERSE,
		[OPTION_FILTER] = MEMSTATS_FILTER,   [OPTION_MATCH] = MEMSTATS_MATCH,
		[OPTION_WHERE] = MEMSTATS_WHERE,     [OPTION_LIMIT] = MEMSTATS_LIMIT,
		[OPTION_COLUMNS] = MEMSTATS_COLUMNS, [OPTION_FOCUS] = MEMSTATS_FOCUS,
		[OPTION_HIDE] = MEMSTATS_HIDE,       [OPTION_MODULE] = MEMSTATS_MODULE,
		[OPTION_INVERT] = MEMSTATS_INVERT,
	};
	struct arguments *arguments = context;

	switch (id) {
	case 0:
		arguments->operands[arguments->operand_count++] = value;
		return 0;
	case OPTION_FORMAT:
		return parse_format(arguments, value, err);
	case OPTION_BYTES:
		arguments->flags |= MEMSTATS_EXACT_BYTES;
		return 0;
	case OPTION_REPAIR:
		arguments->repair = value;
		return 0;
	case OPTION_OUTPUT:
		arguments->output = value;
		return 0;
	case OPTION_QUIET:
		arguments->quiet = true;
		return 0;
	}
	arguments->query_count++;
	return memstats_query_add(arguments->query, operations[id], value,
	                          (struct memstats_error *)(void *)err);
}

static void show_progress(const struct arguments *arguments)
{
	if (!arguments->quiet)
		mr_progress_start(command.name);
}

/* ---- Tables -------------------------------------------------------------- */

static void print_warnings(const struct arguments *arguments, const struct memstats_log *log)
{
	size_t count = 0;

	while (memstats_log_warning(log, count))
		count++;
	for (size_t i = 0; !arguments->quiet && i < count && i < WARNINGS_SHOWN; i++)
		mr_command_warn(&command, "%s", memstats_log_warning(log, i));
	if (!arguments->quiet && count > WARNINGS_SHOWN)
		mr_command_warn(&command, "%zu more warnings; 'memstats health' has all",
		                count - WARNINGS_SHOWN);
}

static int write_table(const struct arguments *arguments, struct memstats_log *log,
                       const struct mr_table_type *type, struct mr_error *err)
{
	struct memstats_table *table = NULL;

	MR_TRY(mr_table_new(log, type, arguments->query, &table, err));
	mr_progress_stop();
	const int code = memstats_table_write(table, arguments->format, arguments->flags, stdout,
	                                      (struct memstats_error *)(void *)err);

	memstats_table_free(table);
	return code;
}

static int check_unused(const struct arguments *arguments, const char *word, bool query, struct mr_error *err)
{
	MR_FAIL_IF(arguments->repair && strcmp(word, "verify") != 0, err, MR_ERR_ARG,
	           "--repair: belongs to verify only");
	MR_FAIL_IF(arguments->output && strcmp(word, "symbolize") != 0, err, MR_ERR_ARG,
	           "--output: belongs to symbolize only; '> FILE' takes what is printed");
	MR_FAIL_IF(!query && (arguments->query_count > 0 || arguments->format_given), err, MR_ERR_ARG,
	           "%s takes no query and no format", word);
	return 0;
}

static int run_table(const struct arguments *arguments, struct mr_error *err)
{
	const char *const *paths = arguments->operands;
	size_t path_count = arguments->operand_count;
	const struct mr_table_type *type = path_count > 0 ? mr_table_type_find(paths[0]) : NULL;
	struct memstats_log *log = NULL;

	if (type) {
		paths++;
		path_count--;
	} else {
		type = &mr_table_summary;
	}
	MR_TRY(check_unused(arguments, type->info.name, true, err));
	MR_FAIL_IF(path_count == 0, err, MR_ERR_ARG, "no log is named: memstats %s FILE", type->info.name);
	/* "memstats objcts profile.dat": say which names there are, not only that no such file is. */
	MR_FAIL_IF(paths == arguments->operands && path_count > 1 && !strpbrk(paths[0], "./@") &&
	                   access(paths[0], F_OK) != 0 && strcmp(paths[0], "-") != 0,
	           err, MR_ERR_ARG, "'%.100s' is neither a table nor a file; the tables are %s", paths[0],
	           mr_table_names());
	show_progress(arguments);
	int code = memstats_log_open(paths, path_count, &log, (struct memstats_error *)(void *)err);

	if (code == 0)
		code = write_table(arguments, log, type, err);
	mr_progress_stop();
	if (log)
		print_warnings(arguments, log);
	memstats_log_close(log);
	return code;
}

static int run_tables(const struct arguments *arguments, struct mr_error *err)
{
	MR_TRY(check_unused(arguments, "tables", true, err));
	MR_FAIL_IF(arguments->operand_count > 1, err, MR_ERR_ARG, "tables takes no FILE");
	return write_table(arguments, NULL, &mr_table_tables, err);
}

/* ---- Verifying ----------------------------------------------------------- */

static void append_sentences(struct mr_buffer *text, char *const *sentences, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		mr_buffer_append(text, "  ", 2);
		mr_text_show(text, sentences[i], strlen(sentences[i]), 0);
		mr_buffer_put_u8(text, '\n');
	}
}

static int print_report(const char *path, const struct mr_verify_report *report, struct mr_error *err)
{
	struct mr_buffer text = { NULL, 0, 0, false };
	char size[32];

	mr_text_bytes_short(size, report->size_bytes);
	mr_text_show(&text, path, strlen(path), 0);
	mr_buffer_printf(&text, ": %s: %s, %" PRIu64 " %s, %" PRIu64 " %s, %" PRIu64 " rows\n",
	                 report->problem_count == 0 ? "whole"
	                 : report->only_cut         ? "cut short"
	                                            : "damaged",
	                 size, report->runs, report->runs == 1 ? "run" : "runs", report->frames,
	                 report->frames == 1 ? "frame" : "frames", report->rows);
	append_sentences(&text, report->problems, report->problem_count);
	append_sentences(&text, report->losses, report->loss_count);
	int code = mr_buffer_status(&text, err);

	if (code == 0 && (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0))
		code = mr_fail(err, MR_ERR_WRITE, "cannot write the output: %s", strerror(errno));
	mr_buffer_release(&text);
	return code;
}

static int repair(const struct arguments *arguments, const char *path, struct mr_error *err)
{
	struct mr_repair_report report = { 0 };

	show_progress(arguments);
	MR_TRY(mr_log_repair(path, arguments->repair, &report, err));
	mr_progress_stop();
	if (!arguments->quiet && report.was_whole)
		mr_command_warn(&command, "%s: was whole; copied to %s", path, arguments->repair);
	else if (!arguments->quiet)
		mr_command_warn(&command,
		                "%s: %" PRIu64 " of %" PRIu64 " frames are in %s now; %" PRIu64
		                " bytes are left out",
		                path, report.frames, report.frames + report.frames_left_out,
		                arguments->repair, report.bytes_left_out);
	return 0;
}

/* The exit status, or an error. */
static int run_verify(const struct arguments *arguments, struct mr_error *err)
{
	int status = 0;

	MR_TRY(check_unused(arguments, "verify", false, err));
	MR_FAIL_IF(arguments->operand_count < 2, err, MR_ERR_ARG, "no log is named: memstats verify FILE");
	MR_FAIL_IF(arguments->repair && arguments->operand_count > 2, err, MR_ERR_ARG,
	           "--repair: takes one log at a time");
	for (size_t i = 1; i < arguments->operand_count; i++) {
		struct mr_verify_report report = { 0 };

		show_progress(arguments);
		int code = mr_log_verify(arguments->operands[i], &report, err);
		mr_progress_stop();

		if (code == 0)
			code = print_report(arguments->operands[i], &report, err);
		if (report.problem_count > 0)
			status = EXIT_CHECK_FAILED;
		mr_verify_report_release(&report);
		MR_TRY(code);
	}
	if (arguments->repair) {
		MR_TRY(repair(arguments, arguments->operands[1], err));
		status = 0; /* what was asked for is done */
	}
	return status;
}

/* ---- Symbols ------------------------------------------------------------- */

static int run_symbolize(const struct arguments *arguments, struct mr_error *err)
{
	struct mr_symbolize_report report = { 0 };

	MR_TRY(check_unused(arguments, "symbolize", false, err));
	MR_FAIL_IF(arguments->operand_count != 2, err, MR_ERR_ARG,
	           "symbolize takes one log: memstats symbolize FILE");
	const char *path = arguments->operands[1];
	show_progress(arguments);
	const int code = mr_log_symbolize(path, arguments->output, &report, err);
	mr_progress_stop();

	for (size_t i = 0; code == 0 && !arguments->quiet && i < report.problem_count; i++)
		mr_command_warn(&command, "%s", report.problems[i]);
	if (code == 0 && !arguments->quiet)
		mr_command_warn(
			&command,
			"%s: of %" PRIu64 " places without file and line in %" PRIu64 " modules, %" PRIu64
			" have a name now, %" PRIu64 " of them with file and line",
			path, report.codes, report.modules, report.codes_named, report.codes_positioned);
	mr_symbolize_report_release(&report);
	return code;
}

/* ---- Main ---------------------------------------------------------------- */

static int run(const struct arguments *arguments, struct mr_error *err)
{
	static const struct {
		const char *word;
		int (*run)(const struct arguments *arguments, struct mr_error *err);
	} words[] = { { "tables", run_tables }, { "verify", run_verify }, { "symbolize", run_symbolize } };

	for (size_t i = 0; arguments->operand_count > 0 && i < MR_ARRAY_LEN(words); i++)
		if (strcmp(arguments->operands[0], words[i].word) == 0)
			return words[i].run(arguments, err);
	return run_table(arguments, err);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .query = memstats_query_new() };
	struct mr_error err = { 0, "" };
	int code = 0;

	mr_heap_prepare();
	signal(SIGPIPE, SIG_IGN); /* so that a closed pipe is a failed write */
	arguments.operands = mr_alloc((size_t)(argc + 1) * sizeof(*arguments.operands));
	if (!arguments.query || !arguments.operands)
		code = mr_fail(&err, MR_ERR_NOMEM, "no memory to read the command line");
	if (code == 0)
		code = mr_command_parse(&command, argc, argv, handle_option, &arguments, NULL, &err);
	if (code == 0)
		code = run(&arguments, &err);
	else if (code > 0)
		code = 0; /* --help and --version */
	mr_progress_stop();
	memstats_query_free(arguments.query);
	mr_free(arguments.operands);
	if (code >= 0)
		return code;
	/* Who closes a pipe knows; the status says it too. */
	if (code != MR_ERR_WRITE || !strstr(err.message, strerror(EPIPE)))
		mr_command_complain(&command, &err);
	return mr_err_exit_status(code);
}
