#!/usr/bin/env bash
# fifo_client.sh REQUESTS ANSWERS TEXT - asks a service over two FIFOs
# (listen = fifo:REQUESTS,reply=ANSWERS), prints the answer.
#
# The reader is opened before the writer, as ferry does too: opening a FIFO waits for the other end.
set -euo pipefail
timeout 10 head -n 1 <"$2" &
reader=$!
printf '%s\n' "$3" >"$1"
wait "$reader"
