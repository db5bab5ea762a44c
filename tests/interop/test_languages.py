"""Programs in Python and Java, written as their own manuals have it, talk through ferry without
knowing of it."""

import array
import os
import socket
import subprocess

import pytest

from programs import listening_port, need

MEGABYTE = 1 << 20


def echo_through_a_relay(start_ferry, runtime_dir, scheme):
    """An echo, and a relay before it, both of that scheme; returns the relay's path."""
    start_ferry("relay", f"{scheme}:echo.sock", "echo").wait_for("started")
    relay = start_ferry("relay", f"{scheme}:front.sock", f"{scheme}:echo.sock")
    relay.wait_for("started")
    return str(runtime_dir / "front.sock")


def receive_all(client):
    received = b""
    while part := client.recv(65536):
        received += part
    return received


# --- Python ----------------------------------------------------------------------------------------


def test_python_stream(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(b"a request")
        assert client.recv(100) == b"a request"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_python_tcp(start_ferry, runtime_dir):
    start_ferry("relay", "unix:echo.sock", "echo").wait_for("started")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
    with socket.create_connection(("127.0.0.1", listening_port(relay)), 10) as client:
        data = os.urandom(MEGABYTE)
        child = os.fork()
        if child == 0:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            os._exit(0)
        received = receive_all(client)
        assert os.waitpid(child, 0)[1] == 0
    assert received == data


def test_python_datagrams_to_a_named_client(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix-dgram")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.bind(str(runtime_dir / "client.sock"))
        client.connect(path)
        for size in (1, 0, 1000, 65536):
            client.send(b"m" * size)
            assert client.recv(MEGABYTE) == b"m" * size


def test_python_seqpacket(start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix-seq")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        client.connect(path)
        for size in (1, 1000, 65536):
            client.send(b"m" * size)
            assert client.recv(MEGABYTE) == b"m" * size


def test_python_send_fds(start_ferry, runtime_dir):
    """socket.send_fds() through the relay to another process's socket.recv_fds()."""
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(10)
    server.bind(str(runtime_dir / "server.sock"))
    server.listen()
    start_ferry("relay", "unix:front.sock", "unix:server.sock").wait_for("started")
    files = []
    for number in range(5):
        (runtime_dir / f"file{number}").write_text(f"content {number}")
        files.append(os.open(runtime_dir / f"file{number}", os.O_RDONLY))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "front.sock"))
        socket.send_fds(client, [b"five files"], files)
        arrived, _ = server.accept()
        arrived.settimeout(10)
        data, received, flags, _ = socket.recv_fds(arrived, 100, 10)
        assert data == b"five files" and not flags & socket.MSG_CTRUNC
        assert [os.read(fd, 100).decode() for fd in received] == [
            f"content {number}" for number in range(5)
        ]
        arrived.close()
    for fd in files + list(received):
        os.close(fd)
    server.close()


def test_python_peer_credentials_are_the_relay_s(start_ferry, runtime_dir):
    """Honest about what a relay is: the server's peer is ferry, the event names who is behind."""
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(10)
    server.bind(str(runtime_dir / "server.sock"))
    server.listen()
    relay = start_ferry("relay", "unix:front.sock", "unix:server.sock")
    relay.wait_for("started")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime_dir / "front.sock"))
        arrived, _ = server.accept()
        pid, uid, _ = array.array(
            "i", arrived.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        arrived.close()
    assert (pid, uid) == (relay.pid, os.geteuid())
    relay.wait_for("closed")
    assert f"pid {os.getpid()}" in relay.stderr()
    server.close()


# --- Java ------------------------------------------------------------------------------------------

TCP = """
import java.io.*;
import java.net.*;
import java.util.*;

public class Tcp {
    public static void main(String[] words) throws Exception {
        byte[] data = new byte[1 << 20];
        new Random(7).nextBytes(data);
        try (Socket socket = new Socket("127.0.0.1", Integer.parseInt(words[0]))) {
            socket.setSoTimeout(10000);
            Thread sender = new Thread(() -> {
                try {
                    socket.getOutputStream().write(data);
                    socket.shutdownOutput();
                } catch (IOException e) {
                    e.printStackTrace();
                }
            });
            sender.start();
            byte[] received = socket.getInputStream().readAllBytes();
            sender.join();
            System.out.println(Arrays.equals(data, received) ? "equal" : "different");
        }
    }
}
"""

UNIX = """
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;

public class Unix {
    public static void main(String[] words) throws Exception {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(words[0]))) {
            channel.write(ByteBuffer.wrap("from Java".getBytes(StandardCharsets.UTF_8)));
            channel.shutdownOutput();
            ByteBuffer received = ByteBuffer.allocate(100);
            while (channel.read(received) >= 0)
                ;
            System.out.println(new String(received.array(), 0, received.position(),
                StandardCharsets.UTF_8));
        }
    }
}
"""

DATAGRAM = """
import java.net.*;

public class Datagram {
    public static void main(String[] words) throws Exception {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setSoTimeout(10000);
            socket.connect(InetAddress.getByName("127.0.0.1"), Integer.parseInt(words[0]));
            byte[] text = "a datagram".getBytes();
            socket.send(new DatagramPacket(text, text.length));
            DatagramPacket answer = new DatagramPacket(new byte[100], 100);
            socket.receive(answer);
            System.out.println(new String(answer.getData(), 0, answer.getLength()));
        }
    }
}
"""


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    """java(class, argument...) runs one of the programs above; returns what it printed."""
    compiler, machine = need("javac", "java")
    folder = tmp_path_factory.mktemp("java")
    for name, text in (("Tcp", TCP), ("Unix", UNIX), ("Datagram", DATAGRAM)):
        (folder / f"{name}.java").write_text(text)
    subprocess.run(
        [compiler, "Tcp.java", "Unix.java", "Datagram.java"], cwd=folder, check=True, timeout=60
    )

    def run(*words):
        done = subprocess.run(
            [machine, "-cp", folder, "-Xshare:auto", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.timeout(120)
def test_java_tcp(java, start_ferry):
    start_ferry("relay", "unix:echo.sock", "echo").wait_for("started")
    relay = start_ferry("relay", "tcp:127.0.0.1:0", "unix:echo.sock", "--allow", "any")
    assert java("Tcp", listening_port(relay)) == "equal"


@pytest.mark.timeout(120)
def test_java_unix_channel(java, start_ferry, runtime_dir):
    path = echo_through_a_relay(start_ferry, runtime_dir, "unix")
    assert java("Unix", path) == "from Java"


@pytest.mark.timeout(120)
def test_java_datagram(java, start_ferry):
    relay = start_ferry("relay", "udp:127.0.0.1:0", "echo")
    relay.wait_for("started")
    port = relay.stderr().split("udp:127.0.0.1:")[1].split()[0]
    assert java("Datagram", port) == "a datagram"
