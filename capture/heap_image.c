/* SPDX-License-Identifier: MIT
 *
 * See heap_image.h.
 */
#include "heap_image.h"

#include <unistd.h>

#include "proc_identity.h"
#include "sampler_pace.h"

#define CREATOR "memrecord " MR_VERSION_STRING
#define AHEAD_REGION 16 /* events: how early memory is asked for, where there is so much of it */
#define AHEAD_BLOCK 8
#define AHEAD_NODE 8
#define AHEAD_SITE 4
#define MANY_BLOCKS 20000 /* not to be held by a processor's own cache; a guess that need not be right */
#define MANY_SITES 500
#define ACCOUNT_PART 50 /* a look at what the process holds for this part of its age */
#define WRITE_INTERVAL_NS UINT64_C(1000000000)

/* ---- Time ------------------------------------------------------------------------------ */

uint64_t mr_heap_image_time(const struct mr_heap_image *image, uint64_t ticks)
{
	const struct mr_channel_header *const clock = image->common->clock;
	const uint64_t monotonic_ns =
		image->clock_is_tsc ? clock->zero_monotonic_ns + mr_channel_time_ns(clock, ticks) : ticks;

	return monotonic_ns > image->zero_ns ? monotonic_ns - image->zero_ns : 0;
}

uint64_t mr_heap_image_now(const struct mr_heap_image *image)
{
	const uint64_t now_ns = image->over_ns ? image->over_ns : mr_clock_monotonic_ns();

	return now_ns > image->zero_ns ? now_ns - image->zero_ns : 0;
}

/* ns a tick, times 2^32. */
static uint64_t tick_multiplier(const struct mr_heap_image *image)
{
	const struct mr_channel_header *const clock = image->common->clock;

	if (!image->clock_is_tsc || clock->clock_count == 0)
		return UINT64_C(1) << 32;
	return clock->clock[(clock->clock_count - 1) % MR_CHANNEL_CLOCK_SEGMENTS_MAX].multiplier;
}

/* ---- The stream ------------------------------------------------------------------------- */

void mr_heap_image_begin(struct mr_heap_image *image)
{
	const struct mr_channel_header *const header = image->channel->header;
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;

	if (image->begun)
		return;
	image->begun = true;
	image->clock_is_tsc = header->clock_is_tsc != 0;
	image->zero_ns = header->zero_monotonic_ns;
	image->profile.tick_multiplier = tick_multiplier(image);
	image->profile.early_ticks = (uint64_t)(((unsigned __int128)MR_HEAP_EARLY_NS << 32) /
	                                        (image->profile.tick_multiplier | 1));
	image->string_next = 1;
	image->stream = mr_heap_log_stream(log);

	const uint64_t creator =
		mr_heap_log_string(log, image->stream, &image->string_next, CREATOR, strlen(CREATOR));
	mr_heap_log_begin(log, MR_KIND_STREAM, 1, &block);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_HIGH, header->boot_id[0]);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_LOW, header->boot_id[1]);
	mr_block_scalar(&block, MR_STREAM_PID, image->pid);
	mr_block_scalar(&block, MR_STREAM_START_TICKS, image->start_ticks);
	mr_block_scalar(&block, MR_STREAM_SOURCE, MR_SOURCE_HEAP);
	mr_block_scalar(&block, MR_STREAM_CLOCK_MONOTONIC, image->zero_ns);
	mr_block_scalar(&block, MR_STREAM_CLOCK_REALTIME, header->zero_realtime_ns);
	mr_block_scalar(&block, MR_STREAM_CREATOR, creator);
	mr_block_scalar(&block, MR_STREAM_VERSION, MR_LOG_VERSION_MAJOR << 16 | MR_LOG_VERSION_MINOR);
	mr_heap_log_end(log, &block, image->stream, NULL);
}

/* ---- Threads ------------------------------------------------------------------------------ */

/* A place for a thread: its index in the profile. */
static uint32_t add_thread(struct mr_heap_image *image, uint32_t tid, uint64_t ticks)
{
	const uint32_t thread = mr_heap_profile_add_thread(&image->profile, tid);
	const size_t count = image->thread_name_count;

	if (image->profile.threads[thread].ticks_first == 0)
		image->profile.threads[thread].ticks_first = ticks;
	if (thread < count)
		return thread;
	if (mr_grow(&image->thread_names, &image->thread_name_capacity, (size_t)thread + 1,
	            sizeof(*image->thread_names)) < 0)
		return 0;
	memset(image->thread_names + count, 0, (thread + 1 - count) * sizeof(*image->thread_names));
	image->thread_name_count = (size_t)thread + 1;
	image->thread_names[thread].tid = tid;
	return thread;
}

static bool grow_ring_threads(struct mr_heap_image *image, uint32_t ring)
{
	const size_t before = image->ring_thread_capacity;

	if (ring < before)
		return true;
	if (mr_grow(&image->ring_threads, &image->ring_thread_capacity, (size_t)ring + 1,
	            sizeof(*image->ring_threads)) < 0)
		return false;
	memset(image->ring_threads + before, 0,
	       (image->ring_thread_capacity - before) * sizeof(*image->ring_threads));
	return true;
}

/* The thread that appends to RING. */
static inline uint32_t thread_of(struct mr_heap_image *image, uint32_t ring, uint64_t ticks)
{
	if (MR_LIKELY(ring < image->ring_thread_capacity && image->ring_threads[ring]))
		return image->ring_threads[ring] - 1;
	if (!grow_ring_threads(image, ring))
		return 0;
	const uint32_t thread = add_thread(image, mr_heap_drain_tid(image->drain, ring), ticks);

	image->ring_threads[ring] = thread + 1;
	return thread;
}

static void take_thread(struct mr_heap_image *image, uint32_t ring, const struct mr_heap_text_taken *text,
                        uint64_t ticks)
{
	uint32_t thread = 0;

	if (!grow_ring_threads(image, ring))
		return;
	if (image->ring_threads[ring]) {
		thread = image->ring_threads[ring] - 1;
		if (image->profile.threads[thread].tid != text->tid)
			mr_heap_profile_settle(&image->profile, thread, ticks);
	}
	if (!image->ring_threads[ring] || image->profile.threads[thread].tid != text->tid) {
		thread = add_thread(image, text->tid, ticks);
		image->ring_threads[ring] = thread + 1;
	}
	if (thread == 0 || thread >= image->thread_name_count)
		return;
	struct mr_heap_thread_name *const name = &image->thread_names[thread];

	if (text->stack_address)
		name->stack_address = text->stack_address;
	if (text->len > 0) {
		(void)snprintf(name->name, sizeof(name->name), "%s", text->text);
		name->written = false;
	}
}

/* ---- Samples -------------------------------------------------------------------------------- */

void mr_heap_image_write_samples(struct mr_heap_image *image)
{
	struct mr_heap_sample_rows *const rows = image->samples;
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;

	if (!rows || rows->count == 0)
		return;
	const struct mr_log_span span = { .time_first = rows->columns[MR_HEAP_SAMPLES_TIME][0],
		                          .time_last = rows->columns[MR_HEAP_SAMPLES_TIME][rows->count - 1] };

	mr_heap_log_begin(log, MR_KIND_HEAP_SAMPLES, rows->count, &block);
	for (unsigned column = MR_HEAP_SAMPLES_TIME; column <= MR_HEAP_SAMPLES_COUNT; column++)
		mr_block_column(&block, column, rows->columns[column]);
	mr_heap_log_end(log, &block, image->stream, &span);
	rows->count = 0;
}

static void sample(struct mr_heap_image *image, uint64_t time_ns)
{
	struct mr_heap_profile *const profile = &image->profile;
	struct mr_heap_sample_rows *const rows =
		image->samples ? image->samples : mr_alloc(sizeof(*image->samples));

	image->samples = rows;
	if (!rows || image->common->log->full)
		return;
	struct mr_heap_sums sums;

	mr_heap_profile_sums(profile, &sums);
	const uint64_t values[] = { 0,
		                    time_ns,
		                    profile->live_bytes,
		                    profile->live_count,
		                    profile->live_max_bytes,
		                    sums.total_bytes,
		                    sums.count };

	for (unsigned column = MR_HEAP_SAMPLES_TIME; column <= MR_HEAP_SAMPLES_COUNT; column++)
		rows->columns[column][rows->count] = values[column];
	profile->live_max_bytes = profile->live_bytes;
	if (++rows->count == MR_HEAP_SAMPLES_MAX)
		mr_heap_image_write_samples(image);
}

/* An event at TICKS comes after the time of a sample: how things were before it. */
static void on_due(struct mr_heap_image *image, uint64_t ticks)
{
	const uint64_t time_ns = mr_heap_image_time(image, ticks);

	image->profile.tick_multiplier = tick_multiplier(image);
	if (image->ticks_due) {
		/* What was so when it was due was so until now. */
		const uint64_t due_ns = time_ns < image->sample_due_ns ? time_ns : image->sample_due_ns;

		sample(image, due_ns);
		mr_heap_snapshot_consider(image, time_ns);
	}
	const uint64_t interval_ns = mr_sampler_interval_ns(time_ns);

	image->sample_due_ns = time_ns + interval_ns;
	image->ticks_due = ticks + (uint64_t)(((unsigned __int128)interval_ns << 32) /
	                                      (image->profile.tick_multiplier | 1));
}

/* ---- Events ------------------------------------------------------------------------------------ */

void mr_heap_image_write_events(struct mr_heap_image *image)
{
	struct mr_heap_event_rows *const rows = image->events;
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;

	if (!rows || rows->count == 0)
		return;
	const struct mr_log_span span = { .time_first = rows->columns[MR_HEAP_EVENTS_TIME][0],
		                          .time_last = rows->columns[MR_HEAP_EVENTS_TIME][rows->count - 1] };

	uint64_t *const stacks = rows->columns[MR_HEAP_EVENTS_STACK];

	for (uint32_t i = 0; i < rows->count; i++)
		if (mr_heap_stacks_want(&image->stacks, (uint32_t)stacks[i]) < 0)
			image->profile.failed = true;
	mr_heap_definitions_stacks(image);
	mr_heap_definitions_threads(image);
	for (uint32_t i = 0; i < rows->count; i++)
		stacks[i] = mr_heap_stacks_number_of(&image->stacks, (uint32_t)stacks[i]);
	mr_heap_log_begin(log, MR_KIND_HEAP_EVENTS, rows->count, &block);
	for (unsigned column = MR_HEAP_EVENTS_TIME; column <= MR_HEAP_EVENTS_BACK; column++)
		mr_block_column(&block, column, rows->columns[column]);
	mr_heap_log_end(log, &block, image->stream, &span);
	rows->count = 0;
}

static void put_event(struct mr_heap_image *image, const struct mr_heap_taken *event, enum mr_heap_event type,
                      uint32_t thread, uint64_t back)
{
	struct mr_heap_event_rows *const rows =
		image->events ? image->events : mr_alloc(sizeof(*image->events));
	const bool has_block = type != MR_HEAP_EVENT_FREE;
	uint32_t stack = 0;

	image->events = rows;
	if (!rows || image->common->log->full)
		return;
	if (has_block && mr_heap_stacks_row(&image->stacks, event->stack, &stack) < 0)
		image->profile.failed = true;
	const uint64_t values[] = { 0,
		                    mr_heap_image_time(image, event->ticks),
		                    (uint64_t)type,
		                    thread,
		                    stack,
		                    has_block ? event->size : 0,
		                    has_block ? event->address : 0,
		                    back };

	for (unsigned column = MR_HEAP_EVENTS_TIME; column <= MR_HEAP_EVENTS_BACK; column++)
		rows->columns[column][rows->count] = values[column];
	if (++rows->count == MR_HEAP_EVENT_ROWS)
		mr_heap_image_write_events(image);
}

static __attribute__((noinline)) uint32_t site_of_new(struct mr_heap_image *image, uint32_t stack)
{
	struct mr_heap_node *const node = mr_heap_stacks_node(&image->stacks, stack);
	uint32_t *const site = node ? &node->site : &image->site_unknown;

	if (MR_UNLIKELY(*site == 0)) {
		const uint32_t added = mr_heap_profile_add_site(&image->profile, node ? stack : 0);

		if (added == UINT32_MAX)
			return UINT32_MAX;
		*site = added + 1;
	}
	return *site - 1;
}

/* The site of a stack, made now if need be; UINT32_MAX: no memory. */
static inline uint32_t site_of(struct mr_heap_image *image, uint32_t stack)
{
	if (MR_LIKELY(stack < image->stacks.node_count && image->stacks.nodes[stack].site))
		return image->stacks.nodes[stack].site - 1;
	return site_of_new(image, stack);
}

static void take_mark(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	const struct mr_heap_text_taken *const text = event->text;
	const uint64_t time_ns = mr_heap_image_time(image, event->ticks);
	struct mr_heap_log *const log = image->common->log;
	const struct mr_log_span span = { .time_first = time_ns, .time_last = time_ns };
	struct mr_block_writer block;

	if (!(text->flags & MR_HEAP_TEXT_SILENT)) {
		const uint64_t string =
			mr_heap_log_string(log, image->stream, &image->string_next, text->text, text->len);

		mr_heap_log_begin(log, MR_KIND_MARKS, 1, &block);
		mr_block_scalar(&block, MR_MARKS_TIME, time_ns);
		mr_block_scalar(&block, MR_MARKS_TEXT, string);
		mr_block_scalar(&block, MR_MARKS_THREAD, thread);
		mr_heap_log_end(log, &block, image->stream, &span);
	}
	if (text->flags & MR_HEAP_TEXT_SNAPSHOT)
		mr_heap_snapshot_take(image, MR_HEAP_MARK, text->text, time_ns);
}

/* What is not the everyday: all but allocations and frees. */
static void take_other(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	const uint32_t site = event->type == MR_HEAP_RECORD_MAP ? site_of(image, event->stack) : UINT32_MAX;
	uint64_t back;

	switch (event->type) {
	case MR_HEAP_RECORD_MARK:
		take_mark(image, thread, event);
		mr_free(event->text);
		return;
	case MR_HEAP_RECORD_THREAD:
		take_thread(image, event->ring, event->text, event->ticks);
		mr_free(event->text);
		return;
	case MR_HEAP_RECORD_MAP:
		if (site == UINT32_MAX)
			return;
		mr_heap_maps_map(&image->maps, &image->profile, thread, site, event->address, event->size,
		                 event->ticks);
		if (image->common->events)
			put_event(image, event, MR_HEAP_EVENT_ALLOC, thread, 0);
		return;
	case MR_HEAP_RECORD_UNMAP:
		back = mr_heap_maps_unmap(&image->maps, &image->profile, thread, event->address, event->size,
		                          event->ticks);
		if (image->common->events && back)
			put_event(image, event, MR_HEAP_EVENT_FREE, thread, back);
		return;
	default:
		return;
	}
}

static void take_realloc_end(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	const uint32_t site = event->address ? site_of(image, event->stack) : 0;

	if (site == UINT32_MAX)
		return;
	const uint64_t back = mr_heap_profile_realloc_end(&image->profile, thread, site, event->address,
	                                                  event->size, event->ticks);

	if (image->common->events && (event->address || event->size == 0))
		put_event(image, event, event->address ? MR_HEAP_EVENT_REALLOC : MR_HEAP_EVENT_FREE, thread,
		          back);
}

/* False: there is a block at the address, and nothing was changed. */
static inline bool take_alloc(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	const uint32_t site = site_of(image, event->stack);

	if (MR_UNLIKELY(site == UINT32_MAX))
		return true;
	if (MR_UNLIKELY(!mr_heap_profile_alloc(&image->profile, thread, site, event->address, event->size,
	                                       event->ticks)))
		return false;
	if (MR_UNLIKELY(image->common->events))
		put_event(image, event, MR_HEAP_EVENT_ALLOC, thread, 0);
	return true;
}

/* False: there is no block at the address, and nothing was changed. */
static inline bool take_free(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	const uint64_t back = mr_heap_profile_free(&image->profile, thread, event->address, event->ticks);

	if (MR_UNLIKELY(back == MR_HEAP_NO_BLOCK))
		return false;
	if (MR_UNLIKELY(image->common->events))
		put_event(image, event, MR_HEAP_EVENT_FREE, thread, back);
	return true;
}

/* ---- Events that came early ---------------------------------------------------------------- */

static bool retry(void *context, const struct mr_heap_early_event *early)
{
	struct mr_heap_image *const image = context;

	return early->event.type == MR_HEAP_RECORD_ALLOC ? take_alloc(image, early->thread, &early->event)
	                                                 : take_free(image, early->thread, &early->event);
}

/* Takes EVENT as it is: there is nothing in the log that makes sense of it. */
static void take_alone(struct mr_heap_image *image, uint32_t thread, const struct mr_heap_taken *event)
{
	if (event->type == MR_HEAP_RECORD_ALLOC) {
		mr_heap_profile_make_way(&image->profile, event->address, event->ticks);
		(void)take_alloc(image, thread, event);
		return;
	}
	mr_heap_profile_free_unknown(&image->profile, thread);
	if (image->common->events)
		put_event(image, event, MR_HEAP_EVENT_FREE, thread, 0);
}

/* Takes those that came before TICKS as they are, NOW. */
static __attribute__((noinline)) void give_up(struct mr_heap_image *image, uint64_t ticks, uint64_t now)
{
	struct mr_heap_early_event overdue;

	while (mr_heap_early_overdue(&image->early, ticks, &overdue)) {
		overdue.event.ticks = now;
		take_alone(image, overdue.thread, &overdue.event);
		mr_heap_early_retry(&image->early, overdue.event.address, now, retry, image);
	}
}

/* EVENT is a realloc's, which is never early: nor can what its thread did with the address before be. */
static inline void give_up_before(struct mr_heap_image *image, uint32_t thread,
                                  const struct mr_heap_taken *event)
{
	struct mr_heap_early_event before;

	while (MR_UNLIKELY(image->early.count > 0) &&
	       mr_heap_early_take(&image->early, thread, event->address, &before)) {
		before.event.ticks = event->ticks;
		take_alone(image, before.thread, &before.event);
	}
}

/* All up to NOW was taken. */
static inline void give_up_overdue(struct mr_heap_image *image, uint64_t now)
{
	if (MR_UNLIKELY(image->early.count > 0) && now > image->profile.early_ticks)
		give_up(image, now - image->profile.early_ticks, now);
}

static __attribute__((noinline)) void take_early(struct mr_heap_image *image, uint32_t thread,
                                                 const struct mr_heap_taken *event)
{
	if (mr_heap_drain_ring_count(image->drain) == 1) {
		take_alone(image, thread, event);
		return;
	}
	if (image->early.count == MR_HEAP_EARLY_MAX)
		give_up(image, image->early.events[0].event.ticks + 1, event->ticks);
	/* Two threads freed one block within a moment: which of them was early, and waits for the next one in
	 * this place, cannot be told. */
	mr_heap_early_keep(
		&image->early, event, thread,
		event->type != MR_HEAP_RECORD_FREE ||
			!mr_heap_profile_freed_lately(&image->profile, thread, event->address, event->ticks));
}

/* Something that the same thread did with the address before waits. */
static inline bool has_to_wait(const struct mr_heap_image *image, uint32_t thread, uint64_t address)
{
	return MR_UNLIKELY(image->early.count > 0) && mr_heap_early_has(&image->early, thread, address);
}

static inline void take_event(struct mr_heap_image *image, const struct mr_heap_taken *event)
{
	const uint32_t thread = thread_of(image, event->ring, event->ticks);
	uint64_t address = event->address;

	if (MR_UNLIKELY(event->ticks >= image->ticks_due))
		on_due(image, event->ticks);
	give_up_overdue(image, event->ticks);
	image->profile.threads[thread].ticks_last = event->ticks;
	switch (event->type) {
	case MR_HEAP_RECORD_ALLOC:
		if (MR_UNLIKELY(has_to_wait(image, thread, address) || !take_alloc(image, thread, event)))
			take_early(image, thread, event);
		break;
	case MR_HEAP_RECORD_FREE:
		if (MR_UNLIKELY(has_to_wait(image, thread, address) || !take_free(image, thread, event)))
			take_early(image, thread, event);
		break;
	case MR_HEAP_RECORD_REALLOC_BEGIN:
		give_up_before(image, thread, event);
		mr_heap_profile_realloc_begin(&image->profile, thread, event->address, event->ticks);
		break;
	case MR_HEAP_RECORD_REALLOC_END:
		give_up_before(image, thread, event);
		if (event->address == 0) /* one that failed gives the old block back */
			address = image->profile.threads[thread].moving_address;
		take_realloc_end(image, thread, event);
		break;
	default:
		take_other(image, thread, event);
	}
	if (MR_UNLIKELY(image->early.count > 0))
		mr_heap_early_retry(&image->early, address, event->ticks, retry, image);
}

/* Each step needs what the one before asked for. */
static inline void expect_block(const struct mr_heap_image *image, const struct mr_heap_taken *events,
                                size_t count)
{
	if (count > AHEAD_REGION)
		mr_heap_blocks_expect(&image->profile.blocks, events[AHEAD_REGION].address);
	if (count > AHEAD_BLOCK)
		mr_heap_blocks_expect_block(&image->profile.blocks, events[AHEAD_BLOCK].address);
}

static inline void expect_site(const struct mr_heap_image *image, const struct mr_heap_taken *events,
                               size_t count)
{
	if (count > AHEAD_NODE && events[AHEAD_NODE].stack < image->stacks.node_count)
		__builtin_prefetch(&image->stacks.nodes[events[AHEAD_NODE].stack]);
	if (count > AHEAD_SITE && events[AHEAD_SITE].stack < image->stacks.node_count) {
		const uint32_t site = image->stacks.nodes[events[AHEAD_SITE].stack].site;

		if (site)
			__builtin_prefetch(&image->profile.sites[site - 1], 1);
	}
}

static void take_events(void *context, const struct mr_heap_taken *events, size_t count)
{
	struct mr_heap_image *const image = context;

	mr_heap_image_begin(image);
	const bool many_sites = image->profile.site_count >= MANY_SITES;
	const bool many_blocks = image->profile.blocks.count >= MANY_BLOCKS;

	for (size_t i = 0; i < count; i++) {
		if (many_blocks)
			expect_block(image, events + i, count - i);
		if (many_sites)
			expect_site(image, events + i, count - i);
		take_event(image, &events[i]);
	}
	image->ticks_last = events[count - 1].ticks;
}

static bool take_stack(void *context, const struct mr_heap_stack *record)
{
	struct mr_heap_image *const image = context;

	return mr_heap_stacks_define(&image->stacks, record) == MR_OK;
}

static bool take_module(void *context, const struct mr_heap_module *record, const char *path,
                        const uint8_t *build_id)
{
	struct mr_heap_image *const image = context;
	char shown[MR_HEAP_TEXT_MAX + 1];
	const char *name = image->executable;

	if (record->path_len > 0) {
		(void)mr_proc_path_show(path, record->path_len, image->common->home, shown, sizeof(shown));
		name = shown;
	}
	return mr_heap_stacks_module(&image->stacks, record, name, strlen(name), build_id,
	                             record->build_id_len) == MR_OK;
}

/* ---- Beginning, running, ending -------------------------------------------------------------------- */

int mr_heap_image_new(struct mr_heap_image **image, const struct mr_heap_common *common,
                      struct mr_channel *channel, uint32_t pid, uint64_t start_ticks, struct mr_error *err)
{
	struct mr_heap_image *const made = mr_alloc(sizeof(*made));
	const struct mr_heap_taker taker = { made, take_events, take_stack, take_module };

	if (!made) {
		mr_channel_close(channel);
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for the heap of process %u", pid);
	}
	made->common = common;
	made->channel = channel;
	made->pid = pid;
	made->start_ticks = start_ticks;
	if (mr_heap_profile_init(&made->profile, common->events, err) < 0 ||
	    mr_heap_drain_new(&made->drain, channel, &taker, err) < 0) {
		mr_heap_image_free(made);
		return MR_ERR_NOMEM;
	}
	(void)mr_proc_executable(pid, common->home, made->executable, sizeof(made->executable));
	*image = made;
	return MR_OK;
}

void mr_heap_image_free(struct mr_heap_image *image)
{
	if (!image)
		return;
	mr_heap_drain_free(image->drain);
	mr_channel_close(image->channel);
	mr_heap_profile_release(&image->profile);
	mr_heap_maps_release(&image->maps);
	mr_heap_stacks_release(&image->stacks);
	mr_free(image->ring_threads);
	mr_free(image->thread_names);
	mr_free(image->row_sites);
	mr_free(image->written);
	mr_free(image->samples);
	mr_free(image->events);
	mr_free(image->module_numbers);
	mr_free(image);
}

/* As often as it may cost, but no more rows than a long run can bear. */
static void consider_account(struct mr_heap_image *image, uint64_t now_ns)
{
	const uint64_t time_ns = mr_heap_image_now(image);

	if (time_ns < image->account_due_ns || image->common->log->full ||
	    !mr_heap_account_is_due(&image->account_pace, now_ns))
		return;
	image->account_due_ns = time_ns + time_ns / ACCOUNT_PART;
	mr_heap_image_account(image);
}

uint64_t mr_heap_image_run(struct mr_heap_image *image, bool ended)
{
	const uint64_t now_ns = mr_clock_monotonic_ns();
	const uint64_t now_ticks = mr_heap_drain_ticks_now(image->drain);

	const uint64_t bytes = mr_heap_drain_run(image->drain, ended, &image->complaint);

	if (ended)
		give_up(image, UINT64_MAX, image->ticks_last);
	else
		give_up_overdue(image, mr_heap_drain_taken_to(image->drain));
	if (bytes > 0)
		image->changed = true;
	else if (image->changed && image->begun && !ended && now_ticks >= image->ticks_due)
		on_due(image, now_ticks); /* no event will come to make us look */
	if (image->begun && !ended)
		consider_account(image, now_ns);
	if (image->begun && now_ns >= image->written_due_ns) {
		image->written_due_ns = now_ns + WRITE_INTERVAL_NS;
		mr_heap_image_write_samples(image);
		mr_heap_image_write_events(image);
		mr_heap_image_write_accounts(image);
	}
	return bytes;
}

bool mr_heap_image_is_closed(const struct mr_heap_image *image)
{
	return atomic_load_explicit(&image->channel->header->state, memory_order_acquire) ==
	       MR_CHANNEL_CLOSED;
}

uint64_t mr_heap_image_memory(const struct mr_heap_image *image)
{
	return sizeof(*image) + mr_heap_profile_memory(&image->profile) +
	       mr_heap_stacks_memory(&image->stacks) + mr_heap_drain_memory(image->drain) +
	       (image->samples ? sizeof(*image->samples) : 0) + (image->events ? sizeof(*image->events) : 0);
}
