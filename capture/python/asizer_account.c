/* SPDX-License-Identifier: MIT
 *
 * See asizer_account.h.
 */
#include "asizer_account.h"

struct mr_account *mr_account_new(void)
{
	struct mr_account *const account = mr_alloc(sizeof(*account));

	if (account)
		account->profiles_end = &account->profiles;
	return account;
}

void mr_account_free(struct mr_account *account)
{
	if (!account)
		return;
	for (size_t i = 0; i < account->rank_count; i++)
		Py_DECREF(account->ranks[i].object);
	for (struct mr_profile *profile = account->profiles; profile;) {
		struct mr_profile *const next = profile->next;

		Py_XDECREF(profile->largest);
		mr_free(profile);
		profile = next;
	}
	mr_free(account);
}

int mr_account_traverse(const struct mr_account *account, visitproc visit, void *arg)
{
	if (!account)
		return 0;
	for (size_t i = 0; i < account->rank_count; i++)
		Py_VISIT(account->ranks[i].object);
	for (const struct mr_profile *profile = account->profiles; profile; profile = profile->next)
		Py_VISIT(profile->largest);
	return 0;
}

/* A weak reference to OBJECT, or one to keep it where that cannot be had.  NULL with a Python error. */
static PyObject *reference_to(PyObject *object, bool *is_weak)
{
	PyObject *const reference = PyWeakref_NewRef(object, NULL);

	*is_weak = reference != NULL;
	if (reference)
		return reference;
	if (!PyErr_ExceptionMatches(PyExc_TypeError))
		return NULL;
	PyErr_Clear();
	return Py_NewRef(object);
}

PyObject *mr_account_object(PyObject *kept, bool is_weak, bool is_dict_of)
{
	PyObject *object = NULL;

	if (!kept)
		Py_RETURN_NONE;
	if (!is_weak) {
		object = Py_NewRef(kept);
	} else {
#if PY_VERSION_HEX >= 0x030D0000
		if (PyWeakref_GetRef(kept, &object) < 0)
			return NULL;
#else
		object = Py_XNewRef(PyWeakref_GetObject(kept));
#endif
	}
	if (!object)
		Py_RETURN_NONE;
	if (is_dict_of && object != Py_None) {
		PyObject *const dict = mr_instance_dict_copy(object, mr_instance_dict_kind(Py_TYPE(object)));

		Py_DECREF(object);
		return dict;
	}
	return object;
}

int mr_account_rank(struct mr_account *account, const struct mr_ranked *candidate)
{
	struct mr_ranked rank = *candidate;
	size_t low = 0;
	size_t high = account->rank_count;

	account->ranked++;
	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (rank.size_bytes < account->ranks[middle].size_bytes)
			low = middle + 1;
		else
			high = middle;
	}
	if (low >= MR_RANKS_MAX)
		return 0;
	rank.id = (uint64_t)(uintptr_t)rank.object + rank.is_dict_of;
	rank.object = reference_to(rank.object, &rank.is_weak);
	if (!rank.object)
		return -1;

	PyObject *last = NULL;

	if (account->rank_count == MR_RANKS_MAX)
		last = account->ranks[--account->rank_count].object;
	memmove(&account->ranks[low + 1], &account->ranks[low],
	        (account->rank_count - low) * sizeof(*account->ranks));
	account->ranks[low] = rank;
	account->rank_count++;
	Py_XDECREF(last);
	return 0;
}

int mr_account_profile(struct mr_account *account, struct mr_rule *rule, PyObject *object, bool is_dict_of,
                       uint64_t flat_bytes)
{
	struct mr_profile *profile = rule->profile;

	if (!account->profiling)
		return 0;
	if (!profile) {
		profile = mr_alloc(sizeof(*profile));
		if (!profile) {
			PyErr_NoMemory();
			return -1;
		}
		profile->rule = rule;
		rule->profile = profile;
		*account->profiles_end = profile;
		account->profiles_end = &profile->next;
		account->profile_count++;
	}
	profile->count++;
	profile->total_bytes += flat_bytes;
	if (profile->high_bytes >= flat_bytes)
		return 0;
	profile->high_bytes = flat_bytes;

	bool is_weak;
	PyObject *const reference = reference_to(object, &is_weak);
	PyObject *const before = profile->largest;

	if (!reference)
		return -1;
	profile->largest = reference;
	profile->is_weak = is_weak;
	profile->is_dict_of = is_dict_of;
	Py_XDECREF(before);
	return 0;
}
