"""Each library shows what its public headers declare, nothing else; libferry needs libc only."""

import subprocess

import pytest

from interface import MAPS, mapped_functions, public_functions


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def exported(*nm_arguments):
    """Names of the functions and data that nm calls defined and global."""
    rows = [line.split() for line in lines("nm", "--defined-only", *map(str, nm_arguments))]
    return {row[2].split("@")[0] for row in rows if len(row) == 3 and row[1] != "A"}


def dynamic(path, tag):
    """Values of one tag of the dynamic section."""
    rows = lines("readelf", "--dynamic", "--wide", str(path))
    return {row.split("[")[1].rstrip("]") for row in rows if f"({tag})" in row}


@pytest.mark.parametrize("library", MAPS)
def test_the_list_is_what_the_headers_declare(library):
    listed = mapped_functions(MAPS[library].read_text())
    assert listed == sorted(public_functions(library))


@pytest.mark.parametrize("library", MAPS)
def test_the_library_exports_the_list(build, library):
    assert exported("--dynamic", build / f"{library}.so") == public_functions(library)


def test_the_archive_shows_the_same(build):
    assert exported("--extern-only", build / "libferry.a") == public_functions()


def test_the_library_needs_libc_only(build):
    assert dynamic(build / "libferry.so", "NEEDED") == {"libc.so.6"}


def test_the_table_needs_libmnl_besides(build):
    needed = dynamic(build / "libferry-endpoints.so", "NEEDED")
    assert needed == {"libc.so.6", "libmnl.so.0"}


@pytest.mark.parametrize("library", MAPS)
def test_the_library_has_its_name(build, library):
    assert dynamic(build / f"{library}.so", "SONAME") == {f"{library}.so.0"}


@pytest.mark.parametrize("product", ["ferry", "libferry.so", "libferry-endpoints.so"])
def test_the_products_are_hardened(build, product):
    """Position-independent, relocations read-only, stack not executable."""
    path = str(build / product)
    header = "\n".join(lines("readelf", "--file-header", path))
    segments = lines("readelf", "--program-headers", "--wide", path)
    flags = "\n".join(lines("readelf", "--dynamic", "--wide", path))
    assert "DYN (" in header
    assert any("GNU_RELRO" in row for row in segments)
    assert "BIND_NOW" in flags
    [stack] = [row for row in segments if "GNU_STACK" in row]
    assert "RWE" not in stack
