/* SPDX-License-Identifier: MIT
 *
 * describeObj(), refPathString() and referrer_paths() (memcapture.reftracker).
 * Functions in C, so that no frame of ours holds the object that is asked for.
 */
#include "census.h"
#include "census_module.h"
#include "referrers_paths.h"

#define LINES_MAX 100000 /* where the caller sets no limit */
#define DEPTH_MAX 100000

/* ---- Arguments ---------------------------------------------------------------------------- */

/* Values for NAMES out of ARGS, borrowed, NULL where not given.  Not a tuple of arguments, which would
 * refer to the object.  -1 with a Python error. */
static int arguments(const char *function, const char *const *names, PyObject **values, size_t wanted,
                     PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
	for (size_t i = 0; i < wanted; i++)
		values[i] = NULL;
	if ((size_t)count > wanted) {
		PyErr_Format(PyExc_TypeError, "%s() takes at most %zu arguments (%zd given)", function,
		             wanted, count);
		return -1;
	}
	for (Py_ssize_t i = 0; i < count; i++)
		values[i] = args[i];
	for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
		PyObject *const name = PyTuple_GET_ITEM(keywords, i);
		size_t at = 0;

		while (at < wanted && PyUnicode_CompareWithASCIIString(name, names[at]) != 0)
			at++;
		if (at == wanted || values[at]) {
			PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
			             function, name);
			return -1;
		}
		values[at] = args[count + i];
	}
	if (!values[0]) {
		PyErr_Format(PyExc_TypeError, "%s() missing argument '%s'", function, names[0]);
		return -1;
	}
	return 0;
}

/* The addresses in a LIST of ids. */
static int hidden_of(PyObject *list, PyObject **hidden)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
		hidden[i] = PyLong_AsVoidPtr(PyList_GET_ITEM(list, i));
		if (!hidden[i] && PyErr_Occurred())
			return -1;
	}
	return 0;
}

struct asked {
	struct mr_paths_asked asked;
	PyObject **hidden;
	PyObject **path;
};

static void asked_release(struct asked *asked)
{
	for (size_t i = 0; i < asked->asked.path_count; i++)
		Py_DECREF(asked->path[i]);
	mr_free(asked->path);
	mr_free(asked->hidden);
}

/* Copies a list PATH without keeping it. */
static int take_path(struct asked *asked, PyObject *path)
{
	PyObject *const list = PySequence_List(path);
	const Py_ssize_t count = list ? PyList_GET_SIZE(list) : 0;

	asked->path = list ? mr_alloc((size_t)(count + 1) * sizeof(PyObject *)) : NULL;
	if (list && !asked->path)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; asked->path && i < count; i++)
		asked->path[i] = Py_NewRef(PyList_GET_ITEM(list, i));
	asked->asked.path_count = asked->path ? (size_t)count : 0;
	asked->asked.path = asked->path;
	Py_XDECREF(list);
	return asked->path ? 0 : -1;
}

/* IGNORE: a dict or another collection of ids. */
static int take_ignored(struct asked *asked, PyObject *path, PyObject *ignore)
{
	PyObject *const list = ignore ? PySequence_List(ignore) : PyList_New(0);
	const size_t count = list ? (size_t)PyList_GET_SIZE(list) : 0;
	int status = -1;

	asked->hidden = list ? mr_alloc((count + 1) * sizeof(PyObject *)) : NULL;
	if (asked->hidden)
		status = hidden_of(list, asked->hidden);
	else if (list)
		PyErr_NoMemory();
	Py_XDECREF(list);
	if (status < 0)
		return -1;
	asked->asked.hidden = asked->hidden;
	asked->asked.hidden_count = count;
	if (path)
		asked->hidden[asked->asked.hidden_count++] = path;
	return 0;
}

static int asked_init(struct asked *asked, const char *function, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords)
{
	static const char *const names[] = { "obj", "depth", "path", "ignore", "limit" };
	PyObject *values[MR_ARRAY_LEN(names)];

	*asked = (struct asked){ .asked = { .depth = 4, .limit = LINES_MAX } };
	if (arguments(function, names, values, MR_ARRAY_LEN(names), args, count, keywords) < 0)
		return -1;
	asked->asked.object = values[0];
	if (values[1]) {
		const long depth = PyLong_AsLong(values[1]);

		if (depth == -1 && PyErr_Occurred())
			return -1;
		asked->asked.depth = depth > DEPTH_MAX ? DEPTH_MAX : depth < 0 ? 0 : (int)depth;
	}
	if (values[4] && values[4] != Py_None) {
		asked->asked.limit = PyLong_AsSize_t(values[4]);
		if (asked->asked.limit == (size_t)-1 && PyErr_Occurred())
			return -1;
	}

	PyObject *const path = values[2] && values[2] != Py_None ? values[2] : NULL;
	PyObject *const ignore = values[3] && values[3] != Py_None ? values[3] : NULL;

	if ((path && take_path(asked, path) < 0) || take_ignored(asked, path, ignore) < 0) {
		asked_release(asked);
		return -1;
	}
	return 0;
}

/* ---- Finding ------------------------------------------------------------------------------- */

static PyObject *text_of(const uint8_t *text, size_t len)
{
	return PyUnicode_DecodeUTF8((const char *)text, (Py_ssize_t)len, "surrogatepass");
}

/* A new str for the number of lines that were left out. */
static PyObject *left_out_text(const struct mr_paths *paths)
{
	if (paths->left_out == 0)
		return PyUnicode_FromString("... and more paths");
	return PyUnicode_FromFormat("... and %s%llu more path%s", paths->more ? "at least " : "",
	                            (unsigned long long)paths->left_out, paths->left_out == 1 ? "" : "s");
}

/* A new list of the lines. */
static PyObject *lines_of(const struct mr_paths *paths)
{
	PyObject *const list = PyList_New((Py_ssize_t)paths->count);
	size_t begin = 0;

	for (size_t i = 0; list && i < paths->count; i++) {
		PyObject *const line = text_of(paths->text.data + begin, paths->ends[i] - begin);

		if (!line) {
			Py_DECREF(list);
			return NULL;
		}
		PyList_SET_ITEM(list, (Py_ssize_t)i, line);
		begin = paths->ends[i];
	}
	if (list && (paths->left_out > 0 || paths->more)) {
		PyObject *const line = left_out_text(paths);

		if (!line || PyList_Append(list, line) < 0) {
			Py_XDECREF(line);
			Py_DECREF(list);
			return NULL;
		}
		Py_DECREF(line);
	}
	return list;
}

static PyObject *find_lines(PyObject *module, const char *function, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords)
{
	struct asked asked;
	struct mr_paths paths;
	PyObject *lines = NULL;

	if (asked_init(&asked, function, args, count, keywords) < 0)
		return NULL;
	if (mr_census_collect(module) == 0 && mr_paths_find(module, &asked.asked, &paths) == 0) {
		lines = lines_of(&paths);
		mr_paths_release(&paths);
	}
	asked_release(&asked);
	return lines;
}

static PyObject *referrer_paths(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
	return find_lines(module, "referrer_paths", args, count, keywords);
}

static PyObject *describe(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
	PyObject *const lines = find_lines(module, "describeObj", args, count, keywords);
	PyObject *out = lines ? PySys_GetObject("stdout") : NULL;
	int status = lines ? 0 : -1;

	Py_XINCREF(out);
	for (Py_ssize_t i = 0; status == 0 && out && out != Py_None && i < PyList_GET_SIZE(lines); i++) {
		status = PyFile_WriteObject(PyList_GET_ITEM(lines, i), out, Py_PRINT_RAW);
		if (status == 0)
			status = PyFile_WriteString("\n", out);
	}
	Py_XDECREF(out);
	Py_XDECREF(lines);
	return status == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *ref_path_string(PyObject *module MR_UNUSED, PyObject *chain)
{
	PyObject *const list = PySequence_List(chain);
	struct mr_buffer text = { 0 };
	PyObject *shown = NULL;

	if (list && PyList_GET_SIZE(list) == 0)
		PyErr_SetString(PyExc_ValueError, "refPathString() needs at least one object");
	else if (list &&
	         mr_paths_chain(&text, ((PyListObject *)list)->ob_item, (size_t)PyList_GET_SIZE(list)) == 0)
		shown = text_of(text.data, text.len);
	mr_buffer_release(&text);
	Py_XDECREF(list);
	return shown;
}

static PyObject *object_string(PyObject *module MR_UNUSED, PyObject *object)
{
	struct mr_buffer text = { 0 };
	PyObject *shown = NULL;

	mr_object_text(&text, object);
	if (text.failed)
		PyErr_NoMemory();
	else
		shown = text_of(text.data, text.len);
	mr_buffer_release(&text);
	return shown;
}

#define FAST_FUNCTION(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef functions[] = {
	{ "describeObj", FAST_FUNCTION(describe),
	  PyDoc_STR("describeObj($module, /, obj, depth=4, path=None, ignore=None, limit=None)\n--\n\n"
	            "Prints all the ways in which an object is referred to, each as a path of at most\n"
	            "depth objects that ends at it.\n\n"
	            "A path begins at a module or at the depth that is given.  ignore holds ids of\n"
	            "objects that do not count.  limit: lines to print (100,000 when not given); how\n"
	            "many more there are is said.") },
	{ "referrer_paths", FAST_FUNCTION(referrer_paths),
	  PyDoc_STR("referrer_paths($module, /, obj, depth=4, path=None, ignore=None, limit=None)\n--\n\n"
	            "The lines that describeObj() prints, as a list.") },
	{ "refPathString", ref_path_string, METH_O,
	  PyDoc_STR("refPathString($module, chain, /)\n--\n\n"
	            "The natural name of a chain of objects, each of which refers to the next.") },
	{ "object_string", object_string, METH_O,
	  PyDoc_STR("object_string($module, obj, /)\n--\n\n"
	            "A short text for an object, for which none of its own code runs.") },
	{ NULL, NULL, 0, NULL },
};

int mr_describe_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
