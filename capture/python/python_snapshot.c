/* SPDX-License-Identifier: MIT
 *
 * A snapshot: every tracked object that is alive is sized, in order of birth, and
 * shows itself; what differs from the snapshot before is kept.
 *
 * Sizing runs Python code here and there (an overridden __sizeof__, a __repr__), so
 * objects may come and go meanwhile.  Those that come are not in the snapshot; of
 * those that go before their turn it is told that they did not live to see it.
 * What fails (no memory, Ctrl-C) leaves everything as it was before.
 */
#include "class_tracker.h"

#include "log_feed.h"
#include "proc_memory.h"

#define SIGNALS_EVERY 4096u
/* How many rows ahead a weak reference, and the object behind one, are brought here. */
#define AHEAD_REF 24u
#define AHEAD_OBJECT 12u
#define LABEL_CHARS 128
#define KINDS_MIN 64u

/* How objects of a type show themselves, where that is object's own __repr__. */
struct kind {
	PyTypeObject *type; /* owned; NULL: a free entry */
	uint32_t label;     /* 0: it shows itself in another way */
};

struct run {
	struct mr_store *store;
	struct mr_object_sizer *sizer;
	struct mr_sized_tree tree;
	struct kind *kinds; /* by type, at most half full */
	size_t kind_capacity;
	size_t kind_count;
	struct kind last; /* borrowed from `kinds` */
	uint32_t snapshot;
	uint64_t count;
};

/* ---- Labels -------------------------------------------------------------------------- */

static struct kind *kind_at(struct kind *kinds, size_t capacity, const PyTypeObject *type)
{
	const uint64_t hash = ((uint64_t)(uintptr_t)type >> 4) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t at = (size_t)(hash >> 32) & (capacity - 1);; at = (at + 1) & (capacity - 1)) {
		if (kinds[at].type == NULL || kinds[at].type == type)
			return &kinds[at];
	}
}

static int kinds_make_room(struct run *run)
{
	if (run->kind_capacity != 0 && (run->kind_count + 1) * 2 <= run->kind_capacity)
		return 0;

	const size_t capacity = run->kind_capacity == 0 ? KINDS_MIN : run->kind_capacity * 2;
	struct kind *const kinds = mr_alloc(capacity * sizeof(*kinds));
	if (kinds == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < run->kind_capacity; i++) {
		if (run->kinds[i].type != NULL)
			*kind_at(kinds, capacity, run->kinds[i].type) = run->kinds[i];
	}
	mr_free(run->kinds);
	run->kinds = kinds;
	run->kind_capacity = capacity;
	return 0;
}

/* What stands before " object at 0x...>" in what object.__repr__() says of OBJECT, as a text; 0
 * without an error: that does not end so, or is to be clipped. */
static uint32_t default_label(struct mr_store *store, PyObject *object)
{
	PyObject *const whole = PyBaseObject_Type.tp_repr(object);
	PyObject *const end = whole == NULL ? NULL : PyUnicode_FromFormat(" object at %p>", object);
	uint32_t label = 0;

	if (end != NULL && PyUnicode_GET_LENGTH(whole) <= LABEL_CHARS &&
	    PyUnicode_Tailmatch(whole, end, 0, PY_SSIZE_T_MAX, 1) == 1) {
		PyObject *const part = PyUnicode_Substring(
			whole, 0, PyUnicode_GET_LENGTH(whole) - PyUnicode_GET_LENGTH(end));

		if (part != NULL)
			label = mr_store_add_string(store, part);
		Py_XDECREF(part);
	}
	Py_XDECREF(whole);
	Py_XDECREF(end);
	return label;
}

static int learn_kind(struct run *run, PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	if (kinds_make_room(run) < 0)
		return -1;
	struct kind *const kind = kind_at(run->kinds, run->kind_capacity, type);
	if (kind->type == NULL) {
		uint32_t label = 0;

		if (type->tp_repr == PyBaseObject_Type.tp_repr) {
			label = default_label(run->store, object);
			if (label == 0 && PyErr_Occurred())
				return -1;
		}
		Py_INCREF(type);
		*kind = (struct kind){ .type = type, .label = label };
		run->kind_count++;
	}
	run->last = *kind;
	return 0;
}

static int show(struct run *run, struct mr_tracked_row *row, PyObject *object)
{
	if (run->last.type != Py_TYPE(object) && learn_kind(run, object) < 0)
		return -1;
	const uint32_t before = row->label;
	const bool was_default = (row->flags & MR_TRACKED_LABEL_DEFAULT) != 0;
	if (MR_LIKELY(run->last.label != 0)) {
		row->label = run->last.label;
		row->flags |= MR_TRACKED_LABEL_DEFAULT;
	} else {
		PyObject *const text = mr_object_show(object, LABEL_CHARS);
		const uint32_t label = text == NULL ? 0 : mr_store_add_label(run->store, text);
		Py_XDECREF(text);
		if (label == 0)
			return -1;
		row->label = label;
		row->flags &= (uint8_t)~MR_TRACKED_LABEL_DEFAULT;
	}
	if (before != 0 && !was_default)
		mr_store_drop_label(run->store, before);
	return 0;
}

/* ---- States ---------------------------------------------------------------------------- */

/* The referents that were found, as a tree of the store; *ID stays 0 where there are none. */
static int keep_tree(struct run *run, uint32_t *id)
{
	struct mr_store *const store = run->store;
	uint32_t first = 0;

	for (size_t i = 0; i < run->tree.count; i++) {
		const struct mr_sized_node *const from = &run->tree.nodes[i];
		const uint32_t name = mr_store_add_string(store, from->name);
		const uint32_t node = name == 0 ? 0 : mr_chunks_add(&store->nodes);

		if (node == 0)
			return -1;
		*mr_store_node(store, node) = (struct mr_tracked_node){
			.size_bytes = from->size_bytes,
			.flat_bytes = from->flat_bytes,
			.name = name,
			.level = from->level,
		};
		if (first == 0)
			first = node;
	}
	if (first == 0)
		return 0;
	*id = mr_chunks_add(&store->trees);
	if (*id == 0)
		return -1;
	*mr_store_tree(store, *id) =
		(struct mr_tracked_tree){ .node_first = first, .node_count = (uint32_t)run->tree.count };
	return 0;
}

static bool same_trees(const struct mr_store *store, uint32_t left, uint32_t right)
{
	if (left == 0 || right == 0)
		return left == right;

	const struct mr_tracked_tree *const a = mr_store_tree(store, left);
	const struct mr_tracked_tree *const b = mr_store_tree(store, right);
	if (a->node_count != b->node_count)
		return false;
	for (uint32_t i = 0; i < a->node_count; i++) {
		const struct mr_tracked_node *const x = mr_store_node(store, a->node_first + i);
		const struct mr_tracked_node *const y = mr_store_node(store, b->node_first + i);

		if (x->size_bytes != y->size_bytes || x->flat_bytes != y->flat_bytes || x->name != y->name ||
		    x->level != y->level)
			return false;
	}
	return true;
}

static int keep_state(struct run *run, struct mr_tracked_row *row, uint64_t size_bytes, uint64_t flat_bytes)
{
	struct mr_store *const store = run->store;
	const uint32_t flat = flat_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)flat_bytes;
	const uint32_t trees = store->trees.count, nodes = store->nodes.count;
	uint32_t tree = 0;

	if (run->tree.count > 0 && keep_tree(run, &tree) < 0)
		return -1;
	if (row->state != 0) {
		const struct mr_tracked_state *const before = mr_store_state(store, row->state);

		if (before->size_bytes == size_bytes && before->flat_bytes == flat &&
		    same_trees(store, before->tree, tree)) {
			mr_chunks_cut(&store->trees, trees);
			mr_chunks_cut(&store->nodes, nodes);
			return 0;
		}
	}

	const uint32_t id = mr_chunks_add(&store->states);
	if (id == 0)
		return -1;
	*mr_store_state(store, id) = (struct mr_tracked_state){
		.size_bytes = size_bytes,
		.flat_bytes = flat,
		.previous = row->state,
		.snapshot = run->snapshot,
		.tree = tree,
	};
	row->state = id;
	return 0;
}

static int size_one(struct run *run, struct mr_tracked_row *row, PyObject *object)
{
	uint64_t size_bytes, flat_bytes;
	int status;

	mr_sized_tree_clear(&run->tree);
	if (row->level == 0)
		status = mr_object_sizer_size(run->sizer, object, &size_bytes, &flat_bytes);
	else
		status = mr_object_sizer_tree(run->sizer, object, row->level, &size_bytes, &flat_bytes,
		                              &run->tree);
	if (status < 0 || keep_state(run, row, size_bytes, flat_bytes) < 0)
		return -1;
	run->count++;
	return show(run, row, object);
}

/* ---- Going through the rows ------------------------------------------------------------- */

static inline void look_ahead(const struct run *run, uint32_t row, uint32_t end)
{
	if (row + AHEAD_REF < end)
		__builtin_prefetch(mr_store_row(run->store, row + AHEAD_REF)->ref);
#if PY_VERSION_HEX < 0x030D0000
	if (row + AHEAD_OBJECT < end) {
		PyObject *const ref = mr_store_row(run->store, row + AHEAD_OBJECT)->ref;

		if (ref != NULL && PyWeakref_GET_OBJECT(ref) != Py_None)
			mr_object_sizer_prefetch(run->sizer, PyWeakref_GET_OBJECT(ref));
	}
#endif
}

static int look_up(uint32_t row)
{
	return row % SIGNALS_EVERY == 0 ? PyErr_CheckSignals() : 0;
}

/* What is tracked is not counted as a part of what leads to it. */
static int exclude_all(struct run *run, uint32_t end)
{
	for (uint32_t i = 1; i < end; i++) {
		if (i + AHEAD_REF < end)
			__builtin_prefetch(mr_store_row(run->store, i + AHEAD_REF)->ref);
		PyObject *const ref = mr_store_row(run->store, i)->ref;
		PyObject *const object = ref == NULL ? NULL : mr_ref_object(ref);
		if (object != NULL) {
			const int status = mr_object_sizer_exclude(run->sizer, object);

			Py_DECREF(object);
			if (status < 0)
				return -1;
		}
		if (look_up(i) < 0)
			return -1;
	}
	return 0;
}

static int size_all(struct run *run, uint32_t end)
{
	struct mr_store *const store = run->store;

	for (uint32_t i = 1; i < end; i++) {
		struct mr_tracked_row *const row = mr_store_row(store, i);

		look_ahead(run, i, end);
		PyObject *const object = row->ref == NULL ? NULL : mr_ref_object(row->ref);
		store->sizing_row = i + 1; /* it is held: it will be in the snapshot */
		if (object != NULL) {
			const int status = size_one(run, row, object);

			Py_DECREF(object);
			if (status < 0)
				return -1;
		}
		if (look_up(i) < 0)
			return -1;
	}
	return 0;
}

void mr_snapshot_give_up(struct mr_store *store)
{
	if (store->sizing_end == 0)
		return;
	for (uint32_t i = 1; i < store->sizing_end; i++) {
		struct mr_tracked_row *const row = mr_store_row(store, i);

		if (row->state >= store->sizing_first.state)
			row->state = mr_store_state(store, row->state)->previous;
	}
	mr_chunks_cut(&store->states, store->sizing_first.state);
	mr_chunks_cut(&store->trees, store->sizing_first.tree);
	mr_chunks_cut(&store->nodes, store->sizing_first.node);
	store->sizing_end = store->sizing_row = 0;
}

/* ---- The snapshot --------------------------------------------------------------------------- */

_Static_assert(MR_PROC_UNKNOWN == UINT64_MAX, "what is unknown is so in the store as well");

static void process_facts(struct mr_tracked_snapshot *snapshot)
{
	struct mr_proc_memory memory;
	struct mr_proc_stat stat;

	mr_proc_memory_clear(&memory);
	(void)mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_STATUS, &memory); /* what fails stays unknown */
	snapshot->rss_bytes = memory.rss;
	snapshot->vsz_bytes = memory.vsz;
	snapshot->data_bytes = memory.data;
	snapshot->stack_bytes = memory.stack;
	snapshot->code_bytes = memory.code;
	snapshot->shared_bytes = MR_PROC_UNKNOWN;
	snapshot->faults_major = mr_proc_stat_read(0, &stat) == 0 ? stat.faults_major : MR_PROC_UNKNOWN;
}

/* The number that TOTAL() gives.  What the tracker takes is not in it: neither the store nor its
 * references are among what the collector knows.  -1 with a Python error. */
static int ask_total(PyObject *total, uint64_t *bytes)
{
	PyObject *const number = PyObject_CallNoArgs(total);
	const unsigned long long value = number == NULL ? 0 : PyLong_AsUnsignedLongLong(number);

	Py_XDECREF(number);
	if (PyErr_Occurred())
		return -1;
	*bytes = value;
	return 0;
}

static int measure(struct run *run, PyObject *total, struct mr_tracked_snapshot *facts)
{
	struct mr_store *const store = run->store;
	struct mr_object_sizer_options options;

	mr_object_sizer_defaults(&options);
	run->sizer = mr_object_sizer_new(store->module, &options);
	if (run->sizer == NULL || exclude_all(run, store->sizing_end) < 0 ||
	    size_all(run, store->sizing_end) < 0)
		return -1;
	facts->tracked_bytes = mr_object_sizer_total(run->sizer);
	facts->count = run->count;
	/* Before more is looked at, the memory of what was visited goes back. */
	mr_object_sizer_free(run->sizer);
	run->sizer = NULL;
	if (total != Py_None && ask_total(total, &facts->total_bytes) < 0)
		return -1;
	return 0;
}

/* Adds the snapshot to STORE, as it is in FACTS; its number, or 0 with a Python error. */
static uint32_t add_snapshot(struct mr_store *store, const struct mr_tracked_snapshot *facts,
                             PyObject *description)
{
	const uint32_t text = mr_store_add_string(store, description);
	const uint32_t id = text == 0 ? 0 : mr_chunks_add(&store->snapshots);

	if (id == 0)
		return 0;
	struct mr_tracked_snapshot *const snapshot = mr_store_snapshot(store, id);
	*snapshot = *facts;
	snapshot->description = text;
	store->revision++;
	if (store->feed != NULL)
		mr_feed_snapshot(store->feed, id);
	return id;
}

static void run_release(struct run *run)
{
	for (size_t i = 0; i < run->kind_capacity; i++)
		Py_XDECREF(run->kinds[i].type);
	mr_free(run->kinds);
	mr_sized_tree_release(&run->tree);
	mr_object_sizer_free(run->sizer);
}

static PyObject *told(uint32_t number, const struct mr_tracked_snapshot *facts)
{
	return Py_BuildValue("IdKKKKK", (unsigned)number, mr_store_seconds(facts->time_ns),
	                     (unsigned long long)facts->tracked_bytes, (unsigned long long)facts->total_bytes,
	                     (unsigned long long)facts->overhead_bytes,
	                     (unsigned long long)(facts->rss_bytes == UINT64_MAX ? 0 : facts->rss_bytes),
	                     (unsigned long long)(facts->vsz_bytes == UINT64_MAX ? 0 : facts->vsz_bytes));
}

static void begin(struct run *run, struct mr_store *store)
{
	/* Later than every birth and death that it knows of. */
	const uint64_t now_ns = mr_store_now(store);
	store->last_ns = now_ns > store->last_ns ? now_ns : store->last_ns + 1;

	store->sizing_ns = store->last_ns;
	store->sizing_row = 1;
	store->sizing_end = store->rows.count > 1 ? store->rows.count : 1;
	run->snapshot = store->snapshots.count > 1 ? store->snapshots.count : 1;
	store->sizing_first.state = store->states.count > 1 ? store->states.count : 1;
	store->sizing_first.tree = store->trees.count > 1 ? store->trees.count : 1;
	store->sizing_first.node = store->nodes.count > 1 ? store->nodes.count : 1;
}

PyObject *mr_tracker_take_snapshot(struct mr_tracker *tracker, PyObject *args)
{
	PyObject *description, *total = Py_None, *result = NULL;
	int periodic = 0;

	if (!PyArg_ParseTuple(args, "U|Op:_take_snapshot", &description, &total, &periodic))
		return NULL;
	struct mr_store *const store = tracker->store;
	struct run run = { .store = store };
	if (store->sizing_end != 0) {
		PyErr_SetString(
			PyExc_RuntimeError,
			"a snapshot cannot be taken while one is being taken (by a __repr__ or __sizeof__)");
		return NULL;
	}
	mr_store_hold(store);
	begin(&run, store);

	struct mr_tracked_snapshot facts = { .time_ns = store->sizing_ns, .periodic = periodic != 0 };
	process_facts(&facts);
	int status = measure(&run, total, &facts);
	const bool replaced = tracker->store != store; /* detached from all meanwhile */
	if (status == 0) {
		facts.duration_ns = mr_store_now(store) - facts.time_ns;
		facts.overhead_bytes = facts.tracked_bytes == 0 ? 0 : mr_store_memory(store);
		facts.state_first = store->sizing_first.state;
		facts.state_end = store->states.count > 1 ? store->states.count : 1;
		uint32_t number = add_snapshot(store, &facts, description);
		if (number != 0 && replaced) {
			facts.state_first = facts.state_end = 1;
			number = add_snapshot(tracker->store, &facts, description);
		}
		if (number == 0)
			status = -1;
		else
			result = told(number, &facts);
	}
	if (status < 0)
		mr_snapshot_give_up(store);
	store->sizing_end = store->sizing_row = 0;
	run_release(&run);
	mr_store_release(store);
	return result;
}
