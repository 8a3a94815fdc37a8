#!/bin/bash
# Programs that are started on a socket: they find it as their standard input
# and output, and know nothing of sockets. By xinetd, ncat, socat, a shell.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin
need socat
need_python
enter "$@"

data sent 2000000
mkdir tree
cp sent tree/a
head -c 70000 sent >tree/b

# Each program on its socket, as the arguments of whoever starts it.
cat >programs <<END
cat	$(command -v cat)
bare	$tmp/bare
shell	$tmp/shell
count	$tmp/count
untar	$tmp/untar
tar	$tmp/tarred
named	$tmp/named
END
printf '#!/bin/sh\nexec env -u LD_PRELOAD cat\n' >bare
printf '#!/bin/sh\nwhile read -r line; do printf "<%%s>\\n" "$line"; done\necho bye\n' >shell
printf '#!/bin/sh\ncksum\n' >count
printf '#!/bin/sh\nmkdir -p %s && cd %s && tar xf - && echo unpacked\n' "$tmp/new" "$tmp/new" >untar
printf '#!/bin/sh\nexec tar cf - -C %s .\n' "$tmp/tree" >tarred
cat >named <<END
#!$python
import os, socket, sys
s = socket.socket(fileno=0)
assert s.family == socket.AF_INET, s.family
assert s.getpeername()[0] == "127.0.0.1", s.getpeername()
assert s.getsockname()[1] == int(sys.stdin.readline()), s.getsockname()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("known", flush=True)
s.shutdown(socket.SHUT_WR)
END
chmod +x bare shell count untar tarred named

call() { run socat -t 30 - "TCP4:127.0.0.1:$port"; }

echoes() { call <sent >got && same_data got sent; }
shells() { equal "$(printf 'one\ntwo\n' | call)" "$(printf '<one>\n<two>\nbye')"; }
counts() { equal "$(call <sent)" "$(sum_of sent)"; }
packs() { call </dev/null | tar tf - | sort >names && equal "$(tr '\n' ' ' <names)" "./ ./a ./b "; }
names() { equal "$(echo "$port" | call)" known; }

unpacks()
{
	rm -rf new
	equal "$(tar cf - -C tree . | call)" unpacked || return
	same_data new/a sent
}

# by WHO PROGRAM: what is said to a program on the port, whoever started it
speak()
{
	case $2 in
	cat) wire_mark
	     check "$1: cat, 2 MB both ways" echoes
	     wire_check 4000000 ;;
	bare) check "$1: cat that is not preloaded" echoes ;;
	shell) check "$1: a shell reads and answers lines" shells ;;
	count) check "$1: the answer comes after our end" counts ;;
	untar) check "$1: tar unpacks what it is sent" unpacks ;;
	tar) check "$1: tar sends" packs ;;
	named) check "$1: names and options are the socket's" names ;;
	esac
}

by_xinetd()
{
	local name path ports=

	command -v xinetd >/dev/null || return 0
	: >xinetd.conf
	while read -r name path; do
		new_port
		ports="$ports $name:$port"
		cat >>xinetd.conf <<-END
		service $name
		{
			type = UNLISTED
			socket_type = stream
			protocol = tcp
			bind = 127.0.0.1
			port = $port
			wait = no
			user = $(id -un)
			server = $path
		}
		END
	done <programs
	new_port
	server xinetd xinetd -dontfork -f "$tmp/xinetd.conf" -pidfile "$tmp/xinetd.pid" \
		-filelog "$tmp/xinetd.log.own"
	for name in $ports; do
		port=${name#*:}
		ready || return
		speak xinetd "${name%:*}"
	done
	stop_all
}

by_socat()
{
	local name path

	while read -r name path; do
		new_port
		server socat socat "TCP4-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" \
			"EXEC:$path,nofork"
		ready || return
		speak socat "$name"
		stop_all
	done <programs
}

# Who leaves its half open: ncat ends when the caller's half does.
talks()
{
	run "$python" - "$port" <<-END
	import socket, sys, threading
	sent = open("sent", "rb").read()[:60000]	# which fit into its pipe
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
	threading.Thread(target=s.sendall, args=(sent,)).start()
	got = s.makefile("rb").read(len(sent))
	sys.exit(got != sent)
	END
}

listens() { run nc -d 127.0.0.1 "$port" | tar tf - | sort >names && equal "$(tr '\n' ' ' <names)" "./ ./a ./b "; }

by_ncat()
{
	command -v ncat >/dev/null || return 0
	new_port
	server ncat ncat -l -k 127.0.0.1 "$port" --exec "$(command -v cat)"
	ready || return
	check "ncat: cat, both ways" talks
	stop_all
	command -v nc >/dev/null || return 0
	new_port
	server ncat ncat -l -k 127.0.0.1 "$port" --exec "$tmp/tarred"
	ready || return
	check "ncat: tar sends" listens
	stop_all
}

# A shell as the caller.
by_bash()
{
	new_port
	server echo socat "TCP4-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" EXEC:cat,nofork
	ready || return
	check "bash: redirections to a socket" run bash -c "
		exec 3<>/dev/tcp/127.0.0.1/$port || exit
		echo hello >&3; read -r -t 10 answer <&3; [ \"\$answer\" = hello ] || exit
		head -c 100000 sent >&3 & head -c 100000 <&3 | cmp - <(head -c 100000 sent)"
	stop_all
}

tests()
{
	by_socat
	by_xinetd
	by_ncat
	by_bash
}

in_modes tests
finish
