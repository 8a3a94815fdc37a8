#!/bin/bash
# OpenSSH as it comes: re-executes itself, separates privileges, seccomp.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need sshd ssh ssh-keygen scp sftp
[ "$(id -u)" = 0 ] || skip "sshd separates privileges as root alone"
enter "$@"

data payload 5000000

opts()
{
	printf '%s\n' -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
		-o UserKnownHostsFile=/dev/null -o "IdentityFile=$tmp/key" -o IdentitiesOnly=yes
}

client() { local p=$1; shift; run "$p" $(opts) "$@"; }
remote() { client ssh -p "$port" root@127.0.0.1 "$@"; }

# The account's own directory must not be looked at: keys are where we say.
configure()
{
	mkdir -p /run/sshd
	mount -t tmpfs -o mode=755 tmpfs /run/sshd 2>/dev/null	# our own, if we may
	[ -e hostkey ] || ssh-keygen -q -t ed25519 -N '' -f hostkey
	[ -e key ] || ssh-keygen -q -t ed25519 -N '' -f key
	cp key.pub /run/sshd/librudp-test-keys
	chmod 600 /run/sshd/librudp-test-keys
	cat >sshd_config <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $tmp/hostkey
		PidFile none
		AuthorizedKeysFile /run/sshd/librudp-test-keys
		PermitRootLogin yes
		UsePAM no
		Subsystem sftp internal-sftp
	END
}

both_ways() { remote cat <payload | cmp - payload; }
scp_there() { client scp -q -P "$port" payload "root@127.0.0.1:$tmp/copy" && cmp payload copy; }
sftp_back() { echo "get $tmp/payload back" | client sftp -q -b - -P "$port" root@127.0.0.1 && cmp payload back; }

with_rsync()
{
	command -v rsync >/dev/null || return 0
	run rsync -e "ssh $(opts | tr '\n' ' ') -p $port" payload "root@127.0.0.1:$tmp/synced" &&
		cmp payload synced
}

forwarded()
{
	local far=$port near p

	near=$("$e2e_bin/probe" port)
	client ssh -p "$port" -N -L "$near:127.0.0.1:$far" root@127.0.0.1 &
	p=$!
	port=$near ready || return
	port=$near remote echo through >fwd.out
	kill "$p"
	wait "$p" 2>/dev/null
	equal "$(cat fwd.out)" through
}

# The far end listens, and the near one connects.
forwarded_back()
{
	local far=$port near p ret

	near=$("$e2e_bin/probe" port)
	client ssh -p "$port" -N -o ExitOnForwardFailure=yes -R "$near:127.0.0.1:$far" \
		root@127.0.0.1 &
	p=$!
	port=$near ready || return
	port=$near both_ways
	ret=$?
	kill "$p"
	wait "$p" 2>/dev/null
	return $ret
}

by_proxy()
{
	local far=$port near p

	command -v curl >/dev/null || return 0
	near=$("$e2e_bin/probe" port)
	client ssh -p "$port" -N -D "$near" root@127.0.0.1 &
	p=$!
	port=$near ready || return
	run curl -s -m 10 --socks5 "127.0.0.1:$near" "telnet://127.0.0.1:$far" </dev/null |
		head -c 8 >proxy.out
	kill "$p"
	wait "$p" 2>/dev/null
	equal "$(cat proxy.out)" SSH-2.0-
}

# As inetd starts it: on standard input and output.
by_inetd()
{
	local first=$port ret

	command -v socat >/dev/null || return 0
	port=$("$e2e_bin/probe" port)
	server inetd socat "TCP4-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" \
		"EXEC:$(command -v sshd) -i -e -f $tmp/sshd_config,nofork"
	ready && both_ways && equal "$(remote 'echo $SSH_CONNECTION' | awk '{ print $1, $3, $4 }')" \
		"127.0.0.1 127.0.0.1 $port"
	ret=$?
	stop "$pid"
	port=$first
	return $ret
}

status() { remote 'exit 7'; equal $? 7; }

tests()
{
	new_port
	configure
	server sshd "$(command -v sshd)" -D -e -f "$tmp/sshd_config"
	ready_log 'Server listening' || return
	wire_mark
	check "a command" equal "$(remote echo hello)" hello
	check "its status" status
	check "5 MB to a command and back" both_ways
	wire_check 10000000
	check "names" equal "$(remote 'echo $SSH_CONNECTION' | awk '{ print $1, $3, $4 }')" \
		"127.0.0.1 127.0.0.1 $port"
	check "scp" scp_there
	check "sftp" sftp_back
	check "rsync" with_rsync
	check "a forwarded port" forwarded
	check "one forwarded back, 5 MB both ways" forwarded_back
	check "a proxy" by_proxy
	check "sshd -i" by_inetd
	rm -f /run/sshd/librudp-test-keys
}

in_modes tests
finish
