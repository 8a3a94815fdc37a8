#!/bin/sh
# Runs each program over kernel TCP and over librudp, IPv4 and IPv6, and
# compares what they print.
#   run.sh [program...]       those alone
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"

test -f "$LIBRUDP" || { echo "no librudp.so"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
RUDP_DOMAIN=conform-$$
export RUDP_DOMAIN

progs=${*:-$(cat "$top_srcdir/tests/conform/programs")}
preload=$LIBRUDP
case ${SANITIZERS:-no} in
*address*)
	preload="$(${CC:-cc} -print-file-name=libasan.so) $LIBRUDP"
	# It cannot follow pthread_cancel(), and must not judge foreign programs.
	progs=$(printf '%s\n' $progs | grep -vx timeouts)
	export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
	;;
*thread*)
	preload="$(${CC:-cc} -print-file-name=libtsan.so) $LIBRUDP"
	# It holds signals back until a libc call that it knows; ours are not.
	progs=$(printf '%s\n' $progs | grep -vx signals)
	export TSAN_OPTIONS="suppressions=$top_srcdir/tests/tsan.supp ${TSAN_OPTIONS-}"
	;;
esac

bad=0
for p in $progs; do
	for fam in 4 6; do
		exe=$top_builddir/tests/conform/$p
		"$exe" $fam > "$tmp/kernel" 2>&1
		LD_PRELOAD=$preload timeout ${CONFORM_LIMIT:-90} "$exe" $fam > "$tmp/rudp" 2>&1
		status=$?
		if diff -u "$tmp/kernel" "$tmp/rudp" > "$tmp/diff" && [ $status -eq 0 ]; then
			echo "ok   $p $fam ($(wc -l < "$tmp/kernel") lines)"
		else
			echo "FAIL $p $fam (exit status $status)"
			sed 's/^/    /' "$tmp/diff"
			bad=$((bad + 1))
		fi
	done
done
rm -f "/dev/shm/"*"$RUDP_DOMAIN"*
exit $((bad > 0))
