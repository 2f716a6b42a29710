#!/bin/sh
# SPDX-License-Identifier: MIT
#
# insn-lengths.sh DECODER - our instruction lengths against objdump's, over
# the libraries of this machine. What neither can be sure of (a prefix shown
# alone: data in the text) must stay under one in a thousand.

decoder=$1
nr=0
bad=0

if ! command -v objdump >/dev/null; then
	echo '1..0 # SKIP no objdump here'
	exit 0
fi

try()
{
	counts=$(objdump -d --insn-width=16 "$1" 2>/dev/null |
		"$decoder" | tail -1)
	read -r all unclear wrong <<-end
		$counts
	end
	nr=$((nr + 1))
	if [ "${all:-0}" -gt 1000 ] && [ "$wrong" = 0 ] &&
		[ $((unclear * 1000)) -lt "$all" ]; then
		echo "ok $nr - $1: $all instructions, $unclear unclear"
	else
		echo "not ok $nr - $1: all, unclear, wrong: $counts"
		objdump -d --insn-width=16 "$1" | "$decoder" | head -5
		bad=1
	fi
}

for file in /lib64/ld-linux-x86-64.so.2 /lib/*/libc.so.6 /lib/*/libm.so.6 \
	/lib/*/libgcc_s.so.1 /usr/lib/*/libstdc++.so.6 \
	/usr/lib/*/libcrypto.so.3 /usr/lib/*/libgomp.so.1 \
	/usr/lib/*/libx264.so.* /bin/bash /usr/bin/git; do
	[ -e "$file" ] && try "$file"
done
echo "1..$nr"
exit $bad
