#!/bin/sh
# Random calls, natively and over librudp: the same answers (roam.c).
#   roam.sh [first [last]]       these seeds; without: the few of make check
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"
roam=$top_builddir/tests/conform/roam

test -f "$LIBRUDP" || { echo "no librudp.so"; exit 77; }
case ${SANITIZERS:-no} in
*thread*|*address*) echo "sanitizers slow it down: not here"; exit 77 ;;
esac
tmp=$(mktemp -d)
RUDP_DOMAIN=roam-$$
export RUDP_DOMAIN
trap 'rm -rf "$tmp"; rm -f "/dev/shm/"*"$RUDP_DOMAIN"*' EXIT
# The kernel's ports are the native ones'.
export RUDP_LISTEN=rudp

bad=0
n=0
for seed in $(seq "${1:-1}" "${2:-${1:-40}}"); do
	for fam in 4 6; do
		n=$((n + 1))
		timeout 60 "$roam" $fam "$seed" > "$tmp/expected" || exit 1
		LD_PRELOAD=$LIBRUDP timeout 60 "$roam" $fam "$seed" "$tmp/expected" > "$tmp/got" 2>&1 &&
			continue
		# Is it the same twice where it comes from?
		timeout 60 "$roam" $fam "$seed" "$tmp/expected" > /dev/null || continue
		bad=$((bad + 1))
		echo "FAIL roam $fam $seed"
		sed 's/^/    /' "$tmp/got"
	done
done
echo "roam: $n walks, $bad that differ"
test $bad -eq 0
