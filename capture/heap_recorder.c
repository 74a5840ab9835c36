/* SPDX-License-Identifier: MIT
 *
 * See heap_recorder.h.
 */
#include "heap_recorder.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "futex.h"
#include "heap_identity.h"
#include "heap_image.h"
#include "memrecord_folder.h"
#include "proc_memory.h"
#include "sampler_process.h"
#include "tracker_clock.h"

#define IDLE_NS \
	UINT64_C(40000000) /* the wait when nothing comes: the heart beats more often than asked for */
#define BUSY_NS UINT64_C(10000000) /* when something came */
#define AGAIN_BYTES (96u << 10)    /* of records in a pass: more will have come meanwhile */
#define MEMORY_LOOK_NS UINT64_C(100000000)

enum request_kind { REQUEST_ENDED, REQUEST_SNAPSHOT };

struct request {
	enum request_kind kind;
	uint32_t pid;
	uint64_t start_ticks;
	bool counts; /* when it was not recorded */
	char name[MR_PROC_COMM_MAX];
	char program[MR_PROCESS_PROGRAM_MAX];
	uint64_t program_ns;
};

struct process {
	uint32_t pid;
	uint64_t start_ticks;
};

struct mr_heap_recorder {
	struct mr_folder folder;
	struct mr_heap_recorder_options options;
	struct mr_heap_log log;
	struct mr_heap_common common;
	struct mr_channel_header *clock;
	struct mr_heap_symbols *symbols;
	struct mr_heap_string_id *string_ids;
	struct mr_heap_recorder_totals totals;
	struct mr_error complaint;
	uint32_t root_pid;

	/* The thread's. */
	struct mr_heap_image **images;
	size_t image_count;
	size_t image_capacity;
	struct process *closed; /* that closed their channels and may live on */
	size_t closed_count;
	size_t closed_capacity;
	uint64_t memory_due_ns;

	pthread_t thread;
	bool runs;
	int found_fd;
	pthread_mutex_t lock; /* of what follows; held for moments */
	bool stop;
	struct request *requests;
	size_t request_count;
	size_t request_capacity;
	struct process *found;
	size_t found_count;
	size_t found_capacity;
};

/* ---- From the other thread ----------------------------------------------------------------- */

int mr_heap_recorder_new(struct mr_heap_recorder **recorder, const char *parent,
                         const struct mr_heap_recorder_options *options, struct mr_error *err)
{
	struct mr_heap_recorder *const made = mr_alloc(sizeof(*made));
	int code;

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "out of memory for recording heaps");
	(void)pthread_mutex_init(&made->lock, NULL);
	made->options = *options;
	made->found_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	made->clock = mr_alloc(sizeof(*made->clock));
	code = mr_folder_make_below(&made->folder, parent, "heap", err);
	if (code == MR_OK && (!made->clock || made->found_fd < 0))
		code = mr_fail(err, MR_ERR_NOMEM, "cannot record heaps: %s", strerror(errno));
	if (code == MR_OK && options->symbols)
		code = mr_heap_symbols_new(&made->symbols, err);
	if (code < 0) {
		mr_heap_recorder_free(made);
		return code;
	}
	made->clock->zero_monotonic_ns = mr_clock_monotonic_ns();
	mr_clock_begin(made->clock);
	*recorder = made;
	return MR_OK;
}

void mr_heap_recorder_free(struct mr_heap_recorder *recorder)
{
	if (!recorder)
		return;
	mr_heap_recorder_finish(recorder, NULL);
	mr_folder_release(&recorder->folder);
	mr_heap_log_release(&recorder->log);
	mr_heap_symbols_free(recorder->symbols);
	while (recorder->string_ids) {
		struct mr_heap_string_id *const first = recorder->string_ids;

		recorder->string_ids = first->next;
		mr_free(first);
	}
	if (recorder->found_fd >= 0)
		close(recorder->found_fd);
	mr_free(recorder->clock);
	mr_free(recorder->closed);
	mr_free(recorder->requests);
	mr_free(recorder->found);
	mr_free(recorder->images);
	(void)pthread_mutex_destroy(&recorder->lock);
	mr_free(recorder);
}

const char *mr_heap_recorder_folder(const struct mr_heap_recorder *recorder)
{
	return recorder->folder.path;
}

int mr_heap_recorder_fd(const struct mr_heap_recorder *recorder)
{
	return recorder->found_fd;
}

void mr_heap_recorder_set_root(struct mr_heap_recorder *recorder, uint32_t pid)
{
	recorder->root_pid = pid;
}

bool mr_heap_recorder_found(struct mr_heap_recorder *recorder, uint32_t *pid, uint64_t *start_ticks)
{
	uint64_t count;
	bool any;

	pthread_mutex_lock(&recorder->lock);
	any = recorder->found_count > 0;
	if (any) {
		const struct process *const last = &recorder->found[--recorder->found_count];

		*pid = last->pid;
		*start_ticks = last->start_ticks;
	} else {
		(void)(read(recorder->found_fd, &count, sizeof(count)) < 0); /* only to empty it */
	}
	pthread_mutex_unlock(&recorder->lock);
	return any;
}

static void wake(struct mr_heap_recorder *recorder)
{
	atomic_store(&recorder->folder.page->wake, 1);
	mr_futex_wake(&recorder->folder.page->wake);
}

static void ask(struct mr_heap_recorder *recorder, const struct request *request)
{
	if (!recorder->runs)
		return;
	pthread_mutex_lock(&recorder->lock);
	if (mr_grow(&recorder->requests, &recorder->request_capacity, recorder->request_count + 1,
	            sizeof(*recorder->requests)) == MR_OK)
		recorder->requests[recorder->request_count++] = *request;
	pthread_mutex_unlock(&recorder->lock);
	wake(recorder);
}

void mr_heap_recorder_ended(struct mr_heap_recorder *recorder, const struct mr_heap_ended *ended)
{
	struct request request = { .kind = REQUEST_ENDED,
		                   .pid = ended->pid,
		                   .start_ticks = ended->start_ticks,
		                   .program_ns = ended->program_ns };

	(void)snprintf(request.name, sizeof(request.name), "%s", ended->name ? ended->name : "");
	(void)snprintf(request.program, sizeof(request.program), "%s", ended->program);
	request.counts = ended->name != NULL;
	ask(recorder, &request);
}

void mr_heap_recorder_snapshot(struct mr_heap_recorder *recorder)
{
	const struct request request = { .kind = REQUEST_SNAPSHOT };

	ask(recorder, &request);
}

void mr_heap_recorder_totals(const struct mr_heap_recorder *recorder, struct mr_heap_recorder_totals *totals)
{
	*totals = recorder->totals;
}

/* ---- Images ------------------------------------------------------------------------------------ */

/* The name of the file that IMAGE runs. */
static const char *program_of(const struct mr_heap_image *image)
{
	const char *const slash = strrchr(image->executable, '/');

	return slash ? slash + 1 : image->executable;
}

static void sum_up(struct mr_heap_recorder *recorder, const struct mr_heap_image *image)
{
	struct mr_heap_recorder_totals *const totals = &recorder->totals;
	const struct mr_heap_profile *const heap = &image->profile;
	struct mr_heap_drain_counts counts;

	mr_heap_drain_counts(image->drain, &counts);
	totals->events += counts.events;
	totals->lost += atomic_load_explicit(&image->channel->header->counters[MR_HEAP_UNRECORDED_ALLOCS],
	                                     memory_order_relaxed);
	if (image->pid == recorder->root_pid && heap->peak_bytes > totals->peak_bytes)
		totals->peak_bytes = heap->peak_bytes;
	if (image->pid == recorder->root_pid && image->over_ns == 0) {
		totals->leaked_bytes = heap->live_bytes;
		totals->leaked_count = heap->live_count;
	}
	if (heap->peak_bytes > totals->largest_peak_bytes) {
		totals->largest_peak_bytes = heap->peak_bytes;
		(void)snprintf(totals->largest_name, sizeof(totals->largest_name), "%.60s",
		               program_of(image));
	}
}

/* Takes the last of image AT and lets go of it; ALL: nothing more can come. */
static void end_image(struct mr_heap_recorder *recorder, size_t at, bool all)
{
	struct mr_heap_image *const image = recorder->images[at];

	(void)mr_heap_image_run(image, all);
	const uint64_t memory = mr_heap_image_memory(image); /* it may have lived between two looks */

	if (memory > recorder->totals.memory_max)
		recorder->totals.memory_max = memory;
	sum_up(recorder, image);
	mr_heap_image_end(image);
	if (image->complaint.code && !recorder->complaint.code)
		recorder->complaint = image->complaint;
	mr_heap_image_free(image);
	recorder->images[at] = recorder->images[--recorder->image_count];
}

/* Ends all images of a process; false: there were none. */
static bool end_images_of(struct mr_heap_recorder *recorder, uint32_t pid, uint64_t start_ticks)
{
	bool any = false;

	for (size_t i = recorder->image_count; i > 0; i--) {
		if (recorder->images[i - 1]->pid != pid ||
		    recorder->images[i - 1]->start_ticks != start_ticks)
			continue;
		end_image(recorder, i - 1, true);
		any = true;
	}
	return any;
}

static void tell_of(struct mr_heap_recorder *recorder, uint32_t pid, uint64_t start_ticks)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&recorder->lock);
	if (mr_grow(&recorder->found, &recorder->found_capacity, recorder->found_count + 1,
	            sizeof(*recorder->found)) == MR_OK)
		recorder->found[recorder->found_count++] = (struct process){ pid, start_ticks };
	(void)(write(recorder->found_fd, &one, sizeof(one)) < 0); /* full: it is readable */
	pthread_mutex_unlock(&recorder->lock);
}

static bool take_channel(void *context, const struct mr_folder_channel *found)
{
	struct mr_heap_recorder *const recorder = context;
	const uint64_t begin_ns = found->channel->header->zero_monotonic_ns;
	struct mr_heap_image *image;
	uint64_t over_ns = 0;

	/* The same process again: it has called exec(2), and what was there before is over.  The two
	 * may be found in either order. */
	for (size_t i = recorder->image_count; i > 0; i--) {
		struct mr_heap_image *const other = recorder->images[i - 1];

		if (other->pid != found->pid || other->start_ticks != found->start_ticks)
			continue;
		if (other->channel->header->zero_monotonic_ns > begin_ns) {
			over_ns = other->channel->header->zero_monotonic_ns;
			continue;
		}
		other->over_ns = begin_ns;
		end_image(recorder, i - 1, true);
	}
	if (mr_grow(&recorder->images, &recorder->image_capacity, recorder->image_count + 1,
	            sizeof(*recorder->images)) < 0) {
		mr_channel_close(found->channel);
		return false;
	}
	if (mr_heap_image_new(&image, &recorder->common, found->channel, found->pid, found->start_ticks,
	                      &recorder->complaint) < 0)
		return false;
	mr_heap_identity_write(image, recorder->options.arguments);
	recorder->images[recorder->image_count++] = image;
	recorder->totals.images++;
	tell_of(recorder, found->pid, found->start_ticks);
	image->over_ns = over_ns;
	if (over_ns)
		end_image(recorder, recorder->image_count - 1, true);
	return true;
}

static void scan(struct mr_heap_recorder *recorder)
{
	mr_folder_scan(&recorder->folder, take_channel, recorder, &recorder->complaint);
}

/* ---- Requests ------------------------------------------------------------------------------------ */

static bool forget_closed(struct mr_heap_recorder *recorder, const struct request *request)
{
	for (size_t i = 0; i < recorder->closed_count; i++) {
		if (recorder->closed[i].pid != request->pid ||
		    recorder->closed[i].start_ticks != request->start_ticks)
			continue;
		recorder->closed[i] = recorder->closed[--recorder->closed_count];
		return true;
	}
	return false;
}

static void count_unrecorded(struct mr_heap_recorder *recorder, const char *name)
{
	struct mr_heap_recorder_totals *const totals = &recorder->totals;
	const size_t len = strlen(totals->unrecorded_names);

	totals->unrecorded++;
	if (!strstr(totals->unrecorded_names, name) &&
	    len + strlen(name) + 3 < sizeof(totals->unrecorded_names))
		(void)snprintf(totals->unrecorded_names + len, sizeof(totals->unrecorded_names) - len, "%s%s",
		               len ? ", " : "", name);
}

/* The length of a file's name without what /proc adds when the file has been deleted. */
static size_t program_len(const char *name)
{
	static const char deleted[] = " (deleted)";
	const size_t len = strlen(name);
	const size_t tail = sizeof(deleted) - 1;

	return len > tail && strcmp(name + len - tail, deleted) == 0 ? len - tail : len;
}

/* Whether PROGRAM is the name of the file that IMAGE runs. */
static bool runs_program(const struct mr_heap_image *image, const char *program)
{
	const char *const own = program_of(image);
	const size_t len = program_len(program);

	return strncmp(own, program, len) == 0 &&
	       (program_len(own) == len || len + 1 >= MR_PROCESS_PROGRAM_MAX);
}

/* Whether the process has called exec(2) since it opened its last channel, and what it runs opened none. */
static bool went_on_unrecorded(const struct mr_heap_recorder *recorder, const struct request *request)
{
	const struct mr_heap_image *last = NULL;

	for (size_t i = 0; i < recorder->image_count; i++) {
		const struct mr_heap_image *const image = recorder->images[i];

		if (image->pid == request->pid && image->start_ticks == request->start_ticks &&
		    (!last ||
		     image->channel->header->zero_monotonic_ns > last->channel->header->zero_monotonic_ns))
			last = image;
	}
	return last && last->executable[0] && request->program[0] &&
	       request->program_ns > last->channel->header->zero_monotonic_ns &&
	       !runs_program(last, request->program);
}

static void answer(struct mr_heap_recorder *recorder, const struct request *request)
{
	switch (request->kind) {
	case REQUEST_ENDED:
		scan(recorder);
		if (request->counts && went_on_unrecorded(recorder, request))
			count_unrecorded(recorder, request->name);
		if (!end_images_of(recorder, request->pid, request->start_ticks) &&
		    !forget_closed(recorder, request) && request->counts)
			count_unrecorded(recorder, request->name);
		return;
	case REQUEST_SNAPSHOT:
		for (size_t i = 0; i < recorder->image_count; i++) {
			struct mr_heap_image *const image = recorder->images[i];

			(void)mr_heap_image_run(image, false);
			if (image->begun)
				mr_heap_snapshot_take(image, MR_HEAP_REQUEST, "requested by a signal",
				                      mr_heap_image_now(image));
		}
	}
}

/* False: it is to stop. */
static bool take_requests(struct mr_heap_recorder *recorder)
{
	bool stop;

	for (;;) {
		struct request request;

		pthread_mutex_lock(&recorder->lock);
		const bool any = recorder->request_count > 0;

		if (any) {
			request = recorder->requests[0];
			recorder->request_count--;
			memmove(recorder->requests, recorder->requests + 1,
			        recorder->request_count * sizeof(request));
		}
		stop = recorder->stop;
		pthread_mutex_unlock(&recorder->lock);
		if (!any)
			return !stop;
		answer(recorder, &request);
		mr_channel_heartbeat(recorder->folder.page);
	}
}

/* ---- The thread ------------------------------------------------------------------------------------ */

static void close_image(struct mr_heap_recorder *recorder, size_t at)
{
	const struct process process = { recorder->images[at]->pid, recorder->images[at]->start_ticks };

	end_image(recorder, at, true);
	if (mr_grow(&recorder->closed, &recorder->closed_capacity, recorder->closed_count + 1,
	            sizeof(*recorder->closed)) == MR_OK)
		recorder->closed[recorder->closed_count++] = process;
}

static void look_at_memory(struct mr_heap_recorder *recorder)
{
	const uint64_t now_ns = mr_clock_monotonic_ns();
	uint64_t sum = 0;

	if (now_ns < recorder->memory_due_ns)
		return;
	recorder->memory_due_ns = now_ns + MEMORY_LOOK_NS;
	for (size_t i = 0; i < recorder->image_count; i++)
		sum += mr_heap_image_memory(recorder->images[i]);
	if (sum > recorder->totals.memory_max)
		recorder->totals.memory_max = sum;
}

/* Gives the bytes of records that were taken. */
static uint64_t pass(struct mr_heap_recorder *recorder)
{
	uint64_t bytes = 0;

	for (size_t i = recorder->image_count; i > 0; i--) {
		struct mr_heap_image *const image = recorder->images[i - 1];

		/* In this order: what was appended before it was closed is taken. */
		const bool closed = mr_heap_image_is_closed(image);

		bytes += mr_heap_image_run(image, false);
		if (closed)
			close_image(recorder, i - 1);
		else if (recorder->symbols)
			mr_heap_naming_foresee(image);
		mr_channel_heartbeat(recorder->folder.page);
	}
	if (recorder->symbols)
		mr_heap_symbols_look_ahead(recorder->symbols);
	mr_heap_log_pass_on(&recorder->log, false);
	look_at_memory(recorder);
	return bytes;
}

static bool lives(const struct mr_heap_image *image)
{
	struct mr_proc_stat stat;

	return mr_proc_stat_read(image->pid, &stat) == MR_OK && stat.start_ticks == image->start_ticks &&
	       stat.state != 'Z' && stat.state != 'X';
}

static void finish(struct mr_heap_recorder *recorder)
{
	scan(recorder);
	while (recorder->image_count > 0) {
		const struct mr_heap_image *const last = recorder->images[recorder->image_count - 1];

		mr_channel_heartbeat(recorder->folder.page);
		end_image(recorder, recorder->image_count - 1, !lives(last));
	}
	/* Nobody is to wait for us any more. */
	atomic_store(&recorder->folder.page->heartbeat_ns, 0);
	mr_heap_log_pass_on(&recorder->log, true);
}

static void write_symbols(struct mr_heap_recorder *recorder)
{
	struct mr_heap_symbols_report report = { 0 };

	if (!recorder->symbols || recorder->log.failure.code != MR_OK)
		return;
	pthread_mutex_lock(recorder->log.lock);
	(void)(mr_heap_symbols_write(recorder->symbols, recorder->log.writer, &report,
	                             &recorder->log.failure) < 0);
	pthread_mutex_unlock(recorder->log.lock);
	recorder->totals.places = report.places;
	recorder->totals.places_named = report.places_named;
	recorder->totals.modules_missing = report.modules_missing;
}

static void *run(void *argument)
{
	struct mr_heap_recorder *const recorder = argument;
	struct timespec cpu = { 0 };

	mr_folder_guard_begin(); /* other programs' memory is looked at everywhere */
	for (;;) {
		mr_channel_heartbeat(recorder->folder.page);
		mr_clock_adjust(recorder->clock);
		scan(recorder);
		const uint64_t bytes = pass(recorder);

		if (!take_requests(recorder))
			break;
		if (bytes < AGAIN_BYTES)
			mr_channel_wait(recorder->folder.page, bytes > 0 ? BUSY_NS : IDLE_NS);
	}
	finish(recorder);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	recorder->totals.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
	recorder->totals.full = recorder->log.full;
	write_symbols(recorder);
	return NULL;
}

int mr_heap_recorder_start(struct mr_heap_recorder *recorder, struct mr_log_writer *writer,
                           pthread_mutex_t *lock, struct mr_error *err)
{
	sigset_t all;
	sigset_t before;

	recorder->log.writer = writer;
	recorder->log.lock = lock;
	recorder->log.max_size_bytes = recorder->options.max_size_bytes;
	recorder->common = (struct mr_heap_common){
		.log = &recorder->log,
		.clock = recorder->clock,
		.symbols = recorder->symbols,
		.string_ids = &recorder->string_ids,
		.home = recorder->options.home,
		.folder = recorder->folder.path,
		.events = recorder->options.events,
		.all_sites = recorder->options.all_sites,
	};
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGBUS); /* one that is blocked ends us; see mr_folder_guard_begin() */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	const int failed = pthread_create(&recorder->thread, NULL, run, recorder);

	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	MR_FAIL_IF(failed, err, MR_ERR_NOMEM, "cannot make a thread: %s", strerror(failed));
	recorder->runs = true;
	return MR_OK;
}

void mr_heap_recorder_finish(struct mr_heap_recorder *recorder, struct mr_error *complaint)
{
	if (recorder->runs) {
		pthread_mutex_lock(&recorder->lock);
		recorder->stop = true;
		pthread_mutex_unlock(&recorder->lock);
		wake(recorder);
		(void)pthread_join(recorder->thread, NULL);
		recorder->runs = false;
	}
	if (complaint && recorder->complaint.code && !complaint->code)
		*complaint = recorder->complaint;
}
