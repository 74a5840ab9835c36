# SPDX-License-Identifier: MIT
# memreport: one Makefile for everything.  Each room lists its files in its own
# rules.mk; this file has what they share.  `make help` lists the targets.

B ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
CXX ?= g++

VERSION := 1.0.0
SONAME_VERSION := 1

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 \
            -Wwrite-strings -Wundef
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
ifneq ($(SAN),)
SANITIZE := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

MR_CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Icapture
MR_CFLAGS = -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden $(SANITIZE)

.PHONY: all
all:

include capture/rules.mk
include analyze/rules.mk
include render/rules.mk
include samples/rules.mk
include tests/rules.mk

# The commands that are there; each is a main() over its room's library.
COMMANDS := $(notdir $(basename $(wildcard capture/memrecord.c analyze/memstats.c render/memreport.c)))
.PHONY: commands
commands: $(COMMANDS:%=$(B)/%)

# ---- Compiling -------------------------------------------------------------
# An object lies under $(B)/obj at its source's path; the object depends on the
# makefiles, and on the headers that the compiler saw.

MAKEFILES_USED := Makefile $(wildcard */rules.mk)

$(B)/obj/%.o: %.c $(MAKEFILES_USED)
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(MR_CPPFLAGS) $(CPPFLAGS) $(MR_CFLAGS) $(OBJ_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf $(B)
