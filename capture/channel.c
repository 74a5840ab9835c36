/* SPDX-License-Identifier: MIT
 *
 * The memory that channel.h describes: made by the program, mapped by both
 * sides, found by a file's name.  Mappings come straight from the kernel, so
 * this file is the same in libmemcapture and in memrecord.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "futex.h"
#include "proc_identity.h"

#define RING_SIZE_MIN 4096u
#define RING_SIZE_MAX (64u << 20)
#define NAME_TRIES 1000 /* captures of one process at the same time */
#define WHOLE_RINGS_MIN 4
#define WHOLE_SHARE \
	32 /* of the process's address space, where that is limited: a thread's stack takes more */
#define WHOLE_RINGS_OLD 32 /* are reserved at once where the kernel cannot do so one by one */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static size_t page_round(size_t size_bytes)
{
	return (size_bytes + 4095) & ~(size_t)4095;
}

static size_t header_len(void)
{
	return page_round(sizeof(struct mr_channel_header));
}

/* LEN bytes of memory: of FD at OFFSET, or private with FD -1.  NULL: none. */
static void *map(int fd, uint64_t offset, size_t len)
{
	void *const memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
	                          fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, (off_t)offset);

	return memory != MAP_FAILED ? memory : NULL;
}

/* ---- The writer's page ------------------------------------------------------ */

static void writer_init(struct mr_channel_writer *writer)
{
	writer->magic = MR_CHANNEL_MAGIC;
	writer->version = MR_CHANNEL_VERSION;
	writer->pid = (uint32_t)getpid();
	mr_channel_heartbeat(writer);
}

int mr_channel_writer_create(struct mr_channel_writer **writer, const char *folder, struct mr_error *err)
{
	char path[PATH_MAX];
	int code = 0;

	MR_FAIL_IF(snprintf(path, sizeof(path), "%s/%s", folder, MR_CHANNEL_WRITER_NAME) >= (int)sizeof(path),
	           err, MR_ERR_ARG, "the folder's name is too long: '%.100s...'", folder);
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	MR_FAIL_IF(fd < 0, err, MR_ERR_WRITE, "cannot create '%s': %s", path, strerror(errno));

	const int reserved = posix_fallocate(fd, 0, (off_t)page_round(sizeof(**writer)));
	struct mr_channel_writer *const page = reserved == 0 ? map(fd, 0, page_round(sizeof(*page))) : NULL;
	if (page == NULL)
		code = mr_fail(err, MR_ERR_WRITE, "no room for '%s': %s", path,
		               strerror(reserved != 0 ? reserved : errno));
	(void)close(fd); /* the mapping stays; nothing was written through the descriptor */
	if (code < 0)
		return code;

	writer_init(page);
	*writer = page;
	return 0;
}

void mr_channel_writer_close(struct mr_channel_writer *writer)
{
	if (writer != NULL)
		(void)munmap(writer, page_round(sizeof(*writer)));
}

void mr_channel_heartbeat(struct mr_channel_writer *writer)
{
	atomic_store_explicit(&writer->heartbeat_ns, mr_clock_monotonic_ns(), memory_order_relaxed);
}

bool mr_channel_writer_is_alive(const struct mr_channel_writer *writer)
{
	const uint64_t heartbeat_ns = atomic_load_explicit(&writer->heartbeat_ns, memory_order_relaxed);
	const uint64_t now_ns = mr_clock_monotonic_ns();

	return now_ns < heartbeat_ns || now_ns - heartbeat_ns <= MR_CHANNEL_HEARTBEAT_LIMIT_NS;
}

void mr_channel_wait(struct mr_channel_writer *writer, uint64_t timeout_ns)
{
	/* Either we see `wake`, or the program sees `sleeping` and makes the system call. */
	atomic_store(&writer->sleeping, 1);
	if (atomic_load(&writer->wake) == 0)
		mr_futex_wait(&writer->wake, 0, timeout_ns);
	atomic_store(&writer->sleeping, 0);
	atomic_store(&writer->wake, 0);
}

void mr_channel_wake(struct mr_channel *channel)
{
	struct mr_channel_writer *const writer = channel->writer;

	if (atomic_exchange(&writer->wake, 1) == 0 && atomic_load(&writer->sleeping) != 0)
		mr_futex_wake(&writer->wake);
}

/* Maps the page of a living writer. */
static struct mr_channel_writer *writer_find(const char *folder, struct mr_error *err)
{
	char path[PATH_MAX];
	struct stat info;

	if (snprintf(path, sizeof(path), "%s/%s", folder, MR_CHANNEL_WRITER_NAME) >= (int)sizeof(path)) {
		mr_fail(err, MR_ERR_ARG, "the folder's name is too long: '%.100s...'", folder);
		return NULL;
	}
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		mr_fail(err, MR_ERR_WRITE, "cannot open '%s': %s", path, strerror(errno));
		return NULL;
	}
	const size_t len = page_round(sizeof(struct mr_channel_writer));
	const bool whole = fstat(fd, &info) == 0 && info.st_size >= (off_t)len;
	struct mr_channel_writer *page = whole ? map(fd, 0, len) : NULL;
	(void)close(fd);
	if (page != NULL && (page->magic != MR_CHANNEL_MAGIC || page->version != MR_CHANNEL_VERSION ||
	                     !mr_channel_writer_is_alive(page))) {
		(void)munmap(page, len);
		page = NULL;
	}
	if (page == NULL)
		mr_fail(err, MR_ERR_WRITE, "nobody writes what arrives in '%s'", folder);
	return page;
}

/* ---- Creating ------------------------------------------------------------------ */

static void header_init(struct mr_channel_header *header, uint32_t source)
{
	struct mr_proc_identity identity = { .pid = (uint32_t)getpid() };

	/* Without /proc a run has no boot id and no start: it stays a run, one that merges with no other. */
	(void)(mr_proc_identity_read(0, &identity) < 0);
	header->magic = MR_CHANNEL_MAGIC;
	header->version = MR_CHANNEL_VERSION;
	header->header_size = sizeof(*header);
	header->source = source;
	header->pid = identity.pid;
	header->boot_id[0] = identity.boot_id[0];
	header->boot_id[1] = identity.boot_id[1];
	header->start_ticks = identity.start_ticks;
	header->zero_monotonic_ns = mr_clock_monotonic_ns();
	header->zero_realtime_ns = mr_clock_realtime_ns();
	atomic_store_explicit(&header->size_bytes, header_len(), memory_order_relaxed);
	atomic_store_explicit(&header->state, MR_CHANNEL_OPEN, memory_order_release);
}

static int hidden_path(const char *folder, uint32_t serial, char path[PATH_MAX], struct mr_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/.%d.%u", folder, (int)getpid(), serial) >= PATH_MAX)
		return mr_fail(err, MR_ERR_ARG, "the folder's name is too long: '%.100s...'", folder);
	return 0;
}

/* A file without a name yet in FOLDER; -1 with a message. */
static int file_begin(const char *folder, uint32_t *serial, struct mr_error *err)
{
	static _Atomic uint32_t last_serial;
	char path[PATH_MAX];

	*serial = atomic_fetch_add(&last_serial, 1);
	MR_TRY(hidden_path(folder, *serial, path, err));
	(void)unlink(path); /* what an earlier process of this pid may have left */
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return mr_fail(err, MR_ERR_WRITE, "cannot create '%s': %s", path, strerror(errno));
	const int reserved = posix_fallocate(fd, 0, (off_t)header_len());
	if (reserved != 0) {
		mr_fail(err, MR_ERR_WRITE, "no room for '%s': %s", path, strerror(reserved));
		(void)close(fd);
		(void)unlink(path);
		return MR_ERR_WRITE;
	}
	return fd;
}

/* Gives the file its name, the first that is free. */
static int file_publish(const struct mr_channel *channel, const char *folder, struct mr_error *err)
{
	const struct mr_channel_header *const header = channel->header;
	char path_hidden[PATH_MAX];
	char path[PATH_MAX];

	MR_TRY(hidden_path(folder, channel->serial, path_hidden, err));
	for (int number = 1; number <= NAME_TRIES; number++) {
		char suffix[16] = "";

		if (number > 1)
			snprintf(suffix, sizeof(suffix), ".%d", number);
		if (snprintf(path, sizeof(path), "%s/%u.%llu%s", folder, header->pid,
		             (unsigned long long)header->start_ticks, suffix) >= (int)sizeof(path))
			return mr_fail(err, MR_ERR_ARG, "the folder's name is too long: '%.100s...'", folder);
		if (link(path_hidden, path) == 0) {
			(void)unlink(path_hidden);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return mr_fail(err, MR_ERR_WRITE, "cannot create '%s': %s", path, strerror(errno));
}

/* What was begun and came to nothing. */
static void file_remove(const struct mr_channel *channel, const char *folder)
{
	char path[PATH_MAX];

	if (hidden_path(folder, channel->serial, path, NULL) == 0)
		(void)unlink(path);
}

/* The writer's page, and a file with room for the header; neither mapped nor to be found yet. */
static int shared_begin(struct mr_channel *channel, const char *folder, struct mr_error *err)
{
	channel->shared = true;
	channel->writer = writer_find(folder, err);
	if (channel->writer == NULL)
		return MR_ERR_WRITE;
	channel->fd = file_begin(folder, &channel->serial, err);
	return channel->fd < 0 ? MR_ERR_WRITE : 0;
}

static int create_shared(struct mr_channel *channel, const char *folder, uint32_t source,
                         struct mr_error *err)
{
	MR_TRY(shared_begin(channel, folder, err));
	channel->header = map(channel->fd, 0, header_len());
	if (channel->header != NULL) {
		header_init(channel->header, source);
		if (file_publish(channel, folder, err) == 0)
			return 0;
	}
	const int failure = errno;
	file_remove(channel, folder);
	return mr_fail(err, MR_ERR_WRITE, "cannot map a channel in '%s': %s", folder, strerror(failure));
}

static int create_private(struct mr_channel *channel, uint32_t source, struct mr_error *err)
{
	channel->writer = map(-1, 0, page_round(sizeof(*channel->writer)));
	channel->header = map(-1, 0, header_len());
	MR_FAIL_IF(channel->writer == NULL || channel->header == NULL, err, MR_ERR_NOMEM,
	           "out of memory for a capture");
	writer_init(channel->writer);
	header_init(channel->header, source);
	return 0;
}

int mr_channel_create(struct mr_channel **channel, const char *folder, uint32_t source, struct mr_error *err)
{
	struct mr_channel *const created = mr_alloc(sizeof(*created));

	MR_FAIL_IF(created == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	created->fd = -1;
	created->program = true;
	const int code = folder != NULL ? create_shared(created, folder, source, err)
	                                : create_private(created, source, err);
	if (code < 0) {
		mr_channel_close(created);
		return code;
	}
	*channel = created;
	return 0;
}

/* ---- All of it at once ------------------------------------------------------------ */

/* Bytes of a file for as many rings as the process's limits leave room for; 0: too few. */
static uint64_t whole_bytes(uint64_t ring_len)
{
	uint64_t rings = MR_CHANNEL_RINGS_MAX;
	struct rlimit limit;

	/* Beyond its limit a file gets us a signal that ends the program. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		if (limit.rlim_cur < header_len())
			return 0;
		if ((limit.rlim_cur - header_len()) / ring_len < rings)
			rings = (limit.rlim_cur - header_len()) / ring_len;
	}
	/* Address space that is short is the program's. */
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur / WHOLE_SHARE / ring_len < rings)
		rings = limit.rlim_cur / WHOLE_SHARE / ring_len;
	return rings < WHOLE_RINGS_MIN ? 0 : header_len() + rings * ring_len;
}

static int whole_map(struct mr_channel *channel, uint32_t ring_bytes)
{
	const uint64_t ring_len = MR_RING_DATA_OFFSET + (uint64_t)ring_bytes;
	uint64_t bytes = whole_bytes(ring_len);

	if (bytes == 0 || ftruncate(channel->fd, (off_t)bytes) != 0)
		return MR_ERR_LIMIT;
	/* What is no ring yet cannot be touched, so that nobody fills it with memory: not mlockall(), nor a
	 * core dump. */
	void *const reserve = mmap(NULL, bytes, PROT_NONE, MAP_SHARED, channel->fd, 0);
	if (reserve == MAP_FAILED)
		return MR_ERR_NOMEM;
	channel->reserve = reserve;
	channel->reserve_bytes = bytes;
	if (mprotect(reserve, header_len(), PROT_READ | PROT_WRITE) != 0)
		return MR_ERR_NOMEM;
	channel->header = (struct mr_channel_header *)reserve;
	if (madvise(channel->reserve, header_len(), MADV_POPULATE_WRITE) != 0) {
		/* Linux before 5.14 cannot say later whether there is memory: all of it is reserved now. */
		const uint64_t old_bytes = header_len() + WHOLE_RINGS_OLD * ring_len;

		if (bytes > old_bytes)
			channel->reserve_bytes = old_bytes;
		if (posix_fallocate(channel->fd, 0, (off_t)channel->reserve_bytes) != 0)
			return MR_ERR_NOMEM;
	}
	(void)madvise(channel->reserve, bytes, MADV_DONTFORK);
	(void)madvise(channel->reserve, bytes, MADV_DONTDUMP);
	return 0;
}

static int create_whole(struct mr_channel *channel, const char *folder, uint32_t source, uint32_t ring_bytes,
                        void (*prepare)(struct mr_channel_header *header), struct mr_error *err)
{
	MR_FAIL_IF(whole_bytes(MR_RING_DATA_OFFSET + (uint64_t)ring_bytes) == 0, err, MR_ERR_LIMIT,
	           "the process's limits leave no room for a channel");
	MR_TRY(shared_begin(channel, folder, err));
	int code = whole_map(channel, ring_bytes);
	if (code == 0) {
		header_init(channel->header, source);
		prepare(channel->header);
		code = file_publish(channel, folder, err);
	}
	if (code < 0) {
		file_remove(channel, folder);
		return mr_fail(err, code, "there is no room for a channel in '%s'", folder);
	}
	(void)close(channel->fd); /* the mapping stays */
	channel->fd = -1;
	return 0;
}

int mr_channel_create_whole(struct mr_channel **channel, const char *folder, uint32_t source,
                            uint32_t ring_bytes, void (*prepare)(struct mr_channel_header *header),
                            struct mr_error *err)
{
	struct mr_channel *const created = mr_alloc(sizeof(*created));

	MR_FAIL_IF(created == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	created->fd = -1;
	created->program = true;
	const int code = create_whole(created, folder, source, ring_bytes, prepare, err);
	if (code < 0) {
		mr_channel_close(created);
		return code;
	}
	*channel = created;
	return 0;
}

void mr_channel_forget_inherited(struct mr_channel *channel)
{
	/* What was mapped there is not mapped here; something else may be. */
	channel->header = NULL;
	channel->reserve = NULL;
	for (uint32_t i = 0; i < MR_CHANNEL_RINGS_MAX; i++)
		atomic_store_explicit(&channel->rings[i], NULL, memory_order_relaxed);
	mr_channel_close(channel);
}

/* ---- Rings, the program's side --------------------------------------------------- */

/* Memory for a ring: its place in the file, and where it is mapped. */
static struct mr_ring *ring_memory(struct mr_channel *channel, size_t len, uint64_t *offset)
{
	*offset = atomic_fetch_add_explicit(&channel->header->size_bytes, len, memory_order_relaxed);
	if (channel->reserve != NULL) {
		if (*offset > channel->reserve_bytes || len > channel->reserve_bytes - *offset)
			return NULL;
		if (mprotect(channel->reserve + *offset, len, PROT_READ | PROT_WRITE) != 0)
			return NULL;
		/* EINVAL is an old kernel's, for which all of it is there already. */
		if (madvise(channel->reserve + *offset, len, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
			return NULL;
		return (struct mr_ring *)(void *)(channel->reserve + *offset);
	}
	if (channel->fd >= 0 && posix_fallocate(channel->fd, (off_t)*offset, (off_t)len) != 0)
		return NULL;
	return map(channel->fd, *offset, len);
}

struct mr_ring *mr_channel_add_ring(struct mr_channel *channel, enum mr_ring_kind kind, uint32_t size_bytes,
                                    uint32_t *index)
{
	struct mr_channel_header *const header = channel->header;
	uint32_t count = atomic_load_explicit(&header->ring_count, memory_order_relaxed);
	do {
		if (count >= MR_CHANNEL_RINGS_MAX)
			return NULL;
	} while (!atomic_compare_exchange_weak(&header->ring_count, &count, count + 1));

	/* The entry is ours, and unused until its state says otherwise. */
	struct mr_channel_ring *const entry = &header->rings[count];
	struct mr_ring *const ring =
		ring_memory(channel, MR_RING_DATA_OFFSET + (size_t)size_bytes, &entry->offset);
	if (ring == NULL)
		return NULL;
	entry->size_bytes = size_bytes;
	entry->kind = (uint32_t)kind;
	entry->tid = (uint32_t)syscall(SYS_gettid);
	channel->ring_sizes[count] = size_bytes;
	atomic_store_explicit(&channel->rings[count], ring, memory_order_release);
	atomic_store_explicit(&entry->state, MR_RING_USED, memory_order_release);
	*index = count;
	return ring;
}

/* ---- The writer's side -------------------------------------------------------------- */

int mr_channel_attach(struct mr_channel **channel, const char *path, struct mr_error *err)
{
	struct stat info;
	struct mr_channel *attached = NULL;
	const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int code = 0;

	MR_FAIL_IF(fd < 0, err, MR_ERR_READ, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &info) < 0 || info.st_size < (off_t)header_len()) {
		code = mr_fail(err, MR_ERR_FORMAT, "'%s' is not a channel of libmemcapture", path);
		goto out;
	}
	attached = mr_alloc(sizeof(*attached));
	if (attached == NULL) {
		code = mr_fail(err, MR_ERR_NOMEM, "out of memory for '%s'", path);
		goto out;
	}
	attached->fd = fd;
	attached->shared = true;
	attached->header = map(fd, 0, header_len());
	if (attached->header == NULL)
		code = mr_fail(err, MR_ERR_NOMEM, "cannot map '%s': %s", path, strerror(errno));
	else if (attached->header->magic != MR_CHANNEL_MAGIC)
		code = mr_fail(err, MR_ERR_FORMAT, "'%s' is not a channel of libmemcapture", path);
	else if (attached->header->version != MR_CHANNEL_VERSION ||
	         attached->header->header_size != sizeof(*attached->header))
		code = mr_fail(err, MR_ERR_VERSION,
		               "'%s' is a channel of version %u, but this memrecord knows version %u: "
		               "the program is linked with another version of libmemcapture",
		               path, attached->header->version, MR_CHANNEL_VERSION);
out:
	if (code < 0) {
		if (attached != NULL)
			mr_channel_close(attached);
		else
			(void)close(fd);
		return code;
	}
	*channel = attached;
	return 0;
}

/* Maps ring INDEX for the first time; its directory entry is another program's word. */
static struct mr_ring *ring_map(struct mr_channel *channel, uint32_t index)
{
	/* Read once: the other program may change them after they were looked at. */
	const volatile struct mr_channel_ring *const entry = &channel->header->rings[index];
	const uint32_t size = entry->size_bytes;
	const uint64_t offset = entry->offset;
	const uint64_t len = MR_RING_DATA_OFFSET + (uint64_t)size;
	struct stat info;

	if (channel->program || channel->fd < 0 || size < RING_SIZE_MIN || size > RING_SIZE_MAX ||
	    (size & (size - 1)) != 0 || offset % 4096 != 0)
		return NULL;
	if (fstat(channel->fd, &info) < 0 || offset > (uint64_t)info.st_size ||
	    len > (uint64_t)info.st_size - offset)
		return NULL;

	struct mr_ring *const ring = map(channel->fd, offset, (size_t)len);
	if (ring != NULL) {
		channel->ring_sizes[index] = size;
		atomic_store_explicit(&channel->rings[index], ring, memory_order_release);
	}
	return ring;
}

struct mr_ring *mr_channel_ring(struct mr_channel *channel, uint32_t index, uint32_t *size_bytes)
{
	if (index >= MR_CHANNEL_RINGS_MAX || atomic_load_explicit(&channel->header->rings[index].state,
	                                                          memory_order_acquire) == MR_RING_UNUSED)
		return NULL;

	struct mr_ring *ring = atomic_load_explicit(&channel->rings[index], memory_order_acquire);
	if (ring == NULL)
		ring = ring_map(channel, index);
	if (ring != NULL)
		*size_bytes = channel->ring_sizes[index];
	return ring;
}

void mr_channel_close(struct mr_channel *channel)
{
	if (channel == NULL)
		return;
	for (uint32_t i = 0; i < MR_CHANNEL_RINGS_MAX && channel->reserve == NULL; i++) {
		struct mr_ring *const ring = atomic_load_explicit(&channel->rings[i], memory_order_relaxed);

		if (ring != NULL)
			(void)munmap(ring, MR_RING_DATA_OFFSET + (size_t)channel->ring_sizes[i]);
	}
	if (channel->reserve != NULL)
		(void)munmap(channel->reserve, channel->reserve_bytes);
	else if (channel->header != NULL)
		(void)munmap(channel->header, header_len());
	if (channel->program)
		mr_channel_writer_close(channel->writer);
	if (channel->fd >= 0)
		(void)close(channel->fd);
	mr_free(channel);
}

/* ---- Clock ---------------------------------------------------------------------------- */

uint64_t mr_channel_time_ns(const struct mr_channel_header *header, uint64_t ticks)
{
	const uint32_t count = atomic_load_explicit(&header->clock_count, memory_order_acquire);
	const uint32_t kept = count < MR_CHANNEL_CLOCK_SEGMENTS_MAX ? count : MR_CHANNEL_CLOCK_SEGMENTS_MAX;

	for (uint32_t i = 1; i <= kept; i++) {
		const struct mr_clock_segment *const segment =
			&header->clock[(count - i) % MR_CHANNEL_CLOCK_SEGMENTS_MAX];

		if (ticks >= segment->ticks)
			return segment->ns +
			       (uint64_t)((unsigned __int128)(ticks - segment->ticks) * segment->multiplier >>
			                  32);
	}
	return 0; /* before the zero: a stamp that was under way while the capture was opened */
}
