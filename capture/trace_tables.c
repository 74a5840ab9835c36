/* SPDX-License-Identifier: MIT
 *
 * Numbers for what traces are made of: modules with their build ids, places in
 * the code, and stacks as a tree in which a stack's parent is its caller's.
 * Each is defined in the log when it is first met.
 *
 * The dynamic linker's lock is never wanted while ours is held: a constructor
 * that tracks objects runs under the linker's, and wants ours.
 */
#include "tracker_trace.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc_identity.h"

#define CAPACITY_MIN 256u
#define BUILD_ID_MAX 64 /* bytes */

struct module {
	uint64_t base;
	uint64_t begin; /* of all its segments */
	uint64_t end;
	uint32_t path; /* string */
	uint32_t build_id;
	uint32_t id; /* 0: not in the log yet */
};

struct code {
	uint64_t address; /* inside the call */
	const char *file; /* NULL: not known */
	const char *function;
	unsigned line;
	uint32_t module;
	uint64_t offset;
};

struct stack {
	uint32_t parent;
	uint32_t code;
};

struct mr_traces {
	struct mr_lock lock;
	struct module *modules;
	size_t module_count;
	size_t module_capacity;
	uint64_t unloads; /* that the linker had counted when we looked last */
	bool looked;
	struct code *codes; /* by id - 1 */
	size_t code_count;
	size_t code_capacity;
	size_t code_first;    /* those before are of modules that may be gone: not found again */
	uint32_t *code_index; /* open addressing of ids, at most half full */
	size_t code_index_capacity;
	struct stack *stacks; /* by id - 1 */
	size_t stack_count;
	size_t stack_capacity;
	uint32_t *stack_index;
	size_t stack_index_capacity;
	uint32_t module_next;
	_Atomic uint64_t failures;
	struct mr_buffer buffer;
};

static struct mr_traces *traces_of(struct memcapture *capture)
{
	struct mr_traces *traces = atomic_load_explicit(&capture->traces, memory_order_acquire);

	if (traces != NULL)
		return traces;
	struct mr_traces *const fresh = mr_alloc(sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&capture->traces, &traces, fresh))
		return fresh;
	mr_free(fresh);
	return traces;
}

void mr_trace_free(struct memcapture *capture)
{
	struct mr_traces *const traces = atomic_load_explicit(&capture->traces, memory_order_relaxed);

	if (traces == NULL)
		return;
	mr_free(traces->modules);
	mr_free(traces->codes);
	mr_free(traces->code_index);
	mr_free(traces->stacks);
	mr_free(traces->stack_index);
	mr_buffer_release(&traces->buffer);
	mr_free(traces);
}

uint64_t mr_trace_memory(struct memcapture *capture)
{
	struct mr_traces *const traces = atomic_load_explicit(&capture->traces, memory_order_acquire);

	if (traces == NULL)
		return 0;
	mr_lock_acquire(&traces->lock);
	const uint64_t size_bytes =
		sizeof(*traces) + traces->module_capacity * sizeof(*traces->modules) +
		traces->code_capacity * sizeof(*traces->codes) +
		traces->stack_capacity * sizeof(*traces->stacks) +
		(traces->code_index_capacity + traces->stack_index_capacity) * sizeof(uint32_t);
	mr_lock_release(&traces->lock);
	return size_bytes;
}

void mr_trace_count_failure(struct memcapture *capture)
{
	struct mr_traces *const traces = traces_of(capture);

	if (traces != NULL)
		atomic_fetch_add_explicit(&traces->failures, 1, memory_order_relaxed);
}

uint64_t mr_trace_failures(struct memcapture *capture)
{
	const struct mr_traces *const traces = atomic_load_explicit(&capture->traces, memory_order_acquire);

	return traces != NULL ? atomic_load_explicit(&traces->failures, memory_order_relaxed) : 0;
}

/* ---- Blocks; under the lock ---------------------------------------------------------- */

static void define_module(struct memcapture *capture, const struct module *module)
{
	struct mr_buffer *const buffer = &capture->traces->buffer;
	struct mr_block_writer block;

	mr_buffer_clear(buffer);
	mr_block_begin(&block, buffer, MR_KIND_MODULES, 1);
	mr_block_scalar(&block, MR_MODULES_ID, module->id);
	mr_block_scalar(&block, MR_MODULES_PATH, module->path);
	mr_block_scalar(&block, MR_MODULES_BUILD_ID, module->build_id);
	mr_block_scalar(&block, MR_MODULES_BASE, module->base);
	mr_block_end(&block);
	mr_tracker_define(capture, buffer);
}

static uint32_t text_id(struct memcapture *capture, const char *text)
{
	return text != NULL ? mr_names_string(capture, text, strlen(text)) : 0;
}

static void define_code(struct memcapture *capture, uint32_t id, const struct code *code)
{
	struct mr_buffer *const buffer = &capture->traces->buffer;
	const uint32_t function = text_id(capture, code->function);
	const uint32_t file = text_id(capture, code->file);
	struct mr_block_writer block;

	mr_buffer_clear(buffer);
	mr_block_begin(&block, buffer, MR_KIND_CODE, 1);
	mr_block_scalar(&block, MR_CODE_ID, id);
	mr_block_scalar(&block, MR_CODE_MODULE, code->module);
	mr_block_scalar(&block, MR_CODE_OFFSET, code->offset);
	mr_block_scalar(&block, MR_CODE_FUNCTION, function);
	mr_block_scalar(&block, MR_CODE_FILE, file);
	mr_block_scalar(&block, MR_CODE_LINE, code->line);
	mr_block_end(&block);
	mr_tracker_define(capture, buffer);
}

static void define_stack(struct memcapture *capture, uint32_t id, const struct stack *stack)
{
	struct mr_buffer *const buffer = &capture->traces->buffer;
	struct mr_block_writer block;

	mr_buffer_clear(buffer);
	mr_block_begin(&block, buffer, MR_KIND_STACKS, 1);
	mr_block_scalar(&block, MR_STACKS_ID, id);
	mr_block_scalar(&block, MR_STACKS_PARENT, stack->parent);
	mr_block_scalar(&block, MR_STACKS_CODE, stack->code);
	mr_block_end(&block);
	mr_tracker_define(capture, buffer);
}

/* ---- Modules ----------------------------------------------------------------------------- */

/* What the linker says now; filled without our lock. */
struct module_list {
	struct memcapture *capture;
	struct module *modules;
	size_t count;
	size_t capacity;
	uint64_t unloads;
	bool failed;
};

/* The build id in the notes at [DATA, DATA + LEN), as a string. */
static uint32_t find_build_id(struct memcapture *capture, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * BUILD_ID_MAX];
	size_t at = 0;

	while (len - at >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) note;
		memcpy(&note, data + at, sizeof(note));
		const size_t name_at = at + sizeof(note);
		const size_t value_at = name_at + ((note.n_namesz + (size_t)3) & ~(size_t)3);
		const size_t next = value_at + ((note.n_descsz + (size_t)3) & ~(size_t)3);

		if (next > len || next < at)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(data + name_at, "GNU", 4) == 0 && note.n_descsz <= BUILD_ID_MAX) {
			for (size_t i = 0; i < note.n_descsz; i++) {
				text[2 * i] = digits[data[value_at + i] >> 4];
				text[2 * i + 1] = digits[data[value_at + i] & 15];
			}
			return mr_names_string(capture, text, 2 * (size_t)note.n_descsz);
		}
		at = next;
	}
	return 0;
}

static uint32_t path_id(struct memcapture *capture, const char *name)
{
	const char *const home = secure_getenv("HOME");
	char executable[PATH_MAX];
	char shown[PATH_MAX];

	/* The program itself has no name in the linker's list. */
	if (name == NULL || name[0] == '\0') {
		const ssize_t len = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

		if (len <= 0)
			return 0;
		executable[len] = '\0';
		name = executable;
	}
	return mr_names_string(capture, shown,
	                       mr_proc_path_show(name, strlen(name), home, shown, sizeof(shown)));
}

static int add_module(struct dl_phdr_info *info, size_t size, void *context)
{
	struct module_list *const list = context;
	struct module module = { .base = info->dlpi_addr, .begin = UINT64_MAX };

	if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
		list->unloads = info->dlpi_subs;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *const header = &info->dlpi_phdr[i];
		const uint64_t begin = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD) {
			if (begin < module.begin)
				module.begin = begin;
			if (begin + header->p_memsz > module.end)
				module.end = begin + header->p_memsz;
		} else if (header->p_type == PT_NOTE && module.build_id == 0) {
			module.build_id = find_build_id(list->capture, (const uint8_t *)(uintptr_t)begin,
			                                header->p_memsz);
		}
	}
	if (module.begin >= module.end)
		return 0;
	module.path = path_id(list->capture, info->dlpi_name);
	if (mr_grow(&list->modules, &list->capacity, list->count + 1, sizeof(*list->modules)) < 0) {
		list->failed = true;
		return 1;
	}
	list->modules[list->count++] = module;
	return 0;
}

/* Replaces what we know of modules by LIST, keeping the numbers of those that stayed; under the lock. */
static void merge_modules(struct mr_traces *traces, struct module_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct module *const module = &list->modules[i];

		for (size_t k = 0; k < traces->module_count; k++) {
			const struct module *const known = &traces->modules[k];

			if (known->base == module->base && known->path == module->path &&
			    known->build_id == module->build_id)
				module->id = known->id;
		}
	}
	/* Where a module was unloaded, its addresses may mean something else by now. */
	if (traces->looked && traces->unloads != list->unloads) {
		traces->code_first = traces->code_count;
		if (traces->code_index != NULL)
			memset(traces->code_index, 0,
			       traces->code_index_capacity * sizeof(*traces->code_index));
	}
	traces->looked = true;
	traces->unloads = list->unloads;

	struct module *const before = traces->modules;
	traces->modules = list->modules;
	traces->module_count = list->count;
	traces->module_capacity = list->capacity;
	list->modules = before;
}

static struct module *find_module(const struct mr_traces *traces, uint64_t address)
{
	for (size_t i = 0; i < traces->module_count; i++) {
		if (address >= traces->modules[i].begin && address < traces->modules[i].end)
			return &traces->modules[i];
	}
	return NULL;
}

/* ---- Code ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t a, uint64_t b)
{
	const uint64_t hash = (a ^ b * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);

	return hash ^ hash >> 32;
}

static uint64_t hash_code(const struct code *code)
{
	return mix(code->address, (uint64_t)(uintptr_t)code->file + code->line);
}

static bool same_code(const struct code *a, const struct code *b)
{
	return a->address == b->address && a->file == b->file && a->function == b->function &&
	       a->line == b->line;
}

/* Makes room in an index of COUNT ids for one more; HASHES gives the hash of an id. */
static bool index_grow(uint32_t **index, size_t *capacity, size_t count, size_t first,
                       uint64_t (*hash_of)(const struct mr_traces *, size_t), const struct mr_traces *traces)
{
	if ((count + 1) * 2 <= *capacity)
		return true;

	const size_t grown_capacity = *capacity == 0 ? CAPACITY_MIN : *capacity * 2;
	uint32_t *const grown = mr_alloc(grown_capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	for (size_t i = first; i < count; i++) {
		size_t at = hash_of(traces, i) & (grown_capacity - 1);

		while (grown[at] != 0)
			at = (at + 1) & (grown_capacity - 1);
		grown[at] = (uint32_t)i + 1;
	}
	mr_free(*index);
	*index = grown;
	*capacity = grown_capacity;
	return true;
}

static uint64_t hash_code_at(const struct mr_traces *traces, size_t i)
{
	return hash_code(&traces->codes[i]);
}

static uint64_t hash_stack(const struct stack *stack)
{
	return mix(stack->code, stack->parent);
}

static uint64_t hash_stack_at(const struct mr_traces *traces, size_t i)
{
	return hash_stack(&traces->stacks[i]);
}

/* The place of CODE in the index: its id is there, or 0. */
static uint32_t *code_place(const struct mr_traces *traces, const struct code *code)
{
	size_t at = hash_code(code) & (traces->code_index_capacity - 1);

	while (traces->code_index[at] != 0 && !same_code(&traces->codes[traces->code_index[at] - 1], code))
		at = (at + 1) & (traces->code_index_capacity - 1);
	return &traces->code_index[at];
}

/* Gives CODE a number; under the lock.  0: no memory. */
static uint32_t add_code(struct memcapture *capture, struct mr_traces *traces, struct code *code,
                         uint32_t *place)
{
	struct module *const module = find_module(traces, code->address);

	if (mr_grow(&traces->codes, &traces->code_capacity, traces->code_count + 1, sizeof(*traces->codes)) <
	    0)
		return 0;
	code->offset = code->address;
	if (module != NULL) {
		if (module->id == 0) {
			module->id = ++traces->module_next;
			define_module(capture, module);
		}
		code->module = module->id;
		code->offset = code->address - module->base;
	}
	traces->codes[traces->code_count++] = *code;
	*place = (uint32_t)traces->code_count;
	define_code(capture, *place, code);
	return *place;
}

/* The number of CODE.  Takes the lock, and lets go of it while it asks the linker. */
static uint32_t intern_code(struct memcapture *capture, struct mr_traces *traces, struct code *code)
{
	struct module_list list = { .capture = capture };
	uint32_t id = 0;

	mr_lock_acquire(&traces->lock);
	if (!index_grow(&traces->code_index, &traces->code_index_capacity, traces->code_count,
	                traces->code_first, hash_code_at, traces))
		goto out;
	uint32_t *place = code_place(traces, code);
	if (*place == 0 && find_module(traces, code->address) == NULL) {
		mr_lock_release(&traces->lock);
		(void)dl_iterate_phdr(add_module, &list);
		mr_lock_acquire(&traces->lock);
		if (!list.failed)
			merge_modules(traces, &list);
		if (!index_grow(&traces->code_index, &traces->code_index_capacity, traces->code_count,
		                traces->code_first, hash_code_at, traces))
			goto out;
		place = code_place(traces, code);
	}
	id = *place != 0 ? *place : add_code(capture, traces, code, place);
out:
	mr_lock_release(&traces->lock);
	mr_free(list.modules);
	return id;
}

/* ---- Stacks -------------------------------------------------------------------------------------- */

static uint32_t intern_stack(struct memcapture *capture, struct mr_traces *traces, const struct stack *stack)
{
	uint32_t id = 0;

	mr_lock_acquire(&traces->lock);
	if (index_grow(&traces->stack_index, &traces->stack_index_capacity, traces->stack_count, 0,
	               hash_stack_at, traces)) {
		size_t at = hash_stack(stack) & (traces->stack_index_capacity - 1);

		while (traces->stack_index[at] != 0) {
			const struct stack *const known = &traces->stacks[traces->stack_index[at] - 1];

			if (known->parent == stack->parent && known->code == stack->code)
				break;
			at = (at + 1) & (traces->stack_index_capacity - 1);
		}
		id = traces->stack_index[at];
		if (id == 0 && mr_grow(&traces->stacks, &traces->stack_capacity, traces->stack_count + 1,
		                       sizeof(*traces->stacks)) == 0) {
			traces->stacks[traces->stack_count++] = *stack;
			id = (uint32_t)traces->stack_count;
			traces->stack_index[at] = id;
			define_stack(capture, id, stack);
		}
	}
	mr_lock_release(&traces->lock);
	return id;
}

uint32_t mr_trace_intern(struct memcapture *capture, uint32_t parent, uint64_t return_address,
                         const struct memcapture_position *position)
{
	struct mr_traces *const traces = traces_of(capture);
	struct code code = { .address = return_address - 1 };

	if (traces == NULL)
		return 0;
	if (position != NULL) {
		code.file = position->file;
		code.function = position->function;
		code.line = position->line;
	}
	const struct stack stack = { .parent = parent, .code = intern_code(capture, traces, &code) };
	return stack.code != 0 ? intern_stack(capture, traces, &stack) : 0;
}

/* ---- The end, and a new beginning ------------------------------------------------------------------ */

void mr_trace_symbols(struct memcapture *capture)
{
	struct mr_traces *const traces = atomic_load_explicit(&capture->traces, memory_order_acquire);

	if (traces == NULL)
		return;
	for (size_t i = 0; i < traces->code_count; i++) {
		const struct code *const code = &traces->codes[i];
		Dl_info info;
		struct mr_block_writer block;

		/* The innermost frame has its name; others have one when their function is exported. */
		if (code->function != NULL || i < traces->code_first ||
		    dladdr((const void *)(uintptr_t)code->address, &info) == 0 || info.dli_sname == NULL)
			continue;
		const uint32_t function = text_id(capture, info.dli_sname);
		mr_buffer_clear(&traces->buffer);
		mr_block_begin(&block, &traces->buffer, MR_KIND_SYMBOLS, 1);
		mr_block_scalar(&block, MR_SYMBOLS_CODE, i + 1);
		mr_block_scalar(&block, MR_SYMBOLS_DEPTH, 0);
		mr_block_scalar(&block, MR_SYMBOLS_FUNCTION, function);
		mr_block_end(&block);
		mr_tracker_define(capture, &traces->buffer);
	}
}

void mr_trace_define_all(struct memcapture *capture)
{
	struct mr_traces *const traces = atomic_load_explicit(&capture->traces, memory_order_acquire);

	if (traces == NULL)
		return;
	mr_lock_acquire(&traces->lock);
	for (size_t i = 0; i < traces->module_count; i++) {
		if (traces->modules[i].id != 0)
			define_module(capture, &traces->modules[i]);
	}
	for (size_t i = 0; i < traces->code_count; i++)
		define_code(capture, (uint32_t)i + 1, &traces->codes[i]);
	for (size_t i = 0; i < traces->stack_count; i++)
		define_stack(capture, (uint32_t)i + 1, &traces->stacks[i]);
	mr_lock_release(&traces->lock);
}
