/* SPDX-License-Identifier: MIT
 *
 * Places are kept once each, in a hash table by module and offset, with the frames
 * that they were resolved to; texts are kept once each too.
 */
#include "symbolizer_places.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "symbolizer.h"

#define INFLATED_MAX (UINT64_C(24) << 20) /* of a module that is looked up ahead */

struct module {
	char *path;
	char *build_id; /* behind the path */
	char *why;      /* it is missing; or NULL */
	int fd;         /* -1: the file at the path */
	bool wanted;    /* not only foreseen */
	bool late;      /* not to be looked up ahead */
	enum mr_places_known known;
	struct mr_symbolizer *symbolizer; /* NULL: it is not open */
};

struct place {
	uint64_t offset;
	uint32_t module;
	uint32_t next;        /* in its chain of the table */
	uint32_t frame_first; /* in `frames` */
	uint32_t frame_count;
	bool wanted; /* not only foreseen */
	enum mr_places_known known;
};

struct mr_places {
	pthread_mutex_t lock; /* of modules, places and chains; held for moments */
	struct module *modules;
	size_t module_count, module_capacity;
	struct place *places;
	size_t place_count, place_capacity;
	size_t place_looked_up; /* the first ones, that have been */
	struct mr_symbolizer_chains chains;

	/* Of the thread that looks up. */
	struct mr_places_frame *frames;
	size_t frame_count, frame_capacity;
	struct mr_symbolizer_texts texts;
	enum mr_places_known known; /* of the place at hand */
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the names of places");
}

int mr_places_new(struct mr_places **places, struct mr_error *err)
{
	struct mr_places *const made = mr_alloc(sizeof(*made));

	if (made == NULL)
		return no_memory(err);
	(void)pthread_mutex_init(&made->lock, NULL);
	*places = made;
	return 0;
}

void mr_places_free(struct mr_places *places)
{
	if (places == NULL)
		return;
	for (size_t i = 0; i < places->module_count; i++) {
		if (places->modules[i].fd >= 0)
			close(places->modules[i].fd);
		mr_symbolizer_close(places->modules[i].symbolizer);
		mr_free(places->modules[i].path);
		mr_free(places->modules[i].why);
	}
	mr_free(places->modules);
	mr_free(places->places);
	mr_symbolizer_chains_release(&places->chains);
	mr_free(places->frames);
	mr_symbolizer_texts_release(&places->texts);
	(void)pthread_mutex_destroy(&places->lock);
	mr_free(places);
}

/* ---- What is to be named -------------------------------------------------------------- */

static int find_module(struct mr_places *places, const char *path, const char *build_id, uint32_t *module,
                       struct mr_error *err)
{
	const size_t path_size = strlen(path) + 1;
	const size_t build_id_size = strlen(build_id) + 1;

	/* There are hundreds at most, and neighbours ask for the same ones. */
	for (size_t i = places->module_count; i-- > 0;) {
		if (strcmp(places->modules[i].build_id, build_id) == 0 &&
		    strcmp(places->modules[i].path, path) == 0) {
			*module = (uint32_t)i;
			return 0;
		}
	}
	if (mr_grow(&places->modules, &places->module_capacity, places->module_count + 1,
	            sizeof(*places->modules)) < 0)
		return no_memory(err);
	char *const texts = mr_alloc(path_size + build_id_size);
	if (texts == NULL)
		return no_memory(err);
	memcpy(texts, path, path_size);
	memcpy(texts + path_size, build_id, build_id_size);
	places->modules[places->module_count] =
		(struct module){ .path = texts, .build_id = texts + path_size, .fd = -1 };
	*module = (uint32_t)places->module_count++;
	return 0;
}

int mr_places_module(struct mr_places *places, const char *path, const char *build_id, uint32_t *module,
                     struct mr_error *err)
{
	(void)pthread_mutex_lock(&places->lock);
	const int code = find_module(places, path, build_id, module, err);
	(void)pthread_mutex_unlock(&places->lock);
	return code;
}

void mr_places_module_file(struct mr_places *places, uint32_t module, int fd)
{
	(void)pthread_mutex_lock(&places->lock);
	if (places->modules[module].fd >= 0)
		close(places->modules[module].fd);
	places->modules[module].fd = fd;
	(void)pthread_mutex_unlock(&places->lock);
}

static uint64_t hash_place(uint32_t module, uint64_t offset)
{
	return mr_symbolizer_chains_mix(mr_symbolizer_chains_mix(offset) + module);
}

static int find_place(struct mr_places *places, uint32_t module, uint64_t offset, uint32_t *place,
                      struct mr_error *err)
{
	const uint64_t hash = hash_place(module, offset);

	MR_FAIL_IF(module >= places->module_count, err, MR_ERR_ARG, "a place of no module is to be named");
	const int grown = mr_symbolizer_chains_grow(&places->chains, places->place_count);
	if (grown < 0)
		return no_memory(err);
	for (size_t i = 0; grown == 1 && i < places->place_count; i++)
		mr_symbolizer_chains_put(&places->chains,
		                         hash_place(places->places[i].module, places->places[i].offset),
		                         (uint32_t)i, &places->places[i].next);
	for (uint32_t i = mr_symbolizer_chains_first(&places->chains, hash); i != MR_SYMBOLIZER_CHAIN_END;
	     i = places->places[i].next) {
		if (places->places[i].offset == offset && places->places[i].module == module) {
			*place = i;
			return 0;
		}
	}
	if (mr_grow(&places->places, &places->place_capacity, places->place_count + 1,
	            sizeof(*places->places)) < 0)
		return no_memory(err);
	*place = (uint32_t)places->place_count++;
	places->places[*place] = (struct place){ .offset = offset, .module = module };
	mr_symbolizer_chains_put(&places->chains, hash, *place, &places->places[*place].next);
	return 0;
}

int mr_places_add(struct mr_places *places, uint32_t module, uint64_t offset, uint32_t *place,
                  struct mr_error *err)
{
	(void)pthread_mutex_lock(&places->lock);
	const int code = find_place(places, module, offset, place, err);
	if (code == 0)
		places->places[*place].wanted = places->modules[module].wanted = true;
	(void)pthread_mutex_unlock(&places->lock);
	return code;
}

int mr_places_foresee(struct mr_places *places, uint32_t module, uint64_t offset, struct mr_error *err)
{
	uint32_t place;

	(void)pthread_mutex_lock(&places->lock);
	const int code = find_place(places, module, offset, &place, err);
	(void)pthread_mutex_unlock(&places->lock);
	return code;
}

/* ---- Looking up ------------------------------------------------------------------------ */

static int add_frame(void *context, uint32_t depth, const struct mr_named *named, struct mr_error *err)
{
	struct mr_places *const places = context;
	struct mr_places_frame frame = { .line = named->line };

	if (mr_symbolizer_texts_number(&places->texts, named->function, &frame.function) < 0 ||
	    mr_symbolizer_texts_number(&places->texts, named->file, &frame.file) < 0 ||
	    mr_grow(&places->frames, &places->frame_capacity, places->frame_count + 1,
	            sizeof(*places->frames)) < 0)
		return no_memory(err);
	places->frames[places->frame_count++] = frame;
	if (frame.file != 0 && frame.line != 0)
		places->known = MR_PLACES_LINED;
	else if (depth == 0 && frame.function != 0)
		places->known = MR_PLACES_NAMED;
	return 0;
}

static void close_module(struct mr_places *places, uint32_t number)
{
	(void)pthread_mutex_lock(&places->lock);
	struct mr_symbolizer *const symbolizer = places->modules[number].symbolizer;
	places->modules[number].symbolizer = NULL;
	(void)pthread_mutex_unlock(&places->lock);
	mr_symbolizer_close(symbolizer);
}

/* How to look ahead; NULL where all is wanted now. */
struct ahead {
	mr_places_go_on *go_on;
	void *context;
};

static bool goes_on(const struct ahead *ahead)
{
	return ahead == NULL || ahead->go_on(ahead->context);
}

/* Opens module NUMBER, if it is not; *SYMBOLIZER is NULL with 0 where it is missing. */
static int open_module(struct mr_places *places, uint32_t number, const struct ahead *ahead,
                       struct mr_symbolizer **symbolizer, struct mr_error *err)
{
	struct mr_error complaint = { 0 };
	char *why = NULL;

	(void)pthread_mutex_lock(&places->lock);
	struct module module = places->modules[number]; /* its texts stay where they are */
	(void)pthread_mutex_unlock(&places->lock);
	*symbolizer = module.symbolizer;
	if (module.symbolizer != NULL && mr_symbolizer_is_good(module.symbolizer))
		return 0;
	if (module.symbolizer != NULL)
		close_module(places, number);
	const int code = mr_symbolizer_open_within(symbolizer, module.path, module.build_id, module.fd,
	                                           ahead != NULL ? INFLATED_MAX : UINT64_MAX, &complaint);
	if (code == MR_ERR_LIMIT) {
		(void)pthread_mutex_lock(&places->lock);
		places->modules[number].late = true;
		(void)pthread_mutex_unlock(&places->lock);
		return code;
	}
	MR_FAIL_IF(code < 0 && code != MR_ERR_READ, err, code, "%s", complaint.message);
	if (code < 0) {
		*symbolizer = NULL;
		why = mr_alloc(strlen(complaint.message) + 1);
		if (why == NULL)
			return no_memory(err);
		memcpy(why, complaint.message, strlen(complaint.message) + 1);
	}
	(void)pthread_mutex_lock(&places->lock);
	struct module *const opened = &places->modules[number];
	mr_free(opened->why);
	opened->why = why;
	opened->symbolizer = *symbolizer;
	opened->known = *symbolizer == NULL                    ? MR_PLACES_MISSING
	                : mr_symbolizer_has_lines(*symbolizer) ? MR_PLACES_LINED
	                                                       : MR_PLACES_NAMED;
	(void)pthread_mutex_unlock(&places->lock);
	return 0;
}

/* A place that is to be looked up. */
struct task {
	uint64_t offset;
	uint32_t module;
	uint32_t place;
};

/* Looks up COUNT places, which are of one module and in the order of addresses. */
static int look_up_module(struct mr_places *places, const struct task *tasks, size_t count,
                          const struct ahead *ahead, struct mr_error *err)
{
	struct mr_symbolizer *symbolizer = NULL;

	int code = open_module(places, tasks[0].module, ahead, &symbolizer, err);
	if (code == MR_ERR_LIMIT)
		return 0;
	for (size_t i = 0; i < count && code >= 0 && goes_on(ahead); i++) {
		const size_t first = places->frame_count;

		places->known = MR_PLACES_MISSING;
		if (symbolizer != NULL)
			code = mr_symbolizer_name(symbolizer, tasks[i].offset, add_frame, places, err);
		if (code < 0)
			break;
		(void)pthread_mutex_lock(&places->lock);
		struct place *const place = &places->places[tasks[i].place];
		place->frame_first = (uint32_t)first;
		place->frame_count = (uint32_t)(places->frame_count - first);
		place->known = places->known;
		(void)pthread_mutex_unlock(&places->lock);
	}
	if (ahead == NULL)
		close_module(places, tasks[0].module);
	return code < 0 ? code : 0;
}

static int compare_tasks(const void *left, const void *right)
{
	const struct task *const a = left;
	const struct task *const b = right;

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* What is to be looked up now, the caller's to free; NULL: no memory. */
static struct task *choose_tasks(struct mr_places *places, bool ahead, size_t *count)
{
	*count = 0;
	(void)pthread_mutex_lock(&places->lock);
	while (places->place_looked_up < places->place_count &&
	       places->places[places->place_looked_up].known != MR_PLACES_UNSEEN)
		places->place_looked_up++;
	const size_t first = places->place_looked_up;
	struct task *const tasks = mr_alloc((places->place_count - first + 1) * sizeof(*tasks));
	for (size_t i = first; i < places->place_count && tasks != NULL; i++) {
		const struct place *const place = &places->places[i];

		if (place->known == MR_PLACES_UNSEEN &&
		    (ahead ? !places->modules[place->module].late : place->wanted))
			tasks[(*count)++] = (struct task){ place->offset, place->module, (uint32_t)i };
	}
	(void)pthread_mutex_unlock(&places->lock);
	if (tasks != NULL)
		qsort(tasks, *count, sizeof(*tasks), compare_tasks);
	return tasks;
}

static int look_up(struct mr_places *places, const struct ahead *ahead, struct mr_error *err)
{
	size_t count;
	int code = 0;

	struct task *const tasks = choose_tasks(places, ahead != NULL, &count);
	if (tasks == NULL)
		return no_memory(err);
	for (size_t i = 0, end; i < count && code == 0 && goes_on(ahead); i = end) {
		for (end = i + 1; end < count && tasks[end].module == tasks[i].module;)
			end++;
		code = look_up_module(places, tasks + i, end - i, ahead, err);
	}
	mr_free(tasks);
	return code;
}

int mr_places_look_up(struct mr_places *places, struct mr_error *err)
{
	return look_up(places, NULL, err);
}

int mr_places_look_ahead(struct mr_places *places, mr_places_go_on *go_on, void *context,
                         struct mr_error *err)
{
	const struct ahead ahead = { go_on, context };

	return look_up(places, &ahead, err);
}

void mr_places_close(struct mr_places *places)
{
	(void)pthread_mutex_lock(&places->lock);
	const size_t count = places->module_count;
	(void)pthread_mutex_unlock(&places->lock);
	for (size_t i = 0; i < count; i++)
		close_module(places, (uint32_t)i);
}

size_t mr_places_module_count(const struct mr_places *places)
{
	return places->module_count;
}

enum mr_places_known mr_places_module_known(const struct mr_places *places, uint32_t module,
                                            const char **path, const char **why)
{
	*path = places->modules[module].path;
	*why = places->modules[module].why;
	return places->modules[module].wanted ? places->modules[module].known : MR_PLACES_UNSEEN;
}

size_t mr_places_count(const struct mr_places *places)
{
	return places->place_count;
}

enum mr_places_known mr_places_known(const struct mr_places *places, uint32_t place)
{
	return places->places[place].wanted ? places->places[place].known : MR_PLACES_UNSEEN;
}

const struct mr_places_frame *mr_places_frames(const struct mr_places *places, uint32_t place, size_t *count)
{
	*count = places->places[place].frame_count;
	return *count > 0 ? &places->frames[places->places[place].frame_first] : NULL;
}

const struct mr_symbolizer_texts *mr_places_texts(const struct mr_places *places)
{
	return &places->texts;
}
