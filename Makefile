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
ifeq ($(SAN),thread)
# gcc warns of each fence, which ThreadSanitizer does not know.
SANITIZE += $(if $(findstring clang,$(CC)),,-Wno-tsan)
endif
endif

MR_CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Icapture
MR_CFLAGS = -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden $(SANITIZE)

.PHONY: all
all:

include capture/rules.mk
include analyze/rules.mk
include render/rules.mk
include capture/python/rules.mk
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

# ---- Packages, and a first look ----------------------------------------------

.PHONY: deps demo demo-run
deps:
	$(Q).ci/deps

demo:
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory demo-run

# The sample tracks its own objects; its heap, and that of the library that it uses, is
# recorded whatever it does.  Traces of objects get the functions, files and lines of
# their outer frames from the debug information of the sample, which is built with -g.
demo-run: commands $(DEMO_PROGRAM)
	@echo; echo '$$ memrecord -o profile.dat -- $(DEMO_PROGRAM) $(DEMO_ARGUMENTS)'
	$(Q)$(B)/memrecord -o profile.dat -- $(DEMO_PROGRAM) $(DEMO_ARGUMENTS)
	@echo; echo '$$ memstats sites profile.dat --sort peak --limit 3'
	$(Q)$(B)/memstats sites profile.dat --sort peak --limit 3
	@echo; echo '$$ memstats symbolize profile.dat'
	$(Q)$(B)/memstats symbolize profile.dat
	@echo; echo '$$ memstats classes profile.dat --sort size --limit 8'
	$(Q)$(B)/memstats classes profile.dat --sort size --limit 8
	@echo; echo '$$ memstats objects profile.dat --filter Element --where state=alive --limit 1'
	$(Q)$(B)/memstats objects profile.dat --filter Element --where state=alive --limit 1
	@echo; echo '$$ memstats diff profile.dat@annotated profile.dat@freed'
	$(Q)$(B)/memstats diff profile.dat@annotated profile.dat@freed
	@echo; echo '$$ memreport profile.dat -o report.html'
	$(Q)$(B)/memreport profile.dat -o report.html
	@echo; echo "The report is $(CURDIR)/report.html; open it in a browser."

# ---- Installing ----------------------------------------------------------------
# An installed archive stands alone: the room's objects and the base helpers in
# one object, of which only the public names are to be seen.

INSTALL ?= install
OBJCOPY ?= objcopy
LIBRARIES := memcapture memstats memreport
LIB_ROOM_memcapture := capture
LIB_ROOM_memstats := analyze
LIB_ROOM_memreport := render
MAN_PAGES := capture/man/memrecord.1 analyze/man/memstats.1 render/man/memreport.1
TEMPLATE_FILES = $(wildcard templates/*)
# Where memrecord looks for it, beside the folder that memrecord is in; not to be linked with.
PRELOAD_DIR = $(patsubst %/,%,$(dir $(BINDIR)))/lib/memreport

$(B)/staged/lib%.a: $(B)/lib%.a $(LIB_BASE)
	@mkdir -p $(@D)
	$(say) AR $@
	$(Q)$(LD) -r -o $(B)/staged/$*.o --whole-archive $< --no-whole-archive $(LIB_BASE)
	$(Q)$(OBJCOPY) --localize-hidden $(B)/staged/$*.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/staged/$*.o

# The folders are in the .pc files, so these are made at each installation.
PC_EDIT = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
              -e 's|@VERSION@|$(VERSION)|'

define install_library
	$(Q)$(INSTALL) -m 644 $(B)/staged/lib$(1).a $(DESTDIR)$(LIBDIR)/lib$(1).a
	$(Q)$(INSTALL) -m 755 $(B)/lib$(1).so $(DESTDIR)$(LIBDIR)/lib$(1).so.$(VERSION)
	$(Q)ln -sf lib$(1).so.$(VERSION) $(DESTDIR)$(LIBDIR)/lib$(1).so.$(SONAME_VERSION)
	$(Q)ln -sf lib$(1).so.$(SONAME_VERSION) $(DESTDIR)$(LIBDIR)/lib$(1).so
	$(Q)$(INSTALL) -m 644 $(LIB_ROOM_$(1))/$(1).h $(DESTDIR)$(INCLUDEDIR)/$(1).h
	$(Q)$(PC_EDIT) $(LIB_ROOM_$(1))/lib$(1).pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/lib$(1).pc

endef

.PHONY: install uninstall
install: all commands install-python $(LIBRARIES:%=$(B)/staged/lib%.a)
	$(Q)$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
	  $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(DATADIR)/memreport/templates $(DESTDIR)$(PRELOAD_DIR)
	$(Q)$(INSTALL) -m 755 $(COMMANDS:%=$(B)/%) $(DESTDIR)$(BINDIR)
	$(Q)$(INSTALL) -m 755 $(B)/libmemrecord.so $(DESTDIR)$(PRELOAD_DIR)/libmemrecord.so
	$(foreach library,$(LIBRARIES),$(call install_library,$(library)))
	$(Q)$(INSTALL) -m 644 $(MAN_PAGES) $(DESTDIR)$(MANDIR)/man1
	$(Q)$(INSTALL) -m 644 $(TEMPLATE_FILES) $(DESTDIR)$(DATADIR)/memreport/templates
	@echo "installed under $(DESTDIR)$(PREFIX)"

uninstall: uninstall-python
	rm -f $(COMMANDS:%=$(DESTDIR)$(BINDIR)/%) $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN_PAGES)))
	rm -f $(foreach library,$(LIBRARIES),$(DESTDIR)$(LIBDIR)/lib$(library).a $(DESTDIR)$(LIBDIR)/lib$(library).so \
	  $(DESTDIR)$(LIBDIR)/lib$(library).so.$(SONAME_VERSION) $(DESTDIR)$(LIBDIR)/lib$(library).so.$(VERSION) \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/lib$(library).pc $(DESTDIR)$(INCLUDEDIR)/$(library).h)
	rm -rf $(DESTDIR)$(DATADIR)/memreport $(DESTDIR)$(PRELOAD_DIR)

# ---- Style -----------------------------------------------------------------------

STYLED = $(wildcard */*.[ch] */*/*.[ch])
.PHONY: lint format
lint:
	$(Q)PYTHON='$(PYTHON)' .ci/lint
format:
	clang-format -i $(STYLED)

# ---- The rest ----------------------------------------------------------------------

.PHONY: clean help
clean:
	rm -rf $(B)

define HELP
targets
  all               commands, libraries and the Python package, into build/ (the default)
  python            the Python package alone: PYTHONPATH=build/python
  demo              a report of a real program: packages, build, profile.dat, report.html
  test              packages, and every test; the last line counts them
  test-unit, test-integration, check-headers, golden-update
                    parts of it; ONLY=text runs programs whose name holds the text
  bench             how fast and how small, measured here
  fuzz              libFuzzer on every fuzz target (needs clang)
  lint, format      clang-format, clang-tidy, lengths, man pages (needs clang-format and clang-tidy)
  deps              install the Debian packages that are missing
  install, uninstall
  clean, help

knobs
  B=build           where everything is built
  CC, CXX, CFLAGS, CPPFLAGS, LDFLAGS
  PYTHON=/usr/bin/python3             the interpreter that the Python package is for
  SAN=address,undefined | thread      sanitizers; give B= a folder of its own
  WERROR=1          warnings are errors
  V=1               show the commands
  JOBS=n            how many tests run at a time
  FUZZ_SECONDS=30   for each target of `make fuzz`
  PART=heap|python  one part of `make bench`
  PYMPLER=DIR       where pympler is, for its figures in `make bench` (FULL=1: of a million objects) and its tests
  REFTRACKER=DIR    the same of Reftracker
  PREFIX=/usr/local BINDIR LIBDIR INCLUDEDIR DATADIR MANDIR PYTHON_DIR DESTDIR
endef
help:
	$(info $(HELP))
	@:
