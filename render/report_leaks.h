/* SPDX-License-Identifier: MIT
 *
 * Which of the types of which objects stayed look like leaks, and in what order
 * they are told; and which stayed because classes and functions were defined.
 * Part of report_census.h; knows no tables.
 */
#ifndef MR_REPORT_LEAKS_H
#define MR_REPORT_LEAKS_H

#include "report_census.h"

#define MR_LEAK_MANY 8  /* objects that one pattern holds, from which on they are many */
#define MR_LEAK_GROWN 3 /* censuses in a row with more of a type each, from which on it is one that grows */

/* Takes the types of CENSUS, with their ways, births and counts, apart into what leaks and what is
 * defined; relates them to each other; and sorts them.  The types' indexes change: by_name has to be made
 * anew.  Fails only with MR_ERR_NOMEM. */
int mr_report_leaks_rank(struct mr_report_census *census, struct mr_error *err) MR_MUST_CHECK;

#endif
