/* SPDX-License-Identifier: MIT
 *
 * Frames, and what follows from them for each stack.  A code becomes its frames
 * when a stack that is asked for goes through it; a stack is what its caller's
 * stack is, and its own frames: so both are worked out once.
 */
#include "stacks.h"

#include <inttypes.h>

/* Of texts that are kept: a log may have a thousand runs with few, or one with very many. */
#define TEXT_CHUNK_MIN (2u << 10)
#define TEXT_CHUNK_MAX (64u << 10)
#define FRAME_UNKNOWN 0
#define FRAME_HIDDEN 1

struct text_chunk {
	struct text_chunk *next;
	size_t used, size;
	char text[];
};

struct code_frames {
	uint32_t first; /* 0: not yet known */
	uint32_t count;
};

struct stack_facts {
	uint64_t focus; /* of all its frames */
	uint32_t site;  /* frame */
	bool is_resolved;
	bool is_kept;
};

struct module_facts {
	const char *name; /* without folders */
	bool is_kept;     /* by --module */
};

struct mr_stacks_memo {
	struct text_chunk *chunks;
	struct mr_buffer scratch;
	uint32_t *slots; /* of functions, by hash; 0: free */
	size_t slot_count;
	struct code_frames *codes;
	struct stack_facts *stacks;
	struct module_facts *modules;
	struct mr_stack_path path; /* that is being resolved */
	const char **traces;       /* NULL until one is asked for */
	uint64_t focus_all;        /* a bit for each --focus */
	bool has_module;           /* there is a --module */
};

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for the call stacks");
}

/* A copy of LEN bytes with a zero byte behind, that lives as long as the stacks; NULL: no memory. */
static const char *keep_text(struct mr_stacks_memo *memo, const void *text, size_t len)
{
	struct text_chunk *chunk = memo->chunks;

	if (len >= TEXT_CHUNK_MIN / 4) { /* one of its own, behind the one that is being filled */
		struct text_chunk *large = mr_alloc(sizeof(*large) + len + 1);

		if (!large)
			return NULL;
		large->next = chunk ? chunk->next : NULL;
		if (chunk)
			chunk->next = large;
		else
			memo->chunks = large;
		memcpy(large->text, text, len);
		large->text[len] = '\0';
		return large->text;
	}
	if (!chunk || chunk->size - chunk->used < len + 1) {
		const size_t size = chunk && chunk->size > 0 ? 2 * chunk->size : TEXT_CHUNK_MIN;

		chunk = mr_alloc(sizeof(*chunk) + (size < TEXT_CHUNK_MAX ? size : TEXT_CHUNK_MAX));
		if (!chunk)
			return NULL;
		chunk->size = size < TEXT_CHUNK_MAX ? size : TEXT_CHUNK_MAX;
		chunk->next = memo->chunks;
		memo->chunks = chunk;
	}
	char *const copy = chunk->text + chunk->used;

	memcpy(copy, text, len);
	copy[len] = '\0';
	chunk->used += len + 1;
	return copy;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] != '\0' ? slash + 1 : path;
}

const char *mr_stacks_keep(struct mr_stacks *stacks, const void *text, size_t len)
{
	return keep_text(stacks->memo, text, len);
}

/* ---- Options --------------------------------------------------------------- */

static bool regex_matches(const regex_t *regex, const char *text)
{
	return regexec(regex, text, 0, NULL, 0) == 0;
}

static void apply_options(const struct mr_stacks *stacks, struct mr_function *function)
{
	unsigned focus = 0;

	for (size_t i = 0; stacks->query && i < stacks->query->count; i++) {
		const struct mr_query_step *step = &stacks->query->steps[i];

		if (step->operation == MEMSTATS_HIDE)
			function->is_hidden =
				function->is_hidden || regex_matches(&step->regex, function->name);
		else if (step->operation == MEMSTATS_FOCUS && regex_matches(&step->regex, function->name))
			function->focus |= UINT64_C(1) << focus;
		focus += step->operation == MEMSTATS_FOCUS;
	}
}

static int prepare_options(struct mr_stacks *stacks, struct mr_error *err)
{
	struct mr_stacks_memo *memo = stacks->memo;
	size_t focus_count = 0;

	for (size_t m = 0; m < stacks->run->module_count; m++) {
		memo->modules[m].name =
			base_name(mr_model_string(stacks->model, stacks->run->modules[m].path));
		memo->modules[m].is_kept = true;
	}
	for (size_t i = 0; stacks->query && i < stacks->query->count; i++) {
		const struct mr_query_step *step = &stacks->query->steps[i];

		focus_count += step->operation == MEMSTATS_FOCUS;
		if (step->operation != MEMSTATS_MODULE)
			continue;
		memo->has_module = true;
		for (size_t m = 0; m < stacks->run->module_count; m++)
			memo->modules[m].is_kept = memo->modules[m].is_kept &&
			                           regex_matches(&step->regex, memo->modules[m].name);
	}
	MR_FAIL_IF(focus_count > MR_STACK_FOCUS_MAX, err, MR_ERR_ARG, "--focus: at most %d of them",
	           MR_STACK_FOCUS_MAX);
	memo->focus_all = focus_count == 64 ? UINT64_MAX : (UINT64_C(1) << focus_count) - 1;
	return 0;
}

/* ---- Functions ------------------------------------------------------------- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* Whether two functions of a program may both have this name: those of C, which may be static, and
 * what C++ keeps to a file. */
static bool name_may_repeat(const char *name)
{
	return !strstr(name, "::") && !strchr(name, '(') ? true
	                                                 : strstr(name, "(anonymous namespace)") != NULL;
}

static bool same_function(const struct mr_function *a, const struct mr_function *b)
{
	if (a->hash != b->hash || strcmp(a->name, b->name) != 0)
		return false;
	if (!name_may_repeat(a->name))
		return true;
	return strcmp(a->file, b->file) == 0 && (a->file[0] != '\0' || strcmp(a->module, b->module) == 0);
}

static int grow_slots(struct mr_stacks *stacks, struct mr_error *err)
{
	struct mr_stacks_memo *memo = stacks->memo;
	const size_t count = memo->slot_count > 0 ? memo->slot_count * 2 : 256;
	uint32_t *slots = mr_alloc(count * sizeof(*slots));

	if (!slots)
		return fail_memory(err);
	for (size_t i = 1; i < stacks->function_count; i++) {
		size_t slot = stacks->functions[i].hash & (count - 1);

		while (slots[slot] != 0)
			slot = (slot + 1) & (count - 1);
		slots[slot] = (uint32_t)i;
	}
	mr_free(memo->slots);
	memo->slots = slots;
	memo->slot_count = count;
	return 0;
}

/* The function like WANTED, made if it is not there; a name that is not of the source (is_named) is
 * copied then. */
static int find_function(struct mr_stacks *stacks, struct mr_function *wanted, uint32_t *found,
                         struct mr_error *err)
{
	struct mr_stacks_memo *memo = stacks->memo;

	if (stacks->function_count * 2 >= memo->slot_count)
		MR_TRY(grow_slots(stacks, err));
	wanted->hash = hash_text(UINT64_C(0xcbf29ce484222325), wanted->name);
	if (name_may_repeat(wanted->name))
		wanted->hash =
			hash_text(wanted->hash, wanted->file[0] != '\0' ? wanted->file : wanted->module);
	wanted->hash ^= wanted->hash >> 32;
	size_t slot = wanted->hash & (memo->slot_count - 1);

	for (; memo->slots[slot] != 0; slot = (slot + 1) & (memo->slot_count - 1)) {
		if (same_function(&stacks->functions[memo->slots[slot]], wanted)) {
			*found = memo->slots[slot];
			return 0;
		}
	}
	if (stacks->function_count >= UINT32_MAX ||
	    mr_grow(&stacks->functions, &stacks->function_capacity, stacks->function_count + 1,
	            sizeof(*stacks->functions)) < 0)
		return fail_memory(err);
	if (!wanted->is_named) {
		wanted->name = keep_text(memo, wanted->name, strlen(wanted->name));
		if (!wanted->name)
			return fail_memory(err);
	}
	wanted->kind = wanted->is_named ? (uint8_t)mr_frame_kind_of(wanted->name) : MR_FRAME_OWN;
	apply_options(stacks, wanted);
	*found = (uint32_t)stacks->function_count;
	memo->slots[slot] = *found;
	stacks->functions[stacks->function_count++] = *wanted;
	return 0;
}

/* ---- Frames ---------------------------------------------------------------- */

/* What is shown of a place whose function has no known name. */
static const char *place_name(char out[static 320], const char *module, uint64_t offset)
{
	if (module[0] != '\0')
		snprintf(out, 320, "%.256s+0x%" PRIx64, module, offset);
	else
		snprintf(out, 320, "0x%" PRIx64, offset);
	return out;
}

static int add_frame(struct mr_stacks *stacks, const struct mr_code *code, const struct mr_symbol *symbol,
                     struct mr_error *err)
{
	const char *const module = stacks->memo->modules[code->module].name;
	char place[320];
	struct mr_function function = { .name = mr_model_string(stacks->model, symbol->function),
		                        .file = mr_model_string(stacks->model, symbol->file),
		                        .module = module,
		                        .is_named = true };
	struct mr_stack_frame frame = { .line = symbol->line, .module = code->module, .file = function.file };

	if (symbol->function == 0 || function.name[0] == '\0') {
		function.name = place_name(place, module, code->offset);
		function.is_named = false;
	}
	if (stacks->frame_count >= UINT32_MAX ||
	    mr_grow(&stacks->frames, &stacks->frame_capacity, stacks->frame_count + 1,
	            sizeof(*stacks->frames)) < 0)
		return fail_memory(err);
	MR_TRY(find_function(stacks, &function, &frame.function, err));
	stacks->frames[stacks->frame_count++] = frame;
	return 0;
}

int mr_stacks_code(struct mr_stacks *stacks, uint32_t code_index, uint32_t *first, uint32_t *count,
                   struct mr_error *err)
{
	const struct mr_run *run = stacks->run;
	struct code_frames *known = &stacks->memo->codes[code_index];
	const struct mr_code *code = &run->codes[code_index];

	if (known->first == 0) {
		const uint32_t frame_first = (uint32_t)stacks->frame_count;
		const struct mr_symbol single = { code->function, code->file, code->line };

		if (code->function != 0 || code->symbol_count == 0)
			MR_TRY(add_frame(stacks, code, &single, err));
		else
			for (uint32_t i = 0; i < code->symbol_count; i++)
				MR_TRY(add_frame(stacks, code, &run->symbols[code->symbol_first + i], err));
		known->first = frame_first;
		known->count = (uint32_t)stacks->frame_count - frame_first;
	}
	*first = known->first;
	*count = known->count;
	return 0;
}

static int make_frame_text(struct mr_stacks *stacks, uint32_t index, struct mr_error *err)
{
	struct mr_stack_frame *frame = &stacks->frames[index];
	const struct mr_function *function = &stacks->functions[frame->function];
	struct mr_buffer *scratch = &stacks->memo->scratch;

	if (frame->text)
		return 0;
	if (frame->file[0] == '\0') {
		frame->text = function->name;
		return 0;
	}
	mr_buffer_clear(scratch);
	mr_buffer_append(scratch, function->name, strlen(function->name));
	mr_buffer_append(scratch, " (", 2);
	mr_buffer_append(scratch, base_name(frame->file), strlen(base_name(frame->file)));
	if (frame->line > 0)
		mr_buffer_printf(scratch, ":%" PRIu32, frame->line);
	mr_buffer_put_u8(scratch, ')');
	frame->text = scratch->failed ? NULL : keep_text(stacks->memo, scratch->data, scratch->len);
	return frame->text ? 0 : fail_memory(err);
}

/* ---- Stacks ---------------------------------------------------------------- */

/* STACK from what its caller's stack (NULL: it is outermost) is known to be. */
static int resolve_one(struct mr_stacks *stacks, uint32_t stack, const struct stack_facts *caller,
                       struct mr_error *err)
{
	struct stack_facts facts = { .site = FRAME_HIDDEN };
	unsigned best = MR_FRAME_ALLOCATOR + 1;
	uint32_t first = 0;
	uint32_t count = 0;

	MR_TRY(mr_stacks_code(stacks, stacks->run->stacks[stack].code, &first, &count, err));
	for (uint32_t i = first; i < first + count; i++) {
		const struct mr_function *function = &stacks->functions[stacks->frames[i].function];

		facts.focus |= function->focus;
		if (function->is_hidden || function->kind >= best)
			continue;
		best = function->kind;
		facts.site = i;
	}
	if (caller) {
		facts.focus |= caller->focus;
		if (caller->site != FRAME_HIDDEN &&
		    stacks->functions[stacks->frames[caller->site].function].kind < best)
			facts.site = caller->site;
	}
	MR_TRY(make_frame_text(stacks, facts.site, err));
	const bool in_module = stacks->memo->modules[stacks->frames[facts.site].module].is_kept;

	facts.is_kept = (facts.focus & stacks->memo->focus_all) == stacks->memo->focus_all &&
	                (!stacks->memo->has_module || in_module);
	facts.is_resolved = true;
	stacks->memo->stacks[stack] = facts;
	return 0;
}

int mr_stack_path_add(struct mr_stack_path *path, uint32_t stack, struct mr_error *err)
{
	if (mr_grow(&path->stacks, &path->capacity, path->count + 1, sizeof(*path->stacks)) < 0)
		return fail_memory(err);
	path->stacks[path->count++] = stack;
	return 0;
}

int mr_stacks_resolve(struct mr_stacks *stacks, uint32_t stack, struct mr_error *err)
{
	const struct mr_stack *all = stacks->run->stacks;
	struct stack_facts *facts = stacks->memo->stacks;
	struct mr_stack_path *path = &stacks->memo->path;

	path->count = 0;
	for (uint32_t at = stack; !facts[at].is_resolved; at = all[at].parent)
		MR_TRY(mr_stack_path_add(path, at, err));
	while (path->count > 0) { /* callers first */
		const uint32_t at = path->stacks[--path->count];

		MR_TRY(resolve_one(stacks, at, all[at].parent != 0 ? &facts[all[at].parent] : NULL, err));
	}
	return 0;
}

bool mr_stacks_is_kept(const struct mr_stacks *stacks, uint32_t stack)
{
	return stacks->memo->stacks[stack].is_kept;
}

uint32_t mr_stacks_site(const struct mr_stacks *stacks, uint32_t stack)
{
	return stacks->memo->stacks[stack].site;
}

const char *mr_stacks_site_text(const struct mr_stacks *stacks, uint32_t stack)
{
	return stacks->frames[mr_stacks_site(stacks, stack)].text;
}

const char *mr_stacks_site_module(const struct mr_stacks *stacks, uint32_t stack)
{
	return stacks->memo->modules[stacks->frames[mr_stacks_site(stacks, stack)].module].name;
}

/* Puts the frames of STACK into SCRATCH; false: no memory. */
static bool write_trace(struct mr_stacks *stacks, uint32_t stack, struct mr_buffer *trace)
{
	uint32_t at = stack;

	for (size_t depth = 0; at != 0 && depth < MR_LOG_STACK_DEPTH_MAX; depth++) {
		uint32_t first = 0;
		uint32_t count = 0;

		if (mr_stacks_code(stacks, stacks->run->stacks[at].code, &first, &count, NULL) < 0)
			return false;
		for (uint32_t i = first; i < first + count; i++) {
			if (stacks->functions[stacks->frames[i].function].is_hidden)
				continue;
			if (make_frame_text(stacks, i, NULL) < 0)
				return false;
			if (trace->len > 0)
				mr_buffer_append(trace, " < ", 3);
			mr_buffer_append(trace, stacks->frames[i].text, strlen(stacks->frames[i].text));
		}
		at = stacks->run->stacks[at].parent;
	}
	if (trace->len == 0) {
		const char *site = mr_stacks_site_text(stacks, stack);

		mr_buffer_append(trace, site, strlen(site));
	}
	return !trace->failed;
}

const char *mr_stacks_trace_text(struct mr_stacks *stacks, uint32_t stack)
{
	struct mr_stacks_memo *memo = stacks->memo;
	struct mr_buffer trace = { NULL, 0, 0, false };

	if (!memo->traces)
		memo->traces = mr_alloc(((size_t)stacks->run->stack_count + 1) * sizeof(*memo->traces));
	if (memo->traces && !memo->traces[stack]) {
		if (write_trace(stacks, stack, &trace))
			memo->traces[stack] = keep_text(memo, trace.data, trace.len);
		mr_buffer_release(&trace);
	}
	return memo->traces ? memo->traces[stack] : NULL;
}

/* ---- Making ---------------------------------------------------------------- */

/* The frames of no known stack and of a stack of which nothing is left. */
static int add_placeholders(struct mr_stacks *stacks, struct mr_error *err)
{
	static const char *const names[] = { "(unknown)", "(hidden)" };

	if (mr_grow(&stacks->functions, &stacks->function_capacity, 2, sizeof(*stacks->functions)) < 0 ||
	    mr_grow(&stacks->frames, &stacks->frame_capacity, 2, sizeof(*stacks->frames)) < 0)
		return fail_memory(err);
	for (uint32_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		stacks->functions[i] = (struct mr_function){
			.name = names[i], .file = "", .module = "", .hash = hash_text(0, names[i])
		};
		stacks->frames[i] = (struct mr_stack_frame){ .function = i, .file = "", .text = names[i] };
	}
	stacks->function_count = 2;
	stacks->frame_count = 2;
	apply_options(stacks, &stacks->functions[FRAME_UNKNOWN]);
	stacks->functions[FRAME_UNKNOWN].is_hidden = false;
	stacks->memo->stacks[0] = (struct stack_facts){
		.focus = stacks->functions[FRAME_UNKNOWN].focus,
		.site = FRAME_UNKNOWN,
		.is_resolved = true,
		.is_kept = stacks->functions[FRAME_UNKNOWN].focus == stacks->memo->focus_all &&
		           !stacks->memo->has_module,
	};
	return 0;
}

int mr_stacks_new(const struct mr_model *model, const struct mr_run *run, const struct memstats_query *query,
                  struct mr_stacks **stacks, struct mr_error *err)
{
	struct mr_stacks *made = mr_alloc(sizeof(*made));
	struct mr_stacks_memo *memo = mr_alloc(sizeof(*memo));
	int code = 0;

	if (!made || !memo) {
		mr_free(made);
		mr_free(memo);
		return fail_memory(err);
	}
	*made = (struct mr_stacks){ .model = model, .run = run, .query = query, .memo = memo };
	memo->codes = mr_alloc(((size_t)run->code_count + 1) * sizeof(*memo->codes));
	memo->stacks = mr_alloc(((size_t)run->stack_count + 1) * sizeof(*memo->stacks));
	memo->modules = mr_alloc(((size_t)run->module_count + 1) * sizeof(*memo->modules));
	if (!memo->codes || !memo->stacks || !memo->modules)
		code = fail_memory(err);

	if (code == 0)
		code = prepare_options(made, err);
	if (code == 0)
		code = add_placeholders(made, err);
	if (code < 0) {
		mr_stacks_free(made);
		return code;
	}
	*stacks = made;
	return 0;
}

void mr_stacks_free(struct mr_stacks *stacks)
{
	if (!stacks || stacks->is_shared)
		return;
	for (struct text_chunk *chunk = stacks->memo->chunks; chunk;) {
		struct text_chunk *next = chunk->next;

		mr_free(chunk);
		chunk = next;
	}
	mr_buffer_release(&stacks->memo->scratch);
	mr_free(stacks->memo->slots);
	mr_free(stacks->memo->codes);
	mr_free(stacks->memo->stacks);
	mr_free(stacks->memo->modules);
	mr_free(stacks->memo->path.stacks);
	mr_free(stacks->memo->traces);
	mr_free(stacks->memo);
	mr_free(stacks->functions);
	mr_free(stacks->frames);
	mr_free(stacks);
}
