/* SPDX-License-Identifier: MIT
 *
 * Other tools' files.  What a file is follows from its first bytes; what is no log
 * but a format that an importer knows becomes a log in memory, which is read as
 * any log is.  Another format is one more line in import.c.
 */
#ifndef MR_IMPORT_H
#define MR_IMPORT_H

#include "log_reader.h"

/* Lets SOURCE be the log that its file means: nothing happens to what is one already.  On failure it
 * is as it was.  What an import leaves out is said in NOTES. */
int mr_import(struct mr_source *source, struct mr_notes *notes, struct mr_error *err) MR_MUST_CHECK;

#endif
