/* SPDX-License-Identifier: MIT
 *
 * See asized.h.
 */
#include "asized.h"

#include <structmember.h>

#include "sizing_module.h"

struct asized {
	PyObject_HEAD PyObject *size;
	PyObject *flat;
	PyObject *refs;
	PyObject *name;
};

static int asized_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = { "size", "flat", "refs", "name", NULL };
	struct asized *const asized = (struct asized *)self;
	PyObject *size;
	PyObject *flat;
	PyObject *refs = NULL;
	PyObject *name = Py_None;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OO:Asized", (char **)names, &size, &flat, &refs,
	                                 &name))
		return -1;

	PyObject *const tuple = refs ? PySequence_Tuple(refs) : PyTuple_New(0);

	if (!tuple)
		return -1;
	Py_XSETREF(asized->size, Py_NewRef(size));
	Py_XSETREF(asized->flat, Py_NewRef(flat));
	Py_XSETREF(asized->name, Py_NewRef(name));
	Py_XSETREF(asized->refs, tuple);
	return 0;
}

static int asized_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct asized *const asized = (struct asized *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(asized->size);
	Py_VISIT(asized->flat);
	Py_VISIT(asized->refs);
	Py_VISIT(asized->name);
	return 0;
}

static int asized_clear(PyObject *self)
{
	struct asized *const asized = (struct asized *)self;

	Py_CLEAR(asized->size);
	Py_CLEAR(asized->flat);
	Py_CLEAR(asized->refs);
	Py_CLEAR(asized->name);
	return 0;
}

static void asized_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	Py_TRASHCAN_BEGIN(self, asized_dealloc);
	(void)asized_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
	Py_TRASHCAN_END;
}

static PyObject *or_none(PyObject *value)
{
	return value ? value : Py_None;
}

/* Its attributes, held: Python code that is asked about one may assign another. */
static struct asized hold(PyObject *self)
{
	const struct asized *const asized = (const struct asized *)self;

	return (struct asized){
		.size = Py_NewRef(or_none(asized->size)),
		.flat = Py_NewRef(or_none(asized->flat)),
		.refs = Py_NewRef(or_none(asized->refs)),
		.name = Py_NewRef(or_none(asized->name)),
	};
}

static void let_go(const struct asized *held)
{
	Py_DECREF(held->size);
	Py_DECREF(held->flat);
	Py_DECREF(held->refs);
	Py_DECREF(held->name);
}

static PyObject *asized_str(PyObject *self)
{
	const struct asized held = hold(self);
	const Py_ssize_t count = held.refs == Py_None ? 0 : PyObject_Size(held.refs);
	PyObject *const text = count < 0 ? NULL
	                                 : PyUnicode_FromFormat("size %R, flat %R, refs[%zd], name %R",
	                                                        held.size, held.flat, count, held.name);

	let_go(&held);
	return text;
}

static PyObject *asized_reduce(PyObject *self, PyObject *unused MR_UNUSED)
{
	const struct asized held = hold(self);
	PyObject *const reduced = Py_BuildValue("O(OOOO)", (PyObject *)Py_TYPE(self), held.size, held.flat,
	                                        held.refs, held.name);

	let_go(&held);
	return reduced;
}

static PyObject *asized_get(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = { "name", "dflt", NULL };
	PyObject *wanted;
	PyObject *fallback = Py_None;
	PyObject *found = NULL;
	PyObject *ref;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:get", (char **)names, &wanted, &fallback))
		return NULL;

	const struct asized held = hold(self);
	PyObject *const iterator = PyObject_GetIter(held.refs);

	let_go(&held);
	while (iterator && !found && (ref = PyIter_Next(iterator))) {
		PyObject *const name = PyObject_GetAttrString(ref, "name");
		const int equal = name ? PyObject_RichCompareBool(wanted, name, Py_EQ) : -1;

		Py_XDECREF(name);
		if (equal > 0)
			found = Py_NewRef(ref);
		Py_DECREF(ref);
		if (equal < 0)
			break;
	}
	Py_XDECREF(iterator);
	if (PyErr_Occurred()) {
		Py_XDECREF(found);
		return NULL;
	}
	return found ? found : Py_NewRef(fallback);
}

/* ---- Formatting ------------------------------------------------------------------- */

struct formatting {
	PyObject *format;
	PyObject *order_by;
	PyObject *key; /* operator.attrgetter(order_by) */
	bool reverse;
	PyObject *lines; /* a list */
};

/* The referents in the order asked for, a new list. */
static PyObject *sorted_refs(PyObject *asized, const struct formatting *formatting)
{
	PyObject *const refs = PyObject_GetAttrString(asized, "refs");
	PyObject *list = refs ? PySequence_List(refs) : NULL;
	const bool sorts = list && PyList_GET_SIZE(list) > 1;
	PyObject *const sort = sorts ? PyObject_GetAttrString(list, "sort") : NULL;

	Py_XDECREF(refs);
	if (sorts && !sort)
		Py_CLEAR(list);
	if (!sort)
		return list;

	PyObject *const none = PyTuple_New(0);
	PyObject *const options = Py_BuildValue("{sOsO}", "key", formatting->key, "reverse",
	                                        formatting->reverse ? Py_True : Py_False);
	PyObject *const done = none && options ? PyObject_Call(sort, none, options) : NULL;

	Py_DECREF(sort);
	Py_XDECREF(none);
	Py_XDECREF(options);
	if (!done) {
		Py_DECREF(list);
		return NULL;
	}
	Py_DECREF(done);
	return list;
}

static int add_line(PyObject *asized, const struct formatting *formatting, PyObject *indent)
{
	PyObject *const size = PyObject_GetAttrString(asized, "size");
	PyObject *const flat = size ? PyObject_GetAttrString(asized, "flat") : NULL;
	PyObject *const name = flat ? PyObject_GetAttrString(asized, "name") : NULL;
	PyObject *const values =
		name ? Py_BuildValue("{sOsOsO}", "size", size, "flat", flat, "name", name) : NULL;
	PyObject *const text = values ? PyNumber_Remainder(formatting->format, values) : NULL;
	PyObject *const line = text ? PyNumber_Add(indent, text) : NULL;
	const int status = line ? PyList_Append(formatting->lines, line) : -1;

	Py_XDECREF(line);
	Py_XDECREF(text);
	Py_XDECREF(values);
	Py_XDECREF(name);
	Py_XDECREF(flat);
	Py_XDECREF(size);
	return status;
}

static int add_lines(PyObject *asized, const struct formatting *formatting, Py_ssize_t depth,
                     PyObject *indent)
{
	if (add_line(asized, formatting, indent) < 0)
		return -1;
	if (depth == 0)
		return 0;

	PyObject *const refs = sorted_refs(asized, formatting);
	PyObject *const deeper = refs ? PyUnicode_FromFormat("%U    ", indent) : NULL;
	int status = deeper && Py_EnterRecursiveCall(" while formatting sizes") == 0 ? 0 : -1;

	if (status == 0) {
		for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(refs); i++)
			status = add_lines(PyList_GET_ITEM(refs, i), formatting, depth - 1, deeper);
		Py_LeaveRecursiveCall();
	}
	Py_XDECREF(deeper);
	Py_XDECREF(refs);
	return status;
}

static PyObject *attribute_getter(PyObject *name)
{
	PyObject *const module = PyImport_ImportModule("operator");
	PyObject *const getter = module ? PyObject_CallMethod(module, "attrgetter", "O", name) : NULL;

	Py_XDECREF(module);
	return getter;
}

static PyObject *asized_format(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = { "format", "depth", "order_by", "indent", NULL };
	struct formatting formatting = { 0 };
	PyObject *format = NULL;
	PyObject *indent = NULL;
	PyObject *order_by = NULL;
	PyObject *text = NULL;
	Py_ssize_t depth = -1;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OnUU:format", (char **)names, &format, &depth,
	                                 &order_by, &indent))
		return NULL;
	formatting.format =
		format ? Py_NewRef(format) : PyUnicode_FromString("%(name)s size=%(size)d flat=%(flat)d");
	formatting.order_by = order_by ? Py_NewRef(order_by) : PyUnicode_FromString("size");
	indent = indent ? Py_NewRef(indent) : PyUnicode_FromString("");
	formatting.lines = PyList_New(0);
	if (formatting.format && formatting.order_by && indent && formatting.lines)
		formatting.key = attribute_getter(formatting.order_by);
	if (formatting.key) {
		formatting.reverse = PyUnicode_CompareWithASCIIString(formatting.order_by, "name") != 0;
		if (add_lines(self, &formatting, depth, indent) == 0) {
			PyObject *const newline = PyUnicode_FromString("\n");

			text = newline ? PyUnicode_Join(newline, formatting.lines) : NULL;
			Py_XDECREF(newline);
		}
	}
	Py_XDECREF(formatting.key);
	Py_XDECREF(formatting.lines);
	Py_XDECREF(indent);
	Py_XDECREF(formatting.order_by);
	Py_XDECREF(formatting.format);
	return text;
}

/* ---- The type ----------------------------------------------------------------------- */

static PyMemberDef asized_members[] = {
	{ "size", T_OBJECT, offsetof(struct asized, size), 0, "bytes of the object with all its referents" },
	{ "flat", T_OBJECT, offsetof(struct asized, flat), 0, "bytes of the object alone" },
	{ "refs", T_OBJECT, offsetof(struct asized, refs), 0, "its referents, a tuple of Asized" },
	{ "name", T_OBJECT, offsetof(struct asized, name), 0, "how the object is called where it was found" },
	{ NULL, 0, 0, 0, NULL },
};

static PyMethodDef asized_methods[] = {
	{ "format", (PyCFunction)(void (*)(void))asized_format, METH_VARARGS | METH_KEYWORDS,
	  PyDoc_STR(
		  "format($self, /, format='%(name)s size=%(size)d flat=%(flat)d', depth=-1,\n"
		  "       order_by='size', indent='')\n--\n\n"
		  "The sizes as text, a line each, referents indented below what refers to them.\n\n"
		  "depth limits the levels of referents (-1: all); order_by is 'size', 'flat' or 'name'.") },
	{ "get", (PyCFunction)(void (*)(void))asized_get, METH_VARARGS | METH_KEYWORDS,
	  PyDoc_STR("get($self, /, name, dflt=None)\n--\n\nThe referent that is called name, or dflt.") },
	{ "__reduce__", asized_reduce, METH_NOARGS, PyDoc_STR("For pickle and copy.") },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot asized_slots[] = {
	{ Py_tp_doc, (void *)PyDoc_STR("Asized(size, flat, refs=(), name=None)\n--\n\n"
	                               "The size of an object, and of its referents as more of these.") },
	{ Py_tp_init, asized_init },
	{ Py_tp_new, PyType_GenericNew },
	{ Py_tp_dealloc, asized_dealloc },
	{ Py_tp_traverse, asized_traverse },
	{ Py_tp_clear, asized_clear },
	{ Py_tp_str, asized_str },
	{ Py_tp_members, asized_members },
	{ Py_tp_methods, asized_methods },
	{ 0, NULL },
};

static PyType_Spec asized_spec = {
	.name = "memcapture.asizeof.Asized",
	.basicsize = sizeof(struct asized),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
	.slots = asized_slots,
};

int mr_asized_add_to_module(PyObject *module)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);

	state->asized_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &asized_spec, NULL);
	return state->asized_type ? PyModule_AddObjectRef(module, "Asized", (PyObject *)state->asized_type)
	                          : -1;
}

static PyObject *new_asized(PyTypeObject *type, uint64_t size_bytes, uint64_t flat_bytes, PyObject *name,
                            PyObject *refs)
{
	struct asized *const asized = (struct asized *)type->tp_alloc(type, 0);

	if (!asized)
		return NULL;
	asized->size = PyLong_FromUnsignedLongLong(size_bytes);
	asized->flat = PyLong_FromUnsignedLongLong(flat_bytes);
	asized->name = Py_NewRef(name);
	asized->refs = refs ? Py_NewRef(refs) : PyTuple_New(0);
	if (asized->size && asized->flat && asized->refs)
		return (PyObject *)asized;
	Py_DECREF(asized);
	return NULL;
}

/* From the last node to the first: what is below a node is made when the node is reached, and
 * waits, nearest first, at the end of the list. */
PyObject *mr_asized_from_tree(PyTypeObject *type, uint64_t size_bytes, uint64_t flat_bytes, PyObject *name,
                              const struct mr_sized_tree *tree)
{
	PyObject **const waiting = mr_alloc((tree->count + 1) * sizeof(PyObject *));
	uint32_t *const levels = mr_alloc((tree->count + 1) * sizeof(*levels));
	PyObject *root = NULL;
	size_t count = 0;

	if (!waiting || !levels) {
		PyErr_NoMemory();
		goto out;
	}
	for (size_t i = tree->count + 1; i-- > 0;) {
		const struct mr_sized_node *const node = i ? &tree->nodes[i - 1] : NULL;
		const uint32_t level = node ? node->level : 0;
		Py_ssize_t below = 0;

		while ((size_t)below < count && levels[count - 1 - (size_t)below] == level + 1)
			below++;

		PyObject *const refs = PyTuple_New(below);

		if (!refs)
			goto out;
		for (Py_ssize_t j = 0; j < below; j++)
			PyTuple_SET_ITEM(refs, j, waiting[--count]);
		waiting[count] = node ? new_asized(type, node->size_bytes, node->flat_bytes, node->name, refs)
		                      : new_asized(type, size_bytes, flat_bytes, name, refs);
		Py_DECREF(refs);
		if (!waiting[count])
			goto out;
		levels[count++] = level;
	}
	root = waiting[--count];
out:
	while (count > 0)
		Py_DECREF(waiting[--count]);
	mr_free(waiting);
	mr_free(levels);
	return root;
}
