# A server that forks for each client and echoes; clients that count.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my $server = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	or die "listen: $@";
my $port = $server->sockport;
my $serving = fork // die;
if (!$serving) {
	$SIG{CHLD} = 'IGNORE';
	while (my $client = $server->accept) {
		if (!(fork // die)) {
			close $server;
			$client->autoflush(1);
			while (my $line = <$client>) {
				print $client scalar reverse(substr($line, 0, -1)), "\n";
			}
			exit 0;
		}
		close $client;
	}
	exit 1;
}
close $server;

my ($text, %want, %got) = ('abcdefghij' x 1000);
my $select = IO::Select->new;
for my $n (1 .. 20) {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
		or die "connect: $@";
	$socket->autoflush(1);
	print $socket "$n $text\n" for 1 .. 10;
	$socket->shutdown(1);
	$select->add($socket);
	$want{$socket} = (reverse("$n $text") . "\n") x 10;
	$got{$socket} = '';
}
while ($select->count) {
	for my $socket ($select->can_read(20)) {
		my $n = sysread($socket, $got{$socket}, 65536, length $got{$socket});
		die "read: $!" unless defined $n;
		next if $n;
		die "not what was sent" if $got{$socket} ne $want{$socket};
		$select->remove($socket);
	}
}
kill 'TERM', $serving;
waitpid $serving, 0;
