#!/bin/bash
# The examples do what they say.
. "$(dirname "$0")/../lib.sh"
need curl
need_python
[ -x "$rudpstat" ] || [ -z "$PRELOAD" ] || skip "rudpstat is not built"
enter "$@"

export PYTHON=$python
PATH=$top_builddir/src/rudpstat:$PATH

group()
{
	"$top_srcdir/examples/group.sh" >out || return
	grep -q '^12 downloads are complete' out || return
	# the limit, and what is guaranteed beyond it (D8.4)
	at_most "$(sed -n 's/.*at most \([0-9]*\) pages.*/\1/p' out)" $((512 + 3 * 27 + 32 * 13))
}

pressure()
{
	"$top_srcdir/examples/pressure.sh" >out || return
	grep -q '^pressure YES' out && grep -q '^pressure no, entered [1-9]' out &&
		grep -q 'skmem:(r[1-9]' out
}

# What systemd can say without starting anything.
unit()
{
	sed "s|/usr/bin/rudp-run|$top_builddir/src/rudpstat/rudp-run|
		s|/usr/bin/rudpstat|$top_builddir/src/rudpstat/rudpstat|
		s|/usr/bin/python3|$python|; s|^Documentation=.*||; s|^User=.*||" \
		"$top_srcdir/examples/rudp-web.service" >rudp-web.service
	systemd-analyze verify --man=no ./rudp-web.service 2>&1 | grep rudp-web && return 1
	return 0
}

tests()
{
	[ "$mode" = rudp ] || return 0
	check "a group's memory is bounded" group
	check "a group under pressure comes out of it" pressure
	if command -v systemd-analyze >/dev/null; then
		check "the unit is well-formed" unit
	else
		say "run_examples: no systemd-analyze: the unit is not looked at"
	fi
}

in_modes tests
finish
