/* SPDX-License-Identifier: MIT
 *
 * ObjectWatch: objects that are to be found again as long as they live, without a
 * reference to them, also those that cannot be weakly referenced.  To find them
 * takes a census, since nothing else says that an object is there.
 */
#include "census.h"
#include "census_module.h"
#include "module_capture.h"
#include "object_tracker.h"
#include "path_names_frame.h"

struct watched {
	uint64_t address;
	uint64_t block;
	uint64_t type;  /* its address; only compared */
	uint32_t print; /* mr_object_print() */
	bool is_dead;
	PyObject *found; /* in a census, borrowed */
};

struct object_watch {
	PyObject_HEAD PyObject *module; /* owned */
	struct mr_lives lives;
	struct watched *items;
	size_t count;
	size_t capacity;
	struct watched **order; /* in a census: by address */
};

static inline struct object_watch *as_watch(PyObject *self)
{
	return (struct object_watch *)self;
}

static int make_known(struct object_watch *self, uint64_t block)
{
	/* Whoever was there before is dead. */
	for (size_t i = 0; mr_lives_is_placed(&self->lives, block) && i < self->count; i++) {
		if (self->items[i].block == block)
			self->items[i].is_dead = true;
	}
	if (mr_lives_mark(&self->lives, block) < 0)
		return -1;
	mr_lives_set_placed(&self->lives, block);
	return 0;
}

/* add(object): a number to find it by. */
static PyObject *watch_add(PyObject *self_object, PyObject *object)
{
	struct object_watch *const self = as_watch(self_object);

	if (!self->lives.is_open && mr_lives_open(&self->lives) < 0)
		return NULL;
	const uint64_t block = mr_lives_block(object);

	if ((!mr_lives_knows(&self->lives, block) && make_known(self, block) < 0) ||
	    mr_grow(&self->items, &self->capacity, self->count + 1, sizeof(*self->items)) < 0)
		return PyErr_NoMemory();
	self->items[self->count] = (struct watched){ .address = (uint64_t)(uintptr_t)object,
		                                     .block = block,
		                                     .type = (uint64_t)(uintptr_t)Py_TYPE(object),
		                                     .print = mr_object_print(object) };
	return PyLong_FromSize_t(self->count++);
}

static int by_address(const void *a, const void *b)
{
	const uint64_t left = (*(struct watched *const *)a)->address;
	const uint64_t right = (*(struct watched *const *)b)->address;

	return (left > right) - (left < right);
}

static int meet(PyObject *object, void *context)
{
	struct object_watch *const self = context;
	const uint64_t address = (uint64_t)(uintptr_t)object;
	size_t low = 0;
	size_t high = self->count;

	if (!mr_lives_knows(&self->lives, mr_lives_block(object)))
		return 0;
	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (self->order[middle]->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < self->count && self->order[low]->address == address; low++) {
		if (self->order[low]->print == mr_object_print(object))
			self->order[low]->found = object;
	}
	return 0;
}

/* What only a variable of a running function refers to is in no census. */
static void meet_variables(struct object_watch *self)
{
	PyThreadState *thread = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
	struct mr_frame frame;

	for (; thread; thread = PyThreadState_Next(thread)) {
		for (const void *at = mr_frame_innermost(thread); at; at = frame.back) {
			mr_frame_look(at, &frame);
			if (!frame.code)
				continue;
			for (Py_ssize_t i = 0; i < frame.count + frame.stack_count; i++) {
				if (frame.values[i])
					(void)meet(frame.values[i], self);
			}
		}
	}
}

static int find_all(struct object_watch *self)
{
	if (self->count == 0)
		return 0;
	self->order = mr_alloc(self->count * sizeof(struct watched *));
	if (!self->order) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < self->count; i++) {
		self->items[i].found = NULL;
		self->order[i] = &self->items[i];
	}
	qsort(self->order, self->count, sizeof(struct watched *), by_address);

	const int status =
		mr_census(self->module,
	                  MR_CENSUS_DEEP | MR_CENSUS_CODE | MR_CENSUS_INTS | MR_CENSUS_OWN | MR_CENSUS_FRAMES,
	                  meet, self);

	if (status == 0)
		meet_variables(self);
	mr_free(self->order);
	self->order = NULL;
	return status;
}

/* Looks for all of them.  Then nothing may run Python code until what was found has been used. */
static int look_for_all(struct object_watch *self)
{
	const bool exact = self->count == 0 || mr_lives_check(&self->lives);

	if (find_all(self) < 0)
		return -1;
	for (size_t i = 0; i < self->count; i++) {
		struct watched *const item = &self->items[i];

		/* Where a death may have been missed, the type has to be the same at least. */
		if (!item->found || (!exact && (uint64_t)(uintptr_t)Py_TYPE(item->found) != item->type))
			item->is_dead = true;
	}
	return 0;
}

/* get(number): the object; LookupError when it is gone. */
static PyObject *watch_get(PyObject *self_object, PyObject *number)
{
	struct object_watch *const self = as_watch(self_object);
	const size_t at = PyLong_AsSize_t(number);

	if (at == (size_t)-1 && PyErr_Occurred())
		return NULL;
	if (at < self->count && !self->items[at].is_dead && look_for_all(self) < 0)
		return NULL;
	if (at >= self->count || self->items[at].is_dead) {
		PyErr_SetString(PyExc_LookupError, "the object is gone");
		return NULL;
	}
	return Py_NewRef(self->items[at].found);
}

/* alive(): the numbers of those that are alive. */
static PyObject *watch_alive(PyObject *self_object, PyObject *Py_UNUSED(ignored))
{
	struct object_watch *const self = as_watch(self_object);
	PyObject *list;

	if (look_for_all(self) < 0)
		return NULL;
	list = PyList_New(0);
	for (size_t i = 0; list && i < self->count; i++) {
		PyObject *const number = self->items[i].is_dead ? NULL : PyLong_FromSize_t(i);

		if (!self->items[i].is_dead && (!number || PyList_Append(list, number) < 0))
			Py_CLEAR(list);
		Py_XDECREF(number);
	}
	return list;
}

/* ---- The type --------------------------------------------------------------------------------- */

static PyObject *watch_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
	PyObject *const module = mr_sizing_module_of(type);
	struct object_watch *self;

	if (!module) {
		PyErr_SetString(PyExc_RuntimeError, "the type has lost its module");
		return NULL;
	}
	self = (struct object_watch *)type->tp_alloc(type, 0);
	if (self)
		self->module = Py_NewRef(module);
	return (PyObject *)self;
}

static int watch_traverse(PyObject *object, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(as_watch(object)->module);
	return 0;
}

static void watch_dealloc(PyObject *object)
{
	struct object_watch *const self = as_watch(object);
	PyTypeObject *const type = Py_TYPE(object);

	PyObject_GC_UnTrack(object);
	mr_lives_close(&self->lives);
	mr_free(self->items);
	Py_XDECREF(self->module);
	type->tp_free(object);
	Py_DECREF(type);
}

static PyMethodDef watch_methods[] = {
	{ "add", watch_add, METH_O, "A number to find an object by; it is not kept alive." },
	{ "get", watch_get, METH_O, "The object of a number; LookupError when it is gone." },
	{ "alive", watch_alive, METH_NOARGS, "The numbers of the objects that are alive." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot watch_slots[] = {
	{ Py_tp_doc, (void *)"Finds objects again as long as they live, and keeps none alive." },
	{ Py_tp_new, (void *)watch_new },
	{ Py_tp_traverse, (void *)watch_traverse },
	{ Py_tp_dealloc, (void *)watch_dealloc },
	{ Py_tp_methods, watch_methods },
	{ 0, NULL },
};

static PyType_Spec watch_spec = {
	.name = "memcapture._capture.ObjectWatch",
	.basicsize = sizeof(struct object_watch),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = watch_slots,
};

int mr_object_watch_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->object_watch_type = PyType_FromModuleAndSpec(module, &watch_spec, NULL);
	if (!state->object_watch_type)
		return -1;
	return PyModule_AddType(module, (PyTypeObject *)state->object_watch_type);
}
