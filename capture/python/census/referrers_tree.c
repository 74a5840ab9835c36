/* SPDX-License-Identifier: MIT
 *
 * referrer_tree() (memcapture.refbrowser): what refers to an object, as a tree of
 * nodes.
 */
#include "census_module.h"
#include "instance_dict.h"
#include "referrers_browse.h"

static int hide(struct mr_levels *levels, PyObject *object)
{
	const uint32_t number = mr_levels_know(levels, object);

	if (number == MR_INDEX_NONE)
		return -1;
	levels->known[number].hidden |= number != 0;
	return 0;
}

/* The browser, its dict, and what is in its list. */
static int hide_own(struct mr_levels *levels, const struct mr_browse *browse)
{
	const enum mr_dict_kind kind = mr_instance_dict_kind(Py_TYPE(browse->browser));
	struct mr_instance_dict found;
	int status = hide(levels, browse->browser);

	if (status == 0 && kind != MR_DICT_NONE && kind != MR_DICT_MADE &&
	    mr_instance_dict_look(browse->browser, kind, &found) == MR_DICT_REAL)
		status = hide(levels, found.dict);
	if (status == 0)
		status = hide(levels, browse->ignore);
	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(browse->ignore); i++)
		status = hide(levels, PyList_GET_ITEM(browse->ignore, i));
	return status;
}

int mr_browse_find(PyObject *module, const struct mr_browse *browse, bool named, struct mr_levels *levels)
{
	const struct mr_levels_asked asked = {
		.walks = browse->depth < 0 ? 0 : (size_t)browse->depth,
		.edges_max = SIZE_MAX,
		.past_modules = true,
		.named = named,
	};
	struct mr_heap heap = { 0 };
	int status;

	*levels = (struct mr_levels){ 0 };
	if (mr_levels_know(levels, browse->root) == MR_INDEX_NONE || hide_own(levels, browse) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	status = mr_heap_list(module, &heap);
	if (status == 0)
		status = mr_levels_find(levels, &heap, &asked);
	mr_heap_release(&heap);
	return status;
}

/* ---- The tree ---------------------------------------------------------------------------------- */

struct branch {             /* a node whose children are being made */
	PyObject *children; /* owned: its list */
	const struct mr_referrers *level;
	size_t next;
	size_t end;
};

struct growing {
	struct mr_browse browse;
	bool repeat;
	PyObject *str_func; /* borrowed, as these */
	PyObject *node_type;
	PyObject *included; /* a set of ids */
	const struct mr_levels *levels;
	struct branch *stack;
	size_t depth;
	size_t capacity;
};

/* References to all that a tree can show: from now on Python code runs. */
static void keep_all(const struct mr_levels *levels, bool keep)
{
	for (size_t i = 0; i < levels->level_count; i++) {
		for (size_t j = 0; j < levels->levels[i].count; j++) {
			if (keep)
				Py_INCREF(levels->levels[i].parents[j]);
			else
				Py_DECREF(levels->levels[i].parents[j]);
		}
	}
}

/* 1: OBJECT was included before; 0: it was not, and with ADD is from now on.  -1 with a Python error. */
static int include(const struct growing *growing, PyObject *object, bool add)
{
	PyObject *const id = PyLong_FromVoidPtr(object);
	int status = id ? PySet_Contains(growing->included, id) : -1;

	if (status == 0 && add)
		status = PySet_Add(growing->included, id);
	Py_XDECREF(id);
	return status;
}

/* A new node of OBJECT on the stack, appended to CHILDREN (NULL: it is the tree, a new reference). */
static PyObject *grow_node(struct growing *growing, PyObject *object, PyObject *children)
{
	const struct mr_known *const known = mr_levels_get(growing->levels, object);
	PyObject *const node =
		PyObject_CallFunctionObjArgs(growing->node_type, object, growing->str_func, NULL);
	struct branch branch = { .children = node ? PyObject_GetAttrString(node, "children") : NULL };

	if (branch.children && !PyList_Check(branch.children)) {
		PyErr_SetString(PyExc_TypeError, "a node's children must be a list");
		goto failed;
	}
	if (!branch.children || include(growing, object, true) < 0 ||
	    (children && PyList_Append(children, node) < 0))
		goto failed;
	if (mr_grow(&growing->stack, &growing->capacity, growing->depth + 1, sizeof(branch)) < 0) {
		PyErr_NoMemory();
		goto failed;
	}
	if (known && growing->depth < (size_t)growing->browse.depth)
		branch.level = mr_levels_of(growing->levels, known, &branch.next, &branch.end);
	growing->stack[growing->depth++] = branch;
	return node;
failed:
	Py_XDECREF(branch.children);
	Py_XDECREF(node);
	return NULL;
}

/* Instead of a node that is there already. */
static int add_mention(const struct growing *growing, PyObject *object, PyObject *children)
{
	PyObject *const text = PyObject_CallOneArg(growing->str_func, object);
	PyObject *const mention =
		text ? PyUnicode_FromFormat("%S (already included, id %zu)", text, (size_t)(uintptr_t)object)
		     : NULL;
	const int status = mention ? PyList_Append(children, mention) : -1;

	Py_XDECREF(mention);
	Py_XDECREF(text);
	return status;
}

static int grow_branch(struct growing *growing)
{
	struct branch *const top = &growing->stack[growing->depth - 1];
	PyObject *const parent = top->level->parents[top->next++];
	const struct mr_known *const known = mr_levels_get(growing->levels, parent);
	PyObject *const children = top->children;
	PyObject *node;

	if (known && known->hidden)
		return 0;
	if (!growing->repeat) {
		const int included = include(growing, parent, false);

		if (included != 0)
			return included < 0 ? -1 : add_mention(growing, parent, children);
	}
	node = grow_node(growing, parent, children);
	Py_XDECREF(node);
	return node ? 0 : -1;
}

static PyObject *grow_tree(struct growing *growing)
{
	PyObject *const tree = grow_node(growing, growing->browse.root, NULL);
	int status = tree ? 0 : -1;

	while (status == 0 && growing->depth > 0) {
		const struct branch *const top = &growing->stack[growing->depth - 1];

		if (top->level && top->next < top->end) {
			status = grow_branch(growing);
			if ((growing->depth & 63) == 0 && status == 0)
				status = PyErr_CheckSignals();
		} else {
			Py_DECREF(growing->stack[--growing->depth].children);
		}
	}
	while (growing->depth > 0)
		Py_DECREF(growing->stack[--growing->depth].children);
	mr_free(growing->stack);
	if (status == 0)
		return tree;
	Py_XDECREF(tree);
	return NULL;
}

/* Not by a tuple of arguments, which would refer to the root. */
static PyObject *referrer_tree(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
	struct mr_levels levels;
	PyObject *tree = NULL;

	if (count != 8 || !PyList_Check(args[3]) || !PySet_Check(args[7])) {
		PyErr_SetString(PyExc_TypeError, "a browser's ignore must be a list, already_included a set");
		return NULL;
	}

	const int repeat = PyObject_IsTrue(args[4]);
	struct growing growing = {
		.browse = { .browser = args[0],
		            .root = args[1],
		            .depth = PyNumber_AsSsize_t(args[2], NULL),
		            .ignore = args[3] },
		.repeat = repeat == 1,
		.str_func = args[5],
		.node_type = args[6],
		.included = args[7],
		.levels = &levels,
	};

	if (repeat < 0 || PyErr_Occurred())
		return NULL;
	if (mr_browse_find(module, &growing.browse, false, &levels) == 0) {
		keep_all(&levels, true);
		tree = grow_tree(&growing);
		keep_all(&levels, false);
	}
	mr_levels_release(&levels);
	return tree;
}

#define FAST_FUNCTION(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL

static PyMethodDef functions[] = {
	{ "referrer_tree", FAST_FUNCTION(referrer_tree),
	  PyDoc_STR("referrer_tree($module, browser, root, depth, ignore, repeat, str_func, node_type,\n"
	            "              included, /)\n--\n\n"
	            "What refers to root, and to that, to a depth: nodes by node_type(object, str_func).") },
	{ "referrer_graph", FAST_FUNCTION(mr_browse_graph),
	  PyDoc_STR("referrer_graph($module, browser, root, depth, ignore, /)\n--\n\n"
	            "What refers to root, and to that, to a depth: (nodes, edges, whether all of it).") },
	{ NULL, NULL, 0, NULL },
};

int mr_browse_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
