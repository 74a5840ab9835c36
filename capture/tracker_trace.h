/* SPDX-License-Identifier: MIT
 *
 * What the two halves of traces share: trace_unwind.c finds the return
 * addresses of the calling thread, trace_tables.c gives modules, places in the
 * code and stacks their numbers and writes them into the log.  Private to
 * libmemcapture.
 */
#ifndef MR_TRACKER_TRACE_H
#define MR_TRACKER_TRACE_H

#include "tracker.h"

#define MR_TRACE_DEPTH 32 /* frames of a stack, innermost first */

/* The number of the stack that PARENT (the caller's stack, 0: none) and the call
 * that returns to RETURN_ADDRESS make; POSITION where it is known from the
 * source, or NULL.  0: no memory. */
uint32_t mr_trace_intern(struct memcapture *capture, uint32_t parent, uint64_t return_address,
                         const struct memcapture_position *position);

#endif
