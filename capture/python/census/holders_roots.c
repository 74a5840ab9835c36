/* SPDX-License-Identifier: MIT
 *
 * The roots of all that lives (holders_private.h), the most telling first: modules,
 * running functions, what the interpreter keeps for its threads; then, for what none
 * of these leads to, objects that have more references than those from other objects:
 * C code holds them, or an expression that is being worked out.  The rest are cycles
 * that nobody holds.
 */
#include "holders_private.h"

#include "census_private.h"
#include "referrers.h"

#define THREADS_MAX 4096
#define FRAMES_MAX 100000 /* of a thread */

/* ---- Modules --------------------------------------------------------------------------------- */

static void hide_own(struct mr_reach *reach)
{
	const struct mr_own *const own = &mr_census_session()->own;

	for (size_t i = 0; i < own->list_count && !reach->failed; i++)
		mr_reach_hide(reach, own->list[i]);
}

static void add_module(struct mr_reach *reach, PyObject *name, PyObject *module)
{
	mr_reach_add_root(reach, module,
	                  (struct mr_reach_root){ .kind = MR_HOLDER_MODULE,
	                                          .name = PyUnicode_Check(name) ? name : NULL,
	                                          .word = "<module>" });
}

static void add_modules(struct mr_reach *reach)
{
	PyObject *const modules = mr_census_modules();

	/* First the program's own. */
	for (int round = 0; round < 2; round++) {
		Py_ssize_t at = 0;
		PyObject *name;
		PyObject *module;

		while (modules && PyDict_Next(modules, &at, &name, &module)) {
			if (mr_is_name_in(name, "__main__") == (round == 0) &&
			    !mr_own_has(&mr_census_session()->own, module))
				add_module(reach, name, module);
		}
	}
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* The oldest thread first, which is the main one as a rule. */
static size_t threads_of(PyThreadState **threads)
{
	size_t count = 0;

	for (PyThreadState *thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	     thread && count < THREADS_MAX; thread = PyThreadState_Next(thread))
		threads[count++] = thread;
	for (size_t i = 0; i < count / 2; i++) {
		PyThreadState *const other = threads[i];

		threads[i] = threads[count - 1 - i];
		threads[count - 1 - i] = other;
	}
	return count;
}

/* The frames of THREAD, the outermost first: who made a thing is more telling than who was handed it. */
static void add_frames(struct mr_reach *reach, PyThreadState *thread)
{
	const void **places = NULL;
	size_t capacity = 0;
	size_t count = 0;
	struct mr_frame frame;

	for (const void *at = mr_frame_innermost(thread); at && count < FRAMES_MAX; at = frame.back) {
		mr_frame_look(at, &frame);
		if (!frame.code)
			continue;
		if (mr_frame_is_own(&frame)) {
			if (frame.object)
				mr_reach_hide(reach, frame.object);
			continue;
		}
		if (mr_grow(&places, &capacity, count + 1, sizeof(*places)) < 0) {
			reach->failed = true;
			break;
		}
		places[count++] = at;
	}
	while (count > 0)
		mr_reach_add_root(
			reach, NULL,
			(struct mr_reach_root){ .kind = MR_HOLDER_FRAME, .frame = places[--count] });
	mr_free(places);
}

static void add_kept(struct mr_reach *reach, PyObject *object, const char *word)
{
	if (object)
		mr_reach_add_root(reach, object,
		                  (struct mr_reach_root){ .kind = MR_HOLDER_INTERPRETER, .word = word });
}

static void add_thread_state(struct mr_reach *reach, const PyThreadState *thread)
{
	size_t handled = 0;

	add_kept(reach, thread->dict, "<thread's data>");
	add_kept(reach, thread->context, "<context>");
	for (const _PyErr_StackItem *item = thread->exc_info; item && handled < FRAMES_MAX;
	     item = item->previous_item, handled++)
		add_kept(reach, item->exc_value, "<exception being handled>");
	add_kept(reach, thread->c_traceobj, "<trace function>");
	add_kept(reach, thread->c_profileobj, "<profile function>");
}

/* ---- What is left ---------------------------------------------------------------------------- */

struct rest {
	struct mr_index index; /* of the objects that were not reached */
	uint32_t *references;  /* to each, from the others */
};

static int count_reference(PyObject *object, void *context)
{
	const struct rest *const rest = context;
	const uint32_t at = mr_index_get(&rest->index, object);

	if (at != MR_INDEX_NONE)
		rest->references[at]++;
	return 0;
}

/* Keeps in HEAP the objects that were not reached. */
static void list_rest(struct mr_reach *reach, struct mr_heap *heap)
{
	size_t count = 0;

	for (size_t i = 0; i < heap->count; i++) {
		if (!mr_reach_is_seen(reach, heap->objects[i]))
			heap->objects[count++] = heap->objects[i];
	}
	heap->count = count;
}

static void add_outside(struct mr_reach *reach, const struct rest *rest, PyObject *object, uint32_t at,
                        const struct mr_holders_given *given)
{
	Py_ssize_t known = rest->references[at];

	/* Those that the caller's list refers to have one more, which is not the program's. */
	const uint32_t *const more = mr_index_at(&given->references, object);

	if (more)
		known += *more;
	if (Py_REFCNT(object) > known)
		mr_reach_add_root(reach, object, (struct mr_reach_root){ .kind = MR_HOLDER_OUTSIDE });
}

static int search_rest(struct mr_reach *reach, const struct mr_held *held, size_t held_count,
                       const struct mr_holders_given *given)
{
	struct mr_heap heap = { 0 };
	struct rest rest = { 0 };
	int status = -1;

	if (mr_heap_list(reach->module, &heap) < 0)
		return -1;

	list_rest(reach, &heap);
	rest.references = mr_alloc((heap.count + 1) * sizeof(uint32_t));
	if (reach->failed || !rest.references || mr_index_reserve(&rest.index, heap.count) < 0) {
		PyErr_NoMemory();
		goto out;
	}
	for (size_t i = 0; i < heap.count; i++)
		(void)mr_index_add(&rest.index, heap.objects[i], (uint32_t)i);
	for (size_t i = 0; i < heap.count; i++)
		(void)Py_TYPE(heap.objects[i])->tp_traverse(heap.objects[i], count_reference, &rest);
	for (size_t i = 0; i < heap.count; i++)
		add_outside(reach, &rest, heap.objects[i], (uint32_t)i, given);
	mr_reach_run(reach);
	for (size_t i = 0; i < heap.count && reach->wanted_left > 0; i++) {
		mr_reach_add_root(reach, heap.objects[i], (struct mr_reach_root){ .kind = MR_HOLDER_CYCLE });
		mr_reach_run(reach);
	}
	/* What the collector does not track, and what is held by this package alone. */
	for (size_t i = 0; i < held_count; i++) {
		if (reach->found[mr_index_get(&reach->wanted, held[i].object)] == MR_REACH_NONE)
			mr_reach_add_root(reach, held[i].object,
			                  (struct mr_reach_root){ .kind = MR_HOLDER_OUTSIDE });
	}
	status = 0;
out:
	mr_free(rest.references);
	mr_index_release(&rest.index);
	mr_heap_release(&heap);
	return status;
}

int mr_roots_search(struct mr_reach *reach, const struct mr_held *held, size_t held_count,
                    const struct mr_holders_given *given)
{
	PyThreadState **const threads = mr_alloc(THREADS_MAX * sizeof(*threads));
	const size_t thread_count = threads ? threads_of(threads) : 0;

	if (!threads) {
		PyErr_NoMemory();
		return -1;
	}
	hide_own(reach);
	for (size_t i = 0; i < MR_ARRAY_LEN(given->lists); i++) {
		if (given->lists[i])
			mr_reach_put_off(reach, given->lists[i]);
	}
	add_modules(reach);
	mr_reach_run(reach);
	for (size_t i = 0; i < thread_count && reach->wanted_left > 0; i++)
		add_frames(reach, threads[i]);
	mr_reach_run(reach);
	for (size_t i = 0; i < thread_count && reach->wanted_left > 0; i++)
		add_thread_state(reach, threads[i]);
	if (reach->wanted_left > 0)
		add_kept(reach, PyInterpreterState_GetDict(PyInterpreterState_Get()), "<interpreter's data>");
	mr_reach_run(reach);
	mr_free(threads);
	if (reach->wanted_left > 0)
		mr_reach_late(reach);
	if (reach->wanted_left > 0 && !reach->failed && search_rest(reach, held, held_count, given) < 0)
		return -1;
	if (!reach->failed)
		return 0;
	PyErr_NoMemory();
	return -1;
}
