/* SPDX-License-Identifier: MIT
 *
 * The table of tables, which takes no log.
 */
#ifndef MR_TABLES_TABLES_H
#define MR_TABLES_TABLES_H

#include "table.h"

extern const struct mr_table_type mr_table_tables;

#endif
