#!/bin/bash
# Python's http.server, read by curl and wget.
. "$(dirname "$0")/../lib.sh"
need curl wget
need_python
enter "$@"

mkdir www
data www/big 33554432
for i in $(seq 40); do
	head -c $((i * 20011)) www/big | tail -c $((i * 9973)) >"www/f$i"
done
(cd www && cksum f* >../want)

parallel()
(
	mkdir got && cd got || exit
	run curl -sS --parallel --parallel-max 40 --remote-name-all "$url/f[1-40]" || exit
	cksum f* | cmp - ../want
)

tests()
{
	new_port
	url=http://127.0.0.1:$port
	server python "$python" -u -m http.server "$port" --bind 127.0.0.1 --directory www
	ready || return

	wire_mark
	check "curl fetches 32 MiB" run curl -sS -o big "$url/big"
	check "data is right" same_data big www/big
	wire_check 33554432

	check "curl fetches 40 files in parallel, right" parallel
	rm -rf got big

	wire_mark
	check "wget fetches 32 MiB" run wget -q -O big "$url/big"
	check "data is right" same_data big www/big
	wire_check 33554432
	check "a missing file is a 404" equal "$(run curl -s -o /dev/null -w '%{http_code}' "$url/none")" 404
	rm -f big
}

in_modes tests
finish
