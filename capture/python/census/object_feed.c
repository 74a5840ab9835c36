/* SPDX-License-Identifier: MIT
 *
 * Opening and closing of a census's stream, and its objects: classes, stacks,
 * births, deaths and sizes.  See object_feed.h.
 *
 * All of it goes into the capture's rings as blocks, in the order in which it is
 * told; libmemcapture's thread or memrecord takes them from there without the GIL.
 */
#include "object_feed_private.h"

#include "module_capture.h"

/* ---- Opening, ending --------------------------------------------------------------------- */

static void feed_free(struct mr_object_feed *feed)
{
	mr_feed_account_free(feed->account);
	mr_store_release(feed->store);
	mr_free(feed);
}

int mr_object_feed_open(struct mr_object_feed **feed, PyObject *module, const char *path)
{
	const uint64_t zero_ns = mr_capture_state(module)->zero_ns;
	struct mr_object_feed *const created = mr_alloc(sizeof(*created));

	*feed = NULL;
	if (created == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	const int status =
		mr_feed_capture_open(&created->capture, MR_SOURCE_CENSUS, zero_ns, path, created->path);
	if (status < 0 || created->capture == NULL) {
		mr_free(created);
		return status;
	}
	created->store = mr_store_new(module, zero_ns);
	created->account = created->store != NULL ? mr_feed_account_new(created->store) : NULL;
	if (created->account == NULL) {
		memcapture_close(created->capture, NULL);
		feed_free(created);
		PyErr_NoMemory();
		return -1;
	}
	created->account->sink.capture = created->capture;
	*feed = created;
	return 0;
}

int mr_object_feed_close(struct mr_object_feed *feed)
{
	if (feed == NULL)
		return 0;
	if (mr_object_feed_alive(feed))
		mr_object_feed_counters(feed);
	const int status = mr_feed_capture_close(feed->capture, &feed->account->sink.failure, feed->path);
	feed_free(feed);
	return status;
}

uint64_t mr_object_feed_now(const struct mr_object_feed *feed)
{
	return feed != NULL ? mr_feed_capture_now(feed->capture) : 0;
}

void mr_object_feed_mark(struct mr_object_feed *feed, const char *text, size_t len)
{
	if (mr_object_feed_alive(feed))
		mr_feed_capture_mark(feed->capture, text, len, &feed->account->sink.failure);
}

/* ---- Names, classes, stacks ---------------------------------------------------------------- */

uint32_t mr_object_feed_text(struct mr_object_feed *feed, const char *text)
{
	return text != NULL ? mr_names_string(feed->capture, text, mr_feed_text_cut(text, strlen(text))) : 0;
}

uint32_t mr_object_feed_passing(struct mr_object_feed *feed, const char *text)
{
	return text != NULL ? mr_names_passing(feed->capture, text, mr_feed_text_cut(text, strlen(text))) : 0;
}

void mr_object_feed_class(struct mr_object_feed *feed, uint32_t class_id, const char *name, size_t len)
{
	if (!mr_object_feed_alive(feed))
		return;

	const uint32_t text = mr_names_string(feed->capture, name, mr_feed_text_cut(name, len));
	struct mr_block_writer *const block = mr_feed_sink_begin(&feed->account->sink, MR_KIND_CLASSES, 1);
	mr_block_scalar(block, MR_CLASSES_ID, class_id);
	mr_block_scalar(block, MR_CLASSES_NAME, text);
	mr_feed_sink_end(&feed->account->sink, NULL);
}

/* An attribute of a frame, or the item of a pair; a new reference, NULL with a Python error. */
static PyObject *frame_part(PyObject *frame, Py_ssize_t index, const char *name)
{
	if (!PyTuple_Check(frame))
		return PyObject_GetAttrString(frame, name);
	if (PyTuple_GET_SIZE(frame) <= index) {
		PyErr_SetString(PyExc_ValueError, "a frame of a trace is a pair");
		return NULL;
	}
	return Py_NewRef(PyTuple_GET_ITEM(frame, index));
}

/* The stack that goes on from PARENT to FRAME; 0 with a Python error. */
static uint32_t stack_below(struct mr_store *store, uint32_t parent, PyObject *frame)
{
	PyObject *const file = frame_part(frame, 0, "filename");
	PyObject *const number = file != NULL ? frame_part(frame, 1, "lineno") : NULL;
	uint32_t stack = 0;

	if (number != NULL && PyUnicode_Check(file)) {
		int overflow = 0;
		const long line = PyLong_AsLongAndOverflow(number, &overflow);
		const uint32_t text = PyErr_Occurred() ? 0 : mr_store_add_string(store, file);
		const uint32_t known = overflow == 0 && line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
		const uint32_t code = text != 0 ? mr_store_add_code(store, text, 0, known) : 0;

		stack = code != 0 ? mr_store_add_stack(store, parent, code) : 0;
	}
	Py_XDECREF(number);
	Py_XDECREF(file);
	return stack;
}

/* The I-th item of a list or tuple, which may become shorter meanwhile; a new reference or NULL. */
static PyObject *item_of(PyObject *trace, Py_ssize_t i)
{
	if (PyTuple_Check(trace))
		return Py_NewRef(PyTuple_GET_ITEM(trace, i));
	return i < PyList_GET_SIZE(trace) ? Py_NewRef(PyList_GET_ITEM(trace, i)) : NULL;
}

uint32_t mr_object_feed_stack(struct mr_object_feed *feed, PyObject *trace)
{
	PyObject *type, *value, *traceback;
	uint32_t stack = 0;

	if (!mr_object_feed_alive(feed) || !(PyTuple_Check(trace) || PyList_Check(trace)))
		return 0;
	PyErr_Fetch(&type, &value, &traceback);
	const Py_ssize_t depth = PySequence_Fast_GET_SIZE(trace);
	/* Of a stack that is deeper than the log takes, the outermost are left out. */
	for (Py_ssize_t i = depth > MR_LOG_STACK_DEPTH_MAX ? depth - MR_LOG_STACK_DEPTH_MAX : 0; i < depth;
	     i++) {
		PyObject *const frame = item_of(trace, i);

		stack = frame != NULL ? stack_below(feed->store, stack, frame) : 0;
		Py_XDECREF(frame);
		if (stack == 0)
			break;
	}
	PyErr_Clear(); /* where an object was made is never worth an error */
	PyErr_Restore(type, value, traceback);
	mr_feed_account_definitions(feed->account);
	return stack;
}

/* ---- Objects ---------------------------------------------------------------------------------- */

void mr_object_feed_births(struct mr_object_feed *feed, uint64_t time_ns, const struct mr_fed_birth *rows,
                           size_t count)
{
	const struct mr_log_span span = { .time_first = time_ns, .time_last = time_ns };

	if (!mr_object_feed_alive(feed))
		return;
	for (uint32_t n; count > 0; rows += n, count -= n) {
		n = mr_object_feed_up_to(count, MR_FEED_ROWS);
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&feed->account->sink, MR_KIND_BIRTHS, n);

		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_OBJECT, n, rows[i].object);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_TIME, n, time_ns);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_CLASS, n, rows[i].class_id);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_STACK, n, rows[i].stack);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_ADDRESS, n, rows[i].address);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_BIRTHS_SIZE, n, rows[i].bytes + 1);
		mr_feed_sink_end(&feed->account->sink, &span);
	}
}

void mr_object_feed_deaths(struct mr_object_feed *feed, uint64_t time_ns, const uint64_t *objects,
                           size_t count)
{
	const struct mr_log_span span = { .time_first = time_ns, .time_last = time_ns };

	if (!mr_object_feed_alive(feed))
		return;
	for (uint32_t n; count > 0; objects += n, count -= n) {
		n = mr_object_feed_up_to(count, MR_FEED_ROWS);
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&feed->account->sink, MR_KIND_DEATHS, n);

		mr_block_column(block, MR_DEATHS_OBJECT, objects);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_DEATHS_TIME, n, time_ns);
		mr_feed_sink_end(&feed->account->sink, &span);
	}
}

void mr_object_feed_sizes(struct mr_object_feed *feed, uint32_t snapshot, const struct mr_fed_size *rows,
                          size_t count)
{
	const struct mr_log_span span = { .snapshot_first = snapshot, .snapshot_last = snapshot };

	if (!mr_object_feed_alive(feed))
		return;
	for (uint32_t n; count > 0; rows += n, count -= n) {
		n = mr_object_feed_up_to(count, MR_FEED_ROWS);
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&feed->account->sink, MR_KIND_SIZES, n);

		MR_OBJECT_FEED_COLUMN(feed, block, MR_SIZES_SNAPSHOT, n, snapshot);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_SIZES_OBJECT, n, rows[i].object);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_SIZES_SIZE, n, rows[i].bytes);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_SIZES_FLAT, n, rows[i].bytes);
		mr_feed_sink_end(&feed->account->sink, &span);
	}
}
