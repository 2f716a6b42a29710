#!/bin/sh
# SPDX-License-Identifier: MIT
#
# general-regs.sh LIBRARY.a - what runs before the vector state is saved
# touches no vector and no x87 register, and calls nothing of libc's.

members='^(sys_.*|core_open|core_itree|core_srcu|live_hook|live_entry|live_ops_.*)\.[cS]\.o:'

if ! command -v objdump >/dev/null; then
	echo '1..0 # SKIP no objdump here'
	exit 0
fi
echo 1..2

code=$(objdump -dr --no-show-raw-insn "$1" | awk -v members="$members" '
	/file format/ { take = $1 ~ members; name = $1; seen += take; next }
	/file format|^$|^Disassembly/ { next }
	/<.*>:$/ { fn = $2; next }
	# Saving and loading them is what these two are for.
	fn ~ /mmun_live_(save|load)_vectors/ { next }
	take { print name " " fn " " $0 }
	END { if (seen < 12) print "%xmm: only " seen " members found" }')

check()
{
	if found=$(echo "$code" | grep -E "$2"); then
		echo "not ok $1 - $3"
		echo "$found" | sed -n '1,5s/^/# /p'
		bad=1
	else
		echo "ok $1 - $3"
	fi
}

bad=0
check 1 '%[xyz]mm|%st|%mm[0-7]' 'no vector registers'
# Writers of the tree, and debug messages, are not on that way.
code=$(echo "$code" | grep -Ev '^core_itree|<sys_write_str>')
check 2 'R_X86_64_PLT32[[:space:]]+(mem|str)(cpy|set|move|cmp|len|chr)' \
	'no string functions of libc'
exit $bad
