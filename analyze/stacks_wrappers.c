/* SPDX-License-Identifier: MIT
 *
 * Which functions stand between a program and its memory.  Whoever asks where
 * memory was allocated does not mean malloc, nor std::vector: a site is the
 * innermost frame that is none of these.  Only the inner end of a stack is
 * looked at, so that std::thread, say, does not disturb at the outer end.
 *
 * To add one: a line in a table below; '*' at the end stands for anything.
 */
#include "stacks.h"

/* What gives memory. */
static const char *const allocators[] = { "malloc", "calloc", "realloc", "reallocarray", "posix_memalign",
	                                  "aligned_alloc", "memalign", "valloc", "pvalloc", "mmap", "mmap64",
	                                  "mremap", "__libc_malloc", "__libc_calloc", "__libc_realloc",
	                                  "__libc_memalign", "__libc_valloc", "__libc_pvalloc",
	                                  "__libc_reallocarray",
	                                  /* Rust */
	                                  "__rust_*", "__rdl_*", "__rg_*",
	                                  /* C++, as the symbol table has them */
	                                  "_Znw*", "_Zna*" };

/* What programs and libraries wrap around it. */
static const char *const wrappers[] = {
	/* libc */
	"strdup", "__strdup", "strndup", "__strndup", "wcsdup", "asprintf", "__asprintf", "___asprintf",
	"__asprintf_chk", "vasprintf", "__vasprintf_chk", "__vasprintf_internal", "getline", "getdelim",
	"__getline", "__getdelim", "_IO_getdelim", "_IO_getline*",
	/* GLib */
	"g_malloc*", "g_calloc", "g_realloc*", "g_try_malloc*", "g_try_realloc*", "g_aligned_alloc*",
	"g_slice_alloc*", "g_slice_copy", "g_strdup*", "g_strndup", "g_memdup*", "g_vasprintf",
	/* names that programs give their own */
	"xmalloc*", "xcalloc*", "xrealloc*", "xzalloc*", "xstrdup", "xstrndup", "xmemdup*", "xasprintf",
	"xvasprintf", "xnmalloc*", "xnrealloc*", "xcharalloc", "x2realloc*", "x2nrealloc*", "xalloc",
	"xpalloc", "ximalloc", "xizalloc", "xirealloc", "do_xmalloc*", "emalloc", "ecalloc", "erealloc",
	"safe_malloc", "safe_calloc", "safe_realloc", "checked_malloc", "checked_realloc", "zmalloc*",
	"zcalloc*", "zrealloc*", "ztrymalloc*", "ztrycalloc*", "ztryrealloc*", "je_malloc", "my_malloc",
	/* libraries that many programs use */
	"sqlite3_malloc*", "sqlite3_realloc*", "sqlite3Malloc*", "sqlite3Realloc*", "sqlite3MemMalloc",
	"sqlite3MemRealloc", "sqlite3DbMalloc*", "sqlite3DbRealloc*", "sqlite3DbStrDup", "sqlite3DbStrNDup",
	"dbMallocRawFinish", "dbReallocFinish", "mallocWithAlarm", "jv_mem_alloc*", "jv_mem_calloc*",
	"jv_mem_realloc*", "jv_mem_strdup*", "json_malloc", "jsonp_malloc", "CRYPTO_malloc", "CRYPTO_zalloc",
	"CRYPTO_realloc", "CRYPTO_strdup", "xmlStrdup", "xmlStrndup", "xmlMallocLoc", "PyMem_RawMalloc",
	"PyMem_RawCalloc", "PyMem_RawRealloc", "PyMem_Malloc", "PyMem_Calloc", "PyMem_Realloc",
	"PyObject_Malloc", "PyObject_Calloc", "PyObject_Realloc", "_PyMem_Raw*", "_PyObject_Malloc",
	"_PyObject_Calloc", "_PyObject_Realloc"
};

/* Whole namespaces, as names begin that are demangled. */
static const char *const namespaces[] = {
	"std::", "__gnu_cxx::", "__cxxabiv1::",
	/* LLVM */
	"llvm::safe_malloc", "llvm::safe_calloc", "llvm::safe_realloc", "llvm::allocate_buffer",
	/* Rust */
	"alloc::alloc::", "alloc::raw_vec::", "alloc::vec::", "alloc::string::", "alloc::boxed::",
	"alloc::collections::", "alloc::rc::", "alloc::sync::", "alloc::fmt::", "alloc::slice::",
	"alloc::str::", "<alloc::", "<&alloc::", "<&mut alloc::", "hashbrown::", "core::option::",
	"core::result::", "core::fmt::", "<core::fmt::", "core::iter::", "<core::iter::", "core::ops::",
	"core::slice::", "core::str::", "core::array::", "core::ptr::", "<str>::", "<["
};

/* Whether the LEN bytes at NAME are what PATTERN says. */
static bool matches(const char *pattern, const char *name, size_t len)
{
	if (pattern[0] != name[0])
		return false;
	const size_t pattern_len = strlen(pattern);

	if (pattern[pattern_len - 1] == '*')
		return len >= pattern_len - 1 && memcmp(pattern, name, pattern_len - 1) == 0;
	return len == pattern_len && memcmp(pattern, name, len) == 0;
}

static bool is_among(const char *const *patterns, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (matches(patterns[i], name, len))
			return true;
	return false;
}

const char *mr_name_skip_operator(const char *at)
{
	/* The longest first: what is behind "operator+" in "operator+<char>" is no part of it. */
	static const char *const operators[] = {
		"<=>", "<<=", ">>=", "->*", "()", "[]", "<<", ">>", "<=", ">=", "==", "!=", "&&",
		"||",  "++",  "--",  "+=",  "-=", "*=", "/=", "%=", "^=", "&=", "|=", "->"
	};

	at += strlen("operator");
	for (size_t i = 0; i < MR_ARRAY_LEN(operators); i++)
		if (strncmp(at, operators[i], strlen(operators[i])) == 0)
			return at + strlen(operators[i]);
	return at + (*at != '\0' && strchr("<>=-+*/%^&|~!,", *at) != NULL);
}

const char *mr_name_begin(const char *name, const char **end)
{
	static const char anonymous[] = "(anonymous namespace)";
	const char *begin = name;
	size_t depth = 0;
	const char *at = name;

	for (; *at != '\0'; at++) {
		if (depth == 0 && *at == '(' && strncmp(at, anonymous, sizeof(anonymous) - 1) == 0) {
			at += sizeof(anonymous) - 2;
		} else if (*at == 'o' && strncmp(at, "operator", 8) == 0) {
			at = mr_name_skip_operator(at);
			if (at[0] == ' ' && at[1] == '<') /* "operator<< <char>" */
				at++;
			if (*at == ' ' && depth == 0) /* "operator new", "operator std::string" */
				break;
			at--;
		} else if (*at == '<' || *at == '{' || *at == '(' || *at == '[') {
			if (*at == '(' && depth == 0)
				break;
			depth++;
		} else if ((*at == '>' || *at == '}' || *at == ')' || *at == ']') && depth > 0) {
			depth--;
		} else if (*at == ' ' && depth == 0) {
			begin = at + 1;
		}
	}
	*end = at;
	return begin;
}

/* operator new of the language, or of a class. */
static bool is_operator_new(const char *name)
{
	const char *at = strstr(name, "operator new");

	if (!at || (at != name && at[-1] != ':' && at[-1] != ' '))
		return false;
	at += strlen("operator new");
	return *at == '\0' || *at == '(' || *at == '[';
}

/* What Rust's libraries do for types that have no path, its own and parameters: "<T as alloc::..>::f". */
static bool is_of_plain_type(const char *name)
{
	static const char *const libraries[] = { "core::", "alloc::", "std::", "<[" };
	const char *const as = strstr(name, " as ");
	const char *const path = strstr(name, "::");

	if (name[0] != '<' || !as || (path && path < as))
		return false;
	for (size_t i = 0; i < MR_ARRAY_LEN(libraries); i++)
		if (strncmp(as + strlen(" as "), libraries[i], strlen(libraries[i])) == 0)
			return true;
	return false;
}

enum mr_frame_kind mr_frame_kind_of(const char *name)
{
	static const char internal[] = "__GI_"; /* of glibc: the name by which it calls itself */

	if (strncmp(name, internal, sizeof(internal) - 1) == 0)
		name += sizeof(internal) - 1;
	/* "xmalloc.constprop.0" is xmalloc. */
	const size_t len = strcspn(name, ".");

	if (len == 0)
		return MR_FRAME_OWN;
	if (is_among(allocators, MR_ARRAY_LEN(allocators), name, len) || is_operator_new(name))
		return MR_FRAME_ALLOCATOR;
	if (is_among(wrappers, MR_ARRAY_LEN(wrappers), name, len))
		return MR_FRAME_RUNTIME;
	if (!strstr(name, "::"))
		return MR_FRAME_OWN;
	if (is_of_plain_type(name))
		return MR_FRAME_RUNTIME;
	const char *end;
	const char *begin = mr_name_begin(name, &end);

	for (size_t i = 0; i < MR_ARRAY_LEN(namespaces); i++)
		if (strncmp(begin, namespaces[i], strlen(namespaces[i])) == 0)
			return MR_FRAME_RUNTIME;
	return MR_FRAME_OWN;
}
