"""What `make install DESTDIR=` leaves is all that a stranger needs to build against libferry."""

import os
import subprocess

import pytest

from support import ROOT

PROGRAM = r"""
#include <ferry/ferry.h>
#include <stdio.h>

int main(void)
{
    struct ferry_address *address;
    struct ferry_error error;
    char line[512];
    if (ferry_address_parse("unix:/run/x.sock", NULL, &address, &error) < 0) {
        ferry_error_format(&error, line, sizeof(line));
        fprintf(stderr, "%s\n", line);
        return 1;
    }
    puts(ferry_address_text(address));
    ferry_address_free(address);
    return 0;
}
"""


@pytest.fixture(scope="module")
def installed(build, tmp_path_factory):
    """A root directory that the build has been installed under."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root], check=True
    )
    return root


def find(root, name):
    """The one file called `name` below root."""
    [path] = root.rglob(name)
    return path


def pkg_config(root, *arguments, library="libferry"):
    environment = {
        **os.environ,
        "PKG_CONFIG_SYSROOT_DIR": str(root),
        "PKG_CONFIG_LIBDIR": str(find(root, "libferry.pc").parent),
    }
    command = ["pkg-config", *arguments, library]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout.split()


def compile_and_run(root, folder, *linking):
    (folder / "program.c").write_text(PROGRAM)
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Werror", *pkg_config(root, "--cflags"), "program.c", *linking]
        + ["-o", "program"],
        check=True,
        cwd=folder,
    )
    done = subprocess.run(
        [folder / "program"],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(find(root, "libferry.so").parent)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "unix:/run/x.sock\n", "")


def test_a_program_builds_with_pkg_config(installed, tmp_path):
    compile_and_run(installed, tmp_path, *pkg_config(installed, "--libs"))


def test_a_program_builds_with_the_archive(installed, tmp_path):
    compile_and_run(installed, tmp_path, find(installed, "libferry.a"))


def test_the_table_is_a_library_of_its_own(installed, tmp_path):
    words = pkg_config(installed, "--cflags", "--libs", library="libferry-endpoints")
    command = ["gcc", "-std=c11", "-Wall", "-Werror", ROOT / "examples/other_end.c", *words]
    subprocess.run([*command, *pkg_config(installed, "--libs"), "-o", tmp_path / "other_end"], check=True)
    done = subprocess.run(
        [tmp_path / "other_end", str(os.getpid())],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(find(installed, "libferry.so").parent)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_headers_are_there(installed):
    ours = {path.name for path in (ROOT / "include" / "ferry").glob("*.h")}
    assert {path.name for path in find(installed, "ferry.h").parent.iterdir()} == ours


def test_the_program_is_there_and_runs(installed):
    program = find(installed, "bin") / "ferry"
    done = subprocess.run([program, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "ferry" in done.stdout


def test_the_man_pages_are_there(installed):
    for page in (ROOT / "man").iterdir():
        assert find(installed, page.name).parent.name == f"man{page.suffix[1:]}"


def test_the_pages_that_the_manuals_name_are_there(installed):
    for page in (ROOT / "doc").glob("*.md"):
        assert find(installed, page.name).parent.parts[-3:] == ("share", "doc", "ferry")


def test_completions_are_where_each_shell_looks(installed):
    share = find(installed, "zsh").parent
    assert share.name == "share"
    for path in (
        "bash-completion/completions/ferry",
        "zsh/site-functions/_ferry",
        "fish/vendor_completions.d/ferry.fish",
    ):
        assert "relay" in (share / path).read_text()
