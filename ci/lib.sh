# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# ci/lib.sh - what ./build.sh, ./demo, ./check and ./bench share. Plain sh.
#
# The caller has changed to the top of the tree.

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# have COMMAND-OR-FILE
have() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# missing LIST...: the packages of the lists whose witness is not there
missing() {
	cat "$@" | while read -r package witness; do
		case $package in
		'' | '#'*) continue ;;
		esac
		have "$witness" || printf '%s ' "$package"
	done
}

# apt_install PACKAGES...: as root, or through sudo; an index that is absent
# or too old shows as a failed install, and is fetched once.
apt_install() {
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq"
	install="$apt install -y --no-install-recommends $*"

	$install >/dev/null 2>&1 </dev/null && return
	say "updating the package index"
	$apt update >/dev/null </dev/null && $install >/dev/null </dev/null
}

# need LIST...: install what is missing of the lists in ci/
need() {
	wanted=$(missing "$@")
	wanted=${wanted% }
	[ -n "$wanted" ] || return 0
	command="apt-get install -y --no-install-recommends $wanted"
	have apt-get || die "no apt-get here; install the equivalents of: $wanted"
	if [ "$(id -u)" != 0 ] && ! have sudo; then
		die "not root and no sudo; as root, run: $command"
	fi
	say "installing $wanted"
	# shellcheck disable=SC2086 # a list of words
	apt_install $wanted || die "cannot install; as root, run: $command"
}

# configure DIR [OPTIONS...]: set up a build directory once
configure() {
	dir=$1
	shift
	[ -f "$dir/build.ninja" ] && return
	rm -rf "$dir"
	meson setup "$dir" "$@" >"$dir.log" 2>&1 && mv "$dir.log" "$dir/" &&
		return
	cat "$dir.log" >&2
	rm -f "$dir.log"
	die "meson setup $dir failed"
}

# compile DIR [TARGETS...]: prints the commands' output only if it fails
compile() {
	dir=$1
	shift
	ninja -C "$dir" "$@" >"$dir/compile.log" 2>&1 && return
	cat "$dir/compile.log" >&2
	die "the build in $dir failed"
}
