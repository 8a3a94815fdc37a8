#!/bin/bash
# Members of busy families are killed at random moments. DEATHS="ROUNDS KILLS"
# makes it longer, SEED repeats a run's choices.
. "$(dirname "$0")/../lib.sh"
need_python
need_helper deaths
enter "$@"
ulimit -c 0
long=${DEATHS-}
RUDPSTAT=$rudpstat
export RUDPSTAT

deaths()
{
	local where=none

	set_in_mode
	IN_MODE=${in_mode[*]}
	export IN_MODE
	DEATHS=${DEATHS-1 15}
	[ "$mode" = native ] || where=$RUDP_DOMAIN DEATHS=${long:-2 25}
	new_port
	# shellcheck disable=SC2086
	"$python" "$e2e_src/deaths.py" "$e2e_bin/deaths" "$port" $DEATHS "$where" ${SEED-}
}

# Who drives for others is killed, and who would follow it.
orphaned()
{
	local rudp=0

	[ "$mode" = native ] || rudp=1
	set_in_mode
	timeout -k 1 100 "$python" -B "$e2e_src/orphaned.py" $rudp \
		"${in_mode[@]}" RUDP_LISTEN=rudp RUDP_FALLBACK=off \
		"$python" -B "$e2e_src/orphaned.py" hold
}

tests()
{
	[ "$private" = yes ] || skip "no namespace whose processes are all ours"
	check "without a driver, new sockets have one" orphaned
	check "others live on, and nothing is left" deaths
	[ -z "$long" ] || cat check.out
}

in_modes tests
finish
