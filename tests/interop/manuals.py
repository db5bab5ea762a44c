"""The examples of the manual pages, as their readers see them: blocks of commands, configurations and
C that are set apart, and commands in the running text; and those that the program tells of itself."""

import re
import subprocess
import textwrap
from dataclasses import dataclass, field

from support import BUILD, ROOT

PAGES = sorted((ROOT / "man").glob("*.[1-8]"))

# How blocks begin that show what something prints. Every other one is run.
PRINTED = ("12:00:01 refused ", "mariadbd[812]  ")

# What quotes as an address or a key does are more than one word too: commands begin so.
COMMANDS_IN_TEXT = r"^\.Ql ((?:ferry|ip|curl|journalctl) [^.\n].*?)(?: [.,;)])?$"


@dataclass
class Example:
    page: str
    commands: list = field(default_factory=list)
    configuration: str = ""
    program: str = ""
    in_text: bool = False

    def __str__(self):
        lines = self.text.strip().splitlines()
        [line, *_] = [line for line in lines if line.startswith("[route")] or lines
        return f"{self.page}: {line.rstrip(chr(92)).strip()}"

    @property
    def text(self):
        return "\n".join([*self.commands, self.configuration, self.program])


def plain(line):
    """A literal line without what mdoc(7) wants."""
    if line.startswith('"') and line.endswith('"'):
        line = line[1:-1]
    line = re.sub(r"\b(Ar|Pa|Cm|Fl) ", "", line)
    return line.replace("\\-", "-").replace("\\ ", " ").replace("\\&", "").replace("\\e", "\\")


def is_configuration(text):
    return re.search(r"^\[(route|ferry|profile)\b", text, re.MULTILINE)


def add(example, lines):
    """A block to its example."""
    text = "\n".join(lines) + "\n"
    if text.startswith(PRINTED):
        return
    if is_configuration(text):
        example.configuration += text
    elif example.page.endswith(".3") and ";\n" in text:
        example.program += text
    else:
        example.commands += commands(text)


def commands(text):
    """Each command with the lines that it goes on in."""
    text = re.sub(r"^\$ ", "", text, flags=re.MULTILINE)
    return [one for one in re.split(r"(?<!\\)\n", text) if one]


def examples_of(page):
    """Blocks with nothing but a sentence between them are one example."""
    found, current = [], None
    lines = iter(page.read_text().splitlines())
    for line in lines:
        block = []
        while line.startswith(".Dl "):
            block.append(plain(line[4:]))
            line = next(lines)
        if line.startswith(".Bd -literal"):
            if block:
                current = current or Example(page.name)
                add(current, block)
            block = [plain(one) for one in iter(lambda: next(lines), ".Ed")]
        if block:
            current = current or Example(page.name)
            add(current, block)
        if re.match(r"\.(Pp|Sh|Ss|It|El)\b", line) and current:
            found.append(current)
            current = None
    for command in re.findall(COMMANDS_IN_TEXT, page.read_text(), re.MULTILINE):
        found.append(Example(page.name, [plain(command)], in_text=True))
    return [one for one in found if one.text.strip()]


def examples():
    return [one for page in PAGES for one in examples_of(page)]


def help_of(*words):
    command = [BUILD / "ferry", *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout


def examples_of_help(verb):
    """What is prepared for a line that follows belongs to it: a file, or what goes on beside it."""
    found, lines = [], []
    for line in re.search(r"^EXAMPLES\n((?:  .*\n)+)", help_of(verb), re.MULTILINE)[1].splitlines():
        lines += line.strip().split("; ")
        if not lines[-1].endswith("&") and not lines[-1].startswith("printf '["):
            found.append(Example(f"{verb} --help", lines))
            lines = []
    return found


def examples_of_all_help():
    if not (BUILD / "ferry").is_file():
        return []
    verbs = re.search(r"^Verbs:\n((?:  .*\n)+)", help_of(), re.MULTILINE)[1]
    return [one for verb in re.findall(r"^  (\w+)", verbs, re.M) for one in examples_of_help(verb)]
