# The door. meson.build says how things are built; this says what one can ask for:
#
#   make                     build/ferry and build/libferry.so
#   make run                 build and run the demonstration, `ferry demo`
#   make test                unit tests, end-to-end tests, the project's own rules
#   make test SAN=address,undefined   unit and end-to-end tests under sanitizers (or SAN=thread)
#   make interop             other people's programs through ferry: MariaDB, tmux, ssh, ...
#   make soak                an ordinary day in five minutes
#   make torture             every system call and allocation fails in turn, while ferry works; of
#                            POINTS drawn at random, or all of them (POINTS=0)
#   make fault               what make test does of faults, on a larger scale: a million malformed
#                            messages, ten thousand clients that say nothing; of rings, twenty
#                            thousand ends killed, ten million loads that the peer rewrites; of auto:
#                            connections a million messages that move, twenty thousand ends killed
#   make mutation            floors 0 to 5 are broken in MUTANTS=300 small ways, drawn by SEED=, one at a
#                            time: which of them no test sees; SECONDS= breaks off, the same SEED= goes
#                            on (as root; ten minutes go into learning which test reaches what)
#   make bench               what it costs to see every socket; what socket options do on a path
#                            with delay (as root, twenty minutes)
#   make fuzz SECONDS=60     each fuzzer of tests/fuzz for so long (clang, libFuzzer); what they
#                            found before is replayed by make test
#   make install             into PREFIX (/usr/local) under DESTDIR
#   make deb                 Debian packages, in build/deb
#   make static              build-static/ferry, the program alone, with nothing shared
#   make abi                 accept the libraries' present ABI as the one to compare with
#   make format, make clean
#
# Each installs the Debian packages that it needs and that are missing.

SAN    =
PREFIX = /usr/local

comma := ,
build := build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
# Sanitizers: slow code is no use, and their run-time library comes with the linked program only.
setup := --prefix $(PREFIX) $(if $(SAN),-Db_sanitize=$(SAN) -Db_lundef=false -Doptimization=1)

sources = $(shell find include src tests examples bench -name '*.[ch]')

all: packages-build $(build)/build.ninja
	@ninja -C $(build)

run: all
	@$(build)/ferry demo

# Those that look at the whole machine, or would be in the way of one that does (a ferry that is
# stopped keeps top waiting), one after the other; beside them those that look at what they have started
# themselves, and the project's rules, in two groups that take as long as each other, and the unit tests;
# after all of them those whose numbers anybody else would change.
end_to_end = $(wildcard tests/end_to_end/test_*.py)
looking    = $(filter $(patsubst %,tests/end_to_end/test_%,\
    endpoints.py endpoints_n% endpoints_f% endpoints_a% graph% identity% ls% metrics% show% top% why%),$(end_to_end))

alone      = tests/end_to_end/test_endpoints_many.py
waiting    = $(filter $(patsubst %,tests/end_to_end/test_%,caller.py keep.py ping% weather.py),$(end_to_end))

test: packages-test $(build)/tests.stamp
	@ninja -C $(build)
	@scripts/run-suite --unit test $(build) "$(SAN)" $(looking) \
	    --beside $(if $(SAN),,tests/project tests/model) $(waiting) \
	    --beside tests/fault $(filter-out $(looking) $(waiting) $(alone),$(end_to_end)) \
	    --after $(alone)

interop: packages-interop $(build)/build.ninja
	@ninja -C $(build)
	@scripts/run-suite interop $(build) "$(SAN)" tests/interop

soak: packages-test $(build)/build.ninja
	@ninja -C $(build)
	@scripts/run-suite soak $(build) "$(SAN)" tests/soak

POINTS = 240
torture: packages-test $(build)/build.ninja
	@ninja -C $(build)
	@FERRY_TORTURE_POINTS=$(POINTS) scripts/run-suite torture $(build) "$(SAN)" tests/torture

fault: packages-test $(build)/tests.stamp
	@ninja -C $(build)
	@FERRY_FAULT_MESSAGES=1000000 FERRY_FAULT_CLIENTS=10000 \
	    FERRY_FAULT_KILLS=20000 FERRY_FAULT_LOADS=10000000 \
	    FERRY_FAULT_MOVED=1000000 FERRY_FAULT_MOVE_KILLS=20000 FERRY_FAULT_CALLS=2000000 \
	    scripts/run-suite fault $(build) "$(SAN)" tests/fault

MUTANTS = 300
SEED    =
mutation: packages-mutation $(build)/tests.stamp
	@/usr/bin/python3 tests/mutation/mutation.py $(build) --mutants $(MUTANTS) $(if $(SEED),--seed $(SEED)) \
	    $(if $(filter file default,$(origin SECONDS)),,--seconds $(SECONDS))

bench: packages-test $(build)/build.ninja
	@ninja -C $(build) ferry bench/bench-path bench/bench-pairs bench/bench-bare-look bench/bench-flood \
	    bench/bench-bare-relay bench/bench-channel bench/bench-visits bench/bench-ring bench/bench-zero-copy
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/seeing.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/options.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/relay.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/channel.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/ring.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/auto.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/choice.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/mechanisms.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/visits.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/mute.py
	@FERRY_BUILD=$(build) /usr/bin/python3 bench/zero_copy.py

SECONDS = 60
fuzzers := $(shell cat tests/fuzz/fuzzers)
fuzz: packages-test
	@[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Dtests=disabled \
	    -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
	@ninja -C build-fuzz $(fuzzers:%=tests/fuzz/fuzz-%)
	@for name in $(fuzzers); do \
	    echo "== $$name"; found=build-fuzz/found/$$name; mkdir -p $$found; \
	    words=$$(ls tests/fuzz/$$name.dict 2>/dev/null); \
	    build-fuzz/tests/fuzz/fuzz-$$name $${words:+-dict=$$words} -max_total_time=$(SECONDS) \
	        -print_final_stats=1 -artifact_prefix=build-fuzz/$$name- \
	        $$found tests/fuzz/corpus/$$name >$$found.log 2>&1 || { tail -n 40 $$found.log; exit 1; }; \
	    grep -a -e stat:: -e 'DONE  ' $$found.log; \
	done

install: packages-build $(build)/build.ninja
	@meson configure $(build) --prefix $(PREFIX)
	@ninja -C $(build)
	@meson install -C $(build) --no-rebuild $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")
	@$(if $(DESTDIR),,ldconfig || true)

deb: packages-package
	@scripts/make-packages build/deb

# As small as it gets: no screen of top, which were of no use without a database of terminals anyway.
static: packages-build build-static/build.ninja
	@ninja -C build-static ferry
	@stat -c '%n: %s bytes, needs no other file' build-static/ferry

abi: packages-test $(build)/build.ninja
	@ninja -C $(build)
	@for library in libferry libferry-endpoints; do \
	    scripts/dump-abi $(build)/$$library.so tests/project/$$library.abi || exit 1; \
	done

format: packages-test
	@clang-format -i $(sources)

clean:
	rm -rf build build-fuzz build-static build-address-undefined build-address build-undefined build-thread

build-static/build.ninja:
	@meson setup build-static --buildtype minsize -Db_lto=true -Dstatic=true -Dscreen=disabled \
	    -Dtests=disabled

$(build)/build.ninja:
	@meson setup $(build) $(setup)

# A directory that was configured before check was installed has no tests yet; and meson remembers
# the headers that it did not find, so that it may have to begin anew.
$(build)/tests.stamp: $(build)/build.ninja
	@meson configure --clearcache $(build)
	@meson setup --reconfigure $(build) $(setup) -Dtests=enabled || \
	    meson setup --wipe $(build) $(setup) -Dtests=enabled
	@touch $@

packages-%:
	@scripts/install-dependencies $*

.PHONY: all run test interop soak torture fault mutation bench fuzz install deb static abi format clean
