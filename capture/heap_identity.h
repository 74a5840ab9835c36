/* SPDX-License-Identifier: MIT
 *
 * Who a process is whose heap is recorded: what it says of itself in its channel
 * goes into its stream as a PROCESS row.  The sampler, which asks /proc, comes too
 * late for images that last for moments.  Private to memrecord.
 */
#ifndef MR_HEAP_IDENTITY_H
#define MR_HEAP_IDENTITY_H

#include "heap_image.h"

/* Begins the stream of IMAGE, writes the row, and gives the image the executable's name.  ARGUMENTS: of
 * the command line, not only its first word.  One that says nothing of itself gets no row. */
void mr_heap_identity_write(struct mr_heap_image *image, bool arguments);

#endif
