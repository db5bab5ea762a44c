#!/usr/bin/env python3
"""descriptor_client.py PATH FILE... - passes open files to whoever takes them there, who needs no
right to them: ferry take unix:PATH -- cat /dev/fd/3"""

import contextlib
import socket
import sys

path, *names = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as client, contextlib.ExitStack() as opened:
    client.settimeout(10)
    client.connect(path)
    files = [opened.enter_context(open(name, "rb")).fileno() for name in names]
    # With at least one byte: without any nothing is sent, and the files neither.
    socket.send_fds(client, [b"files"], files)
    client.shutdown(socket.SHUT_WR)
    client.recv(1)  # its end: the taker has them
