/* SPDX-License-Identifier: MIT
 *
 * Where a module's code and its debugging information are: in the module, by its
 * build id, by its .gnu_debuglink, and what several share by .gnu_debugaltlink, on
 * this machine only: elfutils' own search would ask servers that the environment
 * names.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "symbolizer_private.h"

#define DEBUG_PATH_DEFAULT "/usr/lib/debug"

/* ---- Folders of debugging information ------------------------------------------- */

const char *mr_symbolizer_debug_path(void)
{
	const char *const path = getenv(MR_SYMBOLIZER_DEBUG_ENVIRONMENT);

	return path != NULL && path[0] == '/' ? path : DEBUG_PATH_DEFAULT;
}

/* The next folder of *PATH, of which *LEN bytes count; NULL: there are no more. */
static const char *next_directory(const char **path, size_t *len)
{
	const char *const directory = *path + strspn(*path, ":");

	*len = strcspn(directory, ":");
	*path = directory + *len;
	return *len > 0 && *len < MR_ERROR_MESSAGE_MAX ? directory : NULL;
}

/* ---- Finding files ---------------------------------------------------------------- */

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
static int open_link(const char *root, size_t root_len, const char *directory, size_t directory_len,
                     const char *middle, const char *link, GElf_Word crc, char **name)
{
	struct mr_buffer path = { 0 };
	int fd = -1;

	mr_buffer_printf(&path, "%.*s%.*s%s%s", (int)root_len, root, (int)directory_len, directory, middle,
	                 link);
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

static int search_debuginfo(Dwfl_Module *module, void **userdata, const char *module_name, Dwarf_Addr base,
                            const char *file_name, const char *link, GElf_Word crc, char **debuginfo_name)
{
	int fd = dwfl_build_id_find_debuginfo(module, userdata, module_name, base, file_name, link, crc,
	                                      debuginfo_name);

	if (fd >= 0 || link == NULL || link[0] == '\0')
		return fd;
	if (link[0] == '/') /* what several files share is named by its path */
		return crc == 0 ? open_link("", 0, "", 0, "", link, 0, debuginfo_name) : -1;
	if (file_name == NULL)
		return -1;

	const char *const slash = strrchr(file_name, '/');
	const size_t len = slash != NULL ? (size_t)(slash - file_name) + 1 : 0;
	fd = open_link("", 0, file_name, len, "", link, crc, debuginfo_name);
	if (fd < 0)
		fd = open_link("", 0, file_name, len, ".debug/", link, crc, debuginfo_name);
	const char *path = mr_symbolizer_debug_path();
	size_t directory_len;
	for (const char *directory; fd < 0 && (directory = next_directory(&path, &directory_len)) != NULL;)
		fd = open_link(directory, directory_len, file_name, len, "", link, crc, debuginfo_name);
	return fd;
}

uint64_t mr_symbolizer_inflated(Elf *elf)
{
	uint64_t sum = 0;

	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
		GElf_Shdr header;
		GElf_Chdr compressed;

		if (gelf_getshdr(section, &header) != NULL && (header.sh_flags & SHF_COMPRESSED) != 0 &&
		    gelf_getchdr(section, &compressed) != NULL &&
		    __builtin_add_overflow(sum, compressed.ch_size, &sum))
			return UINT64_MAX;
	}
	return sum;
}

int mr_symbolizer_find_debuginfo(Dwfl_Module *module, void **userdata, const char *module_name,
                                 Dwarf_Addr base, const char *file_name, const char *link, GElf_Word crc,
                                 char **debuginfo_name)
{
	struct mr_symbolizer *const symbolizer = *userdata;
	const int fd =
		search_debuginfo(module, userdata, module_name, base, file_name, link, crc, debuginfo_name);
	Elf *const elf = fd >= 0 && symbolizer->inflated_max != UINT64_MAX
	                         ? elf_begin(fd, ELF_C_READ_MMAP, NULL)
	                         : NULL;

	if (elf != NULL)
		symbolizer->is_refused = mr_symbolizer_inflated(elf) > symbolizer->inflated_max;
	(void)elf_end(elf); /* NULL is fine */
	if (fd < 0 || !symbolizer->is_refused)
		return fd;
	close(fd);
	free(*debuginfo_name);
	*debuginfo_name = NULL;
	return -1;
}

/* Never asked: modules are reported as files. */
int mr_symbolizer_find_elf(Dwfl_Module *module, void **userdata, const char *module_name, Dwarf_Addr base,
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
	const char *folders = mr_symbolizer_debug_path();
	size_t len;

	/* The id comes from a file: only hexadecimal digits may become a path. */
	if (strlen(build_id) < 4 || strspn(build_id, "0123456789abcdef") != strlen(build_id))
		return NULL;
	for (const char *folder; module == NULL && (folder = next_directory(&folders, &len)) != NULL;) {
		mr_buffer_clear(&path);
		mr_buffer_printf(&path, "%.*s/.build-id/%.2s/%s.debug", (int)len, folder, build_id,
		                 build_id + 2);
		mr_buffer_put_u8(&path, 0);
		if (!path.failed)
			module = report(symbolizer, (const char *)path.data);
		if (module != NULL && !is_build(module, build_id))
			module = NULL;
	}
	mr_buffer_release(&path);
	return module;
}

int mr_symbolizer_find(struct mr_symbolizer *symbolizer, const char *path, const char *build_id, int fd,
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

/* ---- Files that change --------------------------------------------------------------- */

static void note_file(struct mr_symbolizer_file *file, const char *path)
{
	struct stat status;

	if (path == NULL || stat(path, &status) < 0)
		return;
	*file = (struct mr_symbolizer_file){ path, status.st_dev, status.st_ino, status.st_size,
		                             status.st_mtim };
}

void mr_symbolizer_note_files(struct mr_symbolizer *symbolizer)
{
	const char *code_path = NULL;
	const char *debug_path = NULL;

	(void)dwfl_module_info(symbolizer->module, NULL, NULL, NULL, NULL, NULL, &code_path, &debug_path);
	note_file(&symbolizer->code_file, code_path);
	note_file(&symbolizer->debug_file, debug_path);
}

static bool is_written_to(const struct mr_symbolizer_file *file)
{
	struct stat status;

	return file->path != NULL && stat(file->path, &status) == 0 && status.st_dev == file->device &&
	       status.st_ino == file->inode &&
	       (status.st_size != file->size || status.st_mtim.tv_sec != file->changed.tv_sec ||
	        status.st_mtim.tv_nsec != file->changed.tv_nsec);
}

bool mr_symbolizer_is_good(const struct mr_symbolizer *symbolizer)
{
	return !is_written_to(&symbolizer->code_file) && !is_written_to(&symbolizer->debug_file);
}
