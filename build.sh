#!/bin/sh
# SPDX-License-Identifier: MIT
# ./build.sh - install what the build needs and build mmun into build/.
set -eu
cd "$(dirname "$0")"
. ci/lib.sh

usage() {
	cat <<END
usage: ./build.sh [--help]

Installs the packages of ci/packages that are missing (Debian; as root or
through sudo), then builds with Meson into build/:

  build/mmun         the program
  build/libmmun.so   the library
  build/libmmun.a    the same, static

To compile a program against it:
  PKG_CONFIG_PATH=build/meson-uninstalled pkg-config --cflags --libs mmun
END
}

case ${1-} in
'') ;;
-h | --help)
	usage
	exit
	;;
*) die "unknown option $1 (see ./build.sh --help)" ;;
esac

need ci/packages
configure build
compile build
say "built build/mmun, build/libmmun.so and build/libmmun.a"
