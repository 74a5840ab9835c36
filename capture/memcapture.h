/* SPDX-License-Identifier: MIT
 *
 * libmemcapture: lets a program track its own objects and classes, and leaves a
 * compressed binary log that memstats and memreport read.
 *
 *     static const struct memcapture_layout node_layout;
 *     static const struct memcapture_field node_fields[] = {
 *         MEMCAPTURE_STRING(struct node, name),
 *         MEMCAPTURE_LIST(struct node, children, struct node, next, &node_layout),
 *     };
 *     static const struct memcapture_layout node_layout = MEMCAPTURE_LAYOUT(struct node, node_fields);
 *
 *     struct memcapture *capture;
 *     memcapture_open(&capture, "profile.dat", NULL);
 *     struct memcapture_class_options options = { .name = "Node", .layout = &node_layout };
 *     struct memcapture_class *nodes = memcapture_track_class(capture, &options);
 *     ...
 *     memcapture_track(nodes, node);             // where a node has been made
 *     memcapture_forget(capture, node);          // before it is freed
 *     memcapture_snapshot(capture, "loaded");    // sizes all that is tracked
 *     memcapture_close(capture, NULL);
 *
 * The environment variable MEMCAPTURE_LOG names another file ("%p" is the pid),
 * or is "off": then memcapture_open() gives a NULL capture.  Every function
 * takes a NULL capture, class or object and does nothing then (but for what a
 * recording of the heap takes, below), so a program needs no check of its own.
 * Compiled with -DMEMCAPTURE_DISABLE, all of it vanishes and nothing needs to be
 * linked.
 *
 * Nothing here prints, aborts, installs a signal handler or uses the program's
 * heap (starting a thread, which is the C library's work, apart).  All functions
 * may be called from any thread at any time, but not from a signal handler;
 * memcapture_close() must be the last call with its capture: no other one with
 * it, its classes or its objects may be under way then, or come later.
 *
 * While a snapshot sizes an object it reads the object and what its layout leads
 * to: that memory must stay readable until the object is forgotten.
 * memcapture_forget() waits, if it must, until the snapshot is done with that one
 * object; a thread that changes the pointers of a tracked object while another
 * takes snapshots does so between memcapture_hold() and memcapture_release().  A
 * forked child is silent unless it opens a log itself.
 *
 * A program that ends without memcapture_close() leaves a whole log as well, if
 * it ends by exit() or by returning from main(); one that is killed leaves all
 * but its last second.
 */
#ifndef MEMCAPTURE_H
#define MEMCAPTURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* ---- Errors -------------------------------------------------------------- */

enum memcapture_err {
	MEMCAPTURE_OK = 0,
	MEMCAPTURE_ERR_ARG = -1,
	MEMCAPTURE_ERR_READ = -2,
	MEMCAPTURE_ERR_FORMAT = -3,
	MEMCAPTURE_ERR_VERSION = -4,
	MEMCAPTURE_ERR_LIMIT = -5,
	MEMCAPTURE_ERR_NOMEM = -6,
	MEMCAPTURE_ERR_WRITE = -7
};

struct memcapture_error {
	int code;
	char message[1024]; /* a sentence */
};

/* ---- Layouts: what an object refers to ----------------------------------- */

struct memcapture_layout;

/* What a field leads to is a referent named after it; the elements of arrays,
 * pointers and lists are merged into one referent "[]" below it. */
enum memcapture_field_kind {
	MEMCAPTURE_FIELD_STRING,   /* char *: text that ends in a zero byte */
	MEMCAPTURE_FIELD_BLOCK,    /* void *: plain memory, `count` elements of `size` bytes */
	MEMCAPTURE_FIELD_OBJECT,   /* T *: one thing of layout `layout`, tracked or not */
	MEMCAPTURE_FIELD_ARRAY,    /* T *: `count` elements of layout `layout`, side by side */
	MEMCAPTURE_FIELD_POINTERS, /* T **: a block of `count` pointers, each to one of `layout` */
	MEMCAPTURE_FIELD_LIST,     /* T *: a list of `layout`, linked by the pointer at `link_offset` */
	MEMCAPTURE_FIELD_EMBEDDED  /* T: a struct inside this one, for the sake of its referents */
};

/* One member of a struct that leads to other memory.  Made with the macros
 * below; the counted kinds read their count from a member of the same struct
 * (a negative int is no elements).  A NULL pointer leads nowhere. */
struct memcapture_field {
	const char *name;
	enum memcapture_field_kind kind;
	size_t offset;
	size_t size;          /* BLOCK: bytes of an element */
	size_t count;         /* fixed count, when count_width is 0 */
	size_t count_offset;  /* where the count is */
	unsigned count_width; /* bytes of the count: 1, 2, 4 or 8; 0: fixed */
	size_t link_offset;
	const struct memcapture_layout *layout; /* NULL with POINTERS: strings */
};

/* Walks an irregular container: calls memcapture_visit*() for what OBJECT
 * refers to.  Runs during snapshots, and for a class with keep in
 * memcapture_forget(); must not track, forget or allocate, nor wait for a lock
 * that any thread holds while it calls memcapture_forget(), memcapture_move() or
 * memcapture_hold(): these wait for the walk.  The same goes for measure and
 * describe. */
struct memcapture_visitor;
typedef void memcapture_walk(const void *object, struct memcapture_visitor *visitor);
/* The flat size of OBJECT, for things that vary (flexible arrays). */
typedef size_t memcapture_measure(const void *object);
/* Writes how OBJECT shows itself into TEXT (at most TEXT_SIZE bytes with the
 * final zero; 128 are kept), as a Python repr would. */
typedef void memcapture_describe(const void *object, char *text, size_t text_size);

struct memcapture_layout {
	const char *name; /* of the type, for messages; may be NULL */
	size_t size;      /* bytes of one; 0 only with measure */
	const struct memcapture_field *fields;
	size_t field_count;
	memcapture_measure *measure; /* NULL: size */
	memcapture_walk *walk;       /* NULL: fields are all; both are followed when both are given */
};

/* clang-format off */
#define MEMCAPTURE_STRING(type, member) \
	{ #member, MEMCAPTURE_FIELD_STRING, offsetof(type, member), 0, 0, 0, 0, 0, 0 }
#define MEMCAPTURE_BLOCK(type, member, bytes) \
	{ #member, MEMCAPTURE_FIELD_BLOCK, offsetof(type, member), 1, (bytes), 0, 0, 0, 0 }
#define MEMCAPTURE_COUNTED_BLOCK(type, member, element_bytes, count_member)                           \
	{ #member, MEMCAPTURE_FIELD_BLOCK, offsetof(type, member), (element_bytes), 0,                \
	  offsetof(type, count_member), (unsigned)sizeof(((type *)0)->count_member), 0, 0 }
#define MEMCAPTURE_OBJECT(type, member, layout_pointer) \
	{ #member, MEMCAPTURE_FIELD_OBJECT, offsetof(type, member), 0, 0, 0, 0, 0, (layout_pointer) }
#define MEMCAPTURE_ARRAY(type, member, element_count, layout_pointer) \
	{ #member, MEMCAPTURE_FIELD_ARRAY, offsetof(type, member), 0, (element_count), 0, 0, 0, \
	  (layout_pointer) }
#define MEMCAPTURE_COUNTED_ARRAY(type, member, count_member, layout_pointer)                \
	{ #member, MEMCAPTURE_FIELD_ARRAY, offsetof(type, member), 0, 0,                    \
	  offsetof(type, count_member), (unsigned)sizeof(((type *)0)->count_member), 0, (layout_pointer) }
#define MEMCAPTURE_POINTERS(type, member, element_count, layout_pointer) \
	{ #member, MEMCAPTURE_FIELD_POINTERS, offsetof(type, member), 0, (element_count), 0, 0, 0, \
	  (layout_pointer) }
#define MEMCAPTURE_COUNTED_POINTERS(type, member, count_member, layout_pointer)             \
	{ #member, MEMCAPTURE_FIELD_POINTERS, offsetof(type, member), 0, 0,                 \
	  offsetof(type, count_member), (unsigned)sizeof(((type *)0)->count_member), 0, (layout_pointer) }
/* NEXT_MEMBER is of the list's own type:
 * MEMCAPTURE_LIST(struct parent, children, struct node, next, &node_layout) */
#define MEMCAPTURE_LIST(type, member, node_type, next_member, layout_pointer)               \
	{ #member, MEMCAPTURE_FIELD_LIST, offsetof(type, member), 0, 0, 0, 0,               \
	  offsetof(node_type, next_member), (layout_pointer) }
#define MEMCAPTURE_EMBEDDED(type, member, layout_pointer) \
	{ #member, MEMCAPTURE_FIELD_EMBEDDED, offsetof(type, member), 0, 0, 0, 0, 0, (layout_pointer) }

/* Layouts: of a struct with an array of fields, and of one that leads nowhere. */
#define MEMCAPTURE_LAYOUT(type, field_array) \
	{ #type, sizeof(type), (field_array), sizeof(field_array) / sizeof((field_array)[0]), NULL, NULL }
#define MEMCAPTURE_FLAT(type) \
	{ #type, sizeof(type), NULL, 0, NULL, NULL }
/* clang-format on */

/* ---- Classes and objects ------------------------------------------------- */

struct memcapture;       /* one log and what is tracked into it */
struct memcapture_class; /* lives as long as its capture */

/* How the instances of a class are tracked.  Zeros are the defaults. */
struct memcapture_class_options {
	const char *name;                       /* copied */
	const struct memcapture_layout *layout; /* borrowed until the capture is closed */
	struct memcapture_class *parent;        /* NULL: none */
	unsigned resolution_level;              /* levels of referents that are sized one by one */
	int trace;                              /* record the stack at which instances are tracked */
	int keep;                               /* size an instance a last time when it is forgotten */
	memcapture_describe *describe;          /* NULL: none */
};

/* Where a call stands in the program's source; filled in by the macros. */
struct memcapture_position {
	const char *file;
	const char *function;
	unsigned line;
};

#ifndef MEMCAPTURE_DISABLE

/* To be called from a memcapture_walk: one referent each.  NAME is borrowed for
 * the call; the same name in the same place merges.  A NULL POINTER is skipped,
 * memory that was counted before, or is itself tracked, is not counted again. */
void memcapture_visit(struct memcapture_visitor *visitor, const char *name, const void *pointer,
                      size_t size_bytes);
void memcapture_visit_string(struct memcapture_visitor *visitor, const char *name, const char *text);
void memcapture_visit_object(struct memcapture_visitor *visitor, const char *name, const void *pointer,
                             const struct memcapture_layout *layout);

/* Opens the log at PATH and starts its writer thread.  MEMCAPTURE_LOG overrides
 * PATH; NULL for both: "PROGRAM.PID.dat". "%p" in either is the pid.  Under
 * memrecord the log goes there instead.  *CAPTURE is NULL with MEMCAPTURE_LOG=off (not an
 * error) and on failure. */
int memcapture_open(struct memcapture **capture, const char *path, struct memcapture_error *error);
/* Writes what is left, names the frames of traces and ends the log.  The capture and its classes are gone. */
int memcapture_close(struct memcapture *capture, struct memcapture_error *error);
/* What went wrong since opening (a full disk, no memory): 0, or the first failure with its message.
 * The program goes on as if nothing had been asked of this library. */
int memcapture_status(struct memcapture *capture, struct memcapture_error *error);

/* Starts tracking a class.  The options of a class of the same name are
 * replaced, and the same class is given.  Its layout as well: by that all its
 * instances are sized from then on, so what is laid out otherwise needs a class
 * of another name.  NULL: no memory, or a NULL capture. */
struct memcapture_class *memcapture_track_class(struct memcapture *capture,
                                                const struct memcapture_class_options *options);
/* An instance of KLASS was made.  An object is tracked once: announcing it
 * again with a class derived from its own makes it one of that class (so
 * constructors of a base and of a derived class may both announce it), with
 * any other it stays what it is. */
int memcapture_track_at(struct memcapture_class *klass, const void *object,
                        struct memcapture_position position);
/* Tracks a single object: as an instance of the class that OPTIONS names, which is made when it is new;
 * one that is there keeps its options, and its layout must be the object's.  The resolution level is the
 * object's own, whatever that of the class. */
int memcapture_track_object_at(struct memcapture *capture, const void *object,
                               const struct memcapture_class_options *options,
                               struct memcapture_position position);
/* Changes the resolution level of one object, from the next snapshot on.  MEMCAPTURE_ERR_ARG: not tracked. */
int memcapture_track_change(struct memcapture *capture, const void *object, unsigned resolution_level);
/* The object is now an instance of KLASS; it keeps its identity, birth and trace.
 * MEMCAPTURE_ERR_ARG: not tracked. */
int memcapture_morph(struct memcapture_class *klass, const void *object);
/* The object moved to another address, as realloc() moves it. */
int memcapture_move(struct memcapture *capture, const void *from, const void *to);
/* The object is about to be freed.  Unknown objects are fine: not every instance needs to be tracked. */
void memcapture_forget(struct memcapture *capture, const void *object);
/* Keeps snapshots off one tracked object while its pointers change.  A thread
 * holds one at a time: holding another lets go of the first, and so does the
 * thread's end.  A snapshot waits 2 seconds at most for what others hold; then
 * the object keeps the size that it had before, and memcapture_status() says so. */
void memcapture_hold(struct memcapture *capture, const void *object);
void memcapture_release(struct memcapture *capture, const void *object);

/* Instances made from now on are not tracked; those that are stay (ClassTracker's detach_class). */
void memcapture_detach_class(struct memcapture_class *klass);
void memcapture_detach_all_classes(struct memcapture *capture);
/* No object is tracked any more, and no class. */
void memcapture_detach_all(struct memcapture *capture);
/* memcapture_detach_all(), and the log starts afresh: its file is emptied.  Under memrecord, whose
 * log holds other programs' accounts as well, what was recorded stays. */
int memcapture_clear(struct memcapture *capture, struct memcapture_error *error);

/* ---- What a recording of the heap takes as well -----------------------------------
 *
 * Under memrecord, which records the heap of any program, memcapture_snapshot(),
 * memcapture_mark() and memcapture_name_thread() also go to that recording, and do so
 * with a NULL capture: a program that tracks no objects may call them alone.  Where
 * there is neither a capture nor a recording they do nothing. */

/* Sizes all tracked objects, and the process; a recording of the heap takes a snapshot of its own with
 * the same description.  DESCRIPTION may be NULL. */
int memcapture_snapshot(struct memcapture *capture, const char *description);
/* A thread takes one, of the tracked objects alone, every INTERVAL_SECONDS; a second call changes
 * the interval. */
int memcapture_start_periodic_snapshots(struct memcapture *capture, double interval_seconds);
void memcapture_stop_periodic_snapshots(struct memcapture *capture);
/* Writes a message into the log, at this moment. */
int memcapture_mark(struct memcapture *capture, const char *text);
/* What the calling thread is called in a recording of the heap from now on, and in a capture from
 * the first mark that it makes after this: any text, of which a capture keeps 63 bytes.  Without
 * this it has the name that the system knows.  The thread's name in the system stays. */
void memcapture_name_thread(const char *name);

/* How many objects are tracked now, of one class, or of all with klass NULL. */
uint64_t memcapture_count(struct memcapture *capture, const struct memcapture_class *klass);

#define MEMCAPTURE_HERE memcapture_here(__FILE__, __func__, __LINE__)
static inline struct memcapture_position memcapture_here(const char *file, const char *function,
                                                         unsigned line)
{
	struct memcapture_position position;
	position.file = file;
	position.function = function;
	position.line = line;
	return position;
}
#define memcapture_track(klass, object) memcapture_track_at((klass), (object), MEMCAPTURE_HERE)
#define memcapture_track_object(capture, object, options) \
	memcapture_track_object_at((capture), (object), (options), MEMCAPTURE_HERE)

#else /* MEMCAPTURE_DISABLE: the same calls, which come to nothing */

#define MEMCAPTURE_UNUSED __attribute__((unused))
static inline void memcapture_visit(struct memcapture_visitor *visitor MEMCAPTURE_UNUSED,
                                    const char *name MEMCAPTURE_UNUSED, const void *pointer MEMCAPTURE_UNUSED,
                                    size_t size_bytes MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_visit_string(struct memcapture_visitor *visitor MEMCAPTURE_UNUSED,
                                           const char *name MEMCAPTURE_UNUSED,
                                           const char *text MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_visit_object(struct memcapture_visitor *visitor MEMCAPTURE_UNUSED,
                                           const char *name MEMCAPTURE_UNUSED,
                                           const void *pointer MEMCAPTURE_UNUSED,
                                           const struct memcapture_layout *layout MEMCAPTURE_UNUSED)
{
}
static inline int memcapture_succeed(struct memcapture_error *error)
{
	if (error != NULL) {
		error->code = MEMCAPTURE_OK;
		error->message[0] = 0;
	}
	return MEMCAPTURE_OK;
}
static inline int memcapture_open(struct memcapture **capture, const char *path MEMCAPTURE_UNUSED,
                                  struct memcapture_error *error)
{
	*capture = NULL;
	return memcapture_succeed(error);
}
static inline int memcapture_close(struct memcapture *capture MEMCAPTURE_UNUSED,
                                   struct memcapture_error *error)
{
	return memcapture_succeed(error);
}
static inline int memcapture_status(struct memcapture *capture MEMCAPTURE_UNUSED,
                                    struct memcapture_error *error)
{
	return memcapture_succeed(error);
}
static inline struct memcapture_class *memcapture_track_class(struct memcapture *capture MEMCAPTURE_UNUSED,
                                                              const struct memcapture_class_options *options
                                                                      MEMCAPTURE_UNUSED)
{
	return NULL;
}
static inline int memcapture_track(struct memcapture_class *klass MEMCAPTURE_UNUSED,
                                   const void *object MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_track_object(struct memcapture *capture MEMCAPTURE_UNUSED,
                                          const void *object MEMCAPTURE_UNUSED,
                                          const struct memcapture_class_options *options MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_track_at(struct memcapture_class *klass MEMCAPTURE_UNUSED,
                                      const void *object MEMCAPTURE_UNUSED,
                                      struct memcapture_position position MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_track_object_at(struct memcapture *capture MEMCAPTURE_UNUSED,
                                             const void *object MEMCAPTURE_UNUSED,
                                             const struct memcapture_class_options *options MEMCAPTURE_UNUSED,
                                             struct memcapture_position position MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_track_change(struct memcapture *capture MEMCAPTURE_UNUSED,
                                          const void *object MEMCAPTURE_UNUSED,
                                          unsigned resolution_level MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_morph(struct memcapture_class *klass MEMCAPTURE_UNUSED,
                                   const void *object MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_move(struct memcapture *capture MEMCAPTURE_UNUSED,
                                  const void *from MEMCAPTURE_UNUSED, const void *to MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline void memcapture_forget(struct memcapture *capture MEMCAPTURE_UNUSED,
                                     const void *object MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_hold(struct memcapture *capture MEMCAPTURE_UNUSED,
                                   const void *object MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_release(struct memcapture *capture MEMCAPTURE_UNUSED,
                                      const void *object MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_detach_class(struct memcapture_class *klass MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_detach_all_classes(struct memcapture *capture MEMCAPTURE_UNUSED)
{
}
static inline void memcapture_detach_all(struct memcapture *capture MEMCAPTURE_UNUSED)
{
}
static inline int memcapture_clear(struct memcapture *capture MEMCAPTURE_UNUSED,
                                   struct memcapture_error *error)
{
	return memcapture_succeed(error);
}
static inline int memcapture_snapshot(struct memcapture *capture MEMCAPTURE_UNUSED,
                                      const char *description MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline int memcapture_start_periodic_snapshots(struct memcapture *capture MEMCAPTURE_UNUSED,
                                                      double interval_seconds MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline void memcapture_stop_periodic_snapshots(struct memcapture *capture MEMCAPTURE_UNUSED)
{
}
static inline int memcapture_mark(struct memcapture *capture MEMCAPTURE_UNUSED,
                                  const char *text MEMCAPTURE_UNUSED)
{
	return MEMCAPTURE_OK;
}
static inline void memcapture_name_thread(const char *name MEMCAPTURE_UNUSED)
{
}
static inline uint64_t memcapture_count(struct memcapture *capture MEMCAPTURE_UNUSED,
                                        const struct memcapture_class *klass MEMCAPTURE_UNUSED)
{
	return 0;
}
#undef MEMCAPTURE_UNUSED

#endif /* MEMCAPTURE_DISABLE */

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
