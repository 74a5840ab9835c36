/* SPDX-License-Identifier: MIT
 *
 * A sizer for tests, with a source of paths that remembers their names, and
 * what it says of an object as text.
 */
#ifndef SIZER_FIXTURE_H
#define SIZER_FIXTURE_H

#include "sizer.h"

#define FIXTURE_PATHS_MAX 20000

struct sizer_fixture {
	struct mr_sizer *sizer;
	char *paths[FIXTURE_PATHS_MAX + 1]; /* by id, "employees/[]/name"; owned */
	uint32_t parents[FIXTURE_PATHS_MAX + 1];
	uint32_t path_count;
	char text[1 << 16];
};

void sizer_fixture_init(struct sizer_fixture *fixture);
void sizer_fixture_release(struct sizer_fixture *fixture);
/* "= SIZE FLAT" and a line "PATH COUNT SIZE FLAT" a referent; lasts until the
 * next call.  Fails the test unless the entries are as struct mr_sized promises:
 * depth first, each path once, and sums that close. */
char *sizer_fixture_text(struct sizer_fixture *fixture, const struct mr_sized *sized);

#endif
