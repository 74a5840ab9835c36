/* SPDX-License-Identifier: MIT
 *
 * Reading a log whose index is missing or does not fit: walking from frame to
 * frame by their own headers.  A frame is believed when something known follows
 * it, or when its checksum holds; from anything else on, the next place is
 * looked for at which something known begins.  Then all frames are decompressed
 * once, to learn what they hold and which ones are missing.
 *
 * Work is bounded: walking a frame costs what it walks over, and the sum may
 * not exceed a multiple of the file's size.
 */
#include "log_reader_private.h"

#define WINDOW (512u << 10)
#define WALK_ALLOWANCE (64u << 20)
#define WALK_PER_BYTE 16u

struct scan {
	struct mr_log *log;
	uint64_t end;
	uint8_t *window;
	size_t window_capacity;
	size_t window_len;
	uint64_t window_offset;
	uint64_t walk_left;
	void *zstd;
	uint8_t *content;     /* to try a frame in */
	bool open;            /* the last segment takes frames */
	uint64_t lost_offset; /* what could not be read began here */
	uint64_t lost_before; /* bytes lost before there was a segment */
	bool lost;
	bool cut; /* what is lost began as something whose end is missing */
};

/* Something known at a place. */
enum what { NOTHING, HEADER, FRAME, TABLE, OTHER };

struct found {
	enum what what;
	uint64_t size_bytes;
	uint32_t content_bytes;
	struct mr_log_header header;
	bool cut;
};

/* Gives the bytes from OFFSET on: WANTED, or as many as there are before the end. */
static int look(struct scan *scan, uint64_t offset, size_t wanted, const uint8_t **data, size_t *len,
                struct mr_error *err)
{
	const uint64_t left = scan->end - offset;
	const size_t needed = left < wanted ? (size_t)left : wanted;
	const bool inside = offset >= scan->window_offset && offset <= scan->window_offset + scan->window_len;
	const size_t skip = inside ? (size_t)(offset - scan->window_offset) : 0;

	if (!inside || scan->window_len - skip < needed) {
		const size_t kept = inside ? scan->window_len - skip : 0;
		/* Far more than is wanted, so that small steps seldom move what is there. */
		const size_t ahead = needed <= WINDOW ? 4 * (size_t)WINDOW : needed;
		const size_t fill = left < ahead ? (size_t)left : ahead;

		if (fill > scan->window_capacity) {
			uint8_t *const grown = mr_realloc(scan->window, fill);
			MR_FAIL_IF(grown == NULL, err, MR_ERR_NOMEM, "out of memory");
			scan->window = grown;
			scan->window_capacity = fill;
		}
		if (kept != 0)
			memmove(scan->window, scan->window + skip, kept);
		const int64_t got = mr_source_read(&scan->log->source, scan->window + kept, fill - kept,
		                                   offset + kept, err);
		if (got < 0)
			return (int)got;
		scan->window_offset = offset;
		scan->window_len = kept + (size_t)got;
	}
	*data = scan->window + (offset - scan->window_offset);
	*len = (size_t)(scan->window_offset + scan->window_len - offset);
	if (*len > needed)
		*len = needed;
	return 0;
}

static bool is_skippable(uint32_t magic)
{
	return (magic & 0xfffffff0u) == MR_LOG_SKIPPABLE_MAGIC;
}

size_t mr_log__find_magic(const uint8_t *data, size_t len)
{
	static const uint8_t zstd[] = { 0x28, 0xB5, 0x2F, 0xFD };
	static const uint8_t skippable[] = { 0x2A, 0x4D, 0x18 }; /* behind a first byte 0x50 .. 0x5F */
	const uint8_t *const frame = memmem(data, len, zstd, sizeof(zstd));
	/* Only what comes before it is of interest: so the whole search is linear. */
	const size_t end = frame != NULL ? (size_t)(frame - data) : len;

	for (size_t at = 1; at + sizeof(skippable) <= end;) {
		const uint8_t *const hit = memmem(data + at, end - at, skippable, sizeof(skippable));

		if (hit == NULL)
			break;
		if ((hit[-1] & 0xf0) == 0x50)
			return (size_t)(hit - data) - 1;
		at = (size_t)(hit - data) + 1;
	}
	return end;
}

/* ---- What begins at a place ------------------------------------------------ */

static bool is_seek_table(const uint8_t *data, size_t len)
{
	return len >= 17 && mr_get_u32le(data) == MR_LOG_SEEK_TABLE_MAGIC &&
	       mr_get_u32le(data + len - 4) == MR_LOG_SEEK_TABLE_FOOTER_MAGIC &&
	       (uint64_t)mr_get_u32le(data + len - 9) * 8 + 17 == len;
}

/* Whether something known, or the end, is at OFFSET. */
static int plausible(struct scan *scan, uint64_t offset, bool *is, struct mr_error *err)
{
	const uint8_t *data;
	size_t len;

	MR_TRY(look(scan, offset, 4, &data, &len, err));
	*is = len < 4 || mr_get_u32le(data) == MR_LOG_ZSTD_MAGIC || is_skippable(mr_get_u32le(data));
	return 0;
}

static int identify_skippable(struct scan *scan, uint64_t offset, struct found *found, struct mr_error *err)
{
	const uint8_t *data;
	size_t len;

	MR_TRY(look(scan, offset, MR_LOG_HEADER_SIZE, &data, &len, err));
	const bool header = mr_get_u32le(data) == MR_LOG_SKIPPABLE_MAGIC && len >= 8 + MR_LOG_MAGIC_LEN &&
	                    memcmp(data + 8, MR_LOG_MAGIC, MR_LOG_MAGIC_LEN) == 0;
	const uint64_t size = len >= 8 ? mr_log__header_size(data) : UINT64_MAX;

	found->size_bytes = size;
	if (size > scan->end - offset) {
		found->cut = true;
		return 0;
	}
	if (header) {
		struct mr_error why = { 0 };
		const int code = mr_log_header_decode(data, len, &found->header, &why);

		if (code == MR_ERR_VERSION)
			return mr_fail(err, code, "%s", why.message);
		if (code == 0)
			found->what = HEADER;
		return 0;
	}
	if (size <= MR_FRAME_SIZE_MAX && mr_get_u32le(data) == MR_LOG_SEEK_TABLE_MAGIC) {
		MR_TRY(look(scan, offset, (size_t)size, &data, &len, err));
		if (is_seek_table(data, len)) {
			found->what = TABLE;
			return 0;
		}
	}
	bool follows;
	MR_TRY(plausible(scan, offset + size, &follows, err));
	if (follows)
		found->what = OTHER;
	return 0;
}

static int identify_frame(struct scan *scan, uint64_t offset, struct found *found, struct mr_error *err)
{
	const uint8_t *data;
	size_t len;
	size_t size = 0;

	MR_TRY(look(scan, offset, WINDOW, &data, &len, err));
	if (mr_frame_claim(data, len, &found->content_bytes, NULL) < 0)
		return 0;
	size = mr_frame_measure(data, len);
	if (size == 0 && len < scan->end - offset) {
		MR_TRY(look(scan, offset, MR_FRAME_SIZE_MAX, &data, &len, err));
		size = mr_frame_measure(data, len);
	}

	const uint64_t cost = size != 0 ? size : len;
	MR_FAIL_IF(cost > scan->walk_left, err, MR_ERR_LIMIT, "is damaged in too many places to be read");
	scan->walk_left -= cost;
	if (size == 0) {
		found->cut = len == scan->end - offset;
		return 0;
	}

	bool follows;
	MR_TRY(plausible(scan, offset + size, &follows, err));
	if (!follows) { /* what follows is damaged, or this frame is: its checksum knows */
		MR_TRY(look(scan, offset, size, &data, &len, err));
		follows = mr_frame_decompress(scan->zstd, data, size, scan->content, found->content_bytes,
		                              NULL) == 0;
	}
	if (follows && size <= MR_FRAME_SIZE_MAX) {
		found->what = FRAME;
		found->size_bytes = size;
	}
	return 0;
}

static int identify(struct scan *scan, uint64_t offset, struct found *found, struct mr_error *err)
{
	const uint8_t *data;
	size_t len;

	*found = (struct found){ .what = NOTHING };
	MR_TRY(look(scan, offset, 4, &data, &len, err));
	if (len < 4) {
		found->cut = true;
		return 0;
	}
	const uint32_t magic = mr_get_u32le(data);
	if (is_skippable(magic))
		return identify_skippable(scan, offset, found, err);
	if (magic == MR_LOG_ZSTD_MAGIC)
		return identify_frame(scan, offset, found, err);
	return 0;
}

/* ---- Walking ---------------------------------------------------------------- */

static struct mr_log_segment *current(const struct scan *scan)
{
	return scan->open ? &scan->log->segments[scan->log->segment_count - 1] : NULL;
}

static int open_segment(struct scan *scan, uint64_t offset, struct mr_log_segment **segment,
                        struct mr_error *err)
{
	MR_TRY(mr_log__segment_add(scan->log, offset, segment, err));
	scan->open = true;
	(*segment)->bytes_lost = scan->lost_before;
	scan->lost_before = 0;
	return 0;
}

/* What could not be read ended at OFFSET. */
static int end_of_loss(struct scan *scan, uint64_t offset, struct mr_error *err)
{
	struct mr_log *const log = scan->log;

	if (!scan->lost)
		return 0;
	scan->lost = false;

	const uint64_t size = offset - scan->lost_offset;
	if (log->segment_count > 0)
		log->segments[log->segment_count - 1].bytes_lost += size;
	else
		scan->lost_before += size;
	if (scan->cut && offset == scan->end)
		return mr_notes_add(
			&log->notes, err,
			"%s: ends within a frame: its first %llu bytes, from byte %llu on, are left out",
			log->source.path, (unsigned long long)size, (unsigned long long)scan->lost_offset);
	return mr_notes_add(&log->notes, err, "%s: damaged at byte %llu: %llu bytes are left out",
	                    log->source.path, (unsigned long long)scan->lost_offset,
	                    (unsigned long long)size);
}

static int take_found(struct scan *scan, uint64_t offset, const struct found *found, struct mr_error *err)
{
	struct mr_log_segment *segment = current(scan);

	if (found->what == HEADER) {
		MR_TRY(open_segment(scan, offset, &segment, err));
		segment->header = found->header;
		segment->has_header = true;
	} else if (found->what == FRAME) {
		if (segment == NULL)
			MR_TRY(open_segment(scan, offset, &segment, err));
		const struct mr_frame frame = {
			.offset = offset,
			.size_bytes = (uint32_t)found->size_bytes,
			.content_bytes = found->content_bytes,
		};
		MR_TRY(mr_log__frame_add(scan->log, segment, &frame, err));
	} else if (found->what == TABLE && segment != NULL) {
		segment->sealed = true;
		scan->open = false;
	}
	if (segment != NULL)
		segment->size_bytes = offset + found->size_bytes - segment->offset;
	return 0;
}

/* The next place after OFFSET at which something may begin. */
static int next_place(struct scan *scan, uint64_t *offset, struct mr_error *err)
{
	for (uint64_t at = *offset + 1; at < scan->end;) {
		const uint8_t *data;
		size_t len;

		MR_TRY(look(scan, at, WINDOW, &data, &len, err));
		const size_t hit = mr_log__find_magic(data, len);
		if (hit < len) {
			*offset = at + hit;
			return 0;
		}
		if (at + len >= scan->end)
			break;
		at += len - 3; /* a magic may lie across the windows */
	}
	*offset = scan->end;
	return 0;
}

static int walk(struct scan *scan, uint64_t offset, struct mr_error *err)
{
	while (offset < scan->end) {
		struct found found;

		MR_TRY(identify(scan, offset, &found, err));
		if (found.what == NOTHING) {
			if (!scan->lost) {
				scan->lost = true;
				scan->lost_offset = offset;
				scan->cut = found.cut;
			}
			MR_TRY(next_place(scan, &offset, err));
			continue;
		}
		MR_TRY(end_of_loss(scan, offset, err));
		MR_TRY(take_found(scan, offset, &found, err));
		offset += found.size_bytes;
	}
	return end_of_loss(scan, scan->end, err);
}

int mr_log__scan(struct mr_log *log, uint64_t begin, uint64_t end, struct mr_error *err)
{
	struct scan scan = { .log = log, .end = end, .window_offset = begin };
	const size_t segment_first = log->segment_count;

	if (__builtin_mul_overflow(end - begin, WALK_PER_BYTE, &scan.walk_left) ||
	    __builtin_add_overflow(scan.walk_left, WALK_ALLOWANCE, &scan.walk_left))
		scan.walk_left = UINT64_MAX;
	scan.zstd = mr_decompressor_new();
	scan.content = mr_realloc(NULL, MR_LOG_FRAME_CONTENT_MAX);

	int code =
		scan.zstd != NULL && scan.content != NULL ? 0 : mr_fail(err, MR_ERR_NOMEM, "out of memory");
	if (code == 0)
		code = walk(&scan, begin, err);
	if (code == MR_ERR_LIMIT && log->segment_count > segment_first) {
		/* What was found so far is of use. */
		if (err != NULL)
			*err = (struct mr_error){ 0 };
		code = mr_notes_add(&log->notes, err,
		                    "%s: is read only in part: it claims more than its size allows",
		                    log->source.path);
	}
	mr_free(scan.window);
	mr_free(scan.content);
	mr_decompressor_free(scan.zstd);
	if (code < 0)
		return code;
	return mr_log__classify(log, segment_first, err);
}
