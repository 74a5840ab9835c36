/* SPDX-License-Identifier: MIT
 *
 * A capture from its opening to its end, the list of those that are open, and
 * the small calls that concern all of it.
 *
 * The list and its lock lie in a page that a forked child sees as zeros: there
 * no capture is open, whatever another thread was doing at that moment.  The
 * same page tells every operation whether it runs in the process that opened.
 */
#include "tracker.h"

#include <errno.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory_mapped.h"

#define CONTROL_RING_BYTES (1u << 20)
/* At the end of the process other threads may be anywhere, for ever. */
#define PATIENCE_NS UINT64_C(2000000000)

_Static_assert((int)MEMCAPTURE_ERR_ARG == (int)MR_ERR_ARG && (int)MEMCAPTURE_ERR_WRITE == (int)MR_ERR_WRITE &&
                       sizeof(struct memcapture_error) == sizeof(struct mr_error),
               "the public errors are ours");

/* ---- The registry ------------------------------------------------------------------ */

struct registry {
	struct mr_lock lock;
	_Atomic uint64_t first_serial; /* of captures of this process; 0: none */
	struct memcapture *first;
};

static _Atomic(struct registry *) registry_page;
static _Atomic uint64_t serial_last;

static void registry_wipe(void)
{
	memset(atomic_load_explicit(&registry_page, memory_order_relaxed), 0, sizeof(struct registry));
}

static struct registry *registry_get(void)
{
	struct registry *registry = atomic_load_explicit(&registry_page, memory_order_acquire);

	if (registry != NULL)
		return registry;

	struct registry *fresh = mr_pages_map_wiped_on_fork(sizeof(*fresh));
	const bool wiped = fresh != NULL;
	if (!wiped)
		fresh = mr_pages_map(sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&registry_page, &registry, fresh)) {
		/* A kernel before 4.14: children that libc makes are told at least. */
		if (!wiped)
			(void)pthread_atfork(NULL, NULL, registry_wipe);
		return fresh;
	}
	mr_pages_unmap(fresh, sizeof(*fresh));
	return registry;
}

static void registry_add(struct registry *registry, struct memcapture *capture)
{
	mr_lock_acquire(&registry->lock);
	capture->next = registry->first;
	registry->first = capture;
	mr_lock_release(&registry->lock);
}

/* Takes CAPTURE out; false: it was not there (another thread closes it, or closed it). */
static bool registry_remove(struct registry *registry, const struct memcapture *capture)
{
	bool found = false;

	mr_lock_acquire(&registry->lock);
	for (struct memcapture **at = &registry->first; *at != NULL; at = &(*at)->next) {
		if (*at == capture) {
			*at = capture->next;
			found = true;
			break;
		}
	}
	mr_lock_release(&registry->lock);
	return found;
}

void mr_tracker_with(uint64_t serial, void (*function)(struct memcapture *capture, void *context),
                     void *context)
{
	struct registry *const registry = atomic_load_explicit(&registry_page, memory_order_acquire);

	if (registry == NULL)
		return;
	mr_lock_acquire(&registry->lock);
	for (struct memcapture *capture = registry->first; capture != NULL; capture = capture->next) {
		if (capture->serial == serial) {
			function(capture, context);
			break;
		}
	}
	mr_lock_release(&registry->lock);
}

/* ---- Failures ------------------------------------------------------------------------- */

void mr_tracker_fail(struct memcapture *capture, const struct mr_error *err)
{
	mr_lock_acquire(&capture->failure_lock);
	mr_fail(&capture->failure, err->code, "%s", err->message);
	mr_lock_release(&capture->failure_lock);
}

static int give_error(struct memcapture_error *error, const struct mr_error *err)
{
	if (error != NULL)
		memcpy(error, err, sizeof(*error));
	return err->code;
}

int memcapture_status(struct memcapture *capture, struct memcapture_error *error)
{
	struct mr_error err = { 0 };

	if (capture != NULL && mr_tracker_alive(capture)) {
		mr_lock_acquire(&capture->failure_lock);
		err = capture->failure;
		mr_lock_release(&capture->failure_lock);
	}
	return give_error(error, &err);
}

/* ---- Signals --------------------------------------------------------------------------- */

/* A write that a limit on file sizes or a closed pipe forbids is an error to us,
 * but its signal would end the program.  The flush thread takes no signals; this
 * is for the calls in which the program's own threads write. */
struct quiet {
	sigset_t signals;
	sigset_t before;
	sigset_t pending_before;
};

static void quiet_begin(struct quiet *quiet)
{
	(void)sigemptyset(&quiet->signals);
	(void)sigaddset(&quiet->signals, SIGXFSZ);
	(void)sigaddset(&quiet->signals, SIGPIPE);
	(void)sigpending(&quiet->pending_before);
	(void)pthread_sigmask(SIG_BLOCK, &quiet->signals, &quiet->before);
}

static void quiet_end(const struct quiet *quiet)
{
	const struct timespec at_once = { 0, 0 };

	/* What was there before us is the program's. */
	if (sigismember(&quiet->pending_before, SIGXFSZ) == 0 &&
	    sigismember(&quiet->pending_before, SIGPIPE) == 0) {
		while (sigtimedwait(&quiet->signals, NULL, &at_once) > 0)
			;
	}
	(void)pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* PATTERN with each "%p" as the pid. */
static int expand_path(const char *pattern, char path[PATH_MAX], struct mr_error *err)
{
	size_t len = 0;

	for (const char *at = pattern; *at != '\0'; at++) {
		if (at[0] == '%' && at[1] == 'p') {
			len += (size_t)snprintf(path + len, PATH_MAX - len, "%d", (int)getpid());
			at++;
		} else if (len + 1 < PATH_MAX) {
			path[len++] = *at;
		} else {
			len = PATH_MAX;
		}
		MR_FAIL_IF(len >= PATH_MAX, err, MR_ERR_ARG, "the log's name is too long: '%.100s...'",
		           pattern);
	}
	path[len] = '\0';
	MR_FAIL_IF(len == 0, err, MR_ERR_ARG, "the log's name is empty");
	return 0;
}

/* The pattern for the log of memcapture_open(): what the environment says, or what was ASKED for. */
static int choose_path(const char *asked, char pattern[PATH_MAX], struct mr_error *err)
{
	const char *const environment = secure_getenv(MR_TRACKER_ENVIRONMENT);
	int len;

	if (environment != NULL && environment[0] != '\0')
		len = snprintf(pattern, PATH_MAX, "%s", environment);
	else if (asked != NULL)
		len = snprintf(pattern, PATH_MAX, "%s", asked);
	else
		len = snprintf(pattern, PATH_MAX, "%s.%%p.dat", program_invocation_short_name);
	MR_FAIL_IF(len >= PATH_MAX, err, MR_ERR_ARG, "the log's name is too long: '%.100s...'", pattern);
	return 0;
}

static int open_log(struct memcapture *capture, const char *path, struct mr_error *err)
{
	const struct mr_channel_header *const channel = capture->channel->header;
	const struct mr_log_header header = {
		.version_major = MR_LOG_VERSION_MAJOR,
		.version_minor = MR_LOG_VERSION_MINOR,
		.boot_id = { channel->boot_id[0], channel->boot_id[1] },
		.start_ticks = channel->start_ticks,
		.pid = channel->pid,
		.clock_realtime_ns = channel->zero_realtime_ns,
	};
	const struct mr_log_writer_options options = { .compression_level = 1 };

	struct quiet quiet;

	quiet_begin(&quiet);
	const int code = mr_log_writer_open(&capture->log, path, &header, &options, err);
	quiet_end(&quiet);
	return code;
}

static int control_ring(struct memcapture *capture, enum mr_ring_kind kind, struct mr_ring_writer *writer,
                        struct mr_error *err)
{
	uint32_t index;
	struct mr_ring *const ring = mr_channel_add_ring(capture->channel, kind, CONTROL_RING_BYTES, &index);

	MR_FAIL_IF(ring == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	mr_ring_writer_init(writer, capture->channel, ring, index);
	return 0;
}

/* Under memrecord its channel, otherwise private memory and a log of our own. */
static int open_channel(struct memcapture *capture, const struct mr_tracker_options *options,
                        struct mr_error *err)
{
	const char *const folder = secure_getenv(MR_CHANNEL_ENVIRONMENT);
	const uint32_t source = options->source != 0 ? options->source : (uint32_t)MR_SOURCE_TRACKER;
	const char *pattern = options->path;
	char chosen[PATH_MAX];
	char path[PATH_MAX];

	if (folder != NULL && folder[0] != '\0' &&
	    mr_channel_create(&capture->channel, folder, source, NULL) == 0)
		return 0;
	if (options->path_by_environment) {
		MR_TRY(choose_path(options->path, chosen, err));
		pattern = chosen;
	}
	if (pattern == NULL)
		return 0; /* nobody wants a log */
	MR_TRY(expand_path(pattern, path, err));
	MR_TRY(mr_channel_create(&capture->channel, NULL, source, err));
	return open_log(capture, path, err);
}

static void begin_clock(struct mr_channel_header *header, const struct mr_tracker_options *options)
{
	if (options->zero_monotonic_ns == 0) {
		mr_clock_begin(header);
		return;
	}
	header->zero_realtime_ns = options->zero_realtime_ns;
	header->zero_monotonic_ns = options->zero_monotonic_ns;
	mr_clock_begin_exact(header);
}

static int open_parts(struct memcapture *capture, const struct mr_tracker_options *options,
                      struct mr_error *err)
{
	capture->creator = options->creator;
	capture->language = options->language;
	MR_TRY(open_channel(capture, options, err));
	if (capture->channel == NULL)
		return 0;
	begin_clock(capture->channel->header, options);
	capture->clock_is_tsc = capture->channel->header->clock_is_tsc != 0;
	capture->needs_fence = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
	MR_TRY(control_ring(capture, MR_RING_DEFINITIONS, &capture->definitions, err));
	MR_TRY(control_ring(capture, MR_RING_DETAIL, &capture->detail, err));
	MR_TRY(mr_names_new(capture, err));
	MR_TRY(mr_snapshot_new(capture, err));
	capture->classes = mr_pages_map((MR_TRACKER_CLASSES_MAX + 1) * sizeof(*capture->classes));
	MR_FAIL_IF(capture->classes == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	atomic_store_explicit(&capture->id_next, 1, memory_order_relaxed);
	mr_facts_begin(capture);
	/* Last: from here on there is a thread to stop. */
	if (capture->log != NULL)
		MR_TRY(mr_flusher_start(capture, err));
	return 0;
}

/* Frees all that CAPTURE has; no thread uses it any more, and its log is closed. */
static void release(struct memcapture *capture)
{
	mr_flusher_free(capture);
	mr_log_writer_abandon(capture->log);
	mr_thread_free_all(capture);
	if (capture->classes != NULL) {
		mr_class_free_all(capture);
		mr_pages_unmap((void *)capture->classes,
		               (MR_TRACKER_CLASSES_MAX + 1) * sizeof(*capture->classes));
	}
	mr_trace_free(capture);
	mr_keeper_release(&capture->keeper);
	mr_snapshot_free(capture->snapshotter);
	mr_names_free(capture->names);
	mr_map_release(&capture->map);
	mr_rows_release(&capture->rows);
	mr_channel_close(capture->channel);
	mr_pages_unmap(capture, sizeof(*capture));
}

int mr_tracker_open(struct memcapture **capture, const struct mr_tracker_options *options,
                    struct mr_error *err)
{
	struct registry *const registry = registry_get();
	struct memcapture *const opened = registry != NULL ? mr_pages_map(sizeof(*opened)) : NULL;
	MR_FAIL_IF(opened == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	opened->serial = atomic_fetch_add(&serial_last, 1) + 1;
	opened->first_serial = &registry->first_serial;
	uint64_t first = atomic_load(&registry->first_serial);
	while ((first == 0 || first > opened->serial) &&
	       !atomic_compare_exchange_weak(&registry->first_serial, &first, opened->serial))
		;

	const int code = open_parts(opened, options, err);
	if (code < 0 || opened->channel == NULL) {
		release(opened);
		*capture = NULL;
		return code;
	}
	registry_add(registry, opened);
	*capture = opened;
	return 0;
}

int memcapture_open(struct memcapture **capture, const char *path, struct memcapture_error *error)
{
	const char *const environment = secure_getenv(MR_TRACKER_ENVIRONMENT);
	const struct mr_tracker_options options = {
		.path = path,
		.path_by_environment = true,
		.creator = "libmemcapture " MR_VERSION_STRING,
	};
	struct mr_error err = { 0 };

	if (error != NULL)
		memset(error, 0, sizeof(*error));
	if (capture == NULL)
		return MEMCAPTURE_ERR_ARG;
	*capture = NULL;
	if (environment != NULL && strcmp(environment, "off") == 0)
		return 0;
	return mr_tracker_open(capture, &options, &err) < 0 ? give_error(error, &err) : 0;
}

/* ---- Ending ----------------------------------------------------------------------------------- */

/* Hands what is left to the writer, and ends the log. */
static void finish(struct memcapture *capture, enum mr_end_reason reason)
{
	struct mr_channel_header *const header = capture->channel->header;
	const uint64_t end_ns = mr_channel_time_ns(header, mr_tracker_ticks(capture));
	struct mr_error err = { 0 };
	struct quiet quiet;

	mr_trace_symbols(capture);
	(void)mr_facts_overhead(capture);
	if (capture->log == NULL) {
		static const uint64_t no_span[4];
		struct mr_buffer buffer = { 0 };

		mr_facts_counters(capture, &buffer);
		mr_tracker_detail(capture, &buffer, no_span);
		mr_buffer_release(&buffer);
	} else {
		quiet_begin(&quiet);
		mr_flusher_stop(capture);
	}
	header->end_reason = (uint32_t)reason;
	atomic_store_explicit(&header->end_time_ns, end_ns, memory_order_relaxed);
	atomic_store_explicit(&header->state, MR_CHANNEL_CLOSED, memory_order_release);
	mr_channel_wake(capture->channel);
	if (capture->log == NULL)
		return;

	struct mr_log_writer *const log = capture->log;
	capture->log = NULL;
	if (mr_log_writer_close(log, end_ns, reason, &err) < 0)
		mr_tracker_fail(capture, &err);
	quiet_end(&quiet);
}

int memcapture_close(struct memcapture *capture, struct memcapture_error *error)
{
	struct registry *const registry = atomic_load_explicit(&registry_page, memory_order_acquire);
	struct mr_error err = { 0 };

	if (error != NULL)
		memset(error, 0, sizeof(*error));
	/* In a forked child there is nothing to close: log and thread are the parent's. */
	if (capture == NULL || registry == NULL || !mr_tracker_alive(capture) ||
	    !registry_remove(registry, capture))
		return 0;

	mr_periodic_stop(capture);
	mr_lock_acquire(&capture->snapshot_lock);
	mr_lock_release(&capture->snapshot_lock);
	finish(capture, MR_END_CLOSED);
	err = capture->failure;
	release(capture);
	mr_thread_forget_closed();
	return give_error(error, &err);
}

/* The end of the process, or of the library: other threads may still be in the
 * middle of an operation, so memory stays, and nobody is waited for without end. */
__attribute__((destructor)) static void library_end(void)
{
	struct registry *const registry = atomic_load_explicit(&registry_page, memory_order_acquire);

	if (registry == NULL || atomic_load_explicit(&registry->first_serial, memory_order_relaxed) == 0)
		return;
	/* From here on every call is one of a capture that is not open. */
	atomic_store_explicit(&registry->first_serial, 0, memory_order_relaxed);
	mr_thread_library_end();
	while (mr_lock_acquire_timed(&registry->lock, PATIENCE_NS)) {
		struct memcapture *const capture = registry->first;

		if (capture != NULL)
			registry->first = capture->next;
		mr_lock_release(&registry->lock);
		if (capture == NULL)
			break;
		mr_periodic_stop(capture);
		if (mr_lock_acquire_timed(&capture->snapshot_lock, PATIENCE_NS))
			finish(capture, MR_END_EXIT);
	}
}

/* ---- What else concerns all of a capture ------------------------------------------------------- */

void mr_tracker_detail(struct memcapture *capture, const struct mr_buffer *buffer, const uint64_t span[4])
{
	if (buffer->failed) {
		const struct mr_error err = { .code = MR_ERR_NOMEM,
			                      .message = "out of memory for the log's blocks" };

		mr_tracker_fail(capture, &err);
		return;
	}
	/* A block that is lost because the writer has stopped is counted by the ring. */
	mr_lock_acquire(&capture->detail_lock);
	(void)(mr_ring_append_block(&capture->detail, buffer->data, buffer->len, span) == false);
	mr_lock_release(&capture->detail_lock);
}

void memcapture_detach_all(struct memcapture *capture)
{
	if (capture == NULL || !mr_tracker_alive(capture))
		return;
	mr_lock_acquire(&capture->snapshot_lock);
	mr_lock_acquire(&capture->class_lock);
	mr_class_detach_all(capture);
	mr_object_detach_all(capture);
	mr_lock_release(&capture->class_lock);
	mr_lock_release(&capture->snapshot_lock);
}

int memcapture_clear(struct memcapture *capture, struct memcapture_error *error)
{
	struct mr_error err = { 0 };

	if (error != NULL)
		memset(error, 0, sizeof(*error));
	if (capture == NULL || !mr_tracker_alive(capture))
		return 0;

	mr_lock_acquire(&capture->snapshot_lock);
	mr_lock_acquire(&capture->class_lock);
	mr_class_detach_all(capture);
	mr_object_detach_all(capture);
	if (capture->log != NULL) {
		struct quiet quiet;

		quiet_begin(&quiet);
		mr_lock_acquire(&capture->drain_lock);
		const int code = mr_flusher_restart(capture, &err);
		mr_lock_release(&capture->drain_lock);
		quiet_end(&quiet);
		if (code < 0)
			mr_tracker_fail(capture, &err);
		mr_snapshot_restart(capture);
		mr_names_define_all(capture);
		mr_facts_begin(capture);
		mr_class_define_all(capture);
		mr_trace_define_all(capture);
	}
	mr_lock_release(&capture->class_lock);
	mr_lock_release(&capture->snapshot_lock);
	return give_error(error, &err);
}

/* The THREADS row of the calling thread, once. */
static void define_thread(struct memcapture *capture, struct mr_thread *thread)
{
	char short_name[16] = "";
	const char *name = mr_recorder_thread_name();
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	if (thread->defined)
		return;
	thread->defined = true;
	if (name[0] == '\0') {
		(void)pthread_getname_np(pthread_self(), short_name, sizeof(short_name));
		name = short_name;
	}
	mr_block_begin(&block, &buffer, MR_KIND_THREADS, 1);
	mr_block_scalar(&block, MR_THREADS_ID, thread->number);
	mr_block_scalar(&block, MR_THREADS_TID, thread->tid);
	mr_block_scalar(&block, MR_THREADS_NAME, mr_names_string(capture, name, strlen(name)));
	mr_block_end(&block);
	mr_tracker_define(capture, &buffer);
	mr_buffer_release(&buffer);
}

int memcapture_mark(struct memcapture *capture, const char *text)
{
	const bool open = capture != NULL && mr_tracker_alive(capture);

	/* In a log that both share, one of the two says it. */
	if (text != NULL && (!open || !capture->channel->shared))
		(void)mr_recorder_mark(text, 0);
	if (!open || text == NULL)
		return 0;

	const uint64_t time_ns = mr_channel_time_ns(capture->channel->header, mr_tracker_ticks(capture));
	const uint64_t span[4] = { time_ns, time_ns, 0, 0 };
	struct mr_thread *const thread = mr_thread_of(capture);
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	define_thread(capture, thread);
	mr_block_begin(&block, &buffer, MR_KIND_MARKS, 1);
	mr_block_scalar(&block, MR_MARKS_TIME, time_ns);
	mr_block_scalar(&block, MR_MARKS_TEXT, mr_names_passing(capture, text, strlen(text)));
	mr_block_scalar(&block, MR_MARKS_THREAD, thread->number);
	mr_block_end(&block);
	mr_tracker_detail(capture, &buffer, span);
	mr_buffer_release(&buffer);
	return 0;
}

uint64_t memcapture_count(struct memcapture *capture, const struct memcapture_class *klass)
{
	if (capture == NULL || !mr_tracker_alive(capture))
		return 0;
	return mr_thread_count_objects(capture, klass != NULL ? klass->id : 0);
}
