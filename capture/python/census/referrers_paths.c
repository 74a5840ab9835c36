/* SPDX-License-Identifier: MIT
 *
 * See referrers_paths.h.  First the referrers of all objects that a path can come
 * by, a level at a time; then the paths, by a stack of our own.
 */
#include "referrers_paths.h"

#include "census.h"

#define EDGES_MAX 8000000u             /* references that are remembered */
#define VISITS_MAX (UINT64_C(1) << 28) /* some seconds, whatever depth was asked for */
#define LEFT_OUT_COUNTED 1000000u      /* lines beyond the limit that are counted */
#define PATH_GIVEN_MAX 1000000

struct stage { /* an object of the path that is being gone */
	uint32_t known;
	size_t next; /* of its referrers */
	size_t end;
	struct mr_step step; /* to the one before it in the stack */
	bool told;
};

struct search {
	const struct mr_paths_asked *asked;
	struct mr_paths *paths;
	struct mr_levels levels; /* known ones are marked while the path comes by them */
	struct stage *stack;
	size_t depth;
	size_t stack_capacity;
	struct mr_step *path_steps; /* between the objects of the path that was given */
};

static int know_given(struct search *search)
{
	const struct mr_paths_asked *const asked = search->asked;

	if (mr_levels_know(&search->levels, asked->object) == MR_INDEX_NONE)
		return -1;
	search->levels.known[0].marked = true;
	for (size_t i = 0; i < asked->path_count; i++) {
		const uint32_t number = mr_levels_know(&search->levels, asked->path[i]);

		if (number == MR_INDEX_NONE)
			return -1;
		search->levels.known[number].marked = true;
	}
	for (size_t i = 0; i < asked->hidden_count; i++) {
		const uint32_t number = mr_levels_know(&search->levels, asked->hidden[i]);

		if (number == MR_INDEX_NONE)
			return -1;
		search->levels.known[number].hidden = true;
	}
	return 0;
}

static int find_levels(struct search *search, const struct mr_heap *heap)
{
	const int64_t given = search->asked->path_count > 0 ? (int64_t)search->asked->path_count : 1;
	const int64_t walks = search->asked->depth - given;
	const struct mr_levels_asked asked = {
		.walks = walks > 1 ? (size_t)walks : 1,
		.edges_max = EDGES_MAX,
		.visits_max = VISITS_MAX,
		.named = true,
	};
	const int status = mr_levels_find(&search->levels, heap, &asked);

	search->paths->more |= search->levels.cut;
	return status;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* Appends what STEP is called when NEXT comes after it (NULL: nothing does). */
static void append_step(struct mr_buffer *out, const struct mr_step *step, bool *in_dict, bool last)
{
	if (step->kind == MR_STEP_DICT && !last) {
		*in_dict = true;
		return;
	}

	struct mr_step shown = *step;

	/* An entry of the dict that holds an object's attributes is an attribute. */
	if (*in_dict && step->kind == MR_STEP_KEY && PyUnicode_Check(step->object))
		shown.kind = MR_STEP_ATTRIBUTE;
	else if (*in_dict)
		mr_buffer_append(out, ".__dict__", strlen(".__dict__"));
	*in_dict = false;
	mr_step_text(out, &shown, MR_STEP_PLAIN);
}

/* The path on the stack, from its top, and what was given before it. */
static void append_path(const struct search *search, struct mr_buffer *out, PyObject *first,
                        const struct mr_step *step)
{
	const struct mr_paths_asked *const asked = search->asked;
	const size_t given = asked->path_count > 0 ? asked->path_count - 1 : 0;
	bool in_dict = false;
	size_t left = search->depth - 1 + given;

	mr_object_text(out,
	               first ? first : search->levels.known[search->stack[search->depth - 1].known].object);
	if (step)
		append_step(out, step, &in_dict, left == 0);
	for (size_t i = search->depth - 1; i > 0; i--) {
		left--;
		append_step(out, &search->stack[i].step, &in_dict, left == 0);
	}
	for (size_t i = 0; i < given; i++) {
		left--;
		append_step(out, &search->path_steps[i], &in_dict, left == 0);
	}
}

enum line_kind { LINE_PATH, LINE_CYCLE, LINE_END };

static int add_line(struct search *search, enum line_kind kind, PyObject *first, const struct mr_step *step)
{
	static const char *const words[] = { "", "Cyclic reference: ", "Dead end: " };
	struct mr_paths *const paths = search->paths;
	const size_t begin = paths->text.len;

	if (paths->count == search->asked->limit) {
		paths->left_out++;
		return 0;
	}
	if (mr_grow(&paths->ends, &paths->capacity, paths->count + 1, sizeof(*paths->ends)) < 0)
		return -1;
	mr_buffer_append(&paths->text, words[kind], strlen(words[kind]));
	append_path(search, &paths->text, first, step);
	if (paths->text.failed)
		return -1;
	/* What the interactive interpreter keeps as "_" is of no interest. */
	if (kind == LINE_PATH && memmem(paths->text.data + begin, paths->text.len - begin, "[_]", 3))
		paths->text.len = begin;
	else
		paths->ends[paths->count++] = paths->text.len;
	return 0;
}

static int push(struct search *search, uint32_t number, const struct mr_step *step)
{
	struct mr_known *const known = &search->levels.known[number];
	struct stage stage = { .known = number, .step = { .kind = MR_STEP_UNKNOWN } };

	if (step)
		stage.step = *step;
	(void)mr_levels_of(&search->levels, known, &stage.next, &stage.end);
	if (mr_grow(&search->stack, &search->stack_capacity, search->depth + 1, sizeof(stage)) < 0)
		return -1;
	search->stack[search->depth++] = stage;
	known->marked = true;
	return 0;
}

/* Goes on to the next referrer of the object on the top. */
static int go_on(struct search *search)
{
	const struct mr_paths_asked *const asked = search->asked;
	const size_t given = asked->path_count > 0 ? asked->path_count - 1 : 0;
	struct stage *const top = &search->stack[search->depth - 1];
	const struct mr_referrers *const level =
		&search->levels.levels[search->levels.known[top->known].level];
	PyObject *const parent = level->parents[top->next];
	const struct mr_step *const step = &level->steps[top->next++];
	const struct mr_known *const known = mr_levels_get(&search->levels, parent);

	if (known && known->hidden)
		return 0;
	top->told = true;
	if (known && known->marked)
		return add_line(search, LINE_CYCLE, parent, step);
	if (PyModule_Check(parent) || (int64_t)(search->depth + given) + 1 >= asked->depth || !known ||
	    known->level >= search->levels.level_count)
		return add_line(search, LINE_PATH, parent, step);
	return push(search, (uint32_t)(known - search->levels.known), step);
}

static int tell(struct search *search)
{
	if (push(search, 0, NULL) < 0)
		return -1;
	while (search->depth > 0 && search->paths->left_out < LEFT_OUT_COUNTED) {
		const struct stage *const top = &search->stack[search->depth - 1];

		if (top->next < top->end) {
			if (go_on(search) < 0)
				return -1;
			continue;
		}
		if (!top->told && add_line(search, LINE_END, NULL, NULL) < 0)
			return -1;
		if (search->depth > 1)
			search->levels.known[top->known].marked = false;
		search->depth--;
	}
	search->paths->more |= search->depth > 0;
	return 0;
}

/* The names within the path that was given. */
static int name_given(struct search *search)
{
	const struct mr_paths_asked *const asked = search->asked;

	if (asked->path_count < 2)
		return 0;
	search->path_steps = mr_alloc((asked->path_count - 1) * sizeof(*search->path_steps));
	if (!search->path_steps)
		return -1;
	for (size_t i = 0; i + 1 < asked->path_count; i++) {
		if (mr_steps_name(asked->path[i], &asked->path[i + 1], 1, &search->path_steps[i]) < 0)
			return -1;
	}
	return 0;
}

int mr_paths_find(PyObject *module, const struct mr_paths_asked *asked, struct mr_paths *paths)
{
	struct search search = { .asked = asked, .paths = paths };
	struct mr_heap heap = { 0 };
	int status = -1;

	*paths = (struct mr_paths){ 0 };
	if (mr_census_begin(module) < 0) /* what is found is borrowed until its texts have been made */
		return -1;
	if (asked->path_count > PATH_GIVEN_MAX || know_given(&search) < 0 || name_given(&search) < 0) {
		PyErr_NoMemory();
		goto out;
	}
	if (mr_heap_list(module, &heap) < 0 || find_levels(&search, &heap) < 0)
		goto out;
	status = tell(&search);
	if (status < 0)
		PyErr_NoMemory();
out:
	mr_census_end(module);
	mr_heap_release(&heap);
	mr_levels_release(&search.levels);
	mr_free(search.stack);
	mr_free(search.path_steps);
	if (status < 0)
		mr_paths_release(paths);
	return status;
}

void mr_paths_release(struct mr_paths *paths)
{
	mr_buffer_release(&paths->text);
	mr_free(paths->ends);
	*paths = (struct mr_paths){ 0 };
}

int mr_paths_chain(struct mr_buffer *out, PyObject *const *chain, size_t count)
{
	bool in_dict = false;

	mr_object_text(out, chain[0]);
	for (size_t i = 1; i < count; i++) {
		struct mr_step step;

		if (mr_steps_name(chain[i - 1], &chain[i], 1, &step) < 0) {
			PyErr_NoMemory();
			return -1;
		}
		append_step(out, &step, &in_dict, i + 1 == count);
	}
	if (out->failed)
		PyErr_NoMemory();
	return out->failed ? -1 : 0;
}
