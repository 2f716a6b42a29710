# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# tests/tools/tap.sh - TAP for shell tests; sourced with MMUN and PROGRAMS set.

: "${MMUN:?the program under test}" "${PROGRAMS:?where the test programs are}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0

# ok STATUS NAME: one test case
ok() {
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
	fi
}

# is NAME EXPECTED ACTUAL
is() {
	if [ "$2" = "$3" ]; then
		ok 0 "$1"
	else
		ok 1 "$1"
		printf '# expected: %s\n# got: %s\n' "$2" "$3" |
			sed '1n; s/^[^#]/# &/'
	fi
}

# like NAME PATTERN FILE: does a line match?
like() {
	if grep -qE -- "$2" "$3"; then
		ok 0 "$1"
	else
		ok 1 "$1"
		echo "# no line matches $2 in:"
		head -n 20 "$3" | sed 's/^/# /'
	fi
}

# unlike NAME PATTERN FILE
unlike() {
	if grep -qE -- "$2" "$3"; then
		ok 1 "$1"
		grep -E -- "$2" "$3" | head -n 5 | sed 's/^/# /'
	else
		ok 0 "$1"
	fi
}

skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

finish() {
	echo "1..$count"
}
