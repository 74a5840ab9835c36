/* SPDX-License-Identifier: MIT
 *
 * The sites of a diff.  Call stacks are the same when their functions have the
 * same names in the same order, from the site outwards: addresses and lines
 * differ between two builds of a program, and so do the parts that a compiler
 * splits functions into.  Where a module has no names, its places are compared
 * when both logs have the same build of it, else all of it is one place.
 */
#include "tables_diff.h"

struct module_build {
	const char *name;
	const char *build_id;
	bool is_mixed; /* there are several of that name */
};

struct builds {
	struct module_build *items;
	size_t count;
	size_t capacity;
};

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for table diff");
}

/* ---- Builds of modules ----------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] != '\0' ? slash + 1 : path;
}

static struct module_build *find_build(const struct builds *builds, const char *name)
{
	for (size_t i = 0; i < builds->count; i++)
		if (strcmp(builds->items[i].name, name) == 0)
			return &builds->items[i];
	return NULL;
}

static int add_builds(struct builds *builds, const struct mr_model *model, const struct mr_run *run,
                      struct mr_error *err)
{
	for (uint32_t i = 1; i < run->module_count; i++) {
		const char *name = base_name(mr_model_string(model, run->modules[i].path));
		const char *build_id = mr_model_string(model, run->modules[i].build_id);
		struct module_build *known = find_build(builds, name);

		if (known) {
			known->is_mixed = known->is_mixed || strcmp(known->build_id, build_id) != 0;
			continue;
		}
		if (mr_grow(&builds->items, &builds->capacity, builds->count + 1, sizeof(*builds->items)) < 0)
			return fail_memory(err);
		builds->items[builds->count++] = (struct module_build){ name, build_id, false };
	}
	return 0;
}

/* ---- Keys ------------------------------------------------------------------ */

/* NAME without what a compiler adds to the name of a part or a copy of a function. */
static size_t name_len(const char *name)
{
	static const char *const suffixes[] = { "constprop", "isra",  "part", "cold",
		                                "lto_priv",  "llvm.", "clone" };
	const char *clone = strstr(name, " [clone ");

	if (clone)
		return (size_t)(clone - name);
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		for (size_t i = 0; dot != name && i < MR_ARRAY_LEN(suffixes); i++)
			if (strncmp(dot + 1, suffixes[i], strlen(suffixes[i])) == 0)
				return (size_t)(dot - name);
	return strlen(name);
}

static uint64_t hash_key(uint32_t parent, const char *name, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ parent;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

static int grow_key_slots(struct mr_diff_pair *pair, struct mr_error *err)
{
	const size_t count = pair->key_slot_count > 0 ? pair->key_slot_count * 2 : 1024;
	uint32_t *slots = mr_alloc(count * sizeof(*slots));

	if (!slots)
		return fail_memory(err);
	for (size_t i = 1; i < pair->key_count; i++) {
		size_t slot = pair->keys[i].hash & (count - 1);

		while (slots[slot] != 0)
			slot = (slot + 1) & (count - 1);
		slots[slot] = (uint32_t)i;
	}
	mr_free(pair->key_slots);
	pair->key_slots = slots;
	pair->key_slot_count = count;
	return 0;
}

/* The key of the function NAME below *KEY, which it becomes. */
static int descend(struct mr_diff_pair *pair, uint32_t *key, const char *name, size_t len,
                   struct mr_error *err)
{
	const struct mr_diff_key *parent = &pair->keys[*key];

	if (*key != 0 && parent->name_len == len && memcmp(parent->name, name, len) == 0)
		return 0; /* calls itself, as far as names say */
	if (pair->key_count * 2 >= pair->key_slot_count)
		MR_TRY(grow_key_slots(pair, err));
	const uint64_t hash = hash_key(*key, name, len);
	size_t slot = hash & (pair->key_slot_count - 1);

	for (; pair->key_slots[slot] != 0; slot = (slot + 1) & (pair->key_slot_count - 1)) {
		const struct mr_diff_key *found = &pair->keys[pair->key_slots[slot]];

		if (found->hash == hash && found->parent == *key && found->name_len == len &&
		    memcmp(found->name, name, len) == 0) {
			*key = pair->key_slots[slot];
			return 0;
		}
	}
	if (pair->key_count >= UINT32_MAX ||
	    mr_grow(&pair->keys, &pair->key_capacity, pair->key_count + 1, sizeof(*pair->keys)) < 0)
		return fail_memory(err);
	pair->key_slots[slot] = (uint32_t)pair->key_count;
	pair->keys[pair->key_count] = (struct mr_diff_key){ *key, 0, name, len, hash };
	*key = (uint32_t)pair->key_count++;
	return 0;
}

static int begin_keys(struct mr_diff_pair *pair, struct mr_error *err)
{
	if (mr_grow(&pair->keys, &pair->key_capacity, 1, sizeof(*pair->keys)) < 0)
		return fail_memory(err);
	pair->keys[0] = (struct mr_diff_key){ 0, 0, "", 0, 0 };
	pair->key_count = 1;
	return 0;
}

/* ---- Sites ----------------------------------------------------------------- */

/* The site of KEY, where NODE is of it. */
static int find_site(struct mr_diff_pair *pair, uint32_t key, const struct mr_stack_tree *tree,
                     const struct mr_stack_node *node, struct mr_diff_site **site, struct mr_error *err)
{
	if (pair->keys[key].site == 0) {
		if (pair->site_count >= UINT32_MAX || mr_grow(&pair->sites, &pair->site_capacity,
		                                              pair->site_count + 1, sizeof(*pair->sites)) < 0)
			return fail_memory(err);
		pair->sites[pair->site_count++] = (struct mr_diff_site){ .key = key, .line = node->line };
		pair->keys[key].site = (uint32_t)pair->site_count;
	}
	*site = &pair->sites[pair->keys[key].site - 1];
	if ((*site)->stacks == tree->stacks && (*site)->line != node->line)
		(*site)->line = 0;
	else
		(*site)->line = node->line;
	(*site)->stacks = tree->stacks;
	(*site)->function = node->function;
	(*site)->frame = node->frame;
	return 0;
}

static int add_tree(struct mr_diff_pair *pair, const struct mr_stack_tree *tree, const struct builds *builds,
                    bool is_after, struct mr_error *err)
{
	const struct mr_stacks *stacks = tree->stacks;
	uint32_t *keys = mr_alloc(tree->count * sizeof(*keys));
	int code = keys ? 0 : fail_memory(err);

	for (size_t i = 1; code == 0 && i < tree->count; i++) {
		const struct mr_stack_node *node = &tree->nodes[i];
		const struct mr_stack_cost *self = mr_stack_tree_self(tree, (uint32_t)i);
		const struct mr_function *function = &stacks->functions[node->function];
		const struct module_build *build =
			function->is_named ? NULL : find_build(builds, function->module);
		const char *name = build && build->is_mixed ? function->module : function->name;
		struct mr_diff_site *site = NULL;

		keys[i] = keys[node->parent];
		code = descend(pair, &keys[i], name, function->is_named ? name_len(name) : strlen(name), err);
		if (code == 0 && node->self != 0)
			code = find_site(pair, keys[i], tree, node, &site, err);
		if (site)
			mr_stack_cost_add(is_after ? &site->after : &site->before, self);
	}
	mr_free(keys);
	return code;
}

/* Adds what RUN holds at SNAPSHOT. */
static int add_run(struct mr_diff *diff, struct mr_diff_pair *pair, uint32_t run_index, uint32_t snapshot,
                   const struct builds *builds, bool is_after, struct mr_error *err)
{
	struct mr_model *model = diff->log->model;
	struct mr_heap_sites sites = { 0 };
	struct mr_stack_tree tree = { NULL };
	int code = 0;

	if (!diff->stacks[run_index])
		MR_TRY(mr_stacks_new(model, &model->runs[run_index], diff->query, &diff->stacks[run_index],
		                     err));
	code = mr_model_heap_sites(model, run_index, snapshot, &sites, err);
	if (code == 0)
		code = mr_stack_tree_init(&tree, diff->stacks[run_index], &sites, false, err);
	if (code == 0)
		code = add_tree(pair, &tree, builds, is_after, err);
	mr_stack_tree_release(&tree);
	mr_heap_sites_release(&sites);
	return code;
}

static int add_files(struct mr_diff *diff, struct mr_diff_pair *pair, struct builds *builds,
                     struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	const struct mr_model *model = log->model;

	for (size_t i = 0; i < model->run_count; i++)
		MR_TRY(add_builds(builds, model, &model->runs[i], err));
	for (size_t k = 0; k < log->operand_count; k++) {
		const char *named = log->operands[k].snapshot;

		for (uint32_t i = 0; i < model->run_count; i++) {
			const struct mr_run *run = &model->runs[i];
			const uint32_t snapshot =
				named ? mr_stacks_find_snapshot(model, run, named) : MR_INDEX_NONE;

			if (run->file != log->operands[k].file || run->heap_image_count == 0 ||
			    (named && snapshot == MR_INDEX_NONE))
				continue;
			MR_TRY(add_run(diff, pair, i, snapshot, builds, k == 1, err));
		}
	}
	return 0;
}

/* "function (file.c:12)", or what is known of it. */
static const char *site_text(struct mr_diff_site *site)
{
	const struct mr_stack_frame *frame = &site->stacks->frames[site->frame];
	const struct mr_function *function = &site->stacks->functions[site->function];
	struct mr_buffer text = { NULL, 0, 0, false };
	const char *kept = NULL;

	if (frame->file[0] == '\0')
		return function->name;
	mr_buffer_append(&text, function->name, strlen(function->name));
	mr_buffer_append(&text, " (", 2);
	mr_buffer_append(&text, base_name(frame->file), strlen(base_name(frame->file)));
	if (site->line > 0)
		mr_buffer_printf(&text, ":%u", (unsigned)site->line);
	mr_buffer_put_u8(&text, ')');
	if (!text.failed)
		kept = mr_stacks_keep(site->stacks, text.data, text.len);
	mr_buffer_release(&text);
	return kept;
}

static int add_rows(struct mr_diff *diff, uint32_t pair_index, struct mr_error *err)
{
	struct mr_diff_pair *pair = &diff->pairs[pair_index];

	for (size_t i = 0; i < pair->site_count; i++) {
		struct mr_diff_site *site = &pair->sites[i];
		const struct mr_diff_row row = {
			.class_name = site_text(site),
			.site = site,
			.pair = pair_index,
			.before = { site->before.live_count, site->before.live_bytes },
			.after = { site->after.live_count, site->after.live_bytes },
		};

		if (!row.class_name)
			return fail_memory(err);
		MR_TRY(mr_diff_append_row(diff, &row, err));
	}
	return 0;
}

int mr_diff_fill_sites(struct mr_diff *diff, uint32_t pair_index, struct mr_error *err)
{
	struct mr_diff_pair *pair = &diff->pairs[pair_index];
	struct builds builds = { NULL, 0, 0 };
	int code = begin_keys(pair, err);

	if (code == 0 && pair->run == MR_INDEX_NONE)
		code = add_files(diff, pair, &builds, err);
	if (code == 0 && pair->run != MR_INDEX_NONE)
		code = add_run(diff, pair, pair->run, pair->from, &builds, false, err);
	if (code == 0 && pair->run != MR_INDEX_NONE)
		code = add_run(diff, pair, pair->run, pair->to, &builds, true, err);
	mr_free(builds.items);
	return code < 0 ? code : add_rows(diff, pair_index, err);
}

void mr_diff_release_sites(struct mr_diff_pair *pair)
{
	mr_free(pair->sites);
	mr_free(pair->keys);
	mr_free(pair->key_slots);
}

const char *mr_diff_stack_text(const struct mr_diff_pair *pair, struct mr_diff_site *site)
{
	struct mr_buffer text = { NULL, 0, 0, false };

	if (site->stack_text)
		return site->stack_text;
	for (uint32_t key = site->key; key != 0; key = pair->keys[key].parent) {
		if (text.len > 0)
			mr_buffer_append(&text, " < ", 3);
		mr_buffer_append(&text, pair->keys[key].name, pair->keys[key].name_len);
	}
	if (!text.failed)
		site->stack_text = mr_stacks_keep(site->stacks, text.data, text.len);
	mr_buffer_release(&text);
	return site->stack_text;
}
