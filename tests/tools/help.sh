#!/bin/sh
# SPDX-License-Identifier: MIT
# What --help says and what the manual pages say is the same.
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"
man=$here/../../man

# documented PAGE: the options of a page, one a line
documented() {
	grep -E '^\.It Fl ' "$man/$1" | tr ',' '\n' |
		sed -nE 's/.*Fl -([a-z-]+).*/--\1/p; s/.*Fl ([A-Za-z]) *.*/-\1/p' |
		sort -u
}

# helped ARGS...: the options in a help text
helped() {
	"$MMUN" "$@" --help | sed -n '/^Options:/,/^$/p' |
		grep -oE '^ {2,6}(-[A-Za-z], )?--[a-z-]+|^  -[A-Za-z]' |
		grep -oE -- '--[a-z-]+|-[A-Za-z]\b' | sort -u
}

# same PAGE ARGS...
same() {
	page=$1
	shift
	options=$(helped "$@")
	[ -n "$options" ]
	ok $? "$page: there are options"
	is "$page: the same options" "$options" "$(documented "$page")"
	lines=$("$MMUN" "$@" --help | wc -l)
	[ "$lines" -le 40 ]
	ok $? "$page: --help fits 40 lines ($lines)"
	is "$page: --help fits 80 columns" '' \
		"$("$MMUN" "$@" --help | grep -E '^.{80,}$')"
	"$MMUN" "$@" --help >/dev/null
	is "$page: --help succeeds" 0 $?
}

same mmun.1
same mmun-trace.1 trace
same mmun-demo.1 demo
is 'version' 1 "$("$MMUN" --version | grep -cE '^mmun [0-9]+\.[0-9]+\.[0-9]+$')"
is '-V is --version' "$("$MMUN" --version)" "$("$MMUN" -V)"
if [ -w /dev/full ]; then
	"$MMUN" --help >/dev/full 2>"$work/err"
	is 'help that cannot be written' 125 $?
	like 'and says so' 'cannot write to standard output' "$work/err"
fi
finish
