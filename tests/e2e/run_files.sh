#!/bin/bash
# Programs that may have few descriptors, and not one more.
. "$(dirname "$0")/../lib.sh"
need_python
enter "$@"

# What natively is not a connection's is the interpreter's.
few() { run "$python" "$e2e_src/files.py" "$1" $([ $mode = native ] && echo 10 || echo 26); }

tests()
{
	check "a client has nearly every number for a connection" few client
	check "the same when the limit comes later" few lowered
	check "a server has nearly every number for a connection" few server
}

in_modes tests
finish
