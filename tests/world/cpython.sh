#!/bin/sh
# CPython's own test-suite, over kernel TCP and over librudp: every test that
# passes over the one passes over the other, but for those in cpython.known.
#   cpython.sh              a minute's worth
#   cpython.sh all          all that has to do with sockets
#   cpython.sh test_xyz...  those
set -u
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir}"
: "${LIBRUDP:=$top_builddir/preload/.libs/librudp.so}"

test -f "$LIBRUDP" || { echo "no librudp.so"; exit 77; }
case ${SANITIZERS:-no} in
no|'') ;;
*) echo "foreign programs do not run with sanitizers"; exit 77 ;;
esac
for python in ${PYTHON-} /usr/bin/python3 python3 ''; do
	test -n "$python" || { echo "no Python with its tests (libpython3-testsuite)"; exit 77; }
	"$python" -c 'import test.libregrtest, test.test_socket' 2> /dev/null && break
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; rm -f "/dev/shm/"*"$RUDP_DOMAIN"*' EXIT
RUDP_DOMAIN=cpython-$$
export RUDP_DOMAIN

quick="test_epoll test_httpservers test_poll test_select test_socketserver
	test_telnetlib test_wsgiref test_xmlrpc"
all="$quick test_asynchat test_asyncio test_asyncore test_docxmlrpc test_eintr test_fcntl
	test_ftplib test_httplib test_imaplib test_io test_logging
	test_multiprocessing_fork test_multiprocessing_forkserver
	test_multiprocessing_spawn test_nntplib test_os test_poplib
	test_robotparser test_selectors test_signal test_smtpd test_socket
	test_smtplib test_ssl test_subprocess test_threadsignals test_timeout
	test_urllib2_localnet"
case ${1-} in
'') modules=$quick ;;
all) modules=$all ;;
*) modules=$* ;;
esac

# Without a network beyond this machine; vsock wants a hypervisor.
run() {
	(cd "$tmp" && timeout "${WORLD_LIMIT:-1200}" "$python" -m test -j "${WORLD_JOBS:-3}" \
		--timeout 300 -u network -i '*VSOCK*' -i '*NetworkedTest*' \
		--junit-xml "$tmp/$1.xml" $modules > "$tmp/$1.log" 2>&1)
	test -s "$tmp/$1.xml" || { tail -20 "$tmp/$1.log"; echo "no results: $1"; exit 1; }
}

run kernel
export LD_PRELOAD="$LIBRUDP"
run rudp
unset LD_PRELOAD
"$python" "$top_srcdir/tests/world/compare.py" "$tmp/kernel.xml" "$tmp/rudp.xml" \
	"$top_srcdir/tests/world/cpython.known" && exit 0
grep -hE -A25 '^(FAIL|ERROR):' "$tmp/rudp.log" | head -150
exit 1
