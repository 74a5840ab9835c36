/* SPDX-License-Identifier: MIT
 *
 * The options of an Asizer (asizer.h): taken as the original takes them, with its
 * errors, and handed to the sizer.
 */
#include "asizer.h"

#include <math.h>

#include "asizer_account.h"

static const char *const option_names[] = { "above",  "align",  "clip",   "code",    "cutoff",
	                                    "derive", "detail", "frames", "ignored", "infer",
	                                    "limit",  "stats",  "stream" };

_Static_assert(MR_ARRAY_LEN(option_names) == MR_OPTION_COUNT, "each option has a name");

#define MASK(option) (1u << MR_OPTION_##option)

/* ---- Errors ----------------------------------------------------------------------- */

/* "name=value, name=value", sorted. */
static PyObject *options_text(PyObject *options)
{
	PyObject *const parts = PyList_New(0);
	PyObject *const comma = PyUnicode_FromString(", ");
	PyObject *text = NULL;
	PyObject *name;
	PyObject *value;
	Py_ssize_t at = 0;
	int status = parts && comma ? 0 : -1;

	while (status == 0 && PyDict_Next(options, &at, &name, &value)) {
		PyObject *const part = PyUnicode_FromFormat("%S=%R", name, value);

		status = part ? PyList_Append(parts, part) : -1;
		Py_XDECREF(part);
	}
	if (status == 0 && PyList_Sort(parts) == 0)
		text = PyUnicode_Join(comma, parts);
	Py_XDECREF(parts);
	Py_XDECREF(comma);
	return text;
}

PyObject *mr_option_error(PyObject *type, const char *where, PyObject *options)
{
	PyObject *const text = options_text(options);

	if (text)
		PyErr_Format(type, "invalid option%s: %s(%U)", PyDict_GET_SIZE(options) == 1 ? "" : "s",
		             where, text);
	Py_XDECREF(text);
	return NULL;
}

PyObject *mr_option_error_one(const char *where, const char *name, PyObject *value)
{
	PyObject *const options = Py_BuildValue("{sO}", name, value);

	if (options)
		(void)mr_option_error(PyExc_ValueError, where, options);
	Py_XDECREF(options);
	return NULL;
}

/* ---- Values ----------------------------------------------------------------------- */

int mr_option_mask(PyObject *align, const char *where, uint64_t *mask)
{
	PyObject *const one = PyLong_FromLong(1);
	const int above_one = one ? PyObject_RichCompareBool(align, one, Py_GT) : -1;
	uint64_t value;

	Py_XDECREF(one);
	if (above_one < 0)
		return -1;
	*mask = 0;
	if (!above_one)
		return 0;
	value = PyLong_Check(align) ? PyLong_AsUnsignedLongLong(align) : UINT64_MAX;
	if (value == UINT64_MAX || (value & (value - 1)) || value > (UINT64_C(1) << 40)) {
		PyErr_Clear();
		(void)mr_option_error_one(where, "align", align);
		return -1;
	}
	*mask = value - 1;
	return 0;
}

/* A limit may be any number: levels below it are walked. */
static int take_limit(PyObject *value, uint64_t *limit)
{
	const double number = PyFloat_AsDouble(value);

	if (number == -1.0 && PyErr_Occurred()) {
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			return -1;
		PyErr_Clear();
		*limit = UINT64_MAX;
		return 0;
	}
	*limit = !(number > 0) ? 0 : number >= 1e15 ? UINT64_MAX : (uint64_t)ceil(number);
	return 0;
}

/* stats is a number, and its fraction a cutoff in percent. */
static int take_stats(struct mr_asizer *asizer, PyObject *value, PyObject *cutoff)
{
	const double stats = PyFloat_AsDouble(value);
	PyObject *whole;
	PyObject *cut;

	if (stats == -1.0 && PyErr_Occurred())
		return -1;
	if (!(stats >= 0)) {
		(void)mr_option_error_one("set", "stats", value);
		return -1;
	}

	const long percent = stats < 1e9 ? (long)((stats - floor(stats)) * 100.0 + 0.5) : 0;
	const int given = cutoff ? PyObject_IsTrue(cutoff) : 0;

	if (given < 0)
		return -1;
	whole = PyNumber_Long(value);
	cut = given     ? PyNumber_Long(cutoff)
	      : percent ? PyLong_FromLong(percent)
	                : Py_NewRef(asizer->options[MR_OPTION_CUTOFF]);
	if (!whole || !cut) {
		Py_XDECREF(whole);
		Py_XDECREF(cut);
		return -1;
	}
	Py_SETREF(asizer->options[MR_OPTION_STATS], whole);
	Py_SETREF(asizer->options[MR_OPTION_CUTOFF], cut);
	return 0;
}

/* What the statistics keep, when there are to be any. */
static int apply_account(struct mr_asizer *asizer)
{
	struct mr_object_sizer *const sizer = asizer->sizer;
	const double stats = PyFloat_AsDouble(asizer->options[MR_OPTION_STATS]);
	const double above = PyFloat_AsDouble(asizer->options[MR_OPTION_ABOVE]);

	if (PyErr_Occurred())
		return -1;
	if (stats < 1 && !sizer->account)
		return 0;
	if (!sizer->account) {
		sizer->account = mr_account_new();
		if (!sizer->account) {
			PyErr_NoMemory();
			return -1;
		}
	}
	sizer->account->above_bytes = stats >= 1 && above > 0 ? (uint64_t)above : 0;
	sizer->account->profiling = stats >= 2;
	return 0;
}

/* What OPTIONS are to the sizer.  Asking them can run Python code. */
static int take_options(PyObject *const *options, struct mr_object_sizer_options *taken, Py_ssize_t *clip)
{
	static const uint8_t truths[] = { MR_OPTION_CODE, MR_OPTION_DERIVE, MR_OPTION_FRAMES,
		                          MR_OPTION_IGNORED, MR_OPTION_INFER };
	bool truth[MR_ARRAY_LEN(truths)];

	for (size_t i = 0; i < MR_ARRAY_LEN(truths); i++) {
		const int is_true = PyObject_IsTrue(options[truths[i]]);

		if (is_true < 0)
			return -1;
		truth[i] = is_true;
	}
	taken->code = truth[0];
	taken->derive = truth[1];
	taken->frames = truth[2];
	taken->ignored = truth[3];
	taken->infer = truth[4];

	uint64_t detail;

	*clip = PyNumber_AsSsize_t(options[MR_OPTION_CLIP], NULL);
	if ((*clip == -1 && PyErr_Occurred()) ||
	    mr_option_mask(options[MR_OPTION_ALIGN], "set", &taken->mask) < 0 ||
	    take_limit(options[MR_OPTION_LIMIT], &taken->limit) < 0 ||
	    take_limit(options[MR_OPTION_DETAIL], &detail) < 0)
		return -1;
	taken->detail = detail < UINT32_MAX ? (unsigned)detail : UINT32_MAX;
	return 0;
}

/* Hands all options to the sizer. */
static int apply(struct mr_asizer *asizer)
{
	PyObject *options[MR_OPTION_COUNT];
	struct mr_object_sizer_options taken = { 0 };
	Py_ssize_t clip = 0;

	for (size_t i = 0; i < MR_OPTION_COUNT; i++)
		options[i] = Py_NewRef(asizer->options[i]);

	const int status = take_options(options, &taken, &clip);
	struct mr_object_sizer *const sizer = asizer->sizer; /* the one that is there now */

	if (status == 0) {
		sizer->options = taken;
		sizer->clip = clip;
		asizer->incl_code |= taken.code;
		for (size_t i = 0; i < sizer->rules.count; i++)
			mr_sizer_apply_options(sizer, sizer->rules.list[i]);
	}
	for (size_t i = 0; i < MR_OPTION_COUNT; i++)
		Py_DECREF(options[i]);
	return status < 0 ? -1 : apply_account(asizer);
}
/* ---- Methods ------------------------------------------------------------------------ */

/* The options in ARGS and KWARGS by ORDER (COUNT of them) into VALUES, borrowed.  An option that is
 * not known: EXTRA, a new dict, has it. */
static int gather(PyObject *args, PyObject *kwargs, const uint8_t *order, size_t count, const char *where,
                  PyObject **values, PyObject **extra)
{
	PyObject *name;
	PyObject *value;
	Py_ssize_t at = 0;

	*extra = NULL;
	if ((size_t)PyTuple_GET_SIZE(args) > count) {
		PyErr_Format(PyExc_TypeError, "%s() takes at most %zu options", where, count);
		return -1;
	}
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++)
		values[order[i]] = PyTuple_GET_ITEM(args, i);
	while (kwargs && PyDict_Next(kwargs, &at, &name, &value)) {
		size_t i = 0;

		while (i < count && PyUnicode_CompareWithASCIIString(name, option_names[order[i]]) != 0)
			i++;
		if (i < count) {
			values[order[i]] = value;
		} else if ((!*extra && !(*extra = PyDict_New())) || PyDict_SetItem(*extra, name, value) < 0) {
			Py_CLEAR(*extra);
			return -1;
		}
	}
	return 0;
}

static PyObject *default_of(unsigned option)
{
	static const short numbers[MR_OPTION_COUNT] = { [MR_OPTION_ABOVE] = 1024,
		                                        [MR_OPTION_ALIGN] = 8,
		                                        [MR_OPTION_CLIP] = 80,
		                                        [MR_OPTION_CUTOFF] = 10,
		                                        [MR_OPTION_LIMIT] = 100 };

	if (MASK(STREAM) & (1u << option))
		return Py_NewRef(Py_None);
	if ((MASK(CODE) | MASK(DERIVE) | MASK(FRAMES) | MASK(INFER)) & (1u << option))
		return Py_NewRef(Py_False);
	return option == MR_OPTION_IGNORED ? Py_NewRef(Py_True) : PyLong_FromLong(numbers[option]);
}

static struct mr_object_sizer *fresh_sizer(const struct mr_asizer *asizer)
{
	struct mr_object_sizer_options options;
	struct mr_object_sizer *sizer;

	mr_object_sizer_defaults(&options);
	sizer = mr_object_sizer_new(asizer->module, &options);
	if (sizer && mr_object_sizer_hide(sizer, (const PyObject *)asizer) < 0) {
		mr_object_sizer_free(sizer);
		return NULL;
	}
	if (sizer && asizer->sizer)
		sizer->excluded = Py_XNewRef(asizer->sizer->excluded);
	return sizer;
}

PyObject *mr_asizer_reset(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const uint8_t order[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct mr_asizer *const asizer = (struct mr_asizer *)self;
	PyObject *values[MR_OPTION_COUNT] = { 0 };
	PyObject *extra;

	if (gather(args, kwargs, order, MR_ARRAY_LEN(order), "reset", values, &extra) < 0)
		return NULL;
	if (extra) {
		(void)mr_option_error(PyExc_KeyError, "reset", extra);
		Py_DECREF(extra);
		return NULL;
	}

	struct mr_object_sizer *const fresh = fresh_sizer(asizer);
	struct mr_object_sizer *const old = asizer->sizer;

	if (!fresh)
		return NULL;
	if (old && (old->walks || old->uses)) {
		PyErr_SetString(PyExc_RuntimeError, "the Asizer is sizing objects");
		mr_object_sizer_free(fresh);
		return NULL;
	}
	asizer->sizer = fresh;
	asizer->incl_code = 0;
	mr_object_sizer_free(old);
	for (unsigned i = 0; i < MR_OPTION_COUNT; i++) {
		const bool given = values[i] && (values[i] != Py_None || i == MR_OPTION_STREAM);
		PyObject *const value = given ? Py_NewRef(values[i]) : default_of(i);

		if (!value)
			return NULL;
		Py_XSETREF(asizer->options[i], value);
	}
	if (take_stats(asizer, asizer->options[MR_OPTION_STATS], asizer->options[MR_OPTION_CUTOFF]) < 0 ||
	    apply(asizer) < 0)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *mr_asizer_set(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const uint8_t order[] = { MR_OPTION_ABOVE,  MR_OPTION_ALIGN,  MR_OPTION_CODE,
		                         MR_OPTION_CUTOFF, MR_OPTION_FRAMES, MR_OPTION_DETAIL,
		                         MR_OPTION_LIMIT,  MR_OPTION_STATS };
	struct mr_asizer *const asizer = (struct mr_asizer *)self;
	PyObject *values[MR_OPTION_COUNT] = { 0 };
	PyObject *extra;
	uint64_t mask;

	if (gather(args, kwargs, order, MR_ARRAY_LEN(order), "set", values, &extra) < 0)
		return NULL;
	if (extra) {
		PyErr_Format(PyExc_TypeError, "set() got an unexpected option: %R", extra);
		Py_DECREF(extra);
		return NULL;
	}
	if (values[MR_OPTION_ALIGN] && values[MR_OPTION_ALIGN] != Py_None &&
	    mr_option_mask(values[MR_OPTION_ALIGN], "set", &mask) < 0)
		return NULL;
	if (values[MR_OPTION_STATS] && values[MR_OPTION_STATS] != Py_None &&
	    take_stats(asizer, values[MR_OPTION_STATS], values[MR_OPTION_CUTOFF]) < 0)
		return NULL;
	for (unsigned i = 0; i < MR_OPTION_COUNT; i++) {
		PyObject *value = values[i];

		if (!value || value == Py_None || i == MR_OPTION_STATS || i == MR_OPTION_CUTOFF)
			continue;
		value = i == MR_OPTION_ABOVE ? PyNumber_Long(value) : Py_NewRef(value);
		if (!value)
			return NULL;
		Py_SETREF(asizer->options[i], value);
	}
	if (apply(asizer) < 0)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *mr_asizer_get_option(PyObject *self, void *closure)
{
	const struct mr_asizer *const asizer = (const struct mr_asizer *)self;
	const size_t option = (size_t)(uintptr_t)closure;

	if (option == MR_OPTION_IGNORED) {
		const int ignored = PyObject_IsTrue(asizer->options[option]);

		return ignored < 0 ? NULL : PyBool_FromLong(ignored);
	}
	return Py_NewRef(asizer->options[option]);
}
