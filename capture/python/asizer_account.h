/* SPDX-License-Identifier: MIT
 *
 * What an Asizer that is to print statistics keeps: the largest objects, and for
 * each type how many there were and the largest of them.  Objects are held weakly
 * where they can be.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_ASIZER_ACCOUNT_H
#define MR_ASIZER_ACCOUNT_H

#include <Python.h>

#include "type_rules.h"

#define MR_RANKS_MAX 100

struct mr_ranked {
	const struct mr_rule *rule;
	PyObject *object;    /* in the account: owned, the object or a weak reference to it */
	uint64_t id;         /* of the object, or one more for the dict that it would have */
	uint64_t parent;     /* the id of what led to it, 0: given */
	uint64_t size_bytes; /* with its referents */
	uint32_t deep;
	bool is_dict_of; /* it is the dict that the instance OBJECT would have */
	bool is_weak;
};

struct mr_profile {
	struct mr_profile *next; /* in the order of first use */
	const struct mr_rule *rule;
	PyObject *largest; /* owned, the object or a weak reference to it */
	uint64_t count;
	uint64_t total_bytes;
	uint64_t high_bytes;
	bool is_dict_of;
	bool is_weak;
};

struct mr_account {
	struct mr_ranked ranks[MR_RANKS_MAX]; /* largest first */
	size_t rank_count;
	uint64_t ranked;      /* objects above the threshold */
	uint64_t above_bytes; /* the threshold; 0: none are ranked */
	struct mr_profile *profiles;
	struct mr_profile **profiles_end;
	size_t profile_count;
	bool profiling;
};

struct mr_account *mr_account_new(void);          /* NULL: no memory */
void mr_account_free(struct mr_account *account); /* NULL is fine */
int mr_account_traverse(const struct mr_account *account, visitproc visit, void *arg);

static inline bool mr_account_ranks(const struct mr_account *account, uint64_t size_bytes)
{
	return account->above_bytes && size_bytes > account->above_bytes;
}

/* Enters what CANDIDATE says; its object is borrowed.  -1 with a Python error. */
int mr_account_rank(struct mr_account *account, const struct mr_ranked *candidate);
int mr_account_profile(struct mr_account *account, struct mr_rule *rule, PyObject *object, bool is_dict_of,
                       uint64_t flat_bytes);

/* The object that was entered, a new reference; None where it is gone. */
PyObject *mr_account_object(PyObject *kept, bool is_weak, bool is_dict_of);

#endif
