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

tests()
{
	[ "$private" = yes ] || skip "no namespace whose processes are all ours"
	check "others live on, and nothing is left" deaths
	[ -z "$long" ] || cat check.out
}

in_modes tests
finish
