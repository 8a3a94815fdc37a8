#!/bin/bash
# CPython's own test-suite, over kernel TCP and over librudp: every test that
# passes over the one passes over the other, but for those in cpython.known.
#   cpython.sh              a minute's worth
#   cpython.sh all          all that has to do with sockets: some twenty minutes
#   cpython.sh test_xyz...  those
# Each suite runs by itself, WORLD_JOBS (3) at once, for WORLD_LIMIT (900)
# seconds at most. One that differs is run over librudp once more: several of
# these tests want to be served within a second or less.
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"
world=$top_srcdir/tests/world

test -f "$LIBRUDP" || { echo "no librudp.so"; exit 77; }
case ${SANITIZERS:-no} in
no|'') ;;
*) echo "foreign programs do not run with sanitizers"; exit 77 ;;
esac
for python in ${PYTHON-} /usr/bin/python3 python3 ''; do
	test -n "$python" || { echo "no Python with its tests (libpython3.N-testsuite)"; exit 77; }
	"$python" -c 'import test.libregrtest, test.test_socket' 2>/dev/null && break
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; rm -f "/dev/shm/"*"$RUDP_DOMAIN"*' EXIT
RUDP_DOMAIN=cpython-$$
export RUDP_DOMAIN

quick="test_epoll test_httpservers test_poll test_select test_socketserver
	test_telnetlib test_wsgiref"
# The long ones first.
all="test_multiprocessing_spawn test_multiprocessing_forkserver test_multiprocessing_fork
	test_concurrent_futures asyncio.test_events asyncio.test_tasks test_socket
	test_signal test_multiprocessing_main_handling test_subprocess test_io test_ssl
	test_xmlrpc test_imaplib test_logging test_os asyncio.test_ssl
	asyncio.test_base_events asyncio.test_buffered_proto asyncio.test_futures
	asyncio.test_proactor_events asyncio.test_runners asyncio.test_selector_events
	asyncio.test_sendfile asyncio.test_server asyncio.test_sock_lowlevel
	asyncio.test_sslproto asyncio.test_streams asyncio.test_subprocess
	asyncio.test_transports asyncio.test_unix_events
	test_asynchat test_asyncore test_docxmlrpc test_eintr test_fcntl test_fork1
	test_ftplib test_httplib test_nntplib test_poplib test_posix test_pty
	test_robotparser test_selectors test_smtpd test_smtplib test_support
	test_threading test_threadsignals test_timeout test_urllib2
	test_urllib2_localnet $quick"
case ${1-} in
'') suites=$quick ;;
all) suites=$all ;;
*) suites=$* ;;
esac

# suite MODE NAME: its results in MODE.NAME.xml, the seconds it took in .time.
# Without a network beyond this machine; vsock wants a hypervisor.
suite()
{
	local out=$tmp/$1.$2 dir=$tmp/in.$1.$2 preload= start=$SECONDS
	local what=$2

	[ "$1" = kernel ] || preload=$LIBRUDP
	case $2 in
	asyncio.*) what="test_asyncio -m test.test_asyncio.${2#asyncio.}.*" ;;
	esac
	mkdir "$dir" && cd "$dir" || exit 1
	set -f
	# shellcheck disable=SC2086
	LD_PRELOAD=$preload timeout -k 5 "${WORLD_LIMIT:-900}" "$python" -m test \
		--timeout 300 -u network -i '*VSOCK*' -i '*NetworkedTest*' \
		--junit-xml "$out.xml" $what >"$out.log" 2>&1 </dev/null
	echo $((SECONDS - start)) >"$out.time"
}

# in_lanes MODE NAME...: WORLD_JOBS at once.
in_lanes()
{
	local mode=$1 name

	shift
	for name; do
		while [ "$(jobs -rp | wc -l)" -ge "${WORLD_JOBS:-3}" ]; do
			wait -n
		done
		suite "$mode" "$name" &
	done
	wait
}

differing() { "$python" "$world/compare.py" --differ "$tmp" "$world/cpython.known" $suites; }

# shellcheck disable=SC2086
in_lanes kernel $suites
# shellcheck disable=SC2086
in_lanes rudp $suites
for name in $(differing); do
	in_lanes again "$name"
done
# shellcheck disable=SC2086
"$python" "$world/compare.py" "$tmp" "$world/cpython.known" $suites && exit 0
for name in $(differing); do
	grep -hE -A25 '^(FAIL|ERROR):|^Timeout' "$tmp/again.$name.log" | head -60
done
exit 1
