# HTTP::Daemon in a child, LWP as its client.
use strict;
use warnings;
use HTTP::Daemon;
use LWP::UserAgent;

my $page = do { local (@ARGV, $/) = $ARGV[0]; <> };
my $daemon = HTTP::Daemon->new(LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "listen: $!";
my $url = 'http://127.0.0.1:' . $daemon->sockport;
my $serving = fork // die;
if (!$serving) {
	while (my $client = $daemon->accept) {
		while (my $request = $client->get_request) {
			if ($request->method eq 'GET') {
				$client->send_file_response($ARGV[0]);
			} else {
				$client->send_response(200, 'OK', [], scalar reverse $request->content);
			}
		}
		close $client;
	}
	exit 1;
}
close $daemon;
my $agent = LWP::UserAgent->new(timeout => 20, keep_alive => 1);
for (1 .. 5) {
	my $answer = $agent->get("$url/page");
	die $answer->status_line unless $answer->is_success;
	die 'not the page' if $answer->content ne $page;
	$answer = $agent->post($url, Content => "post $_");
	die 'not the answer' if $answer->content ne scalar reverse "post $_";
}
kill 'TERM', $serving;
waitpid $serving, 0;
