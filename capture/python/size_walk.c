/* SPDX-License-Identifier: MIT
 *
 * See size_walk.h: objects as they are entered and left.  How the referents of
 * each kind are gone through is in size_walk_steps.c.
 */
#include "size_walk.h"

#include "asizer_account.h"
#include "referents.h"

/* ---- Holding ------------------------------------------------------------------- */

void mr_walk_let_python_run(struct mr_walk *walk)
{
	for (; walk->held < walk->count; walk->held++)
		Py_INCREF(walk->frames[walk->held].object);
	walk->epoch++;
}

int mr_walk_check_signals(struct mr_walk *walk)
{
	walk->until_signals = MR_SIGNALS_EVERY;
	mr_walk_let_python_run(walk);
	return PyErr_CheckSignals();
}

/* An object that was made by looking lives as long as the walk, so that no other can take its
 * place and be taken for it. */
static int keep_made(struct mr_object_sizer *sizer, PyObject *refs)
{
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(refs); i++) {
		PyObject *const object = PyList_GET_ITEM(refs, i);

		if (MR_LIKELY(Py_REFCNT(object) > 1))
			continue;
		if (!sizer->kept)
			sizer->kept = PyList_New(0);
		if (!sizer->kept || PyList_Append(sizer->kept, object) < 0)
			return -1;
	}
	return 0;
}

static void release_kept(struct mr_object_sizer *sizer)
{
	PyObject *const kept = sizer->kept;

	if (MR_LIKELY(!kept))
		return;
	sizer->kept = NULL;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(kept); i++) {
		PyObject *const object = PyList_GET_ITEM(kept, i);

		if (Py_REFCNT(object) == 1)
			mr_seen_forget(&sizer->seen, (uint64_t)(uintptr_t)object);
	}
	Py_DECREF(kept);
}

/* ---- Rules ---------------------------------------------------------------------- */

void mr_sizer_apply_options(const struct mr_object_sizer *sizer, struct mr_rule *rule)
{
	if (rule->is_frame)
		rule->kind = sizer->options.frames ? MR_KIND_DYNAMIC : MR_KIND_IGNORED;
	rule->sized = (rule->both || sizer->options.code) &&
	              !(sizer->options.ignored && rule->kind == MR_KIND_IGNORED);
}

bool mr_sizer_excludes(const struct mr_object_sizer *sizer, const PyObject *type)
{
	const Py_ssize_t count = sizer->excluded ? PyList_GET_SIZE(sizer->excluded) : 0;

	for (Py_ssize_t i = 0; i < count; i++) {
		if (PyList_GET_ITEM(sizer->excluded, i) == type)
			return true;
	}
	return false;
}

/* Do classes need a rule each?  Otherwise they are all passed over alike. */
static bool tells_classes(const struct mr_object_sizer *sizer)
{
	return sizer->options.code || sizer->excluded || sizer->account;
}

struct mr_rule *mr_sizer_rule(struct mr_object_sizer *sizer, PyObject *object)
{
	const struct mr_rules_options options = { .derive = sizer->options.derive,
		                                  .infer = sizer->options.infer };
	const bool by_class = tells_classes(sizer);
	struct mr_rule *const rule = mr_rules_for(&sizer->rules, sizer->state, object, &options, by_class);

	if (!rule)
		return NULL;
	mr_sizer_apply_options(sizer, rule);
	if (rule->excluded < 0 && mr_sizer_excludes(sizer, rule->key))
		rule->excluded = 0;
	return rule;
}

/* The rule for OBJECT when it is there already. */
static inline struct mr_rule *find_rule(const struct mr_object_sizer *sizer, PyObject *object)
{
	if (MR_UNLIKELY(Py_IS_TYPE(object, &PyType_Type)) && tells_classes(sizer))
		return mr_rules_find(&sizer->rules, object, true);
	return mr_rules_find(&sizer->rules, Py_TYPE(object), false);
}

/* ---- Frames ---------------------------------------------------------------------- */

/* A new frame on top; NULL with a Python error.  OWNED: it takes over a reference to OBJECT. */
static struct mr_frame *push(struct mr_walk *walk, PyObject *object, const struct mr_rule *rule, bool owned)
{
	if (MR_UNLIKELY(walk->count == walk->capacity) &&
	    mr_grow(&walk->frames, &walk->capacity, walk->count + 1, sizeof(*walk->frames)) < 0) {
		PyErr_NoMemory();
		return NULL;
	}

	struct mr_frame *const frame = &walk->frames[walk->count++];

	*frame = (struct mr_frame){ .object = object, .rule = rule };
	if (owned) /* all below are held, since Python code was let run */
		walk->held = walk->count;
	return frame;
}

size_t mr_walk_add_node(struct mr_walk *walk, PyObject *name, uint32_t level)
{
	struct mr_sized_tree *const tree = walk->tree;

	if (mr_grow(&tree->nodes, &tree->capacity, tree->count + 1, sizeof(*tree->nodes)) < 0) {
		PyErr_NoMemory();
		return 0;
	}
	tree->nodes[tree->count] = (struct mr_sized_node){ .name = Py_NewRef(name), .level = level };
	return ++tree->count;
}

/* The number by which the parent of an object is known. */
static uint64_t identity_of(const struct mr_frame *frame)
{
	return (uint64_t)(uintptr_t)frame->object + (frame->step == MR_STEP_VALUES);
}

/* OBJECT is done, with all that it leads to: SIZE_BYTES count for PARENT. */
static int add_up(struct mr_walk *walk, struct mr_frame *parent, const struct mr_rule *rule, PyObject *object,
                  bool made_dict, uint32_t deep, size_t node, uint64_t size_bytes)
{
	struct mr_account *const account = walk->sizer->account;

	if (node)
		walk->tree->nodes[node - 1].size_bytes = size_bytes;
	if (parent)
		parent->size_bytes += size_bytes;
	else
		walk->root_bytes = size_bytes;
	if (MR_LIKELY(!account) || !mr_account_ranks(account, size_bytes))
		return 0;
	mr_walk_let_python_run(walk);
	return mr_account_rank(account, &(struct mr_ranked){ .rule = rule,
	                                                     .object = object,
	                                                     .is_dict_of = made_dict,
	                                                     .size_bytes = size_bytes,
	                                                     .deep = deep,
	                                                     .parent = parent ? identity_of(parent) : 0 });
}

/* Takes the top frame off. */
static int pop(struct mr_walk *walk)
{
	const struct mr_frame frame = walk->frames[walk->count - 1];
	struct mr_frame *const parent = walk->count > 1 ? &walk->frames[walk->count - 2] : NULL;
	int status = add_up(walk, parent, frame.rule, frame.object, frame.step == MR_STEP_VALUES, frame.deep,
	                    frame.node, frame.size_bytes);
	const bool held = walk->held == walk->count;

	walk->count--;
	if (MR_LIKELY(!held && !frame.refs))
		return status;
	if (held)
		walk->held = walk->count;
	mr_walk_let_python_run(walk);
	if (frame.refs && status == 0)
		status = keep_made(walk->sizer, frame.refs);
	Py_XDECREF(frame.refs);
	Py_XDECREF(frame.names);
	if (held)
		Py_DECREF(frame.object);
	return status;
}

static void drop_frames(struct mr_walk *walk)
{
	while (walk->count) {
		const struct mr_frame frame = walk->frames[--walk->count];
		const bool held = walk->held > walk->count;

		if (held)
			walk->held = walk->count;
		else if (frame.refs)
			mr_walk_let_python_run(walk);
		Py_XDECREF(frame.refs);
		Py_XDECREF(frame.names);
		if (held)
			Py_DECREF(frame.object);
	}
}

/* ---- Entering ----------------------------------------------------------------------- */

static uint64_t align(const struct mr_walk *walk, uint64_t bytes)
{
	return (bytes + walk->mask) & ~walk->mask;
}

/* This package's own module is passed over. */
static bool is_own_module(PyObject *module)
{
	PyObject *const name = PyModule_GetNameObject(module);
	const bool own = name && PyUnicode_CompareWithASCIIString(name, "memcapture.asizeof") == 0;

	if (!name)
		PyErr_Clear();
	Py_XDECREF(name);
	return own;
}

/* Collects the referents of the frame on top, whose object is held. */
static int collect(struct mr_walk *walk, bool told)
{
	struct mr_frame *const frame = &walk->frames[walk->count - 1];
	struct mr_referents referents;
	int status;

	frame->step = MR_STEP_COLLECTED;
	if (mr_referents_init(&referents, told) < 0)
		return -1;
	status = mr_referents_collect(frame->rule, frame->object, &referents, &walk->sizer->missed);
	frame->refs = referents.refs;
	frame->names = referents.names;
	return status;
}

/* Pushes the frame of an object that has referents. */
static int descend(struct mr_walk *walk, const struct mr_rule *rule, PyObject *object, uint32_t deep,
                   size_t node, bool told, uint64_t flat_bytes, bool owned)
{
	static const uint8_t steps[] = {
		[MR_WALK_LIST] = MR_STEP_LIST,         [MR_WALK_TUPLE] = MR_STEP_TUPLE,
		[MR_WALK_SET] = MR_STEP_SET,           [MR_WALK_DICT] = MR_STEP_DICT,
		[MR_WALK_INSTANCE] = MR_STEP_INSTANCE,
	};
	struct mr_frame *const frame = push(walk, object, rule, owned);

	if (!frame) {
		if (owned)
			Py_DECREF(object);
		return MR_VISIT_FAILED;
	}
	frame->size_bytes = flat_bytes;
	frame->node = node;
	frame->deep = deep;
	frame->told = told && deep < walk->detail;
	if (rule->walk == MR_WALK_COLLECT || (frame->told && rule->walk != MR_WALK_INSTANCE)) {
		if (!owned)
			mr_walk_let_python_run(walk);
		if (rule->is_module && is_own_module(object)) {
			frame->step = MR_STEP_COLLECTED;
			return MR_VISIT_PUSHED;
		}
		return collect(walk, frame->told) < 0 ? MR_VISIT_FAILED : MR_VISIT_PUSHED;
	}
	frame->step = steps[rule->walk];
	return MR_VISIT_PUSHED;
}

/* Counts OBJECT, whose flat size is FLAT_BYTES, and goes on to its referents, if any. */
static inline int count_object(struct mr_walk *walk, struct mr_frame *parent, struct mr_rule *rule,
                               PyObject *object, uint32_t deep, size_t node, bool told, uint64_t flat_bytes,
                               bool owned)
{
	int status;

	if (node)
		walk->tree->nodes[node - 1].flat_bytes = flat_bytes;
	if (!parent)
		walk->root_flat_bytes = flat_bytes;
	if (MR_UNLIKELY(walk->sizer->account != NULL)) {
		if (!owned) {
			mr_walk_let_python_run(walk);
			Py_INCREF(object);
			owned = true;
		}
		if (mr_account_profile(walk->sizer->account, rule, object, false, flat_bytes) < 0) {
			Py_DECREF(object);
			return MR_VISIT_FAILED;
		}
	}
	if (rule->walk != MR_WALK_NONE && deep < walk->limit && !(deep && rule->is_module)) {
		if (walk->sizer->depth_max <= deep)
			walk->sizer->depth_max = deep + 1;
		return descend(walk, rule, object, deep, node, told, flat_bytes, owned);
	}
	status = add_up(walk, parent, rule, object, false, deep, node, flat_bytes);
	if (owned)
		Py_DECREF(object);
	return status;
}

/* The rest of mr_walk_enter() for objects that Python code may run for; OBJECT is held. */
static int enter_held(struct mr_walk *walk, struct mr_frame *parent, PyObject *object, uint32_t deep,
                      size_t node, bool told)
{
	struct mr_object_sizer *const sizer = walk->sizer;
	struct mr_rule *const rule = mr_sizer_rule(sizer, object);
	uint64_t flat_bytes;

	if (!rule)
		goto failed;
	if (MR_UNLIKELY(rule->excluded >= 0)) {
		rule->excluded++;
		Py_DECREF(object);
		return MR_VISIT_DONE;
	}
	if (!rule->sized) {
		Py_DECREF(object);
		return MR_VISIT_DONE;
	}
	flat_bytes = mr_flat_bytes(rule, sizer->state, object);
	if (flat_bytes == UINT64_MAX)
		goto failed;
	return count_object(walk, parent, rule, object, deep, node, told, align(walk, flat_bytes), true);
failed:
	Py_DECREF(object);
	return MR_VISIT_FAILED;
}

int mr_walk_enter(struct mr_walk *walk, struct mr_frame *parent, PyObject *object, uint32_t deep, size_t node,
                  bool told)
{
	struct mr_rule *const rule = find_rule(walk->sizer, object);

	if (MR_LIKELY(rule && rule->excluded < 0)) {
		if (!rule->sized)
			return MR_VISIT_DONE;
		if (MR_LIKELY(mr_flat_is_native(rule, object))) {
			const uint64_t flat_bytes = mr_flat_native(rule, walk->sizer->state->statics, object);

			if (MR_LIKELY(flat_bytes))
				return count_object(walk, parent, rule, object, deep, node, told,
				                    align(walk, flat_bytes), false);
		}
	}
	mr_walk_let_python_run(walk);
	return enter_held(walk, parent, Py_NewRef(object), deep, node, told);
}

int mr_walk_visit_told(struct mr_walk *walk, struct mr_frame *parent, PyObject *object, PyObject *name)
{
	struct mr_object_sizer *const sizer = walk->sizer;
	const uint64_t address = (uint64_t)(uintptr_t)object;
	const uint32_t deep = parent->deep + 1;
	int status = MR_VISIT_FAILED;
	unsigned shift;
	size_t node;
	uint64_t *word;

	mr_walk_let_python_run(walk);
	Py_INCREF(object);
	name = name ? Py_NewRef(name) : mr_name_of(sizer->state->statics, object, sizer->clip);
	node = name ? mr_walk_add_node(walk, name, deep) : 0;
	Py_XDECREF(name);
	word = node ? mr_seen_word(&sizer->seen, address, &shift) : NULL;
	if (node && !word)
		PyErr_NoMemory();
	if (!word)
		goto out;
	status = MR_VISIT_DONE;
	if (mr_seen_state_in(word, shift) == MR_SEEN_NOT) {
		mr_seen_enter(&sizer->seen, word, shift);
		mr_walk_let_python_run(walk);
		status = enter_held(walk, parent, Py_NewRef(object), deep, node, true);
	} else if (mr_seen_state_in(word, shift) != MR_SEEN_GIVEN) {
		mr_seen_again(&sizer->seen, word, shift, address);
	}
out:
	Py_DECREF(object);
	return status;
}

/* ---- A dict that is not made ------------------------------------------------------------ */

/* The rule for dicts, for instances that have none yet. */
static struct mr_rule *rule_of_dicts(struct mr_walk *walk)
{
	if (MR_LIKELY(walk->sizer->dict_rule != NULL))
		return walk->sizer->dict_rule;
	mr_walk_let_python_run(walk);

	PyObject *const sample = PyDict_New();

	if (sample)
		walk->sizer->dict_rule = mr_sizer_rule(walk->sizer, sample);
	Py_XDECREF(sample);
	return walk->sizer->dict_rule;
}

/* The dict that PARENT, an instance, would have. */
static int enter_made_dict(struct mr_walk *walk, struct mr_frame *parent, size_t node,
                           enum mr_dict_found what)
{
	struct mr_object_sizer *const sizer = walk->sizer;
	struct mr_rule *const rule = rule_of_dicts(walk);
	const uint64_t flat_bytes = align(walk, walk->found.would_be_bytes);
	const uint32_t deep = parent->deep + 1;
	const bool told = parent->told;
	PyObject *const object = parent->object;

	if (!rule)
		return MR_VISIT_FAILED;
	sizer->seen.objects++;
	sizer->seen.visits++;
	if (rule->excluded >= 0)
		rule->excluded++;
	if (rule->excluded >= 0 || !rule->sized)
		return MR_VISIT_DONE;
	if (node)
		walk->tree->nodes[node - 1].flat_bytes = flat_bytes;
	if (sizer->account) {
		mr_walk_let_python_run(walk);
		if (mr_account_profile(sizer->account, rule, object, true, flat_bytes) < 0)
			return MR_VISIT_FAILED;
	}
	if (deep < walk->limit && sizer->depth_max <= deep)
		sizer->depth_max = deep + 1;
	if (deep >= walk->limit || what == MR_DICT_MISSING)
		return add_up(walk, parent, rule, object, true, deep, node, flat_bytes);

	struct mr_frame *const frame = push(walk, object, rule, false);

	if (!frame)
		return MR_VISIT_FAILED;
	frame->step = MR_STEP_VALUES;
	frame->size_bytes = flat_bytes;
	frame->node = node;
	frame->deep = deep;
	frame->told = told && deep < walk->detail;
	return MR_VISIT_PUSHED;
}

int mr_walk_visit_dict(struct mr_walk *walk, struct mr_frame *parent)
{
	PyObject *const object = parent->object;
	const enum mr_dict_kind kind = (enum mr_dict_kind)parent->rule->dict_kind;
	size_t node = 0;

	if (MR_UNLIKELY(parent->told)) {
		PyObject *const name = PyUnicode_InternFromString("__dict__");
		int status = MR_VISIT_FAILED;

		if (name && mr_instance_dict_look(object, kind, &walk->found) == MR_DICT_REAL)
			status = mr_walk_visit_told(walk, parent, walk->found.dict, name);
		else if (name)
			node = mr_walk_add_node(walk, name, parent->deep + 1);
		Py_XDECREF(name);
		if (!node)
			return status;
	}

	const enum mr_dict_found what = mr_instance_dict_look(object, kind, &walk->found);

	if (what == MR_DICT_REAL)
		return mr_walk_visit(walk, parent, walk->found.dict);
	walk->found_of = NULL;
	if (what == MR_DICT_ABSENT)
		return MR_VISIT_DONE;
	return enter_made_dict(walk, parent, node, what);
}

/* ---- The walk ----------------------------------------------------------------------------- */

static int walk_frames(struct mr_walk *walk)
{
	while (walk->count) {
		const int status = mr_walk_step(walk);

		if (status < 0)
			return status;
		if (status == MR_VISIT_DONE && pop(walk) < 0)
			return -1;
	}
	return 0;
}

int mr_walk_run(struct mr_walk *walk, PyObject *object)
{
	struct mr_object_sizer *const sizer = walk->sizer;
	const uint64_t address = (uint64_t)(uintptr_t)object;
	const bool told = walk->tree != NULL;
	unsigned shift;
	uint64_t *const word = mr_seen_word(&sizer->seen, address, &shift);
	int status;

	if (!word) {
		PyErr_NoMemory();
		return -1;
	}
	if (mr_seen_state_in(word, shift) >= MR_SEEN_ONCE) {
		mr_seen_again(&sizer->seen, word, shift, address);
		return 0;
	}
	mr_seen_enter(&sizer->seen, word, shift);
	walk->frames = sizer->spare;
	walk->capacity = sizer->spare_capacity;
	sizer->spare = NULL;
	sizer->spare_capacity = 0;
	sizer->walks++;
	status = mr_walk_enter(walk, NULL, object, 0, 0, told);
	if (status == MR_VISIT_PUSHED)
		status = walk_frames(walk);
	if (status < 0)
		drop_frames(walk);
	sizer->walks--;
	if (sizer->spare)
		mr_free(walk->frames);
	else {
		sizer->spare = walk->frames;
		sizer->spare_capacity = walk->capacity;
	}
	if (sizer->walks == 0)
		release_kept(sizer);
	return status;
}
