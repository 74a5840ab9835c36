/* SPDX-License-Identifier: MIT
 *
 * The order in which types of which objects stayed are told.  A hunter of leaks
 * wants to see first what there is much of and what becomes more:
 *
 *  1. Types of which many are held by one pattern (all elements of a list, an
 *     attribute of each), or of which more stayed at several censuses in a row,
 *     come before those of which a few stayed: one dictionary that stayed is a
 *     cache that was made, 50 of what it holds are a leak, and its pattern names
 *     the dictionary anyway.
 *  2. Among those the score is bytes times the censuses in a row at which more of
 *     them stayed.  What a program makes once when it starts counts once; what it
 *     makes between each two censuses counts as often as was seen, because that
 *     is what will not end.  Bytes are those of the type and of what belongs to
 *     its objects, as letting go of them would free; and they count as far as
 *     the type's objects were made while no module was imported, because tables
 *     that a library fills when it is imported are large and stay for good.
 *  3. Then come those of which a few stayed, the ones that hold a type told above
 *     first; then parts of objects that were told.
 *
 * What a definition or an import makes is none of these: classes and functions and
 * what hangs on them only, unless it is made again and again.
 */
#include "report_leaks.h"
#include "report_data.h"

#include <stdlib.h>

#define RELATED_MAX 512 /* types of which it is looked at who holds whom: every two of them */
#define WHOLE 1024      /* parts of it are counted */
#define NO_TYPE SIZE_MAX

/* ---- Definitions ------------------------------------------------------------------------- */

static bool is_among(const char *text, size_t len, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			return true;
	return false;
}

#define IS_AMONG(text, len, names) is_among(text, len, names, MR_ARRAY_LEN(names))

bool mr_census_is_class(const char *type)
{
	static const char *const names[] = { "type", "abc.ABCMeta", "enum.EnumType", "enum.EnumMeta" };
	return IS_AMONG(type, strlen(type), names);
}

/* Types of what a definition or an import makes, and hardly anything else does. */
static bool is_defining(const char *type)
{
	static const char *const names[] = {
		"function",
		"code",
		"module",
		"cell",
		"property",
		"staticmethod",
		"classmethod",
		"getset_descriptor",
		"member_descriptor",
		"method_descriptor",
		"classmethod_descriptor",
		"wrapper_descriptor",
		"builtin_function_or_method",
		"mappingproxy",
		"functools.cached_property",
		"enum.property",
		"enum.nonmember",
		"_collections._tuplegetter",
		"_abc._abc_data",
		"_frozen_importlib.ModuleSpec",
		"_frozen_importlib_external.SourceFileLoader",
		"_frozen_importlib_external.ExtensionFileLoader",
	};
	return mr_census_is_class(type) || IS_AMONG(type, strlen(type), names);
}

/* Types of values that a compiler makes, which nothing but C code holds where they are interned. */
static bool is_constant(const char *type)
{
	static const char *const names[] = { "str", "bytes", "tuple",   "frozenset",
		                             "int", "float", "complex", "weakref.ReferenceType" };
	return IS_AMONG(type, strlen(type), names);
}

/* Types of values that a module has many of, one way or another, once it is imported. */
static bool is_plain(const char *type)
{
	static const char *const names[] = {
		"dict", "list", "set", "method", "typing._GenericAlias", "types.GenericAlias"
	};
	return is_constant(type) || IS_AMONG(type, strlen(type), names);
}

/* Attributes behind which all belongs to a definition. */
static bool is_defining_name(const char *name, size_t len)
{
	static const char *const names[] = {
		"__code__",
		"co_consts",
		"co_names",
		"co_varnames",
		"co_freevars",
		"co_cellvars",
		"co_filename",
		"co_name",
		"co_qualname",
		"co_linetable",
		"__mro__",
		"__bases__",
		"__name__",
		"__qualname__",
		"__doc__",
		"__module__",
		"__annotations__",
		"__spec__",
		"__loader__",
		"__file__",
		"__cached__",
		"__builtins__",
		"__slots__",
		"__abstractmethods__",
		"__match_args__",
		"__annotate__",
		"__type_params__",
		"__path__",
		"__firstlineno__",
		"__static_attributes__",
		"_member_map_",
		"_value2member_map_",
		"path_importer_cache",
	};
	return IS_AMONG(name, len, names);
}

/* Attributes of classes and functions that are made with them, but may come to hold anything. */
static bool is_defined_place(const char *name)
{
	static const char *const names[] = { "__dict__", "__defaults__", "__kwdefaults__", "__closure__",
		                             "__wrapped__" };
	return IS_AMONG(name, strlen(name), names);
}

static const char *first_star(const char *path)
{
	const char *star = strstr(path, "[*]");
	return star ? star : path + strlen(path);
}

/* Whether PATH leads through one of the names, before it stands for many. */
static bool leads_through_definition(const char *path)
{
	const char *end = first_star(path);
	for (const char *dot = strchr(path, '.'); dot && dot < end; dot = strchr(dot + 1, '.'))
		if (is_defining_name(dot + 1, strcspn(dot + 1, ".[")))
			return true;
	return false;
}

struct path { /* of what stayed */
	const char *text;
	bool defining; /* it is a class, a function, ... */
};

struct paths {
	struct path *items; /* by text */
	size_t count;
	bool open; /* there are classes or functions of which no path is known */
};

static int by_text(const void *a, const void *b)
{
	const struct path *one = a, *two = b;
	const int order = strcmp(one->text, two->text);
	return order != 0 ? order : (int)two->defining - (int)one->defining;
}

static int list_paths(const struct mr_report_census *census, struct paths *paths, struct mr_error *err)
{
	size_t count = 0;
	for (size_t i = 0; i < census->type_count; i++)
		count += census->types[i].way_count;
	*paths = (struct paths){ .items = mr_alloc((count + 1) * sizeof(*paths->items)) };
	MR_FAIL_IF(!paths->items, err, MR_ERR_NOMEM, "no memory for %zu holders", count);
	for (size_t i = 0; i < census->type_count; i++) {
		const bool defining = is_defining(census->types[i].name);
		for (size_t k = 0; k < census->types[i].way_count; k++) {
			const struct mr_census_way *way = &census->types[i].ways[k];
			paths->items[paths->count++] = (struct path){ way->path, defining };
			paths->open = paths->open || (defining && mr_census_is_joined(way));
		}
	}
	if (count > 1)
		qsort(paths->items, count, sizeof(*paths->items), by_text);
	return 0;
}

/* What stayed and has the path that the first LEN characters of TEXT are; NULL where nothing has. */
static const struct path *find_path(const struct paths *paths, const char *text, size_t len)
{
	size_t low = 0, high = paths->count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (strncmp(paths->items[middle].text, text, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* The shortest of those that begin so comes first. */
	return low < paths->count && strncmp(paths->items[low].text, text, len) == 0 &&
	                       !paths->items[low].text[len]
	               ? &paths->items[low]
	               : NULL;
}

/* Whether the path ends with a class's or a function's own dictionary, closure or default values. */
static bool ends_in_definition(const struct paths *paths, const char *path)
{
	const char *dot = strrchr(path, '.');
	if (!dot || *first_star(path) || !is_defined_place(dot + 1))
		return false;
	const struct path *owner = find_path(paths, path, (size_t)(dot - path));
	return owner ? owner->defining : paths->open;
}

static bool is_grown(const struct mr_census_type *type)
{
	return type->grown >= MR_LEAK_GROWN;
}

/* Whether the objects at WAY, which has a path of its own, are of definitions. */
static bool is_defined(const struct mr_report_census *census, const struct paths *paths,
                       const struct mr_census_type *type, const struct mr_census_way *way)
{
	if (leads_through_definition(way->path) || ends_in_definition(paths, way->path))
		return true;
	if (strcmp(way->root, "C code") == 0 && (is_constant(type->name) || is_defining(type->name)))
		return !is_grown(type) && census->defines;
	if (!is_defining(type->name))
		return false;
	/* Functions in a list: what was registered once, or a closure made over and over. */
	return !*first_star(way->path) || (way->count < MR_LEAK_MANY && !is_grown(type));
}

/* Objects of which no path is known are what most of the others of the type are; plain values in places
 * each of its own are what imports leave. */
static bool is_rest_defined(const struct mr_report_census *census, const struct mr_census_type *type)
{
	uint64_t defined = 0, others = 0;
	for (size_t i = 0; i < type->way_count; i++)
		if (!mr_census_is_joined(&type->ways[i]))
			*(type->ways[i].defined ? &defined : &others) += type->ways[i].count;
	return !is_grown(type) && (defined > others || (census->imports && is_plain(type->name)));
}

static const struct mr_census_type *find_defining(struct mr_report_census *census)
{
	const struct mr_census_type *modules = NULL;
	for (size_t i = 0; i < census->type_count; i++) {
		const char *name = census->types[i].name;
		if (strcmp(name, "module") == 0)
			modules = &census->types[i];
		census->defines = census->defines || mr_census_is_class(name) ||
		                  strcmp(name, "function") == 0 || strcmp(name, "module") == 0;
	}
	census->imports = modules != NULL;
	return modules;
}

static uint64_t at_most(uint64_t number, uint64_t limit)
{
	return number < limit ? number : limit;
}

/* Counts what is of definitions, and puts the ways that are not before those that are. */
static int split_ways(const struct mr_report_census *census, const struct paths *paths,
                      struct mr_census_type *type, struct mr_error *err)
{
	struct mr_census_way *sorted = mr_alloc((type->way_count + 1) * sizeof(*sorted));
	MR_FAIL_IF(!sorted, err, MR_ERR_NOMEM, "no memory for %zu holders", type->way_count);
	size_t kept = 0;
	for (size_t i = 0; i < type->way_count; i++)
		if (!mr_census_is_joined(&type->ways[i]))
			type->ways[i].defined = is_defined(census, paths, type, &type->ways[i]);
	for (size_t i = 0; i < type->way_count; i++)
		if (mr_census_is_joined(&type->ways[i]))
			type->ways[i].defined = is_rest_defined(census, type);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < type->way_count; i++)
			if (type->ways[i].defined == (pass == 1))
				sorted[kept++] = type->ways[i];
		type->leak_ways = pass == 0 ? kept : type->leak_ways;
	}
	/* The pattern that holds many is the one to name. */
	for (size_t i = 0; i < type->leak_ways; i++)
		if (sorted[i].count >= MR_LEAK_MANY && !mr_census_is_joined(&sorted[i])) {
			const struct mr_census_way many = sorted[i];
			memmove(&sorted[1], &sorted[0], i * sizeof(*sorted));
			sorted[0] = many;
			break;
		}
	for (size_t i = type->leak_ways; i < kept; i++) {
		type->defined += at_most(sorted[i].count, type->count - type->defined);
		type->defined_bytes += at_most(sorted[i].size_bytes, type->size_bytes - type->defined_bytes);
	}
	if (type->way_count > 0)
		memcpy(type->ways, sorted, kept * sizeof(*sorted));
	mr_free(sorted);
	if (type->way_count == 0 && is_defining(type->name) && !is_grown(type)) {
		type->defined = type->count;
		type->defined_bytes = type->size_bytes;
	}
	return 0;
}

static int split_all(struct mr_report_census *census, struct mr_error *err)
{
	struct paths paths;
	int status = list_paths(census, &paths, err);
	for (size_t i = 0; i < census->type_count && status == 0; i++)
		status = split_ways(census, &paths, &census->types[i], err);
	mr_free(paths.items);
	return status;
}

/* ---- Growth -------------------------------------------------------------------------------- */

/* The longest run of censuses at each of which more stayed, or, where it is not known when objects were
 * made, at each of which there were more.  Those at which modules were imported do not count: a start that
 * takes long is not what will not end. */
static uint64_t longest_growth(const struct mr_report_census *census, const struct mr_census_type *modules,
                               const struct mr_census_type *type)
{
	uint64_t longest = 0, row = 0;
	for (size_t i = census->baseline + 1; i < census->snapshot_count; i++) {
		if (modules && modules->born && modules->born[i] > 0)
			continue;
		const bool more = type->first_ns != MR_NO_VALUE
		                          ? type->born && type->born[i] > 0
		                          : type->counts && type->counts[i] > type->counts[i - 1];
		row = more ? row + 1 : 0;
		longest = row > longest ? row : longest;
	}
	return longest;
}

/* ---- Who holds whom ------------------------------------------------------------------------ */

/* Whether what PATH names is held by way of what SHORTER names. */
static bool leads_on(const char *path, const char *shorter)
{
	const size_t len = strlen(shorter);
	return len > 0 && strncmp(path, shorter, len) == 0 && (path[len] == '.' || path[len] == '[');
}

static const char *path_of(const struct mr_census_type *type)
{
	return type->leak_ways > 0 && !mr_census_is_joined(&type->ways[0]) ? type->ways[0].path : "";
}

static enum mr_leak_rank rank_of(const struct mr_census_type *type)
{
	if (mr_census_left(type) == 0)
		return MR_LEAK_DEFINED;
	for (size_t i = 0; i < type->leak_ways; i++)
		if (type->ways[i].count >= MR_LEAK_MANY && !mr_census_is_joined(&type->ways[i]))
			return MR_LEAK_LEADS;
	/* Nothing may be known of who holds them. */
	return is_grown(type) || (type->way_count == 0 && mr_census_left(type) >= MR_LEAK_MANY)
	               ? MR_LEAK_LEADS
	               : MR_LEAK_FEW;
}

/* Whether PART is a part of the objects of WHOLE, rather than much that few of them hold. */
static bool is_part(const struct mr_census_type *part, const struct mr_census_type *whole)
{
	return whole->rank <= part->rank && (is_grown(whole) || !is_grown(part)) &&
	       mr_census_left(part) / MR_LEAK_MANY < mr_census_left(whole);
}

static void relate(struct mr_report_census *census)
{
	const size_t count = at_most(census->type_count, RELATED_MAX);
	for (size_t i = 0; i < count; i++) {
		struct mr_census_type *type = &census->types[i];
		for (size_t k = 0; k < count; k++) {
			struct mr_census_type *other = &census->types[k];
			if (k == i || !leads_on(path_of(type), path_of(other)))
				continue;
			if (!is_part(type, other)) {
				if (type->rank == MR_LEAK_LEADS &&
				    (other->holds == NO_TYPE ||
				     mr_census_left(type) > mr_census_left(&census->types[other->holds])))
					other->holds = i;
			} else if (type->belongs_to == NO_TYPE ||
			           strlen(path_of(other)) <
			                   strlen(path_of(&census->types[type->belongs_to]))) {
				type->belongs_to = k;
			}
		}
	}
}

/* Of 1024 of those that stayed, how many were made while no module was imported; all where nothing was or
 * it is not known when they were made. */
static uint64_t apart_from_imports(const struct mr_report_census *census,
                                   const struct mr_census_type *modules, const struct mr_census_type *type)
{
	uint64_t all = 0, apart = 0;
	for (size_t i = 0; i < census->snapshot_count && type->born && modules && modules->born; i++) {
		all += type->born[i];
		apart += modules->born[i] == 0 ? type->born[i] : 0;
	}
	return all > 0 ? apart * WHOLE / all : WHOLE;
}

static uint64_t score_of(const struct mr_report_census *census, const struct mr_census_type *modules,
                         const struct mr_census_type *type)
{
	const uint64_t times =
		(type->grown > 1 ? type->grown : 1) * apart_from_imports(census, modules, type);
	const uint64_t bytes = at_most(type->group_bytes, UINT64_MAX / WHOLE / WHOLE);
	return times > 0 && bytes > UINT64_MAX / times ? UINT64_MAX : bytes * times / WHOLE;
}

/* Adds the bytes of parts to the type that they belong to in the end: paths get shorter on the way there. */
static void add_up(struct mr_report_census *census, const struct mr_census_type *modules)
{
	for (size_t i = 0; i < census->type_count; i++) {
		size_t at = i;
		while (census->types[at].belongs_to != NO_TYPE)
			at = census->types[at].belongs_to;
		census->types[at].group_bytes += mr_census_left_bytes(&census->types[i]);
	}
	for (size_t i = 0; i < census->type_count; i++) {
		struct mr_census_type *type = &census->types[i];
		while (type->holds != NO_TYPE && census->types[type->holds].belongs_to != NO_TYPE)
			type->holds = census->types[type->holds].belongs_to;
		type->holds = type->holds == i ? NO_TYPE : type->holds;
		if (type->belongs_to != NO_TYPE) {
			type->rank = MR_LEAK_PART;
			type->group_bytes = mr_census_left_bytes(type);
		}
		type->score = score_of(census, modules, type);
	}
}

/* ---- Order --------------------------------------------------------------------------------- */

static int by_score(const void *a, const void *b)
{
	const struct mr_census_type *one = a, *two = b;
	if (one->rank != two->rank)
		return one->rank < two->rank ? -1 : 1;
	if (one->rank == MR_LEAK_FEW && (one->holds == NO_TYPE) != (two->holds == NO_TYPE))
		return one->holds == NO_TYPE ? 1 : -1;
	if (one->score != two->score)
		return one->score > two->score ? -1 : 1;
	if (one->group_bytes != two->group_bytes)
		return one->group_bytes > two->group_bytes ? -1 : 1;
	if (mr_census_left(one) != mr_census_left(two))
		return mr_census_left(one) > mr_census_left(two) ? -1 : 1;
	return strcmp(one->name, two->name);
}

static int sort(struct mr_report_census *census, struct mr_error *err)
{
	size_t *places = mr_alloc((census->type_count + 1) * sizeof(*places));
	MR_FAIL_IF(!places, err, MR_ERR_NOMEM, "no memory for %zu types", census->type_count);
	for (size_t i = 0; i < census->type_count; i++)
		census->types[i].place = i;
	if (census->type_count > 1)
		qsort(census->types, census->type_count, sizeof(*census->types), by_score);
	for (size_t i = 0; i < census->type_count; i++)
		places[census->types[i].place] = i;
	for (size_t i = 0; i < census->type_count; i++) {
		struct mr_census_type *type = &census->types[i];
		type->belongs_to = type->belongs_to == NO_TYPE ? NO_TYPE : places[type->belongs_to];
		type->holds = type->holds == NO_TYPE ? NO_TYPE : places[type->holds];
	}
	mr_free(places);
	return 0;
}

int mr_report_leaks_rank(struct mr_report_census *census, struct mr_error *err)
{
	const struct mr_census_type *modules = find_defining(census);
	for (size_t i = 0; i < census->type_count; i++) {
		census->types[i].belongs_to = census->types[i].holds = NO_TYPE;
		census->types[i].grown = longest_growth(census, modules, &census->types[i]);
	}
	MR_TRY(split_all(census, err));
	for (size_t i = 0; i < census->type_count; i++)
		census->types[i].rank = rank_of(&census->types[i]);
	relate(census);
	add_up(census, modules);
	MR_TRY(sort(census, err));
	census->told = 0;
	while (census->told < census->type_count && census->types[census->told].rank != MR_LEAK_DEFINED)
		census->told++;
	return 0;
}
