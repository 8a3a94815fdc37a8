#!/bin/sh
# Runs each program over kernel TCP and over librudp, IPv4 and IPv6, and
# compares what they print.
#   run.sh [program...]       those alone
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"
LANES=${CONFORM_LANES:-5}

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
	progs=$(printf '%s\n' $progs | grep -vx -e timeouts -e cancels)
	export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
	;;
*thread*)
	preload="$(${CC:-cc} -print-file-name=libtsan.so) $LIBRUDP"
	# It holds signals back until a libc call that it knows, and ours are not.
	# In calls that block it sees nobody's locks: not ours, either, when the
	# thread receives in poll() or epoll_wait(), nor then that the second one of
	# zerocopy and cutoff waited for them. What is executed leaves its sockets to
	# a caretaker, which cannot run (the sanitizer in it is not set up). What it
	# suppresses it looks up by functions of ownnames, which counts them.
	progs=$(printf '%s\n' $progs | grep -vx \
		-e signals -e timeouts -e handed -e given -e interrupted -e zerocopy \
		-e cutoff -e ownnames -e cancels)
	# A caretaker is cloned as vfork() does it. From then on the sanitizer takes
	# the thread that did so, the event thread, for the child: it sees none of
	# its locks, and races where there are none, or overlooks those that are.
	export RUDP_CARETAKER=off
	export TSAN_OPTIONS="suppressions=$top_srcdir/tests/tsan.supp die_after_fork=0 history_size=7 ${TSAN_OPTIONS-}"
	;;
esac

# They mostly wait: several at once.
one() {
	p=$1 fam=$2 out=$tmp/$1.$2
	exe=$top_builddir/tests/conform/$p
	"$exe" "$fam" > "$out.kernel" 2>&1
	LD_PRELOAD=$preload timeout "${CONFORM_LIMIT:-240}" "$exe" "$fam" > "$out.rudp" 2>&1
	status=$?
	if diff -u "$out.kernel" "$out.rudp" > "$out.diff" && [ $status -eq 0 ]; then
		echo "ok   $p $fam ($(wc -l < "$out.kernel") lines)"
	else
		echo "FAIL $p $fam (exit status $status)"
		sed 's/^/    /' "$out.diff"
		: > "$tmp/bad"
	fi > "$out.verdict"
	cat "$out.verdict"
}

# The kernel's ports are those of the programs that run natively meanwhile.
export RUDP_LISTEN=rudp

lane=0
while [ $lane -lt $LANES ]; do
	n=0
	for p in $progs; do
		for fam in 4 6; do
			[ $((n % LANES)) -eq $lane ] && one "$p" $fam
			n=$((n + 1))
		done
	done &
	lane=$((lane + 1))
done
wait
rm -f "/dev/shm/"*"$RUDP_DOMAIN"*
test ! -e "$tmp/bad"
