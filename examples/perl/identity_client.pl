#!/usr/bin/perl
# identity_client.pl PATH TEXT - before it sends TEXT, says whom the kernel vouches for at the other
# end of a path, and goes away if that is not root or ourselves.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOL_SOCKET);

# Of asm-generic/socket.h; Perl has no name for it.
use constant SO_PEERCRED => 17;

my ($path, $text) = @ARGV;
my $client = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "$path: $@\n";
my ($pid, $uid, $gid) = unpack 'iII', $client->getsockopt(SOL_SOCKET, SO_PEERCRED);
print STDERR "served by pid $pid uid $uid gid $gid\n";
die "not served by whom we trust\n" unless $uid == 0 || $uid == $<;
print {$client} $text or die "$path: $!\n";
$client->flush;
$client->shutdown(1);
print while <$client>;
print "\n";
