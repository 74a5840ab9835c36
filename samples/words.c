/* SPDX-License-Identifier: MIT
 *
 * A program that knows nothing of memreport, to be recorded: it counts the words of
 * a text that it makes up.  Its heap has what heaps have: a text that is held for
 * too long and makes the peak, a table that is meant to live, a copy of each word
 * that is thrown away at once, an array that grows, and a list that is never freed.
 *
 *     memrecord -o words.dat build/samples/words
 *     memstats sites words.dat --sort peak --limit 5
 *     memstats sites words.dat --sort leaked --limit 1
 *     memstats sites words.dat --sort temporary --limit 1
 *     memstats tree words.dat --limit 20
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_WORDS 200000
#define BUCKETS 1024

struct word {
	struct word *next; /* in its bucket */
	unsigned count;
	char text[];
};

/* Words that are long, for a report that never comes. */
struct remark {
	struct remark *next;
	char text[40];
};

static struct word *buckets[BUCKETS];
static struct remark *remarks;
static size_t remark_count;

static void *need(void *memory)
{
	if (memory == NULL) {
		perror("words");
		exit(1);
	}
	return memory;
}

/* A text of made-up words, the same each time. */
static char *make_text(size_t *len)
{
	static const char *const parts[] = { "ra", "To", "mel", "is", "KAN", "du", "ver", "o" };
	char *text = NULL;
	size_t capacity = 0;
	unsigned seed = 1;

	*len = 0;
	for (unsigned i = 0; i < TEXT_WORDS; i++) {
		if (*len + 64 > capacity) {
			capacity = capacity == 0 ? 4096 : capacity * 2;
			text = need(realloc(text, capacity));
		}
		seed = seed * 1103515245 + 12345;
		for (unsigned part = 0; part < 1 + (seed >> 16) % 5; part++) {
			const char *const next = parts[(seed >> (8 + 3 * part)) % 8];

			memcpy(text + *len, next, strlen(next));
			*len += strlen(next);
		}
		text[(*len)++] = ' ';
	}
	return text;
}

/* A copy of a word in small letters; the caller frees it. */
static char *lower(const char *start, size_t len)
{
	char *const copy = need(malloc(len + 1));

	for (size_t i = 0; i < len; i++)
		copy[i] = (char)tolower((unsigned char)start[i]);
	copy[len] = '\0';
	return copy;
}

static void remark_on(const char *text)
{
	struct remark *const remark = need(calloc(1, sizeof(*remark)));

	snprintf(remark->text, sizeof(remark->text), "%s", text);
	remark->next = remarks;
	remarks = remark;
	remark_count++;
}

static void count_word(const char *text)
{
	unsigned hash = 0;

	for (const char *at = text; *at != '\0'; at++)
		hash = hash * 31 + (unsigned char)*at;
	struct word **const bucket = &buckets[hash % BUCKETS];
	for (struct word *word = *bucket; word != NULL; word = word->next) {
		if (strcmp(word->text, text) == 0) {
			word->count++;
			return;
		}
	}

	const size_t size = strlen(text) + 1;
	struct word *const word = need(malloc(sizeof(*word) + size));
	word->count = 1;
	memcpy(word->text, text, size);
	word->next = *bucket;
	*bucket = word;
	if (size > 13)
		remark_on(text);
}

static void count_words(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *const space = memchr(text + at, ' ', len - at);
		const size_t word_len = space != NULL ? (size_t)(space - text) - at : len - at;
		char *const word = lower(text + at, word_len);

		count_word(word);
		free(word);
		at += word_len + 1;
	}
}

/* Frees the table; gives the number of its words. */
static size_t forget_words(void)
{
	size_t count = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		while (buckets[i] != NULL) {
			struct word *const word = buckets[i];

			buckets[i] = word->next;
			free(word);
			count++;
		}
	}
	return count;
}

int main(void)
{
	size_t len;
	char *const text = make_text(&len);

	count_words(text, len);
	free(text);
	printf("%d words, %zu of them different\n", TEXT_WORDS, forget_words());
	printf("remarks never freed: %zu blocks, %zu bytes\n", remark_count,
	       remark_count * sizeof(struct remark));
	return 0;
}
