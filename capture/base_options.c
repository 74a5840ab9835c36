/* SPDX-License-Identifier: MIT
 *
 * Command lines: one table a command yields what getopt_long() needs, --help
 * and --version.  getopt_long() prints nothing here; every complaint is an
 * error whose message names the option.  Uses getopt's global state, so one
 * thread parses at a time.
 */
#include "base.h"

#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#define HELP_WIDTH 79
#define HELP_INDENT_MAX 30 /* a longer option gets its help on the next line */
#define CODE_LONG 0x1000   /* getopt's value for a long option is this and its index */

static const struct mr_option option_help = { "help", 'h', NULL, "show this help", 0 };
static const struct mr_option option_version = { "version", 'V', NULL, "show the version", 0 };

/* The command's own options, and then the two that every command has. */
static size_t option_total(const struct mr_command *command)
{
	return command->option_count + 2;
}

static const struct mr_option *option_at(const struct mr_command *command, size_t i)
{
	if (i < command->option_count)
		return &command->options[i];
	return i == command->option_count ? &option_help : &option_version;
}

/* A command's own letters win over -h and -V. */
static int option_letter(const struct mr_command *command, size_t i)
{
	const int letter = option_at(command, i)->letter;

	for (size_t own = 0; i >= command->option_count && own < command->option_count; own++)
		if (command->options[own].letter == letter)
			return 0;
	return letter;
}

/* ---- Help ---------------------------------------------------------------- */

/* Appends TEXT in lines of at most HELP_WIDTH columns, each but the first after
 * INDENT spaces; the first starts at COLUMN.  A newline in TEXT stays one. */
static void append_wrapped(struct mr_buffer *out, const char *text, size_t indent, size_t column)
{
	bool line_empty = true;

	while (*text != '\0') {
		const size_t len = strcspn(text, " \n");

		if (!line_empty && column + 1 + len > HELP_WIDTH) {
			mr_buffer_printf(out, "\n%*s", (int)indent, "");
			column = indent;
			line_empty = true;
		}
		if (len > 0 && !line_empty) {
			mr_buffer_append(out, " ", 1);
			column++;
		}
		mr_buffer_append(out, text, len);
		column += len;
		line_empty = line_empty && len == 0;
		text += len;
		if (*text == '\n') {
			mr_buffer_printf(out, "\n%*s", text[1] != '\0' ? (int)indent : 0, "");
			column = indent;
			line_empty = true;
		}
		text += *text != '\0';
	}
	mr_buffer_append(out, "\n", 1);
}

static void option_text(const struct mr_command *command, size_t i, struct mr_buffer *out)
{
	const struct mr_option *option = option_at(command, i);
	const int letter = option_letter(command, i);

	mr_buffer_clear(out);
	if (letter != 0)
		mr_buffer_printf(out, "  -%c, ", letter);
	else
		mr_buffer_printf(out, "      ");
	mr_buffer_printf(out, "--%s%s%s", option->name, option->argument ? " " : "",
	                 option->argument ? option->argument : "");
}

static void append_options(struct mr_buffer *out, const struct mr_command *command)
{
	struct mr_buffer text = { NULL, 0, 0, false };
	size_t indent = 0;

	for (size_t i = 0; i < option_total(command); i++) {
		option_text(command, i, &text);
		if (text.len + 2 > indent && text.len + 2 <= HELP_INDENT_MAX)
			indent = text.len + 2;
	}
	for (size_t i = 0; i < option_total(command); i++) {
		option_text(command, i, &text);
		mr_buffer_append(out, text.data, text.len);
		if (text.len + 2 > indent)
			mr_buffer_printf(out, "\n%*s", (int)indent, "");
		else
			mr_buffer_printf(out, "%*s", (int)(indent - text.len), "");
		append_wrapped(out, option_at(command, i)->help, indent, indent);
	}
	out->failed = out->failed || text.failed;
	mr_buffer_release(&text);
}

static void append_help(struct mr_buffer *out, const struct mr_command *command)
{
	const char *line = command->synopsis;

	for (const char *lead = "usage: "; line && *line != '\0'; lead = "       ") {
		const size_t len = strcspn(line, "\n");

		mr_buffer_printf(out, "%s%.*s\n", lead, (int)len, line);
		line += len + (line[len] == '\n');
	}
	mr_buffer_append(out, "\n", 1);
	append_wrapped(out, command->summary, 0, 0);
	mr_buffer_printf(out, "\noptions:\n");
	append_options(out, command);
	if (command->epilogue) {
		const size_t len = strlen(command->epilogue);

		mr_buffer_printf(out, "\n%s%s", command->epilogue,
		                 len > 0 && command->epilogue[len - 1] == '\n' ? "" : "\n");
	}
}

/* Prints help or the version on standard output.  1, or an error. */
static int print_about(const struct mr_command *command, bool help, struct mr_error *err)
{
	struct mr_buffer text = { NULL, 0, 0, false };

	if (help)
		append_help(&text, command);
	else
		mr_buffer_printf(&text, "%s (memreport) %s\n", command->name, MR_VERSION_STRING);
	int code = mr_buffer_status(&text, err);

	if (code == 0 && (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0))
		code = mr_fail(err, MR_ERR_WRITE, "cannot write standard output: %s", strerror(errno));
	mr_buffer_release(&text);
	return code < 0 ? code : 1;
}

/* ---- Parsing ------------------------------------------------------------- */

/* What getopt_long() takes, made from the table. */
struct getopt_tables {
	struct option *long_options;
	char *letters;
};

static void getopt_tables_release(struct getopt_tables *tables)
{
	mr_free(tables->long_options);
	mr_free(tables->letters);
}

static int getopt_tables_init(struct getopt_tables *tables, const struct mr_command *command,
                              struct mr_error *err)
{
	const size_t total = option_total(command);
	struct option *long_options = mr_alloc((total + 1) * sizeof(*long_options));
	char *letters = mr_alloc(2 * total + 3);
	size_t len = 0;

	tables->long_options = long_options;
	tables->letters = letters;
	if (!long_options || !letters) {
		getopt_tables_release(tables);
		return mr_fail(err, MR_ERR_NOMEM, "no memory to read the command line");
	}
	/* '+': stop at the first operand; '-': give operands in their place among
	 * the options; ':': tell a missing argument from an unknown option. */
	letters[len++] = command->stop_at_operand ? '+' : '-';
	letters[len++] = ':';
	for (size_t i = 0; i < total; i++) {
		const struct mr_option *option = option_at(command, i);
		const int letter = option_letter(command, i);

		long_options[i].name = option->name;
		long_options[i].has_arg = option->argument ? required_argument : no_argument;
		long_options[i].val = (int)(CODE_LONG + i);
		if (letter != 0) {
			letters[len++] = (char)letter;
			if (option->argument)
				letters[len++] = ':';
		}
	}
	return 0;
}

/* The option behind a code that getopt_long() gave, or NULL. */
static const struct mr_option *find_option(const struct mr_command *command, int code)
{
	for (size_t i = 0; i < option_total(command); i++)
		if (code == (int)(CODE_LONG + i) || (code != 0 && code == option_letter(command, i)))
			return option_at(command, i);
	return NULL;
}

/* A word that starts with "--" and is no option: unknown, or short for several. */
static int fail_long_option(const struct mr_command *command, const char *word, struct mr_error *err)
{
	const size_t len = strcspn(word + 2, "=");
	const char *candidates[2] = { NULL, NULL };
	size_t count = 0;

	for (size_t i = 0; i < option_total(command); i++) {
		const char *name = option_at(command, i)->name;

		if (strncmp(name, word + 2, len) == 0 && count++ < MR_ARRAY_LEN(candidates))
			candidates[count - 1] = name;
	}
	if (count >= 2)
		return mr_fail(err, MR_ERR_ARG, "%.*s: could be --%s or --%s%s; write it out", (int)len + 2,
		               word, candidates[0], candidates[1], count > 2 ? " or another" : "");
	return mr_fail(err, MR_ERR_ARG, "%.*s: there is no such option; '%s --help' lists them", (int)len + 2,
	               word, command->name);
}

static int fail_option(const struct mr_command *command, int code, int code_wrong, const char *word,
                       struct mr_error *err)
{
	const struct mr_option *option = find_option(command, code_wrong);

	if (option && code == ':')
		return mr_fail(err, MR_ERR_ARG, "--%s: needs a value: --%s %s", option->name, option->name,
		               option->argument);
	if (option)
		return mr_fail(err, MR_ERR_ARG, "--%s: takes no value", option->name);
	if (code_wrong == 0)
		return fail_long_option(command, word, err);
	return mr_fail(err, MR_ERR_ARG, "-%c: there is no such option; '%s --help' lists them", code_wrong,
	               command->name);
}

/* What is the matter when the handler has said nothing more than a code. */
static int handle(const struct mr_option *option, mr_option_handler *handler, void *context,
                  const char *value, struct mr_error *err)
{
	const int code = handler(context, option ? option->id : 0, value, err);

	if (code < 0 && option)
		return mr_fail(err, code, "--%s: '%s' cannot be used", option->name, value ? value : "");
	return code < 0 ? mr_fail(err, code, "'%s' cannot be used", value) : 0;
}

int mr_command_parse(const struct mr_command *command, int argc, char **argv, mr_option_handler *handler,
                     void *context, int *rest, struct mr_error *err)
{
	struct getopt_tables tables;
	int result = 0;

	MR_TRY(getopt_tables_init(&tables, command, err));
	opterr = 0;
	optind = 0; /* glibc: start afresh, ordering included */
	while (result == 0) {
		const int code = getopt_long(argc, argv, tables.letters, tables.long_options, NULL);

		if (code == -1)
			break;
		if (code == 1) {
			result = handle(NULL, handler, context, optarg, err);
			continue;
		}
		const struct mr_option *option =
			code == '?' || code == ':' ? NULL : find_option(command, code);

		if (!option)
			result = fail_option(command, code, optopt, argv[optind - 1], err);
		else if (option == &option_help || option == &option_version)
			result = print_about(command, option == &option_help, err);
		else
			result = handle(option, handler, context, optarg, err);
	}
	/* What follows "--" are operands, whatever they look like. */
	for (int i = optind; result == 0 && !command->stop_at_operand && i < argc; i++)
		result = handle(NULL, handler, context, argv[i], err);
	if (result == 0 && rest)
		*rest = command->stop_at_operand ? optind : argc;
	getopt_tables_release(&tables);
	return result;
}

/* ---- Complaints ---------------------------------------------------------- */

/* One write, so that the lines of several processes do not mix. */
static void print_message(const struct mr_command *command, const char *message)
{
	struct mr_buffer line = { NULL, 0, 0, false };

	mr_buffer_printf(&line, "%s: ", command->name);
	mr_text_show(&line, message, strlen(message), 0);
	mr_buffer_append(&line, "\n", 1);
	/* There is no one left to tell when this fails. */
	(void)!mr_write_full(STDERR_FILENO, line.data, line.len, "standard error", NULL);
	mr_buffer_release(&line);
}

void mr_command_complain(const struct mr_command *command, const struct mr_error *err)
{
	print_message(command, err->message);
}

void mr_command_warn(const struct mr_command *command, const char *format, ...)
{
	char message[MR_ERROR_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	const int len = vsnprintf(message, sizeof(message), format, arguments);

	va_end(arguments);
	if (len >= 0)
		print_message(command, message);
}
