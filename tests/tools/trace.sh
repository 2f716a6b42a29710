#!/bin/sh
# SPDX-License-Identifier: MIT
# mmun trace: what passes through it, and what it sees.
# shellcheck disable=SC2016 # for inner shells and perl to expand
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"
victim=$PROGRAMS/victim
json=$work/json

# traced ARGS...: the victim under mmun trace, JSON to a file
traced() {
	"$MMUN" trace --json -o "$json" -- "$victim" "$@" 2>"$work/err"
}

events() {
	python3 "$here/events.py" "$json" "$@"
}

# at_least NAME NUMBER OPERATION
at_least() {
	seen=$(events count "$3") || seen=-1
	if [ "$seen" -ge "$2" ]; then
		ok 0 "$1"
	else
		ok 1 "$1: $seen of $2 $3 calls"
	fi
}

nothing_lost() {
	is "$1: nothing lost" 0 "$(events field lost)"
}

# --- status and streams ---
"$MMUN" trace -q sh -c 'exit 7' 2>/dev/null
is 'exit status 7' 7 $?
"$MMUN" trace -q true 2>"$work/err"
is 'exit status 0' 0 $?
is 'no line of ours with -q and nothing lost' '' \
	"$(grep -vE '^[a-z_0-9]+ 0x|^\[pid' "$work/err")"
for sig in 9 15 11 1 2; do
	# a shell of its own, which says what ended its child
	(
		sh -c '"$0" trace -q -o /dev/null sh -c "kill -$1 \$\$"; exit $?' \
			"$MMUN" "$sig"
	) 2>/dev/null
	is "fatal signal $sig" $((128 + sig)) $?
done
is 'standard output and input are untouched' 'in' \
	"$(echo in | "$MMUN" trace -q -o /dev/null cat)"
is 'LD_PRELOAD that was there stays, behind ours' "libmmun-trace.so:$victim" \
	"$(LD_PRELOAD=$victim "$MMUN" trace -q -o /dev/null sh -c \
		'echo "${LD_PRELOAD##*/libmmun-trace.so}"' 2>/dev/null |
		sed 's/^/libmmun-trace.so/')"

if command -v python3 >/dev/null; then
	python3 "$here/signals.py" "$MMUN" "$victim"
	ok $? 'signals'
else
	skip 'signals' 'no python3'
fi

# --- what it sees ---
traced ranges >"$work/expected"
is 'ranges: status' 0 $?
events has <"$work/expected" >"$work/missing"
ok $? 'ranges: as the kernel rounds them'
sed 's/^/# /' "$work/missing"
nothing_lost ranges
traced closefrom 100
at_least 'closefrom(0) loses nothing' 100 munmap
traced forks 5
at_least 'forked children' 50 munmap
traced vfork >"$work/expected"
events has <"$work/expected" >"$work/missing"
ok $? 'a vfork child'
traced spawn
at_least 'posix_spawn' 10 munmap
is 'two program images' 2 "$(events field images)"
traced threads 200
at_least 'threads' 800 munmap
traced handler 2000
at_least 'signal handlers' 2000 munmap
nothing_lost 'signal handlers'
traced daemon
at_least 'a child that outlives the program' 10 munmap
"$MMUN" trace --json -o "$json" -- sh -c "$victim lose 5; exec $victim lose 6"
at_least 'exec by a shell' 11 munmap

# --- the ring ---
"$MMUN" trace --json --records=16 -o "$json" "$victim" lose 50000 2>"$work/err"
is 'a tiny ring: status' 0 $?
lost=$(events field lost)
[ "$lost" -gt 0 ]
ok $? 'a tiny ring: the lost are counted'
like 'a tiny ring: says so' "^mmun: $lost records lost; use --records" \
	"$work/err"
seen=$(events count munmap)
[ $((2 * seen + lost)) -ge 100000 ]
ok $? 'a tiny ring: seen and lost together are all'
traced kills 40
is 'killed producers: status' 0 $?
at_least 'killed producers do not stall the reader' 10 munmap

for seed in 1 2 3; do
	"$MMUN" trace -o "$work/text" "$victim" vandal $seed 2>/dev/null
	is "a ring full of garbage, $seed" 0 $?
	like "a ring full of garbage, $seed: a summary" '^lost records: ' \
		"$work/text"
done

# --- text ---
TERM=xterm "$MMUN" trace "$victim" ranges >/dev/null 2>"$work/text"
like 'a line' '^munmap 0x[0-9a-f]+-0x[0-9a-f]+ UNMAP 4\.0K victim(:|\+0x)' \
	"$work/text"
like 'two ranges, two lines' '^mremap .* UNMAP 16K ' "$work/text"
like 'summary: a row' '^munmap +[0-9]+ +0 +[0-9.]+[BKM] ' "$work/text"
like 'summary: lost, even if none' '^lost records: 0$' "$work/text"
like 'summary: overhead' '^overhead: [0-9]+ ns per operation' "$work/text"
like 'summary: coverage' '^coverage: 1 program image, [1-9]' "$work/text"
"$MMUN" trace -o "$work/failed" "$victim" fails
like 'a call that fails' '^madvise .* CLEAR 8\.0K .* = -ENOMEM$' "$work/failed"
like 'an exec that fails' '^execve .* all .* = -ENOENT$' "$work/failed"
like 'an exec that does not return' '^execve .* all [^=]*$' "$work/failed"
like 'and the end of the program' '^exit_group .* RELEASE all [^=]*$' \
	"$work/failed"
like 'failures are counted' '^execve +2 +1 ' "$work/failed"
unlike 'no colour in a file' "$(printf '\033')" "$work/text"
unlike 'no pid with one thread' '^\[pid' "$work/text"
"$MMUN" trace -o "$work/text" "$victim" forks 1
like 'pid with several' '^\[pid [0-9]+\] munmap ' "$work/text"
"$MMUN" trace -c -o "$work/text" "$victim" lose 10
unlike '-c: no lines' ' UNMAP ' "$work/text"
like '-c: a summary' '^total ' "$work/text"
"$MMUN" trace --color=always -o "$work/text" "$victim" lose 1
like '--color=always' "$(printf '\033')\\[31mUNMAP" "$work/text"
"$MMUN" trace --color=always --json -o "$work/text" "$victim" lose 1
unlike 'no colour in JSON' "$(printf '\033')" "$work/text"

# on_terminal ENVIRONMENT...: coloured there?
on_terminal() {
	env "$@" script -qec "$MMUN trace -q $victim lose 1" /dev/null \
		</dev/null >"$work/text"
}
if command -v script >/dev/null; then
	on_terminal -u NO_COLOR TERM=xterm
	like 'colour on a terminal' "$(printf '\033')\\[31m" "$work/text"
	on_terminal NO_COLOR=1 TERM=xterm
	unlike 'NO_COLOR' "$(printf '\033')\\[31m" "$work/text"
	on_terminal -u NO_COLOR TERM=dumb
	unlike 'TERM=dumb' "$(printf '\033')\\[31m" "$work/text"
else
	skip 'colour on a terminal' 'no script(1)'
fi
finish
