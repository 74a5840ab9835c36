/* SPDX-License-Identifier: MIT
 *
 * Observer: what stands in a tracked class for __init__.  A call tells the watches
 * of the new instance, and then does what would have been done without it.  All
 * else that can be seen of it is what it stands for: each attribute, the class,
 * the text, the comparison.
 *
 * A class that has no __init__ of its own gets one that looks for the next in the
 * instance's order of classes at each call, as super() does; and where that is
 * object's, it answers as if nobody had defined one.
 *
 * It is a "method descriptor" to the interpreter, so that a call of the class comes
 * here with the instance as first argument and without a method object between.
 */
#include "observer.h"

#include <structmember.h>

/* ---- Which __init__ is next ---------------------------------------------------------- */

PyObject *mr_observer_own_attribute(PyTypeObject *cls, PyObject *name)
{
#if PY_VERSION_HEX >= 0x030C0000
	PyObject *const dict = PyType_GetDict(cls);
	PyObject *const found = dict == NULL ? NULL : PyDict_GetItemWithError(dict, name);

	Py_XDECREF(dict);
	return found;
#else
	return cls->tp_dict == NULL ? NULL : PyDict_GetItemWithError(cls->tp_dict, name);
#endif
}

/* The first __init__ behind CLS in TYPE's order of classes, and the class that has it.  Where CLS
 * is not in that order, in its own.  NULL: none, which only a broken class can have. */
static PyObject *next_init(PyTypeObject *cls, PyTypeObject *type, PyObject *name, PyTypeObject **holder)
{
	PyObject *const order = PyType_IsSubtype(type, cls) ? type->tp_mro : cls->tp_mro;
	const Py_ssize_t count = order == NULL ? 0 : PyTuple_GET_SIZE(order);
	PyObject *found = NULL;
	Py_ssize_t at = 0;

	Py_XINCREF(order); /* looking into a class can run Python code: its names may be anything */
	while (at < count && PyTuple_GET_ITEM(order, at) != (PyObject *)cls)
		at++;
	for (at++; at < count && found == NULL && !PyErr_Occurred(); at++) {
		*holder = (PyTypeObject *)PyTuple_GET_ITEM(order, at);
		found = mr_observer_own_attribute(*holder, name);
		Py_XINCREF(found);
	}
	if (found == NULL && !PyErr_Occurred())
		PyErr_SetString(PyExc_AttributeError, "__init__");
	Py_XDECREF(order);
	return found;
}

bool mr_observer_plain(const PyTypeObject *observer_type, PyTypeObject *type, PyObject *name)
{
	PyObject *const order = type->tp_mro;
	bool is_plain = false;

	Py_XINCREF(order);
	for (Py_ssize_t i = 0; order != NULL && i < PyTuple_GET_SIZE(order); i++) {
		PyTypeObject *const cls = (PyTypeObject *)PyTuple_GET_ITEM(order, i);
		PyObject *const found = mr_observer_own_attribute(cls, name);

		if (found == NULL) {
			PyErr_Clear();
			continue;
		}
		if (Py_TYPE(found) != observer_type || mr_as_observer(found)->wrapped != NULL) {
			is_plain = cls == &PyBaseObject_Type;
			break;
		}
	}
	Py_XDECREF(order);
	return is_plain;
}

/* What it stands for, as the attribute of a class gives it.  A new reference. */
static PyObject *target_of(const struct mr_observer *self)
{
	PyTypeObject *holder;

	if (self->wrapped != NULL) {
		Py_INCREF(self->wrapped);
		return self->wrapped;
	}
	return next_init(self->cls, self->owner == NULL ? self->cls : self->owner,
	                 mr_capture_state(self->module)->init_name, &holder);
}

/* ---- Calls ----------------------------------------------------------------------------- */

/* Calls INIT as a class does that has it for __init__. */
static PyObject *call_init(PyObject *init, PyObject *const *args, size_t nargsf, PyObject *keywords)
{
	if (MR_LIKELY(PyType_HasFeature(Py_TYPE(init), Py_TPFLAGS_METHOD_DESCRIPTOR)))
		return PyObject_Vectorcall(init, args, nargsf, keywords);

	const descrgetfunc get = Py_TYPE(init)->tp_descr_get;
	PyObject *bound = init;
	if (get != NULL)
		bound = get(init, args[0], (PyObject *)Py_TYPE(args[0]));
	else
		Py_INCREF(init);
	if (bound == NULL)
		return NULL;
	PyObject *const result =
		PyObject_Vectorcall(bound, args + 1, (size_t)PyVectorcall_NARGS(nargsf) - 1, keywords);
	Py_DECREF(bound);
	return result;
}

/* For trackers whose class has a track_object() of its own. */
static int track_by_method(struct mr_tracker *tracker, const struct mr_watch *watch, PyObject *name,
                           PyObject *instance)
{
	PyObject *const method = PyObject_GetAttrString((PyObject *)tracker, "track_object");
	PyObject *const one = method ? PyTuple_Pack(1, instance) : NULL;
	PyObject *const how = one ? Py_BuildValue("{sOsisOsO}", "name", name, "resolution_level",
	                                          (int)watch->level, "keep", watch->keep ? Py_True : Py_False,
	                                          "trace", watch->trace ? Py_True : Py_False)
	                          : NULL;
	PyObject *const done = how ? PyObject_Call(method, one, how) : NULL;

	Py_XDECREF(method);
	Py_XDECREF(one);
	Py_XDECREF(how);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

static int tell_watches(const struct mr_observer *self, PyObject *instance)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->watches); i++) {
		struct mr_watch *const watch = (struct mr_watch *)PyList_GET_ITEM(self->watches, i);
		struct mr_tracker *const tracker = watch->tracker;

		if (tracker == NULL)
			continue;
		Py_INCREF(watch);
		Py_INCREF(tracker);
		PyObject *const name = watch->name; /* the class may be tracked anew, by another name */

		Py_XINCREF(name);
		const struct mr_tracking how = { .name = name,
			                         .watch = watch,
			                         .level = watch->level,
			                         .keep = watch->keep,
			                         .trace = watch->trace };
		const int status = MR_UNLIKELY(watch->by_method)
		                           ? track_by_method(tracker, watch, name, instance)
		                           : mr_tracker_track(tracker, instance, &how);
		Py_XDECREF(name);
		Py_DECREF(tracker);
		Py_DECREF(watch);
		if (status < 0)
			return -1;
	}
	return 0;
}

/* For a class without an __init__ of its own. */
static PyObject *call_next(const struct mr_observer *self, PyObject *const *args, size_t nargsf,
                           PyObject *keywords, bool observed)
{
	PyObject *const name = mr_capture_state(self->module)->init_name;
	PyTypeObject *const type = Py_TYPE(args[0]);
	const bool excess = PyVectorcall_NARGS(nargsf) > 1 || (keywords && PyTuple_GET_SIZE(keywords) > 0);
	PyTypeObject *holder;
	PyObject *const init = next_init(self->cls, type, name, &holder);
	PyObject *result = NULL;

	if (init == NULL)
		return NULL;
	/* object.__new__() refuses arguments that nobody takes, but believes that an __init__ which
	 * is not object's will take them; and object.__init__() believes the same of that other. */
	const bool plain =
		holder == &PyBaseObject_Type && excess && mr_observer_plain(Py_TYPE(self), type, name);
	if (plain && type->tp_new == PyBaseObject_Type.tp_new) {
		/* Nobody but the class that is making it has it, and the call where it takes its keywords
		 * apart: the words are those of object.__new__(). */
		if (Py_REFCNT(args[0]) == (keywords == NULL ? 1 : 2))
			PyErr_Format(PyExc_TypeError, "%.200s() takes no arguments", type->tp_name);
		else
			PyErr_Format(
				PyExc_TypeError,
				"%.200s.__init__() takes exactly one argument (the instance to initialize)",
				type->tp_name);
	} else if (!observed || tell_watches(self, args[0]) == 0) {
		if (plain) {
			Py_INCREF(Py_None);
			result = Py_None;
		} else {
			result = call_init(init, args, nargsf, keywords);
		}
	}
	Py_DECREF(init);
	return result;
}

static PyObject *observer_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                                     PyObject *keywords)
{
	const struct mr_observer *const self = mr_as_observer(callable);

	if (MR_UNLIKELY(PyVectorcall_NARGS(nargsf) < 1)) { /* an error, in the words of what it stands for */
		PyObject *const target = target_of(self);
		PyObject *const result =
			target == NULL ? NULL : PyObject_Vectorcall(target, args, nargsf, keywords);

		Py_XDECREF(target);
		return result;
	}

	const bool observed = PyObject_TypeCheck(args[0], self->cls);
	if (self->wrapped != NULL && Py_TYPE(self->wrapped) != Py_TYPE(callable)) {
		if (observed && tell_watches(self, args[0]) < 0)
			return NULL;
		return call_init(self->wrapped, args, nargsf, keywords);
	}
	/* The next one may be an observer again. */
	PyObject *result = NULL;
	if (Py_EnterRecursiveCall(" while calling __init__"))
		return NULL;
	if (self->wrapped == NULL)
		result = call_next(self, args, nargsf, keywords, observed);
	else if (!observed || tell_watches(self, args[0]) == 0)
		result = call_init(self->wrapped, args, nargsf, keywords);
	Py_LeaveRecursiveCall();
	return result;
}

/* ---- Looks ----------------------------------------------------------------------------- */

PyObject *mr_observer_new(PyObject *module, PyTypeObject *cls, PyTypeObject *owner, PyObject *wrapped,
                          PyObject *watches)
{
	PyTypeObject *const type = mr_capture_state(module)->observer_type;
	struct mr_observer *const self = PyObject_GC_New(struct mr_observer, type);

	if (self == NULL)
		return NULL;
	self->vectorcall = observer_vectorcall;
	Py_INCREF(module);
	self->module = module;
	Py_INCREF(cls);
	self->cls = cls;
	Py_XINCREF(owner);
	self->owner = owner;
	Py_XINCREF(wrapped);
	self->wrapped = wrapped;
	Py_INCREF(watches);
	self->watches = watches;
	self->weak_references = NULL;
	PyObject_GC_Track(self);
	return (PyObject *)self;
}

/* Of an instance: a method, as of a function.  Of a class: itself, unless what it stands for is
 * something that turns into another thing there. */
static PyObject *observer_get(PyObject *object, PyObject *instance, PyObject *type)
{
	const struct mr_observer *const self = mr_as_observer(object);
	PyObject *result = object;

	if (instance != NULL)
		return PyMethod_New(object, instance);
	if (self->wrapped != NULL &&
	    !PyType_HasFeature(Py_TYPE(self->wrapped), Py_TPFLAGS_METHOD_DESCRIPTOR)) {
		if (Py_TYPE(self->wrapped)->tp_descr_get != NULL)
			return Py_TYPE(self->wrapped)->tp_descr_get(self->wrapped, NULL, type);
		result = self->wrapped;
	}
	/* The next __init__ may be another in a subclass with several bases. */
	if (self->wrapped == NULL && type != NULL && PyType_Check(type) && type != (PyObject *)self->cls &&
	    PyType_IsSubtype((PyTypeObject *)type, self->cls))
		return mr_observer_new(self->module, self->cls, (PyTypeObject *)type, NULL, self->watches);
	Py_INCREF(result);
	return result;
}

static PyObject *observer_getattro(PyObject *object, PyObject *name)
{
	static const char *const own[] = { "__get__", "__call__", "__reduce__", "__reduce_ex__" };

	for (size_t i = 0; PyUnicode_Check(name) && i < MR_ARRAY_LEN(own); i++) {
		if (PyUnicode_CompareWithASCIIString(name, own[i]) == 0)
			return PyObject_GenericGetAttr(object, name);
	}
	PyObject *const target = target_of(mr_as_observer(object));
	PyObject *const value = target == NULL ? NULL : PyObject_GetAttr(target, name);

	Py_XDECREF(target);
	return value;
}

static int observer_setattro(PyObject *object, PyObject *name, PyObject *value)
{
	PyObject *const target = target_of(mr_as_observer(object));
	const int status = target == NULL ? -1 : PyObject_SetAttr(target, name, value);

	Py_XDECREF(target);
	return status;
}

static PyObject *observer_repr(PyObject *object)
{
	PyObject *const target = target_of(mr_as_observer(object));
	PyObject *const text = target == NULL ? NULL : PyObject_Repr(target);

	Py_XDECREF(target);
	return text;
}

static PyObject *observer_str(PyObject *object)
{
	PyObject *const target = target_of(mr_as_observer(object));
	PyObject *const text = target == NULL ? NULL : PyObject_Str(target);

	Py_XDECREF(target);
	return text;
}

static Py_hash_t observer_hash(PyObject *object)
{
	PyObject *const target = target_of(mr_as_observer(object));
	const Py_hash_t hash = target == NULL ? -1 : PyObject_Hash(target);

	Py_XDECREF(target);
	return hash;
}

static PyObject *observer_richcompare(PyObject *left, PyObject *right, int operation)
{
	PyObject *const a = target_of(mr_as_observer(left));
	PyObject *b = right;
	PyObject *result = NULL;

	if (Py_TYPE(left) == Py_TYPE(right))
		b = target_of(mr_as_observer(right));
	else
		Py_INCREF(right);
	if (a != NULL && b != NULL)
		result = PyObject_RichCompare(a, b, operation);
	Py_XDECREF(a);
	Py_XDECREF(b);
	return result;
}

/* A function is pickled by its qualified name, where pickle finds the observer again.  A function
 * of another class is what that class has for __init__. */
static PyObject *observer_reduce_ex(PyObject *object, PyObject *protocol)
{
	const struct mr_observer *const self = mr_as_observer(object);
	PyObject *const init_name = mr_capture_state(self->module)->init_name;
	PyTypeObject *holder = NULL;
	PyObject *const target = self->wrapped != NULL
	                                 ? target_of(self)
	                                 : next_init(self->cls, self->owner == NULL ? self->cls : self->owner,
	                                             init_name, &holder);
	PyObject *result = NULL;

	if (target == NULL)
		return NULL;
	if (!PyFunction_Check(target) && Py_TYPE(target) != Py_TYPE(object))
		result = PyObject_CallMethod(target, "__reduce_ex__", "O", protocol);
	else if (holder == NULL)
		result = PyObject_GetAttrString(target, "__qualname__");
	else
		result = Py_BuildValue("(O(OO))", PyDict_GetItemString(PyEval_GetBuiltins(), "getattr"),
		                       holder, init_name);
	Py_DECREF(target);
	return result;
}

static PyObject *observer_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	PyObject *const protocol = PyLong_FromLong(0);
	PyObject *const result = protocol == NULL ? NULL : observer_reduce_ex(object, protocol);

	Py_XDECREF(protocol);
	return result;
}

/* ---- The type ------------------------------------------------------------------------------ */

static int observer_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct mr_observer *const self = mr_as_observer(object);

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->module);
	Py_VISIT(self->cls);
	Py_VISIT(self->owner);
	Py_VISIT(self->wrapped);
	Py_VISIT(self->watches);
	return 0;
}

static void observer_dealloc(PyObject *object)
{
	struct mr_observer *const self = mr_as_observer(object);
	PyTypeObject *const type = Py_TYPE(object);

	PyObject_GC_UnTrack(object);
	Py_TRASHCAN_BEGIN(object, observer_dealloc) /* it may stand for another, and so on */
		if (self->weak_references != NULL) PyObject_ClearWeakRefs(object);
	Py_XDECREF(self->cls);
	Py_XDECREF(self->owner);
	Py_XDECREF(self->wrapped);
	Py_XDECREF(self->watches);
	Py_XDECREF(self->module);
	PyObject_GC_Del(object);
	Py_DECREF(type);
	Py_TRASHCAN_END
}

static PyMemberDef observer_members[] = {
	{ "__vectorcalloffset__", T_PYSSIZET, offsetof(struct mr_observer, vectorcall), READONLY, NULL },
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct mr_observer, weak_references), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyMethodDef observer_methods[] = {
	{ "__reduce__", observer_reduce, METH_NOARGS, NULL },
	{ "__reduce_ex__", observer_reduce_ex, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

/* pydoc asks object.__getattribute__() for it. */
static PyObject *observer_doc(PyObject *object, void *Py_UNUSED(closure))
{
	PyObject *const target = target_of(mr_as_observer(object));
	PyObject *const doc = target == NULL ? NULL : PyObject_GetAttrString(target, "__doc__");

	Py_XDECREF(target);
	return doc;
}

static PyGetSetDef observer_getset[] = {
	{ "__doc__", observer_doc, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

/* No tp_clear: its members never change, and every cycle through it goes through the class, or
 * the list of watches, which can be cleared. */
static PyType_Slot observer_slots[] = {
	{ Py_tp_traverse, (void *)observer_traverse },
	{ Py_tp_dealloc, (void *)observer_dealloc },
	{ Py_tp_call, (void *)PyVectorcall_Call },
	{ Py_tp_descr_get, (void *)observer_get },
	{ Py_tp_getattro, (void *)observer_getattro },
	{ Py_tp_setattro, (void *)observer_setattro },
	{ Py_tp_repr, (void *)observer_repr },
	{ Py_tp_str, (void *)observer_str },
	{ Py_tp_hash, (void *)observer_hash },
	{ Py_tp_richcompare, (void *)observer_richcompare },
	{ Py_tp_members, observer_members },
	{ Py_tp_methods, observer_methods },
	{ Py_tp_getset, observer_getset },
	{ 0, NULL },
};

static PyType_Spec observer_spec = {
	.name = "memcapture._capture.Observer",
	.basicsize = sizeof(struct mr_observer),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_HAVE_VECTORCALL |
	         Py_TPFLAGS_METHOD_DESCRIPTOR,
	.slots = observer_slots,
};

int mr_observer_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->observer_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &observer_spec, NULL);
	return state->observer_type == NULL ? -1 : 0;
}
