#!/bin/bash
# run.sh - runs bench.py in namespaces of its own: its loopback and its veth
# pairs meet no other traffic, and end with it.
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
top_builddir=$(cd "${top_builddir:-$here/../..}" && pwd)
export top_builddir

for p in python3 iperf3 redis-benchmark wrk nginx taskset ip unshare nsenter; do
	command -v $p >/dev/null || { echo "bench: no $p" >&2; exit 77; }
done
python=$(python3 -c 'import sys; print(sys.executable)')
flags=-npf
[ "$(id -u)" = 0 ] || flags="-cnpf --keep-caps"
# shellcheck disable=SC2086
exec unshare $flags --mount-proc --kill-child sh -c \
	'ip link set lo up; mount -t tmpfs tmpfs /dev/shm; exec "$@"' sh \
	"$python" -B "$here/bench.py"
