"""What bash, zsh and fish complete after "ferry": each shell itself is asked, and its words compared
with what the program's own help has."""

import os
import pty
import re
import select
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.plain_build

SCHEMES = {"unix:", "unix-dgram:", "unix-seq:", "tcp:", "udp:", "icmp:", "fifo:", "mq:", "fd:"}
SCHEMES |= {"exec:", "file:"}


class Terminal:
    """A shell on a terminal of its own, which tells through a pipe what is asked: the line as it is
    after a Tab, and the words that are offered."""

    def __init__(self, command, environment, cwd):
        self.answers, told = os.pipe()
        self.master, slave = pty.openpty()
        self.popen = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=[told],
            cwd=cwd,
            env={**os.environ, **environment, "TERM": "dumb", "TOLD": str(told)},
            start_new_session=True,
        )
        os.close(slave)
        os.close(told)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds=20):
        """The line that it tells; what it writes on its terminal is thrown away meanwhile."""
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self.answers, self.master], [], [], seconds)
            assert ready, f"no answer in {seconds} s, but {text}"
            if self.master in ready:
                os.read(self.master, 65536)
            if self.answers in ready:
                text += os.read(self.answers, 65536)
        return text.decode()[:-1]

    def line(self, keys):
        self.type(f"{keys}\t\x07")
        return self.read()

    def end(self):
        self.popen.kill()
        self.popen.wait(10)
        os.close(self.master)
        os.close(self.answers)


class Bash(Terminal):
    """Ctrl-G tells the line. The words are had from the function that bash calls."""

    START = """
PS1= ; bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'
tell() { printf '%s\\n' "$READLINE_LINE" >&$TOLD; READLINE_LINE= READLINE_POINT=0; }
bind -x '"\\C-g": tell'
words() {
    compopt() { :; }
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _ferry
    echo "${COMPREPLY[*]}" >&$TOLD
    unset -f compopt
}
. "$COMPLETIONS/ferry"
"""

    def __init__(self, folder, cwd):
        start = cwd / "bashrc"
        start.write_text(self.START)
        command = ["bash", "--noprofile", "--rcfile", start, "-i"]
        super().__init__(command, {"COMPLETIONS": str(folder)}, cwd)

    def words(self, *words):
        self.type(f"words {' '.join(repr(word) for word in words)}\n")
        return set(self.read().split())


class Zsh(Terminal):
    """Ctrl-G tells the line, Ctrl-T what was offered since."""

    START = """
PS1= ; unsetopt beep; setopt no_list_ambiguous no_always_last_prompt
fpath=("$COMPLETIONS" $fpath)
autoload -Uz compinit; compinit -u -D
typeset -a offered
compadd() {
    local -a hits
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
        builtin compadd -A hits "$@"
        offered+=($hits)
    fi
    builtin compadd "$@"
}
tell() { print -r -u $TOLD -- "$BUFFER"; BUFFER=; offered=() }
tell-words() { print -r -u $TOLD -- $offered; BUFFER=; offered=() }
zle -N tell; bindkey '^G' tell
zle -N tell-words; bindkey '^T' tell-words
"""

    def __init__(self, folder, cwd):
        (cwd / ".zshrc").write_text(self.START)
        super().__init__(["zsh", "-d", "-i"], {"COMPLETIONS": str(folder), "ZDOTDIR": str(cwd)}, cwd)

    def words(self, *words):
        self.type(f"{' '.join(words)}\t\x14")
        return set(self.read().split())


class Fish:
    """Tells without a terminal what it would offer."""

    def __init__(self, folder, cwd):
        self.folder, self.cwd = folder, cwd

    def words(self, *words):
        done = subprocess.run(
            ["fish", "--no-config", "-c", 'source $argv[1]; complete -C"$argv[2]"']
            + [self.folder / "ferry.fish", " ".join(words)],
            capture_output=True,
            text=True,
            cwd=self.cwd,
            env={**os.environ, "HOME": str(self.cwd)},
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        return {line.split("\t")[0] for line in done.stdout.splitlines()}

    def line(self, keys):
        """The line with the only word that fits."""
        *before, last = keys.split(" ")
        [word] = self.words(keys)
        assert word.startswith(last)
        return " ".join([*before, word]) + ("" if word[-1] in ":/" else " ")

    def end(self):
        pass


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}


@pytest.fixture(params=SHELLS)
def shell(request, build, runtime_dir):
    """A shell that has read its completions, in a folder with one file, notes.conf."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed: scripts/install-dependencies test")
    (runtime_dir / "notes.conf").touch()
    one = SHELLS[request.param](build / "scripts", runtime_dir)
    yield one
    one.end()


@pytest.fixture(scope="module")
def told(ferry):
    """{verb: {option}} as the help has them, argp(3)'s own among them."""

    def help_of(*words):
        return subprocess.run([ferry, *words], capture_output=True, text=True, timeout=10).stdout

    part = re.search(r"^Verbs:\n(.*?)\n\n", help_of("--help"), re.MULTILINE | re.DOTALL)
    verbs = re.findall(r"^  (\S+)", part[1], re.MULTILINE)
    assert len(verbs) > 9
    return {verb: options_of(help_of(verb, "--help")) for verb in verbs}


def options_of(text):
    """The long names in the first column of a verb's help."""
    lines = re.findall(r"^ {2,6}(-.*?)(?:  |$)", text.replace(",     --", ", --"), re.MULTILINE)
    return {name for line in lines for name in re.findall(r"--[\w-]+", line)}


def bare(words):
    return {word.rstrip("=") for word in words if word.startswith("--")}


def test_every_verb_is_offered(shell, told):
    assert shell.words("ferry", "") - {"--help", "--version"} == {*told, "help"}
    assert shell.words("ferry", "help", "") - {"help"} == set(told)


def test_every_option_of_every_verb_is_offered_and_no_other(shell, told):
    for verb, options in told.items():
        assert bare(shell.words("ferry", verb, "--")) == options, verb


def test_addresses_begin_with_a_scheme(shell):
    words = shell.words("ferry", "connect", "")
    assert SCHEMES <= words
    assert SCHEMES | {"echo", "clock"} <= shell.words("ferry", "relay", "")
    assert not SCHEMES & shell.words("ferry", "status", "")


def test_values_are_offered_where_they_are_known(shell):
    assert {"peer", "peerpid", "peerfd", "peerinode"} <= shell.words("ferry", "ls", "-o", "peer")
    assert "root" in shell.words("ferry", "ls", "--user", "roo")
    assert SCHEMES <= shell.words("ferry", "status", "-s", "")
    assert not shell.words("ferry", "relay", "--idle", "")


def test_a_word_is_completed_in_the_line(shell):
    assert shell.line("ferry rela") == "ferry relay "
    assert shell.line("ferry relay unix-s") == "ferry relay unix-seq:"
    assert shell.line("ferry up -c not") == "ferry up -c notes.conf "
    assert shell.line("ferry show not") == "ferry show notes.conf "
    assert shell.line("ferry show unix:not") == "ferry show unix:notes.conf "
