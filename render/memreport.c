/* SPDX-License-Identifier: MIT
 *
 * memreport: logs to pages.  Options and messages; the work is libmemreport's.
 */
#include "memreport.h"

#include "base.h"
#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

enum { OPTION_OUTPUT = 1, OPTION_TITLE, OPTION_LIMIT, OPTION_MAX_SIZE, OPTION_TEMPLATES, OPTION_QUIET };

static const struct mr_option options[] = {
	{ "output", 'o', "OUT",
	  "write to OUT: a page, or what its ending says, .pdf or .png; - is standard output",
	  OPTION_OUTPUT },
	{ "title", 't', "TITLE", "title of the page", OPTION_TITLE },
	{ "limit", 'n', "N", "rows of a table, 1 to 1000 (20)", OPTION_LIMIT },
	{ "max-size", 'm', "BYTES", "largest size of the page: 500K, 2M (1000000)", OPTION_MAX_SIZE },
	{ "templates", 'T', "DIR", "use the templates in DIR in place of the built-in ones",
	  OPTION_TEMPLATES },
	{ "quiet", 'q', NULL, "no warnings, no progress", OPTION_QUIET },
};

static const struct mr_command command = {
	.name = "memreport",
	.synopsis = "memreport FILE... [-o OUT.html|OUT.pdf|OUT.png] [OPTIONS]",
	.summary = "Makes a page with charts from logs that memrecord or libmemcapture wrote: "
		   "one file that needs nothing else. Several logs make one report. FILE may be - for "
		   "standard input. Without -o the page is FILE with its ending replaced by .html.",
	.epilogue = "A PDF holds the headline, the charts and the first rows of each table;\n"
		    "a PNG the timeline.\n"
		    "Exit status: 0 done, 2 usage, 3 unreadable input, 4 no output.",
	.options = options,
	.option_count = MR_ARRAY_LEN(options),
};

struct arguments {
	const char **files;
	size_t file_count;
	const char *output;
	struct memreport_options report;
	bool quiet;
};

static int parse_limit(const char *value, uint64_t *limit, struct mr_error *err)
{
	uint64_t number;
	MR_FAIL_IF(mr_parse_u64(value, &number) < 0 || number < 1 || number > 1000, err, MR_ERR_ARG,
	           "--limit: '%.100s' is not a number from 1 to 1000", value);
	*limit = number;
	return 0;
}

static int parse_size(const char *value, uint64_t *size, struct mr_error *err)
{
	uint64_t number;
	MR_FAIL_IF(mr_parse_bytes(value, &number) < 0 || number < 100000 || number > INT32_MAX, err,
	           MR_ERR_ARG, "--max-size: '%.100s' is not a size from 100000 to 2G", value);
	*size = number;
	return 0;
}

static int handle_option(void *context, int id, const char *value, struct mr_error *err)
{
	struct arguments *arguments = context;
	switch (id) {
	case 0:
		arguments->files[arguments->file_count++] = value;
		return 0;
	case OPTION_OUTPUT:
		arguments->output = value;
		return 0;
	case OPTION_TITLE:
		arguments->report.title = value;
		return 0;
	case OPTION_LIMIT:
		return parse_limit(value, &arguments->report.limit, err);
	case OPTION_MAX_SIZE:
		return parse_size(value, &arguments->report.max_size_bytes, err);
	case OPTION_TEMPLATES:
		arguments->report.templates = value;
		return 0;
	default:
		arguments->quiet = true;
		return 0;
	}
}

/* FILE with its ending replaced by ".html"; the caller frees it. */
static char *default_output(const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *name = slash ? slash + 1 : file;
	const char *dot = strrchr(name, '.');
	const size_t len = dot && dot != name ? (size_t)(dot - file) : strlen(file);
	const size_t size = len + sizeof(".html");
	char *output = mr_alloc(size);
	if (output)
		snprintf(output, size, "%.*s.html", (int)len, file);
	return output;
}

static enum memreport_format format_of(const char *output)
{
	const char *dot = strrchr(output, '.');
	if (dot && strcasecmp(dot, ".pdf") == 0)
		return MEMREPORT_PDF;
	return dot && strcasecmp(dot, ".png") == 0 ? MEMREPORT_PNG : MEMREPORT_HTML;
}

static void warn(const struct arguments *arguments, const struct memstats_log *log,
                 const struct memreport *report)
{
	const char *text;
	if (arguments->quiet)
		return;
	for (size_t i = 0; (text = memstats_log_warning(log, i)); i++) {
		if (i == 10) {
			mr_command_warn(&command, "more is wrong with the log; the page lists it");
			break;
		}
		mr_command_warn(&command, "%s", text);
	}
	if (memreport_left_out(report))
		mr_command_warn(&command, "%s", memreport_left_out(report));
}

/* A page in the place of a log that it is made from would be the end of both. */
static int check_output(const struct arguments *arguments, const char *path, struct mr_error *err)
{
	struct stat output, input;
	if (strcmp(path, "-") == 0 || stat(path, &output) < 0)
		return 0;
	for (size_t i = 0; i < arguments->file_count; i++)
		MR_FAIL_IF(stat(arguments->files[i], &input) == 0 && input.st_dev == output.st_dev &&
		                   input.st_ino == output.st_ino,
		           err, MR_ERR_ARG, "%s is the log itself; name another output with -o", path);
	return 0;
}

static int write_report(const struct arguments *arguments, const char *path, struct mr_error *err)
{
	struct memreport_error *error = (struct memreport_error *)(void *)err;
	struct memstats_log *log = NULL;
	struct memreport *report = NULL;
	struct mr_output output = { 0 };
	if (!arguments->quiet)
		mr_progress_start(command.name);
	int status = memstats_log_open(arguments->files, arguments->file_count, &log,
	                               (struct memstats_error *)(void *)err);
	if (status == 0)
		status = memreport_new(log, &arguments->report, &report, error);
	if (status == 0)
		status = mr_output_open(&output, path, err);
	if (strcmp(path, "-") == 0)
		mr_progress_stop(); /* the page may go to the same terminal */
	if (status == 0) {
		status = memreport_write(report, format_of(path), output.stream, error);
		if (status < 0)
			mr_error_prepend(err, "%s", path);
		else
			status = mr_output_commit(&output, err);
		mr_output_discard(&output);
	}
	mr_progress_stop();
	if (status == 0)
		warn(arguments, log, report);
	memreport_free(report);
	memstats_log_close(log);
	return status;
}

static int run(struct arguments *arguments, struct mr_error *err)
{
	MR_FAIL_IF(arguments->file_count == 0, err, MR_ERR_ARG,
	           "no log is named; memreport FILE, or memreport --help");
	const bool is_stdin = strcmp(arguments->files[0], "-") == 0;
	MR_FAIL_IF(!arguments->output && is_stdin, err, MR_ERR_ARG,
	           "a log from standard input needs -o OUT, or -o - for standard output");
	char *made = arguments->output ? NULL : default_output(arguments->files[0]);
	const char *path = arguments->output ? arguments->output : made;
	MR_FAIL_IF(!path, err, MR_ERR_NOMEM, "no memory");
	int status = check_output(arguments, path, err);
	if (status == 0)
		status = write_report(arguments, path, err);
	mr_free(made);
	return status;
}

int main(int argc, char **argv)
{
	struct mr_error error = { 0 };
	struct arguments arguments = { 0 };
	int rest = 0;
	mr_heap_prepare();
	/* A closed pipe is an output that cannot be written, with a message and a status of its own. */
	signal(SIGPIPE, SIG_IGN);
	arguments.files = mr_alloc((size_t)argc * sizeof(*arguments.files));
	int status = arguments.files ? mr_command_parse(&command, argc, argv, handle_option, &arguments,
	                                                &rest, &error)
	                             : mr_fail(&error, MR_ERR_NOMEM, "no memory");
	if (status == 0)
		status = run(&arguments, &error);
	if (status < 0)
		mr_command_complain(&command, &error);
	mr_free(arguments.files);
	return status < 0 ? mr_err_exit_status(status) : 0;
}
