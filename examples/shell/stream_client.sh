#!/usr/bin/env bash
# stream_client.sh PATH|PORT TEXT - sends TEXT to a stream service (listen = unix:PATH or tcp:PORT),
# prints the answer. nc is the OpenBSD one: -N ends our sending, -U is a unix socket.
set -euo pipefail
if [[ $1 =~ ^[0-9]+$ ]]; then
    printf %s "$2" | nc -N -w 10 127.0.0.1 "$1"
else
    printf %s "$2" | nc -N -w 10 -U "$1"
fi
echo
