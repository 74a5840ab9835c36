/* SPDX-License-Identifier: MIT
 *
 * Call stacks by number.  The tree of stacks belongs to the process: a node is
 * a return address and the caller's node; it is told to the writer, as a record
 * in the ring of the thread that met it first, before that thread's event that
 * names it.  What a thread's last stack was is remembered, so that only the part
 * that has changed since is unwound.  Private to capture/preload/.
 *
 * Nothing here takes a lock, allocates from the program's heap, or calls into
 * the dynamic linker with anything of ours held.
 */
#ifndef MR_PRELOAD_STACK_H
#define MR_PRELOAD_STACK_H

#include "ring.h"

/* A thread's memory of its last stack; zeroed at first.  In the thread's state, which a fork wipes. */
struct mr_stack_memo;
size_t mr_stack_memo_size(void);

/* Prepares the tree and the rules for CHANNEL (whose header takes the counters), at most DEPTH frames
 * a stack; again in a forked child: then with nothing known.  False: no memory. */
bool mr_stack_begin(struct mr_channel *channel, unsigned depth);

/* The number of the stack whose innermost frame is the caller of a hook.  FRAME is the hook's own frame
 * address (__builtin_frame_address(0)): FRAME[0] is the caller's frame pointer, FRAME[1] the return
 * address into it, FRAME + 2 its stack pointer.  RING takes the records of nodes and modules that are
 * new.  MEMO may be NULL: in a signal handler that interrupted this very function, or where there is
 * none.  0: not known. */
uint32_t mr_stack_number(struct mr_stack_memo *memo, struct mr_ring_writer *ring, const uintptr_t *frame);

/* To be called after a dlclose: what was learned of addresses is forgotten if a module has gone. */
void mr_stack_modules_changed(void);

#endif
