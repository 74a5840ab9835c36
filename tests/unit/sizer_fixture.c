/* SPDX-License-Identifier: MIT
 *
 * See sizer_fixture.h.
 */
#include "sizer_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static uint32_t intern(void *context, uint32_t parent, const char *name)
{
	struct sizer_fixture *fixture = context;
	const char *above = parent ? fixture->paths[parent] : "";
	const size_t size = strlen(above) + strlen(name) + 2;
	char *path = malloc(size);

	cr_assert_not_null(path);
	cr_assert(lt(u32, fixture->path_count, FIXTURE_PATHS_MAX));
	snprintf(path, size, "%s%s%s", above, parent ? "/" : "", name);
	for (uint32_t i = 1; i <= fixture->path_count; i++)
		cr_assert(fixture->parents[i] != parent || strcmp(fixture->paths[i], path) != 0,
		          "the path '%s' is asked for twice", path);
	fixture->paths[++fixture->path_count] = path;
	fixture->parents[fixture->path_count] = parent;
	return fixture->path_count;
}

void sizer_fixture_init(struct sizer_fixture *fixture)
{
	const struct mr_path_source source = { .intern = intern, .context = fixture };

	memset(fixture, 0, sizeof(*fixture));
	cr_assert(eq(int, mr_sizer_new(&fixture->sizer, &source, NULL), 0));
}

void sizer_fixture_release(struct sizer_fixture *fixture)
{
	mr_sizer_free(fixture->sizer);
	fixture->sizer = NULL;
	for (uint32_t i = 1; i <= fixture->path_count; i++)
		free(fixture->paths[i]);
	fixture->path_count = 0;
}

static void check_order(const struct sizer_fixture *fixture, const struct mr_sized *sized)
{
	static uint8_t seen[FIXTURE_PATHS_MAX + 1];
	uint32_t above[128] = { 0 }; /* by level: the path that was met last */
	uint32_t level = 0;

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < sized->referent_count; i++) {
		const struct mr_referent *referent = &sized->referents[i];

		cr_assert(ge(u32, referent->level, 1));
		cr_assert(le(u32, referent->level, level + 1));
		level = referent->level;
		cr_assert(eq(u32, fixture->parents[referent->path], above[level - 1]));
		above[level] = referent->path;
		cr_assert_not(seen[referent->path]);
		seen[referent->path] = 1;
	}
}

static void check_sums(const struct mr_sized *sized)
{
	uint64_t direct = sized->flat_bytes;

	for (size_t i = 0; i < sized->referent_count; i++) {
		const struct mr_referent *referent = &sized->referents[i];
		uint64_t below = referent->flat_bytes;
		bool parent = false;

		if (referent->level == 1)
			direct += referent->size_bytes;
		for (size_t j = i + 1;
		     j < sized->referent_count && sized->referents[j].level > referent->level; j++) {
			if (sized->referents[j].level == referent->level + 1) {
				below += sized->referents[j].size_bytes;
				parent = true;
			}
		}
		/* Without entries below, the size may hold more than the flat size. */
		if (parent)
			cr_assert(eq(u64, below, referent->size_bytes));
		else
			cr_assert(le(u64, below, referent->size_bytes));
	}
	if (sized->referent_count > 0)
		cr_assert(eq(u64, direct, sized->size_bytes));
}

char *sizer_fixture_text(struct sizer_fixture *fixture, const struct mr_sized *sized)
{
	const size_t size = sizeof(fixture->text);
	size_t len =
		(size_t)snprintf(fixture->text, size, "= %llu %llu\n", (unsigned long long)sized->size_bytes,
	                         (unsigned long long)sized->flat_bytes);

	check_order(fixture, sized);
	check_sums(sized);
	for (size_t i = 0; i < sized->referent_count && len < size; i++) {
		const struct mr_referent *referent = &sized->referents[i];

		len += (size_t)snprintf(fixture->text + len, size - len, "%s %llu %llu %llu\n",
		                        fixture->paths[referent->path], (unsigned long long)referent->count,
		                        (unsigned long long)referent->size_bytes,
		                        (unsigned long long)referent->flat_bytes);
	}
	return fixture->text;
}
