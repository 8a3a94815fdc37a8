# An echo by fcopy and a client by fileevents, both in one event loop; then
# gets and puts by lines.
set f [open [lindex $argv 0] rb]
set page [read $f]
close $f

proc fail {what} { puts stderr $what; exit 1 }

proc accept {chan addr port} {
	if {$addr ne "127.0.0.1"} { fail "peer is $addr" }
	fconfigure $chan -blocking 0 -translation binary
	fcopy $chan $chan -command [list ended $chan]
}
proc ended {chan bytes args} { close $chan }

proc readable {chan} {
	append ::got($chan) [read $chan]
	if {[eof $chan]} {
		close $chan
		if {$::got($chan) ne $::page} { fail "echo is wrong" }
		incr ::left -1
	}
}
set server [socket -server accept -myaddr 127.0.0.1 0]
set port [lindex [fconfigure $server -sockname] 2]
set left 6
after 30000 {fail "time is up"}
for {set i 0} {$i < 6} {incr i} {
	set chan [socket -async 127.0.0.1 $port]
	fconfigure $chan -blocking 0 -translation binary -buffersize 60000
	fileevent $chan readable [list readable $chan]
	puts -nonewline $chan $page
	close $chan write
}
while {$left} { vwait left }

proc lines {chan addr port} {
	fconfigure $chan -buffering line
	fileevent $chan readable [list line $chan]
}
proc line {chan} {
	if {[gets $chan text] >= 0} { puts $chan [string toupper $text] }
	if {[eof $chan]} { close $chan }
}
set server [socket -server lines -myaddr 127.0.0.1 0]
set port [lindex [fconfigure $server -sockname] 2]
set chan [socket 127.0.0.1 $port]
fconfigure $chan -buffering line
set n 0
fileevent $chan readable {
	if {[gets $chan] ne "LINE $n"} { fail "line $n" }
	incr n
	if {$n < 200} { puts $chan "line $n" }
}
puts $chan "line 0"
while {$n < 200} { vwait n }
if {![catch {socket 127.0.0.1 1}]} { fail "port 1 answers" }
exit 0
