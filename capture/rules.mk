# SPDX-License-Identifier: MIT
# capture/: base helpers, the log format and its writer, the tracker, the sampler, memrecord.

# What every room links: errors, buffers, text, files, options, and the format.
BASE_SOURCES := $(addprefix capture/, base_error.c base_buffer.c base_varint.c base_text.c \
                  base_file.c base_options.c base_clock.c log_format.c)
BASE_OBJECTS := $(BASE_SOURCES:%.c=$(B)/obj/%.o)
# malloc; libmemcapture links memory_mapped.c in its place
MEMORY_OBJECT := $(B)/obj/capture/base_memory.o

# Base for the commands and the reading libraries.
LIB_BASE := $(B)/libmrbase.a
$(LIB_BASE): $(BASE_OBJECTS) $(MEMORY_OBJECT)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Sizes of objects and their referents; part of libmemcapture.
SIZER_SOURCES := $(addprefix capture/, sizer.c sizer_fold.c sizer_paths.c sizer_resolve.c visited.c)

# The command memrecord: process sampler, and the writing side of the channel from libmemcapture.
MEMRECORD_SOURCES := $(addprefix capture/, memrecord.c memrecord_run.c memrecord_watch.c memrecord_launch.c \
                       memrecord_channel.c sampler.c sampler_process.c sampler_log.c sampler_pace.c \
                       process_tree.c process_events.c proc_memory.c proc_identity.c \
                       channel.c ring.c event_drain.c futex.c log_writer.c)
$(B)/memrecord: $(MEMRECORD_SOURCES:%.c=$(B)/obj/%.o) $(LIB_BASE)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ -lzstd -lpthread
all: $(B)/memrecord
