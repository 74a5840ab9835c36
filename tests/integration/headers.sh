#!/bin/bash
# SPDX-License-Identifier: MIT
# Every header compiles alone; the three public ones as C++ too, with warnings
# as errors, and without the project's own folders.
. "$MR_ROOT/tests/lib/cases.sh"
cd "$MR_ROOT" || exit 1

cc=${CC:-cc}
cxx=${CXX:-g++}
read -ra packages <<<"$("${PKG_CONFIG:-pkg-config}" --cflags cairo libxml-2.0 jansson libzstd)"
python=$("${MR_PYTHON:-/usr/bin/python3}" -c 'import sysconfig; print(sysconfig.get_path("include"))')
public=" capture/memcapture.h analyze/memstats.h render/memreport.h "
strict=(-Wall -Wextra -Werror)

as_c() {
	$cc -std=gnu11 -D_GNU_SOURCE "${strict[@]}" -Icapture -Icapture/preload -Icapture/python -Icapture/python/census \
		-Ianalyze -Irender -Itests/lib "${packages[@]}" -isystem "$python" \
		-fsyntax-only -x c -include "$1" /dev/null
}

# What someone else's program includes: strict C, strict C++, and of ours only
# the three public headers side by side, as they are installed.
installed=$TMPDIR/include
mkdir -p "$installed"
cp $public "$installed"
as_public() {
	set -- "$installed/${1##*/}"
	$cc -std=c11 -pedantic "${strict[@]}" -fsyntax-only -x c -include "$1" /dev/null &&
		$cxx -std=c++11 -pedantic "${strict[@]}" -fsyntax-only -x c++ -include "$1" /dev/null &&
		$cxx -std=c++20 -pedantic "${strict[@]}" -fsyntax-only -x c++ -include "$1" /dev/null
}

for header in */*.h */*/*.h */*/*/*.h; do
	[ -e "$header" ] || continue
	if [[ $header == capture/python/* && ! -e $python/Python.h ]]; then
		echo "skip $header: no headers of Python (python3-dev)"
		continue
	fi
	case_ "$header" as_c "$header"
	if [[ $public == *" $header "* ]]; then
		case_ "$header as C++ and strict C" as_public "$header"
	fi
done
