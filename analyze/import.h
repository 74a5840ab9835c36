/* SPDX-License-Identifier: MIT
 *
 * Other tools' files.  What a file is follows from its first bytes; what is no log
 * but a format that an importer knows becomes a log in memory, which is read as
 * any log is.  Another format is one more line in import.c.
 */
#ifndef MR_IMPORT_H
#define MR_IMPORT_H

#include "log_reader.h"

/* mr_log_open_take() for whatever a file is: what an import leaves out is in the log's notes. */
int mr_import_open_take(struct mr_log *log, struct mr_source *source, struct mr_error *err) MR_MUST_CHECK;

#endif
