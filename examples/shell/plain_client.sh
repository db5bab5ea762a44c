#!/usr/bin/env bash
# plain_client.sh PORT - reads what a service says by itself (listen = tcp:PORT, to = clock), with
# nothing but bash.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/$1"
timeout 10 cat <&3
