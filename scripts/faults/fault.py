"""One planted fault: a small wrong text in one source file, and the tests that have to notice it."""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """`old` stands exactly once in `file` (below src/partfill); the fault is `new` in its place."""

    name: str
    room: str
    what: str
    """What is wrong with it, for the table."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Test files, one of which has to fail."""
    unseen: str = ""
    """Why the simulator does not notice it, where it does not."""

    @property
    def lived(self) -> bool:
        """Whether worlds of the simulator run its code at all."""
        return not self.file.startswith("runtime/")

    @property
    def core(self) -> bool:
        """Whether it is one of the pure core's."""
        return self.file.startswith("core/")


class Misplanted(ValueError):
    """A fault that cannot be planted: its text does not stand exactly once in its file."""


def planted(fault: Fault, source: str) -> str:
    """The source with the fault in it. Raises `Misplanted`."""
    found = source.count(fault.old)
    if found != 1:
        raise Misplanted(f"{fault.name}: its text occurs {found} times in {fault.file}, not once: {fault.old!r}")
    if fault.old == fault.new:
        raise Misplanted(f"{fault.name}: it changes nothing")
    return source.replace(fault.old, fault.new)
