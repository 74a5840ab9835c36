/* SPDX-License-Identifier: MIT
 *
 * What a run of an interpreter is called: its script.  "python3" says little of
 * a program, and is all that the kernel knows of its name.
 */
#include "report_data.h"

#include <stdio.h>
#include <string.h>

/* Reads a word of a command line as a shell would, as logs quote it; false at the end. */
static bool next_word(const char **command, char word[MR_REPORT_SCRIPT_MAX])
{
	const char *at = *command;
	size_t len = 0;
	bool quoted = false;
	while (*at == ' ')
		at++;
	if (!*at)
		return false;
	for (; *at && (quoted || *at != ' '); at++) {
		if (*at == '\'') {
			quoted = !quoted;
			continue;
		}
		if (*at == '\\' && !quoted && at[1])
			at++;
		if (len + 1 < MR_REPORT_SCRIPT_MAX)
			word[len++] = *at;
	}
	word[len] = '\0';
	*command = at;
	return true;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* "python", "python3", "python3.11", and no other word that begins so. */
static bool is_python(const char *name)
{
	static const char python[] = "python";
	if (strncmp(name, python, sizeof(python) - 1) != 0)
		return false;
	name += sizeof(python) - 1;
	return name[strspn(name, "0123456789.")] == '\0';
}

/* Whether WORD is an option of memcapture whose value is the next word. */
static bool takes_word(const char *word)
{
	static const char *const names[] = { "--classes", "--interval", "-o", "--output" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (strcmp(word, names[i]) == 0)
			return true;
	return false;
}

/* The program that memcapture runs: COMMAND goes on behind its own name. */
static bool read_observed(const char *command, char script[MR_REPORT_SCRIPT_MAX])
{
	char word[MR_REPORT_SCRIPT_MAX] = "";
	while (next_word(&command, word)) {
		/* Behind -m, and behind --, comes what is run. */
		if (strcmp(word, "-m") == 0 || strcmp(word, "--") == 0) {
			const bool module = word[1] == 'm';
			if (!next_word(&command, word))
				return false;
			snprintf(script, MR_REPORT_SCRIPT_MAX, "%s", module ? word : base_name(word));
			return true;
		}
		if (word[0] != '-') {
			snprintf(script, MR_REPORT_SCRIPT_MAX, "%s", base_name(word));
			return true;
		}
		if (takes_word(word) && !next_word(&command, word))
			return false;
	}
	return false;
}

void mr_report_script(const char *name, const char *command, char script[MR_REPORT_SCRIPT_MAX])
{
	char word[MR_REPORT_SCRIPT_MAX];
	script[0] = '\0';
	if (!is_python(name) || !next_word(&command, word))
		return;
	while (next_word(&command, word)) {
		if (word[0] != '-') {
			snprintf(script, MR_REPORT_SCRIPT_MAX, "%s", base_name(word));
			return;
		}
		if (strcmp(word, "-m") == 0 && next_word(&command, word)) {
			if (strcmp(word, "memcapture") != 0 || !read_observed(command, script))
				snprintf(script, MR_REPORT_SCRIPT_MAX, "%s", word);
			return;
		}
		/* A program in the command line or from standard input has no name of its own. */
		if (word[1] == '\0' || word[1] == 'c')
			return;
		if ((strcmp(word, "-W") == 0 || strcmp(word, "-X") == 0) && !next_word(&command, word))
			return;
	}
}
