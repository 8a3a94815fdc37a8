#!/bin/bash
# Java's selectors at both ends.
. "$(dirname "$0")/../lib.sh"
need java javac
enter "$@"

javac -d "$tmp" "$e2e_src/Nio.java" || skip "javac cannot compile"

tests()
{
	new_port
	server java java -cp "$tmp" Nio server "$port"
	ready || return
	wire_mark
	check "1 connection echoes 20 MB" run java -cp "$tmp" Nio client "$port" 1 20000000
	wire_check 40000000
	check "100 connections echo 100 KB" run java -cp "$tmp" Nio client "$port" 100 100000
	check "the server saw no error" not grep -q server: "$server_log"
}

in_modes tests
finish
