# SPDX-License-Identifier: MIT
# samples/: small programs that show what libmemcapture does; they use its header
# and its archive as any program does.  README.md says what each is about.

SAMPLES := catalogue factory leak shapes stock words xml_nodes
SAMPLE_PROGRAMS := $(SAMPLES:%=$(B)/samples/%)
# As a program of one's own is built: file and line in traces, by names that do not
# depend on where this is built, and functions that can be named without them.
SAMPLE_CFLAGS := -g -fno-omit-frame-pointer -fvisibility=default -ffile-prefix-map=$(CURDIR)=.
SAMPLE_XML_CFLAGS = $(eval SAMPLE_XML_CFLAGS := $(shell $(PKG_CONFIG) --cflags libxml-2.0))$(SAMPLE_XML_CFLAGS)
SAMPLE_XML_LIBS = $(eval SAMPLE_XML_LIBS := $(shell $(PKG_CONFIG) --libs libxml-2.0))$(SAMPLE_XML_LIBS)

.PHONY: samples sample-log
samples: $(SAMPLE_PROGRAMS)

$(B)/obj/samples/%.o: OBJ_CFLAGS += $(SAMPLE_CFLAGS)
$(B)/obj/samples/xml_nodes.o: OBJ_CFLAGS += $(SAMPLE_XML_CFLAGS)
$(B)/obj/samples/%.o: samples/%.cpp Makefile samples/rules.mk
	@mkdir -p $(@D)
	$(say) CXX $<
	$(Q)$(CXX) -Icapture $(CPPFLAGS) -std=c++17 -Wall -Wextra $(SANITIZE) $(SAMPLE_CFLAGS) $(or $(CXXFLAGS),-O2) \
	  -MMD -MP -c -o $@ $<

$(B)/samples/shapes $(B)/samples/stock: SAMPLE_LINK = $(CXX)
$(B)/samples/xml_nodes: SAMPLE_LIBS = $(SAMPLE_XML_LIBS)
# -rdynamic: the program's own functions have names in traces even without debug information.
$(SAMPLE_PROGRAMS): $(B)/samples/%: $(B)/obj/samples/%.o $(B)/libmemcapture.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(or $(SAMPLE_LINK),$(CC)) $(SANITIZE) $(LDFLAGS) -rdynamic -o $@ $^ $(SAMPLE_LIBS) -lpthread

# ---- The demo ------------------------------------------------------------------
# A catalogue of 1000 products is a document of 60,000 nodes.

DEMO_PROGRAM := $(B)/samples/xml_nodes
DEMO_ARGUMENTS := $(B)/demo/catalogue.xml
demo-run: $(DEMO_ARGUMENTS)

$(B)/demo/catalogue.xml: $(B)/samples/catalogue
	@mkdir -p $(@D)
	$(say) WRITE $@
	$(Q)$< 1000 >$@

# The log that the tests and a look at the report start from.
$(B)/demo/profile.dat: $(DEMO_PROGRAM) $(B)/demo/catalogue.xml
	$(say) RUN $<
	$(Q)MEMCAPTURE_LOG=$@ $< $(DEMO_ARGUMENTS) >$(B)/demo/known.txt
sample-log: $(B)/demo/profile.dat

# Integration tests run them.
test-programs: $(SAMPLE_PROGRAMS) $(B)/demo/catalogue.xml
