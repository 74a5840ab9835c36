/* SPDX-License-Identifier: MIT
 *
 * The sizer against a second one that is as plain as can be: it knows the
 * structures of this file by heart instead of reading layouts, recurses, keeps
 * its sets in arrays that it searches from the front, and adds what it counts
 * to every path above.  Random graphs of these structures, with shared data,
 * cycles, arrays in arrays and tracked objects anywhere, must give the same
 * referents, in the same order, at every level.
 */
#include "memory_failing.h"
#include "sizer_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

/* ---- The structures ------------------------------------------------------------- */

struct item {
	char *label;
	struct thing *owner;
	char space[8];
};

struct cell {
	struct thing *value;
	struct cell *next;
	char *note;
};

struct place {
	char *street;
	struct thing *neighbour;
};

struct thing {
	char *name;
	uint8_t *blob;
	struct thing *peer;
	struct item *items;
	struct item *favourite;
	struct thing **friends;
	char **words;
	struct cell *cells;
	struct thing *chain;
	struct thing *chain_next;
	struct place place;
	uint16_t blob_count; /* of 3 bytes */
	int item_count;
	uint8_t friend_count;
	uint8_t walked; /* which of the following the walk speaks of */
	char *extra;
	struct thing *odd;
	char tail[24];
	char space[100]; /* used as far as the last byte of TAIL says */
};

enum { WORDS = 3 };

static const struct memcapture_layout thing_layout, item_layout, cell_layout;

static const struct memcapture_field item_fields[] = {
	MEMCAPTURE_STRING(struct item, label),
	MEMCAPTURE_OBJECT(struct item, owner, &thing_layout),
};
static const struct memcapture_layout item_layout = {
	"item", sizeof(struct item), item_fields, 2, NULL, NULL
};

static const struct memcapture_field cell_fields[] = {
	MEMCAPTURE_OBJECT(struct cell, value, &thing_layout),
	MEMCAPTURE_STRING(struct cell, note),
};
static const struct memcapture_layout cell_layout = {
	"cell", sizeof(struct cell), cell_fields, 2, NULL, NULL
};

static const struct memcapture_field place_fields[] = {
	MEMCAPTURE_STRING(struct place, street),
	MEMCAPTURE_OBJECT(struct place, neighbour, &thing_layout),
};
static const struct memcapture_layout place_layout = { "place", sizeof(struct place), place_fields, 2, NULL,
	                                               NULL };

static const struct memcapture_field thing_fields[] = {
	MEMCAPTURE_STRING(struct thing, name),
	MEMCAPTURE_COUNTED_BLOCK(struct thing, blob, 3, blob_count),
	MEMCAPTURE_OBJECT(struct thing, peer, &thing_layout),
	MEMCAPTURE_COUNTED_ARRAY(struct thing, items, item_count, &item_layout),
	MEMCAPTURE_OBJECT(struct thing, favourite, &item_layout),
	MEMCAPTURE_COUNTED_POINTERS(struct thing, friends, friend_count, &thing_layout),
	MEMCAPTURE_POINTERS(struct thing, words, WORDS, NULL),
	MEMCAPTURE_LIST(struct thing, cells, struct cell, next, &cell_layout),
	MEMCAPTURE_LIST(struct thing, chain, struct thing, chain_next, &thing_layout),
	MEMCAPTURE_EMBEDDED(struct thing, place, &place_layout),
};

static size_t thing_measure(const void *object)
{
	const struct thing *thing = object;

	return offsetof(struct thing, space) + (size_t)thing->tail[23];
}

static void thing_walk(const void *object, struct memcapture_visitor *visitor)
{
	const struct thing *thing = object;

	if (thing->walked & 1)
		memcapture_visit_string(visitor, "name", thing->extra);
	if (thing->walked & 2)
		memcapture_visit_object(visitor, "odd", thing->odd, &thing_layout);
	if (thing->walked & 4)
		memcapture_visit(visitor, "odd", thing->blob, thing->blob_count * 3U);
}

static const struct memcapture_layout thing_layout = {
	"thing",       sizeof(struct thing),
	thing_fields,  sizeof(thing_fields) / sizeof(thing_fields[0]),
	thing_measure, thing_walk
};

/* ---- A graph of them -------------------------------------------------------------- */

enum { THINGS = 60, CELLS = 40, STRINGS = 60, BLOCKS = 8, ARRAYS = 8, TABLES = 8 };

struct graph {
	struct thing things[THINGS];
	struct cell cells[CELLS];
	char strings[STRINGS][13]; /* at odd addresses, mostly */
	uint8_t blobs[BLOCKS][64];
	struct item items[ARRAYS][5];
	struct thing *tables[TABLES][6];
	char *words[TABLES][WORDS];
	uint64_t state;
	unsigned density; /* of 8 pointers, how many lead somewhere */
};

static uint64_t pick(struct graph *graph, uint64_t count)
{
	graph->state = graph->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (graph->state >> 33) % count;
}

static bool maybe(struct graph *graph)
{
	return pick(graph, 8) < graph->density;
}

static char *some_string(struct graph *graph)
{
	return maybe(graph) ? graph->strings[pick(graph, STRINGS)] : NULL;
}

static struct thing *some_thing(struct graph *graph)
{
	return maybe(graph) ? &graph->things[pick(graph, THINGS)] : NULL;
}

static void fill_item(struct graph *graph, struct item *item)
{
	item->label = pick(graph, 4) ? some_string(graph) : item->space;
	item->owner = some_thing(graph);
}

static void fill_thing(struct graph *graph, struct thing *thing)
{
	const uint64_t blob = pick(graph, BLOCKS), items = pick(graph, ARRAYS), table = pick(graph, TABLES);

	thing->name = pick(graph, 4) ? some_string(graph) : &thing->tail[1];
	thing->blob = maybe(graph) ? graph->blobs[blob] : NULL;
	thing->blob_count = (uint16_t)(blob * 2); /* the same for all that share it; one is empty */
	thing->peer = some_thing(graph);
	thing->items = maybe(graph) ? graph->items[items] : NULL;
	thing->item_count = (int)(items % 7) - 1;
	thing->favourite = maybe(graph) ? &graph->items[pick(graph, ARRAYS)][pick(graph, 5)] : NULL;
	thing->friends = maybe(graph) ? graph->tables[table] : NULL;
	thing->friend_count = (uint8_t)(table % 7);
	thing->words = maybe(graph) ? graph->words[pick(graph, TABLES)] : NULL;
	thing->cells = maybe(graph) ? &graph->cells[pick(graph, CELLS)] : NULL;
	thing->chain = some_thing(graph);
	thing->chain_next = some_thing(graph);
	thing->place.street = some_string(graph);
	thing->place.neighbour = some_thing(graph);
	thing->walked = (uint8_t)pick(graph, 8);
	thing->extra = some_string(graph);
	thing->odd = some_thing(graph);
	thing->tail[23] = (char)pick(graph, 100);
}

static void fill_graph(struct graph *graph, uint64_t seed)
{
	memset(graph, 0, sizeof(*graph));
	graph->state = seed;
	graph->density = 1 + (unsigned)(seed % 7);
	for (size_t i = 0; i < STRINGS; i++)
		memset(graph->strings[i], 'x', pick(graph, 13));
	for (size_t i = 0; i < CELLS; i++) {
		graph->cells[i].value = some_thing(graph);
		graph->cells[i].note = some_string(graph);
		graph->cells[i].next = pick(graph, 8) ? &graph->cells[pick(graph, CELLS)] : NULL;
	}
	for (size_t i = 0; i < ARRAYS; i++)
		for (size_t j = 0; j < 5; j++)
			fill_item(graph, &graph->items[i][j]);
	for (size_t i = 0; i < TABLES; i++) {
		for (size_t j = 0; j < 6; j++)
			graph->tables[i][j] = some_thing(graph);
		for (size_t j = 0; j < WORDS; j++)
			graph->words[i][j] = some_string(graph);
	}
	for (size_t i = 0; i < THINGS; i++)
		fill_thing(graph, &graph->things[i]);
}

/* ---- The plain sizer ----------------------------------------------------------------- */

struct set {
	const void *members[4000];
	size_t count;
};

static bool set_has(const struct set *set, const void *member)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->members[i] == member)
			return true;
	return false;
}

static bool set_add(struct set *set, const void *member)
{
	if (set_has(set, member))
		return false;
	cr_assert(lt(sz, set->count, 4000));
	set->members[set->count++] = member;
	return true;
}

struct plain_entry {
	char path[400];
	uint64_t count, size, flat;
};

struct plain {
	struct set counted;
	struct set passed; /* arrays, and links of nodes, that were gone through again */
	uint64_t things;   /* counted so far */
	unsigned level;
	uint64_t size;
	struct plain_entry entries[2000];
	size_t entry_count;
};

/* A place below the object: names, outermost first. */
struct trail {
	const char *names[400];
	unsigned depth;
};

static struct trail below(const struct trail *trail, const char *name)
{
	struct trail result = *trail;

	cr_assert(lt(uint, result.depth, 400));
	result.names[result.depth++] = name;
	return result;
}

static bool starts_with_path(const char *path, const char *prefix)
{
	const size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Entries stand depth first: a new one goes behind all that lies below its parent. */
static struct plain_entry *entry_at(struct plain *plain, const char *path, const char *parent)
{
	size_t at = plain->entry_count;

	for (size_t i = 0; i < plain->entry_count; i++)
		if (strcmp(plain->entries[i].path, path) == 0)
			return &plain->entries[i];
	if (*parent) {
		while (!starts_with_path(plain->entries[at - 1].path, parent))
			at--;
	}
	cr_assert(lt(sz, plain->entry_count, 2000));
	memmove(&plain->entries[at + 1], &plain->entries[at],
	        (plain->entry_count - at) * sizeof(plain->entries[0]));
	memset(&plain->entries[at], 0, sizeof(plain->entries[0]));
	snprintf(plain->entries[at].path, sizeof(plain->entries[at].path), "%s", path);
	plain->entry_count++;
	return &plain->entries[at];
}

static void count_at(struct plain *plain, const struct trail *trail, uint64_t count, uint64_t size,
                     uint64_t flat)
{
	char path[400] = "", parent[400] = "";

	plain->size += size;
	for (unsigned i = 0; i < trail->depth && i < plain->level; i++) {
		snprintf(parent, sizeof(parent), "%s", path);
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s%s", i ? "/" : "",
		         trail->names[i]);
		entry_at(plain, path, parent)->size += size;
	}
	if (trail->depth <= plain->level) {
		entry_at(plain, path, parent)->count += count;
		entry_at(plain, path, parent)->flat += flat;
	}
}

static bool claim(struct plain *plain, const void *address)
{
	if (!set_add(&plain->counted, address))
		return false;
	plain->things++;
	return true;
}

static void plain_string(struct plain *plain, struct trail trail, const char *text, const void *object,
                         size_t size)
{
	if (!text || (text >= (const char *)object && text < (const char *)object + size) ||
	    !claim(plain, text))
		return;
	count_at(plain, &trail, 1, strlen(text) + 1, strlen(text) + 1);
}

static void plain_thing(struct plain *plain, struct trail trail, const struct thing *thing);
static void plain_thing_members(struct plain *plain, const struct trail *trail, const struct thing *thing);

static void plain_item_members(struct plain *plain, const struct trail *trail, const struct item *item)
{
	plain_string(plain, below(trail, "label"), item->label, item, sizeof(*item));
	plain_thing(plain, below(trail, "owner"), item->owner);
}

static void plain_items(struct plain *plain, struct trail trail, const struct item *items, int count)
{
	const struct trail elements = below(&trail, "[]");
	bool any = false;

	if (!items || count <= 0 || (set_has(&plain->counted, items) && !set_add(&plain->passed, items)))
		return;
	for (int i = 0; i < count; i++) {
		const uint64_t before = plain->things + 1;

		if (!claim(plain, &items[i]))
			continue;
		count_at(plain, &trail, any ? 0 : 1, sizeof(*items), sizeof(*items));
		any = true;
		plain_item_members(plain, &elements, &items[i]);
		if (plain->things != before)
			count_at(plain, &elements, 1, 0, 0);
	}
}

static void plain_cells(struct plain *plain, struct trail trail, const struct cell *cell)
{
	const struct trail elements = below(&trail, "[]");
	bool any = false;

	for (; cell; cell = cell->next) {
		if (!claim(plain, cell)) {
			if (!set_add(&plain->passed, &cell->next))
				break;
			continue;
		}
		if (!any)
			count_at(plain, &trail, 1, 0, 0);
		any = true;
		count_at(plain, &elements, 1, sizeof(*cell), sizeof(*cell));
		const struct trail value = below(&elements, "value");

		plain_thing(plain, value, cell->value);
		plain_string(plain, below(&elements, "note"), cell->note, cell, sizeof(*cell));
	}
}

static void plain_chain(struct plain *plain, struct trail trail, const struct thing *thing)
{
	const struct trail elements = below(&trail, "[]");
	bool any = false;

	for (; thing; thing = thing->chain_next) {
		if (!claim(plain, thing)) {
			if (!set_add(&plain->passed, &thing->chain_next))
				break;
			continue;
		}
		if (!any)
			count_at(plain, &trail, 1, 0, 0);
		any = true;
		count_at(plain, &elements, 1, thing_measure(thing), thing_measure(thing));
		plain_thing_members(plain, &elements, thing);
	}
}

static void plain_tables(struct plain *plain, const struct trail *trail, const struct thing *thing)
{
	if (thing->friends && thing->friend_count && claim(plain, thing->friends)) {
		const struct trail friends = below(trail, "friends");
		const size_t bytes = thing->friend_count * sizeof(void *);

		count_at(plain, &friends, 1, bytes, bytes);
		for (unsigned i = 0; i < thing->friend_count; i++)
			plain_thing(plain, below(&friends, "[]"), thing->friends[i]);
	}
	if (thing->words && claim(plain, thing->words)) {
		const struct trail words = below(trail, "words");

		count_at(plain, &words, 1, WORDS * sizeof(char *), WORDS * sizeof(char *));
		for (unsigned i = 0; i < WORDS; i++)
			plain_string(plain, below(&words, "[]"), thing->words[i], NULL, 0);
	}
}

static void plain_place(struct plain *plain, struct trail trail, const struct thing *thing)
{
	const uint64_t before = plain->things;

	plain_string(plain, below(&trail, "street"), thing->place.street, thing, thing_measure(thing));
	plain_thing(plain, below(&trail, "neighbour"), thing->place.neighbour);
	if (plain->things != before)
		count_at(plain, &trail, 1, 0, 0);
}

static void plain_blob(struct plain *plain, struct trail trail, const struct thing *thing)
{
	const uint64_t bytes = thing->blob_count * 3U;

	if (thing->blob && bytes && claim(plain, thing->blob))
		count_at(plain, &trail, 1, bytes, bytes);
}

static void plain_thing_members(struct plain *plain, const struct trail *trail, const struct thing *thing)
{
	plain_string(plain, below(trail, "name"), thing->name, thing, thing_measure(thing));
	plain_blob(plain, below(trail, "blob"), thing);
	plain_thing(plain, below(trail, "peer"), thing->peer);
	plain_items(plain, below(trail, "items"), thing->items, thing->item_count);
	if (thing->favourite && claim(plain, thing->favourite)) {
		const struct trail favourite = below(trail, "favourite");

		count_at(plain, &favourite, 1, sizeof(struct item), sizeof(struct item));
		plain_item_members(plain, &favourite, thing->favourite);
	}
	plain_tables(plain, trail, thing);
	plain_cells(plain, below(trail, "cells"), thing->cells);
	plain_chain(plain, below(trail, "chain"), thing->chain);
	plain_place(plain, below(trail, "place"), thing);
	if (thing->walked & 1)
		plain_string(plain, below(trail, "name"), thing->extra, thing, thing_measure(thing));
	if (thing->walked & 2)
		plain_thing(plain, below(trail, "odd"), thing->odd);
	if (thing->walked & 4)
		plain_blob(plain, below(trail, "odd"), thing);
}

static void plain_thing(struct plain *plain, struct trail trail, const struct thing *thing)
{
	if (!thing || !claim(plain, thing))
		return;
	count_at(plain, &trail, 1, thing_measure(thing), thing_measure(thing));
	plain_thing_members(plain, &trail, thing);
}

static const char *plain_text(struct plain *plain, const struct thing *thing, unsigned level)
{
	static char text[1 << 16];
	static const struct trail root;
	const size_t flat = thing_measure(thing);
	size_t len;

	plain->level = level;
	plain->entry_count = 0;
	plain->size = flat;
	plain_thing_members(plain, &root, thing);
	len = (size_t)snprintf(text, sizeof(text), "= %llu %llu\n", (unsigned long long)plain->size,
	                       (unsigned long long)flat);
	for (size_t i = 0; i < plain->entry_count; i++) {
		const struct plain_entry *entry = &plain->entries[i];

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %llu %llu %llu\n", entry->path,
		                        (unsigned long long)entry->count, (unsigned long long)entry->size,
		                        (unsigned long long)entry->flat);
		cr_assert(lt(sz, len, sizeof(text)));
	}
	return text;
}

/* ---- Both on the same graph ----------------------------------------------------------- */

static struct graph graph;
static struct plain plain;
static struct sizer_fixture fixture;

/* Tracks every 4th thing and some items and cells, and sizes the things in order. */
static void compare(uint64_t seed, unsigned level)
{
	memset(&plain, 0, sizeof(plain));
	for (size_t i = 0; i < THINGS; i += 4) {
		cr_assert(eq(int, mr_sizer_mark(fixture.sizer, &graph.things[i]), 0));
		set_add(&plain.counted, &graph.things[i]);
	}
	for (size_t i = 0; i < ARRAYS; i += 3) {
		cr_assert(eq(int, mr_sizer_mark(fixture.sizer, &graph.items[i][i % 5]), 0));
		cr_assert(eq(int, mr_sizer_mark(fixture.sizer, &graph.cells[i]), 0));
		set_add(&plain.counted, &graph.items[i][i % 5]);
		set_add(&plain.counted, &graph.cells[i]);
	}
	for (size_t i = 0; i < THINGS; i += 4) {
		struct mr_sized sized;

		cr_assert(eq(int,
		             mr_sizer_size(fixture.sizer, &graph.things[i], &thing_layout, level, &sized),
		             0));

		const char *text = sizer_fixture_text(&fixture, &sized);
		const char *plainly = plain_text(&plain, &graph.things[i], level);

		cr_assert(strcmp(text, plainly) == 0, "seed %d, level %d, thing %d:\n%s\nplainly:\n%s",
		          (int)seed, (int)level, (int)i, text, plainly);
	}
	mr_sizer_clear(fixture.sizer);
}

Test(sizer_graph, random_graphs__agree_with_a_plain_sizer)
{
	sizer_fixture_init(&fixture);
	for (uint64_t seed = 1; seed <= 300; seed++) {
		fill_graph(&graph, seed);
		for (unsigned level = 0; level <= 4; level++)
			compare(seed, level);
	}
	sizer_fixture_release(&fixture);
	cr_assert(eq(sz, memory_blocks(), 0));
}
