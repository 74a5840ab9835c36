/* SPDX-License-Identifier: MIT
 *
 * The rules and their thresholds are in one table; a function for each says what
 * it weighs, and one what it has found in words.
 */
#include "suspects.h"

#include "report_data.h"
#include "scope.h"

#include <inttypes.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

static const struct rule {
	const char *title;
	double share_min;   /* of the whole that the rule looks at */
	uint64_t bytes_min; /* this and the next: below them nothing is worth a word */
	uint64_t count_min;
	size_t most;      /* suspects of the rule */
	const char *none; /* what is said where there is none */
} rules[MR_SUSPICIONS] = {
	[MR_SUSPECT_LEAK] = { "Leak", 0.03, 1, 1, 5, "Nothing was leaked." },
	[MR_SUSPECT_GROWTH] = { "Growth", 0.05, 64 * KIB, 1, 3, NULL },
	[MR_SUSPECT_PEAK] = { "Peak", 0.10, 4 * KIB, 1, 3, "No single place holds a tenth of the peak." },
	[MR_SUSPECT_BIG] = { "Big block", 0.05, MIB, 1, 3, NULL },
	[MR_SUSPECT_CHURN] = { "Churn", 0.05, 0, 10000, 3,
	                       "Hardly anything is allocated only to be freed at once." },
	[MR_SUSPECT_REALLOC] = { "Realloc", 0.05, MIB, 100, 3, NULL },
	[MR_SUSPECT_WAIT] = { "Waiting", 0.01, 0, 1, 3, NULL },
};

const char *mr_suspects_none(enum mr_suspicion suspicion, const struct mr_report_heap *heap)
{
	if (suspicion == MR_SUSPECT_LEAK && heap->leaked_count > 0)
		return "What was leaked is spread over many places: none holds much of it.";
	return rules[suspicion].none;
}

#define GRAVE_SHARE 0.01 /* of the peak */

bool mr_suspect_is_grave(const struct mr_suspect *suspect, const struct mr_report_heap *heap)
{
	if (suspect->suspicion != MR_SUSPECT_LEAK)
		return suspect->suspicion == MR_SUSPECT_GROWTH;
	const uint64_t leaked = heap->places[suspect->index].cost[MR_COST_LEAKED];
	return leaked >= MIB || (double)leaked >= GRAVE_SHARE * (double)heap->cost[MR_COST_PEAK];
}

/* ---- Words ------------------------------------------------------------------------ */

static const char *plural(char out[64], uint64_t count, const char *one, const char *many)
{
	char number[32];
	mr_count_text(number, count);
	snprintf(out, 64, "%s %s", number, count == 1 ? one : many);
	return out;
}

/* PART of WHOLE as a sentence has it. */
void mr_percent_words(char out[32], double part, double whole)
{
	const double percent = whole > 0 ? part * 100 / whole : 0;
	if (percent > 0 && percent < 0.1)
		snprintf(out, 32, "less than 0.1 %%");
	else if (percent > 99 && percent < 100)
		snprintf(out, 32, "more than 99 %%");
	else {
		char number[40];
		mr_decimal_text(number, percent, percent < 10 ? 1 : 0);
		snprintf(out, 32, "%.24s %%", number);
	}
}

/* "; it grew at each of the 9 snapshots", or "". */
static void growth_words(char out[128], const struct mr_heap_place *place)
{
	out[0] = '\0';
	if (place->snapshots >= 3 && place->growths + 1 >= place->snapshots)
		snprintf(out, 128, "; it grew at each of %zu snapshots", place->snapshots);
	else if (place->growths >= 3 && place->shrinks == 0)
		snprintf(out, 128, "; it grew at %u of %zu snapshots and never shrank", place->growths,
		         place->snapshots);
}

static void place_words(struct mr_suspect *suspect, const struct mr_report_heap *heap,
                        const struct mr_heap_place *place, const char *end_words)
{
	char size[40], other[40], count[64], percent[32], growth[128];
	const uint64_t *cost = place->cost;
	growth_words(growth, place);
	switch (suspect->suspicion) {
	case MR_SUSPECT_LEAK:
		mr_text_bytes_short(size, cost[MR_COST_LEAKED]);
		mr_percent_words(percent, (double)cost[MR_COST_LEAKED], (double)heap->cost[MR_COST_LEAKED]);
		snprintf(suspect->text, sizeof(suspect->text), "holds %s in %s %s (%s of what is leaked)%s.",
		         size, plural(count, place->live_count, "block", "blocks"), end_words, percent,
		         growth);
		break;
	case MR_SUSPECT_GROWTH:
		mr_text_bytes_short(size, place->live_first);
		mr_text_bytes_short(other, place->live_last);
		snprintf(suspect->text, sizeof(suspect->text), "grew from %s to %s%s.", size, other,
		         growth[0] ? growth : " from the first snapshot to the last");
		break;
	case MR_SUSPECT_PEAK:
		mr_text_bytes_short(size, cost[MR_COST_PEAK]);
		mr_percent_words(percent, (double)cost[MR_COST_PEAK], (double)heap->cost[MR_COST_PEAK]);
		snprintf(suspect->text, sizeof(suspect->text), "holds %s of the peak: %s in %s.", percent,
		         size, plural(count, place->peak_count, "block", "blocks"));
		break;
	case MR_SUSPECT_BIG:
		mr_text_bytes_short(size, cost[MR_COST_TOTAL]);
		mr_percent_words(percent, (double)cost[MR_COST_PEAK], (double)heap->cost[MR_COST_PEAK]);
		if (cost[MR_COST_COUNT] == 1)
			snprintf(suspect->text, sizeof(suspect->text),
			         "makes one block of %s, %s of the peak.", size, percent);
		else
			snprintf(suspect->text, sizeof(suspect->text),
			         "makes only %s, %s in all; %s of the peak.",
			         plural(count, cost[MR_COST_COUNT], "block", "blocks"), size, percent);
		break;
	case MR_SUSPECT_CHURN:
		mr_percent_words(percent, (double)cost[MR_COST_TEMPORARY], (double)heap->cost[MR_COST_COUNT]);
		snprintf(suspect->text, sizeof(suspect->text), "frees %s before the thread's next: ",
		         plural(count, cost[MR_COST_TEMPORARY], "block", "blocks"));
		snprintf(suspect->text + strlen(suspect->text), sizeof(suspect->text) - strlen(suspect->text),
		         "%s of all allocations", percent);
		mr_percent_words(percent, (double)cost[MR_COST_TEMPORARY], (double)cost[MR_COST_COUNT]);
		snprintf(suspect->text + strlen(suspect->text), sizeof(suspect->text) - strlen(suspect->text),
		         ", and %s of its own.", percent);
		break;
	case MR_SUSPECT_REALLOC:
		mr_text_bytes_short(size, place->grown);
		snprintf(suspect->text, sizeof(suspect->text), "enlarges blocks %s, by %s together: ",
		         plural(count, place->reallocs, "time", "times"), size);
		mr_percent_words(percent, (double)place->reallocs, (double)cost[MR_COST_COUNT]);
		snprintf(suspect->text + strlen(suspect->text), sizeof(suspect->text) - strlen(suspect->text),
		         "%s of its allocations are reallocs.", percent);
		break;
	default:
		break;
	}
}

/* Its name, and the module where neither a file nor the name itself says it. */
static void name_place(struct mr_suspect *suspect, const struct mr_heap_place *place)
{
	const size_t len = strlen(place->name);
	const bool says_where = len == 0 || place->name[len - 1] == ')' || !place->module[0] ||
	                        strncmp(place->name, place->module, strlen(place->module)) == 0;
	snprintf(suspect->name, sizeof(suspect->name), "%.150s%s%.36s",
	         len > 0 ? place->name : "an unknown place", says_where ? "" : " in ",
	         says_where ? "" : place->module);
}

static void thread_words(struct mr_suspect *suspect, const struct mr_heap_thread *thread,
                         uint64_t duration_ns)
{
	char clock[40], count[64], percent[32];
	mr_text_duration(clock, thread->wait_ns);
	mr_percent_words(percent, (double)thread->wait_ns, (double)duration_ns);
	snprintf(
		suspect->text, sizeof(suspect->text),
		"waited for the recorder %s, %s together (%s of the run): its times are longer than without.",
		plural(count, thread->waits, "time", "times"), clock, percent);
	snprintf(suspect->name, sizeof(suspect->name), "thread %.140s", thread->name);
	if (thread->tid != MR_NO_VALUE)
		snprintf(suspect->name + strlen(suspect->name), sizeof(suspect->name) - strlen(suspect->name),
		         thread->name[0] ? " (%" PRIu64 ")" : "%" PRIu64, thread->tid);
}

/* ---- Rules ------------------------------------------------------------------------- */

static double part_of(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

/* What part of the rule's whole PLACE is; below 0 where the rule does not speak of it. */
static double weigh(enum mr_suspicion suspicion, const struct mr_report_heap *heap,
                    const struct mr_heap_place *place)
{
	const struct rule *rule = &rules[suspicion];
	const uint64_t *cost = place->cost;
	switch (suspicion) {
	case MR_SUSPECT_LEAK:
		return cost[MR_COST_LEAKED] >= rule->bytes_min
		               ? part_of(cost[MR_COST_LEAKED], heap->cost[MR_COST_LEAKED])
		               : -1;
	case MR_SUSPECT_GROWTH:
		return place->growths >= 3 && place->shrinks == 0 &&
		                       place->live_last >= place->live_first + rule->bytes_min
		               ? part_of(place->live_last - place->live_first, heap->cost[MR_COST_PEAK])
		               : -1;
	case MR_SUSPECT_PEAK:
		return cost[MR_COST_PEAK] >= rule->bytes_min
		               ? part_of(cost[MR_COST_PEAK], heap->cost[MR_COST_PEAK])
		               : -1;
	case MR_SUSPECT_BIG:
		return cost[MR_COST_COUNT] <= 4 && cost[MR_COST_PEAK] >= rule->bytes_min
		               ? part_of(cost[MR_COST_PEAK], heap->cost[MR_COST_PEAK])
		               : -1;
	case MR_SUSPECT_CHURN:
		return cost[MR_COST_TEMPORARY] >= rule->count_min
		               ? part_of(cost[MR_COST_TEMPORARY], heap->cost[MR_COST_COUNT])
		               : -1;
	case MR_SUSPECT_REALLOC:
		return place->reallocs >= rule->count_min && place->grown >= rule->bytes_min &&
		                       2 * place->reallocs >= cost[MR_COST_COUNT]
		               ? part_of(place->grown, heap->cost[MR_COST_TOTAL])
		               : -1;
	default:
		return -1;
	}
}

/* Puts a suspect among the COUNT that a rule has, by weight; gives how many it has then. */
static size_t insert(struct mr_suspect *suspects, size_t count, size_t most, const struct mr_suspect *suspect)
{
	size_t at = count;
	while (at > 0 && suspects[at - 1].weight < suspect->weight)
		at--;
	if (at >= most)
		return count;
	if (count < most)
		count++;
	memmove(suspects + at + 1, suspects + at, (count - at - 1) * sizeof(*suspects));
	suspects[at] = *suspect;
	return count;
}

/* Whether a sentence before those of SUSPICION has said so much of the place already. */
static bool is_named(enum mr_suspicion suspicion, const struct mr_suspect *before, size_t count, size_t place)
{
	for (size_t i = 0; i < count; i++)
		if (before[i].index == place &&
		    ((suspicion == MR_SUSPECT_GROWTH && before[i].suspicion == MR_SUSPECT_LEAK) ||
		     (suspicion == MR_SUSPECT_BIG && before[i].suspicion == MR_SUSPECT_PEAK)))
			return true;
	return false;
}

/* The MOST largest that are not among the KNOWN ones of ALL, if so many; gives how many. */
static size_t find_places(enum mr_suspicion suspicion, const struct mr_report_heap *heap, size_t most,
                          const struct mr_suspect *all, size_t known, struct mr_suspect *suspects)
{
	size_t count = 0;
	for (size_t i = 0; i < heap->place_count; i++) {
		const struct mr_suspect suspect = { .suspicion = suspicion,
			                            .index = i,
			                            .weight = weigh(suspicion, heap, &heap->places[i]) };
		if (suspect.weight >= rules[suspicion].share_min && !is_named(suspicion, all, known, i))
			count = insert(suspects, count, most, &suspect);
	}
	return count;
}

static size_t find_threads(const struct mr_report_heap *heap, uint64_t duration_ns, size_t most,
                           struct mr_suspect *suspects)
{
	size_t count = 0;
	for (size_t i = 0; i < heap->thread_count; i++) {
		const struct mr_heap_thread *thread = &heap->threads[i];
		const struct mr_suspect suspect = { .suspicion = MR_SUSPECT_WAIT,
			                            .index = i,
			                            .weight = part_of(thread->wait_ns, duration_ns) };
		if (thread->wait_ns != MR_NO_VALUE && thread->waits != MR_NO_VALUE && thread->waits > 0 &&
		    suspect.weight >= rules[MR_SUSPECT_WAIT].share_min)
			count = insert(suspects, count, most, &suspect);
	}
	return count;
}

size_t mr_suspects_find(const struct mr_report_heap *heap, uint64_t duration_ns, const char *end_words,
                        size_t limit, struct mr_suspect suspects[MR_SUSPECTS_MAX])
{
	size_t count = 0;
	for (int r = 0; r < MR_SUSPICIONS; r++) {
		const enum mr_suspicion suspicion = (enum mr_suspicion)r;
		size_t most = rules[r].most < limit ? rules[r].most : limit;
		most = most < MR_SUSPECTS_MAX - count ? most : MR_SUSPECTS_MAX - count;
		struct mr_suspect *first = suspects + count;
		const size_t found = suspicion == MR_SUSPECT_WAIT
		                             ? find_threads(heap, duration_ns, most, first)
		                             : find_places(suspicion, heap, most, suspects, count, first);
		for (size_t i = 0; i < found; i++) {
			first[i].title = rules[r].title;
			if (suspicion == MR_SUSPECT_WAIT) {
				thread_words(&first[i], &heap->threads[first[i].index], duration_ns);
				continue;
			}
			const struct mr_heap_place *place = &heap->places[first[i].index];
			name_place(&first[i], place);
			place_words(&first[i], heap, place, end_words);
		}
		count += found;
	}
	return count;
}
