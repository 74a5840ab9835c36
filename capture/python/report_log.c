/* SPDX-License-Identifier: MIT
 *
 * The type Log: an open log with its objects by class, and the rows of its
 * tables as tuples.
 */
#include "report_private.h"

#include <structmember.h>

#define LIFE_COLUMNS "object,class,name,birth,death,state,address,level"
#define MEMO_SIZE 256u

/* ---- The lock -------------------------------------------------------------------- */

void mr_report_lock(struct mr_report_log *log)
{
	if (PyThread_acquire_lock(log->lock, NOWAIT_LOCK))
		return;
	Py_BEGIN_ALLOW_THREADS
	PyThread_acquire_lock(log->lock, WAIT_LOCK);
	Py_END_ALLOW_THREADS
}

void mr_report_unlock(struct mr_report_log *log)
{
	PyThread_release_lock(log->lock);
}

int mr_report_enter(struct mr_report_log *log)
{
	mr_report_lock(log);
	return PyGC_Disable();
}

void mr_report_leave(struct mr_report_log *log, int collecting)
{
	if (collecting)
		(void)PyGC_Enable();
	mr_report_unlock(log);
}

/* ---- Tables ------------------------------------------------------------------------ */

int mr_report_table(struct mr_report_log *log, const char *name, const char *columns, const char *where,
                    struct memstats_table **table, struct memstats_error *error)
{
	struct memstats_query *const query = memstats_query_new();
	int code = 0;

	if (!query) {
		*error = (struct memstats_error){ MEMSTATS_ERR_NOMEM, "no memory for a table" };
		return MEMSTATS_ERR_NOMEM;
	}
	code = memstats_query_add(query, MEMSTATS_UNSORTED, NULL, error);
	if (code == 0)
		code = memstats_query_add(query, MEMSTATS_COLUMNS, columns, error);
	if (code == 0 && where)
		code = memstats_query_add(query, MEMSTATS_WHERE, where, error);
	if (code == 0)
		code = memstats_table_new(log->log, name, query, table, error);
	memstats_query_free(query);
	return code;
}

int mr_report_sizes(struct mr_report_log *log, enum mr_report_size column, struct memstats_error *error)
{
	static const char *const names[MR_SIZE_COUNT] = { "repr", "size", "tsize" };
	struct memstats_table **const sizes = &log->sizes[column];

	return *sizes ? 0 : mr_report_table(log, "objects", names[column], NULL, sizes, error);
}

/* ---- Objects by class ---------------------------------------------------------------- */

/* Classes by name.  A name of a class is one text of the log, nearly always. */
struct grouping {
	struct mr_report_log *log;
	size_t class_capacity;
	uint32_t *slots; /* by hash of the name: index of the class + 1 */
	size_t slot_count;
	struct {
		const char *text;
		uint32_t class_index;
	} memo[MEMO_SIZE];
};

static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static uint32_t *slot_of(const struct grouping *grouping, const char *text)
{
	size_t slot = hash_of(text) & (grouping->slot_count - 1);

	while (grouping->slots[slot] != 0 &&
	       strcmp(grouping->log->classes[grouping->slots[slot] - 1].text, text) != 0)
		slot = (slot + 1) & (grouping->slot_count - 1);
	return &grouping->slots[slot];
}

static int widen(struct grouping *grouping)
{
	const size_t slot_count = grouping->slot_count == 0 ? 64 : 2 * grouping->slot_count;
	uint32_t *const slots = mr_alloc(slot_count * sizeof(*slots));

	if (!slots)
		return MR_ERR_NOMEM;
	mr_free(grouping->slots);
	grouping->slots = slots;
	grouping->slot_count = slot_count;
	for (size_t i = 0; i < grouping->log->class_count; i++)
		*slot_of(grouping, grouping->log->classes[i].text) = (uint32_t)(i + 1);
	return 0;
}

static int class_of(struct grouping *grouping, const char *text, uint32_t *class_index)
{
	struct mr_report_log *const log = grouping->log;
	const size_t memo = ((uintptr_t)text >> 3) % MEMO_SIZE;

	if (grouping->memo[memo].text == text) {
		*class_index = grouping->memo[memo].class_index;
		return 0;
	}
	if (2 * (log->class_count + 1) > grouping->slot_count)
		MR_TRY(widen(grouping));
	uint32_t *const slot = slot_of(grouping, text);

	if (*slot == 0) {
		MR_TRY(mr_grow(&log->classes, &grouping->class_capacity, log->class_count + 1,
		               sizeof(*log->classes)));
		log->classes[log->class_count] = (struct mr_report_class){ .text = text };
		*slot = (uint32_t)++log->class_count;
	}
	*class_index = *slot - 1;
	grouping->memo[memo].text = text;
	grouping->memo[memo].class_index = *class_index;
	return 0;
}

/* Fills ORDER and the classes.  OF_ROWS: room for an index a row. */
static int group_rows(struct mr_report_log *log, struct grouping *grouping, uint32_t *of_rows, size_t count)
{
	size_t first = 0;

	for (size_t row = 0; row < count; row++) {
		MR_TRY(class_of(grouping, memstats_table_text(log->lives, row, MR_LIFE_CLASS),
		                &of_rows[row]));
		log->classes[of_rows[row]].count++;
	}
	for (size_t i = 0; i < log->class_count; i++) {
		log->classes[i].first = first;
		first += log->classes[i].count;
		log->classes[i].count = 0;
	}
	for (size_t row = 0; row < count; row++) {
		struct mr_report_class *const class = &log->classes[of_rows[row]];

		log->order[class->first + class->count++] = (uint32_t)row;
	}
	return 0;
}

static int find_objects(struct mr_report_log *log, struct memstats_error *error)
{
	const int code = mr_report_table(log, "objects", LIFE_COLUMNS, NULL, &log->lives, error);

	if (code < 0)
		return code;
	const size_t count = memstats_table_row_count(log->lives);
	struct grouping grouping = { .log = log };
	uint32_t *const of_rows = mr_realloc(NULL, (count + 1) * sizeof(*of_rows));
	int status = MR_ERR_NOMEM;

	log->order = mr_realloc(NULL, (count + 1) * sizeof(*log->order));
	if (of_rows && log->order)
		status = group_rows(log, &grouping, of_rows, count);
	mr_free(of_rows);
	mr_free(grouping.slots);
	if (status < 0)
		*error = (struct memstats_error){ MEMSTATS_ERR_NOMEM, "no memory for the objects of a log" };
	return status;
}

/* ---- Opening -------------------------------------------------------------------------- */

/* The path as bytes that open(2) takes (owned), or NULL with an error. */
static PyObject *path_of(PyObject *source)
{
	PyObject *path = NULL;

	return PyUnicode_FSConverter(source, &path) ? path : NULL;
}

static int open_path(struct mr_report_log *log, PyObject *source, struct memstats_error *error)
{
	PyObject *const path = path_of(source);
	/* "-" is standard input to the library; here it is a file of that name. */
	const char *word = path ? PyBytes_AS_STRING(path) : NULL;
	int code = 0;

	if (!path)
		return 1;
	if (strcmp(word, "-") == 0)
		word = "./-";
	Py_BEGIN_ALLOW_THREADS
	code = memstats_log_open(&word, 1, &log->log, error);
	if (code == 0)
		code = find_objects(log, error);
	Py_END_ALLOW_THREADS
	Py_DECREF(path);
	return code;
}

static int open_bytes(struct mr_report_log *log, PyObject *bytes, const char *name,
                      struct memstats_error *error)
{
	const char *const data = PyBytes_AS_STRING(bytes);
	const size_t size_bytes = (size_t)PyBytes_GET_SIZE(bytes);
	int code = 0;

	log->bytes = Py_NewRef(bytes);
	Py_BEGIN_ALLOW_THREADS
	code = memstats_log_open_memory(data, size_bytes, name, &log->log, error);
	if (code == 0)
		code = find_objects(log, error);
	Py_END_ALLOW_THREADS
	return code;
}

static PyObject *log_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	struct memstats_error error = { 0, "" };
	PyObject *source = NULL;
	const char *name = "the file";
	int code = 0;

	if (keywords && PyDict_GET_SIZE(keywords) > 0) {
		PyErr_SetString(PyExc_TypeError, "Log() takes no keyword arguments");
		return NULL;
	}
	if (!PyArg_ParseTuple(args, "O|s:Log", &source, &name))
		return NULL;
	struct mr_report_log *const log = (struct mr_report_log *)type->tp_alloc(type, 0);

	if (!log)
		return NULL;
	log->lock = PyThread_allocate_lock();
	if (!log->lock) {
		Py_DECREF(log);
		return PyErr_NoMemory();
	}
	code = PyBytes_Check(source) ? open_bytes(log, source, name, &error) : open_path(log, source, &error);
	if (code != 0) {
		if (code < 0)
			(void)mr_report_raise(&error);
		Py_DECREF(log);
		return NULL;
	}
	return (PyObject *)log;
}

static void log_dealloc(PyObject *self)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	PyTypeObject *const type = Py_TYPE(self);

	memstats_table_free(log->lives);
	for (size_t i = 0; i < MR_SIZE_COUNT; i++)
		memstats_table_free(log->sizes[i]);
	memstats_log_close(log->log);
	for (size_t i = 0; i < log->class_count; i++)
		Py_XDECREF(log->classes[i].name);
	mr_free(log->classes);
	mr_free(log->order);
	if (log->lock)
		PyThread_free_lock(log->lock);
	Py_XDECREF(log->bytes);
	type->tp_free(self);
	Py_DECREF(type);
}

/* ---- What Python sees -------------------------------------------------------------------- */

/* The name of the class of INDEX, borrowed; NULL with an error. */
static PyObject *class_name(struct mr_report_log *log, size_t index)
{
	struct mr_report_class *const class = &log->classes[index];

	if (!class->name) {
		PyObject *const name = mr_report_text(class->text);

		if (name && !class->name)
			class->name = name;
		else
			Py_XDECREF(name);
	}
	return class->name;
}

PyDoc_STRVAR(index_doc,
             "index(make=None)\n--\n\n"
             "A dict of a list of objects for each class; MAKE gives the object of a number in the\n"
             "log in place of a view.");

static PyObject *log_index(PyObject *self, PyObject *args)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	PyObject *make = Py_None;

	if (!PyArg_ParseTuple(args, "|O:index", &make))
		return NULL;
	PyObject *const index = PyDict_New();

	for (size_t i = 0; index && i < log->class_count; i++) {
		const struct mr_report_class *const class = &log->classes[i];
		PyObject *const name = class_name(log, i);
		PyObject *const list = name ? mr_report_list_new(log, log->order + class->first, class->count,
		                                                 make == Py_None ? NULL : make)
		                            : NULL;
		const int added = list ? PyDict_SetItem(index, name, list) : -1;

		Py_XDECREF(list);
		if (added < 0) {
			Py_DECREF(index);
			return NULL;
		}
	}
	return index;
}

PyDoc_STRVAR(objects_doc, "objects(make=None)\n--\n\nA list of all objects, those of a class together.");

static PyObject *log_objects(PyObject *self, PyObject *args)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	PyObject *make = Py_None;

	if (!PyArg_ParseTuple(args, "|O:objects", &make))
		return NULL;
	return mr_report_list_new(log, log->order, memstats_table_row_count(log->lives),
	                          make == Py_None ? NULL : make);
}

static PyObject *cell_value(const struct memstats_table *table, size_t row, size_t column)
{
	if (memstats_table_is_null(table, row, column))
		Py_RETURN_NONE;
	switch (memstats_table_column(table, column)->type) {
	case MEMSTATS_TEXT:
		return mr_report_text(memstats_table_text(table, row, column));
	case MEMSTATS_PERCENT:
		return PyFloat_FromDouble(memstats_table_real(table, row, column));
	case MEMSTATS_COUNT_CHANGE:
	case MEMSTATS_BYTES_CHANGE:
		return PyLong_FromLongLong(memstats_table_change(table, row, column));
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		return mr_report_seconds(memstats_table_number(table, row, column));
	case MEMSTATS_COUNT:
	case MEMSTATS_BYTES:
	case MEMSTATS_ADDRESS:
	case MEMSTATS_ID:
		break;
	}
	return PyLong_FromUnsignedLongLong(memstats_table_number(table, row, column));
}

static PyObject *table_rows(const struct memstats_table *table)
{
	const size_t columns = memstats_table_column_count(table);
	PyObject *rows = PyList_New(0);

	for (size_t row = 0; rows && row < memstats_table_row_count(table); row++) {
		PyObject *values = PyTuple_New((Py_ssize_t)columns);

		for (size_t i = 0; values && i < columns; i++) {
			PyObject *const value = cell_value(table, row, i);

			if (value)
				PyTuple_SET_ITEM(values, (Py_ssize_t)i, value);
			else
				Py_CLEAR(values);
		}
		if (!values || PyList_Append(rows, values) < 0)
			Py_CLEAR(rows);
		Py_XDECREF(values);
	}
	return rows;
}

PyDoc_STRVAR(rows_doc, "rows(table, columns, where=None)\n--\n\n"
                       "Those columns (\"class,size\") of a table as a list of tuples; times in seconds.");

static PyObject *log_rows(PyObject *self, PyObject *args)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	struct memstats_error error = { 0, "" };
	struct memstats_table *table = NULL;
	const char *name = NULL;
	const char *columns = NULL;
	const char *where = NULL;
	int code = 0;

	if (!PyArg_ParseTuple(args, "ss|z:rows", &name, &columns, &where))
		return NULL;
	mr_report_lock(log);
	Py_BEGIN_ALLOW_THREADS
	code = mr_report_table(log, name, columns, where, &table, &error);
	Py_END_ALLOW_THREADS
	mr_report_unlock(log);
	if (code < 0) {
		(void)mr_report_raise(&error);
		return NULL;
	}
	const int collecting = mr_report_enter(log);
	PyObject *const rows = table_rows(table);

	memstats_table_free(table);
	mr_report_leave(log, collecting);
	return rows;
}

static PyObject *log_warnings(PyObject *self, void *closure MR_UNUSED)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	const int collecting = mr_report_enter(log);
	PyObject *warnings = PyList_New(0);
	const char *sentence = NULL;

	for (size_t i = 0; warnings && (sentence = memstats_log_warning(log->log, i)); i++) {
		PyObject *const text = mr_report_text(sentence);

		if (!text || PyList_Append(warnings, text) < 0)
			Py_CLEAR(warnings);
		Py_XDECREF(text);
	}
	mr_report_leave(log, collecting);
	return warnings;
}

static PyMethodDef log_methods[] = {
	{ "index", log_index, METH_VARARGS, index_doc },
	{ "objects", log_objects, METH_VARARGS, objects_doc },
	{ "rows", log_rows, METH_VARARGS, rows_doc },
	{ "totals", mr_report_totals, METH_NOARGS,
	  "totals()\n--\n\nA list of (active, Asized of all) for each (time in nanoseconds, class)." },
	{ "page", (PyCFunction)(void (*)(void))mr_report_write_page, METH_VARARGS | METH_KEYWORDS,
	  "page(path, title=None)\n--\n\nWrites the page to a file." },
	{ "chart", (PyCFunction)(void (*)(void))mr_report_write_chart, METH_VARARGS | METH_KEYWORDS,
	  "chart(path, snapshot=None, classname=None)\n--\n\nWrites one drawing to a file: PNG or PDF." },
	{ "copy", mr_report_copy, METH_O,
	  "copy(path)\n--\n\nWrites the log to a file: a path, or an open descriptor." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef log_attributes[] = {
	{ "warnings", log_warnings, NULL, "What is wrong with the log, a list of sentences.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

PyDoc_STRVAR(log_doc, "Log(source, name=\"the file\", /)\n--\n\n"
                      "A log, or a dump of pympler's: a file (its path), or bytes that NAME stands for.");

static PyType_Slot log_slots[] = {
	{ Py_tp_doc, (char *)log_doc }, { Py_tp_new, log_new },           { Py_tp_dealloc, log_dealloc },
	{ Py_tp_methods, log_methods }, { Py_tp_getset, log_attributes }, { 0, NULL },
};

static PyType_Spec log_spec = {
	.name = "memcapture._report.Log",
	.basicsize = sizeof(struct mr_report_log),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = log_slots,
};

int mr_report_log_add(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	state->log_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &log_spec, NULL);
	return state->log_type ? PyModule_AddType(module, state->log_type) : -1;
}
