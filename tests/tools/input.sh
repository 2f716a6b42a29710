#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input gets one line that says what and what to do, and harms nobody.
here=$(dirname "$0")
# shellcheck source=tests/tools/tap.sh
. "$here/tap.sh"

# refused NAME STATUS PATTERN ARGS...: one line, and nothing ran
refused() {
	name=$1 status=$2 pattern=$3
	shift 3
	"$MMUN" "$@" >"$work/out" 2>"$work/err" </dev/null
	is "$name: status" "$status" $?
	is "$name: one line" 1 "$(wc -l <"$work/err")"
	like "$name: says what" "^mmun: .*($pattern)" "$work/err"
	is "$name: no output" '' "$(cat "$work/out")"
}

# compile NAME OPTIONS...: a program that touches a file if it is run
compile() {
	out=$work/$1
	shift
	printf '#include <unistd.h>\nint main(void){write(1,"ran\\n",4);return 0;}' |
		cc -w -x c -o "$out" "$@" - 2>/dev/null
}

refused 'no command' 125 'trace or demo'
refused 'unknown command' 125 "unknown command 'trcae'; .*trace and demo" trcae
refused 'unknown option before' 125 "unknown option '-x'" -x
refused 'unknown option' 125 "unknown option '-x'; see mmun trace --help" \
	trace -x true
refused 'unknown long option' 125 "unknown option '--nothing'" \
	trace --nothing true
refused 'option without value' 125 "after option '-o'" trace -o
refused 'bad colour' 125 'auto, always or never' trace --color=red true
refused 'bad ring' 125 'power of two' trace --records=100 true
refused 'no program' 125 'program to run is missing' trace -c
refused 'program not found' 127 'no-such-program: not found in PATH' \
	trace no-such-program
refused 'path not found' 127 '/no/such/program: not found' \
	trace /no/such/program
refused 'empty name' 127 'not found' trace ''
refused 'directory' 126 'Is a directory' trace /tmp
: >"$work/plain"
refused 'not executable' 126 'Permission denied' trace "$work/plain"
printf 'no program\n' >"$work/text"
chmod +x "$work/text"
refused 'text' 126 'neither a program nor a script' trace "$work/text"
printf '#!/no/such/interpreter\n' >"$work/script"
chmod +x "$work/script"
refused 'interpreter not found' 127 'interpreter /no/such/interpreter' \
	trace "$work/script"
printf '#!%s\n' "$work/script" >"$work/nested"
chmod +x "$work/nested"
refused 'nested script' 127 'interpreter /no/such/interpreter' \
	trace "$work/nested"
printf '#!%s\n' "$work/loop" >"$work/loop"
chmod +x "$work/loop"
refused 'script for itself' 126 'too many interpreters' trace "$work/loop"
head -c 100 /bin/true >"$work/cut"
chmod +x "$work/cut"
refused 'truncated program' 125 'statically linked' trace "$work/cut"
printf '\177ELF\002\001\001%0100d' 0 >"$work/garbage"
chmod +x "$work/garbage"
refused 'garbage behind an ELF magic' 125 'not a 64-bit x86' \
	trace "$work/garbage"
refused 'unwritable output' 125 'cannot write /no/such/dir/file' \
	trace -o /no/such/dir/file echo ran
refused 'unknown demonstration' 125 'uring or tlb' demo nothing
MMUN_AGENT=/no/such/agent
export MMUN_AGENT
refused 'agent not found' 125 'cannot find libmmun-trace.so; ' trace echo ran
unset MMUN_AGENT
mkdir "$work/a b"
cp "$(dirname "$(readlink -f "$MMUN")")/libmmun-trace.so" "$work/a b/"
MMUN_AGENT="$work/a b/libmmun-trace.so"
export MMUN_AGENT
refused 'agent in a path with a blank' 125 'without blank' trace echo ran
unset MMUN_AGENT

if compile static -static; then
	refused 'static program' 125 'statically linked.*link it dynamically' \
		trace "$work/static"
else
	skip 'static program' 'cannot link one'
fi
if [ "$(id -u)" = 0 ] && compile owned && command -v setpriv >/dev/null; then
	chmod 4755 "$work/owned"
	is 'setuid root as root: traced' ran "$("$MMUN" trace -q -o /dev/null \
		"$work/owned" 2>&1)"
	chown 65534 "$work/owned"
	chmod 4755 "$work/owned"
	refused 'setuid program' 125 'setuid' trace "$work/owned"
	is 'setuid, but no new privileges: traced' ran "$(setpriv \
		--no-new-privs "$MMUN" trace -q -o /dev/null "$work/owned" 2>&1)"
	chown 0:65534 "$work/owned"
	chmod 2755 "$work/owned"
	refused 'setgid program' 125 'setgid' trace "$work/owned"
else
	skip 'setuid program' 'not root'
fi

# --- a full disk, a reader that goes away ---
if [ -w /dev/full ]; then
	is 'full output: the program runs' ran \
		"$("$MMUN" trace -o /dev/full echo ran 2>"$work/err")"
	like 'full output: says so' 'cannot write /dev/full: No space' \
		"$work/err"
fi
# shellcheck disable=SC2016 # for the inner shell
is 'closed pipe: the status is still right' 3 "$({
	"$MMUN" trace sh -c 'exit 3' 2>&1
	echo $? >&3
} 3>"$work/status" | true
cat "$work/status")"

# --- a program that cannot be traced all the way runs all the same ---
# where NAME ARGS...: the same, in another place
where() {
	name=$1
	shift
	is "$name: runs" ran "$("$MMUN" trace -c -o "$work/text" "$@" \
		2>"$work/err")"
}
where 'text that cannot be changed' "$PROGRAMS/refuse" text echo ran
like 'text that cannot be changed: says so' \
	'^mmun: 1 program image ran untraced \(-EPERM\): a policy' \
	"$work/err"
is 'text that cannot be changed: one line' 1 "$(wc -l <"$work/err")"
if "$PROGRAMS/refuse" mdwe true 2>/dev/null; then
	where 'no writable text' "$PROGRAMS/refuse" mdwe echo ran
	like 'no writable text: traced' '^coverage: 2 program images' \
		"$work/text"
else
	skip 'no writable text' 'this kernel has no PR_SET_MDWE'
fi
if [ "$(id -u)" = 0 ] && command -v chroot >/dev/null; then
	mkdir -p "$work/root/bin"
	(cd / && ldd /bin/echo | grep -oE '/[^ ]+' | cat - /dev/null |
		xargs -I{} cp --parents -L {} "$work/root")
	cp /bin/echo "$work/root/bin/"
	where 'another root directory' chroot "$work/root" /bin/echo ran
	where 'another user' setpriv --reuid=65534 --clear-groups echo ran
	where 'another PID namespace' unshare -pf sh -c 'sh -c "echo ran"'
	# Not in a chroot: its root is no mount point.
	if unshare -pf --mount-proc true 2>/dev/null; then
		where 'another /proc' unshare -pf --mount-proc \
			sh -c 'echo ran'
	else
		skip 'another /proc' 'cannot mount one here'
	fi
else
	skip 'another root directory' 'not root'
fi

is 'an environment without our library' ran \
	"$("$MMUN" trace -q -o /dev/null env -i "$(command -v echo)" ran 2>&1)"
MMUN_TRACE=/proc/self/fd/0 LD_PRELOAD=$(dirname \
	"$(readlink -f "$MMUN")")/libmmun-trace.so
export MMUN_TRACE LD_PRELOAD
is 'the agent without a ring' ran "$(echo ran | cat)"
MMUN_TRACE=/proc/1/fd/999
is 'the agent with a ring that is gone' ran "$(sh -c "echo ran")"
unset MMUN_TRACE LD_PRELOAD
finish
