# SPDX-License-Identifier: MIT
# capture/: base helpers, the log format and its writer, the tracker, the sampler, memrecord.

# What every room links: errors, buffers, text, files, options, and the format.
BASE_SOURCES := $(addprefix capture/, base_error.c base_buffer.c base_varint.c base_text.c \
                  base_file.c base_heap.c base_options.c base_clock.c log_format.c)
BASE_OBJECTS := $(BASE_SOURCES:%.c=$(B)/obj/%.o)
# malloc; libmemcapture links memory_mapped.c in its place
MEMORY_OBJECT := $(B)/obj/capture/base_memory.o

# Base for the commands and the reading libraries.
LIB_BASE := $(B)/libmrbase.a
$(LIB_BASE): $(BASE_OBJECTS) $(MEMORY_OBJECT)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Names of places in the code: for memrecord, and for libmemstats.
SYMBOLIZER_SOURCES := $(wildcard capture/symbolizer*.c)
SYMBOLIZER_OBJECTS := $(SYMBOLIZER_SOURCES:%.c=$(B)/obj/%.o)
SYMBOLIZER_LIBS := -ldw -lelf -liberty

# Sizes of objects and their referents; part of libmemcapture.
SIZER_SOURCES := $(addprefix capture/, sizer.c sizer_fold.c sizer_paths.c sizer_resolve.c visited.c)

# libmemcapture: the tracker, on memory of its own.  zstd and the unwinder are linked in and hidden, so
# that they never meet the program's own; what is exported begins with memcapture_.
MEMCAPTURE_SOURCES := $(SIZER_SOURCES) $(addprefix capture/, tracker.c tracker_change.c tracker_class.c \
                        tracker_clock.c tracker_facts.c tracker_flush.c tracker_hold.c tracker_names.c \
                        tracker_object.c tracker_periodic.c tracker_recorder.c tracker_snapshot.c tracker_thread.c \
                        snapshot_keep.c snapshot_order.c snapshot_rows.c snapshot_totals.c \
                        trace_tables.c trace_unwind.c object_map.c object_rows.c ring.c channel.c \
                        event_drain.c futex.c memory_mapped.c log_memory.c log_writer.c proc_memory.c proc_identity.c \
                        base_error.c base_buffer.c base_varint.c base_file.c base_clock.c log_format.c)
MEMCAPTURE_OBJECTS := $(MEMCAPTURE_SOURCES:%.c=$(B)/obj/%.o)
ZSTD_ARCHIVE = $(shell $(CC) -print-file-name=libzstd.a)
UNWIND_ARCHIVE = $(shell $(CC) -print-file-name=libgcc_eh.a)

$(B)/libmemcapture.so.$(SONAME_VERSION): $(MEMCAPTURE_OBJECTS) capture/libmemcapture.map
	$(say) LD $@
	$(Q)$(CC) -shared $(SANITIZE) $(LDFLAGS) -static-libgcc -Wl,-soname,$(notdir $@) -Wl,-z,nodelete \
	  -Wl,--version-script,capture/libmemcapture.map -Wl,--exclude-libs,ALL -Wl,--gc-sections \
	  $(if $(SANITIZE),,-Wl,-z,defs) -o $@ $(MEMCAPTURE_OBJECTS) $(ZSTD_ARCHIVE) -lpthread -ldl
$(B)/libmemcapture.so: $(B)/libmemcapture.so.$(SONAME_VERSION)
	$(Q)ln -sf $(notdir $<) $@
# One relocatable object, all symbols but the public ones made local.
$(B)/libmemcapture.a: $(MEMCAPTURE_OBJECTS)
	$(say) AR $@
	$(Q)$(CC) -r -nostdlib -o $(B)/libmemcapture.all.o $(MEMCAPTURE_OBJECTS) $(ZSTD_ARCHIVE) $(UNWIND_ARCHIVE)
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='memcapture_*' $(B)/libmemcapture.all.o $(B)/libmemcapture.o
	$(Q)rm -f $@ $(B)/libmemcapture.all.o && $(AR) rcs $@ $(B)/libmemcapture.o
all: $(B)/libmemcapture.a $(B)/libmemcapture.so
# Tests of what needs pages of its own.
UNIT_MEMORY_test_object_map := $(B)/obj/capture/memory_mapped.o
UNIT_MEMORY_test_tracker := $(B)/obj/capture/memory_mapped.o
UNIT_MEMORY_test_tracker_stream := $(B)/obj/capture/memory_mapped.o
UNIT_MEMORY_test_tracker_failing := $(B)/obj/tests/unit/memory_failing_pages.o

# libmemrecord.so: stands in front of the allocator in the programs that memrecord runs.  The C library is
# all that it needs; its frames are followed by their frame pointers, its thread-local memory is there from
# the program's start, and it is never sanitized.
PRELOAD_STACK_SOURCES := $(if $(wildcard capture/preload/stack.c),$(wildcard $(addprefix capture/preload/, \
                           stack*.c unwind*.c module*.c)))
PRELOAD_SOURCES := $(wildcard capture/preload/hooks*.c capture/preload/thread*.c) $(PRELOAD_STACK_SOURCES) \
                   $(addprefix capture/, channel.c ring.c futex.c memory_mapped.c proc_identity.c proc_memory.c \
                     tracker_clock.c base_error.c base_clock.c)
COMMA := ,
PRELOAD_OBJECTS := $(PRELOAD_SOURCES:%.c=$(B)/obj-preload/%.o)
PRELOAD_CFLAGS := -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
                  -fno-optimize-sibling-calls -ftls-model=initial-exec -fno-stack-protector -ffunction-sections \
                  $(addprefix -fno-builtin-, malloc free calloc realloc memalign aligned_alloc posix_memalign)
$(B)/obj-preload/%.o: %.c $(MAKEFILES_USED)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(MR_CPPFLAGS) -Icapture/preload $(CPPFLAGS) $(CFLAGS) $(PRELOAD_CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B)/obj-preload -name '*.d' 2>/dev/null)
$(B)/libmemrecord.so: $(PRELOAD_OBJECTS) capture/preload/libmemrecord.map
	$(say) LD $@
	$(Q)$(CC) -shared $(LDFLAGS) -static-libgcc -Wl,-soname,$(@F) -Wl,-z,now -Wl,-z,nodelete \
	  -Wl,-z,defs -Wl,--gc-sections -Wl,--version-script,capture/preload/libmemrecord.map \
	  $(addprefix -Wl$(COMMA)--wrap=, mmap64 munmap mremap pthread_atfork syscall) -o $@ $(PRELOAD_OBJECTS) -lpthread -ldl
all: $(B)/libmemrecord.so

# The command memrecord: process sampler, and the writing side of the channel from libmemcapture.
MEMRECORD_SOURCES := $(addprefix capture/, memrecord.c memrecord_run.c memrecord_ending.c memrecord_watch.c memrecord_launch.c \
                       memrecord_channel.c memrecord_folder.c memrecord_ghosts.c memrecord_preload.c tracker_clock.c \
                       sampler.c sampler_look.c sampler_process.c sampler_log.c sampler_pace.c process_tree.c process_events.c proc_memory.c \
                       proc_identity.c channel.c ring.c event_drain.c futex.c log_memory.c log_writer.c) \
                     $(wildcard capture/heap_*.c)
$(B)/memrecord: $(MEMRECORD_SOURCES:%.c=$(B)/obj/%.o) $(SYMBOLIZER_OBJECTS) $(LIB_BASE)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lzstd $(SYMBOLIZER_LIBS) -lpthread
# What it puts into the programs that it records lies beside it.
$(B)/memrecord: | $(B)/libmemrecord.so
all: $(B)/memrecord
