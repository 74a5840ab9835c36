/* SPDX-License-Identifier: MIT
 *
 * The part of the extension _capture for whole-heap work: see census_module.h.
 */
#include "census_module.h"

int mr_census_add_to_module(PyObject *module)
{
#define MR_CENSUS_ADD(name)   \
	if (name(module) < 0) \
		return -1;
	MR_CENSUS_PARTS(MR_CENSUS_ADD)
#undef MR_CENSUS_ADD
	return 0;
}

int mr_census_traverse(struct mr_census_state *state, visitproc visit, void *arg)
{
#define MR_CENSUS_VISIT(name) Py_VISIT(state->name);
	MR_CENSUS_OBJECTS(MR_CENSUS_VISIT)
#undef MR_CENSUS_VISIT
	return 0;
}

void mr_census_clear(struct mr_census_state *state)
{
#define MR_CENSUS_DROP(name) Py_CLEAR(state->name);
	MR_CENSUS_OBJECTS(MR_CENSUS_DROP)
#undef MR_CENSUS_DROP
}
