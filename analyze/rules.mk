# SPDX-License-Identifier: MIT
# analyze/: the log reader, the model, tables and the query on them, memstats.

# Reading logs: frames, recovery, columns; other tools' files; checking, repairing, naming places in the code.
ANALYZE_READER := $(patsubst analyze/%.c,%,$(wildcard analyze/log_*.c analyze/model*.c analyze/import*.c))
# Tables: the engine, the query, the formats, and one file a table.
ANALYZE_TABLES := $(patsubst analyze/%.c,%,$(filter-out analyze/log_%.c analyze/model%.c analyze/import%.c \
                    analyze/memstats.c analyze/progress.c,$(wildcard analyze/*.c)))
MEMSTATS_OBJECTS := $(patsubst %,$(B)/obj/analyze/%.o,$(ANALYZE_READER) $(ANALYZE_TABLES)) $(SYMBOLIZER_OBJECTS)
MEMSTATS_LIBS := -lzstd $(SYMBOLIZER_LIBS) -ljansson -lpthread -lm

$(B)/obj/analyze/%.o: OBJ_CFLAGS += -Ianalyze

LIB_MEMSTATS := $(B)/libmemstats.a
$(LIB_MEMSTATS): $(MEMSTATS_OBJECTS)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Exports memstats_* only: base and reader stay inside.
$(B)/libmemstats.so: $(MEMSTATS_OBJECTS) $(LIB_BASE) analyze/libmemstats.map
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,-soname,libmemstats.so.$(SONAME_VERSION) -Wl,--version-script=analyze/libmemstats.map \
	  -Wl,-z,defs $(SANITIZE) $(LDFLAGS) -o $@ $(MEMSTATS_OBJECTS) $(LIB_BASE) $(MEMSTATS_LIBS)

all: $(LIB_MEMSTATS) $(B)/libmemstats.so

# The command: our own archives inside, foreign libraries beside.
# A line on the terminal for long work: of the commands, not of the library.
PROGRESS := $(B)/obj/analyze/progress.o
$(B)/memstats: $(B)/obj/analyze/memstats.o $(PROGRESS) $(LIB_MEMSTATS) $(LIB_BASE)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(MEMSTATS_LIBS)

all: $(B)/memstats
