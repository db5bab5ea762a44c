#!/usr/bin/env python3
"""echo_server.py ADDRESS - sends back what comes, descriptors too, in the loop of asyncio."""

import asyncio
import sys

import ferry


class Echo:
    """One client. Nothing is received of it while it takes nothing of what is sent back."""

    def __init__(self, channel):
        self.channel, self.loop = channel, asyncio.get_running_loop()
        self.receive()

    def receive(self):
        if self.channel.closed:
            return  # since it was called for
        try:
            messages = self.channel.try_receive(16)
            if not messages:
                return self.close()  # the client has ended
            self.messages = messages  # whose descriptors are only lent to the echoes
            self.echoes = [ferry.Outgoing(one.data, one.descriptors) for one in messages]
            self.send()
        except BlockingIOError:
            self.loop.add_reader(self.channel.fileno(), self.receive)
        except OSError:
            self.close()

    def send(self):
        try:
            while self.echoes:
                del self.echoes[: self.channel.try_send(self.echoes)]
        except BlockingIOError:
            self.loop.remove_reader(self.channel.fileno())
            return self.loop.add_writer(self.channel.fileno(ferry.Direction.SEND), self.send)
        except OSError:
            return self.close()
        self.loop.remove_writer(self.channel.fileno(ferry.Direction.SEND))
        self.loop.add_reader(self.channel.fileno(), self.receive)
        if self.channel.pending:  # more is here although the descriptor is quiet
            self.loop.call_soon(self.receive)

    def close(self):
        self.loop.remove_reader(self.channel.fileno())
        self.loop.remove_writer(self.channel.fileno(ferry.Direction.SEND))
        self.channel.close()


async def main(address):
    with ferry.listen(address) as listener:
        print("listens on", listener.address, flush=True)
        asyncio.get_running_loop().add_reader(listener.fileno(), arrived, listener)
        await asyncio.Event().wait()


def arrived(listener):
    try:
        Echo(listener.try_accept())
    except BlockingIOError:
        pass  # it went away, or was refused


try:
    asyncio.run(main(*sys.argv[1:]))
except ferry.FerryError as error:
    sys.exit(f"echo_server.py: {error}")
except KeyboardInterrupt:
    pass
