/* SPDX-License-Identifier: MIT
 *
 * Ref: a weak reference that knows its object's row, and the one function that all
 * of them call when their object dies.  A subtype of the interpreter's own, whose
 * members follow after; to Python code it is a weakref.ref.
 *
 * The store owns its Refs.  A Ref that somebody else holds outlives the row or the
 * store; it is told so (mr_ref_detach) and then tells nobody.
 */
#include "module_capture.h"

#include "log_feed.h"

struct ref {
	PyWeakReference base;
	struct mr_store *store; /* borrowed; NULL: no row any more */
	uint32_t row;
};

/* With the collector's two words before it. */
#define REF_BYTES (sizeof(struct ref) + 2 * sizeof(void *))

/* A Ref is held by a store, which the collector does not see, and holds its type and the callback
 * only: it is never garbage itself, and never what makes other things so. */
static int ref_traverse(PyObject *Py_UNUSED(self), visitproc Py_UNUSED(visit), void *Py_UNUSED(arg))
{
	return 0;
}

static void ref_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	_PyWeakref_RefType.tp_dealloc(self);
	Py_DECREF(type);
}

static PyType_Slot ref_slots[] = {
	{ Py_tp_doc, (void *)"A weak reference to a tracked object." },
	{ Py_tp_traverse, (void *)ref_traverse },
	{ Py_tp_dealloc, (void *)ref_dealloc },
	{ 0, NULL },
};

static PyType_Spec ref_spec = {
	.name = "memcapture._capture.Ref",
	.basicsize = sizeof(struct ref),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = ref_slots,
};

/* A collection looks at each object in the collector's lists several times, and finds nothing in a
 * Ref.  So it is taken out of them, and linked to itself: the collector, which links the references
 * to what it found dead into a list of its own to call them, can unlink it from where it is.  That
 * is about the two words before an object, which are the same from 3.10 to 3.13; elsewhere Refs
 * stay in the lists. */
static void leave_lists(PyObject *ref)
{
#if PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
	uintptr_t *const head = (uintptr_t *)ref - 2;

	PyObject_GC_UnTrack(ref);
	head[0] = (uintptr_t)head; /* next */
	head[1] = (uintptr_t)head; /* previous, and flags in its low bits: none */
#else
	(void)ref;
#endif
}

PyObject *mr_ref_new(PyObject *module, PyObject *object)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	if (state->on_death == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "the tracker's module is being collected");
		return NULL;
	}
	PyObject *const arguments = PyTuple_Pack(2, object, state->on_death);
	if (arguments == NULL)
		return NULL;
	PyObject *const ref = _PyWeakref_RefType.tp_new(state->ref_type, arguments, NULL);
	Py_DECREF(arguments);
	if (ref != NULL)
		leave_lists(ref);
	return ref;
}

void mr_ref_attach(PyObject *ref, struct mr_store *store, uint32_t row)
{
	((struct ref *)ref)->store = store;
	((struct ref *)ref)->row = row;
}

void mr_ref_detach(PyObject *ref)
{
	((struct ref *)ref)->store = NULL;
}

PyObject *mr_ref_object(PyObject *ref)
{
#if PY_VERSION_HEX >= 0x030D0000
	PyObject *object = NULL;

	(void)PyWeakref_GetRef(ref, &object); /* fails for what is no weak reference only */
	return object;
#else
	PyObject *const object = PyWeakref_GET_OBJECT(ref);

	if (object == Py_None)
		return NULL;
	Py_INCREF(object);
	return object;
#endif
}

bool mr_ref_alive(PyObject *ref)
{
#if PY_VERSION_HEX >= 0x030D0000
	PyObject *const object = mr_ref_object(ref);

	Py_XDECREF(object);
	return object != NULL;
#else
	return PyWeakref_GET_OBJECT(ref) != Py_None;
#endif
}

uint64_t mr_ref_bytes(void)
{
	return REF_BYTES;
}

/* Weak references call this with themselves. */
static PyObject *on_death(PyObject *module, PyObject *ref)
{
	if (!Py_IS_TYPE(ref, mr_capture_state(module)->ref_type)) {
		PyErr_SetString(PyExc_TypeError, "this function is for the tracker's own references");
		return NULL;
	}

	struct mr_store *const store = ((struct ref *)ref)->store;
	/* A call by hand, while the object lives, is no death. */
	if (store != NULL && !mr_ref_alive(ref)) {
		const uint32_t row = ((struct ref *)ref)->row;
		PyObject *const owned = mr_store_end_row(store, row);

		mr_ref_detach(ref);
		if (store->feed != NULL)
			mr_feed_death(store->feed, row);
		Py_XDECREF(owned);
	}
	Py_RETURN_NONE;
}

static PyMethodDef on_death_def = { "_on_death", on_death, METH_O, NULL };

int mr_ref_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->ref_type =
		(PyTypeObject *)PyType_FromModuleAndSpec(module, &ref_spec, (PyObject *)&_PyWeakref_RefType);
	if (state->ref_type == NULL)
		return -1;
	state->on_death = PyCFunction_NewEx(&on_death_def, module, NULL);
	return state->on_death == NULL ? -1 : 0;
}
