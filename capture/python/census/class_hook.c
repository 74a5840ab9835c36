/* SPDX-License-Identifier: MIT
 *
 * Notices classes as they are defined: stands in for builtins.__build_class__, as a
 * function in C, so that no frame of ours comes between a class's body and the code
 * that holds it, and tells a callable of each class that was made.
 */
#include "census_module.h"

#include <structmember.h>

struct mr_class_hook {
	PyObject_HEAD vectorcallfunc vectorcall;
	PyObject *build;   /* owned: what was there before */
	PyObject *defined; /* owned: called with each class */
};

static int hook_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct mr_class_hook *const hook = (struct mr_class_hook *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(hook->build);
	Py_VISIT(hook->defined);
	return 0;
}

static int hook_clear(PyObject *self)
{
	struct mr_class_hook *const hook = (struct mr_class_hook *)self;

	Py_CLEAR(hook->build);
	Py_CLEAR(hook->defined);
	return 0;
}

static void hook_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void)hook_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

/* What DEFINED raises is told as what nobody can catch: the program's class is whole. */
static PyObject *hook_call(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
	struct mr_class_hook *const hook = (struct mr_class_hook *)self;
	PyObject *const made = PyObject_Vectorcall(hook->build, args, count, names);

	if (made == NULL)
		return NULL;
	PyObject *const result = PyObject_CallOneArg(hook->defined, made);
	if (result == NULL)
		PyErr_WriteUnraisable(hook->defined);
	Py_XDECREF(result);
	return made;
}

static PyObject *hook_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static const char *names[] = { "build", "defined", NULL };
	PyObject *build;
	PyObject *defined;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:ClassHook", (char **)names, &build, &defined))
		return NULL;
	struct mr_class_hook *const hook = (struct mr_class_hook *)type->tp_alloc(type, 0);
	if (hook == NULL)
		return NULL;
	hook->vectorcall = hook_call;
	hook->build = Py_NewRef(build);
	hook->defined = Py_NewRef(defined);
	return (PyObject *)hook;
}

static PyMemberDef hook_members[] = {
	{ "__vectorcalloffset__", T_PYSSIZET, offsetof(struct mr_class_hook, vectorcall), READONLY, NULL },
	{ "build", T_OBJECT_EX, offsetof(struct mr_class_hook, build), READONLY,
	  PyDoc_STR("What defines the classes.") },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot hook_slots[] = {
	{ Py_tp_doc,
	  (void *)PyDoc_STR("ClassHook(build, defined)\n--\n\n"
	                    "Calls build, which is builtins.__build_class__, and then defined with "
	                    "the class that it made.") },
	{ Py_tp_new, (void *)hook_new },
	{ Py_tp_call, (void *)PyVectorcall_Call },
	{ Py_tp_traverse, (void *)hook_traverse },
	{ Py_tp_clear, (void *)hook_clear },
	{ Py_tp_dealloc, (void *)hook_dealloc },
	{ Py_tp_members, hook_members },
	{ 0, NULL },
};

static PyType_Spec hook_spec = {
	.name = "memcapture._capture.ClassHook",
	.basicsize = sizeof(struct mr_class_hook),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
	         Py_TPFLAGS_IMMUTABLETYPE,
	.slots = hook_slots,
};

int mr_class_hook_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->class_hook_type = PyType_FromModuleAndSpec(module, &hook_spec, NULL);
	if (state->class_hook_type == NULL)
		return -1;
	return PyModule_AddObjectRef(module, "ClassHook", state->class_hook_type);
}
