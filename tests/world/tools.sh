# tools.sh - TLS tools, tunnels, benchmarks that verify what they do.

program openssl 2000000 openssl
program_openssl()
{
	certificate
	new_port
	server openssl openssl s_server -accept "127.0.0.1:$port" -key key.pem -cert cert.pem -WWW -quiet
	cp "$tmp/page" .
	ready || return
	check "openssl s_server: curl gets a page" get --http0.9 --cacert cert.pem \
		"https://127.0.0.1:$port/page"
	check "openssl s_client: another" openssl_get
}

openssl_get()
{
	printf 'GET /page HTTP/1.0\r\n\r\n' |
		run openssl s_client -connect "127.0.0.1:$port" -CAfile cert.pem -quiet -ign_eof \
			-servername localhost >answer 2>/dev/null
	tail -c 1000000 answer >got
	cmp got "$tmp/page"
}

program gnutls 200000 gnutls-serv gnutls-cli
program_gnutls()
{
	certificate
	new_port
	server gnutls gnutls-serv --echo -p "$port" --x509keyfile key.pem --x509certfile cert.pem
	ready || return
	base64 "$tmp/page" | head -c 200000 >sent
	check "gnutls: an echo" echoed
}

# The client ends when its input has ended and it has read what is there.
echoed()
{
	(cat sent; until [ "$(stat -c %s got)" -ge 200000 ]; do :; done) |
		run gnutls-cli -p "$port" --logfile=log --x509cafile cert.pem 127.0.0.1 >got
	equal "$(head -c 200000 got | cksum)" "$(sum_of sent)"
}

program stunnel 2000000 stunnel lighttpd
program_stunnel()
{
	local origin

	certificate
	new_port
	origin=$port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	new_port
	cat >stunnel.conf <<-END
	foreground = yes
	pid =
	[t]
	accept = 127.0.0.1:$port
	connect = 127.0.0.1:$origin
	cert = $PWD/both.pem
	END
	server stunnel stunnel stunnel.conf
	ready || return
	check "stunnel: a page" get --cacert cert.pem "https://127.0.0.1:$port/page"
	check "stunnel: ten at once" parallel_tls
}

parallel_tls()
{
	run curl -sS -Z --cacert cert.pem -m 50 -o 'got#1' -w '%{http_code}\n' \
		"https://127.0.0.1:$port/page?[1-10]" >codes
	equal "$(sort codes | uniq -c | awk '{ print $1, $2 }')" "10 200"
}

program sockperf 100000 sockperf
program_sockperf()
{
	new_port
	server sockperf sockperf server --tcp -i 127.0.0.1 -p "$port"
	ready || return
	check "sockperf: ping-pong, each answer looked at" run sockperf ping-pong --tcp \
		-i 127.0.0.1 -p "$port" -t 1 --data-integrity -m 200
	check "sockperf: under load" run sockperf under-load --tcp -i 127.0.0.1 -p "$port" -t 1 \
		--mps 2000 -m 200
	check "sockperf: throughput" run sockperf throughput --tcp -i 127.0.0.1 -p "$port" -t 1 -m 1400
}

program iperf2 1000000 iperf
program_iperf2()
{
	new_port
	server iperf iperf -s -B 127.0.0.1 -p "$port"
	ready || return
	check "iperf 2: both ways, three streams" run iperf -c 127.0.0.1 -p "$port" -t 1 -P 3 -d
}

program stress_ng 1000000 stress-ng
program_stress_ng()
{
	local kind

	for kind in ipv4 ipv6; do
		new_port
		check "stress-ng --sock $kind, verified" stressed --sock 2 --sock-port "$port" \
			--sock-domain $kind --sock-ops 200
	done
	for kind in sendmsg sendmmsg; do
		new_port
		check "stress-ng --sock-opts $kind" stressed --sock 1 --sock-port "$port" \
			--sock-opts $kind --sock-ops 200
	done
	new_port
	check "stress-ng --sockmany" stressed --sockmany 1 --sockmany-port "$port" --sockmany-ops 200
	new_port
	check "stress-ng --sockabuse" stressed --sockabuse 1 --sockabuse-port "$port" --sockabuse-ops 100
	new_port
	check "stress-ng --sendfile, --epoll" stressed --epoll 1 --epoll-port "$port" --epoll-ops 100
}

stressed()
{
	run stress-ng --temp-path . --verify --timeout 20 "$@" >stress.log 2>&1 &&
		! grep -E '\bfail(ed|:)|unsuccessful' stress.log
}

program ncat 2000000 ncat
program_ncat()
{
	new_port
	server ncat ncat -l -k -c "cat $tmp/page" 127.0.0.1 "$port"
	ready || return
	check "ncat: a page by cat" ncat_get
	stop_all
	certificate
	new_port
	server ncat ncat -l -k --ssl --ssl-key key.pem --ssl-cert cert.pem -c "cat $tmp/page" \
		127.0.0.1 "$port"
	ready || return
	check "ncat: the same over TLS" ncat_get --ssl
}

ncat_get() { run ncat --recv-only "$@" 127.0.0.1 "$port" >got && cmp got "$tmp/page"; }
