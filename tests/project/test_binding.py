"""bindings/python says in ctypes what the headers say in C."""

import ast
import ctypes
import re
import subprocess

from interface import MAPS, headers_of, mapped_functions, without_comments
from support import ROOT

BINDING = ROOT / "bindings" / "python"


def tree(name):
    return ast.parse((BINDING / "ferry" / name).read_text())


def without_loading():
    """What stands in _library.py, of which only the last line looks for the library."""
    module = tree("_library.py")
    loading = module.body.pop()
    assert ast.unparse(loading).startswith("lib = load(")
    names = {}
    exec(compile(module, "_library.py", "exec"), names)
    return names


NAMES = without_loading()
STRUCTS = [
    one
    for one in NAMES.values()
    if isinstance(one, type) and issubclass(one, ctypes.Structure) and one is not ctypes.Structure
]


def enumerations():
    """{FERRY_NAME: value} of the enumerations that are written out in Python."""
    prefixes = {"Scheme": "", "Capability": "", "Direction": "", "Fact": "FACT_", "Known": ""}
    prefixes |= {"Lane": "LANE_", "AutoReason": "AUTO_", "AutoPreference": "AUTO_"}
    found = {}
    for name in ("_address.py", "_auto.py", "_channel.py", "_identity.py", "_open.py"):
        for one in ast.walk(tree(name)):
            if isinstance(one, ast.ClassDef) and one.name in prefixes:
                for line in one.body:
                    if isinstance(line, ast.Assign):
                        value = eval(ast.unparse(line.value))
                        found[f"FERRY_{prefixes[one.name]}{line.targets[0].id}"] = value
    return found


def constants():
    names = ("NEVER", "DESCRIPTORS_MAX", "RING_DESCRIPTORS", "RING_TYPE_MAX")
    return {f"FERRY_{name}": NAMES[name] for name in names}


def compiled(tmp_path, lines):
    """What a C program that includes the library's header prints."""
    source = tmp_path / "says.c"
    text = "\n".join(f"    printf({line});" for line in lines)
    source.write_text(
        "#include <ferry/ferry.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        f"int main(void)\n{{\n{text}\n    return 0;\n}}\n"
    )
    program = tmp_path / "says"
    subprocess.run(["gcc", "-I", ROOT / "include", source, "-o", program], check=True)
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def test_every_struct_is_laid_out_as_in_the_headers(tmp_path):
    assert len(STRUCTS) > 8
    lines, expected = [], ""
    for struct in STRUCTS:
        name = struct.__name__
        lines.append(f'"{name} %zu\\n", sizeof(struct {name})')
        expected += f"{name} {ctypes.sizeof(struct)}\n"
        for field, *_ in struct._fields_:
            c = f"offsetof(struct {name}, {field}), sizeof(((struct {name} *)0)->{field})"
            lines.append(f'"{name}.{field} %zu %zu\\n", {c}')
            place = getattr(struct, field)
            expected += f"{name}.{field} {place.offset} {place.size}\n"
    assert compiled(tmp_path, lines) == expected


def test_no_member_of_a_struct_is_missing():
    text = "".join(without_comments(path.read_text()) for path in headers_of("libferry"))
    for struct in STRUCTS:
        if struct.__name__.startswith("ferry_"):
            body = re.search(rf"struct {struct.__name__} \{{(.*?)\}};", text, re.DOTALL)[1]
            members = re.findall(r"(\w+)(?:\[\w+\])?;", body)
            assert members == [field for field, *_ in struct._fields_], struct.__name__


def test_every_constant_is_that_of_the_headers(tmp_path):
    values = {**enumerations(), **constants()}
    assert len(values) > 35
    lines = [f'"{name} %lld\\n", (long long){name}' for name in values]
    expected = "".join(f"{name} {value}\n" for name, value in values.items())
    assert compiled(tmp_path, lines) == expected


def test_every_value_of_an_enumeration_is_there():
    text = "".join(without_comments(path.read_text()) for path in headers_of("libferry"))
    known = enumerations()
    names = ("scheme", "capability", "direction", "fact", "known")
    for name in (*names, "lane", "auto_reason", "auto_preference"):
        body = re.search(rf"enum ferry_{name} \{{(.*?)\}}", text, re.DOTALL)[1]
        for value in re.findall(r"\b(FERRY_\w+)", body):
            assert value in known or value.endswith("_COUNT"), value


def of_c(declared):
    """The type of ctypes for a type of C. Objects, outputs and arrays are pointers."""
    declared = declared.strip()
    if "*" in declared or "[" in declared:
        return ctypes.c_char_p if re.match(r"const char \*\w*$", declared) else ctypes.c_void_p
    word = re.sub(r"\s+\w+$", "", declared) if " " in declared else declared
    if word.startswith("enum"):
        return ctypes.c_int
    types = {
        "void": None,
        "bool": ctypes.c_bool,
        "int": ctypes.c_int,
        "pid_t": ctypes.c_int,
        "unsigned": ctypes.c_uint,
        "uid_t": ctypes.c_uint32,
        "gid_t": ctypes.c_uint32,
        "size_t": ctypes.c_size_t,
        "int64_t": ctypes.c_int64,
        "uint64_t": ctypes.c_uint64,
    }
    return types[word]


def declarations(wanted):
    """{function: (what it returns, what it takes...)}, in ctypes, of those wanted."""
    found = {}
    for path in headers_of("libferry"):
        text = " ".join(without_comments(path.read_text()).split())
        for returns, name, takes in re.findall(
            r"FERRY_PUBLIC (?:FERRY_CHECK )?([\w *]*?)\b(ferry_\w+)\(([^;]*)\);", text
        ):
            if name not in wanted:
                continue
            takes = re.sub(r"(\(\*\w+\))\(.*?\)", r"\1", takes)  # what a function takes in turn
            arguments = [] if takes == "void" else takes.split(",")
            returned = returns.strip() if "*" in returns else f"{returns.strip()} result"
            found[name] = (of_c(returned), *(of_c(one) for one in arguments))
    return found


def test_every_function_is_exported_and_declared_so():
    functions = NAMES["FUNCTIONS"]
    exported = mapped_functions(MAPS["libferry"].read_text())
    declared = declarations(functions)
    assert len(functions) > 40
    for name, takes in functions.items():
        assert name in exported
        assert takes == declared[name], name
    assert NAMES["QUICK"] <= set(functions)


def test_every_function_that_is_called_is_listed_and_the_other_way_round():
    text = "".join(
        path.read_text() for path in (BINDING / "ferry").glob("*.py") if path.name != "_library.py"
    )
    called = set(re.findall(r"\blib\.(ferry_\w+)", text))
    called |= set(re.findall(r'_text\(\s*"(ferry_\w+)"', text))
    assert called == set(NAMES["FUNCTIONS"])


def test_its_version_is_the_library_s():
    build = (ROOT / "meson.build").read_text()
    [version] = re.findall(r"^  version: '([\d.]+)'", build, re.M)
    assert f'version = "{version}"' in (BINDING / "pyproject.toml").read_text()
    [soversion] = re.findall(r"shared_library\('ferry',.*?soversion: '(\d+)'", build, re.DOTALL)
    assert NAMES["SONAME"] == f"libferry.so.{soversion}"
    assert NAMES["VERSION"] in MAPS["libferry"].read_text()

