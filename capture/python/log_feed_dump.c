/* SPDX-License-Identifier: MIT
 *
 * dump_stats: the whole store as one log that is ended.  It says of itself what a
 * capture's stream does, so that it is the same run as what memrecord or a log that
 * is written meanwhile tells of this process.
 */
#include "log_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "feed_account.h"

struct dump {
	struct mr_feed_account *account;
	struct mr_proc_identity identity;
	uint64_t zero_realtime_ns;
	uint64_t time_ns; /* of the dump */
};

static uint32_t text_id(struct dump *dump, const char *text)
{
	return mr_feed_sink_text(&dump->account->sink, text, strlen(text));
}

static void put_stream(struct dump *dump)
{
	struct mr_feed_sink *const sink = &dump->account->sink;
	const uint32_t creator = text_id(dump, MR_FEED_CREATOR);
	struct mr_block_writer *const block = mr_feed_sink_begin(sink, MR_KIND_STREAM, 1);

	mr_block_scalar(block, MR_STREAM_BOOT_ID_HIGH, dump->identity.boot_id[0]);
	mr_block_scalar(block, MR_STREAM_BOOT_ID_LOW, dump->identity.boot_id[1]);
	mr_block_scalar(block, MR_STREAM_PID, dump->identity.pid);
	mr_block_scalar(block, MR_STREAM_START_TICKS, dump->identity.start_ticks);
	mr_block_scalar(block, MR_STREAM_SOURCE, MR_SOURCE_TRACKER);
	mr_block_scalar(block, MR_STREAM_CLOCK_MONOTONIC, dump->account->store->zero_ns);
	mr_block_scalar(block, MR_STREAM_CLOCK_REALTIME, dump->zero_realtime_ns);
	mr_block_scalar(block, MR_STREAM_CREATOR, creator);
	mr_block_scalar(block, MR_STREAM_VERSION, MR_LOG_VERSION_MAJOR << 16 | MR_LOG_VERSION_MINOR);
	mr_block_scalar(block, MR_STREAM_LANGUAGE, MR_LANGUAGE_PYTHON);
	mr_feed_sink_end(sink, NULL);
}

static void put_process(struct dump *dump)
{
	struct mr_feed_sink *const sink = &dump->account->sink;
	struct mr_facts_process facts;

	mr_facts_read_process(&facts);
	const uint32_t name = text_id(dump, facts.name);
	const uint32_t command =
		facts.command_len > 0 ? mr_feed_sink_text(sink, facts.command, facts.command_len) : 0;
	const uint32_t executable = facts.executable_len > 0
	                                    ? mr_feed_sink_text(sink, facts.executable, facts.executable_len)
	                                    : 0;
	struct mr_block_writer *const block = mr_feed_sink_begin(sink, MR_KIND_PROCESS, 1);
	mr_block_scalar(block, MR_PROCESS_NAME, name);
	mr_block_scalar(block, MR_PROCESS_COMMAND, command);
	mr_block_scalar(block, MR_PROCESS_EXECUTABLE, executable);
	mr_block_scalar(block, MR_PROCESS_PARENT_PID, facts.parent_pid);
	mr_block_scalar(block, MR_PROCESS_PARENT_START_TICKS, facts.parent_start_ticks);
	mr_feed_sink_end(sink, NULL);
}

static void put_settings(struct dump *dump)
{
	static const char *const settings[][2] = {
		{ "tracker.version", MR_VERSION_STRING },
		{ "tracker.clock", "CLOCK_MONOTONIC" },
		{ "tracker.writer", "dump_stats" },
	};
	uint64_t keys[MR_ARRAY_LEN(settings)];
	uint64_t values[MR_ARRAY_LEN(settings)];

	for (size_t i = 0; i < MR_ARRAY_LEN(settings); i++) {
		keys[i] = text_id(dump, settings[i][0]);
		values[i] = text_id(dump, settings[i][1]);
	}
	struct mr_block_writer *const block =
		mr_feed_sink_begin(&dump->account->sink, MR_KIND_SETTINGS, (uint32_t)MR_ARRAY_LEN(settings));
	mr_block_column(block, MR_SETTINGS_KEY, keys);
	mr_block_column(block, MR_SETTINGS_VALUE, values);
	mr_feed_sink_end(&dump->account->sink, NULL);
}

static void put_counters(struct dump *dump)
{
	const struct mr_store *const store = dump->account->store;
	const uint64_t keys[] = {
		text_id(dump, "tracker.snapshots"),
		text_id(dump, "tracker.memory_bytes"),
	};
	const uint64_t values[] = { mr_chunks_used(&store->snapshots), mr_store_memory(store) };
	struct mr_block_writer *const block =
		mr_feed_sink_begin(&dump->account->sink, MR_KIND_COUNTERS, (uint32_t)MR_ARRAY_LEN(keys));

	mr_block_column(block, MR_COUNTERS_KEY, keys);
	mr_block_column(block, MR_COUNTERS_VALUE, values);
	mr_feed_sink_end(&dump->account->sink, NULL);
}

static int write_all(struct dump *dump, const char *path, struct mr_error *err)
{
	struct mr_feed_account *const account = dump->account;
	struct mr_feed_sink *const sink = &account->sink;
	const struct mr_log_header header = {
		.version_major = MR_LOG_VERSION_MAJOR,
		.version_minor = MR_LOG_VERSION_MINOR,
		.boot_id = { dump->identity.boot_id[0], dump->identity.boot_id[1] },
		.start_ticks = dump->identity.start_ticks,
		.pid = dump->identity.pid,
		.clock_realtime_ns = mr_clock_realtime_ns(),
	};
	const struct mr_log_writer_options options = { .compression_level = 1 };

	MR_TRY(mr_log_writer_open(&sink->writer, path, &header, &options, err));
	sink->stream = mr_log_writer_add_stream(sink->writer);
	account->labels_at_end = true;
	put_stream(dump);
	put_process(dump);
	put_settings(dump);
	mr_feed_account_definitions(account);
	mr_feed_account_births(account);
	mr_feed_account_deaths(account);
	mr_feed_account_snapshots(account);
	put_counters(dump);

	const int code =
		mr_log_writer_close(sink->writer, dump->time_ns,
	                            sink->failure.code == MR_OK ? MR_END_CLOSED : MR_END_FAILED, err);
	if (sink->failure.code != MR_OK) {
		*err = sink->failure;
		return err->code;
	}
	return code;
}

int mr_feed_dump(const struct mr_store *store, const char *path)
{
	const uint64_t now_ns = mr_clock_monotonic_ns();
	struct mr_error err = { 0 };
	struct dump dump = { .identity = { .pid = (uint32_t)getpid() } };

	/* Without /proc a run has no boot id and no start: it stays a run, one that merges with no other. */
	(void)(mr_proc_identity_read(0, &dump.identity) < 0);
	dump.time_ns = now_ns - store->zero_ns;
	dump.zero_realtime_ns = mr_feed_zero_realtime_ns(store->zero_ns);
	dump.account = mr_feed_account_new((struct mr_store *)store);
	if (dump.account == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	const int code = write_all(&dump, path, &err);
	mr_feed_account_free(dump.account);
	if (code < 0)
		mr_feed_raise(&err, path);
	return code < 0 ? -1 : 0;
}

void mr_feed_raise(const struct mr_error *err, const char *path)
{
	if (err->code == MR_ERR_NOMEM) {
		PyErr_NoMemory();
		return;
	}
	/* What cannot be opened has an error of its own kind (FileNotFoundError and so on). */
	const int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666) : -1;
	if (path != NULL && fd < 0) {
		PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
		return;
	}
	if (fd >= 0)
		(void)close(fd);
	PyErr_SetString(PyExc_OSError, err->message);
}
