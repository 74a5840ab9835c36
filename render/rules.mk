# SPDX-License-Identifier: MIT
# render/: charts, pages and the command memreport.

RENDER_SOURCES := $(filter-out render/memreport.c,$(wildcard render/*.c))
MEMREPORT_OBJECTS := $(RENDER_SOURCES:%.c=$(B)/obj/%.o)
# Asked for once, and only when something of this room is built.
RENDER_CFLAGS = $(eval RENDER_CFLAGS := $(shell $(PKG_CONFIG) --cflags cairo libxml-2.0))$(RENDER_CFLAGS)
RENDER_LIBS = $(eval RENDER_LIBS := $(shell $(PKG_CONFIG) --libs cairo libxml-2.0) -lm)$(RENDER_LIBS)

$(B)/obj/render/%.o: OBJ_CFLAGS += -Ianalyze $(RENDER_CFLAGS)
# The templates are part of this object.
$(B)/obj/render/html_builtin.o: $(wildcard templates/*)

LIB_MEMREPORT := $(B)/libmemreport.a
$(LIB_MEMREPORT): $(MEMREPORT_OBJECTS)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Exports memreport_* only, and takes memstats_* from its own library.
$(B)/libmemreport.so: $(MEMREPORT_OBJECTS) $(LIB_BASE) $(B)/libmemstats.so render/libmemreport.map
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,-soname,libmemreport.so.$(SONAME_VERSION) \
	  -Wl,--version-script=render/libmemreport.map -Wl,-z,defs $(SANITIZE) $(LDFLAGS) -o $@ \
	  $(MEMREPORT_OBJECTS) $(LIB_BASE) $(B)/libmemstats.so $(RENDER_LIBS)

$(B)/memreport: $(B)/obj/render/memreport.o $(PROGRESS) $(LIB_MEMREPORT) $(LIB_MEMSTATS) $(LIB_BASE)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(RENDER_LIBS) $(MEMSTATS_LIBS)

all: $(LIB_MEMREPORT) $(B)/libmemreport.so $(B)/memreport
