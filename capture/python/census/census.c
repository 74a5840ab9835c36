/* SPDX-License-Identifier: MIT
 *
 * See census.h.  First the collector's lists are gone through for objects of this
 * package's types, and what these alone hold is marked; then each object that the
 * collector tracks is visited, and what it refers to that the collector does not
 * track.
 *
 * The walk waits for memory most of its time, so referents are fetched some while
 * before they are looked at: they wait in a ring.  What has been seen are two bits
 * for each place where an object can begin (size_seen.h); an object in static
 * storage is 16 bytes at least, too, and two of them cannot begin in one place.
 */
#include "census_private.h"

#include "size_seen.h"

#define RING 32u /* referents that are on their way; a power of 2 */

#define SEEN_OWN MR_SEEN_MORE

struct walk {
	struct mr_census_session *session;
	unsigned flags;
	mr_census_visit visit;
	void *context;
	struct mr_seen seen;
	PyObject *ring[RING];
	unsigned ring_from;
	unsigned ring_to;
	PyObject **stack; /* whose referents are yet to be visited */
	size_t stack_count;
	size_t stack_capacity;
	bool failed; /* no memory */
	bool stopped;
};

static struct mr_census_session the_session; /* the GIL is held, and no Python code runs in it */

struct mr_census_session *mr_census_session(void)
{
	return &the_session;
}

/* ---- The session ------------------------------------------------------------------- */

/* Is OBJECT a method of an own object?  One that is being called is such an object of its own. */
static bool is_method_of_own(struct mr_census_session *session, PyObject *object)
{
	PyObject *const self = PyMethod_Check(object)      ? PyMethod_GET_SELF(object)
	                       : PyCFunction_Check(object) ? PyCFunction_GET_SELF(object)
	                                                   : NULL;
	const struct mr_census_type *const known =
		self ? mr_census_type_of(&session->types, session->module, Py_TYPE(self)) : NULL;

	return known && known->is_own;
}

static int find_own(PyObject *object, void *context)
{
	struct mr_census_session *const session = context;
	const struct mr_census_type *const known =
		mr_census_type_of(&session->types, session->module, Py_TYPE(object));

	if (!known) {
		PyErr_NoMemory();
		return -1;
	}
	if (MR_LIKELY(!known->is_own) && !is_method_of_own(session, object))
		return 0;
	if (mr_own_add(&session->own, object) == 0)
		return 0;
	PyErr_NoMemory();
	return -1;
}

int mr_census_begin(PyObject *module)
{
	struct mr_census_session *const session = &the_session;

	if (session->depth++ > 0)
		return 0;
	session->gc_was_enabled = PyGC_Disable() != 0;
	session->module = module;
	if (mr_own_add_modules(&session->own, module) < 0 || mr_gc_each(find_own, session) < 0 ||
	    mr_own_finish(&session->own, &session->types, module) < 0) {
		mr_census_end(module);
		return -1;
	}
	return 0;
}

void mr_census_end(PyObject *module)
{
	struct mr_census_session *const session = &the_session;

	(void)module;
	if (--session->depth > 0)
		return;
	mr_own_release(&session->own);
	mr_census_types_release(&session->types);
	session->module = NULL;
	if (session->gc_was_enabled)
		PyGC_Enable();
}

/* ---- The walk ---------------------------------------------------------------------- */

static const struct mr_census_type *type_of(struct walk *walk, PyObject *object)
{
	const struct mr_census_type *const known =
		mr_census_type_of(&walk->session->types, walk->session->module, Py_TYPE(object));

	if (MR_UNLIKELY(!known))
		walk->failed = true;
	return known;
}

static bool is_wanted(const struct walk *walk, const struct mr_census_type *known)
{
	return !known->is_own && (!known->is_frame || (walk->flags & MR_CENSUS_FRAMES)) &&
	       (!known->is_int || (walk->flags & MR_CENSUS_INTS));
}

static int tell(struct walk *walk, PyObject *object)
{
	if (walk->visit(object, walk->context) == 0)
		return 0;
	walk->stopped = true;
	return -1;
}

static int meet(PyObject *object, void *context);

/* What CODE holds, but for what is made of it when it is asked for. */
static void meet_parts(struct walk *walk, const PyCodeObject *code)
{
	PyObject *const parts[] = {
		code->co_consts,
		code->co_names,
		code->co_filename,
		code->co_name,
		code->co_linetable,
#if PY_VERSION_HEX >= 0x030B0000
		code->co_exceptiontable,
		code->co_qualname,
		code->co_localsplusnames,
		code->co_localspluskinds,
#else
		code->co_code,
		code->co_varnames,
		code->co_freevars,
		code->co_cellvars,
#endif
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(parts); i++) {
		if (parts[i])
			(void)meet(parts[i], walk); /* a failure is in WALK, too */
	}
}

/* A referent that has been fetched.  Those that the collector tracks come from its lists. */
static int look_at(struct walk *walk, PyObject *object)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(&walk->seen, (uintptr_t)object, &shift);

	if (MR_UNLIKELY(!word)) {
		walk->failed = true;
		return -1;
	}
	if (mr_seen_state_in(word, shift) != MR_SEEN_NOT)
		return 0;
	mr_seen_put(word, shift, MR_SEEN_ONCE);

	const struct mr_census_type *const known = type_of(walk, object);

	if (MR_UNLIKELY(!known))
		return -1;

	const bool has_header = mr_census_has_header(known, object);

	if ((has_header && mr_gc_is_tracked(object)) || !is_wanted(walk, known))
		return 0;
	if (tell(walk, object) < 0)
		return -1;
	if (!(walk->flags & MR_CENSUS_DEEP) || !((has_header && Py_TYPE(object)->tp_traverse) ||
	                                         ((walk->flags & MR_CENSUS_CODE) && PyCode_Check(object))))
		return 0;
	if (mr_grow(&walk->stack, &walk->stack_capacity, walk->stack_count + 1, sizeof(PyObject *)) < 0) {
		walk->failed = true;
		return -1;
	}
	walk->stack[walk->stack_count++] = object;
	return 0;
}

/* A referent: is sent for, and the one that was sent for longest ago looked at. */
static int meet(PyObject *object, void *context)
{
	struct walk *const walk = context;

	mr_seen_prefetch(&walk->seen, (uintptr_t)object);
	__builtin_prefetch(mr_gc_head_of(object));
	__builtin_prefetch(object);
	walk->ring[walk->ring_to++ % RING] = object;
	if (walk->ring_to - walk->ring_from < RING)
		return 0;
	return look_at(walk, walk->ring[walk->ring_from++ % RING]) < 0;
}

/* Looks at all that is on its way, and at what that leads to. */
static int look_at_rest(struct walk *walk)
{
	for (;;) {
		while (walk->ring_from != walk->ring_to) {
			if (look_at(walk, walk->ring[walk->ring_from++ % RING]) < 0)
				return -1;
		}
		if (walk->stack_count == 0)
			return 0;

		PyObject *const object = walk->stack[--walk->stack_count];

		if (PyCode_Check(object)) {
			meet_parts(walk, (PyCodeObject *)object);
			if (walk->failed || walk->stopped)
				return -1;
			continue;
		}
		if (Py_TYPE(object)->tp_traverse(object, meet, walk) != 0 && (walk->failed || walk->stopped))
			return -1;
	}
}

/* What the collector tracks. */
static int visit_tracked(PyObject *object, void *context)
{
	struct walk *const walk = context;
	const struct mr_census_type *const known = type_of(walk, object);
	unsigned shift;
	uint64_t *const word = mr_seen_word(&walk->seen, (uintptr_t)object, &shift);

	if (MR_UNLIKELY(!known || !word)) {
		walk->failed = true;
		return -1;
	}
	if (mr_seen_state_in(word, shift) == SEEN_OWN || !is_wanted(walk, known))
		return 0;
	mr_seen_put(word, shift, MR_SEEN_ONCE);
	if (tell(walk, object) < 0)
		return -1;
	if (Py_TYPE(object)->tp_traverse && Py_TYPE(object)->tp_traverse(object, meet, walk) != 0 &&
	    (walk->failed || walk->stopped))
		return -1;
	return walk->stack_count ? look_at_rest(walk) : 0;
}

static int mark_own(struct walk *walk)
{
	const struct mr_own *const own = &walk->session->own;

	for (size_t i = 0; i < own->list_count; i++) {
		unsigned shift;
		uint64_t *const word = mr_seen_word(&walk->seen, (uintptr_t)own->list[i], &shift);

		if (!word) {
			walk->failed = true;
			return -1;
		}
		mr_seen_put(word, shift, SEEN_OWN);
	}
	return 0;
}

int mr_census(PyObject *module, unsigned flags, mr_census_visit visit, void *context)
{
	if (mr_census_begin(module) < 0)
		return -1;

	struct walk walk = { .session = &the_session, .flags = flags, .visit = visit, .context = context };
	int status = 0;

	if (!(flags & MR_CENSUS_OWN))
		status = mark_own(&walk);
	if (status == 0)
		status = mr_gc_each(visit_tracked, &walk);
	if (status == 0)
		status = look_at_rest(&walk);
	if (walk.failed)
		PyErr_NoMemory();
	mr_free(walk.stack);
	mr_seen_release(&walk.seen);
	mr_census_end(module);
	return status;
}

/* ---- Questions ----------------------------------------------------------------------- */

int mr_census_collect(PyObject *module)
{
	PyObject *const gc = PyImport_ImportModule("gc");
	PyObject *const found = gc ? PyObject_CallMethod(gc, "collect", NULL) : NULL;

	(void)module;
	Py_XDECREF(gc);
	Py_XDECREF(found);
	return found ? 0 : -1;
}

uint64_t mr_census_bytes(PyObject *module, PyObject *object)
{
	struct mr_census_type alone = { .type = Py_TYPE(object) };
	struct mr_census_type *const known =
		the_session.depth ? mr_census_type_of(&the_session.types, module, Py_TYPE(object)) : NULL;

	return mr_census_plain_bytes(known ? known : &alone, object);
}
