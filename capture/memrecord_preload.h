/* SPDX-License-Identifier: MIT
 *
 * How the interposer gets into the command: where its library lies, whether the command
 * can be recorded at all, and what its environment says.  Private to memrecord.
 */
#ifndef MR_MEMRECORD_PRELOAD_H
#define MR_MEMRECORD_PRELOAD_H

#include "base.h"

struct mr_preload_options {
	unsigned depth; /* frames of a stack that are kept */
	bool mmap;      /* mappings that the program makes are recorded, too */
};

/* MR_ERR_ARG with what to do, where the program at PATH would not load a library that is
 * preloaded: it is linked statically, has more rights than who starts it, or is not for
 * this kind of machine.  A script is judged by its interpreter. */
int mr_preload_judge(const char *path, struct mr_error *err) MR_MUST_CHECK;

/* Changes memrecord's own environment, which the command will have.  FOLDER is a place of ours for
 * a link to a library whose name the dynamic linker would misread. */
int mr_preload_environment(const struct mr_preload_options *options, const char *folder, struct mr_error *err)
	MR_MUST_CHECK;

#endif
