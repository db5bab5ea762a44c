#!/usr/bin/env python3
"""ask.py ADDRESS TEXT [FILE...] - sends TEXT to whatever listens there, open files with it, and prints
what is answered."""

import sys
from contextlib import ExitStack

import ferry

address, text, *names = sys.argv[1:]
try:
    with ExitStack() as opened, ferry.dial(address, timeout=10) as channel:
        who = channel.identity
        print(f"pid {who.pid} uid {who.uid}, known {who.known(ferry.Fact.UID)}", file=sys.stderr)
        files = [opened.enter_context(open(name, "rb")) for name in names]
        channel.send(text.encode(), [file.fileno() for file in files], timeout=10)
        if ferry.Capability.HAS_HALF_CLOSE in channel.capabilities:
            channel.shutdown()
        while message := channel.receive(timeout=10):
            print(message.data.decode())
            if ferry.Capability.HAS_END not in channel.capabilities:
                break  # a datagram socket never says that there is no more
except ferry.FerryError as error:
    sys.exit(f"ask.py: {error}")
