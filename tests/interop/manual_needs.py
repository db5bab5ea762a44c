"""What the examples of the manuals expect to find: servers, files, processes, numbers.

A step is a command that has ended before the example begins, or one that goes on, as a pair with the
address where it then listens (None: it does not).
"""


def relay(address, to="echo", options=""):
    """A step that puts a service or a command behind an address."""
    return f"ferry relay {address}{options} {to}", address


def anybody(address, to="echo"):
    return relay(address, to, ",mode=0666" if address.startswith("unix") else " --allow any")


def until(command):
    return f"until {command}; do sleep 0.05; done"


# It tells what it heard, and from whom.
SERVER = """ "exec:sh -c 'read line; echo heard \\$line from \\${FERRY_PEER_USER:-somebody}'" """


def keeper(name, host="127.0.0.1"):
    """A process of that name which keeps what the other side has closed."""
    program = (
        f"import socket, time; l = socket.create_server(('{host}', 0)); "
        "c = socket.create_connection(l.getsockname()); l.accept()[0].close(); time.sleep(600)"
    )
    return [
        (f'ln -s /usr/bin/python3 {name}; exec ./{name} -c "{program}"', None),
        until("ss -Htn state close-wait | grep -q :"),
    ]


# By what stands in an example.
NEEDS = {
    r"/run/app\b": [anybody("unix:/run/app.sock", SERVER)],
    r"/tmp/s\.sock": [relay("unix-seq:/tmp/s.sock")],
    r"/tmp/a\.sock": [relay("auto:/tmp/a.sock")],
    r"ferry ls (-l|--json)": [relay("unix:/run/ls.sock")],
    r"ls /run/mysqld/": [
        "mkdir /run/mysqld",
        relay("unix:/run/mysqld/mysqld.sock"),
        ("sleep 600 | ferry connect unix:/run/mysqld/mysqld.sock", None),
        until("ss -Hx state connected | grep -q mysqld.sock"),
    ],
    r"ferry ls (-[xt]|--graph)|unix:app\.sock|\.tcp\.": [
        relay("unix:app.sock"),
        relay("tcp:2222"),
        ("sleep 600 | ferry connect tcp:2222", None),
        until("ss -Htn sport = :2222 | grep -q ESTAB"),
    ],
    r"(tcp|127\.0\.0\.1):5432": [relay("tcp:5432")],
    r"(connect|show.*|why) (tcp|127\.0\.0\.1):8080": [relay("tcp:8080", "clock")],
    r"tcp:db:5432": [anybody("unix:/run/db.sock"), anybody("tcp:db:5432")],
    r"tcp:router\.example:22": [anybody("tcp:router.example:22")],
    r"udp:9999": [relay("udp:9999")],
    r"connect unix:/run/docker\.sock": [relay("unix:/run/docker.sock", "metrics")],
    r"php-fpm": ["mkdir /run/php", anybody("unix:/run/php/php-fpm.sock")],
    r"/dev/log": [anybody("unix-dgram:/dev/log", "file:log,append,frame=lf")],
    r"mq:/jobs": [
        ("ferry relay mq:/jobs file:jobs,append,frame=lf", None),
        until("test -e /dev/mqueue/jobs"),
    ],
    r"^(sudo ferry pass|ferry pass -w)": [("ferry take unix:/tmp/t.sock", "unix:/tmp/t.sock")],
    r"java\*": keeper("java"),
    r"nginx": keeper("nginx"),
    r"dst 10\.0": keeper("java", "10.1.0.1"),
    r"4711": [relay("unix:/run/4711.sock")],
    r"ferry (status|reload)": [("ferry up -c stage.conf", "unix:/run/ferry/control.sock")],
    r"journalctl": [
        ("exec /lib/systemd/systemd-journald", "unix-dgram:/run/systemd/journal/socket"),
        ("ferry up -c db.conf", "unix:/run/db.sock"),
        "until journalctl -q | grep -q refused; do ferry connect unix:/run/db.sock </dev/null; done",
    ],
}

# What happens just before one command of several.
MEANWHILE = {r"--since=": relay("unix:/run/new.sock")}

# What can't be here, and why.
ELSEWHERE = {r"--unit=": "needs a unit of systemd"}

FILES = {
    "notes.txt": "a note\n",
    "lines.txt": "one\ntwo\n",
    "requests.bin": "\0\0\0\4ping\0\0\0\5again",
    "ferry.conf": "[route g]\nlisten = unix:/run/g.sock,mode=0666\nallow = user:alice\nto = echo\n",
    "stage.conf": "[route app]\nlisten = unix:/run/status.sock\nto = echo\n",
    "db.conf": "[ferry]\nlog = journal\n[route db]\nlisten = unix:/run/db.sock\ndeny = any\nto = echo\n",
}

# Numbers that are another each time, by a command that tells the present one.
NUMBERS = {
    r"4711": "pgrep -x ferry",
    r"ino:38214(?=.*\.tcp\.)": "ss -Htne sport = :2222 | grep -o 'ino:[0-9]*'",
    r"ino:38214": "awk '$8 == \"/run/app.sock\" { print \"ino:\" $7; exit }' /proc/net/unix",
}

# What an inherited descriptor is, and who opens it.
OPENED = {"fd:web": ("tcp:127.0.0.1:80", "systemd-socket-activate -l 127.0.0.1:80 --fdname=web ")}
