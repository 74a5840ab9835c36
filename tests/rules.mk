# SPDX-License-Identifier: MIT
# tests/: everything that `make test` runs; tests/README.md says how to add to it.
#
#   tests/unit/test_FILE.c      Criterion; one program a file, linked with the room that holds FILE.c
#   tests/threads/stress_*.c    plain programs with threads, run under ThreadSanitizer
#   tests/fuzz/fuzz_*.c         LLVMFuzzerTestOneInput; the corpus runs in `make test`
#   tests/integration/*.sh *.py the real commands, as processes
#   tests/bench/                `make bench`

# ---- What tests link ---------------------------------------------------------
# Archives of each room's objects, the main programs apart, so that a test sees
# what is private to a room.  Either malloc (base_memory) or libmemcapture's own
# memory (memory_mapped) is linked: UNIT_MEMORY_test_FILE chooses the latter.

room_objects = $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(TEST_LEFT_OUT),$(wildcard $(1))))
TEST_LEFT_OUT := capture/memrecord.c analyze/memstats.c render/memreport.c \
                 capture/base_memory.c capture/memory_mapped.c
TEST_LOG_SOURCES := $(wildcard capture/base_*.c capture/log_*.c capture/symbolizer*.c)
TEST_LIB_LOG := $(B)/test/liblog.a
TEST_LIB_CAPTURE := $(B)/test/libcapture.a
TEST_LIB_ANALYZE := $(B)/test/libanalyze.a
TEST_LIB_RENDER := $(B)/test/librender.a
$(TEST_LIB_LOG): $(call room_objects,$(TEST_LOG_SOURCES))
$(TEST_LIB_CAPTURE): $(filter-out $(call room_objects,$(TEST_LOG_SOURCES)),$(call room_objects,capture/*.c))
$(TEST_LIB_ANALYZE): $(call room_objects,analyze/*.c)
$(TEST_LIB_RENDER): $(call room_objects,render/*.c)
$(B)/test/lib%.a:
	@mkdir -p $(@D)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

TEST_PACKAGES := cairo libxml-2.0 jansson libzstd
# Asked for once, and only when a test is built.
TEST_CFLAGS = $(eval TEST_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(TEST_PACKAGES)))$(TEST_CFLAGS)
TEST_LIBS = $(eval TEST_LIBS := $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES)) $(SYMBOLIZER_LIBS) -lpthread -lm)$(TEST_LIBS)
$(B)/obj/tests/%.o: OBJ_CFLAGS += -Icapture/preload -Ianalyze -Irender -Itests/lib $(TEST_CFLAGS)
# Criterion's eq(str, ...) takes its texts as plain char *.
$(B)/obj/tests/unit/%.o: OBJ_CFLAGS += -Wno-write-strings

# The archives for the tests of FILE.c: its room's and those below it; or what
# UNIT_ARCHIVES_test_FILE says.
UNIT_ARCHIVES_test_format_document := $(TEST_LIB_LOG)
# What it writes is read back.
UNIT_ARCHIVES_test_heap_symbols := $(TEST_LIB_ANALYZE) $(TEST_LIB_CAPTURE) $(TEST_LIB_LOG)
# The sizer knows nothing of the tracker, so its tests link it alone.
TEST_LIB_SIZER := $(B)/test/libsizer.a
$(TEST_LIB_SIZER): $(call room_objects,$(SIZER_SOURCES))
UNIT_ARCHIVES_test_sizer := $(TEST_LIB_SIZER) $(TEST_LIB_LOG)
UNIT_ARCHIVES_test_sizer_graph := $(TEST_LIB_SIZER) $(TEST_LIB_LOG)
UNIT_ARCHIVES_test_model_memory := $(TEST_LIB_ANALYZE) $(TEST_LIB_LOG)
UNIT_ARCHIVES_test_visited := $(TEST_LIB_SIZER) $(TEST_LIB_LOG)
UNIT_ARCHIVES_test_size_seen := $(TEST_LIB_LOG)
# Of the interposer, the call stacks.
TEST_LIB_STACK := $(B)/test/libstack.a
$(TEST_LIB_STACK): $(call room_objects,$(PRELOAD_STACK_SOURCES))
STACK_TESTS := stack stack_walks
$(foreach t,$(STACK_TESTS),$(eval UNIT_ARCHIVES_test_$(t) := $(TEST_LIB_STACK) $(TEST_LIB_CAPTURE) $(TEST_LIB_LOG)))
$(foreach t,$(STACK_TESTS),$(eval UNIT_LIBS_test_$(t) := -lunwind))
test_archives = $(strip $(if $(UNIT_ARCHIVES_test_$(1)),$(UNIT_ARCHIVES_test_$(1)), \
  $(if $(filter capture/$(1).c,$(TEST_LOG_SOURCES)),$(TEST_LIB_LOG), \
  $(if $(wildcard capture/$(1).c),$(TEST_LIB_CAPTURE) $(TEST_LIB_LOG), \
  $(if $(wildcard analyze/$(1).c),$(TEST_LIB_ANALYZE) $(TEST_LIB_LOG), \
  $(if $(wildcard render/$(1).c),$(TEST_LIB_RENDER) $(TEST_LIB_ANALYZE) $(TEST_LIB_LOG), \
  $(TEST_LIB_RENDER) $(TEST_LIB_ANALYZE) $(TEST_LIB_CAPTURE) $(TEST_LIB_LOG)))))))

# Helpers that tests share: every tests/lib/*.c.
TEST_HELPERS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/lib/*.c))

# $(1): program, $(2): its object, $(3): archives, $(4): memory object, $(5): more objects, $(6): more flags
define test_program
$(1): $(2) $(5) $(3) $(4)
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(SANITIZE) $$(LDFLAGS) -o $$@ $(2) $(5) $(4) -Wl,--start-group $(3) -Wl,--end-group \
	  $(6) $$(TEST_LIBS)
endef
test_memory = $(or $(UNIT_MEMORY_$(1)),$(B)/obj/capture/base_memory.o)

# ---- Unit tests ----------------------------------------------------------------
UNIT_TESTS := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/unit/%)
# libmemcapture's own files work on its own memory.
UNIT_MEMORY_test_memory_mapped ?= $(B)/obj/capture/memory_mapped.o
# Memory that can be made to fail.
UNIT_MEMORY_test_sizer := $(addprefix $(B)/obj/tests/unit/, memory_failing.o sizer_fixture.o)
UNIT_MEMORY_test_sizer_graph := $(UNIT_MEMORY_test_sizer)
UNIT_MEMORY_test_model_memory := $(B)/obj/tests/unit/memory_failing.o
UNIT_MEMORY_test_visited := $(B)/obj/tests/unit/memory_failing.o
# Of the Python package, what needs no interpreter.
UNIT_MEMORY_test_size_seen := $(B)/obj/capture/python/size_seen.o $(B)/obj/tests/unit/memory_failing_pages.o
UNIT_MEMORY_test_stack := $(B)/obj/capture/memory_mapped.o $(B)/obj/tests/unit/stack_fixture.o
UNIT_MEMORY_test_stack_walks := $(UNIT_MEMORY_test_stack)
$(foreach t,$(UNIT_TESTS),$(eval $(call test_program,$(B)/unit/$(t),$(B)/obj/tests/unit/$(t).o,\
  $(call test_archives,$(t:test_%=%)),$(call test_memory,$(t)),$(TEST_HELPERS),-lcriterion $(UNIT_LIBS_$(t)))))
# A library that a test loads.
$(B)/unit/libstack_module.so: $(B)/obj/tests/unit/stack_module.o
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) -shared $(SANITIZE) $(LDFLAGS) -o $@ $<
$(B)/unit/test_stack: | $(B)/unit/libstack_module.so

# ---- Threads ---------------------------------------------------------------------
# Criterion's process isolation does not start under ThreadSanitizer, so these are plain programs.
THREAD_TESTS := $(basename $(notdir $(wildcard tests/threads/stress_*.c)))
THREAD_MEMORY := $(B)/obj/capture/memory_mapped.o
THREAD_ARCHIVES_stress_frames := $(TEST_LIB_ANALYZE) $(TEST_LIB_LOG)
THREAD_MEMORY_stress_frames := $(B)/obj/capture/base_memory.o $(B)/obj/tests/lib/log_builder.o
THREAD_PROGRAMS := $(THREAD_TESTS:%=$(B)/threads/%)
$(foreach t,$(THREAD_TESTS),$(eval $(call test_program,$(B)/threads/$(t),$(B)/obj/tests/threads/$(t).o,\
  $(or $(THREAD_ARCHIVES_$(t)),$(TEST_LIB_CAPTURE) $(TEST_LIB_LOG)),$(or $(THREAD_MEMORY_$(t)),$(THREAD_MEMORY)))))

# ---- Fuzzing -----------------------------------------------------------------------
# In `make test`: the kept corpus and a fixed number of changes to it, by
# driver.c.  In `make fuzz`: libFuzzer, with everything compiled by clang.
FUZZ_TARGETS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(B)/fuzz/%)
FUZZ_ARCHIVES := $(TEST_LIB_RENDER) $(TEST_LIB_ANALYZE) $(TEST_LIB_LOG)
FUZZ_ARCHIVES_fuzz_options := $(TEST_LIB_LOG)
FUZZ_ARCHIVES_fuzz_unwind := $(TEST_LIB_STACK) $(TEST_LIB_LOG)
FUZZ_SECONDS ?= 30
ifeq ($(FUZZER),1)
FUZZ_DRIVER :=
FUZZ_FLAGS := -fsanitize=fuzzer
MR_CFLAGS += -fsanitize=fuzzer-no-link
else
FUZZ_DRIVER := $(B)/obj/tests/fuzz/driver.o
endif
$(foreach t,$(FUZZ_TARGETS),$(eval $(call test_program,$(B)/fuzz/$(t),$(B)/obj/tests/fuzz/$(t).o,\
  $(or $(FUZZ_ARCHIVES_$(t)),$(FUZZ_ARCHIVES)),$(B)/obj/capture/base_memory.o,$(FUZZ_DRIVER),$(FUZZ_FLAGS))))

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS)
fuzz:
	@command -v clang >/dev/null || { echo "make fuzz: needs clang: apt-get install clang" >&2; exit 1; }
	$(Q)$(MAKE) B=$(B)/fuzzer CC=clang SAN=address,undefined FUZZER=1 fuzz-programs
	$(Q)for target in $(FUZZ_TARGETS); do \
	  mkdir -p $(B)/fuzzer/corpus/$$target tests/fuzz/corpus/$$target; \
	  echo "$$target: $(FUZZ_SECONDS) s"; \
	  $(B)/fuzzer/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 -print_final_stats=0 \
	    -verbosity=1 -artifact_prefix=$(B)/fuzzer/$$target- $(B)/fuzzer/corpus/$$target \
	    tests/fuzz/corpus/$$target || exit 1; \
	done

# ---- Programs that integration tests run ---------------------------------------------
# tests/fixtures/*.c use libmemcapture as any program does: its header and its archive.
# Those of FIXTURE_LIBRARIES are shared libraries of their own, for a program to load: NAME.so.
FIXTURE_LIBRARIES := exact_count heap_plugin heap_own_allocator
FIXTURE_FLAGS_exact_count := -Wl,-z,nodelete
FIXTURES := $(filter-out $(FIXTURE_LIBRARIES),$(basename $(notdir $(wildcard tests/fixtures/*.c))))
FIXTURE_PROGRAMS := $(FIXTURES:%=$(B)/fixtures/%)
$(FIXTURE_PROGRAMS): $(B)/fixtures/%: $(B)/obj/tests/fixtures/%.o $(B)/libmemcapture.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS) -rdynamic -o $@ $^ -Wl,-rpath,'$$ORIGIN' -lpthread

# What allocates in tests of the heap's recorder is not to be optimised away.
$(B)/obj/tests/fixtures/heap_%.o: OBJ_CFLAGS += -fno-builtin
$(B)/fixtures/heap_signals: $(B)/fixtures/heap_own_allocator.so
$(B)/fixtures/heap_exceptions: tests/fixtures/heap_exceptions.cc $(MAKEFILES_USED)
	@mkdir -p $(@D)
	$(say) CXX $@
	$(Q)$(CXX) -std=c++17 -Wall -Wextra -fno-builtin $(CXXFLAGS) -O2 -g $(SANITIZE) $(LDFLAGS) -o $@ $< -lpthread

# Without SANITIZE: its runtime would have to be there first.
$(FIXTURE_LIBRARIES:%=$(B)/fixtures/%.so): $(B)/fixtures/%.so: tests/fixtures/%.c $(MAKEFILES_USED)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARNINGS) -fPIC -fvisibility=hidden -fno-builtin $(CFLAGS) -shared \
	  -Wl,-soname,$(@F) $(FIXTURE_FLAGS_$*) -o $@ $< -lpthread -ldl

.PHONY: fixtures
fixtures: $(FIXTURE_PROGRAMS) $(B)/fixtures/heap_exceptions $(FIXTURE_LIBRARIES:%=$(B)/fixtures/%.so)

# ---- Running ----------------------------------------------------------------------------
JOBS ?= $(shell nproc)
RUN_TESTS = $(Q)MAKE='$(MAKE)' CC='$(CC)' CXX='$(CXX)' PKG_CONFIG='$(PKG_CONFIG)' PYTHON='$(PYTHON)' \
            tests/run --build '$(B)' --jobs $(JOBS) $(ONLY:%=--only '%')

.PHONY: test test-unit test-integration check-headers golden-update test-programs unit-programs thread-programs
test:
	$(Q)$(MAKE) --no-print-directory deps
	$(RUN_TESTS)
test-unit:
	$(RUN_TESTS) unit
test-integration:
	$(RUN_TESTS) integration
check-headers:
	$(RUN_TESTS) --as-built --only headers integration
golden-update:
	$(Q)GOLDEN_UPDATE=1 tests/run --build '$(B)' --only golden integration

unit-programs: $(UNIT_PROGRAMS)
thread-programs: $(THREAD_PROGRAMS)
test-programs: all commands samples fixtures unit-programs

# ---- Measuring ------------------------------------------------------------------------------
# Never part of `make test`: figures depend on the machine and on what else it does.
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/bench_*.c))
# The interposer's call stacks, compiled as they are in it.
BENCH_STACK_OBJECTS := $(filter-out $(B)/obj-preload/capture/preload/hooks% $(B)/obj-preload/capture/preload/thread%, \
                         $(PRELOAD_OBJECTS))
$(B)/bench/bench_stack: $(B)/obj/tests/bench/bench_stack.o $(BENCH_STACK_OBJECTS)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -Wl,--gc-sections -o $@ $^ -lpthread
$(filter-out $(B)/bench/bench_stack,$(BENCH_PROGRAMS)): $(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/libmemcapture.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread

.PHONY: bench
bench: commands python $(BENCH_PROGRAMS) fixtures
	$(Q)PYTHON='$(PYTHON)' PYMPLER='$(PYMPLER)' REFTRACKER='$(REFTRACKER)' FULL='$(FULL)' tests/bench/run --build '$(B)' $(PART:%=--part '%')
