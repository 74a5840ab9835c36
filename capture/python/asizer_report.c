/* SPDX-License-Identifier: MIT
 *
 * What the statistics of an Asizer show (asizer.h), as tuples; their text is made
 * in memcapture/asizeof.py.
 */
#include "asizer.h"
#include "asizer_account.h"

static const struct mr_object_sizer *sizer_of(PyObject *self)
{
	return ((const struct mr_asizer *)self)->sizer;
}

static uint64_t count_excluded(const struct mr_object_sizer *sizer)
{
	uint64_t count = 0;

	for (size_t i = 0; i < sizer->rules.count; i++) {
		if (sizer->rules.list[i]->excluded > 0)
			count += (uint64_t)sizer->rules.list[i]->excluded;
	}
	return count;
}

/* (alignment or 0, deepest recursion, objects left out by type or None, is code counted) */
PyObject *mr_asizer_facts(PyObject *self, PyObject *unused MR_UNUSED)
{
	const struct mr_object_sizer *const sizer = sizer_of(self);
	const struct mr_asizer *const asizer = (const struct mr_asizer *)self;
	PyObject *const excluded =
		sizer->excluded ? PyLong_FromUnsignedLongLong(count_excluded(sizer)) : Py_NewRef(Py_None);

	if (!excluded)
		return NULL;
	return Py_BuildValue(
		"(KKNO)", (unsigned long long)(sizer->options.mask ? sizer->options.mask + 1 : 0),
		(unsigned long long)sizer->depth_max, excluded, asizer->incl_code ? Py_True : Py_False);
}

static int append_take(PyObject *list, PyObject *entry)
{
	const int status = entry ? PyList_Append(list, entry) : -1;

	Py_XDECREF(entry);
	return status;
}

static PyObject *rank_entry(const struct mr_ranked *rank)
{
	PyObject *const object = mr_account_object(rank->object, rank->is_weak, rank->is_dict_of);

	if (!object)
		return NULL;
	return Py_BuildValue("(OONKKKK)", rank->rule->key, rank->rule->is_class ? Py_True : Py_False, object,
	                     (unsigned long long)rank->size_bytes, (unsigned long long)rank->deep,
	                     (unsigned long long)rank->id, (unsigned long long)rank->parent);
}

/* [(key, is it the class itself, object, size, depth, id, parent's id or 0)], largest first. */
static PyObject *list_ranks(const struct mr_object_sizer *sizer)
{
	const struct mr_account *const account = sizer->account;
	PyObject *const list = PyList_New(0);

	for (size_t i = 0; list && account && i < account->rank_count; i++) {
		if (append_take(list, rank_entry(&account->ranks[i])) < 0) {
			Py_DECREF(list);
			return NULL;
		}
	}
	return list;
}

static PyObject *profile_entry(const struct mr_profile *profile)
{
	PyObject *const object = mr_account_object(profile->largest, profile->is_weak, profile->is_dict_of);

	if (!object)
		return NULL;
	return Py_BuildValue("(OOKKKN)", profile->rule->key, profile->rule->is_class ? Py_True : Py_False,
	                     (unsigned long long)profile->count, (unsigned long long)profile->total_bytes,
	                     (unsigned long long)profile->high_bytes, object);
}

/* [(key, is it the class itself, objects, bytes, bytes of the largest, the largest)] */
static PyObject *list_profiles(const struct mr_object_sizer *sizer)
{
	const struct mr_account *const account = sizer->account;
	PyObject *const list = PyList_New(0);
	const struct mr_profile *profile = list && account ? account->profiles : NULL;

	for (; profile; profile = profile->next) {
		if (append_take(list, profile_entry(profile)) < 0) {
			Py_DECREF(list);
			return NULL;
		}
	}
	return list;
}

static PyObject *typedef_entry(const struct mr_rule *rule)
{
	return Py_BuildValue("(OOsKKzzO)", rule->key, rule->is_class ? Py_True : Py_False,
	                     mr_rule_kind_name(rule->kind), (unsigned long long)rule->base_bytes,
	                     (unsigned long long)rule->item_bytes, mr_leng_name(rule->leng),
	                     mr_refs_name(rule->refs), rule->both ? Py_True : Py_False);
}

/* [(key, is it the class itself, kind, basicsize, itemsize, length's name, referents' name, data too)] */
static PyObject *list_typedefs(const struct mr_object_sizer *sizer)
{
	const struct mr_sizing_statics *const statics = sizer->state->statics;
	PyObject *const list = PyList_New(0);
	int status = list ? 0 : -1;

	for (size_t i = 0; status == 0 && i < statics->count; i++)
		status = append_take(list, typedef_entry(&statics->rules[i]));
	for (size_t i = 0; status == 0 && i < sizer->rules.count; i++) {
		const struct mr_rule *const rule = sizer->rules.list[i];

		if (!mr_sizing_static(statics, (const PyTypeObject *)rule->key, rule->is_class))
			status = append_take(list, typedef_entry(rule));
	}
	if (status == 0)
		return list;
	Py_XDECREF(list);
	return NULL;
}

/* Without collections: they can run Python code, which may reset the sizer. */
static PyObject *undisturbed(PyObject *self, PyObject *(*list)(const struct mr_object_sizer *))
{
	const int collecting = PyGC_Disable();
	PyObject *const made = list(sizer_of(self));

	if (collecting)
		(void)PyGC_Enable();
	return made;
}

PyObject *mr_asizer_ranks(PyObject *self, PyObject *unused MR_UNUSED)
{
	return undisturbed(self, list_ranks);
}

PyObject *mr_asizer_profiles(PyObject *self, PyObject *unused MR_UNUSED)
{
	return undisturbed(self, list_profiles);
}

PyObject *mr_asizer_typedefs(PyObject *self, PyObject *unused MR_UNUSED)
{
	return undisturbed(self, list_typedefs);
}
