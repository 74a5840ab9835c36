/* SPDX-License-Identifier: MIT
 *
 * memrecord: runs a command, or looks at a process that runs, and leaves a log of
 * its memory and that of its descendants.  Here are only the command line and
 * what it means; see memrecord_run.h.
 */
#include <signal.h>

#include "heap_events.h"
#include "memrecord_launch.h"
#include "memrecord_run.h"

#define INTERVAL_MIN_NS UINT64_C(1000000)
#define INTERVAL_MAX_NS UINT64_C(3600000000000)
#define SIZE_MIN_BYTES UINT64_C(131072) /* the log writer keeps half of it for what explains the rest */

enum option_id {
	OPTION_OUTPUT = 1,
	OPTION_SAMPLE_ONLY,
	OPTION_INTERVAL,
	OPTION_NO_ARGS,
	OPTION_MAX_SIZE,
	OPTION_QUIET,
	OPTION_PID,
	OPTION_EVENTS,
	OPTION_ALL_SITES,
	OPTION_DEPTH,
	OPTION_MMAP,
	OPTION_NO_SYMBOLS,
};

static const struct mr_option options[] = {
	{ "output", 'o', "FILE", "write the log to FILE; \"%p\" in it is the pid (default: COMMAND.PID.dat)",
	  OPTION_OUTPUT },
	{ "events", 0, NULL, "keep each allocation and free in the log, for questions about single blocks",
	  OPTION_EVENTS },
	{ "all-sites", 0, NULL, "of a program with very many call stacks, keep the small ones apart, too",
	  OPTION_ALL_SITES },
	{ "depth", 0, "N", "keep the N innermost frames of call stacks, 1 to 512 (default: 128)",
	  OPTION_DEPTH },
	{ "mmap", 0, NULL, "record mappings that the program makes itself, too", OPTION_MMAP },
	{ "no-symbols", 0, NULL, "leave the names of places in the code to memstats symbolize",
	  OPTION_NO_SYMBOLS },
	{ "sample-only", 0, NULL,
	  "record no allocations: the memory of processes over time, and objects that programs track",
	  OPTION_SAMPLE_ONLY },
	{ "interval", 0, "S",
	  "sample every S seconds, 0.001 to 3600; also 10ms, 2min (default: 10ms for ten seconds, "
	  "then a thousandth of the process's age, at most 1s)",
	  OPTION_INTERVAL },
	{ "no-args", 0, NULL, "leave the arguments of commands out of the log", OPTION_NO_ARGS },
	{ "max-size", 0, "BYTES",
	  "stop recording samples when the log has BYTES (128KiB or more; also 10M, 1GiB)", OPTION_MAX_SIZE },
	{ "quiet", 'q', NULL, "no closing line", OPTION_QUIET },
	{ "pid", 'p', "PID", "record this process and its descendants instead of a command", OPTION_PID },
};

static const struct mr_command command = {
	.name = "memrecord",
	.synopsis = "memrecord [OPTION]... [--] COMMAND [ARG]...\n"
		    "memrecord --sample-only [OPTION]... -p PID",
	.summary = "Runs COMMAND and records the allocations and the memory of it and of its "
		   "descendants into a log for memstats and memreport. SIGUSR1 makes a snapshot.",
	.epilogue = "Exits as COMMAND exits (128 and the signal's number when one killed it); 125\n"
		    "when memrecord itself fails before COMMAND runs, 126 when COMMAND cannot be\n"
		    "run, 127 when it is not found. With -p: 0 when the process ends or memrecord\n"
		    "is interrupted.\n",
	.options = options,
	.option_count = MR_ARRAY_LEN(options),
	.stop_at_operand = true,
};

struct arguments {
	struct mr_run_options run;
	bool sample_only;
};

static int take_interval(const char *value, uint64_t *interval_ns, struct mr_error *err)
{
	if (mr_parse_duration(value, interval_ns) < 0 || *interval_ns < INTERVAL_MIN_NS ||
	    *interval_ns > INTERVAL_MAX_NS)
		return mr_fail(err, MR_ERR_ARG, "--interval '%s': must be 0.001 to 3600 seconds", value);
	return MR_OK;
}

static int take_size(const char *value, uint64_t *size_bytes, struct mr_error *err)
{
	if (mr_parse_bytes(value, size_bytes) < 0 || *size_bytes < SIZE_MIN_BYTES)
		return mr_fail(err, MR_ERR_ARG, "--max-size '%s': must be a number of bytes, 128KiB or more",
		               value);
	return MR_OK;
}

static int take_pid(const char *value, uint32_t *pid, struct mr_error *err)
{
	uint64_t number;

	if (mr_parse_u64(value, &number) < 0 || number == 0 || number > INT32_MAX)
		return mr_fail(err, MR_ERR_ARG, "--pid '%s': must be the number of a process", value);
	*pid = (uint32_t)number;
	return MR_OK;
}

static int take_output(const char *value, const char **output, struct mr_error *err)
{
	MR_FAIL_IF(value[0] == '\0', err, MR_ERR_ARG, "--output '': must be the name of a file");
	MR_FAIL_IF(strcmp(value, "-") == 0, err, MR_ERR_ARG,
	           "--output '-': standard output is the command's; name a file");
	*output = value;
	return MR_OK;
}

static int take_depth(const char *value, unsigned *depth, struct mr_error *err)
{
	uint64_t number;

	if (mr_parse_u64(value, &number) < 0 || number == 0 || number > MR_HEAP_DEPTH_MAX)
		return mr_fail(err, MR_ERR_ARG, "--depth '%s': must be a number from 1 to %d", value,
		               MR_HEAP_DEPTH_MAX);
	*depth = (unsigned)number;
	return MR_OK;
}

static int take_option(void *context, int id, const char *value, struct mr_error *err)
{
	struct arguments *const arguments = context;
	struct mr_run_options *const run = &arguments->run;

	switch (id) {
	case OPTION_OUTPUT:
		return take_output(value, &run->output, err);
	case OPTION_SAMPLE_ONLY:
		arguments->sample_only = true;
		return MR_OK;
	case OPTION_INTERVAL:
		return take_interval(value, &run->interval_ns, err);
	case OPTION_NO_ARGS:
		run->arguments = false;
		return MR_OK;
	case OPTION_MAX_SIZE:
		return take_size(value, &run->max_size_bytes, err);
	case OPTION_QUIET:
		run->quiet = true;
		return MR_OK;
	case OPTION_PID:
		return take_pid(value, &run->pid, err);
	case OPTION_EVENTS:
		run->events = true;
		return MR_OK;
	case OPTION_ALL_SITES:
		run->all_sites = true;
		return MR_OK;
	case OPTION_DEPTH:
		return take_depth(value, &run->depth, err);
	case OPTION_MMAP:
		run->mmap = true;
		return MR_OK;
	case OPTION_NO_SYMBOLS:
		run->symbols = false;
		return MR_OK;
	default:
		return MR_OK; /* the command itself: read from argv */
	}
}

static int check(const struct arguments *arguments, struct mr_error *err)
{
	const bool has_command = arguments->run.argv[0] != NULL;

	MR_FAIL_IF(has_command && arguments->run.pid, err, MR_ERR_ARG,
	           "a command and --pid: choose one; see memrecord --help");
	MR_FAIL_IF(!has_command && !arguments->run.pid, err, MR_ERR_ARG,
	           "no command to run; see memrecord --help");
	MR_FAIL_IF(arguments->run.pid && !arguments->sample_only, err, MR_ERR_ARG,
	           "--pid: allocations can be recorded from a program's start on, not of one that runs; "
	           "add --sample-only to record its memory over time");
	return MR_OK;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .run = { .command = &command,
		                                .arguments = true,
		                                .symbols = true,
		                                .depth = MR_HEAP_DEPTH_DEFAULT } };
	struct mr_error err = { 0 };
	int rest = argc;
	int code = mr_command_parse(&command, argc, argv, take_option, &arguments, &rest, &err);

	if (code > 0)
		return 0;
	arguments.run.argv = argv + rest;
	arguments.run.heap = !arguments.sample_only;
	if (code == 0)
		code = check(&arguments, &err);
	if (code < 0) {
		mr_command_complain(&command, &err);
		return MR_EXIT_OWN_FAILURE;
	}
	return mr_run_recording(&arguments.run);
}
