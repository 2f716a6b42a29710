#!/bin/sh
# SPDX-License-Identifier: MIT
# mmun demo: wrong without mmun, right with it, the same every time.
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"

# shown NAME: the table has wrong ones in its third column only
shown() {
	awk -v name="$1" '
		/^total / { n++; if ($(NF-1) > 0 && $NF == 0) good = 1
			    tries = $(NF-2) }
		/^[a-z].* [0-9]+ +[0-9]+ +[0-9]+$/ && !/^total/ {
			ways++; if ($(NF-1) == 0 || $NF != 0) bad++ }
		END { exit !(n == 1 && good && ways == 5 && !bad &&
			     tries >= 300) }' "$work/out"
	ok $? "$1: every way wrong without mmun, none with it"
}

"$MMUN" demo tlb >"$work/out" 2>"$work/err"
is 'tlb: status' 0 $?
shown tlb
cp "$work/out" "$work/first"
"$MMUN" demo tlb >"$work/out" 2>&1
cmp -s "$work/first" "$work/out"
ok $? 'tlb: the same again'

"$MMUN" demo uring >"$work/out" 2>"$work/err"
is 'uring: status' 0 $?
shown uring
if grep -q '^no io_uring here' "$work/out"; then
	skip 'uring: reads and writes' 'no io_uring here'
else
	like 'uring: reads' '[1-9][0-9]* reads reported 4096' "$work/out"
	like 'uring: writes' '[1-9][0-9]* writes put freed' "$work/out"
	cp "$work/out" "$work/first"
	"$MMUN" demo >"$work/out" 2>&1
	cmp -s "$work/first" "$work/out"
	ok $? 'uring: the same again, and the default'
fi
"$PROGRAMS/refuse" uring "$MMUN" demo >"$work/out" 2>"$work/err"
is 'no io_uring: status' 0 $?
like 'no io_uring: says so' '^no io_uring here \(' "$work/out"
shown 'no io_uring'
"$MMUN" trace -q -o /dev/null "$MMUN" demo tlb >"$work/out" 2>&1
is 'traced: one copy of the library serves both' 0 $?
finish
