#!/usr/bin/env bash
# fifo_client.sh REQUESTS ANSWERS TEXT - asks a service over two FIFOs
# (listen = fifo:REQUESTS,reply=ANSWERS), prints the answer.
#
# The reader is there before the request is written: an answer to nobody is thrown away. Opened for
# both, since to open a FIFO for reading alone waits for a writer.
set -euo pipefail
exec 3<>"$2"
printf '%s\n' "$3" >"$1"
timeout 10 head -n 1 <&3
