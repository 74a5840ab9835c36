/* SPDX-License-Identifier: MIT
 *
 * Frames from bytes: reading, checking and decompressing, by threads that work
 * ahead of the one that takes the content, in a ring of slots.  The one file of
 * this room that calls zstd.
 *
 * Slot J mod SLOTS holds job J.  A thread takes the next job when its slot is
 * free (the job SLOTS before it was given back); the consumer waits for job after
 * job.  One mutex guards the counters and the slots' states; a slot's bytes
 * belong to whoever the state says.
 */
#include "log_reader.h"
#include "progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <zstd.h>

#define THREADS_MAX 4
#define SLOTS_MAX (2 * THREADS_MAX)
#define ALONE_BYTES (1u << 20) /* less content than this is not worth a thread */

struct slot {
	uint8_t *compressed;
	size_t compressed_capacity;
	uint8_t *content;
	size_t content_capacity;
	struct mr_error error; /* code 0: the content is good */
	bool done;
};

struct mr_frame_pipe {
	const struct mr_log *log;
	struct mr_frame *const *frames;
	size_t count;
	size_t taken;    /* jobs that a thread has begun */
	size_t given;    /* jobs that the consumer has got; the last one's slot is still in its hands */
	size_t released; /* jobs whose slots are free again */
	bool stop;
	size_t slot_count;
	struct slot slots[SLOTS_MAX];
	ZSTD_DCtx *alone; /* without threads */
	pthread_mutex_t mutex;
	pthread_cond_t slot_free;
	pthread_cond_t job_done;
	size_t thread_count;
	pthread_t threads[THREADS_MAX];
};

int mr_frame_claim(const uint8_t *data, size_t len, uint32_t *content_bytes, struct mr_error *err)
{
	MR_FAIL_IF(len < 5 || mr_get_u32le(data) != MR_LOG_ZSTD_MAGIC, err, MR_ERR_FORMAT,
	           "no frame begins there");

	const unsigned long long claimed = ZSTD_getFrameContentSize(data, len);
	MR_FAIL_IF(claimed == ZSTD_CONTENTSIZE_ERROR || claimed == ZSTD_CONTENTSIZE_UNKNOWN, err,
	           MR_ERR_FORMAT, "the frame's header is damaged");
	MR_FAIL_IF(claimed == 0, err, MR_ERR_FORMAT, "the frame is empty");
	MR_FAIL_IF(claimed > MR_LOG_FRAME_CONTENT_MAX, err, MR_ERR_LIMIT,
	           "the frame claims %llu bytes of content, %u are allowed", claimed,
	           MR_LOG_FRAME_CONTENT_MAX);
	/* Bit 2 of the descriptor: the frame ends with a checksum. */
	MR_FAIL_IF((data[4] & 4) == 0, err, MR_ERR_FORMAT, "the frame has no checksum");
	*content_bytes = (uint32_t)claimed;
	return 0;
}

size_t mr_frame_measure(const uint8_t *data, size_t len)
{
	const size_t size = ZSTD_findFrameCompressedSize(data, len);

	return ZSTD_isError(size) ? 0 : size;
}

void *mr_decompressor_new(void)
{
	return ZSTD_createDCtx();
}

void mr_decompressor_free(void *zstd)
{
	ZSTD_freeDCtx(zstd);
}

int mr_frame_decompress(void *zstd, const uint8_t *data, size_t len, uint8_t *content, size_t content_len,
                        struct mr_error *err)
{
	uint32_t claimed;

	MR_TRY(mr_frame_claim(data, len, &claimed, err));
	MR_FAIL_IF(claimed != content_len, err, MR_ERR_FORMAT,
	           "the index says %zu bytes of content, the frame %u", content_len, claimed);

	const size_t got = ZSTD_decompressDCtx(zstd, content, content_len, data, len);
	MR_FAIL_IF(ZSTD_isError(got), err, MR_ERR_FORMAT, "the frame does not decompress: %s",
	           ZSTD_getErrorName(got));
	MR_FAIL_IF(got != content_len, err, MR_ERR_FORMAT, "the frame holds %zu bytes, not %zu", got,
	           content_len);
	return 0;
}

/* A log that is read once, at once: more effort would take longer than it saves. */
#define LEVEL_FASTEST (-10)

int mr_frame_compress(struct mr_buffer *out, const uint8_t *content, size_t len, enum mr_frame_effort effort,
                      struct mr_error *err)
{
	const size_t bound = ZSTD_compressBound(len);
	uint8_t *const data = mr_buffer_reserve(out, bound);
	ZSTD_CCtx *const zstd = ZSTD_createCCtx();
	size_t made = 0;

	if (data != NULL && zstd != NULL) {
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
		if (effort == MR_FRAME_FASTEST)
			ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL_FASTEST);
		made = ZSTD_compress2(zstd, data, bound, content, len);
	}
	ZSTD_freeCCtx(zstd);
	MR_FAIL_IF(made == 0 || ZSTD_isError(made), err, MR_ERR_NOMEM,
	           "out of memory for a frame of %zu bytes", len);
	out->len += made;
	return 0;
}

static int slot_reserve(uint8_t **memory, size_t *capacity, size_t wanted, struct mr_error *err)
{
	if (wanted <= *capacity)
		return 0;

	/* Nothing of the old bytes is worth copying. */
	mr_free(*memory);
	*capacity = 0;
	*memory = mr_realloc(NULL, wanted);
	MR_FAIL_IF(*memory == NULL, err, MR_ERR_NOMEM, "out of memory for a frame of %zu bytes", wanted);
	*capacity = wanted;
	return 0;
}

/* Does one job; what went wrong shows in the slot. */
static void slot_fill(struct slot *slot, const struct mr_log *log, const struct mr_frame *frame,
                      ZSTD_DCtx *zstd)
{
	struct mr_error *const err = &slot->error;

	*err = (struct mr_error){ 0 };
	if (frame->damaged) {
		mr_fail(err, MR_ERR_FORMAT, "damaged");
		return;
	}
	if (slot_reserve(&slot->compressed, &slot->compressed_capacity, frame->size_bytes, err) < 0 ||
	    slot_reserve(&slot->content, &slot->content_capacity, frame->content_bytes, err) < 0)
		return;

	const int64_t got =
		mr_source_read(&log->source, slot->compressed, frame->size_bytes, frame->offset, err);
	if (got < 0)
		return;
	if ((uint64_t)got < frame->size_bytes) {
		mr_fail(err, MR_ERR_FORMAT, "the file was cut while it was read");
		return;
	}
	if (mr_frame_decompress(zstd, slot->compressed, frame->size_bytes, slot->content,
	                        frame->content_bytes, err) < 0)
		return; /* ERR says it */
}

static void *work(void *context)
{
	struct mr_frame_pipe *const pipe = context;
	ZSTD_DCtx *const zstd = ZSTD_createDCtx();

	pthread_mutex_lock(&pipe->mutex);
	while (!pipe->stop && pipe->taken < pipe->count) {
		if (pipe->taken >= pipe->released + pipe->slot_count) {
			pthread_cond_wait(&pipe->slot_free, &pipe->mutex);
			continue;
		}

		const size_t job = pipe->taken++;
		struct slot *const slot = &pipe->slots[job % pipe->slot_count];
		pthread_mutex_unlock(&pipe->mutex);

		if (zstd != NULL) {
			slot_fill(slot, pipe->log, pipe->frames[job], zstd);
		} else {
			slot->error = (struct mr_error){ 0 };
			mr_fail(&slot->error, MR_ERR_NOMEM, "out of memory for decompression");
		}

		pthread_mutex_lock(&pipe->mutex);
		slot->done = true;
		pthread_cond_signal(&pipe->job_done);
	}
	pthread_mutex_unlock(&pipe->mutex);
	ZSTD_freeDCtx(zstd);
	return NULL;
}

/* Threads as many as help; none is fine too. */
static void start_threads(struct mr_frame_pipe *pipe)
{
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t content_bytes = 0;

	for (size_t i = 0; i < pipe->count && content_bytes < ALONE_BYTES; i++)
		content_bytes += pipe->frames[i]->content_bytes;
	if (processors < 2 || pipe->count < 2 || content_bytes < ALONE_BYTES)
		return;

	/* Signals are for the threads that the program knows of. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const size_t wanted = processors < THREADS_MAX ? (size_t)processors : THREADS_MAX;
	pipe->slot_count = 2 * wanted;
	while (pipe->thread_count < wanted && pipe->thread_count < pipe->count) {
		if (pthread_create(&pipe->threads[pipe->thread_count], NULL, work, pipe) != 0)
			break;
		pipe->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* For the line that commands show while they work. */
static _Atomic uint64_t frames_wanted, frames_done;

void mr_progress_frames(uint64_t *done, uint64_t *wanted)
{
	*done = atomic_load_explicit(&frames_done, memory_order_relaxed);
	*wanted = atomic_load_explicit(&frames_wanted, memory_order_relaxed);
}

int mr_frame_pipe_open(struct mr_frame_pipe **pipe, const struct mr_log *log, struct mr_frame *const *frames,
                       size_t count, struct mr_error *err)
{
	struct mr_frame_pipe *const opened = mr_alloc(sizeof(*opened));

	MR_FAIL_IF(opened == NULL, err, MR_ERR_NOMEM, "out of memory for reading frames");
	opened->log = log;
	opened->frames = frames;
	opened->count = count;
	opened->slot_count = 1;
	atomic_fetch_add_explicit(&frames_wanted, count, memory_order_relaxed);
	pthread_mutex_init(&opened->mutex, NULL);
	pthread_cond_init(&opened->slot_free, NULL);
	pthread_cond_init(&opened->job_done, NULL);
	start_threads(opened);
	if (opened->thread_count == 0) {
		opened->slot_count = 1;
		opened->alone = ZSTD_createDCtx();
		if (opened->alone == NULL) {
			mr_frame_pipe_close(opened);
			return mr_fail(err, MR_ERR_NOMEM, "out of memory for decompression");
		}
	}
	*pipe = opened;
	return 0;
}

void mr_frame_pipe_close(struct mr_frame_pipe *pipe)
{
	if (pipe == NULL)
		return;

	pthread_mutex_lock(&pipe->mutex);
	pipe->stop = true;
	pthread_cond_broadcast(&pipe->slot_free);
	pthread_mutex_unlock(&pipe->mutex);
	for (size_t i = 0; i < pipe->thread_count; i++)
		pthread_join(pipe->threads[i], NULL);
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		mr_free(pipe->slots[i].compressed);
		mr_free(pipe->slots[i].content);
	}
	ZSTD_freeDCtx(pipe->alone);
	pthread_cond_destroy(&pipe->job_done);
	pthread_cond_destroy(&pipe->slot_free);
	pthread_mutex_destroy(&pipe->mutex);
	mr_free(pipe);
}

static void release_last(struct mr_frame_pipe *pipe)
{
	if (pipe->released < pipe->given) {
		pipe->slots[pipe->released % pipe->slot_count].done = false;
		pipe->released++;
		pthread_cond_signal(&pipe->slot_free);
	}
}

int mr_frame_pipe_next(struct mr_frame_pipe *pipe, struct mr_frame_content *content, struct mr_error *err)
{
	pthread_mutex_lock(&pipe->mutex);
	release_last(pipe);
	if (pipe->given == pipe->count) {
		pthread_mutex_unlock(&pipe->mutex);
		return 0;
	}

	struct slot *const slot = &pipe->slots[pipe->given % pipe->slot_count];
	struct mr_frame *const frame = pipe->frames[pipe->given];
	if (pipe->thread_count == 0)
		slot_fill(slot, pipe->log, frame, pipe->alone);
	else
		while (!slot->done)
			pthread_cond_wait(&pipe->job_done, &pipe->mutex);
	pipe->given++;
	atomic_fetch_add_explicit(&frames_done, 1, memory_order_relaxed);
	pthread_mutex_unlock(&pipe->mutex);

	const struct mr_error *const error = &slot->error;
	if (error->code == MR_ERR_NOMEM || error->code == MR_ERR_READ)
		return mr_fail(err, error->code, "%s", error->message);
	*content = (struct mr_frame_content){
		.frame = frame,
		.data = error->code == 0 ? slot->content : NULL,
		.len = error->code == 0 ? frame->content_bytes : 0,
		.reason = error->message,
	};
	return 1;
}
