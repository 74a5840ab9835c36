/* SPDX-License-Identifier: MIT
 *
 * Writes a document for xml_nodes: the catalogue of a shop, with categories,
 * products, prices, descriptions, comments, CDATA and namespaces, the same
 * bytes for the same number of products.  A product is about 60 nodes once it
 * has been parsed.
 *
 *     build/samples/catalogue 1000 >catalogue.xml
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PRODUCTS_MAX 1000000

static unsigned long long state = 20260801;

static unsigned below(unsigned bound)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((state >> 33) % bound);
}

static const char *word(void)
{
	static const char *const words[] = {
		"a",      "the",     "with",   "light",  "strong", "oak",     "steel",    "handle", "for",
		"garden", "kitchen", "and",    "made",   "by",     "hand",    "in",       "small",  "series",
		"fits",   "every",   "table",  "lamp",   "warm",   "quiet",   "travels",  "well",   "lasts",
		"years",  "needs",   "no",     "care",   "comes",  "as",      "a",        "set",    "of",
		"three",  "seven",   "screws", "spare",  "parts",  "winter",  "summer",   "folds",  "flat",
		"linen",  "wool",    "clay",   "glazed", "deep",   "seaside", "workshop", "brass",  "oiled",
	};

	return words[below(sizeof(words) / sizeof(words[0]))];
}

static void write_words(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		printf("%s%s", i ? " " : "", word());
}

static void write_product(unsigned number, unsigned category)
{
	static const char *const currencies[] = { "EUR", "GBP", "SEK", "PLN" };
	const unsigned parts = 1 + below(4);

	printf("    <product id=\"P%06u\" category=\"C%02u\" status=\"%s\">\n", number, category,
	       below(8) ? "sold" : "discontinued");
	if (below(10) == 0)
		printf("      <!-- checked in week %u, the weight is an estimate -->\n", 1 + below(52));
	fputs("      <name>", stdout);
	write_words(2 + below(3));
	printf("</name>\n      <price currency=\"%s\">%u.%02u</price>\n", currencies[below(4)],
	       1 + below(400), below(100));
	printf("      <stock warehouse=\"W%u\">%u</stock>\n", 1 + below(5), below(300));
	printf("      <s:supplier s:code=\"S-%04u\">", below(400));
	printf("<s:contact>orders%u@supplier.example</s:contact></s:supplier>\n", below(400));
	fputs("      <description>", stdout);
	write_words(12 + below(40));
	fputs(" &amp; more.</description>\n", stdout);
	if (below(4) == 0) {
		fputs("      <web><![CDATA[<p>", stdout);
		write_words(10 + below(20));
		fputs("</p>]]></web>\n", stdout);
	}
	fputs("      <parts>\n", stdout);
	for (unsigned i = 0; i < parts; i++) {
		printf("        <part ref=\"P%06u\" quantity=\"%u\">", below(number + 1), 1 + below(9));
		write_words(1 + below(3));
		fputs("</part>\n", stdout);
	}
	fputs("      </parts>\n    </product>\n", stdout);
}

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long products = 1000;

	if (argc == 2) {
		errno = 0;
		products = strtoul(argv[1], &end, 10);
	}
	if (argc > 2 || (argc == 2 && (errno || end == argv[1] || *end || products > PRODUCTS_MAX))) {
		fprintf(stderr, "usage: catalogue [PRODUCTS]  (at most %u)\n", PRODUCTS_MAX);
		return 2;
	}
	puts("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	     "<?xml-stylesheet type=\"text/xsl\" href=\"catalogue.xsl\"?>\n"
	     "<catalogue xmlns:s=\"http://supplier.example/2026\" edition=\"autumn\">\n"
	     "  <categories>");
	for (unsigned i = 0; i < 40; i++) {
		printf("    <category id=\"C%02u\"><title>", i);
		write_words(2);
		puts("</title></category>");
	}
	puts("  </categories>\n  <products>");
	for (unsigned long i = 0; i < products; i++)
		write_product((unsigned)i, below(40));
	puts("  </products>\n</catalogue>");
	if (fflush(stdout) || ferror(stdout)) {
		perror("catalogue");
		return 1;
	}
	return 0;
}
