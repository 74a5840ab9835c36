/* SPDX-License-Identifier: MIT
 *
 * Function, file, line and inlined frames of an address of a module, by elfutils.
 * Debugging information is looked for in the module, by its build id and by its
 * .gnu_debuglink, on this machine only: elfutils' own search would ask servers
 * that the environment names.
 */
#include "symbolizer.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUG_DIRECTORY "/usr/lib/debug"
#define INLINED_MAX 64 /* frames of one place */

struct mr_symbolizer {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf_Addr bias;
	bool has_lines;
	struct mr_buffer function; /* texts of the frame at hand */
	struct mr_buffer file;
};

/* ---- Finding files ----------------------------------------------------------- */

/* "~/x" as a path that can be opened; the caller frees it. NULL: no memory. */
static char *expand_home(const char *path)
{
	struct mr_buffer full = { 0 };
	const char *const home = getenv("HOME");

	if (path[0] == '~' && path[1] == '/' && home != NULL)
		mr_buffer_printf(&full, "%s%s", home, path + 1);
	else
		mr_buffer_printf(&full, "%s", path);
	mr_buffer_put_u8(&full, 0);
	if (full.failed) {
		mr_buffer_release(&full);
		return NULL;
	}
	return (char *)full.data;
}

/* The file of FD as a path; the caller frees it. NULL: no memory. */
static char *descriptor_path(int fd)
{
	struct mr_buffer path = { 0 };

	mr_buffer_printf(&path, "/proc/self/fd/%d", fd);
	mr_buffer_put_u8(&path, 0);
	if (path.failed) {
		mr_buffer_release(&path);
		return NULL;
	}
	return (char *)path.data;
}

/* The checksum that .gnu_debuglink holds: CRC-32 as in zlib. */
static uint32_t file_crc(int fd)
{
	uint8_t chunk[4096];
	uint32_t crc = 0xffffffffu;
	ssize_t got;

	for (off_t at = 0; (got = pread(fd, chunk, sizeof(chunk), at)) > 0; at += got) {
		for (ssize_t i = 0; i < got; i++) {
			crc ^= chunk[i];
			for (int bit = 0; bit < 8; bit++)
				crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
		}
	}
	return ~crc;
}

/* Opens DIRECTORY/LINK when it is the file that was meant. */
static int open_link(const char *root, const char *directory, size_t directory_len, const char *middle,
                     const char *link, GElf_Word crc, char **name)
{
	struct mr_buffer path = { 0 };
	int fd = -1;

	mr_buffer_printf(&path, "%s%.*s%s%s", root, (int)directory_len, directory, middle, link);
	mr_buffer_put_u8(&path, 0);
	if (!path.failed)
		fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && crc != 0 && file_crc(fd) != crc) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*name = strdup((const char *)path.data); /* elfutils frees it */
	mr_buffer_release(&path);
	return fd;
}

static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *module_name, Dwarf_Addr base,
                          const char *file_name, const char *link, GElf_Word crc, char **debuginfo_name)
{
	int fd = dwfl_build_id_find_debuginfo(module, userdata, module_name, base, file_name, link, crc,
	                                      debuginfo_name);

	if (fd >= 0 || link == NULL || link[0] == '\0')
		return fd;
	if (link[0] == '/') /* what several files share is named by its path */
		return crc == 0 ? open_link("", "", 0, "", link, 0, debuginfo_name) : -1;
	if (file_name == NULL)
		return -1;

	const char *const slash = strrchr(file_name, '/');
	const size_t len = slash != NULL ? (size_t)(slash - file_name) + 1 : 0;
	fd = open_link("", file_name, len, "", link, crc, debuginfo_name);
	if (fd < 0)
		fd = open_link("", file_name, len, ".debug/", link, crc, debuginfo_name);
	if (fd < 0)
		fd = open_link(DEBUG_DIRECTORY, file_name, len, "", link, crc, debuginfo_name);
	return fd;
}

/* Never asked: modules are reported as files. */
static int find_elf(Dwfl_Module *module, void **userdata, const char *module_name, Dwarf_Addr base,
                    char **file_name, Elf **elf)
{
	(void)module;
	(void)userdata;
	(void)module_name;
	(void)base;
	(void)file_name;
	(void)elf;
	return -1;
}

/* Reports PATH as the only module; NULL when it is none. */
static Dwfl_Module *report(struct mr_symbolizer *symbolizer, const char *path)
{
	struct stat status;

	/* Only what is a file: a fifo would wait, a device may do anything. */
	if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return NULL;
	dwfl_report_begin(symbolizer->dwfl);
	Dwfl_Module *const module = dwfl_report_offline(symbolizer->dwfl, "module", path, -1);
	dwfl_report_end(symbolizer->dwfl, NULL, NULL);
	return module;
}

/* Whether the module at hand is of that build ("": any). */
static bool is_build(Dwfl_Module *module, const char *build_id)
{
	const unsigned char *bits;
	GElf_Addr address;
	Elf *elf;
	GElf_Addr bias;

	elf = dwfl_module_getelf(module, &bias);
	if (elf == NULL)
		return false;
	if (build_id[0] == '\0')
		return true;
	const int len = dwfl_module_build_id(module, &bits, &address);
	if (len <= 0 || strlen(build_id) != 2 * (size_t)len)
		return false;
	for (int i = 0; i < len; i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02x", bits[i]);
		if (hex[0] != build_id[2 * i] || hex[1] != build_id[2 * i + 1])
			return false;
	}
	return true;
}

/* What is installed for a build id: debugging information alone does too. */
static Dwfl_Module *report_by_build_id(struct mr_symbolizer *symbolizer, const char *build_id)
{
	struct mr_buffer path = { 0 };
	Dwfl_Module *module = NULL;

	/* The id comes from a file: only hexadecimal digits may become a path. */
	if (strlen(build_id) < 4 || strspn(build_id, "0123456789abcdef") != strlen(build_id))
		return NULL;
	mr_buffer_printf(&path, DEBUG_DIRECTORY "/.build-id/%.2s/%s.debug", build_id, build_id + 2);
	mr_buffer_put_u8(&path, 0);
	if (!path.failed)
		module = report(symbolizer, (const char *)path.data);
	mr_buffer_release(&path);
	return module != NULL && is_build(module, build_id) ? module : NULL;
}

static int find_module(struct mr_symbolizer *symbolizer, const char *path, const char *build_id, int fd,
                       struct mr_error *err)
{
	char *const full = fd >= 0 ? descriptor_path(fd) : expand_home(path);

	MR_FAIL_IF(full == NULL, err, MR_ERR_NOMEM, "out of memory for '%s'", path);
	Dwfl_Module *const there = full[0] == '/' ? report(symbolizer, full) : NULL;
	mr_free(full);
	symbolizer->module = there != NULL && is_build(there, build_id) ? there : NULL;
	if (symbolizer->module == NULL)
		symbolizer->module = report_by_build_id(symbolizer, build_id);
	MR_FAIL_IF(symbolizer->module == NULL && there == NULL, err, MR_ERR_READ,
	           "%s: is not on this machine, nor is what is known of its build", path);
	MR_FAIL_IF(symbolizer->module == NULL, err, MR_ERR_READ,
	           "%s: is another build than the one that was recorded (build id %s)", path, build_id);
	return 0;
}

int mr_symbolizer_open(struct mr_symbolizer **symbolizer, const char *path, const char *build_id, int fd,
                       struct mr_error *err)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = find_elf,
		.find_debuginfo = find_debuginfo,
		.section_address = dwfl_offline_section_address,
	};
	struct mr_symbolizer *const opened = mr_alloc(sizeof(*opened));

	MR_FAIL_IF(opened == NULL, err, MR_ERR_NOMEM, "out of memory for '%s'", path);
	opened->dwfl = dwfl_begin(&callbacks);
	int code = opened->dwfl != NULL ? find_module(opened, path, build_id, fd, err)
	                                : mr_fail(err, MR_ERR_NOMEM, "out of memory for '%s'", path);
	if (code == 0 && dwfl_module_getelf(opened->module, &opened->bias) == NULL)
		code = mr_fail(err, MR_ERR_READ, "%s: is no program or library", path);
	if (code < 0) {
		mr_symbolizer_close(opened);
		return code;
	}
	Dwarf_Addr bias;
	opened->has_lines = dwfl_module_getdwarf(opened->module, &bias) != NULL;
	*symbolizer = opened;
	return 0;
}

void mr_symbolizer_close(struct mr_symbolizer *symbolizer)
{
	if (symbolizer == NULL)
		return;
	if (symbolizer->dwfl != NULL)
		dwfl_end(symbolizer->dwfl);
	mr_buffer_release(&symbolizer->function);
	mr_buffer_release(&symbolizer->file);
	mr_free(symbolizer);
}

bool mr_symbolizer_has_lines(struct mr_symbolizer *symbolizer)
{
	return symbolizer->has_lines;
}

/* ---- Naming ------------------------------------------------------------------- */

/* A position in the source while frames are told from the inside out. */
struct position {
	const char *file;      /* NULL: unknown */
	const char *directory; /* what a relative FILE counts from; may be NULL */
	int line;
};

/* Puts FILE into TEXT as it is shown. */
static void show_file(struct mr_buffer *text, const struct position *position)
{
	const char *const home = getenv("HOME");
	const size_t home_len = home != NULL ? strlen(home) : 0;

	mr_buffer_clear(text);
	if (position->file != NULL) {
		const char *file = position->file;

		while (file[0] == '.' && file[1] == '/')
			file += 2;
		if (file[0] != '/' && position->directory != NULL && strcmp(position->directory, ".") != 0)
			mr_buffer_printf(text, "%s/", position->directory);
		mr_buffer_append(text, file, strlen(file));
	}
	mr_buffer_put_u8(text, 0);
	if (!text->failed && home_len > 1 && text->len > home_len &&
	    memcmp(text->data, home, home_len) == 0 && text->data[home_len] == '/') {
		memmove(text->data + 1, text->data + home_len, text->len - home_len);
		text->data[0] = '~';
		text->len -= home_len - 1;
	}
}

static int tell(struct mr_symbolizer *symbolizer, uint32_t depth, const char *function,
                const struct position *position, mr_symbolizer_visit *visit, void *context,
                struct mr_error *err)
{
	mr_buffer_clear(&symbolizer->function);
	if (function != NULL)
		mr_demangle(&symbolizer->function, function);
	mr_buffer_put_u8(&symbolizer->function, 0);
	show_file(&symbolizer->file, position);
	MR_TRY(mr_buffer_status(&symbolizer->function, err));
	MR_TRY(mr_buffer_status(&symbolizer->file, err));

	const struct mr_named named = {
		.function = (const char *)symbolizer->function.data,
		.file = (const char *)symbolizer->file.data,
		.line = position->line > 0 ? (uint32_t)position->line : 0,
	};
	return visit(context, depth, &named, err);
}

/* The name that a function's DIE has: the linker's, which says parameters too, or the source's. */
static const char *function_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) != NULL ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute) != NULL)
		name = dwarf_formstring(&attribute);
	return name != NULL ? name : dwarf_diename(die);
}

/* Where the inlined function DIE was called. */
static struct position call_position(Dwarf_Die *unit, Dwarf_Die *die, const char *directory)
{
	struct position position = { .directory = directory };
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	size_t file_count;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0 && value <= INT32_MAX)
		position.line = (int)value;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0 &&
	    dwarf_getsrcfiles(unit, &files, &file_count) == 0 && value < file_count)
		position.file = dwarf_filesrc(files, value, NULL, NULL);
	return position;
}

/* Tells the frames that the scopes around ADDRESS make; gives their number. */
static int name_scopes(struct mr_symbolizer *symbolizer, Dwarf_Die *unit, Dwarf_Addr address,
                       struct position position, mr_symbolizer_visit *visit, void *context,
                       struct mr_error *err)
{
	Dwarf_Attribute attribute;
	Dwarf_Die *innermost = NULL;
	Dwarf_Die *scopes = NULL;
	int told = 0;
	const char *const directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));

	const int found = dwarf_getscopes(unit, address, &innermost);
	const int count = found > 0 ? dwarf_getscopes_die(&innermost[0], &scopes) : 0;
	for (int i = 0; i < count && told >= 0 && told < INLINED_MAX; i++) {
		const int tag = dwarf_tag(&scopes[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		const int code = tell(symbolizer, (uint32_t)told, function_name(&scopes[i]), &position, visit,
		                      context, err);
		told = code < 0 ? code : told + 1;
		if (tag == DW_TAG_subprogram)
			break;
		position = call_position(unit, &scopes[i], directory);
	}
	free(scopes);
	free(innermost);
	return told;
}

int mr_symbolizer_name(struct mr_symbolizer *symbolizer, uint64_t offset, mr_symbolizer_visit *visit,
                       void *context, struct mr_error *err)
{
	const Dwarf_Addr address = offset + symbolizer->bias;
	struct position position = { 0 };
	Dwarf_Addr bias = 0;
	int told = 0;

	Dwfl_Line *const line = dwfl_module_getsrc(symbolizer->module, address);
	if (line != NULL) {
		position.file = dwfl_lineinfo(line, NULL, &position.line, NULL, NULL, NULL);
		position.directory = dwfl_line_comp_dir(line);
	}
	Dwarf_Die *const unit = dwfl_module_addrdie(symbolizer->module, address, &bias);
	if (unit != NULL)
		told = name_scopes(symbolizer, unit, address - bias, position, visit, context, err);
	if (told != 0)
		return told;

	const char *const symbol = dwfl_module_addrname(symbolizer->module, address);
	if (symbol == NULL && position.file == NULL)
		return 0;
	const int code = tell(symbolizer, 0, symbol, &position, visit, context, err);
	return code < 0 ? code : 1;
}
