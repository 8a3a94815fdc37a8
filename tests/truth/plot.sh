#!/bin/bash
# plot.sh - the stalled-reader run as a picture, with librudp's limits and with
# limits that are never met: plots/limits.svg, plots/no-limits.svg.
here=$(cd "$(dirname "$0")" && pwd)
command -v gnuplot >/dev/null || { echo "plots: no gnuplot" >&2; exit 77; }
mkdir -p plots || exit
out=$PWD/plots

# picture NAME TITLE
picture()
{
	gnuplot <<-EOF
	set terminal svg size 900,500 background rgb "white"
	set output "$out/$1.svg"
	set title "$2"
	set xlabel "seconds"
	set ylabel "MiB"
	set key outside bottom center horizontal
	set grid ytics
	mib(pages) = pages / 256.0
	f = "$out/$1.txt"
	limit = "$3"
	if (limit eq "limits") {
		plot f using (\$1/1e3):(mib(\$2)) with lines lw 2 title "charged", \
			f using (\$1/1e3):(mib(\$6)) with lines lw 2 title "blocks of the memfds", \
			f using (\$1/1e3):(mib(\$7)) with lines dt 3 title "low", \
			f using (\$1/1e3):(mib(\$8)) with lines dt 2 title "pressure", \
			f using (\$1/1e3):(mib(\$9)) with lines dt 1 lw 1 title "high", \
			f using (\$1/1e3):(mib(\$12)) with lines dt 4 title "bound (D8.4)"
	} else {
		plot f using (\$1/1e3):(mib(\$2)) with lines lw 2 title "charged", \
			f using (\$1/1e3):(mib(\$6)) with lines lw 2 title "blocks of the memfds"
	}
	EOF
}

# run NAME LIMITS
run()
{
	PLOT=$out/$1.txt LIMITS=$2 SECONDS_LONG=8 SAMPLES=400 KILLS=0 "$here/run_truth.sh" ||
		exit
}

run limits "4M 6M 8M"
run no-limits "1G 2G 4G"
picture limits "400 connections, half of the readers stalled: limits 4, 6, 8 MiB" limits
picture no-limits "The same without limits that are met" none
echo "plots: $out/limits.svg, $out/no-limits.svg"
