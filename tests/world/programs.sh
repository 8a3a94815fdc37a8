#!/bin/bash
# Programs of other people, as their users run them, over kernel TCP and over
# librudp: what arrives is right, and went over the wire that it should.
#   programs.sh            those that every developer's machine has
#   programs.sh all        all that are installed
#   programs.sh NAME...    those
# MODES="served asked": servers, or clients, are librudp's, the others native.
# Each is a function in one of the files beside this one, run in a directory of
# its own; `needs` says what has to be installed, `bytes` what arrives at least.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin:/sbin
world=$top_srcdir/tests/world
TEST_TIMEOUT=${TEST_TIMEOUT:-900}
need curl openssl
need_python
[ -z "${SANITIZERS:-}" ] || [ "$SANITIZERS" = no ] || skip "foreign programs under sanitizers"
enter "$@"

# A connection that nobody takes goes on over the kernel's TCP otherwise, and
# some of these try one; all is to be seen on UDP.
on_udp()
{
	case $mode in
	served|asked) unset RUDP_FALLBACK ;;
	*) export RUDP_FALLBACK=off ;;
	esac
}

quick="perl openssl node_tls node_http2"
all=
declare -A needs bytes took verdict

# program NAME BYTES NEEDED...: the function program_NAME follows. BYTES is - for
# one that has UDP on the same number, and so the kernel's TCP.
program()
{
	all="$all $1"
	bytes[$1]=$2
	needs[$1]=${*:3}
}

. "$world/languages.sh"
. "$world/web.sh"
. "$world/services.sh"
. "$world/tools.sh"
. "$world/daemons.sh"
. "$world/pools.sh"

as_root() { [ "$(id -u)" = 0 ]; }

missing()
{
	local p

	for p in ${needs[$1]}; do
		command -v "$p" >/dev/null || [ -e "$p" ] || { echo "$p"; return; }
	done
}

# Its own directory, domain and counters; the table's entry.
one()
{
	local before=$failed start
	local dir=$tmp/$1.$mode

	mkdir "$dir" && chmod 755 "$dir" && cd "$dir" || exit 99
	new_domain
	start=$(now_ms)
	wire_mark
	"program_$1"
	case $mode.${bytes[$1]} in
	*.-|served.*|asked.*) ;;
	*) wire_check "${bytes[$1]}" ;;
	esac
	stop_all
	cd "$tmp" || exit 99
	took[$1.$mode]=$(($(now_ms) - start))
	verdict[$1.$mode]=$([ "$failed" = "$before" ] && echo ok || echo FAIL)
}

table()
{
	local p m

	printf '\n%-16s' program
	printf ' %12s' $modes
	echo
	for p in $chosen; do
		printf '%-16s' "$p"
		for m in $modes; do
			[ -z "${verdict[$p.$m]-}" ] ||
				printf ' %5s %4d.%01d s' "${verdict[$p.$m]}" \
					$((${took[$p.$m]} / 1000)) $((${took[$p.$m]} / 100 % 10))
		done
		echo
	done
	[ -z "$absent" ] || printf 'not installed:%s\n\n' "$absent"
}

case ${1-} in
'') chosen=$quick ;;
all) chosen=$all ;;
*) chosen=$* ;;
esac
absent=
present=
chmod 755 "$tmp"
data page 1000000
for p in $chosen; do
	if [ -n "$(missing "$p")" ]; then
		absent="$absent $p"
	else
		present="$present $p"
	fi
done
chosen=$present
[ -n "$chosen" ] || skip "none of these is installed:$absent"
modes=${MODES:-native ${PRELOAD:+rudp}}
for mode in $modes; do
	on_udp
	for p in $chosen; do
		one "$p"
	done
done
table
finish
