/* SPDX-License-Identifier: MIT
 *
 * See memrecord_preload.h.
 */
#include "memrecord_preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "heap_events.h"
#include "proc_memory.h"

#define LIBRARY MR_HEAP_RECORDER_LIBRARY
#define SCRIPTS_MAX 4 /* scripts that are run by scripts: as many as the kernel follows */
#define PROGRAM_HEADERS_MAX 256
#define ADVICE "; --sample-only records its memory without call stacks"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

/* ---- Judging ------------------------------------------------------------------------------- */

/* The kernel would make the dynamic linker ignore LD_PRELOAD. */
static int judge_rights(const char *path, int fd, struct mr_error *err)
{
	const char *const message = "'%s' gets rights of its own when it is started (%s), and then takes no "
				    "recorder in" ADVICE;
	struct stat info;

	if (fstat(fd, &info) < 0)
		return MR_OK;
	if ((info.st_mode & S_ISUID) && info.st_uid != getuid())
		return mr_fail(err, MR_ERR_ARG, message, path, "set-user-ID");
	if ((info.st_mode & S_ISGID) && (info.st_mode & S_IXGRP) && info.st_gid != getgid())
		return mr_fail(err, MR_ERR_ARG, message, path, "set-group-ID");
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return mr_fail(err, MR_ERR_ARG, message, path, "file capabilities");
	return MR_OK;
}

/* The libraries of sanitizers that refuse to run, or crash, when another library comes before them. */
static bool insists_on_coming_first(const char *library)
{
	static const char *const names[] = { "libasan.so",       "libtsan.so",       "libhwasan.so",
		                             "libclang_rt.asan", "libclang_rt.tsan", "libclang_rt.hwasan" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (strncmp(library, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Where ADDRESS of the loaded program lies in its file; -1: nowhere. */
static int64_t offset_of(Elf *elf, uint64_t address)
{
	size_t count = 0;
	GElf_Phdr program;

	if (elf_getphdrnum(elf, &count) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, (int)i, &program) && program.p_type == PT_LOAD &&
		    address >= program.p_vaddr && address - program.p_vaddr < program.p_filesz)
			return (int64_t)(address - program.p_vaddr + program.p_offset);
	return -1;
}

/* The first such library among those that the dynamic section AT names; "": none. */
static void find_sanitizer(Elf *elf, const GElf_Phdr *at, char name[NAME_MAX + 1])
{
	Elf_Data *const entries = elf_getdata_rawchunk(elf, (int64_t)at->p_offset, at->p_filesz, ELF_T_DYN);
	size_t file_len = 0;
	const char *const file = elf_rawfile(elf, &file_len);
	int64_t texts = -1;
	GElf_Dyn entry;

	for (int i = 0; entries && gelf_getdyn(entries, i, &entry) && entry.d_tag != DT_NULL; i++)
		if (entry.d_tag == DT_STRTAB)
			texts = offset_of(elf, entry.d_un.d_ptr);
	if (!file || texts < 0 || (uint64_t)texts >= file_len)
		return;
	for (int i = 0; gelf_getdyn(entries, i, &entry) && entry.d_tag != DT_NULL; i++) {
		const uint64_t rest = file_len - (uint64_t)texts;

		if (entry.d_tag != DT_NEEDED || entry.d_un.d_val >= rest)
			continue;
		const char *const text = file + texts + entry.d_un.d_val;
		const size_t len = strnlen(text, rest - entry.d_un.d_val);

		if (len > NAME_MAX || len == rest - entry.d_un.d_val || !insists_on_coming_first(text))
			continue;
		memcpy(name, text, len + 1);
		return;
	}
}

static int judge_libraries(const char *path, int fd, struct mr_error *err)
{
	char name[NAME_MAX + 1] = "";
	GElf_Phdr program;
	size_t count = 0;

	(void)elf_version(EV_CURRENT);
	Elf *const elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	if (!elf || elf_getphdrnum(elf, &count) != 0)
		count = 0; /* exec will say what is wrong with it */
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, (int)i, &program) && program.p_type == PT_DYNAMIC)
			find_sanitizer(elf, &program, name);
	(void)elf_end(elf);
	MR_FAIL_IF(name[0], err, MR_ERR_ARG,
	           "'%s' is built with a sanitizer, whose library (%s) bears no recorder before it: build it "
	           "without -fsanitize" ADVICE,
	           path, name);
	return MR_OK;
}

static int judge_elf(const char *path, int fd, const Elf64_Ehdr *header, struct mr_error *err)
{
	MR_FAIL_IF(header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != MACHINE, err, MR_ERR_ARG,
	           "'%s' is for another kind of processor than memrecord" ADVICE, path);
	for (unsigned i = 0; i < header->e_phnum && i < PROGRAM_HEADERS_MAX; i++) {
		Elf64_Phdr program;

		if (pread(fd, &program, sizeof(program),
		          (off_t)(header->e_phoff + i * (uint64_t)header->e_phentsize)) !=
		    (ssize_t)sizeof(program))
			return MR_OK; /* exec will say what is wrong with it */
		if (program.p_type == PT_INTERP)
			return judge_libraries(path, fd, err);
	}
	return mr_fail(
		err, MR_ERR_ARG,
		"'%s' is linked statically, and its allocations cannot be seen: link it dynamically" ADVICE,
		path);
}

/* "#!interpreter argument": the interpreter, in place. */
static char *interpreter_of(char *line)
{
	char *const name = line + 2 + strspn(line + 2, " \t");

	name[strcspn(name, " \t\n")] = '\0';
	return name;
}

static int judge(const char *path, unsigned depth, struct mr_error *err)
{
	union {
		char line[PATH_MAX];
		Elf64_Ehdr elf;
	} start = { .line = "" };
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t len;
	int code = MR_OK;

	if (fd < 0) /* one may run what one may not read */
		return MR_OK;
	len = pread(fd, start.line, sizeof(start.line) - 1, 0);
	start.line[len > 0 ? len : 0] = '\0';
	if (len >= (ssize_t)sizeof(start.elf) && memcmp(start.elf.e_ident, ELFMAG, SELFMAG) == 0) {
		code = judge_rights(path, fd, err);
		if (code == MR_OK)
			code = judge_elf(path, fd, &start.elf, err);
	} else if (len > 2 && start.line[0] == '#' && start.line[1] == '!' && depth < SCRIPTS_MAX) {
		code = judge(interpreter_of(start.line), depth + 1, err);
	}
	(void)close(fd);
	return code;
}

int mr_preload_judge(const char *path, struct mr_error *err)
{
	return judge(path, 0, err);
}

/* ---- The environment ------------------------------------------------------------------------- */

/* The library beside memrecord (as built), or where it is installed. */
static int find_library(char path[PATH_MAX], struct mr_error *err)
{
	static const char *const places[] = { "", "../lib/memreport/" };
	char own[PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);

	MR_FAIL_IF(len <= 0, err, MR_ERR_READ, "cannot find out where memrecord lies: %s", strerror(errno));
	own[len] = '\0';
	char *const slash = strrchr(own, '/');

	MR_FAIL_IF(!slash, err, MR_ERR_READ, "cannot find out where memrecord lies");
	slash[1] = '\0';
	for (size_t i = 0; i < MR_ARRAY_LEN(places); i++)
		if (snprintf(path, PATH_MAX, "%s%s" LIBRARY, own, places[i]) < PATH_MAX &&
		    access(path, R_OK) == 0)
			return MR_OK;
	return mr_fail(err, MR_ERR_READ,
	               "cannot find " LIBRARY " in '%s' or in '%s../lib/memreport/': is memrecord installed?",
	               own, own);
}

/* The dynamic linker takes spaces and colons for the ends of names, and $ for something else. */
static int link_library(char path[PATH_MAX], const char *folder, struct mr_error *err)
{
	char link[PATH_MAX];

	if (strcspn(path, " :$") == strlen(path))
		return MR_OK;
	MR_FAIL_IF(snprintf(link, sizeof(link), "%s/" LIBRARY, folder) >= (int)sizeof(link) ||
	                   strcspn(link, " :$") != strlen(link),
	           err, MR_ERR_ARG, "no place for a link to '%s' without spaces and colons in its name",
	           path);
	MR_FAIL_IF(symlink(path, link) < 0, err, MR_ERR_WRITE, "cannot make '%s': %s", link, strerror(errno));
	(void)snprintf(path, PATH_MAX, "%s", link);
	return MR_OK;
}

int mr_preload_environment(const struct mr_preload_options *options, const char *folder, struct mr_error *err)
{
	const char *const before = getenv("LD_PRELOAD");
	struct mr_buffer preload = { 0 };
	char path[PATH_MAX];
	char text[64];

	MR_TRY(find_library(path, err));
	MR_TRY(link_library(path, folder, err));
	(void)snprintf(text, sizeof(text), "depth=%u,mmap=%d,filters=%u", options->depth, options->mmap,
	               mr_proc_seccomp_filters());
	mr_buffer_printf(&preload, "%s%s%s", path, before && before[0] ? ":" : "", before ? before : "");
	mr_buffer_put_u8(&preload, 0);
	const bool set = !preload.failed && setenv("LD_PRELOAD", (const char *)preload.data, 1) == 0 &&
	                 setenv(MR_HEAP_OPTIONS_ENVIRONMENT, text, 1) == 0;

	mr_buffer_release(&preload);
	MR_FAIL_IF(!set, err, MR_ERR_NOMEM, "out of memory for the environment");
	return MR_OK;
}
