/* SPDX-License-Identifier: MIT
 *
 * Rings, and the drain that empties them into a log: order, the end of the
 * memory, blocks, damage, and a writer that has stopped.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "event_drain.h"
#include "log_content.h"
#include "ring.h"

TestSuite(ring);

#define RING_BYTES 4096u

static struct mr_channel *channel;
static struct mr_ring_writer ring;
static struct mr_log_writer *log_writer;
static struct mr_drain *drain;
static char path[64];

static void begin(void)
{
	static const struct mr_log_header header = { .version_major = 1, .pid = 1 };
	struct mr_error err = { 0 };
	uint32_t index;

	snprintf(path, sizeof(path), "/tmp/test_ring.%d.dat", (int)getpid());
	cr_assert_eq(mr_channel_create(&channel, NULL, MR_SOURCE_TRACKER, &err), 0, "%s", err.message);
	/* Ticks are nanoseconds here. */
	channel->header->clock[0] = (struct mr_clock_segment){ 0, 0, UINT64_C(1) << 32 };
	atomic_store(&channel->header->clock_count, 1);
	struct mr_ring *const memory = mr_channel_add_ring(channel, MR_RING_EVENTS, RING_BYTES, &index);
	cr_assert_not_null(memory);
	mr_ring_writer_init(&ring, channel, memory, index);
	cr_assert_eq(mr_log_writer_open(&log_writer, path, &header, NULL, &err), 0, "%s", err.message);
	cr_assert_eq(mr_drain_new(&drain, channel, log_writer, mr_log_writer_add_stream(log_writer), &err),
	             0);
}

static void end(struct log_content *content)
{
	cr_assert_eq(mr_log_writer_close(log_writer, 0, MR_END_CLOSED, NULL), 0);
	log_content_load(content, path);
	unlink(path);
	mr_drain_free(drain);
	mr_channel_close(channel);
}

static bool append_death(uint64_t object)
{
	if (!mr_ring_reserve_event(&ring))
		return false;
	const struct mr_record_death death = { .head = MR_RECORD_DEATH | (uint32_t)(object >> 32) << 12,
		                               .object_low = (uint32_t)object,
		                               .ticks = object };
	memcpy(mr_ring_at_head(&ring), &death, sizeof(death));
	mr_ring_commit(&ring, sizeof(death));
	return true;
}

static bool append_birth(uint64_t object)
{
	if (!mr_ring_reserve_event(&ring))
		return false;
	const struct mr_record_birth birth = { .head = MR_RECORD_BIRTH | 3 << 4 |
		                                       (uint32_t)(object >> 32) << 12,
		                               .object_low = (uint32_t)object,
		                               .ticks = object,
		                               .address = object * 8,
		                               .class_id = 5,
		                               .stack = 6 };
	memcpy(mr_ring_at_head(&ring), &birth, sizeof(birth));
	mr_ring_commit(&ring, sizeof(birth));
	return true;
}

Test(ring, records__arrive_in_order_however_often_it_wraps)
{
	enum { COUNT = 5000 };
	struct log_content content;
	struct log_rows births;
	struct log_rows deaths;

	begin();
	for (uint64_t i = 1; i <= COUNT; i++) {
		cr_assert(append_birth(i));
		cr_assert(append_death((UINT64_C(1) << 40) + i));
		if (i % 50 == 0)
			cr_assert_eq(mr_drain_run(drain, NULL), 0);
	}
	cr_assert_eq(mr_drain_run(drain, NULL), 0);
	end(&content);

	births = log_rows_of(&content, MR_KIND_BIRTHS);
	deaths = log_rows_of(&content, MR_KIND_DEATHS);
	cr_assert_eq(births.count, COUNT);
	cr_assert_eq(deaths.count, COUNT);
	for (uint64_t i = 0; i < COUNT; i++) {
		cr_assert_eq(births.columns[MR_BIRTHS_OBJECT][i], i + 1);
		cr_assert_eq(births.columns[MR_BIRTHS_TIME][i], i + 1);
		cr_assert_eq(births.columns[MR_BIRTHS_ADDRESS][i], (i + 1) * 8);
		cr_assert_eq(births.columns[MR_BIRTHS_CLASS][i], 5);
		cr_assert_eq(births.columns[MR_BIRTHS_STACK][i], 6);
		cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][i], 3 + 1);
		cr_assert_eq(deaths.columns[MR_DEATHS_OBJECT][i], (UINT64_C(1) << 40) + i + 1);
	}
	log_rows_release(&births);
	log_rows_release(&deaths);
	log_content_release(&content);
}

static void append_birth_sized(uint64_t object, uint64_t size)
{
	const struct mr_record_birth_sized birth = {
		.birth = { .head = MR_RECORD_BIRTH_SIZED, .object_low = (uint32_t)object, .ticks = object },
		.size = size,
	};

	cr_assert(mr_ring_reserve(&ring, sizeof(birth)));
	memcpy(mr_ring_at_head(&ring), &birth, sizeof(birth));
	mr_ring_commit(&ring, sizeof(birth));
}

Test(ring, births_with_a_size__arrive_among_those_that_have_none)
{
	enum { COUNT = 9000 };
	struct log_content content;
	struct log_rows births;

	begin();
	for (uint64_t i = 1; i <= COUNT; i++) {
		/* None at first, then all, then some. */
		if (i <= 100 || (i > 5000 && i % 3 == 0))
			cr_assert(append_birth(i));
		else
			append_birth_sized(i, i * 7);
		if (i % 40 == 0)
			cr_assert_eq(mr_drain_run(drain, NULL), 0);
	}
	cr_assert_eq(mr_drain_run(drain, NULL), 0);
	end(&content);

	births = log_rows_of(&content, MR_KIND_BIRTHS);
	cr_assert_eq(births.count, COUNT);
	for (uint64_t i = 1; i <= COUNT; i++) {
		const bool sized = i > 100 && (i <= 5000 || i % 3 != 0);

		cr_assert_eq(births.columns[MR_BIRTHS_OBJECT][i - 1], i);
		cr_assert_eq(births.columns[MR_BIRTHS_TIME][i - 1], i);
		cr_assert_eq(births.columns[MR_BIRTHS_SIZE][i - 1], sized ? i * 7 + 1 : 0);
	}
	log_rows_release(&births);
	log_content_release(&content);
}

Test(ring, a_block__passes_unchanged_with_its_span)
{
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;
	struct log_content content;
	struct log_rows marks;
	struct log_rows index;
	const uint64_t span[4] = { 77, 78, 0, 0 };

	begin();
	mr_block_begin(&block, &buffer, MR_KIND_MARKS, 1);
	mr_block_scalar(&block, MR_MARKS_TIME, 77);
	mr_block_scalar(&block, MR_MARKS_TEXT, 9);
	mr_block_end(&block);
	for (int i = 0; i < 100; i++) {
		cr_assert(mr_ring_append_block(&ring, buffer.data, buffer.len, span));
		cr_assert_eq(mr_drain_run(drain, NULL), 0);
	}
	mr_buffer_release(&buffer);
	end(&content);

	marks = log_rows_of(&content, MR_KIND_MARKS);
	index = log_rows_of(&content, MR_KIND_INDEX);
	cr_assert_eq(marks.count, 100);
	cr_assert_eq(marks.columns[MR_MARKS_TIME][99], 77);
	cr_assert_eq(index.columns[MR_INDEX_TIME_FIRST][0], 77);
	cr_assert_eq(index.columns[MR_INDEX_TIME_LAST][0], 78);
	log_rows_release(&marks);
	log_rows_release(&index);
	log_content_release(&content);
}

Test(ring, a_block_that_is_none__ends_the_ring_and_not_the_program)
{
	const uint64_t span[4] = { 0 };
	const uint8_t nonsense[40] = { 1, 2, 3 };
	struct log_content content;
	struct mr_error err = { 0 };

	begin();
	cr_assert(mr_ring_append_block(&ring, nonsense, sizeof(nonsense), span));
	cr_assert_eq(mr_drain_run(drain, &err), MR_ERR_FORMAT);
	/* What comes after is thrown away, but nobody waits. */
	for (uint64_t i = 1; i < 10000; i++) {
		cr_assert(append_death(i));
		if (i % 100 == 0)
			cr_assert_lt(mr_drain_run(drain, NULL), 0);
	}
	end(&content);
	log_content_release(&content);
}

Test(ring, a_head_that_lies__is_noticed)
{
	struct log_content content;

	begin();
	atomic_store(&ring.ring->head, UINT64_C(1) << 50);
	cr_assert_eq(mr_drain_run(drain, NULL), MR_ERR_FORMAT);
	end(&content);
	log_content_release(&content);
}

Test(ring, a_writer_that_has_stopped__loses_events_and_nobody_waits_for_ever)
{
	struct log_content content;
	struct mr_drain_counts counts;
	uint64_t lost = 0;

	begin();
	/* Its last sign of life is long ago. */
	atomic_store(&channel->writer->heartbeat_ns, 1);
	for (uint64_t i = 1; i <= 1000; i++)
		lost += !append_death(i);
	/* Room is made for the largest record. */
	cr_assert_eq(lost, 1000 - (RING_BYTES / sizeof(struct mr_record_death) - 1));
	mr_drain_counts(drain, &counts);
	cr_assert_eq(counts.dropped, lost);
	cr_assert_eq(mr_drain_run(drain, NULL), 0);
	cr_assert(append_death(1001), "there is room again");
	end(&content);
	log_content_release(&content);
}

static void *empty_slowly(void *context)
{
	(void)context;
	for (int i = 0; i < 2000; i++) {
		usleep(200);
		mr_channel_heartbeat(channel->writer);
		cr_assert_eq(mr_drain_run(drain, NULL), 0);
	}
	return NULL;
}

Test(ring, a_full_ring__waits_for_room_and_loses_nothing)
{
	enum { COUNT = 20000 };
	struct log_content content;
	struct log_rows deaths;
	struct mr_drain_counts counts;
	pthread_t thread;

	begin();
	cr_assert_eq(pthread_create(&thread, NULL, empty_slowly, NULL), 0);
	for (uint64_t i = 1; i <= COUNT; i++)
		cr_assert(append_death(i));
	pthread_join(thread, NULL);
	mr_drain_counts(drain, &counts);
	cr_assert_eq(counts.dropped, 0);
	cr_assert_gt(counts.waits, 0);
	end(&content);
	deaths = log_rows_of(&content, MR_KIND_DEATHS);
	cr_assert_eq(deaths.count, COUNT);
	for (uint64_t i = 0; i < COUNT; i++)
		cr_assert_eq(deaths.columns[MR_DEATHS_OBJECT][i], i + 1);
	log_rows_release(&deaths);
	log_content_release(&content);
}

Test(ring, rings__are_found_by_the_other_side_of_a_shared_channel)
{
	char folder[] = "/tmp/test_ring_XXXXXX";
	char file[128];
	struct mr_channel_writer *writer = NULL;
	struct mr_channel *program = NULL;
	struct mr_channel *attached = NULL;
	struct mr_error err = { 0 };
	uint32_t index;
	uint32_t size;

	cr_assert_not_null(mkdtemp(folder));
	cr_assert_lt(mr_channel_create(&program, folder, MR_SOURCE_TRACKER, &err), 0,
	             "there is no writer yet");
	cr_assert_eq(mr_channel_writer_create(&writer, folder, &err), 0, "%s", err.message);
	cr_assert_eq(mr_channel_create(&program, folder, MR_SOURCE_TRACKER, NULL), 0);
	cr_assert_not_null(mr_channel_add_ring(program, MR_RING_EVENTS, RING_BYTES, &index));
	snprintf(file, sizeof(file), "%s/%u.%llu", folder, program->header->pid,
	         (unsigned long long)program->header->start_ticks);
	err = (struct mr_error){ 0 };
	cr_assert_eq(mr_channel_attach(&attached, file, &err), 0, "%s", err.message);
	cr_assert_not_null(mr_channel_ring(attached, index, &size));
	cr_assert_eq(size, RING_BYTES);
	cr_assert_null(mr_channel_ring(attached, index + 1, &size));
	/* A directory that lies leads nowhere. */
	cr_assert_not_null(mr_channel_add_ring(program, MR_RING_EVENTS, RING_BYTES, &index));
	program->header->rings[index].offset = UINT64_C(1) << 40;
	cr_assert_null(mr_channel_ring(attached, index, &size));
	program->header->rings[index].size_bytes = 12345;
	cr_assert_null(mr_channel_ring(attached, index, &size));
	mr_channel_close(attached);
	mr_channel_close(program);
	mr_channel_writer_close(writer);
	unlink(file);
	snprintf(file, sizeof(file), "%s/writer", folder);
	unlink(file);
	rmdir(folder);
}
