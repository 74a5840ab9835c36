/* SPDX-License-Identifier: MIT
 *
 * Finds, reads and parses templates.  Parsing never loads anything (NONET, no
 * entities of the document's own), and messages carry file and line.
 */
#include "html_template.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <sys/stat.h>
#include <unistd.h>

struct template_file {
	struct template_file *next;
	char *name;
	char *shown; /* as messages call it */
	struct mr_buffer text;
	xmlDoc *document;
};

struct mr_templates {
	char *directory;
	struct template_file *files;
};

static char *copy_string(const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = mr_alloc(size);
	if (copy)
		memcpy(copy, text, size);
	return copy;
}

int mr_templates_new(const char *directory, struct mr_templates **templates, struct mr_error *err)
{
	if (directory) {
		struct stat status;
		MR_FAIL_IF(stat(directory, &status) < 0, err, MR_ERR_READ, "cannot open templates '%s': %s",
		           directory, strerror(errno));
		MR_FAIL_IF(!S_ISDIR(status.st_mode), err, MR_ERR_READ, "templates '%s' is not a directory",
		           directory);
	}
	struct mr_templates *made = mr_alloc(sizeof(*made));
	if (made && directory)
		made->directory = copy_string(directory);
	if (!made || (directory && !made->directory)) {
		mr_free(made);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for templates");
	}
	*templates = made;
	return 0;
}

static void file_free(struct template_file *file)
{
	mr_free(file->name);
	mr_free(file->shown);
	mr_buffer_release(&file->text);
	xmlFreeDoc(file->document);
	mr_free(file);
}

void mr_templates_free(struct mr_templates *templates)
{
	if (!templates)
		return;
	for (struct template_file *file = templates->files, *next; file; file = next) {
		next = file->next;
		file_free(file);
	}
	mr_free(templates->directory);
	mr_free(templates);
}

/* ---- Reading -------------------------------------------------------------- */

/* Without carriage returns: see the header. */
static void append_text(struct mr_buffer *out, const char *text, size_t len)
{
	while (len > 0) {
		const char *end = memchr(text, '\r', len);
		const size_t part = end ? (size_t)(end - text) : len;
		mr_buffer_append(out, text, part);
		text += part + (end ? 1 : 0);
		len -= part + (end ? 1 : 0);
	}
}

static int read_descriptor(int fd, const char *path, struct mr_buffer *out, struct mr_error *err)
{
	struct stat status;
	MR_FAIL_IF(fstat(fd, &status) < 0, err, MR_ERR_READ, "cannot read template '%s': %s", path,
	           strerror(errno));
	MR_FAIL_IF(!S_ISREG(status.st_mode), err, MR_ERR_READ, "template '%s' is not a file", path);
	MR_FAIL_IF(status.st_size > MR_TEMPLATE_SIZE_MAX, err, MR_ERR_LIMIT,
	           "template '%s' is larger than %u bytes", path, MR_TEMPLATE_SIZE_MAX);
	const size_t size = (size_t)status.st_size;
	char *text = mr_alloc(size + 1);
	MR_FAIL_IF(!text, err, MR_ERR_NOMEM, "no memory for template '%s'", path);
	const int64_t got = mr_pread_full(fd, text, size, 0, path, err);
	if (got > 0)
		append_text(out, text, (size_t)got);
	mr_free(text);
	return got < 0 ? (int)got : mr_buffer_status(out, err);
}

/* 1 when the directory has the file, 0 when not, or an error. */
static int read_own(const struct mr_templates *templates, struct template_file *file, struct mr_error *err)
{
	if (!templates->directory)
		return 0;
	const size_t size = strlen(templates->directory) + strlen(file->name) + 2;
	char *path = mr_alloc(size);
	MR_FAIL_IF(!path, err, MR_ERR_NOMEM, "no memory for templates");
	snprintf(path, size, "%s/%s", templates->directory, file->name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		mr_free(path);
		return 0;
	}
	mr_free(file->shown);
	file->shown = path;
	MR_FAIL_IF(fd < 0, err, MR_ERR_READ, "cannot open template '%s': %s", path, strerror(errno));
	const int status = read_descriptor(fd, path, &file->text, err);
	close(fd);
	return status < 0 ? status : 1;
}

static int file_load(const struct mr_templates *templates, struct template_file *file, struct mr_error *err)
{
	const int found = read_own(templates, file, err);
	if (found != 0)
		return found < 0 ? found : 0;
	const struct mr_builtin *builtin = mr_builtin_find(file->name);
	MR_FAIL_IF(!builtin, err, MR_ERR_READ, "there is no template '%s'%s%s", file->name,
	           templates->directory ? ", neither built in nor in " : "",
	           templates->directory ? templates->directory : "");
	append_text(&file->text, builtin->data, (size_t)(builtin->end - builtin->data));
	return mr_buffer_status(&file->text, err);
}

static int file_new(const char *name, struct template_file **file, struct mr_error *err)
{
	struct template_file *made = mr_alloc(sizeof(*made));
	if (made) {
		made->name = copy_string(name);
		made->shown = copy_string(name);
	}
	if (!made || !made->name || !made->shown) {
		if (made)
			file_free(made);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for template '%s'", name);
	}
	*file = made;
	return 0;
}

/* A name is a file of the templates' directory, not a way out of it. */
static bool name_is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && !strchr(name, '/');
}

static int file_get(struct mr_templates *templates, const char *name, struct template_file **found,
                    struct mr_error *err)
{
	for (struct template_file *file = templates->files; file; file = file->next)
		if (strcmp(file->name, name) == 0) {
			*found = file;
			return 0;
		}
	MR_FAIL_IF(!name_is_plain(name), err, MR_ERR_ARG, "'%s' does not name a template: no folders", name);
	struct template_file *file = NULL;
	MR_TRY(file_new(name, &file, err));
	const int status = file_load(templates, file, err);
	if (status < 0) {
		file_free(file);
		return status;
	}
	file->next = templates->files;
	templates->files = file;
	*found = file;
	return 0;
}

int mr_templates_add(struct mr_templates *templates, const char *name, const char *text, size_t len,
                     struct mr_error *err)
{
	struct template_file *file = NULL;
	MR_TRY(file_new(name, &file, err));
	append_text(&file->text, text, len);
	const int status = mr_buffer_status(&file->text, err);
	if (status < 0) {
		file_free(file);
		return status;
	}
	file->next = templates->files;
	templates->files = file;
	return 0;
}

int mr_templates_asset(struct mr_templates *templates, const char *name, const char **text, size_t *len,
                       struct mr_error *err)
{
	struct template_file *file = NULL;
	MR_TRY(file_get(templates, name, &file, err));
	*text = file->text.data ? (const char *)file->text.data : "";
	*len = file->text.len;
	return 0;
}

/* ---- Parsing -------------------------------------------------------------- */

/* What the parser said first, which is what is wrong; the rest follows from it. */
struct complaint {
	int line;
	char text[256];
};

/* Messages go into the error, not onto the terminal of whoever links us. */
static void keep_first(void *context, xmlErrorPtr error)
{
	struct complaint *complaint = context;
	if (complaint->text[0] || !error->message)
		return;
	complaint->line = error->line;
	snprintf(complaint->text, sizeof(complaint->text), "%.*s", (int)strcspn(error->message, "\n"),
	         error->message);
}

static int parse(struct template_file *file, struct mr_error *err)
{
	xmlParserCtxt *parser = xmlNewParserCtxt();
	MR_FAIL_IF(!parser, err, MR_ERR_NOMEM, "no memory for template '%s'", file->shown);
	struct complaint complaint = { 0, "" };
	/* The calling thread's handler, not the parser's: decoding has no parser to complain to. */
	void *const context_before = xmlStructuredErrorContext;
	const xmlStructuredErrorFunc handler_before = xmlStructuredError;
	xmlSetStructuredErrorFunc(&complaint, keep_first);
	xmlDoc *document = xmlCtxtReadMemory(parser, file->text.data ? (const char *)file->text.data : "",
	                                     (int)file->text.len, file->shown, NULL,
	                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
	                                             XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES);
	xmlSetStructuredErrorFunc(context_before, handler_before);
	int status = 0;
	if (!document || !xmlDocGetRootElement(document)) {
		status = mr_fail(err, MR_ERR_FORMAT, "%s:%d: %s", file->shown,
		                 complaint.line > 0 ? complaint.line : 1,
		                 complaint.text[0] ? complaint.text : "not a document");
		xmlFreeDoc(document);
		document = NULL;
	}
	file->document = document;
	xmlFreeParserCtxt(parser);
	return status;
}

int mr_templates_document(struct mr_templates *templates, const char *name, xmlDoc **document,
                          struct mr_error *err)
{
	struct template_file *file = NULL;
	MR_TRY(file_get(templates, name, &file, err));
	if (!file->document)
		MR_TRY(parse(file, err));
	*document = file->document;
	return 0;
}
