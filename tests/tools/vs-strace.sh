#!/bin/sh
# SPDX-License-Identifier: MIT
# strace outside, mmun trace inside, the same run: no page-losing call that
# strace saw went unannounced. What is compared, vs-strace.py says.
# shellcheck disable=SC2016 # for inner shells and perl to expand
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"
unset LD_PRELOAD
library=$(dirname "$(readlink -f "$MMUN")")/../libmmun.so

for tool in strace python3 nm readelf; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP no $tool"
		exit 0
	fi
done
if ! strace -o /dev/null true 2>/dev/null; then
	echo '1..0 # SKIP strace may not trace here'
	exit 0
fi

# compared NAME MINIMUM COMMAND...: so many calls at least; 0 where it is up to
# the allocator and the size of a directory whether there are any
compared() {
	name=$1 minimum=$2
	shift 2
	if ! command -v "$1" >/dev/null; then
		skip "$name" "no $1"
		return
	fi
	(cd "$work/repo" && strace -f -i -y -o "$work/log" \
		-e trace=memory,execve,execveat,clone,clone3,fork,vfork \
		"$MMUN" trace --json -o "$work/json" -- "$@") \
		>/dev/null 2>"$work/err" </dev/null
	python3 "$here/vs-strace.py" "$work/log" "$work/json" "$library" \
		"$minimum" >"$work/result" 2>&1
	ok $? "$name"
	sed 's/^/# /' "$work/result"
}

mkdir "$work/repo"
if command -v git >/dev/null; then
	(cd "$work/repo" && git init -q . && echo text >file && git add file &&
		git -c user.name=nobody -c user.email=nobody@localhost \
			commit -q -m first)
fi
compared 'true' 0 /bin/true
compared ls 0 ls -lR /usr/share/doc/bash /etc
compared 'bash, a script' 2 bash -c \
	'for i in 1 2 3; do x=$(seq 1 1000 | sort -rn | wc -l); done; ls | cat'
compared python3 100 python3 -c '
import json, sqlite3, ctypes, mmap, subprocess, threading
def work():
    for i in range(20):
        b = bytearray(1 << 21)
        m = mmap.mmap(-1, 1 << 20); m[0] = 1; m.close()
all = [threading.Thread(target=work) for i in range(3)]
for t in all: t.start()
for t in all: t.join()
subprocess.run(["true"])'
compared 'git status' 1 git status
compared 'git log' 1 git log -p
compared perl 1 perl -e 'use POSIX; my @a = map { "x" x 10000 } 1..3000;
	undef @a; print `echo child`'
compared sqlite3 0 sqlite3 :memory: 'create table t(x);
	with recursive n(i) as (select 1 union all select i+1 from n
	where i < 30000) insert into t select i from n; select sum(x) from t;'
compared gcc 0 gcc -x c -c -o "$work/object" /dev/null
compared java 20 java -Xmx64m -XX:TieredStopAtLevel=1 -version
compared node 20 node -e 'Buffer.alloc(1 << 24); require("child_process")
	.execSync("true")'
compared 'the ranges of our own victim' 7 "$PROGRAMS/victim" ranges
compared 'forked children' 30 "$PROGRAMS/victim" forks 3
compared 'a vfork child' 1 "$PROGRAMS/victim" vfork
compared threads 200 "$PROGRAMS/victim" threads 50
compared 'signal handlers' 300 "$PROGRAMS/victim" handler 300
finish
