/* SPDX-License-Identifier: MIT
 *
 * Patterns of paths: paths whose steps differ only in an index or a key have the
 * same.  They are a tree: a pattern is another and one step more.  What repeats is
 * folded, so that all elements of a linked list have one pattern, and a tree's nodes
 * few: (.next)*, (.left|.right)*, (.children[*])*.
 */
#include "holders_private.h"

#define PERIOD_MAX 3   /* steps that repeat together */
#define CHOICES_MAX 4  /* names in (.a|.b)* */
#define FEW_NAMES 1024 /* places for names whose step is known, by address */

enum pattern_kind { PATTERN_PLAIN, PATTERN_SEQUENCE, PATTERN_CHOICE };

struct pattern {
	uint32_t parent; /* MR_REACH_NONE: a root */
	uint32_t step;   /* in `texts`: of a plain one */
	uint8_t kind;
	uint8_t part_count;
	bool recursive; /* a plain one's step is */
	bool folded;    /* this one, or one before it, is not plain */
	uint32_t parts[CHOICES_MAX];
	uint32_t named; /* the first path of a plain one; MR_REACH_NONE: none yet */
	uint64_t differing;
};

struct text {
	uint32_t begin; /* in `bytes` */
	uint32_t len;
};

struct transition {   /* what extending a pattern gives */
	uint64_t key; /* from, step, recursive; UINT64_MAX: free */
	uint32_t to;
};

struct mr_patterns {
	struct pattern *list;
	size_t count;
	size_t capacity;
	struct text *texts;
	size_t text_count;
	size_t text_capacity;
	uint32_t *text_places; /* by hash: index + 1 */
	size_t text_mask;
	struct mr_buffer bytes;
	struct transition *transitions;
	size_t transition_count;
	size_t transition_mask;
	struct mr_buffer scratch;
	struct {
		const void *name;
		uint32_t step;
	} few[FEW_NAMES];
};

struct mr_patterns *mr_patterns_new(void)
{
	struct mr_patterns *const patterns = mr_alloc(sizeof(*patterns));

	if (!patterns)
		return NULL;
	patterns->text_mask = 255;
	patterns->transition_mask = 255;
	patterns->text_places = mr_alloc(256 * sizeof(uint32_t));
	patterns->transitions = mr_alloc(256 * sizeof(struct transition));
	if (!patterns->text_places || !patterns->transitions) {
		mr_patterns_free(patterns);
		return NULL;
	}
	memset(patterns->transitions, 0xff, 256 * sizeof(struct transition));
	return patterns;
}

void mr_patterns_free(struct mr_patterns *patterns)
{
	if (!patterns)
		return;
	mr_free(patterns->list);
	mr_free(patterns->texts);
	mr_free(patterns->text_places);
	mr_free(patterns->transitions);
	mr_buffer_release(&patterns->bytes);
	mr_buffer_release(&patterns->scratch);
	mr_free(patterns);
}

/* ---- Texts --------------------------------------------------------------------------------------- */

static size_t hash_text(const void *text, size_t len)
{
	const uint8_t *const bytes = text;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (size_t)(hash ^ hash >> 29);
}

static int grow_texts(struct mr_patterns *patterns)
{
	const size_t capacity = (patterns->text_mask + 1) * 2;
	uint32_t *const places = mr_alloc(capacity * sizeof(*places));

	if (!places)
		return -1;
	for (size_t i = 0; i < patterns->text_count; i++) {
		size_t at =
			hash_text(patterns->bytes.data + patterns->texts[i].begin, patterns->texts[i].len) &
			(capacity - 1);

		while (places[at])
			at = (at + 1) & (capacity - 1);
		places[at] = (uint32_t)i + 1;
	}
	mr_free(patterns->text_places);
	patterns->text_places = places;
	patterns->text_mask = capacity - 1;
	return 0;
}

/* The number of TEXT; MR_REACH_NONE: no memory. */
static uint32_t intern(struct mr_patterns *patterns, const void *text, size_t len)
{
	size_t at = hash_text(text, len) & patterns->text_mask;

	for (; patterns->text_places[at]; at = (at + 1) & patterns->text_mask) {
		const struct text *const known = &patterns->texts[patterns->text_places[at] - 1];

		if (known->len == len && memcmp(patterns->bytes.data + known->begin, text, len) == 0)
			return patterns->text_places[at] - 1;
	}
	if (mr_grow(&patterns->texts, &patterns->text_capacity, patterns->text_count + 1,
	            sizeof(struct text)) < 0 ||
	    patterns->bytes.len + len > UINT32_MAX)
		return MR_REACH_NONE;

	const struct text added = { .begin = (uint32_t)patterns->bytes.len, .len = (uint32_t)len };

	mr_buffer_append(&patterns->bytes, text, len);
	if (patterns->bytes.failed)
		return MR_REACH_NONE;
	patterns->texts[patterns->text_count++] = added;
	patterns->text_places[at] = (uint32_t)patterns->text_count;
	if (patterns->text_count * 2 > patterns->text_mask && grow_texts(patterns) < 0)
		return MR_REACH_NONE;
	return (uint32_t)patterns->text_count - 1;
}

/* A step with what may differ as a star. */
static uint32_t intern_step(struct mr_patterns *patterns, const struct mr_step *step)
{
	const bool by_name = step->kind == MR_STEP_ATTRIBUTE;
	const size_t few = ((uintptr_t)step->word >> 3) % FEW_NAMES;
	struct mr_buffer *const text = &patterns->scratch;

	if (step->kind == MR_STEP_INDEX)
		return intern(patterns, "[*]", 3);
	if (step->kind == MR_STEP_KEY) /* looks the same, but is another: with the 0 at its end */
		return intern(patterns, "[*]", 4);
	if (step->kind == MR_STEP_IS_KEY)
		return intern(patterns, "<key>", 5);
	if (by_name && patterns->few[few].name == step->word)
		return patterns->few[few].step;
	mr_buffer_clear(text);
	mr_step_text(text, step, MR_STEP_PYTHON);

	const uint32_t number = text->failed ? MR_REACH_NONE : intern(patterns, text->data, text->len);

	if (by_name && number != MR_REACH_NONE) {
		patterns->few[few].name = step->word;
		patterns->few[few].step = number;
	}
	return number;
}

/* ---- The tree ------------------------------------------------------------------------------------ */

static uint32_t add(struct mr_patterns *patterns, struct pattern pattern)
{
	if (patterns->count + 1 >= MR_REACH_NONE ||
	    mr_grow(&patterns->list, &patterns->capacity, patterns->count + 1, sizeof(pattern)) < 0)
		return MR_REACH_NONE;
	pattern.folded = pattern.kind != PATTERN_PLAIN ||
	                 (pattern.parent != MR_REACH_NONE && patterns->list[pattern.parent].folded);
	pattern.named = MR_REACH_NONE;
	patterns->list[patterns->count++] = pattern;
	return (uint32_t)patterns->count - 1;
}

static struct transition *place_of(const struct mr_patterns *patterns, uint64_t key)
{
	size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & patterns->transition_mask;

	while (patterns->transitions[at].key != UINT64_MAX && patterns->transitions[at].key != key)
		at = (at + 1) & patterns->transition_mask;
	return &patterns->transitions[at];
}

static int remember(struct mr_patterns *patterns, uint64_t key, uint32_t to)
{
	*place_of(patterns, key) = (struct transition){ .key = key, .to = to };
	if (++patterns->transition_count * 2 <= patterns->transition_mask)
		return 0;

	const size_t before = patterns->transition_mask + 1;
	struct transition *const old = patterns->transitions;
	struct transition *const grown = mr_alloc(before * 2 * sizeof(*grown));

	if (!grown)
		return -1;
	memset(grown, 0xff, before * 2 * sizeof(*grown));
	patterns->transitions = grown;
	patterns->transition_mask = before * 2 - 1;
	for (size_t i = 0; i < before; i++) {
		if (old[i].key != UINT64_MAX)
			*place_of(patterns, old[i].key) = old[i];
	}
	mr_free(old);
	return 0;
}

static void append_pattern(const struct mr_patterns *patterns, const struct pattern *pattern,
                           struct mr_buffer *out);

/* The pattern of a parent and what PATTERN, which is not plain, adds to it; made when it is not there. */
static uint32_t fold(struct mr_patterns *patterns, struct pattern pattern)
{
	struct mr_buffer *const text = &patterns->scratch;

	/* Known by its text, which no plain step has. */
	mr_buffer_clear(text);
	mr_buffer_put_u8(text, 0);
	append_pattern(patterns, &pattern, text);

	const uint32_t step = text->failed ? MR_REACH_NONE : intern(patterns, text->data, text->len);
	const uint64_t key = (uint64_t)pattern.parent << 32 | (uint64_t)step << 1;

	if (step == MR_REACH_NONE || place_of(patterns, key)->key == key)
		return step == MR_REACH_NONE ? step : place_of(patterns, key)->to;

	const uint32_t to = add(patterns, pattern);

	return to == MR_REACH_NONE || remember(patterns, key, to) < 0 ? MR_REACH_NONE : to;
}

/* STEP after FROM when both lead from an object to another of its type: any of them, any number of times. */
static uint32_t fold_choice(struct mr_patterns *patterns, uint32_t from, uint32_t step)
{
	const struct pattern last = patterns->list[from];
	struct pattern folded = last;

	if (!last.recursive)
		return MR_REACH_NONE;
	if (last.kind == PATTERN_PLAIN) {
		folded = (struct pattern){ .parent = last.parent, .kind = PATTERN_CHOICE, .recursive = true };
		folded.parts[folded.part_count++] = last.step;
	}
	for (uint8_t i = 0; i < folded.part_count; i++) {
		if (folded.parts[i] == step)
			return fold(patterns, folded);
	}
	if (folded.part_count == CHOICES_MAX)
		return MR_REACH_NONE;

	/* In order of number, so that the order in which they are met makes no difference. */
	uint8_t at = folded.part_count++;

	for (; at > 0 && folded.parts[at - 1] > step; at--)
		folded.parts[at] = folded.parts[at - 1];
	folded.parts[at] = step;
	return fold(patterns, folded);
}

static bool is_all_stars(const struct mr_patterns *patterns, const uint32_t *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (patterns->bytes.data[patterns->texts[parts[i]].begin] != '[')
			return false;
	}
	return true;
}

/* STEP after FROM where the last PERIOD steps, it the last, are those before them once more. */
static uint32_t fold_sequence(struct mr_patterns *patterns, uint32_t from, uint32_t step, unsigned period)
{
	uint32_t parts[CHOICES_MAX] = { 0 };
	uint32_t at = from;

	parts[period - 1] = step;
	for (unsigned i = period - 1; i-- > 0; at = patterns->list[at].parent) {
		if (at == MR_REACH_NONE || patterns->list[at].kind != PATTERN_PLAIN ||
		    patterns->list[at].parent == MR_REACH_NONE)
			return MR_REACH_NONE;
		parts[i] = patterns->list[at].step;
	}
	/* Containers in containers are told as they are. */
	if (at == MR_REACH_NONE || is_all_stars(patterns, parts, period))
		return MR_REACH_NONE;

	const struct pattern *const before = &patterns->list[at];

	if (before->kind == PATTERN_SEQUENCE)
		return before->part_count == period && memcmp(before->parts, parts, sizeof(parts)) == 0
		               ? at
		               : MR_REACH_NONE;
	for (unsigned i = period; i-- > 0; at = patterns->list[at].parent) {
		if (at == MR_REACH_NONE || patterns->list[at].kind != PATTERN_PLAIN ||
		    patterns->list[at].parent == MR_REACH_NONE || patterns->list[at].step != parts[i])
			return MR_REACH_NONE;
	}

	struct pattern folded = { .parent = at, .kind = PATTERN_SEQUENCE, .part_count = (uint8_t)period };

	memcpy(folded.parts, parts, sizeof(parts));
	return fold(patterns, folded);
}

uint32_t mr_patterns_root(struct mr_patterns *patterns, const char *text, size_t len)
{
	const uint32_t step = intern(patterns, text, len);
	const uint64_t key = (uint64_t)MR_REACH_NONE << 32 | (uint64_t)step << 1;
	const struct transition *const known = place_of(patterns, key);

	if (step == MR_REACH_NONE || known->key == key)
		return step == MR_REACH_NONE ? step : known->to;

	const uint32_t to = add(patterns, (struct pattern){ .parent = MR_REACH_NONE, .step = step });

	return to == MR_REACH_NONE || remember(patterns, key, to) < 0 ? MR_REACH_NONE : to;
}

uint32_t mr_patterns_extend(struct mr_patterns *patterns, uint32_t parent, const struct mr_step *step,
                            bool recursive)
{
	const uint32_t number = intern_step(patterns, step);
	const uint64_t key = (uint64_t)parent << 32 | (uint64_t)number << 1 | recursive;
	const struct transition *const known = place_of(patterns, key);
	uint32_t to;

	if (number == MR_REACH_NONE || known->key == key)
		return number == MR_REACH_NONE ? number : known->to;
	to = recursive ? fold_choice(patterns, parent, number) : MR_REACH_NONE;
	for (unsigned period = 2; to == MR_REACH_NONE && period <= PERIOD_MAX; period++)
		to = fold_sequence(patterns, parent, number, period);
	if (to == MR_REACH_NONE)
		to = add(patterns,
		         (struct pattern){ .parent = parent, .step = number, .recursive = recursive });
	return to == MR_REACH_NONE || remember(patterns, key, to) < 0 ? MR_REACH_NONE : to;
}

/* ---- Showing ------------------------------------------------------------------------------------- */

uint32_t mr_pattern_plain(const struct mr_patterns *patterns, uint32_t pattern)
{
	while (patterns->list[pattern].folded)
		pattern = patterns->list[pattern].parent;
	return pattern;
}

uint64_t mr_pattern_differing(const struct mr_patterns *patterns, uint32_t pattern)
{
	return patterns->list[pattern].differing;
}

void mr_pattern_note(struct mr_patterns *patterns, uint32_t pattern, const struct mr_names *names,
                     uint32_t named)
{
	struct pattern *const noted = &patterns->list[pattern];

	if (noted->folded)
		return;
	if (noted->named == MR_REACH_NONE)
		noted->named = named;
	else
		noted->differing |= mr_names_compare(names, noted->named, named);
}

static void append_text(const struct mr_patterns *patterns, uint32_t text, struct mr_buffer *out)
{
	const uint8_t *const bytes = patterns->bytes.data + patterns->texts[text].begin;
	const size_t len = patterns->texts[text].len;

	mr_buffer_append(out, bytes, len > 0 && bytes[len - 1] == 0 ? len - 1 : len);
}

static void append_pattern(const struct mr_patterns *patterns, const struct pattern *pattern,
                           struct mr_buffer *out)
{
	if (pattern->kind == PATTERN_PLAIN) {
		append_text(patterns, pattern->step, out);
		return;
	}
	mr_buffer_append(out, "(", 1);
	for (uint8_t i = 0; i < pattern->part_count; i++) {
		if (i > 0 && pattern->kind == PATTERN_CHOICE)
			mr_buffer_append(out, "|", 1);
		append_text(patterns, pattern->parts[i], out);
	}
	mr_buffer_append(out, ")*", 2);
}

void mr_pattern_text(const struct mr_patterns *patterns, uint32_t pattern, uint32_t after,
                     struct mr_buffer *out)
{
	/* The first and the last ones where there are too many. */
	enum { SHOWN = 48, HEAD = 24 };
	uint32_t last[SHOWN];
	size_t count = 0;

	for (uint32_t at = pattern; at != after; at = patterns->list[at].parent)
		count++;
	if (count <= SHOWN) {
		size_t left = count;

		for (uint32_t at = pattern; at != after; at = patterns->list[at].parent)
			last[--left] = at;
		for (size_t i = 0; i < count; i++)
			append_pattern(patterns, &patterns->list[last[i]], out);
		return;
	}

	size_t from_end = 0;

	for (uint32_t at = pattern; at != after; at = patterns->list[at].parent, from_end++) {
		if (from_end < SHOWN - HEAD)
			last[SHOWN - 1 - from_end] = at;
		else if (count - 1 - from_end < HEAD)
			last[count - 1 - from_end] = at;
	}
	for (size_t i = 0; i < SHOWN; i++) {
		if (i == HEAD)
			mr_buffer_append(out, " ... ", 5);
		append_pattern(patterns, &patterns->list[last[i]], out);
	}
}
