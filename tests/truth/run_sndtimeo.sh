#!/bin/bash
# A time limit for sending is kept while the domain refuses (T35): Linux would
# sleep up to 204 ms longer.
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
[ -x "$top_builddir/tests/truth/truth" ] || skip "tests/truth/truth is not built"
truth=$top_builddir/tests/truth/truth
here=$(cd "$(dirname "$0")" && pwd)
need_python
enter "$@"

waits()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
print(json.load(sys.stdin)["domains"][0]["counters"]["MemDomainWait"])'
}

# Never early; half of them within 50 ms of their time, however busy it is here.
t35_time_limit()
{
	echo >&9
	wait $writer || { cat writer.log; return 1; }
	local least middle
	read -r _ least _ middle < <(tail -1 writer.log)
	[ "$least" -ge 50 ] && [ "$middle" -lt 100 ] && [ "$(waits)" -gt 0 ] ||
		{ cat writer.log; waits; return 1; }
}

scarce()
{
	export RUDP_MEM="100 200 300"
	mkfifo hoard writer
	run "$python" "$here/sndtimeo.py" <writer >writer.log 2>&1 &
	writer=$!
	pids="$pids $writer"
	exec 9>writer
	until grep -q ready writer.log; do
		kill -0 $writer || return
		sleep 0.01
	done
	"$truth" hoard "$RUDP_DOMAIN" 1000 <hoard >hoard.log &
	pids="$pids $!"
	exec 8>hoard
	"$truth" reaches "$RUDP_DOMAIN" 1000 >/dev/null
	check "T35: SO_SNDTIMEO of 50 ms is kept while the domain refuses" t35_time_limit
	pass "$(tail -1 writer.log)"
	exec 8>&- 9>&-
	stop_all
}

in_modes scarce
finish
