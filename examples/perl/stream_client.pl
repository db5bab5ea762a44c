#!/usr/bin/perl
# stream_client.pl PATH|PORT TEXT - sends TEXT to a stream service (listen = unix:PATH or tcp:PORT),
# prints the answer.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($where, $text) = @ARGV;
my $client = $where =~ /^\d+$/
    ? IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $where, Timeout => 10)
    : IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $where);
die "$where: $@\n" unless $client;
# What is written to a peer that is gone would end us without a word.
$SIG{PIPE} = 'IGNORE';
print {$client} $text or die "$where: $!\n";
$client->flush;
$client->shutdown(1);
print while <$client>;
print "\n";
