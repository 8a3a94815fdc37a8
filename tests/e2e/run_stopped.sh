#!/bin/bash
# A server is stopped, its children go on with their connections.
. "$(dirname "$0")/../lib.sh"
need_helper stopped
enter "$@"

# It waits until the caretaker has what it needs.
stopped()
{
	[ "$mode" = native ] || export STOPPED_COPIES=1
	equal "$(run "$e2e_bin/stopped" "$@")" ok
}

tests()
{
	check "its children go on while it is stopped" stopped on
	check "one of them closes" stopped close
	check "a peer shuts down" stopped fin
	check "a peer resets" stopped reset
	check "one calls meanwhile" stopped call
	check "it is killed while it is stopped" stopped kill
	check "it is stopped often, all being busy" stopped often 6
}

in_modes tests
finish
