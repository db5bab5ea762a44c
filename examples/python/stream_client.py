#!/usr/bin/env python3
"""stream_client.py PATH|PORT TEXT - sends TEXT to a stream service (listen = unix:PATH or
tcp:PORT), prints the answer."""

import socket
import sys

where, text = sys.argv[1:]
if where.isdigit():
    client = socket.create_connection(("127.0.0.1", int(where)), timeout=10)
else:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(where)
with client:
    client.sendall(text.encode())
    client.shutdown(socket.SHUT_WR)
    while part := client.recv(65536):
        sys.stdout.buffer.write(part)
print()
