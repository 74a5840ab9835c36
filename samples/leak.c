/* SPDX-License-Identifier: MIT
 *
 * A leak, and how two snapshots find it.  A small server keeps the answers to
 * its clients' questions in a cache of 500 entries.  The entry that was not used
 * for longest makes room for a new one, but the function that drops it frees
 * only entries that were never asked for again: the others are gone from the
 * cache and still there.  The log shows it without a look at the code:
 *
 *     build/samples/leak
 *     memstats leak.dat
 *     memstats diff leak.dat@'warm' leak.dat@'after an hour'
 *     memstats symbolize leak.dat
 *     memstats objects leak.dat --filter Answer --sort birth --limit 3
 *
 * The diff has thousands of Answers created and few deleted, though the cache
 * was full before; the traces of the oldest ones lead to the line that made them.
 */
#include "memcapture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_ENTRIES 500
#define QUESTIONS_AN_HOUR 20000
#define SUBJECTS 2000

struct question {
	unsigned subject;
	char *text;
};

struct answer {
	struct answer *newer, *older;
	unsigned subject;
	unsigned hits;
	size_t body_size;
	char *body;
};

struct cache {
	struct answer *newest, *oldest;
	size_t count;
	size_t alive; /* answers that were made and not freed, and their bytes */
	size_t alive_bytes;
};

static const struct memcapture_field question_fields[] = { MEMCAPTURE_STRING(struct question, text) };
static const struct memcapture_layout question_layout = {
	"question", sizeof(struct question), question_fields, 1, NULL, NULL,
};
static const struct memcapture_field answer_fields[] = {
	MEMCAPTURE_COUNTED_BLOCK(struct answer, body, 1, body_size),
};
static const struct memcapture_layout answer_layout = {
	"answer", sizeof(struct answer), answer_fields, 1, NULL, NULL,
};

static struct memcapture *capture;
static struct memcapture_class *questions;
static struct memcapture_class *answers;

static unsigned random_below(unsigned bound)
{
	static unsigned long long state = 7;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((state >> 33) % bound);
}

static void fail(void)
{
	fputs("leak: no memory\n", stderr);
	exit(1);
}

static void free_answer(struct cache *cache, struct answer *answer)
{
	memcapture_forget(capture, answer);
	cache->alive--;
	cache->alive_bytes -= sizeof(*answer) + answer->body_size;
	free(answer->body);
	free(answer);
}

static void unlink_answer(struct cache *cache, struct answer *answer)
{
	*(answer->newer ? &answer->newer->older : &cache->newest) = answer->older;
	*(answer->older ? &answer->older->newer : &cache->oldest) = answer->newer;
	answer->newer = NULL;
	answer->older = NULL;
	cache->count--;
}

static void put_first(struct cache *cache, struct answer *answer)
{
	answer->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = answer;
	cache->newest = answer;
	cache->count++;
}

static void evict_oldest(struct cache *cache)
{
	struct answer *answer = cache->oldest;

	unlink_answer(cache, answer);
	if (answer->hits == 0) /* the mistake */
		free_answer(cache, answer);
}

static struct answer *find_answer(struct cache *cache, unsigned subject)
{
	struct answer *answer = cache->newest;

	while (answer && answer->subject != subject)
		answer = answer->older;
	if (answer) {
		answer->hits++;
		unlink_answer(cache, answer);
		put_first(cache, answer);
	}
	return answer;
}

static struct answer *make_answer(struct cache *cache, const struct question *question)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		fail();
	answer->subject = question->subject;
	answer->body_size = 200 + random_below(2000);
	answer->body = calloc(1, answer->body_size);
	if (!answer->body)
		fail();
	memcapture_track(answers, answer);
	cache->alive++;
	cache->alive_bytes += sizeof(*answer) + answer->body_size;
	if (cache->count == CACHE_ENTRIES)
		evict_oldest(cache);
	put_first(cache, answer);
	return answer;
}

static void serve(struct cache *cache)
{
	struct question *question = calloc(1, sizeof(*question));
	char text[64];

	if (!question)
		fail();
	/* Some subjects are asked for more often than others. */
	question->subject = random_below(1 + random_below(SUBJECTS));
	snprintf(text, sizeof(text), "What is known about subject %u?", question->subject);
	question->text = strdup(text);
	memcapture_track(questions, question);
	if (!find_answer(cache, question->subject))
		make_answer(cache, question);
	memcapture_forget(capture, question);
	free(question->text);
	free(question);
}

static void snapshot(const struct cache *cache, const char *description)
{
	memcapture_snapshot(capture, description);
	printf("%s: Answer %zu objects, %zu bytes; %zu of them in the cache\n", description, cache->alive,
	       cache->alive_bytes, cache->count);
}

int main(void)
{
	const struct memcapture_class_options question_options = { .name = "Question",
		                                                   .layout = &question_layout };
	const struct memcapture_class_options answer_options = {
		.name = "Answer",
		.layout = &answer_layout,
		.resolution_level = 1,
		.trace = 1,
	};
	struct memcapture_error error = { 0 };
	struct cache cache = { 0 };

	if (memcapture_open(&capture, "leak.dat", &error) < 0) {
		fprintf(stderr, "leak: %s\n", error.message);
		return 1;
	}
	questions = memcapture_track_class(capture, &question_options);
	answers = memcapture_track_class(capture, &answer_options);

	snapshot(&cache, "started");
	while (cache.count < CACHE_ENTRIES)
		serve(&cache);
	memcapture_mark(capture, "the cache is full");
	snapshot(&cache, "warm");
	for (unsigned i = 0; i < QUESTIONS_AN_HOUR / 2; i++)
		serve(&cache);
	snapshot(&cache, "after half an hour");
	for (unsigned i = 0; i < QUESTIONS_AN_HOUR / 2; i++)
		serve(&cache);
	snapshot(&cache, "after an hour");

	if (memcapture_close(capture, &error) < 0) {
		fprintf(stderr, "leak: %s\n", error.message);
		return 1;
	}
	while (cache.oldest) {
		struct answer *answer = cache.oldest;

		unlink_answer(&cache, answer);
		free(answer->body);
		free(answer);
	}
	return 0;
}
