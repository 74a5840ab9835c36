/* SPDX-License-Identifier: MIT
 *
 * See asizer.h.
 */
#include "asizer.h"

#include <structmember.h>

#include "asized.h"
#include "asizer_account.h"
#include "referents.h"

static struct mr_asizer *asizer_of(PyObject *self)
{
	return (struct mr_asizer *)self;
}

/* ---- Sizing ------------------------------------------------------------------------- */

/* Options that come with the objects are set first. */
static int set_options(PyObject *self, PyObject *kwargs)
{
	if (!kwargs || PyDict_GET_SIZE(kwargs) == 0)
		return 0;

	PyObject *const none = PyTuple_New(0);
	PyObject *const done = none ? mr_asizer_set(self, none, kwargs) : NULL;

	Py_XDECREF(none);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

static int exclude_all(struct mr_object_sizer *sizer, PyObject *objects)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(objects); i++) {
		if (mr_object_sizer_exclude(sizer, PyTuple_GET_ITEM(objects, i)) < 0)
			return -1;
	}
	return 0;
}

static void fetch_ahead(const struct mr_object_sizer *sizer, PyObject *objects, Py_ssize_t at)
{
	const Py_ssize_t next = at + 8;

	if (next < PyTuple_GET_SIZE(objects))
		mr_object_sizer_prefetch(sizer, PyTuple_GET_ITEM(objects, next));
}

/* The sizer, which no reset() replaces until its `uses` are counted back. */
static struct mr_object_sizer *use(PyObject *self)
{
	struct mr_object_sizer *const sizer = asizer_of(self)->sizer;

	sizer->uses++;
	return sizer;
}

static PyObject *asizer_asizeof(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct mr_object_sizer *sizer;
	uint64_t sum = 0;

	int status;

	if (set_options(self, kwargs) < 0)
		return NULL;
	sizer = use(self);
	status = exclude_all(sizer, args);
	for (Py_ssize_t i = 0; status == 0 && i < PyTuple_GET_SIZE(args); i++) {
		uint64_t size_bytes = 0;
		uint64_t flat_bytes;

		fetch_ahead(sizer, args, i);
		status = mr_object_sizer_size(sizer, PyTuple_GET_ITEM(args, i), &size_bytes, &flat_bytes);
		sum += size_bytes;
	}
	sizer->uses--;
	return status < 0 ? NULL : PyLong_FromUnsignedLongLong(sum);
}

static PyObject *size_one(struct mr_object_sizer *sizer, PyObject *object)
{
	uint64_t size_bytes;
	uint64_t flat_bytes;

	if (mr_object_sizer_size(sizer, object, &size_bytes, &flat_bytes) < 0)
		return NULL;
	return PyLong_FromUnsignedLongLong(size_bytes);
}

static PyObject *asized_one(struct mr_object_sizer *sizer, PyObject *object)
{
	struct mr_sized_tree tree = { 0 };
	PyObject *asized = NULL;
	uint64_t size_bytes;
	uint64_t flat_bytes;

	if (mr_object_sizer_tree(sizer, object, sizer->options.detail, &size_bytes, &flat_bytes, &tree) ==
	    0) {
		PyObject *const name = mr_name_of(sizer->state->statics, object, sizer->clip);

		if (name && sizer->state->asized_type)
			asized = mr_asized_from_tree(sizer->state->asized_type, size_bytes, flat_bytes, name,
			                             &tree);
		Py_XDECREF(name);
	}
	mr_sized_tree_release(&tree);
	return asized;
}

typedef PyObject *(*size_function)(struct mr_object_sizer *, PyObject *);

/* One result for each of OBJECTS; those given twice have the same one. */
static PyObject *each_of(struct mr_object_sizer *sizer, PyObject *objects, size_function size)
{
	const Py_ssize_t count = PyTuple_GET_SIZE(objects);
	PyObject *const results = PyTuple_New(count);
	PyObject *const known = PyDict_New();

	if (!results || !known || exclude_all(sizer, objects) < 0)
		goto failed;
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *const object = PyTuple_GET_ITEM(objects, i);
		PyObject *const id = PyLong_FromVoidPtr(object);
		PyObject *result = id ? PyDict_GetItemWithError(known, id) : NULL;

		fetch_ahead(sizer, objects, i);
		if (result) {
			unsigned shift;
			uint64_t *const word =
				mr_seen_word(&sizer->seen, (uint64_t)(uintptr_t)object, &shift);

			if (word)
				mr_seen_again(&sizer->seen, word, shift, (uint64_t)(uintptr_t)object);
			Py_INCREF(result);
		} else if (id && !PyErr_Occurred()) {
			result = size(sizer, object);
			if (result && PyDict_SetItem(known, id, result) < 0)
				Py_CLEAR(result);
		}
		Py_XDECREF(id);
		if (!result)
			goto failed;
		PyTuple_SET_ITEM(results, i, result);
	}
	Py_DECREF(known);
	return results;
failed:
	Py_XDECREF(known);
	Py_XDECREF(results);
	return NULL;
}

static PyObject *each(PyObject *self, PyObject *objects, size_function size)
{
	struct mr_object_sizer *const sizer = use(self);
	PyObject *const results = each_of(sizer, objects, size);

	sizer->uses--;
	return results;
}

static PyObject *asizer_asizesof(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return set_options(self, kwargs) < 0 ? NULL : each(self, args, size_one);
}

static PyObject *asizer_asized(PyObject *self, PyObject *args, PyObject *kwargs)
{
	PyObject *results;

	if (set_options(self, kwargs) < 0)
		return NULL;
	results = each(self, args, asized_one);
	if (!results || PyTuple_GET_SIZE(results) != 1)
		return results;

	PyObject *const only = Py_NewRef(PyTuple_GET_ITEM(results, 0));

	Py_DECREF(results);
	return only;
}

/* ---- Excluding ------------------------------------------------------------------------ */

static PyObject *asizer_exclude_objs(PyObject *self, PyObject *args)
{
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
		if (mr_object_sizer_hide(asizer_of(self)->sizer, PyTuple_GET_ITEM(args, i)) < 0)
			return NULL;
	}
	Py_RETURN_NONE;
}

static PyObject *asizer_exclude_refs(PyObject *self, PyObject *args)
{
	if (exclude_all(asizer_of(self)->sizer, args) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *asizer_exclude_types(PyObject *self, PyObject *args)
{
	PyObject *const fresh = PyList_New(0); /* first: a collection may run Python code */
	struct mr_object_sizer *const sizer = asizer_of(self)->sizer;

	if (!fresh)
		return NULL;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
		PyObject *const type = PyTuple_GET_ITEM(args, i);

		if (!PyType_Check(type))
			continue;
		if (!sizer->excluded)
			sizer->excluded = Py_NewRef(fresh);
		if (!mr_sizer_excludes(sizer, type) && PyList_Append(sizer->excluded, type) < 0) {
			Py_DECREF(fresh);
			return NULL;
		}
		for (unsigned is_class = 0; is_class < 2; is_class++) {
			struct mr_rule *const rule = mr_rules_find(&sizer->rules, type, is_class);

			if (rule && rule->excluded < 0)
				rule->excluded = 0;
		}
	}
	Py_DECREF(fresh);
	Py_RETURN_NONE;
}

/* ---- Properties --------------------------------------------------------------------------- */

static PyObject *get_excluded(PyObject *self, void *closure MR_UNUSED)
{
	PyObject *const excluded = asizer_of(self)->sizer->excluded;

	return excluded ? PyList_AsTuple(excluded) : PyTuple_New(0);
}

enum { COUNT_DUPLICATE, COUNT_MISSED, COUNT_RANKED, COUNT_SEEN, COUNT_SIZED, COUNT_TOTAL };

static PyObject *get_count(PyObject *self, void *closure)
{
	const struct mr_object_sizer *const sizer = asizer_of(self)->sizer;
	uint64_t count = 0;

	switch ((int)(uintptr_t)closure) {
	case COUNT_DUPLICATE:
		count = sizer->seen.duplicates;
		break;
	case COUNT_MISSED:
		count = sizer->missed;
		break;
	case COUNT_RANKED:
		count = sizer->account ? sizer->account->ranked : 0;
		break;
	case COUNT_SEEN:
		count = sizer->seen.visits;
		break;
	case COUNT_SIZED:
		count = sizer->seen.objects;
		break;
	case COUNT_TOTAL:
		count = sizer->total_bytes;
		break;
	}
	return PyLong_FromUnsignedLongLong(count);
}

/* ---- The type --------------------------------------------------------------------------------- */

static PyObject *asizer_new(PyTypeObject *type, PyObject *args MR_UNUSED, PyObject *kwargs MR_UNUSED)
{
	struct mr_asizer *const asizer = (struct mr_asizer *)type->tp_alloc(type, 0);
	PyObject *none;
	PyObject *done;

	if (!asizer)
		return NULL;
	asizer->module = Py_XNewRef(mr_sizing_module_of(type));
	none = asizer->module ? PyTuple_New(0) : NULL;
	done = none ? mr_asizer_reset((PyObject *)asizer, none, NULL) : NULL;
	Py_XDECREF(none);
	if (!done) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_SystemError, "the type has lost its module");
		Py_DECREF(asizer);
		return NULL;
	}
	Py_DECREF(done);
	return (PyObject *)asizer;
}

static int asizer_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	PyObject *done;

	if (PyTuple_GET_SIZE(args)) {
		PyErr_SetString(PyExc_TypeError, "Asizer takes options by name only");
		return -1;
	}
	if (!kwargs || PyDict_GET_SIZE(kwargs) == 0)
		return 0;
	done = mr_asizer_reset(self, args, kwargs);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

static int asizer_traverse(PyObject *self, visitproc visit, void *arg)
{
	const struct mr_asizer *const asizer = asizer_of(self);

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(asizer->module);
	for (size_t i = 0; i < MR_OPTION_COUNT; i++)
		Py_VISIT(asizer->options[i]);
	if (!asizer->sizer)
		return 0;
	Py_VISIT(asizer->sizer->excluded);
	Py_VISIT(asizer->sizer->kept);

	const int status = mr_account_traverse(asizer->sizer->account, visit, arg);

	return status ? status : mr_rules_traverse(&asizer->sizer->rules, visit, arg);
}

/* The options and the sizer stay usable till the end: what can lead back here goes. */
static int asizer_clear(PyObject *self)
{
	struct mr_asizer *const asizer = asizer_of(self);
	struct mr_object_sizer *const sizer = asizer->sizer;

	for (size_t i = 0; i < MR_OPTION_COUNT; i++) {
		if (asizer->options[i])
			Py_SETREF(asizer->options[i], Py_NewRef(Py_None));
	}
	if (!sizer || sizer->walks || sizer->uses)
		return 0;

	struct mr_account *const account = sizer->account;

	sizer->account = NULL;
	sizer->dict_rule = NULL;
	mr_account_free(account);
	mr_rules_release(&sizer->rules);
	Py_CLEAR(sizer->excluded);
	Py_CLEAR(sizer->kept);
	return 0;
}

static void asizer_dealloc(PyObject *self)
{
	struct mr_asizer *const asizer = asizer_of(self);
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (asizer->weakrefs)
		PyObject_ClearWeakRefs(self);
	for (size_t i = 0; i < MR_OPTION_COUNT; i++)
		Py_CLEAR(asizer->options[i]);
	mr_object_sizer_free(asizer->sizer);
	asizer->sizer = NULL;
	Py_CLEAR(asizer->module);
	type->tp_free(self);
	Py_DECREF(type);
}

#define KEYWORDS_METHOD(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef asizer_methods[] = {
	{ "asizeof", KEYWORDS_METHOD(asizer_asizeof),
	  PyDoc_STR("asizeof($self, /, *objs, **opts)\n--\n\n"
	            "The size of all given objects together; options are those of set().") },
	{ "asizesof", KEYWORDS_METHOD(asizer_asizesof),
	  PyDoc_STR("asizesof($self, /, *objs, **opts)\n--\n\n"
	            "The size of each given object, as a tuple; options are those of set().") },
	{ "asized", KEYWORDS_METHOD(asizer_asized),
	  PyDoc_STR("asized($self, /, *objs, **opts)\n--\n\n"
	            "An Asized for each given object, as a tuple, or the one for a single object.") },
	{ "exclude_objs", asizer_exclude_objs, METH_VARARGS,
	  PyDoc_STR("exclude_objs($self, /, *objs)\n--\n\nThese objects are not sized at all.") },
	{ "exclude_refs", asizer_exclude_refs, METH_VARARGS,
	  PyDoc_STR("exclude_refs($self, /, *objs)\n--\n\n"
	            "References to these objects do not count; given, they are sized.") },
	{ "exclude_types", asizer_exclude_types, METH_VARARGS,
	  PyDoc_STR("exclude_types($self, /, *types)\n--\n\n"
	            "These types and their instances are not sized.") },
	{ "reset", KEYWORDS_METHOD(mr_asizer_reset),
	  PyDoc_STR("reset($self, /, above=1024, align=8, clip=80, code=False, cutoff=10, derive=False,\n"
	            "      detail=0, frames=False, ignored=True, infer=False, limit=100, stats=0,\n"
	            "      stream=None)\n--\n\n"
	            "Forgets what was sized and sets all options, those not given to their defaults.") },
	{ "set", KEYWORDS_METHOD(mr_asizer_set),
	  PyDoc_STR("set($self, /, above=None, align=None, code=None, cutoff=None, frames=None,\n"
	            "    detail=None, limit=None, stats=None)\n--\n\n"
	            "Sets the options that are given.") },
	{ "_facts", mr_asizer_facts, METH_NOARGS, PyDoc_STR("For the summary.") },
	{ "_ranks", mr_asizer_ranks, METH_NOARGS, PyDoc_STR("The largest objects.") },
	{ "_profiles", mr_asizer_profiles, METH_NOARGS, PyDoc_STR("Counts and sizes by type.") },
	{ "_typedefs", mr_asizer_typedefs, METH_NOARGS, PyDoc_STR("What is known of types.") },
	{ NULL, NULL, 0, NULL },
};

#define OPTION(name, which, doc)                                                                         \
	{                                                                                                \
		(name), mr_asizer_get_option, NULL, PyDoc_STR(doc), (void *)(uintptr_t)MR_OPTION_##which \
	}
#define COUNT(name, which, doc)                                                           \
	{                                                                                 \
		(name), get_count, NULL, PyDoc_STR(doc), (void *)(uintptr_t)COUNT_##which \
	}

static PyGetSetDef asizer_getset[] = {
	OPTION("above", ABOVE, "objects larger than this are ranked"),
	OPTION("align", ALIGN, "sizes are rounded up to a multiple of it"),
	OPTION("clip", CLIP, "characters of a repr that are shown"),
	OPTION("code", CODE, "is code counted?"),
	OPTION("cutoff", CUTOFF, "percent, or objects, below which statistics end"),
	OPTION("derive", DERIVE, "are types handled as the one base that is known?"),
	OPTION("detail", DETAIL, "levels of referents that asized() tells"),
	OPTION("frames", FRAMES, "are frames sized?"),
	OPTION("ignored", IGNORED, "are certain types left out?"),
	OPTION("infer", INFER, "is what looks like a dict handled as one?"),
	OPTION("limit", LIMIT, "levels of referents that are sized"),
	OPTION("stats", STATS, "how much is printed"),
	OPTION("_stream", STREAM, "where it is printed, None: sys.stdout"),
	COUNT("duplicate", DUPLICATE, "objects that were seen more than once"),
	COUNT("missed", MISSED, "objects that could not be walked to the end"),
	COUNT("ranked", RANKED, "objects that were larger than above"),
	COUNT("seen", SEEN, "visits of objects, again and again included"),
	COUNT("sized", SIZED, "objects that were seen"),
	COUNT("total", TOTAL, "bytes of all that was sized"),
	{ "excluded", get_excluded, NULL, PyDoc_STR("the types that are left out, a tuple"), NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef asizer_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct mr_asizer, weakrefs), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot asizer_slots[] = {
	{ Py_tp_doc,
	  (void *)PyDoc_STR("Asizer(**options)\n--\n\n"
	                    "Sizes objects, each once, over several calls; the options are reset()'s.") },
	{ Py_tp_new, asizer_new },
	{ Py_tp_init, asizer_init },
	{ Py_tp_dealloc, asizer_dealloc },
	{ Py_tp_traverse, asizer_traverse },
	{ Py_tp_clear, asizer_clear },
	{ Py_tp_methods, asizer_methods },
	{ Py_tp_getset, asizer_getset },
	{ Py_tp_members, asizer_members },
	{ 0, NULL },
};

static PyType_Spec asizer_spec = {
	.name = "memcapture._capture.Asizer",
	.basicsize = sizeof(struct mr_asizer),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
	.slots = asizer_slots,
};

int mr_asizer_add_to_module(PyObject *module)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);

	state->asizer_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &asizer_spec, NULL);
	return state->asizer_type ? PyModule_AddObjectRef(module, "Asizer", (PyObject *)state->asizer_type)
	                          : -1;
}
