/* SPDX-License-Identifier: MIT
 *
 * A real program whose structures are not ours: every node of a document that
 * libxml2 parses, tracked from outside by libxml2's own callbacks for nodes.
 * Shows a class for each type of node with one parent class, layouts as fields
 * (namespaces) and as walks (nodes, some of whose text belongs to a dictionary),
 * how objects describe themselves, traces, marks, and snapshots at each stage of
 * what happens to the document:
 *
 *     build/samples/catalogue 1000 >catalogue.xml
 *     build/samples/xml_nodes catalogue.xml
 *     memstats xml_nodes.dat
 *     memstats symbolize xml_nodes.dat
 *     memstats classes xml_nodes.dat --where snapshot=2 --sort size
 *     memstats objects xml_nodes.dat --filter Element --sort size --limit 3
 *     memstats diff xml_nodes.dat@'parsed' xml_nodes.dat@'freed'
 *     memreport xml_nodes.dat -o xml_nodes.html
 *
 * The last snapshot is taken when all should be freed.  It is not: what was put
 * aside on the way (see put_aside) was forgotten, and the traces say where.
 *
 * It prints the number and the bytes of the nodes as counted by hand, by going
 * through the documents, to compare with what the log says.
 */
#include "memcapture.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum node_class { NODE, ELEMENT, ATTRIBUTE, TEXT, CDATA, COMMENT, INSTRUCTION, DOCUMENT, CLASS_COUNT };

#define PIECES 8 /* in which a document is parsed, and parts of it removed */

static const char *const class_names[CLASS_COUNT] = {
	"Node", "Element", "Attribute", "Text", "CData", "Comment", "Instruction", "Document",
};

static struct memcapture *capture;
static struct memcapture_class *classes[CLASS_COUNT];
static xmlDict *dictionary; /* names and short texts of parsed documents lie in here */
static xmlDoc *aside;       /* put_aside() collects in here */

static enum node_class class_of(const xmlNode *node)
{
	switch (node->type) {
	case XML_ELEMENT_NODE:
		return ELEMENT;
	case XML_ATTRIBUTE_NODE:
		return ATTRIBUTE;
	case XML_TEXT_NODE:
		return TEXT;
	case XML_CDATA_SECTION_NODE:
		return CDATA;
	case XML_COMMENT_NODE:
		return COMMENT;
	case XML_PI_NODE:
		return INSTRUCTION;
	case XML_DOCUMENT_NODE:
		return DOCUMENT;
	default:
		return NODE;
	}
}

/* ---- What a node leads to ------------------------------------------------------- */

static const struct memcapture_field namespace_fields[] = {
	MEMCAPTURE_STRING(xmlNs, href),
	MEMCAPTURE_STRING(xmlNs, prefix),
};
static const struct memcapture_layout namespace_layout = {
	.name = "xmlNs",
	.size = sizeof(xmlNs),
	.fields = namespace_fields,
	.field_count = 2,
};

/* The namespaces that an element declares are its own; the one that it uses is another's. */
static const struct memcapture_field element_fields[] = {
	MEMCAPTURE_LIST(xmlNode, nsDef, xmlNs, next, &namespace_layout),
};

/* NULL for text that belongs to the dictionary, and is no part of a node's size. */
static const char *own_text(const xmlChar *text)
{
	return text && !xmlDictOwns(dictionary, text) ? (const char *)text : NULL;
}

/* Children and siblings are tracked themselves, so a walk need not speak of them. */
static void walk_node(const void *object, struct memcapture_visitor *visitor)
{
	const xmlNode *node = object;

	/* The name of text and of comments is one for all of them, in libxml2. */
	if (node->type == XML_ELEMENT_NODE || node->type == XML_PI_NODE)
		memcapture_visit_string(visitor, "name", own_text(node->name));
	memcapture_visit_string(visitor, "content", own_text(node->content));
}

static void walk_attribute(const void *object, struct memcapture_visitor *visitor)
{
	const xmlAttr *attribute = object;

	memcapture_visit_string(visitor, "name", own_text(attribute->name));
}

static void walk_document(const void *object, struct memcapture_visitor *visitor)
{
	const xmlDoc *document = object;

	if (document->dict)
		memcapture_visit(visitor, "dict", document->dict, xmlDictGetUsage(document->dict));
	memcapture_visit_string(visitor, "version", own_text(document->version));
	memcapture_visit_string(visitor, "encoding", own_text(document->encoding));
	memcapture_visit_string(visitor, "URL", own_text(document->URL));
}

/* Declarations and references share only the first members with other nodes. */
static size_t measure_other(const void *object)
{
	const xmlNode *node = object;

	return node->type == XML_DTD_NODE ? sizeof(xmlDtd) : sizeof(xmlNode);
}

static void describe_node(const void *object, char *text, size_t text_size)
{
	const xmlNode *node = object;
	const xmlAttr *attribute = object;
	const xmlDoc *document = object;

	if (node->type == XML_ELEMENT_NODE)
		snprintf(text, text_size, "<%s>", (const char *)node->name);
	else if (node->type == XML_ATTRIBUTE_NODE)
		snprintf(text, text_size, "%s=\"%s\"", (const char *)attribute->name,
		         attribute->children && attribute->children->content
		                 ? (const char *)attribute->children->content
		                 : "");
	else if (node->type == XML_DOCUMENT_NODE)
		snprintf(text, text_size, "document %s",
		         document->URL ? (const char *)document->URL : "in memory");
	else if (class_of(node) != NODE)
		snprintf(text, text_size, "'%.60s'", node->content ? (const char *)node->content : "");
}

static const struct memcapture_layout node_layout = {
	.name = "xmlNode",
	.size = sizeof(xmlNode),
	.walk = walk_node,
};
static const struct memcapture_layout element_layout = {
	.name = "xmlNode",
	.size = sizeof(xmlNode),
	.fields = element_fields,
	.field_count = 1,
	.walk = walk_node,
};
static const struct memcapture_layout attribute_layout = {
	.name = "xmlAttr",
	.size = sizeof(xmlAttr),
	.walk = walk_attribute,
};
static const struct memcapture_layout document_layout = {
	.name = "xmlDoc",
	.size = sizeof(xmlDoc),
	.walk = walk_document,
};
static const struct memcapture_layout other_layout = { .name = "xmlNode", .measure = measure_other };

static const struct memcapture_layout *const class_layouts[CLASS_COUNT] = {
	[NODE] = &other_layout,       [ELEMENT] = &element_layout,   [ATTRIBUTE] = &attribute_layout,
	[TEXT] = &node_layout,        [CDATA] = &node_layout,        [COMMENT] = &node_layout,
	[INSTRUCTION] = &node_layout, [DOCUMENT] = &document_layout,
};

/* ---- libxml2 says when a node is made and freed ----------------------------------- */

static void node_made(xmlNode *node)
{
	memcapture_track(classes[class_of(node)], node);
}

static void node_freed(xmlNode *node)
{
	memcapture_forget(capture, node);
}

static void track_classes(void)
{
	for (int i = 0; i < CLASS_COUNT; i++) {
		const struct memcapture_class_options options = {
			.name = class_names[i],
			.layout = class_layouts[i],
			.parent = i == NODE ? NULL : classes[NODE],
			.resolution_level = 1,
			.trace = 1,
			.describe = describe_node,
		};

		classes[i] = memcapture_track_class(capture, &options);
	}
	xmlRegisterNodeDefault(node_made);
	xmlDeregisterNodeDefault(node_freed);
}

/* ---- The same by hand --------------------------------------------------------------- */

struct tally {
	size_t count[CLASS_COUNT];
	size_t bytes[CLASS_COUNT];
};

static size_t text_bytes(const xmlChar *text)
{
	return own_text(text) ? strlen(own_text(text)) + 1 : 0;
}

static void count_node(struct tally *tally, const xmlNode *node)
{
	const enum node_class of = class_of(node);
	size_t bytes = of == NODE ? measure_other(node) : sizeof(*node);

	tally->count[of]++;
	if (of == NODE) {
		tally->bytes[of] += bytes;
		return;
	}
	/* libxml2 keeps short text in members of the node that text does not need. */
	if ((const void *)node->content < (const void *)node ||
	    (const void *)node->content >= (const void *)(node + 1))
		bytes += text_bytes(node->content);
	if (of == ELEMENT || of == INSTRUCTION)
		bytes += text_bytes(node->name);
	for (const xmlNs *ns = of == ELEMENT ? node->nsDef : NULL; ns; ns = ns->next)
		bytes += sizeof(*ns) + text_bytes(ns->href) + text_bytes(ns->prefix);
	tally->bytes[of] += bytes;
}

static void count_attributes(struct tally *tally, const xmlNode *element)
{
	for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
		tally->count[ATTRIBUTE]++;
		tally->bytes[ATTRIBUTE] += sizeof(*attribute) + text_bytes(attribute->name);
		for (const xmlNode *text = attribute->children; text; text = text->next)
			count_node(tally, text);
	}
}

static int is_declaration(const xmlNode *node)
{
	return node->type == XML_ENTITY_DECL || node->type == XML_ELEMENT_DECL ||
	       node->type == XML_ATTRIBUTE_DECL;
}

static void count_document(struct tally *tally, const xmlDoc *document)
{
	const xmlNode *node = document ? document->children : NULL;

	if (!document)
		return;
	tally->count[DOCUMENT]++;
	tally->bytes[DOCUMENT] += sizeof(*document) + text_bytes(document->version) +
	                          text_bytes(document->encoding) + text_bytes(document->URL) +
	                          (document->dict ? xmlDictGetUsage(document->dict) : 0);
	while (node) {
		/* Declarations are made without a callback; the text of an entity with one. */
		if (!is_declaration(node))
			count_node(tally, node);
		if (node->type == XML_ELEMENT_NODE)
			count_attributes(tally, node);
		if (node->children && node->type != XML_ENTITY_REF_NODE) {
			node = node->children;
			continue;
		}
		while (node && !node->next)
			node = node->parent == (const xmlNode *)document ? NULL : node->parent;
		if (node)
			node = node->next;
	}
}

static void snapshot(const xmlDoc *document, const char *description)
{
	struct tally tally = { { 0 }, { 0 } };

	memcapture_snapshot(capture, description);
	count_document(&tally, document);
	count_document(&tally, aside);
	for (int i = 0; i < CLASS_COUNT; i++)
		if (tally.count[i] > 0)
			printf("%s: %s %zu objects, %zu bytes\n", description, class_names[i], tally.count[i],
			       tally.bytes[i]);
}

/* ---- What happens to the document ------------------------------------------------------ */

static xmlXPathObject *find(xmlDoc *document, const char *path)
{
	xmlXPathContext *context = xmlXPathNewContext(document);
	xmlXPathObject *found = context ? xmlXPathEvalExpression((const xmlChar *)path, context) : NULL;

	xmlXPathFreeContext(context);
	return found;
}

static int found_count(const xmlXPathObject *found)
{
	return found && found->nodesetval ? found->nodesetval->nodeNr : 0;
}

/* Nodes are whole between two pieces of the document, so that is where a snapshot can read them. */
static int parse_piece(xmlParserCtxt *parser, FILE *file, char *piece, size_t piece_size, unsigned number)
{
	const size_t len = fread(piece, 1, piece_size, file);
	char description[32];

	if (len == 0)
		return 0;
	if (xmlParseChunk(parser, piece, (int)len, 0) != 0)
		return -1;
	snprintf(description, sizeof(description), "parsing, %u of %u", number, PIECES);
	if (number < PIECES)
		memcapture_snapshot(capture, description);
	return 1;
}

static xmlDoc *parse_file(FILE *file, const char *path, size_t piece_size)
{
	char *piece = malloc(piece_size);
	xmlParserCtxt *parser = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, path);
	xmlDoc *document = NULL;
	int status = -1;

	if (piece && parser) {
		/* The dictionary outlives the document here, so that own_text() can ask it to the end. */
		dictionary = parser->dict;
		xmlDictReference(dictionary);
		xmlCtxtUseOptions(parser, XML_PARSE_NONET);
		for (unsigned number = 1; (status = parse_piece(parser, file, piece, piece_size, number)) > 0;
		     number++)
			;
		if (status == 0 && xmlParseChunk(parser, NULL, 0, 1) == 0)
			document = parser->myDoc;
		else
			xmlFreeDoc(parser->myDoc);
	}
	xmlFreeParserCtxt(parser);
	free(piece);
	return document;
}

static xmlDoc *parse(const char *path)
{
	FILE *file = fopen(path, "rb");
	xmlDoc *document = NULL;
	long size = 0;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0 && fseek(file, 0, SEEK_SET) == 0)
		document = parse_file(file, path, (size_t)size / PIECES + 1);
	fclose(file);
	return document;
}

/* Some elements are kept for later in a document of their own, which nobody frees. */
static void put_aside(xmlNode *element)
{
	xmlNode *copy = NULL;

	if (!aside)
		aside = xmlNewDoc((const xmlChar *)"1.0");
	if (aside && !aside->children)
		xmlDocSetRootElement(aside, xmlNewDocNode(aside, NULL, (const xmlChar *)"aside", NULL));
	if (aside && aside->children)
		copy = xmlDocCopyNode(element, aside, 1);
	if (copy)
		xmlAddChild(aside->children, copy);
}

/* Numbers the elements that have an id, says how many parts they have, and puts a few aside. */
static int annotate(xmlDoc *document)
{
	xmlXPathObject *found = find(document, "//*[@id]");
	const int count = found_count(found);

	for (int i = 0; i < count; i++) {
		xmlNode *element = found->nodesetval->nodeTab[i];
		char text[32];

		snprintf(text, sizeof(text), "%d", i + 1);
		xmlNewProp(element, (const xmlChar *)"position", (const xmlChar *)text);
		snprintf(text, sizeof(text), "%lu", xmlChildElementCount(element));
		xmlNewTextChild(element, NULL, (const xmlChar *)"parts-count", (const xmlChar *)text);
		if (i % 50 == 0)
			put_aside(element);
	}
	xmlXPathFreeObject(found);
	return count;
}

static int remove_every_other(xmlDoc *document)
{
	xmlXPathObject *found = find(document, "//*[@id and position() mod 2 = 0]");
	const int count = found_count(found);

	/* From the end, so that none is freed with one that it lies in. */
	for (int i = count - 1; i >= 0; i--) {
		char description[32];

		xmlUnlinkNode(found->nodesetval->nodeTab[i]);
		xmlFreeNode(found->nodesetval->nodeTab[i]);
		found->nodesetval->nodeTab[i] = NULL;
		if (i % (count / PIECES + 1) == 0 && i > 0) {
			snprintf(description, sizeof(description), "removing, %d left", i);
			memcapture_snapshot(capture, description);
		}
	}
	xmlXPathFreeObject(found);
	return count;
}

static int run(const char *path)
{
	char mark[64];
	xmlDoc *document = parse(path);

	if (!document) {
		fprintf(stderr, "xml_nodes: %s cannot be parsed\n", path);
		return 1;
	}
	snapshot(document, "parsed");
	snprintf(mark, sizeof(mark), "%d elements annotated", annotate(document));
	memcapture_mark(capture, mark);
	snapshot(document, "annotated");
	snprintf(mark, sizeof(mark), "%d elements removed", remove_every_other(document));
	memcapture_mark(capture, mark);
	snapshot(document, "half removed");
	xmlFreeDoc(document);
	snapshot(NULL, "freed");
	return 0;
}

int main(int argc, char **argv)
{
	struct memcapture_error error = { 0 };
	int status;

	if (argc != 2) {
		fputs("usage: xml_nodes FILE.xml\n", stderr);
		return 2;
	}
	if (memcapture_open(&capture, "xml_nodes.dat", &error) < 0) {
		fprintf(stderr, "xml_nodes: %s\n", error.message);
		return 1;
	}
	xmlInitParser();
	track_classes();
	memcapture_snapshot(capture, "started");
	status = run(argv[1]);
	if (memcapture_close(capture, &error) < 0) {
		fprintf(stderr, "xml_nodes: %s\n", error.message);
		status = 1;
	}
	xmlDictFree(dictionary);
	return status;
}
