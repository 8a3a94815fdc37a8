# services.sh - mail, files, names, messages, databases.

program mosquitto 100000 mosquitto mosquitto_pub mosquitto_sub
program_mosquitto()
{
	local i

	new_port
	printf 'listener %d 127.0.0.1\nallow_anonymous true\nlog_type subscribe\n' "$port" >conf
	server mosquitto mosquitto -c conf
	ready || return
	seq -f 'message %g of those that are published' 1 1000 >sent
	for i in 1 2 3; do
		run mosquitto_sub -h 127.0.0.1 -p "$port" -i "sub$i" -q 1 -t t -C 1000 >"got$i" &
		eval "sub$i=$!"
	done
	for i in 1 2 3; do
		ready_log "sub$i 1 t" || return
	done
	check "mosquitto_pub: a thousand messages" \
		run mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 -t t -l <sent
	wait "$sub1" "$sub2" "$sub3"
	check "mosquitto_sub: three got all, in order" same_data got1 sent
	check "mosquitto_sub: the second" same_data got2 sent
	check "mosquitto_sub: the third" same_data got3 sent
}

program ngircd 1000 ngircd
program_ngircd()
{
	new_port
	cat >conf <<-END
	[Global]
	Name = irc.example.net
	Info = test
	Listen = 127.0.0.1
	Ports = $port
	ServerUID = $(id -u)
	ServerGID = $(id -g)
	[Options]
	DNS = no
	Ident = no
	PAM = no
	END
	server ngircd ngircd -n -f conf
	ready || return
	check "ngircd: two talk" run "$python" "$world/irc.py" "$port"
}

program beanstalkd 100000 beanstalkd
program_beanstalkd()
{
	new_port
	server beanstalkd beanstalkd -l 127.0.0.1 -p "$port" -z 200000
	ready || return
	check "beanstalkd: jobs" run "$python" "$world/jobs.py" "$port"
}

program dnsmasq - dnsmasq dig
program_dnsmasq()
{
	local -x RUDP_FALLBACK=tcp

	new_port
	seq -f 'host-record=h%g.test,10.0.0.1' 1 50 >conf
	echo "txt-record=big.test,$(head -c 200 /dev/zero | tr '\0' x)" >>conf
	server dnsmasq dnsmasq -k -C conf -p "$port" --no-resolv --no-hosts --bind-interfaces \
		--listen-address=127.0.0.1 -u "$(id -un)" -x pid
	ready || return
	check "dnsmasq: dig +tcp, fifty names" digged
	check "dnsmasq: by UDP" equal \
		"$(run dig +short +tries=1 -p "$port" @127.0.0.1 h7.test)" 10.0.0.1
}

digged()
{
	seq -f 'h%g.test' 1 50 >names
	run dig +tcp +short +tries=1 -p "$port" @127.0.0.1 -f names >got || return
	equal "$(sort got | uniq -c | awk '{ print $1, $2 }')" "50 10.0.0.1" || return
	equal "$(run dig +tcp +short -p "$port" @127.0.0.1 big.test TXT | tr -d '"\n' | wc -c)" 200
}

program named - named dig
program_named()
{
	local -x RUDP_FALLBACK=tcp

	new_port
	cat >conf <<-END
	options {
		directory "$PWD";
		pid-file "$PWD/pid";
		session-keyfile "$PWD/key";
		listen-on port $port { 127.0.0.1; };
		listen-on-v6 { none; };
		recursion no;
		allow-transfer { any; };
		dnssec-validation no;
	};
	controls { };
	zone "test" { type master; file "zone"; };
	END
	{
		printf '$TTL 60\n@ SOA ns.test. root.test. 1 60 60 60 60\n NS ns.test.\nns A 127.0.0.1\n'
		seq -f 'h%g A 10.0.0.1' 1 3000
	} >zone
	server named named -g -c conf -n 2
	ready_log 'running$' && ready || return
	run dig +tcp -p "$port" @127.0.0.1 test AXFR >got
	check "named: a zone of 3000 names is transferred" equal "$(grep -c '^h.*10.0.0.1$' got)" 3000
	check "named: by UDP" equal "$(run dig +short +tries=1 -p "$port" @127.0.0.1 h8.test)" 10.0.0.1
	check "named: one name" equal "$(run dig +tcp +short -p "$port" @127.0.0.1 h7.test)" 10.0.0.1
}

program opensmtpd 1000000 smtpd swaks /usr/sbin/smtpctl
program_opensmtpd()
{
	as_root || return
	new_port
	cat >conf <<-END
	listen on 127.0.0.1 port $port hostname localhost
	action "keep" maildir "$PWD/mail/%{rcpt.user}"
	match from any for any action "keep"
	END
	server smtpd smtpd -d -f conf
	ready_log 'smtp listen\|ready\|info: OpenSMTPD' || return
	ready || return
	base64 "$tmp/page" >body
	check "opensmtpd: swaks delivers 1.3 MB" run swaks -s 127.0.0.1 -p "$port" -f a@localhost \
		-t root@localhost --body @body --silent 2
}

program vsftpd 2000000 vsftpd
program_vsftpd()
{
	as_root || return
	new_port
	mkdir -p root/up empty
	cp "$tmp/page" root
	chmod 777 root/up
	cat >conf <<-END
	listen=YES
	listen_address=127.0.0.1
	listen_port=$port
	anonymous_enable=YES
	anon_root=$PWD/root
	anon_upload_enable=YES
	write_enable=YES
	no_anon_password=YES
	secure_chroot_dir=$PWD/empty
	local_enable=NO
	background=NO
	vsftpd_log_file=$PWD/log
	END
	server vsftpd vsftpd conf
	ready || return
	check "vsftpd: passive" get "ftp://127.0.0.1:$port/page"
	check "vsftpd: active" get -P 127.0.0.1 "ftp://127.0.0.1:$port/page"
	check "vsftpd: an upload" run curl -sS -m 20 -T "$tmp/page" "ftp://127.0.0.1:$port/up/page"
	check "vsftpd: it is right" cmp root/up/page "$tmp/page"
	check "lftp: a mirror" mirrored
}

mirrored()
{
	command -v lftp >/dev/null || return 0
	run lftp -e "set net:max-retries 1; mirror -X up/ / copy; exit" "ftp://127.0.0.1:$port" &&
		cmp copy/page "$tmp/page"
}

program rsync 2000000 rsync
program_rsync()
{
	new_port
	mkdir from up
	cp "$tmp/page" from
	cp -r /usr/share/common-licenses from 2>/dev/null
	cat >conf <<-END
	use chroot = no
	uid = $(id -u)
	gid = $(id -g)
	[from]
	path = $PWD/from
	[up]
	path = $PWD/up
	read only = no
	END
	server rsync rsync --daemon --no-detach --config=conf --address=127.0.0.1 --port="$port"
	ready || return
	check "rsync: a tree down" run rsync -rL "rsync://127.0.0.1:$port/from/" down
	check "rsync: it is right" diff -r from down
	check "rsync: a tree up" run rsync -rL from/ "rsync://127.0.0.1:$port/up/"
	check "rsync: it is right" diff -r from up
	echo more >>from/page
	check "rsync: what changed" run rsync -rL from/ "rsync://127.0.0.1:$port/up/"
	check "rsync: it is right" diff -r from up
}

program mariadb 1000000 mariadbd mariadb mariadb-install-db
program_mariadb()
{
	local me

	me=$(id -un)
	new_port
	mariadb-install-db --no-defaults --user="$me" --datadir="$PWD/data" \
		--auth-root-authentication-method=normal >install.log 2>&1
	server mariadb mariadbd --no-defaults --user="$me" --datadir="$PWD/data" --port="$port" \
		--bind-address=127.0.0.1 --socket="$PWD/sock" --pid-file="$PWD/pid" \
		--skip-name-resolve --innodb-flush-log-at-trx-commit=0
	ready || return
	cat >sql <<-'END'
	create table t (n int primary key, s longtext);
	insert into t select seq, repeat(char(97 + seq % 26), 2000) from seq_1_to_1000;
	select sum(n), sum(length(s)), md5(group_concat(s order by n)) from t;
	select s from t order by n;
	END
	asked >native.out
	check "mariadb: two megabytes of rows" at_least "$(wc -c <native.out)" 2000000
	check "mariadb: they are right" equal "$(tail -n +2 native.out | cksum)" \
		"$(for ((n = 1; n <= 1000; n++)); do printf "%0.s\\x$(printf %x $((97 + n % 26)))" {1..2000}
			echo; done | cksum)"
	check "mariadb: eight clients at once" eight
}

asked()
{
	run mariadb --no-defaults -h 127.0.0.1 -P "$port" -u root -N -e 'create database if not exists d' &&
		run mariadb --no-defaults -h 127.0.0.1 -P "$port" -u root -N d <sql
}

eight()
{
	local i p=

	for i in 1 2 3 4 5 6 7 8; do
		run mariadb --no-defaults -h 127.0.0.1 -P "$port" -u root -N d \
			-e 'select s from t order by n' >"got$i" &
		p="$p $!"
	done
	wait $p
	for i in 1 2 3 4 5 6 7 8; do
		equal "$(sum_of "got$i")" "$(tail -n +2 native.out | cksum)" || return
	done
}

program dropbear 1000000 dropbear dbclient dropbearkey
program_dropbear()
{
	as_root || return
	new_port
	dropbearkey -t ed25519 -f host >/dev/null 2>&1
	dropbearkey -t ed25519 -f mine 2>/dev/null | grep ^ssh >mine.pub
	mkdir -p home/.ssh && cp mine.pub home/.ssh/authorized_keys
	chmod 700 home home/.ssh && chmod 600 home/.ssh/authorized_keys
	mount --bind home /root 2>/dev/null || return
	server dropbear dropbear -F -E -s -r host -p "127.0.0.1:$port"
	ready || return
	check "dropbear: a megabyte there and back" shelled
	umount /root
}

shelled()
{
	run dbclient -y -y -i mine -p "$port" root@127.0.0.1 cat <"$tmp/page" >got && cmp got "$tmp/page"
}

program dovecot 500000 dovecot
program_dovecot()
{
	local me

	as_root || return
	new_port
	me=nobody
	mkdir -p mail/new mail/cur mail/tmp run state
	base64 "$tmp/page" >mail/new/1.eml.tmp
	{ printf 'From: a@localhost\nTo: b@localhost\nSubject: page\n\n'; cat mail/new/1.eml.tmp; } \
		>mail/new/1.eml
	rm mail/new/1.eml.tmp
	chown -R nobody mail
	cat >conf <<-END
	base_dir = $PWD/run
	state_dir = $PWD/state
	log_path = /dev/stderr
	protocols = imap
	ssl = no
	disable_plaintext_auth = no
	default_login_user = nobody
	default_internal_user = nobody
	default_internal_group = nogroup
	first_valid_uid = 1
	import_environment = LD_PRELOAD RUDP_DOMAIN
	mail_location = maildir:$PWD/mail
	passdb {
	  driver = static
	  args = password=x
	}
	userdb {
	  driver = static
	  args = uid=nobody gid=nogroup home=$PWD
	}
	service imap-login {
	  chroot =
	  inet_listener imap {
	    address = 127.0.0.1
	    port = $port
	  }
	  inet_listener imaps {
	    port = 0
	  }
	}
	END
	server dovecot dovecot -F -c conf
	ready || return
	check "dovecot: a message of 1.3 MB" fetched
}

fetched()
{
	run curl -sS -m 20 "imap://b:x@127.0.0.1:$port/INBOX;UID=1" >got || return
	equal "$(tail -n +5 got | tr -d '\r' | base64 -d | cksum)" "$(cksum <"$tmp/page")"
}
