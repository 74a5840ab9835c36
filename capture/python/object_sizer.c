/* SPDX-License-Identifier: MIT
 *
 * See object_sizer.h: a sizer from outside.  The walk is in size_walk.c.
 */
#include "object_sizer.h"

#include "asizer_account.h"
#include "referents.h"
#include "size_fetch.h"
#include "size_walk.h"

#define LIMIT_DEFAULT 100
#define MASK_DEFAULT 7
#define CLIP_DEFAULT 80

void mr_object_sizer_defaults(struct mr_object_sizer_options *options)
{
	*options = (struct mr_object_sizer_options){ .limit = LIMIT_DEFAULT,
		                                     .mask = MASK_DEFAULT,
		                                     .ignored = true };
}

struct mr_object_sizer *mr_object_sizer_new(PyObject *module, const struct mr_object_sizer_options *options)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);
	struct mr_object_sizer *const sizer = mr_alloc(sizeof(*sizer));

	if (!sizer) {
		PyErr_NoMemory();
		return NULL;
	}
	sizer->module = module;
	sizer->state = state;
	sizer->options = *options;
	sizer->clip = CLIP_DEFAULT;
	if (!mr_sizing_statics_get(state)) {
		mr_free(sizer);
		return NULL;
	}
	return sizer;
}

void mr_object_sizer_free(struct mr_object_sizer *sizer)
{
	if (!sizer)
		return;
	mr_account_free(sizer->account);
	mr_rules_release(&sizer->rules);
	mr_seen_release(&sizer->seen);
	Py_XDECREF(sizer->excluded);
	Py_XDECREF(sizer->kept);
	mr_free(sizer->spare);
	mr_free(sizer);
}

int mr_object_sizer_exclude(struct mr_object_sizer *sizer, const PyObject *object)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(&sizer->seen, (uint64_t)(uintptr_t)object, &shift);

	if (!word) {
		PyErr_NoMemory();
		return -1;
	}
	if (mr_seen_state_in(word, shift) == MR_SEEN_NOT)
		mr_seen_put(word, shift, MR_SEEN_GIVEN);
	return 0;
}

int mr_object_sizer_hide(struct mr_object_sizer *sizer, const PyObject *object)
{
	if (mr_seen_hide(&sizer->seen, (uint64_t)(uintptr_t)object) == 0)
		return 0;
	PyErr_NoMemory();
	return -1;
}

void mr_object_sizer_prefetch(const struct mr_object_sizer *sizer, const PyObject *object)
{
	mr_fetch_header(&sizer->seen, object);
}

/* Down to LEVEL into TREE, which may be NULL. */
static int size_object(struct mr_object_sizer *sizer, PyObject *object, unsigned level,
                       struct mr_sized_tree *tree, uint64_t *size_bytes, uint64_t *flat_bytes)
{
	struct mr_walk walk = {
		.sizer = sizer,
		.until_signals = MR_SIGNALS_EVERY,
		.detail = level,
		.tree = tree,
		.limit = sizer->options.limit,
		.mask = sizer->options.mask,
	};

	Py_INCREF(object);
	const int status = mr_walk_run(&walk, object);
	Py_DECREF(object);

	if (status < 0)
		return -1;
	sizer->total_bytes += walk.root_bytes;
	*size_bytes = walk.root_bytes;
	*flat_bytes = walk.root_flat_bytes;
	return 0;
}

int mr_object_sizer_size(struct mr_object_sizer *sizer, PyObject *object, uint64_t *size_bytes,
                         uint64_t *flat_bytes)
{
	return size_object(sizer, object, 0, NULL, size_bytes, flat_bytes);
}

int mr_object_sizer_tree(struct mr_object_sizer *sizer, PyObject *object, unsigned level,
                         uint64_t *size_bytes, uint64_t *flat_bytes, struct mr_sized_tree *tree)
{
	mr_sized_tree_clear(tree);
	return size_object(sizer, object, level, tree, size_bytes, flat_bytes);
}

void mr_sized_tree_clear(struct mr_sized_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		Py_CLEAR(tree->nodes[i].name);
	tree->count = 0;
}

void mr_sized_tree_release(struct mr_sized_tree *tree)
{
	mr_sized_tree_clear(tree);
	mr_free(tree->nodes);
	*tree = (struct mr_sized_tree){ 0 };
}

uint64_t mr_object_sizer_total(const struct mr_object_sizer *sizer)
{
	return sizer->total_bytes;
}

uint64_t mr_object_sizer_memory(const struct mr_object_sizer *sizer)
{
	return sizeof(*sizer) + sizer->seen.memory_bytes + sizer->spare_capacity * sizeof(*sizer->spare) +
	       sizer->rules.capacity * sizeof(*sizer->rules.table) +
	       sizer->rules.count * (sizeof(*sizer->rules.list) + sizeof(**sizer->rules.list));
}

/* ---- Without a sizer ----------------------------------------------------------- */

int mr_object_rule(struct mr_sizing_state *state, PyObject *object, const struct mr_rules_options *options,
                   bool plan, struct mr_rule *rule)
{
	const bool is_class = Py_IS_TYPE(object, &PyType_Type);

	*rule = (struct mr_rule){
		.key = Py_NewRef(is_class ? object : (PyObject *)Py_TYPE(object)),
		.is_class = is_class,
		.excluded = -1,
	};
	if (mr_rule_decide(rule, state, object, NULL, options) == 0 &&
	    (!plan || mr_rule_plan(rule, state, object) == 0))
		return 0;
	mr_rule_release(rule);
	return -1;
}

uint64_t mr_object_basic_size(PyObject *module, PyObject *object)
{
	const struct mr_rules_options options = { .derive = false };
	struct mr_rule rule;

	if (mr_object_rule(mr_sizing_state_of(module), object, &options, false, &rule) < 0)
		return 0;

	const uint64_t base_bytes = rule.base_bytes;

	mr_rule_release(&rule);
	return base_bytes;
}

PyObject *mr_object_show(PyObject *object, Py_ssize_t clip)
{
	PyObject *const text = PyObject_Repr(object);

	if (!text)
		return mr_drop_error() < 0 ? NULL : PyUnicode_FromString("N/A");

	const Py_ssize_t len = PyUnicode_GET_LENGTH(text);

	if (clip <= 4 || len <= clip)
		return text;

	PyObject *const head = PyUnicode_Substring(text, 0, clip - 4);
	PyObject *const tail = PyUnicode_Substring(text, len - 2, len);
	PyObject *const clipped = head && tail ? PyUnicode_FromFormat("%U..%U", head, tail) : NULL;

	Py_XDECREF(head);
	Py_XDECREF(tail);
	Py_DECREF(text);
	return clipped;
}
