#!/bin/sh
# SPDX-License-Identifier: MIT
# Real programs print the same and end the same under mmun trace.
# shellcheck disable=SC2016 # for inner shells and perl to expand
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"
unset LD_PRELOAD

# same NAME COMMAND...: twice in fresh copies of the same directory
same() {
	name=$1
	shift
	if ! command -v "$1" >/dev/null; then
		skip "$name" "no $1"
		return
	fi
	rm -rf "$work/dir"
	cp -a "$work/template" "$work/dir"
	(cd "$work/dir" && "$@") >"$work/plain" 2>"$work/plain.err" </dev/null
	plain=$?
	rm -rf "$work/dir"
	cp -a "$work/template" "$work/dir"
	(cd "$work/dir" &&
		"$MMUN" trace --json -o "$work/json" -- "$@") \
		>"$work/traced" 2>"$work/traced.err" </dev/null
	is "$name: exit status" "$plain" $?
	cmp -s "$work/plain" "$work/traced"
	ok $? "$name: the same output"
	is "$name: the same errors" '' \
		"$(diff "$work/plain.err" "$work/traced.err" | head -n 5)"
	python3 "$here/events.py" "$work/json" >"$work/events" 2>&1
	ok $? "$name: a sound trace"
	[ -s "$work/events" ]
	ok $? "$name: pages were lost"
}

mkdir "$work/template"
cat >"$work/template/main.c" <<'END'
#include <stdio.h>
int main(void) { puts("hello"); return 0; }
END
cat >"$work/template/Hello.java" <<'END'
public class Hello {
	public static void main(String[] args) throws Exception {
		long sum = 0;
		Thread[] all = new Thread[4];
		for (int i = 0; i < all.length; i++) {
			all[i] = new Thread(() -> {
				byte[][] keep = new byte[64][];
				for (int j = 0; j < 4000; j++)
					keep[j % 64] = new byte[20000];
			});
			all[i].start();
		}
		for (Thread t : all)
			t.join();
		for (int i = 0; i < 1000; i++)
			sum += i;
		System.out.println("sum " + sum);
		System.exit(3);
	}
}
END
if command -v git >/dev/null; then
	git -C "$work/template" init -q .
	git -C "$work/template" config user.name nobody
	git -C "$work/template" config user.email nobody@localhost
	git -C "$work/template" add .
	git -C "$work/template" commit -q -m first
fi

same bash bash -c 'x=$(seq 1 2000 | sort -rn | head -n 3); echo $x; exit 5'
same 'bash, a pipeline that is killed' bash -c 'yes | head -n 2; kill -9 $$'
same python3 python3 -c '
import subprocess, threading, mmap, sqlite3, ctypes, json
def work():
    for i in range(50):
        b = bytearray(1 << 20)
        m = mmap.mmap(-1, 1 << 20); m[0] = 1; m.close()
all = [threading.Thread(target=work) for i in range(4)]
for t in all: t.start()
for t in all: t.join()
print(subprocess.run(["echo", "child"], capture_output=True).stdout)
print(sqlite3.connect(":memory:").execute("select 6*7").fetchall())
raise SystemExit(4)'
same 'python3, multiprocessing' python3 -c '
import multiprocessing as m
with m.Pool(2) as pool: print(pool.map(abs, range(-5, 5)))'
same git git log --stat
same 'git status' git status
same 'git clone' git clone -q . copy
same 'git gc' git gc -q
same gcc sh -c 'gcc -O2 -o main main.c && ./main'
same 'gcc, an error' gcc -c /no/such/file.c
same perl perl -e 'my @a = map { "x" x 1000 } 1..5000; print scalar(@a), "\n";
	print `echo child`; exit 6'
same sqlite3 sqlite3 :memory: 'create table t(x);
	with recursive n(i) as (select 1 union all select i+1 from n
	where i < 50000) insert into t select i from n; select sum(x) from t;'
same java java Hello.java
same 'java, parallel collector' java -XX:+UseParallelGC -Xmx64m Hello.java
same node node -e '
const a = []; for (let i = 0; i < 200; i++) a.push(Buffer.alloc(100000));
console.log(require("child_process").execSync("echo child").toString(), a.length);
process.exit(2)'
same tar tar cf archive.tar .git
same find find . -name '*.c'
finish
