"""What commands write: JSON Lines, fast and quiet when the reader goes away, and harmless lines for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

import click
import msgspec

from partfill.model.harmless import harmless, json_escaped

_encode = msgspec.json.Encoder(decimal_format="string").encode


def say(said: object, *, err: bool = False) -> None:
    """One line for people, whatever ids and reasons are in it. Every message of a command goes through here."""
    click.echo(harmless(said), err=err)


def say_json(row: dict[str, Any]) -> None:
    """One object as a line of JSON in ASCII, for people and programs."""
    click.echo(json_escaped(json.dumps(row).encode()).decode())


class JsonLines:
    """Writes one JSON object a line. Use as a context manager; a closed pipe ends the program quietly."""

    def __init__(self) -> None:
        self._out = sys.stdout.buffer

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> bool:
        try:
            self._out.flush()
        except BrokenPipeError:
            kind = BrokenPipeError
        if kind is BrokenPipeError:
            # Whoever read has enough (`| head`): leave, and keep the interpreter from complaining at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return True
        return False

    def write(self, row: dict[str, Any]) -> None:
        """One line."""
        self._out.write(json_escaped(_encode(row)) + b"\n")

    def write_now(self, row: Any) -> None:
        """One line that a reader sees at once; `row` is anything that is an object in JSON."""
        self._out.write(json_escaped(_encode(row)) + b"\n")
        self._out.flush()

    def write_line(self, line: bytes) -> None:
        """One line that is JSON already."""
        self._out.write(line)

    def write_all(self, rows: Iterable[dict[str, Any]]) -> None:
        """Many lines."""
        for row in rows:
            self.write(row)
