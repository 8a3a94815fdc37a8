# lib.sh - for tests with real programs. Sourced by bash scripts:
#
#	. "$(dirname "$0")/../lib.sh"
#	need nginx curl			# exit 77 when one is missing
#	enter "$@"			# again, inside namespaces of our own
#	in_modes my_tests		# native, then over librudp
#	finish				# 'N passed, N failed', exit status
#
# A script runs in a network namespace, so that ports and counters are its
# own, and in a process namespace, so that whatever it started ends with it.
# Native mode shows that the test is right; rudp mode that librudp is. The
# library is $PRELOAD, or $LIBRUDP as `make check` sets it; where there is
# none, native mode alone is run. MODES="rudp" picks one.

set -u
export LC_ALL=C
unset PYTHONUNBUFFERED		# a line that is waited for is written as one

top_srcdir=$(cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}" && pwd)
top_builddir=$(cd "${top_builddir:-$top_srcdir}" && pwd)
PRELOAD=${PRELOAD-${LIBRUDP-}}
e2e_src=$top_srcdir/tests/e2e
e2e_bin=$top_builddir/tests/e2e
rudpstat=${RUDPSTAT:-$top_builddir/src/rudpstat/rudpstat}
test_name=$(basename "$0" .sh)

[ -z "$PRELOAD" ] || [ -e "${PRELOAD##* }" ] || {
	echo "$test_name: $PRELOAD is not there" >&2
	exit 99
}

passed=0
failed=0
mode=native
port=

say() { printf '%s\n' "$*" >&2; }

skip()
{
	say "$test_name: skipped: $*"
	exit 77
}

need()
{
	local p

	for p; do
		command -v "$p" >/dev/null || skip "no $p"
	done
}

# A shim that picks a version would be preloaded as well: name the real one.
need_python()
{
	python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) ||
		skip "no python3"
}

need_helper()
{
	local p

	for p; do
		[ -x "$e2e_bin/$p" ] || skip "tests/e2e/$p is not built"
	done
}

# --- the stage -----------------------------------------------------------------

# Runs the script again in its own namespaces, with a limit on its time.
enter()
{
	local flags=-npf

	E2E_STAGE=${E2E_STAGE-}
	if [ "${E2E_STAGE%.*}" = "$test_name" ]; then
		ip link set lo up || skip "no loopback device"
		mount -t tmpfs tmpfs /dev/shm 2>/dev/null	# domains end with us
		private=yes
		set_up
		return
	fi
	need_helper probe
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/rudp-$test_name.XXXXXX") || exit 99
	export tmp
	E2E_STAGE=$test_name.$$
	trap tear_down EXIT
	trap 'exit 1' INT TERM HUP
	[ "$(id -u)" = 0 ] || flags="-cnpf --keep-caps"
	if unshare $flags --mount-proc --kill-child true 2>/dev/null &&
	   command -v ip >/dev/null; then
		export E2E_STAGE
		timeout --foreground -k 2 "${TEST_TIMEOUT:-240}" \
			unshare $flags --mount-proc --kill-child "$BASH" "$0" "$@"
		exit
	fi
	say "$test_name: no namespaces here: counters are not looked at"
	private=no
	set_up
}

set_up()
{
	pids=
	cd "$tmp" || exit 99
}

tear_down()
{
	local p

	for p in ${pids-}; do
		kill -9 "$p" 2>/dev/null
	done
	cd / && rm -rf "$tmp"
	rm -f "/dev/shm/rudp.$(id -u).e2e-$E2E_STAGE-"*
}

# Every test of a mode has a domain of its own.
new_domain()
{
	domains=$((${domains:-0} + 1))
	RUDP_DOMAIN=e2e-$E2E_STAGE-$domains
	export RUDP_DOMAIN
}

in_modes()
{
	local f

	for mode in ${MODES:-native ${PRELOAD:+rudp}}; do
		[ "$mode" = native ] || [ -n "$PRELOAD" ] || skip "no library"
		for f; do
			new_domain
			"$f"
			stop_all
		done
	done
}

finish()
{
	printf '%s: %d passed, %d failed\n' "$test_name" "$passed" "$failed"
	[ "$failed" -eq 0 ]
	exit
}

# --- programs --------------------------------------------------------------------

# What stands before a program so that it runs in the mode: set_in_mode [server
# | client]. In the modes `served` and `asked` one side alone is librudp's.
in_mode=()
set_in_mode()
{
	local lib=$PRELOAD

	in_mode=(env)
	case $mode.${1-} in
	rudp.*|served.server|asked.client) ;;
	*) return 0 ;;
	esac
	case ${SANITIZERS:-no} in
	*address*) lib="$(${CC:-cc} -print-file-name=libasan.so) $PRELOAD" ;;
	*thread*) lib="$(${CC:-cc} -print-file-name=libtsan.so) $PRELOAD" ;;
	esac
	in_mode=(env LD_PRELOAD="$lib" ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS-}")
}

# run PROGRAM ARG...: in the mode, for at most $T (60) seconds.
run()
{
	set_in_mode client
	timeout -k 1 "${T:-60}" "${in_mode[@]}" "$@"
}

# server NAME PROGRAM ARG...: in the background; $pid is its process id, its
# output goes to NAME.log.
server()
{
	local name=$1

	shift
	set_in_mode server
	server_log=$tmp/$name.log
	: >"$server_log"	# of an earlier one it may say what is waited for
	"${in_mode[@]}" "$@" >"$server_log" 2>&1 </dev/null &
	pid=$!
	pids="$pids $pid"
}

# A port that nobody uses, UDP and TCP: in $port.
new_port() { port=$("$e2e_bin/probe" port) || exit 99; }

# ready [HOST]: the server that was started last takes connections on $port.
ready()
{
	local host=${1:-127.0.0.1}

	T=20 run "$e2e_bin/probe" wait "$host" "$port" 15 "$pid" && return
	fail "server is ready on $host:$port"
	sed 's/^/    server: /' "$server_log" | tail -20 >&2
	return 1
}

# ready_log PATTERN: for servers that a probing connection would disturb.
ready_log()
{
	local i

	for ((i = 0; i < 1500; i++)); do
		grep -q -e "$1" "$server_log" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.01
	done
	fail "server says '$1'"
	sed 's/^/    server: /' "$server_log" | tail -20 >&2
	return 1
}

# stop PID: asks, and insists two seconds later.
stop()
{
	local dog

	kill "$1" 2>/dev/null
	(sleep 2; kill -9 "$1" 2>/dev/null) &
	dog=$!
	wait "$1" 2>/dev/null
	kill "$dog" 2>/dev/null
	wait "$dog" 2>/dev/null
	pids=${pids/ $1/}
}

stop_all()
{
	local p

	for p in $pids; do
		stop "$p"
	done
}

# --- verdicts ------------------------------------------------------------------------

pass()
{
	passed=$((passed + 1))
	printf 'ok    %-6s %s\n' "$mode" "$*"
}

fail()
{
	failed=$((failed + 1))
	printf 'FAIL  %-6s %s\n' "$mode" "$*"
}

# check WHAT COMMAND...: passed if the command says so; its output is shown if
# not.
check()
{
	local what=$1 rc

	shift
	"$@" >"$tmp/check.out" 2>&1 && rc=0 || rc=$?
	if [ "$rc" = 0 ]; then
		pass "$what"
		return 0
	fi
	fail "$what (status $rc)"
	tail -8 "$tmp/check.out" | cut -c1-300 | sed 's/^/    /'
	return 1
}

not() { ! "$@"; }
equal() { [ "$1" = "$2" ] || { say "got '$1', wanted '$2'"; false; }; }
at_least() { [ "$1" -ge "$2" ] || { say "got $1, wanted at least $2"; false; }; }
at_most() { [ "$1" -le "$2" ] || { say "got $1, wanted at most $2"; false; }; }

sum_of() { cksum <"$1"; }
same_data() { equal "$(sum_of "$1")" "$(sum_of "$2")"; }

# data FILE BYTES: bytes that do not repeat.
data()
{
	if command -v openssl >/dev/null; then
		openssl enc -aes-128-ctr -nosalt -K 0123456789abcdef0123456789abcdef \
			-iv 0 </dev/zero 2>/dev/null | head -c "$2" >"$1"
	else
		head -c "$2" /dev/urandom >"$1"
	fi
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# --- what went over the wire -------------------------------------------------------------

# One value of /proc/net/snmp: snmp Tcp InSegs
snmp()
{
	awk -v p="$1:" -v f="$2" '$1 == p {
		if (!n) { for (i = 2; i <= NF; i++) if ($i == f) n = i }
		else { print $n; exit } }' /proc/net/snmp
}

snmp6() { awk -v f="$1" '$1 == f { print $2; n = 1 } END { if (!n) print 0 }' /proc/net/snmp6; }

# Octets are counted above all protocols: with no TCP segment among them they
# are UDP's.
in_octets()
{
	local v4

	v4=$(awk '$1 == "IpExt:" {
		if (!n) { for (i = 2; i <= NF; i++) if ($i == "InOctets") n = i }
		else { print $n; exit } }' /proc/net/netstat)
	echo $((v4 + $(snmp6 Ip6InOctets)))
}

udp_datagrams() { echo $(($(snmp Udp InDatagrams) + $(snmp6 Udp6InDatagrams))); }
tcp_counts() { echo $(($(snmp Tcp ActiveOpens) + $(snmp Tcp InSegs) + $(snmp Tcp OutSegs))); }

# wire_mark, ..., wire_check BYTES: since the mark at least BYTES arrived; in
# rudp mode all over UDP and nothing over TCP, natively the other way round
# (which shows that the look can fail).
wire_mark()
{
	mark_octets=$(in_octets)
	mark_udp=$(udp_datagrams)
	mark_tcp=$(tcp_counts)
}

wire_check()
{
	local octets udp tcp

	[ "$private" = yes ] || return 0
	octets=$(($(in_octets) - mark_octets))
	udp=$(($(udp_datagrams) - mark_udp))
	tcp=$(($(tcp_counts) - mark_tcp))
	check "wire: $octets octets in, $udp datagrams, TCP moved by $tcp" \
		wire_verdict "$1" "$octets" "$udp" "$tcp"
}

wire_verdict()
{
	at_least "$2" "$1" || return
	if [ "$mode" = rudp ]; then
		at_least "$3" $(($1 / 65507 + 1)) && at_most "$4" 0
	else
		at_most "$3" 0 && at_least "$4" 1
	fi
}
