#!/bin/bash
# Test-suites of other people, over kernel TCP and over librudp: every test that
# passes over the one passes over the other, but for those in suites.known.
#   suites.sh            all that are there
#   suites.sh NAME...    those; NAME:PART is a part of one
# As Debian's packages: python3-twisted, python3-tornado, libglib2.0-tests. From
# sources, unpacked in $WORLD_SOURCES by
#   apt-get source ruby3.1 tcl8.6 perl redis nodejs libhttp-daemon-perl \
#	libio-socket-ssl-perl libwww-perl libuv1 libevent
# of which the last two have to be built, with their tests; nodejs' tests are run
# by $NODE, which should be of their version. Each part of a suite is run for
# WORLD_LIMIT (300) seconds at most, over librudp once more if it differs: what
# measures milliseconds fails now and then over either.
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"
: "${WORLD_SOURCES:=/usr/src}"
: "${NODE:=node}"
world=$(cd "$top_srcdir/tests/world" && pwd)
python=/usr/bin/python3

test -f "$LIBRUDP" || { echo "no librudp.so"; exit 77; }
LIBRUDP=$(realpath "$LIBRUDP")
case ${SANITIZERS:-no} in
no|'') ;;
*) echo "foreign programs do not run with sanitizers"; exit 77 ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; rm -f "/dev/shm/"*"$RUDP_DOMAIN"*' EXIT
RUDP_DOMAIN=suites-$$
export RUDP_DOMAIN
# Some open all the numbers that they may.
ulimit -Sn 1024

# ours PROGRAM...: in the mode of this run, with an end.
ours()
{
	LD_PRELOAD=$preload timeout -k 5 "${WORLD_LIMIT:-300}" "$@" 2>&1 </dev/null
}

# source_of NAME: the directory of its sources.
source_of()
{
	local d

	for d in "$WORLD_SOURCES/$1"-[0-9]* "$WORLD_SOURCES/$1"[0-9]*; do
		[ -d "$d" ] && { echo "$d"; return; }
	done
	return 1
}

# ---- has_NAME: it is here; parts_NAME: what it is run in; run_NAME PART: a line
# ---- with its name for each test that passes.

has_twisted() { "$python" -c 'import twisted.trial, twisted.internet.test' 2>/dev/null; }
parts_twisted()
{
	echo twisted.internet twisted.web twisted.test.test_{tcp,ftp,policies,stdio,amp,pb}
}
run_twisted()
{
	ours "$python" -m twisted.trial --reporter=verbose "$1" |
		awk '/^  [^ ]/ { class = $1 } /^    [a-z]/ { t = $1 } /\[OK\]$/ { print class "." t }'
}

has_tornado() { "$python" -c 'import tornado.test.runtests' 2>/dev/null; }
parts_tornado() { echo tornado.test.runtests; }
run_tornado()
{
	ours env ASYNC_TEST_TIMEOUT=25 "$python" -m "$1" --verbose |
		sed -n 's/^test_[^ ]* (\(tornado[^)]*\)).* ok$/\1/p'
}

glib=/usr/libexec/installed-tests/glib
has_glib() { [ -x $glib/socket ]; }
parts_glib()
{
	echo gsocketclient-slow network-address network-monitor pollable proxy-test simple-proxy \
		socket socket-address socket-listener socket-service tls-interaction unix-fd \
		unix-streams gdbus-peer gdbus-non-socket gdbus-server-auth gdbus-connection-loss \
		gdbus-close-pending gdbus-overflow
}
run_glib()
{
	ours env G_TEST_SRCDIR=$glib G_TEST_BUILDDIR=$glib $glib/"$1" --tap |
		sed -n '/# SKIP/d; s/^ok [0-9]* //p'
}

has_tcl() { command -v tclsh >/dev/null && source_of tcl >/dev/null; }
parts_tcl() { echo socket http httpold io chanio ioCmd; }
run_tcl()
{
	cd "$(source_of tcl)/tests" || return
	ours tclsh all.tcl -file "$1.test" -tmpdir "$part" -verbose p |
		sed -n 's/^++++ \(.*\) PASSED$/\1/p'
}

has_ruby() { command -v ruby >/dev/null && source_of ruby >/dev/null; }
parts_ruby() { echo socket net openssl drb; }
run_ruby()
{
	cd "$(source_of ruby)" || return
	ours ruby -I tool/lib test/runner.rb --ruby="$(command -v ruby)" --excludes-dir=/nonexistent \
		-v "test/$1" |
		awk '/^\[ *[0-9]+\/[0-9]+\] .* = [0-9.]+ s$/ { sub(/^\[[^]]*\] /, ""); ran[$1] = 1 }
		at_name { sub(/:$/, "", $1); delete ran[$1] }
		{ at_name = /^ *[0-9]+\) (Failure|Error):/ }
		END { for (t in ran) print t }'
}

has_perl() { command -v prove >/dev/null && source_of perl >/dev/null; }
parts_perl() { echo cpan/IO-Socket-IP dist/IO cpan/libnet cpan/HTTP-Tiny; }
run_perl()
{
	cd "$(source_of perl)/$1" || return
	proved t
}

# proved DIRECTORY...: files, all of whose tests pass.
proved()
{
	NO_NETWORK_TESTING=1 ours prove -r "$@" | sed -n 's/^\([^ ]*\.t\) \.* ok$/\1/p'
}

has_cpan() { command -v prove >/dev/null && [ -n "$(parts_cpan)" ]; }
parts_cpan()
{
	local d

	for d in http-daemon io-socket-ssl www; do
		source_of "lib$d-perl" >/dev/null && echo "lib$d-perl"
	done
}
run_cpan()
{
	cd "$(source_of "$1")" || return
	proved -I lib t
}

has_redis() { command -v redis-server tclsh >/dev/null && source_of redis >/dev/null; }
parts_redis()
{
	echo unit/{auth,info,introspection,limits,multi,networking,pause,protocol,pubsub,quit,wait} \
		unit/{client-eviction,obuf-limits,tracking} integration/{redis-cli,replication,block-repl}
}
run_redis()
{
	local p

	cp -r "$(source_of redis)" "$part/redis" && cd "$part/redis" || return
	for p in server cli benchmark check-aof check-rdb; do
		ln -sf "$(command -v redis-$p)" src/redis-$p
	done
	ours tclsh tests/test_helper.tcl --clients 1 --single "$1" |
		sed -n 's/\x1b\[[0-9;]*m//g; s/^\[ok\]: \(.*\) ([0-9]* ms)$/\1/p'
}

has_node() { command -v "$NODE" >/dev/null && source_of nodejs >/dev/null; }
parts_node() { echo net- tls- cluster- https- http- http2- child-process-{fork,send}; }
run_node()
{
	local f flags

	cd "$(source_of nodejs)/test" || return
	for f in {parallel,sequential}/test-"$1"*.js; do
		[ -f "$f" ] || continue
		flags=$(sed -n 's|^// Flags:||p' "$f" | tr '\n' ' ')
		# shellcheck disable=SC2086
		WORLD_LIMIT=40 NODE_TEST_DIR=$part ours "$NODE" $flags "$f" >/dev/null && echo "$f"
	done
}

has_uv() { [ -x "$(source_of libuv1)/test/run-tests" ]; }
parts_uv() { echo all; }
run_uv()
{
	cd "$(source_of libuv1)/test" || return
	UV_RUN_AS_ROOT=1 UV_TEST_TIMEOUT_MULTIPLIER=3 ours ./run-tests |
		sed -n '/# SKIP/d; s/^ok [0-9]* - //p'
}

has_event() { [ -x "$(source_of libevent)/test/regress" ]; }
parts_event() { echo main http dns bufferevent listener ssl evtag rpc thread util; }
run_event()
{
	cd "$(source_of libevent)/test" || return
	ours ./regress "$1/.." | sed -n 's/^\([a-z_/0-9]*\): .*OK$/\1/p'
}

# ---- running --------------------------------------------------------------------

# results MODE SUITE PART: the tests that pass, sorted, in MODE.SUITE.N
results()
{
	local part

	part=$(mktemp -d -p "$tmp")
	preload=
	[ "$1" = kernel ] || preload=$LIBRUDP
	(cd "$part" && "run_$2" "$3") | sort -u | sed "s|^|$2 $3 |" >"$tmp/$1"
}

# Those that pass natively, and not over librudp, and are not known.
differing()
{
	comm -23 "$tmp/kernel" "$1" | grep -vxFf "$tmp/known"
}

# one SUITE PART
one()
{
	local start=$SECONDS verdict=same

	results kernel "$1" "$2"
	results rudp "$1" "$2"
	[ -s "$tmp/kernel" ] || verdict="nothing over the kernel's TCP"
	if [ -n "$(differing "$tmp/rudp")" ]; then
		cp "$tmp/rudp" "$tmp/first"
		results rudp "$1" "$2"
		sort -u "$tmp/first" "$tmp/rudp" >"$tmp/either"
		verdict="same at the second try"
		if [ -n "$(differing "$tmp/either")" ]; then
			verdict=DIFFERS
			bad=$((bad + 1))
		fi
	fi
	printf '%-9s %-28s %5d passed  %4d s  %s\n' "$1" "$2" "$(wc -l <"$tmp/kernel")" \
		$((SECONDS - start)) "$verdict"
	[ "$verdict" != DIFFERS ] ||
		differing "$tmp/either" | sed 's/$/: passed over the kernel'"'"'s TCP alone/'
	total=$((total + $(wc -l <"$tmp/kernel")))
}

all="glib tornado twisted ruby tcl perl cpan redis uv event node"
grep -v '^#' "$world/suites.known" | cut -f1 >"$tmp/known"
bad=0
total=0
absent=
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
for which; do
	name=${which%%:*}
	"has_$name" || { absent="$absent $name"; continue; }
	pieces=$("parts_$name")
	[ "$which" = "$name" ] || pieces=${which#*:}
	for piece in $pieces; do
		one "$name" "$piece"
	done
done
[ -z "$absent" ] || echo "not here:$absent"
[ "$total" -gt 0 ] || exit 77
echo "$total passed over the kernel's TCP; parts that differ over librudp: $bad"
[ "$bad" = 0 ]
