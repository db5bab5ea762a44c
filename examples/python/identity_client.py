#!/usr/bin/env python3
"""identity_client.py PATH TEXT - before it sends TEXT, says whom the kernel vouches for at the
other end of a path, and goes away if that is not root or ourselves."""

import os
import socket
import struct
import sys

with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect(sys.argv[1])
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    pid, uid, gid = struct.unpack("iII", credentials)
    print(f"served by pid {pid} uid {uid} gid {gid}", file=sys.stderr)
    if uid not in (0, os.getuid()):
        sys.exit("not served by whom we trust")
    client.sendall(sys.argv[2].encode())
    client.shutdown(socket.SHUT_WR)
    print(client.makefile("rb").read().decode())
