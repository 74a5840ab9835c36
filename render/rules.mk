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

all: $(LIB_MEMREPORT)
