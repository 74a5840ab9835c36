/* SPDX-License-Identifier: MIT
 *
 * CodepointProfiler: measures all objects that the interpreter knows, at places in
 * the code where a profile function is called.  What it keeps of that is no object,
 * and it is not in what it measures.
 */
#include "codepoint_table.h"

#include <frameobject.h>
#include <structmember.h>

#include "census.h"
#include "census_module.h"
#include "sizing_module.h"

struct mr_codepoint_profiler {
	PyObject_HEAD PyObject *module;
	PyObject *codepoints;
	PyObject *events;
	char collect; /* garbage before measuring */
	struct mr_codepoint_table table;
};

static inline struct mr_codepoint_profiler *as_profiler(PyObject *self)
{
	return (struct mr_codepoint_profiler *)self;
}

/* ---- Which places ---------------------------------------------------------------- */

/* Is WANTED, of which None stands for anything, that place?  -1 with a Python error. */
static int is_match(PyObject *wanted, PyObject *place)
{
	PyObject *const parts = PySequence_Tuple(wanted);
	PyObject *const of_place = parts ? PySequence_Tuple(place) : NULL;
	int match = of_place ? 1 : -1;

	for (Py_ssize_t i = 0; match == 1 && i < PyTuple_GET_SIZE(parts); i++) {
		PyObject *const part = PyTuple_GET_ITEM(parts, i);

		if (part == Py_None)
			continue;
		if (i < PyTuple_GET_SIZE(of_place)) {
			match = PyObject_RichCompareBool(part, PyTuple_GET_ITEM(of_place, i), Py_EQ);
		} else {
			PyErr_SetString(PyExc_IndexError, "a codepoint is (file, function, line)");
			match = -1;
		}
	}
	Py_XDECREF(parts);
	Py_XDECREF(of_place);
	return match;
}

/* 1, 0, or -1 with a Python error. */
static int is_included(PyObject *self, PyObject *place)
{
	PyObject *const codepoints = as_profiler(self)->codepoints;
	PyObject *iterator;
	PyObject *wanted;
	int included = 0;

	if (codepoints == Py_None || !codepoints)
		return 1;
	iterator = PyObject_GetIter(codepoints);
	while (iterator && included == 0 && (wanted = PyIter_Next(iterator))) {
		included = is_match(wanted, place);
		Py_DECREF(wanted);
	}
	Py_XDECREF(iterator);
	return PyErr_Occurred() ? -1 : included;
}

static PyObject *profiler_included(PyObject *self, PyObject *place)
{
	const int included = is_included(self, place);

	return included < 0 ? NULL : PyBool_FromLong(included);
}

static int is_event_wanted(PyObject *self, PyObject *event)
{
	PyObject *const events = as_profiler(self)->events;
	int wanted;

	if (events == Py_None || !events)
		return 1;
	Py_INCREF(events);
	wanted = PySequence_Contains(events, event);
	Py_DECREF(events);
	return wanted;
}

/* ---- Measuring ----------------------------------------------------------------------- */

struct measurement {
	PyObject *module;
	uint64_t bytes;
};

static int add_object(PyObject *object, void *context)
{
	struct measurement *const measurement = context;

	measurement->bytes += mr_census_bytes(measurement->module, object);
	return 0;
}

/* Of all objects, as muppy.get_size(muppy.get_objects()) has it.  -1 with a Python error. */
static int measure(PyObject *module, bool collect, uint64_t *bytes)
{
	struct measurement measurement = { .module = module };

	if ((collect && mr_census_collect(module) < 0) ||
	    mr_census(module, MR_CENSUS_INTS, add_object, &measurement) < 0)
		return -1;
	*bytes = measurement.bytes;
	return 0;
}

/* At FRAME, whose code is CODE. */
static int profile_at(PyObject *self, PyFrameObject *frame, PyCodeObject *code)
{
	const int line = PyFrame_GetLineNumber(frame);
	uint64_t bytes;

	if (as_profiler(self)->codepoints != Py_None) {
		PyObject *const place = Py_BuildValue("OOi", code->co_filename, code->co_name, line);
		const int included = place ? is_included(self, place) : -1;

		Py_XDECREF(place);
		if (included <= 0)
			return included;
	}
	if (measure(as_profiler(self)->module, as_profiler(self)->collect, &bytes) < 0)
		return -1;
	return mr_codepoint_add(&as_profiler(self)->table, code->co_filename, code->co_name, line, bytes);
}

static PyObject *profiler_profile(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	int wanted;

	if (count != 3 || !PyFrame_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "profile() takes a frame, an event and its argument");
		return NULL;
	}
	wanted = is_event_wanted(self, args[1]);
	if (wanted > 0) {
		PyCodeObject *const code = PyFrame_GetCode((PyFrameObject *)args[0]);

		if (profile_at(self, (PyFrameObject *)args[0], code) < 0)
			wanted = -1;
		Py_DECREF(code);
	}
	if (wanted < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *get_memories(PyObject *self, void *closure MR_UNUSED)
{
	return mr_codepoint_dict(&as_profiler(self)->table);
}

/* ---- The type -------------------------------------------------------------------------- */

static PyObject *profiler_new(PyTypeObject *type, PyObject *args MR_UNUSED, PyObject *kwargs MR_UNUSED)
{
	struct mr_codepoint_profiler *const self = (struct mr_codepoint_profiler *)type->tp_alloc(type, 0);

	if (!self)
		return NULL;
	self->codepoints = Py_NewRef(Py_None);
	self->events = Py_NewRef(Py_None);
	self->collect = 1;
	self->module = Py_XNewRef(mr_sizing_module_of(type));
	if (self->module)
		return (PyObject *)self;
	PyErr_SetString(PyExc_SystemError, "the type has lost its module");
	Py_DECREF(self);
	return NULL;
}

static int profiler_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(as_profiler(self)->module);
	Py_VISIT(as_profiler(self)->codepoints);
	Py_VISIT(as_profiler(self)->events);
	return 0;
}

static int profiler_clear(PyObject *self)
{
	Py_CLEAR(as_profiler(self)->codepoints);
	Py_CLEAR(as_profiler(self)->events);
	return 0;
}

static void profiler_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void)profiler_clear(self);
	mr_codepoint_release(&as_profiler(self)->table);
	Py_CLEAR(as_profiler(self)->module);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef profiler_methods[] = {
	{ "profile", (PyCFunction)(void (*)(void))profiler_profile, METH_FASTCALL,
	  PyDoc_STR("profile($self, frame, event, arg, /)\n--\n\n"
	            "Measures, where the event and the frame's codepoint are among those that are wanted:\n"
	            "a function for sys.setprofile() and threading.setprofile().") },
	{ "codepoint_included", profiler_included, METH_O,
	  PyDoc_STR("codepoint_included($self, codepoint, /)\n--\n\n"
	            "Is (file, function, line) among the codepoints that are wanted?") },
	{ NULL, NULL, 0, NULL },
};

static PyMemberDef profiler_members[] = {
	{ "codepoints", T_OBJECT, offsetof(struct mr_codepoint_profiler, codepoints), 0,
	  "those that are wanted: (file, function, line), of which None is any; None: all" },
	{ "events", T_OBJECT, offsetof(struct mr_codepoint_profiler, events), 0,
	  "those that are wanted, as sys.setprofile() names them; None: all" },
	{ "collect", T_BOOL, offsetof(struct mr_codepoint_profiler, collect), 0,
	  "whether garbage is collected before each measurement" },
	{ NULL, 0, 0, 0, NULL },
};

static PyGetSetDef profiler_getset[] = {
	{ "memories", get_memories, NULL,
	  PyDoc_STR("{(file, function, line): [count, least, most, 0]}, the sizes in bytes: as it is now"),
	  NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot profiler_slots[] = {
	{ Py_tp_doc, (void *)PyDoc_STR("Measures all objects at places in the code.") },
	{ Py_tp_new, profiler_new },
	{ Py_tp_dealloc, profiler_dealloc },
	{ Py_tp_traverse, profiler_traverse },
	{ Py_tp_clear, profiler_clear },
	{ Py_tp_methods, profiler_methods },
	{ Py_tp_members, profiler_members },
	{ Py_tp_getset, profiler_getset },
	{ 0, NULL },
};

static PyType_Spec profiler_spec = {
	.name = "memcapture._capture.CodepointProfiler",
	.basicsize = sizeof(struct mr_codepoint_profiler),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
	.slots = profiler_slots,
};

int mr_codepoint_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->codepoint_profiler_type = PyType_FromModuleAndSpec(module, &profiler_spec, NULL);
	return state->codepoint_profiler_type
	               ? PyModule_AddObjectRef(module, "CodepointProfiler", state->codepoint_profiler_type)
	               : -1;
}
