/* SPDX-License-Identifier: MIT
 *
 * See graph.h: a graph as text that Graphviz reads ("The DOT Language",
 * graphviz.org/doc/info/lang.html).  Names and texts come from anywhere: quotes,
 * backslashes, control characters and surrogates in them are shown by escapes of
 * Python's, and a label is always one line.
 */
#include "graph.h"

#include <frameobject.h>

#include "referents.h"

#define CHUNK_BYTES (1u << 20)
#define TEXT_MAX 48 /* characters of an object that are shown */
#define LABEL_MAX 128

static void put_utf8(struct mr_buffer *out, Py_UCS4 character)
{
	if (character < 0x80) {
		mr_buffer_put_u8(out, (uint8_t)character);
		return;
	}

	const unsigned more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
	static const uint8_t leads[] = { 0, 0xC0, 0xE0, 0xF0 };

	mr_buffer_put_u8(out, (uint8_t)(leads[more] | character >> 6 * more));
	for (unsigned i = more; i-- > 0;)
		mr_buffer_put_u8(out, (uint8_t)(0x80 | (character >> 6 * i & 0x3F)));
}

static void put_character(struct mr_buffer *out, Py_UCS4 character)
{
	if (character == '"')
		mr_buffer_printf(out, "\\\"");
	else if (character == '\\')
		mr_buffer_printf(out, "\\\\");
	else if (character == '\n')
		mr_buffer_printf(out, "\\\\n");
	else if (character < 0x20 || (character >= 0x7F && character < 0xA0))
		mr_buffer_printf(out, "\\\\x%02x", (unsigned)character);
	else if ((character >= 0xD800 && character < 0xE000) || character == 0x2028 || character == 0x2029)
		mr_buffer_printf(out, "\\\\u%04x", (unsigned)character);
	else
		put_utf8(out, character);
}

/* At most MAX characters of TEXT; what is longer ends in "...". */
static void put_text(struct mr_buffer *out, PyObject *text, Py_ssize_t max)
{
	const bool cut = PyUnicode_GET_LENGTH(text) > max;
	const Py_ssize_t count = cut ? max - 3 : PyUnicode_GET_LENGTH(text);

	for (Py_ssize_t i = 0; i < count; i++)
		put_character(out, PyUnicode_READ_CHAR(text, i));
	if (cut)
		mr_buffer_printf(out, "...");
}

static int put_node(struct mr_buffer *out, PyObject *object)
{
	PyObject *const text = mr_graph_show(object, LABEL_MAX);
	PyObject *const type = text ? mr_graph_type_name(object) : NULL;

	if (type) {
		mr_buffer_printf(out, "    \"Xx%llx\" [ label = \"", (unsigned long long)(uintptr_t)object);
		put_text(out, text, TEXT_MAX);
		mr_buffer_printf(out, "\\n");
		put_text(out, type, LABEL_MAX);
		mr_buffer_printf(out, "\" %s ];\n",
		                 PyFrame_Check(object)    ? ", color=orange"
		                 : PyMethod_Check(object) ? ", color=red"
		                                          : "");
	}
	Py_XDECREF(text);
	Py_XDECREF(type);
	return type ? 0 : -1;
}

static int put_edge(struct mr_buffer *out, const struct mr_graph *graph, uint32_t from, size_t at)
{
	PyObject *const label = graph->labels[at];
	PyObject *const text = PyUnicode_Check(label) ? Py_NewRef(label) : mr_graph_show(label, LABEL_MAX);

	if (!text)
		return -1;
	mr_buffer_printf(out, "    Xx%llx -> Xx%llx [label=\"",
	                 (unsigned long long)(uintptr_t)graph->nodes[from],
	                 (unsigned long long)(uintptr_t)graph->nodes[graph->targets[at]]);
	put_text(out, text, LABEL_MAX);
	mr_buffer_printf(out, "\"%s];\n",
	                 PyUnicode_CompareWithASCIIString(text, "__dict__") == 0 ? ",weight=100" : "");
	Py_DECREF(text);
	return 0;
}

/* Hands OUT to WRITE when it is large, or when it is the last. */
static int pass_on(struct mr_buffer *out, PyObject *write, bool last)
{
	PyObject *bytes;
	PyObject *done;

	if (!last && out->len < CHUNK_BYTES && !out->failed)
		return 0;
	if (mr_buffer_status(out, NULL) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	bytes = PyBytes_FromStringAndSize((const char *)out->data, (Py_ssize_t)out->len);
	done = bytes ? PyObject_CallOneArg(write, bytes) : NULL;
	Py_XDECREF(bytes);
	Py_XDECREF(done);
	mr_buffer_clear(out);
	return done ? PyErr_CheckSignals() : -1;
}

int mr_graph_write(struct mr_graph *graph, PyObject *module, PyObject *write)
{
	struct mr_buffer out = { 0 };
	int status = mr_graph_make_labels(graph, module);

	mr_buffer_printf(&out, "// Process this file with graphviz\ndigraph G {\n    node [shape=box];\n");
	for (size_t i = 0; status == 0 && i < graph->count; i++) {
		status = put_node(&out, graph->nodes[i]);
		if (status == 0)
			status = pass_on(&out, write, false);
	}
	for (size_t from = 0; status == 0 && from < graph->count; from++) {
		for (size_t i = graph->first_edge[from]; status == 0 && i < graph->first_edge[from + 1];
		     i++) {
			status = put_edge(&out, graph, (uint32_t)from, i);
			if (status == 0)
				status = pass_on(&out, write, false);
		}
	}
	mr_buffer_printf(&out, "}\n");
	if (status == 0)
		status = pass_on(&out, write, true);
	mr_buffer_release(&out);
	return status;
}
