/* SPDX-License-Identifier: MIT
 *
 * Observers come into classes and leave them again, with the signature that some
 * classes need beside.  See observer.c for what they do there.
 */
#include "observer.h"

/* ---- Signatures of classes that take nothing -------------------------------------------------- */

/* inspect.signature() knows a class that takes no arguments by its __init__, which must be the very
 * one of object.  So beside an observer in such a class stands a __signature__, which is there for
 * those classes only for which that would be true. */
struct signature {
	PyObject_HEAD PyObject *module; /* borrowed: the type keeps it */
};

static PyObject *signature_get(PyObject *object, PyObject *instance, PyObject *owner)
{
	PyObject *const module = ((struct signature *)object)->module;
	struct mr_capture_state *const state = mr_capture_state(module);
	PyTypeObject *const type = owner == NULL || !PyType_Check(owner) ? NULL : (PyTypeObject *)owner;

	if (instance != NULL || type == NULL || type->tp_new != PyBaseObject_Type.tp_new ||
	    !mr_observer_plain(state->observer_type, type, state->init_name)) {
		PyErr_SetString(PyExc_AttributeError, "__signature__");
		return NULL;
	}
	PyObject *const inspect = PyImport_ImportModule("inspect");
	PyObject *const signature = inspect == NULL ? NULL : PyObject_CallMethod(inspect, "Signature", NULL);
	Py_XDECREF(inspect);
	return signature;
}

static void signature_dealloc(PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	PyObject_Free(object);
	Py_DECREF(type);
}

static PyType_Slot signature_slots[] = {
	{ Py_tp_dealloc, (void *)signature_dealloc },
	{ Py_tp_descr_get, (void *)signature_get },
	{ 0, NULL },
};

static PyType_Spec signature_spec = {
	.name = "memcapture._capture.PlainSignature",
	.basicsize = sizeof(struct signature),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = signature_slots,
};

static int add_signature(PyObject *module, PyTypeObject *cls)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	if (cls->tp_new != PyBaseObject_Type.tp_new ||
	    !mr_observer_plain(state->observer_type, cls, state->init_name) ||
	    mr_observer_own_attribute(cls, state->signature_name) != NULL || PyErr_Occurred())
		return PyErr_Occurred() ? -1 : 0;
	struct signature *const signature = PyObject_New(struct signature, state->signature_type);
	if (signature == NULL)
		return -1;
	signature->module = module;
	const int status =
		PyType_Type.tp_setattro((PyObject *)cls, state->signature_name, (PyObject *)signature);
	Py_DECREF(signature);
	return status;
}

static int remove_signature(PyObject *module, PyTypeObject *cls)
{
	struct mr_capture_state *const state = mr_capture_state(module);
	PyObject *const found = mr_observer_own_attribute(cls, state->signature_name);

	if (found == NULL || Py_TYPE(found) != state->signature_type)
		return PyErr_Occurred() ? -1 : 0;
	return PyType_Type.tp_setattro((PyObject *)cls, state->signature_name, NULL);
}

/* ---- In and out of a class ------------------------------------------------------------------- */

/* The class's observer; NULL without an error: another __init__, or none, is there.  Borrowed. */
static struct mr_observer *observer_in(PyObject *module, PyTypeObject *cls)
{
	struct mr_capture_state *const state = mr_capture_state(module);
	PyObject *const found = mr_observer_own_attribute(cls, state->init_name);

	if (found == NULL || Py_TYPE(found) != state->observer_type)
		return NULL;
	return mr_as_observer(found)->cls == cls && mr_as_observer(found)->owner == NULL
	               ? mr_as_observer(found)
	               : NULL;
}

/* As type's own: what a metaclass does when an attribute is set is not for us. */
static int set_init(PyObject *module, PyTypeObject *cls, PyObject *value)
{
	return PyType_Type.tp_setattro((PyObject *)cls, mr_capture_state(module)->init_name, value);
}

int mr_signature_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->signature_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &signature_spec, NULL);
	state->signature_name = PyUnicode_InternFromString("__signature__");
	return state->signature_type == NULL || state->signature_name == NULL ? -1 : 0;
}

int mr_observer_install(PyObject *module, PyTypeObject *cls, PyObject *watch)
{
	struct mr_observer *const there = observer_in(module, cls);
	int status = -1;

	if (there != NULL) {
		const int listed = PySequence_Contains(there->watches, watch);

		return listed != 0 ? (listed < 0 ? -1 : 0) : PyList_Append(there->watches, watch);
	}
	if (PyErr_Occurred())
		return -1;

	PyObject *const wrapped = mr_observer_own_attribute(cls, mr_capture_state(module)->init_name);
	Py_XINCREF(wrapped); /* the class may lose it while objects are made */
	PyObject *const watches = PyList_New(1);
	PyObject *observer = NULL;
	if (watches != NULL) {
		Py_INCREF(watch);
		PyList_SET_ITEM(watches, 0, watch);
		observer = mr_observer_new(module, cls, NULL, wrapped, watches);
	}
	if (observer != NULL) {
		status = set_init(module, cls, observer);
		if (status == 0 && wrapped == NULL)
			status = add_signature(module, cls);
		Py_DECREF(observer);
	}
	Py_XDECREF(watches);
	Py_XDECREF(wrapped);
	return status;
}

int mr_observer_remove(PyObject *module, PyTypeObject *cls, PyObject *watch)
{
	struct mr_observer *const there = observer_in(module, cls);
	int status = 0;

	if (there == NULL)
		return PyErr_Occurred() ? -1 : 0;
	Py_INCREF(there);
	for (Py_ssize_t i = PyList_GET_SIZE(there->watches); status == 0 && i-- > 0;) {
		if (PyList_GET_ITEM(there->watches, i) == watch)
			status = PyList_SetSlice(there->watches, i, i + 1, NULL);
	}
	if (status == 0 && PyList_GET_SIZE(there->watches) == 0)
		status = set_init(module, cls, there->wrapped);
	if (status == 0 && PyList_GET_SIZE(there->watches) == 0)
		status = remove_signature(module, cls);
	Py_DECREF(there);
	return status;
}
