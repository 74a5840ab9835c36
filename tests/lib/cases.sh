# SPDX-License-Identifier: MIT
# For integration tests in bash: `. "$MR_ROOT/tests/lib/cases.sh"`.
#
#     case_ NAME COMMAND...          ok when the command succeeds
#     exits STATUS COMMAND...        succeeds when the command exits so; its output is in $out and $err
#     holds TEXT FILE                succeeds when FILE holds TEXT
#
# The script's exit status is 1 when a case failed.

set -u
cases_failed=0
out=$PWD/stdout.txt
err=$PWD/stderr.txt

case_() {
	local name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
		cases_failed=1
	fi
}

exits() {
	local expected=$1 status=0
	shift
	"$@" >"$out" 2>"$err" </dev/null || status=$?
	[ "$status" -eq "$expected" ] && return 0
	echo "exit status $status, expected $expected: $*"
	head -c 2000 "$err"
	return 1
}

holds() {
	grep -qF -- "$1" "$2" && return 0
	echo "'$1' is not in $2:"
	head -c 2000 "$2"
	return 1
}

trap 'exit $cases_failed' EXIT
