"""What a program needs of the system that it runs on, as its ELF file says: which of its libraries, and
which versions of their symbols."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DYNAMIC, NEEDS = 6, 0x6FFFFFFE
NEEDED = 1
MACHINES = {62: "x86_64", 183: "aarch64"}
# What PEP 600 lets a wheel take from the system; versioned symbols bind the C library alone.
SYSTEM = {"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libgcc_s.so.1",
          "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# The newest version of libgcc_s that the first manylinux has.
GCC_MAX = (4, 8)


class NoProgram(Exception):
    """The file is no 64-bit program for Linux."""


@dataclass(frozen=True)
class Needs:
    """What a program needs."""

    machine: str
    libraries: frozenset[str]
    # Of the C library.
    glibc: tuple[int, int]
    # Versions of other libraries' symbols, as `GCC_3.0`.
    others: frozenset[str]

    @property
    def platform(self) -> str:
        """The platform tag that is true of it: manylinux where only libraries are needed that every
        such system has, linux otherwise."""
        is_common = self.libraries <= SYSTEM and all(map(is_old, self.others))
        if not is_common:
            return f"linux_{self.machine}"
        major, minor = max(self.glibc, (2, 5))
        return f"manylinux_{major}_{minor}_{self.machine}"


def is_old(symbol: str) -> bool:
    """Whether a version of a symbol is of libgcc_s, and every system has it."""
    library, _, version = symbol.partition("_")
    return library == "GCC" and numbers(version) <= GCC_MAX


def numbers(version: str) -> tuple[int, ...]:
    """`2.34` as numbers."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def needs_of(path: Path) -> Needs:
    """What the program in a file needs."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise NoProgram(f"{path} is no 64-bit ELF file")
    try:
        return _read(data)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise NoProgram(f"{path}: damaged: {error}") from error


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int
    info: int


def _read(data: bytes) -> Needs:
    machine = struct.unpack_from("<H", data, 18)[0]
    sections = list(_sections(data))
    libraries, glibc, others = set(), (0, 0), set()
    for section in sections:
        if section.kind == DYNAMIC:
            names = sections[section.link].offset
            for place in range(section.offset, section.offset + section.size, 16):
                tag, value = struct.unpack_from("<qQ", data, place)
                if tag == NEEDED:
                    libraries.add(_text(data, names + value))
        elif section.kind == NEEDS:
            for version in _versions(data, section, sections[section.link].offset):
                name, _, number = version.rpartition("_")
                if name == "GLIBC" and number[:1].isdigit():
                    major, minor = numbers(number)[:2]
                    glibc = max(glibc, (major, minor))
                elif name:
                    others.add(version)
    return Needs(MACHINES.get(machine, f"machine{machine}"), frozenset(libraries), glibc,
                 frozenset(others))


def _sections(data: bytes) -> Iterator[_Section]:
    first = struct.unpack_from("<Q", data, 40)[0]
    size, count = struct.unpack_from("<HH", data, 58)
    for place in range(first, first + size * count, size):
        _, kind, _, _, offset, length, link, info, _, _ = struct.unpack_from("<IIQQQQIIQQ", data, place)
        yield _Section(kind, offset, length, link, info)


def _versions(data: bytes, section: _Section, names: int) -> Iterator[str]:
    """The versions of symbols that are needed, library by library."""
    library = section.offset
    for _ in range(section.info):
        _, count, _, first, following = struct.unpack_from("<HHIII", data, library)
        version = library + first
        for _ in range(count):
            _, _, _, name, after = struct.unpack_from("<IHHII", data, version)
            yield _text(data, names + name)
            version += after
        library += following


def _text(data: bytes, place: int) -> str:
    return data[place:data.index(b"\0", place)].decode()
