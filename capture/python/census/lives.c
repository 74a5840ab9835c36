/* SPDX-License-Identifier: MIT
 *
 * See lives.h.  One map says what is known in any set, for the hooks, which have to
 * be quick; only when it has a hit are the sets looked through.  It stays mapped
 * from the first set on, because an interpreter with a lock of its own may be
 * reading it; it is emptied when there is no set any more.
 */
#include "lives.h"

#include <pthread.h>

#include "lives_hooks.h"

struct mr_lives_map mr_lives_any;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the sets, for the hooks */
static struct mr_lives *sets;
static uint64_t gaps; /* how often the allocator had lost us */

/* ---- What the hooks say --------------------------------------------------------------- */

static void forget_everywhere(uint64_t block)
{
	struct mr_any_leaf *const any = mr_lives_map_find(&mr_lives_any, block);
	const unsigned granule = mr_lives_granule(block);

	if (!any || !((any->known[granule / 8] >> (granule % 8)) & 1))
		return;
	for (struct mr_lives *set = sets; set; set = set->next) {
		struct mr_lives_leaf *const leaf = mr_lives_leaf_of(set, block);

		if (leaf)
			leaf->known[granule / 64] &= ~(UINT64_C(1) << (granule % 64));
	}
	__atomic_fetch_and(&any->known[granule / 8], (uint8_t) ~(1u << (granule % 8)), __ATOMIC_RELAXED);
}

void mr_lives_died(uint64_t block)
{
	pthread_mutex_lock(&lock);
	forget_everywhere(block);
	pthread_mutex_unlock(&lock);
}

int mr_lives_pretend(uint64_t block)
{
	struct mr_any_leaf *const any = mr_lives_map_add(&mr_lives_any, block);
	const unsigned granule = mr_lives_granule(block);

	if (!any)
		return -1;
	__atomic_fetch_or(&any->known[granule / 8], (uint8_t)(1u << (granule % 8)), __ATOMIC_RELAXED);
	return 0;
}

/* ---- Sets ------------------------------------------------------------------------------ */

int mr_lives_open(struct mr_lives *lives)
{
	if (!mr_lives_any.leaf_bytes)
		mr_lives_map_init(&mr_lives_any, sizeof(struct mr_any_leaf));
	if (mr_lives_map_prepare(&mr_lives_any) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	if (mr_lives_hook() < 0)
		return -1;
	mr_lives_map_init(&lives->map, sizeof(struct mr_lives_leaf));
	lives->gaps = gaps;
	lives->is_open = true;
	pthread_mutex_lock(&lock);
	lives->next = sets;
	sets = lives;
	pthread_mutex_unlock(&lock);
	return 0;
}

void mr_lives_close(struct mr_lives *lives)
{
	struct mr_lives **link = &sets;

	if (!lives->is_open)
		return;
	pthread_mutex_lock(&lock);
	while (*link != lives)
		link = &(*link)->next;
	*link = lives->next;
	pthread_mutex_unlock(&lock);
	mr_lives_map_release(&lives->map);
	lives->is_open = false;
	if (sets)
		return;
	mr_lives_unhook();
	mr_lives_map_clear(&mr_lives_any);
}

int mr_lives_mark(struct mr_lives *lives, uint64_t block)
{
	struct mr_lives_leaf *const leaf = mr_lives_map_add(&lives->map, block);
	const unsigned granule = mr_lives_granule(block);

	if (!leaf || mr_lives_pretend(block) < 0)
		return MR_ERR_NOMEM;
	leaf->known[granule / 64] |= UINT64_C(1) << (granule % 64);
	return 0;
}

void mr_lives_unmark(struct mr_lives *lives, uint64_t block)
{
	struct mr_lives_leaf *const leaf = mr_lives_leaf_of(lives, block);
	const unsigned granule = mr_lives_granule(block);

	if (leaf)
		leaf->known[granule / 64] &= ~(UINT64_C(1) << (granule % 64));
}

bool mr_lives_check(struct mr_lives *lives)
{
	if (!mr_lives_hooked())
		gaps++;
	const bool complete = lives->gaps == gaps;

	lives->gaps = gaps;
	return complete;
}
