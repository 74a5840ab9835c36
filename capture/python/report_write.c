/* SPDX-License-Identifier: MIT
 *
 * What becomes a file: the page of a log, one of its drawings, the log itself.  A
 * file appears whole or not at all, and all of the work is done without the GIL.
 */
#include "report_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What is to be written, and what went wrong. */
struct writing {
	struct mr_report_log *log;
	struct memreport_options options;
	enum memreport_format format;
	bool is_chart;
	struct memreport_drawing drawing;
	struct memreport_error error;
};

static struct mr_error *error_of(struct writing *writing)
{
	return (struct mr_error *)(void *)&writing->error;
}

_Static_assert(sizeof(struct memreport_error) == sizeof(struct mr_error), "one error under two names");

static int write_report(struct writing *writing, FILE *out)
{
	struct memreport *report = NULL;
	int code = memreport_new(writing->log->log, &writing->options, &report, &writing->error);

	if (code == 0 && writing->is_chart)
		code = memreport_draw(report, &writing->drawing, writing->format, out, &writing->error);
	else if (code == 0)
		code = memreport_write(report, writing->format, out, &writing->error);
	memreport_free(report);
	return code;
}

static int write_copy(struct writing *writing, FILE *out)
{
	return memstats_log_copy(writing->log->log, out, (struct memstats_error *)error_of(writing));
}

/* Runs WRITE on a file that takes the place of PATH when it is whole. */
static int write_file(struct writing *writing, const char *path, int (*write)(struct writing *, FILE *))
{
	struct mr_output output = { 0 };
	int code = 0;

	mr_report_lock(writing->log);
	Py_BEGIN_ALLOW_THREADS
	code = mr_output_open(&output, path, error_of(writing));
	if (code == 0)
		code = write(writing, output.stream);
	if (code == 0)
		code = mr_output_commit(&output, error_of(writing));
	mr_output_discard(&output);
	Py_END_ALLOW_THREADS
	mr_report_unlock(writing->log);
	return code < 0 ? mr_report_raise_rendering(&writing->error) : 0;
}

PyObject *mr_report_path(PyObject *path)
{
	PyObject *bytes = NULL;

	if (!PyUnicode_FSConverter(path, &bytes))
		return NULL;
	if (strcmp(PyBytes_AS_STRING(bytes), "-") == 0)
		Py_SETREF(bytes, PyBytes_FromString("./-"));
	return bytes;
}

static PyObject *write_at(struct writing *writing, PyObject *path, int (*write)(struct writing *, FILE *))
{
	PyObject *const bytes = mr_report_path(path);
	const int code = bytes ? write_file(writing, PyBytes_AS_STRING(bytes), write) : -1;

	Py_XDECREF(bytes);
	if (code < 0)
		return NULL;
	Py_RETURN_NONE;
}

int mr_report_drawing_format(PyObject *path, enum memreport_format *format)
{
	PyObject *const bytes = mr_report_path(path);
	const char *const dot = bytes ? strrchr(PyBytes_AS_STRING(bytes), '.') : NULL;
	int code = bytes ? 0 : -1;

	if (dot && strcasecmp(dot, ".pdf") == 0)
		*format = MEMREPORT_PDF;
	else if (dot && strcasecmp(dot, ".png") == 0)
		*format = MEMREPORT_PNG;
	else if (dot && strcasecmp(dot, ".svg") == 0)
		*format = MEMREPORT_SVG;
	else if (code == 0) {
		PyErr_Format(PyExc_ValueError, "a drawing is .png, .pdf or .svg, which %R is not", path);
		code = -1;
	}
	Py_XDECREF(bytes);
	return code;
}

PyObject *mr_report_write_page(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = { (char *)"path", (char *)"title", NULL };
	struct writing writing = { .log = (struct mr_report_log *)self, .format = MEMREPORT_HTML };
	PyObject *path = NULL;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|z:page", names, &path, &writing.options.title))
		return NULL;
	return write_at(&writing, path, write_report);
}

PyObject *mr_report_write_chart(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = { (char *)"path", (char *)"snapshot", (char *)"classname", NULL };
	struct writing writing = { .log = (struct mr_report_log *)self, .is_chart = true };
	PyObject *path = NULL;
	PyObject *snapshot = Py_None;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|Oz:chart", names, &path, &snapshot,
	                                 &writing.drawing.class_name) ||
	    mr_report_drawing_format(path, &writing.format) < 0)
		return NULL;
	if (writing.drawing.class_name)
		writing.drawing.chart = MEMREPORT_CHART_CLASS;
	if (snapshot != Py_None) {
		writing.drawing.chart = MEMREPORT_CHART_SNAPSHOT;
		writing.drawing.snapshot_row = PyLong_AsSize_t(snapshot);
		if (writing.drawing.snapshot_row == (size_t)-1 && PyErr_Occurred())
			return NULL;
	}
	return write_at(&writing, path, write_report);
}

/* Writes to a descriptor that stays open.  The GIL is given up. */
static int copy_to(struct writing *writing, int descriptor)
{
	const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
	FILE *const out = own < 0 ? NULL : fdopen(own, "wb");
	int code = 0;

	if (!out) {
		code = mr_fail(error_of(writing), MR_ERR_WRITE, "cannot write to descriptor %d: %s",
		               descriptor, strerror(errno));
		if (own >= 0)
			close(own);
		return code;
	}
	code = write_copy(writing, out);
	if (fclose(out) != 0 && code == 0)
		code = mr_fail(error_of(writing), MR_ERR_WRITE, "cannot write to descriptor %d: %s",
		               descriptor, strerror(errno));
	return code;
}

PyObject *mr_report_copy(PyObject *self, PyObject *path)
{
	struct writing writing = { .log = (struct mr_report_log *)self };
	int code = 0;

	if (!PyLong_Check(path))
		return write_at(&writing, path, write_copy);
	const int descriptor = PyObject_AsFileDescriptor(path);

	if (descriptor < 0)
		return NULL;
	mr_report_lock(writing.log);
	Py_BEGIN_ALLOW_THREADS
	code = copy_to(&writing, descriptor);
	Py_END_ALLOW_THREADS
	mr_report_unlock(writing.log);
	if (code < 0) {
		(void)mr_report_raise_rendering(&writing.error);
		return NULL;
	}
	Py_RETURN_NONE;
}
