#!/usr/bin/perl
# descriptor_client.pl PATH FILE... - passes open files to whoever takes them there, who needs no
# right to them: ferry take unix:PATH -- cat /dev/fd/3
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SOL_SOCKET);
use Socket::MsgHdr;

use constant SCM_RIGHTS => 1;    # of sys/socket.h

my ($path, @names) = @ARGV;
my $client = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) or die "$path: $@\n";
my @files = map { open my $file, '<', $_ or die "$_: $!\n"; $file } @names;
# With at least one byte: without any nothing is sent, and the files neither.
my $message = Socket::MsgHdr->new(buf => 'files');
$message->cmsghdr(SOL_SOCKET, SCM_RIGHTS, pack 'i*', map { fileno $_ } @files);
sendmsg($client, $message) or die "$path: $!\n";
$client->shutdown(1);
sysread $client, my $end, 1;    # its end: the taker has them
