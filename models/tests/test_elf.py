"""The wheel's tag is what its program needs of a system."""

import shutil
import subprocess
from pathlib import Path

import pytest

import elf
from shardgate import program


def test_the_tag_has_the_newest_symbol_that_is_needed():
    needs = elf.needs_of(program.find())
    assert needs.machine == "x86_64" and "libc.so.6" in needs.libraries
    assert needs.platform == f"manylinux_{needs.glibc[0]}_{needs.glibc[1]}_x86_64"


@pytest.mark.skipif(shutil.which("objdump") is None, reason="there is no objdump")
@pytest.mark.parametrize("path", [program.find(), Path("/bin/sh").resolve()], ids=["shardgate", "sh"])
def test_objdump_reads_the_same(path):
    said = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
    words = said.split()
    needs = elf.needs_of(path)
    assert needs.libraries == {words[place + 1] for place, word in enumerate(words) if word == "NEEDED"}
    versions = [elf.numbers(word.removeprefix("GLIBC_")) for word in words if word.startswith("GLIBC_")]
    assert needs.glibc == max(version[:2] for version in versions)


@pytest.mark.parametrize("libraries, others, tag", [
    ({"libc.so.6"}, {"GCC_4.2.0"}, "manylinux_2_31_x86_64"),
    ({"libc.so.6", "libssl.so.3"}, set(), "linux_x86_64"),
    ({"libc.so.6"}, {"GCC_12.0.0"}, "linux_x86_64"),
    ({"libc.so.6"}, {"CXXABI_1.3"}, "linux_x86_64"),
])
def test_what_not_every_system_has_is_not_promised(libraries, others, tag):
    needs = elf.Needs("x86_64", frozenset(libraries), (2, 31), frozenset(others))
    assert needs.platform == tag


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(99), b"\x7fELF\x02\x01\x00",
                                  b"\x7fELF\x02\x01" + b"\xff" * 200],
                         ids=["empty", "script", "32 bits", "short", "damaged"])
def test_what_is_no_program_is_refused(tmp_path, data):
    path = tmp_path / "program"
    path.write_bytes(data)
    with pytest.raises(elf.NoProgram, match="program"):
        elf.needs_of(path)
