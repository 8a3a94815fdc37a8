#!/bin/bash
# RUDP_LOG writes each event as one line of the documented format; without it
# nothing is written.
. "$(dirname "$0")/../lib.sh"
need_python
[ -x "$rudpstat" ] || [ -z "$PRELOAD" ] || skip "rudpstat is not built"
enter "$@"

form='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z [0-9]+ (error|warn|info|debug) [a-z-]+( [a-z_]+=[^ ]*)+$'

logged() { grep -Eq " $1" events || { cat events; false; }; }

# A connection lives and is reset, while everything is written down.
life()
{
	export RUDP_LOG=$1
	server self "$python" "$e2e_src/self.py"
	ready_log port || return
	port=$(sed -n 's/^.*port \([0-9]*\)$/\1/p' "$server_log")
	echo nonsense >"/dev/udp/127.0.0.1/$port"
	[ "${1%%:*}" != debug ] || until grep -q ' drop ' "${1#*:}"; do
		kill -0 "$pid" || return
		sleep 0.01
	done
	"$rudpstat" -K -d "$RUDP_DOMAIN" dport "$port" >killed
	wait "$pid"
	pids=${pids/ $pid/}
	unset RUDP_LOG
}

# A pair that a child has inherited outlives the process that drove it, which
# exits, or is killed when its caretaker has been started.
outlive()
{
	RUDP_LOG=info:$tmp/$1 run "$python" -c '
import os, signal, socket, sys, time
how, log = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
parent = os.getpid()
if os.fork():
    if how == "killed.log":
        while "caretaker-start" not in open(log).read():
            time.sleep(0.01)
        time.sleep(0.5)         # it takes some ticks until all is passed
        os.kill(parent, signal.SIGKILL)
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
b.sendall(b"from the child")
assert a.recv(99) == b"from the child"
' "$1" "$tmp/$1"
	until grep -q ' caretaker-end ' "$1"; do sleep 0.01; done
	grep -Eq 'info caretaker-start caretaker=[0-9]+$' "$1" &&
		grep -Eq 'info adopted sockets=[1-9]' "$1" &&
		equal "$(grep -c 'handed-over' "$1")" "$2" &&
		equal "$(grep -Evc "$form" "$1")" 0 || { cat "$1"; false; }
}

# What a caretaker says reaches the program's standard error.
to_stderr()
{
	RUDP_LOG=info run "$python" -c '
import os, socket, time
listener = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
time.sleep(0.5)
a.send(b"unread")
os._exit(0)
' 2>heard
	until grep -q ' caretaker-end ' heard; do sleep 0.01; done
	grep -q 'handed-over .* why=exit' heard && grep -q ' adopted ' heard
}

refused()
{
	local rc=0

	RUDP_LOG=$1 run "$python" -c 'print("ran")' >out 2>err || rc=$?
	equal "$rc" 78 && equal "$(cat out)" "" && grep -q RUDP_LOG err
}

tests()
{
	local v

	[ "$mode" = rudp ] || return 0
	life "info:$tmp/events"
	check "every line has the form" equal "$(grep -Evc "$form" events)" 0
	check "the driver is there" logged "info driver version=[0-9.]+ domain=$RUDP_DOMAIN program=python"
	check "the listener" logged "info listen id=[0-9a-f]{16} local=127.0.0.1:$port .*state=LISTEN was=NEW"
	check "both ends" equal "$(grep -c 'state=ESTAB was=' events)" 2
	check "the request to reset" logged 'warn kill id='
	check "its end for one" logged "state=CLOSED was=ESTAB err=103"
	check "its end for the other" logged "state=CLOSED was=ESTAB err=104"
	cp events before

	new_domain
	life warn
	check "to standard error, and what matters alone" equal \
		"$(grep -Ec "$form" "$server_log") $(grep -c ' kill ' "$server_log")" "1 1"
	new_domain
	life "debug:$tmp/debug"
	check "packets that are dropped, when asked for" \
		grep -Eq 'debug drop why=malformed id=0{16} bytes=9' debug
	check "in the same form" equal "$(grep -Evc "$form" debug)" 0
	check "and not else" equal "$(grep -c drop events)" 0
	new_domain
	life off
	check "nothing when off" equal "$(grep -Ec "$form" "$server_log")" 0
	check "nothing where nothing was asked for" same_data events before
	check "the driver exits: handed over, and adopted" outlive exits.log 1
	check "it is killed: adopted" outlive killed.log 0
	check "and heard on standard error" to_stderr
	for v in loud info: :file infos:x; do
		check "RUDP_LOG=$v is refused" refused "$v"
	done
}

in_modes tests
finish
