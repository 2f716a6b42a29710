#!/bin/sh
# SPDX-License-Identifier: MIT
# ./bench.sh - measure what mmun costs on this machine.
set -eu
cd "$(dirname "$0")"
. ci/lib.sh

usage() {
	cat <<END
usage: ./bench.sh [--json FILE] [NAME...]

Builds mmun if needed and runs the programs of bench/ (or only those named),
each of which prints its own table of medians and ratios, measured in turns
with the plain operation. UCX's memory hooks are measured beside ours where
both do the job (package libucx-dev).

  --json FILE   write the figures to FILE, one JSON object a line
END
}

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit
		;;
	--json)
		[ $# -ge 2 ] || die "--json needs a file"
		case $2 in
		/*) BENCH_JSON=$2 ;;
		*) BENCH_JSON=$OLDPWD/$2 ;;
		esac
		: >"$BENCH_JSON" || die "cannot write $BENCH_JSON"
		export BENCH_JSON
		shift 2
		;;
	-*) die "unknown option $1 (see ./bench.sh --help)" ;;
	*) break ;;
	esac
done

# The peer's column is decided when the build is configured.
new=$(missing ci/packages-bench)
need ci/packages ci/packages-bench
[ -z "$new" ] || [ ! -d build ] || meson setup --reconfigure build >/dev/null
./build.sh
exec ci/run-benches build "$@"
