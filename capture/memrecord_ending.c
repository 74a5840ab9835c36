/* SPDX-License-Identifier: MIT
 *
 * The end of a recording: the last that goes into the log, the closing line, and
 * what else there is to be said to who started it.
 */
#include "memrecord_ending.h"

#include <string.h>
#include <sys/stat.h>

#define OTHER_MEMORY_MIN (UINT64_C(32) << 20) /* bytes of resident memory, from which on it is said */
#define OTHER_MEMORY_PART 50                  /* that the heap is less than this part of it */

static void describe_end(char *text, size_t size, const struct mr_watch *watch)
{
	const unsigned long long value = watch->end.value;

	switch ((int)watch->end.state) {
	case MR_EXIT_EXITED:
		(void)snprintf(text, size, "exited with %llu", value);
		return;
	case MR_EXIT_SIGNALLED:
		(void)snprintf(text, size, "killed by signal %llu (%s)", value, strsignal((int)value));
		return;
	case MR_EXIT_UNKNOWN:
		(void)snprintf(text, size, "ended");
		return;
	default:
		(void)snprintf(text, size, "still running");
	}
}

/* The kernel's own figure, where it is known, is exact; but it begins with what memrecord held when
 * it made the process, and is that of the largest of its children where that held more. */
static uint64_t rss_peak(const struct mr_recording *run, const struct mr_sampler_totals *totals)
{
	const uint64_t exact = totals->process_count > 1 ? 0 : run->watch.rss_max;

	return exact > run->rss_begin && exact > totals->rss_peak_root ? exact : totals->rss_peak_root;
}

static void describe_peak(char *text, size_t size, const struct mr_recording *run,
                          const struct mr_sampler_totals *totals)
{
	const uint64_t rss_root = rss_peak(run, totals);
	char root[32];
	char tree[32];

	mr_text_bytes_short(root, rss_root);
	mr_text_bytes_short(tree, rss_root > totals->rss_peak_tree ? rss_root : totals->rss_peak_tree);
	if (rss_root == 0)
		(void)snprintf(text, size, "ended before a sample was taken");
	else if (totals->process_count > 1)
		(void)snprintf(text, size, "peak rss %s (%llu processes together %s)", root,
		               (unsigned long long)totals->process_count, tree);
	else
		(void)snprintf(text, size, "peak rss %s", root);
}

/* ", peak heap 1.2 MiB, leaked 3 B in 1 block", or "" */
static void describe_heap(char *text, size_t size, const struct mr_recording *run)
{
	const struct mr_heap_recorder_totals *const heap = &run->heap;
	char peak[32];
	char leaked[32];

	text[0] = '\0';
	if (!run->watch.heap)
		return;
	if (heap->images == 0) {
		(void)snprintf(text, size, ", no heap was recorded");
		return;
	}
	mr_text_bytes_short(peak, heap->peak_bytes);
	mr_text_bytes_short(leaked, heap->leaked_bytes);
	(void)snprintf(text, size, ", peak heap %s, leaked %s in %llu block%s", peak, leaked,
	               (unsigned long long)heap->leaked_count, heap->leaked_count == 1 ? "" : "s");
	if (heap->largest_peak_bytes > heap->peak_bytes) {
		const size_t len = strlen(text);

		mr_text_bytes_short(peak, heap->largest_peak_bytes);
		(void)snprintf(text + len, size - len, " (largest: %s, peak heap %s)",
		               heap->largest_name[0] ? heap->largest_name : "another process", peak);
	}
}

static void closing_line(const struct mr_recording *run)
{
	char heap[256];
	struct mr_sampler_totals totals;
	struct mr_buffer path = { 0 };
	struct stat info = { 0 };
	char size[32];
	char duration[32];
	char peak[128];
	char end[96];

	mr_sampler_totals(run->watch.sampler, &totals);
	(void)stat(run->path, &info);
	mr_text_bytes_short(size, (uint64_t)info.st_size);
	mr_text_duration(duration, mr_clock_monotonic_ns() - run->begin_ns);
	describe_end(end, sizeof(end), &run->watch);
	describe_peak(peak, sizeof(peak), run, &totals);
	describe_heap(heap, sizeof(heap), run);
	mr_text_show(&path, run->path, strlen(run->path), 0);
	mr_buffer_put_u8(&path, 0);
	mr_command_warn(run->options->command, "%s: %s, %s%s, %s, %s", path.failed ? "" : (char *)path.data,
	                size, duration, heap, peak, end);
	mr_buffer_release(&path);
}

static int write_channel_counters(struct mr_recording *run, struct mr_error *err)
{
	struct mr_sampler *const sampler = run->watch.sampler;
	struct mr_channels_totals totals = { 0 };

	if (run->watch.channels)
		mr_channels_totals(run->watch.channels, &totals);
	if (totals.count == 0)
		return MR_OK;
	MR_TRY(mr_sampler_counter(sampler, "channels.count", totals.count, err));
	MR_TRY(mr_sampler_counter(sampler, "channels.waits", totals.waits, err));
	MR_TRY(mr_sampler_counter(sampler, "channels.wait_ns", totals.wait_ns, err));
	return mr_sampler_counter(sampler, "channels.dropped", totals.dropped, err);
}

/* What the heap's recorder cost, and what it did not see. */
static int write_heap_counters(struct mr_recording *run, struct mr_error *err)
{
	struct mr_sampler *const sampler = run->watch.sampler;
	const struct mr_heap_recorder_totals *const heap = &run->heap;

	if (!run->watch.heap)
		return MR_OK;
	MR_TRY(mr_sampler_counter(sampler, "heap.images", heap->images, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.unrecorded", heap->unrecorded, err));
	if (heap->unrecorded)
		MR_TRY(mr_sampler_setting(sampler, "heap.unrecorded", heap->unrecorded_names, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.writer_cpu_ns", heap->cpu_ns, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.writer_memory", heap->memory_max, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.places", heap->places, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.places_named", heap->places_named, err));
	return mr_sampler_counter(sampler, "heap.modules_missing", heap->modules_missing, err);
}

static void finish_heap(struct mr_recording *run)
{
	if (!run->watch.heap)
		return;
	mr_heap_recorder_finish(run->watch.heap, &run->heap_complaint);
	mr_heap_recorder_totals(run->watch.heap, &run->heap);
}

/* Says what is missing from what is otherwise whole. */
static void warn_of_unrecorded(const struct mr_recording *run)
{
	const struct mr_heap_recorder_totals *const heap = &run->heap;

	if (heap->unrecorded)
		mr_command_warn(
			run->options->command,
			"the heap of %llu process%s was not recorded, of programs that are linked "
			"statically, run with other rights, had no room for it, or ended within moments%s%s",
			(unsigned long long)heap->unrecorded, heap->unrecorded == 1 ? "" : "es",
			heap->unrecorded_names[0] ? ": " : "", heap->unrecorded_names);
	if (heap->lost)
		mr_command_warn(
			run->options->command,
			"%llu allocation%s not recorded: there was no room in shared memory, or memrecord "
			"had been stopped; memstats health %s says whose",
			(unsigned long long)heap->lost, heap->lost == 1 ? " was" : "s were", run->path);
}

/* Where the memory is plainly elsewhere than in the recorded heap, the figures of that are easily misread. */
static void warn_of_other_memory(const struct mr_recording *run)
{
	struct mr_sampler_totals totals;

	if (!run->watch.heap || run->heap.images == 0)
		return;
	mr_sampler_totals(run->watch.sampler, &totals);
	const uint64_t rss = rss_peak(run, &totals);

	if (rss >= OTHER_MEMORY_MIN && run->heap.peak_bytes < rss / OTHER_MEMORY_PART)
		mr_command_warn(
			run->options->command,
			"hardly any of the memory came from the C library's allocator: the program has "
			"one of its own, or maps memory and files (--mmap records mappings); "
			"memstats account %s says what it was made of",
			run->path);
}

void mr_recording_finish(struct mr_recording *run)
{
	finish_heap(run);
	struct mr_watch *const watch = &run->watch;
	const bool full = mr_log_writer_is_full(watch->writer) || run->heap.full;
	const char *const complaint = watch->channels ? mr_channels_complaint(watch->channels) : NULL;

	if (watch->failure.code == MR_OK && write_channel_counters(run, &watch->failure) == MR_OK &&
	    write_heap_counters(run, &watch->failure) == MR_OK)
		(void)(mr_sampler_finish(watch->sampler, &watch->failure) < 0);
	const int closed = mr_log_writer_close(watch->writer, mr_clock_monotonic_ns() - run->begin_ns,
	                                       full ? MR_END_SIZE : MR_END_CLOSED,
	                                       watch->failure.code ? NULL : &watch->failure);

	watch->writer = NULL;
	if (watch->failure.code != MR_OK || closed < 0) {
		mr_error_prepend(&watch->failure, "the log is incomplete");
		mr_command_complain(run->options->command, &watch->failure);
	} else if (!run->options->quiet) {
		closing_line(run);
		warn_of_other_memory(run);
	}
	if (full)
		mr_command_warn(run->options->command,
		                "%s reached --max-size: later samples and snapshots are not in it",
		                run->path);
	if (complaint && watch->failure.code == MR_OK)
		mr_command_warn(run->options->command, "not all tracked objects are in the log: %s",
		                complaint);
	if (watch->failure.code == MR_OK)
		warn_of_unrecorded(run);
	if (run->heap_complaint.code && watch->failure.code == MR_OK)
		mr_command_warn(run->options->command, "not all allocations are in the log: %s",
		                run->heap_complaint.message);
}
