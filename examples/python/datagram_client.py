#!/usr/bin/env python3
"""datagram_client.py PATH|PORT TEXT... - sends each TEXT as a datagram (listen = unix-dgram:PATH or
udp:PORT), prints the answer to each."""

import socket
import sys

where, *texts = sys.argv[1:]
if where.isdigit():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", int(where)))
else:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    client.bind("")  # the kernel gives it a name: without one it cannot be answered
    client.connect(where)
client.settimeout(10)
with client:
    for text in texts:
        client.send(text.encode())
        print(client.recv(1 << 20).decode())
