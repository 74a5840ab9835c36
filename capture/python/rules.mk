# SPDX-License-Identifier: MIT
# capture/python/: the package memcapture, for the Python that PYTHON names, in
# $(B)/python (PYTHONPATH=build/python).  _capture is the tracker and the sizer on
# libmemcapture's objects, and, in census/, what looks at all objects; _report (report_*.c) is on libmemstats and libmemreport.
# list_sum.c is in both.
# Objects and extensions carry the interpreter's tag, so that several interpreters
# share one build folder.

PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

# "TAG SUFFIX FOLDER-OF-PYTHON.H"; the folder is empty where there are no headers.
# Or, when this interpreter cannot be used at all, nothing.
PYTHON_FACTS := $(shell $(PYTHON) -S -E -c 'import os, sys, sysconfig; \
  folder = sysconfig.get_path("include"); \
  there = os.path.exists(os.path.join(folder, "Python.h")); \
  good = sys.version_info >= (3, 10) and sys.implementation.name == "cpython"; \
  good and print(sysconfig.get_config_var("SOABI"), sysconfig.get_config_var("EXT_SUFFIX"), \
  folder if there else "")' 2>/dev/null)
PYTHON_TAG := $(word 1,$(PYTHON_FACTS))
PYTHON_SUFFIX := $(word 2,$(PYTHON_FACTS))
PYTHON_INCLUDE := $(word 3,$(PYTHON_FACTS))

PYTHON_PACKAGE := $(B)/python/memcapture
PYTHON_OBJ := $(B)/obj/python-$(PYTHON_TAG)
PYTHON_GLUE := $(patsubst capture/python/%,$(B)/python/%,$(wildcard $(addprefix capture/python/memcapture/, \
                 *.py *.pyi py.typed)))
PYTHON_CAPTURE_SOURCES := $(filter-out capture/python/report_%,$(wildcard capture/python/*.c)) \
                          $(wildcard capture/python/census/*.c)
PYTHON_REPORT_SOURCES := $(wildcard capture/python/report_*.c) capture/python/list_sum.c
PYTHON_CAPTURE := $(PYTHON_PACKAGE)/_capture$(PYTHON_SUFFIX)
PYTHON_REPORT := $(PYTHON_PACKAGE)/_report$(PYTHON_SUFFIX)

$(PYTHON_PACKAGE)/%: capture/python/memcapture/%
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(PYTHON_PACKAGE)/__init__.py: capture/python/memcapture/__init__.py Makefile capture/python/rules.mk
	@mkdir -p $(@D)
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< >$@

# -isystem: our warnings are for our code, not for the interpreter's headers.
$(PYTHON_OBJ)/%.o: %.c $(MAKEFILES_USED) capture/python/rules.mk
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(MR_CPPFLAGS) $(OBJ_CPPFLAGS) -isystem $(PYTHON_INCLUDE) $(CPPFLAGS) $(MR_CFLAGS) $(CFLAGS) \
	  -MMD -MP -c -o $@ $<
$(PYTHON_OBJ)/capture/python/%.o: OBJ_CPPFLAGS := -Icapture/python -Icapture/python/census
$(PYTHON_OBJ)/capture/python/report_%.o: OBJ_CPPFLAGS := -Ianalyze -Irender

# The interpreter's symbols are found when it loads the extension, all of them at once (now): a
# name that no one has is an error of the import, not of a call some day.
PYTHON_LINK = $(CC) -shared $(SANITIZE) $(LDFLAGS) -Wl,--version-script,capture/python/extension.map \
              -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-z,now -Wl,-z,relro

# As libmemcapture: its objects, zstd and the unwinder are inside and hidden.
$(PYTHON_CAPTURE): $(PYTHON_CAPTURE_SOURCES:%.c=$(PYTHON_OBJ)/%.o) $(MEMCAPTURE_OBJECTS) capture/python/extension.map
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(PYTHON_LINK) -static-libgcc -Wl,-z,nodelete -o $@ $(filter %.o,$^) $(ZSTD_ARCHIVE) -lpthread -ldl

$(PYTHON_REPORT): $(PYTHON_REPORT_SOURCES:%.c=$(PYTHON_OBJ)/%.o) $(B)/obj/capture/proc_memory.o $(LIB_MEMREPORT) \
                  $(LIB_MEMSTATS) $(LIB_BASE) capture/python/extension.map
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(PYTHON_LINK) -o $@ $(filter %.o,$^) $(LIB_MEMREPORT) $(LIB_MEMSTATS) $(LIB_BASE) $(RENDER_LIBS) $(MEMSTATS_LIBS)

# python-capture and python-report: one extension and the glue.
.PHONY: python python-capture python-report
python: python-capture python-report
ifneq ($(PYTHON_INCLUDE),)
python-capture: $(if $(wildcard capture/python/module_capture.c),$(PYTHON_CAPTURE)) $(PYTHON_GLUE)
python-report: $(if $(wildcard capture/python/report_module.c),$(PYTHON_REPORT)) $(PYTHON_GLUE)
else
.PHONY: python-skipped
python-capture python-report: python-skipped
python-skipped:
	@echo "python: left out: $(PYTHON) $(if $(PYTHON_TAG),has no headers (python3-dev),is not CPython 3.10 or newer)"
endif
PYTHON_WHOLE := $(and $(wildcard capture/python/module_capture.c),$(wildcard capture/python/report_module.c))
all: $(if $(PYTHON_WHOLE),python)

# ---- Installing ------------------------------------------------------------------
# Where this interpreter looks for packages below PREFIX; or, when it looks nowhere there, where
# one that lived there would.  With PREFIX=/usr/local and /usr that is Debian's dist-packages.
PYTHON_DIR ?= $(eval PYTHON_DIR := $(shell $(PYTHON) -E -s -c 'import os, site, sys; \
  below = os.path.join(sys.argv[1], "lib", ""); \
  known = [folder for folder in sys.path if folder.endswith("-packages")]; \
  found = [folder for folder in known + site.getsitepackages([sys.argv[1]]) if folder.startswith(below)]; \
  print(found[0])' $(PREFIX)))$(PYTHON_DIR)
PYTHON_INSTALLED = $(DESTDIR)$(PYTHON_DIR)/memcapture

.PHONY: install-python uninstall-python
ifneq ($(and $(PYTHON_INCLUDE),$(PYTHON_WHOLE)),)
install-python: python
	$(Q)$(INSTALL) -d $(PYTHON_INSTALLED)
	$(Q)$(INSTALL) -m 644 $(PYTHON_GLUE) $(PYTHON_CAPTURE) $(PYTHON_REPORT) $(PYTHON_INSTALLED)
	@$(PYTHON) -c 'import sys; sys.exit(sys.argv[1] in sys.path)' '$(PYTHON_DIR)' && \
	  echo 'the Python package is for PYTHONPATH=$(PYTHON_DIR)' || :
uninstall-python:
	rm -rf $(PYTHON_INSTALLED)
else
install-python: python
uninstall-python:
endif
