/* SPDX-License-Identifier: MIT
 *
 * The files of templates/, put into the library by the assembler, so that a
 * report needs nothing beside the program.
 */
#include "html_template.h"

#define BUILTIN_FILES(X)                      \
	X(report_html, "report.html")         \
	X(run_html, "run.html")               \
	X(memory_html, "memory.html")         \
	X(suspects_html, "suspects.html")     \
	X(persistent_html, "persistent.html") \
	X(graphs_html, "graphs.html")         \
	X(graph_html, "graph.html")           \
	X(stack_html, "stack.html")           \
	X(sites_html, "sites.html")           \
	X(flame_html, "flame.html")           \
	X(blocks_html, "blocks.html")         \
	X(threads_html, "threads.html")       \
	X(modules_html, "modules.html")       \
	X(timeline_html, "timeline.html")     \
	X(snapshots_html, "snapshots.html")   \
	X(classes_html, "classes.html")       \
	X(objects_html, "objects.html")       \
	X(changes_html, "changes.html")       \
	X(diff_html, "diff.html")             \
	X(comparison_html, "comparison.html") \
	X(site_diff_html, "site_diff.html")   \
	X(process_html, "process.html")       \
	X(marks_html, "marks.html")           \
	X(overview_html, "overview.html")     \
	X(health_html, "health.html")         \
	X(appendix_html, "appendix.html")     \
	X(style_css, "style.css")             \
	X(flame_css, "flame.css")             \
	X(script_js, "script.js")             \
	X(flame_js, "flame.js")

#define EMBED(symbol, file)                                                            \
	__asm__(".section .rodata\n"                                                   \
	        "mr_builtin_" #symbol ":\n"                                            \
	        ".incbin \"templates/" file "\"\n"                                     \
	        "mr_builtin_" #symbol "_end:\n"                                        \
	        ".byte 0\n"                                                            \
	        ".previous\n");                                                        \
	extern const char mr_builtin_##symbol[] __attribute__((visibility("hidden"))); \
	extern const char mr_builtin_##symbol##_end[] __attribute__((visibility("hidden")));
BUILTIN_FILES(EMBED)
#undef EMBED

#define ENTRY(symbol, file) { file, mr_builtin_##symbol, mr_builtin_##symbol##_end },
static const struct mr_builtin files[] = { BUILTIN_FILES(ENTRY) };
#undef ENTRY

const struct mr_builtin *mr_builtin_find(const char *name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(files); i++)
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	return NULL;
}

const struct mr_builtin *mr_builtin_list(size_t *count)
{
	*count = MR_ARRAY_LEN(files);
	return files;
}
