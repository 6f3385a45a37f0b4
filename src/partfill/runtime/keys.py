"""Secret keys of those who may report partial fills from outside: several at once, each for a time, and never shown.

    [desk-a-1]
    secret = "<64 hexadecimal digits or more>"
    not_after = 2026-12-01T00:00:00Z

    [desk-a-2]
    secret = "<64 hexadecimal digits or more>"
    not_before = 2026-11-24T00:00:00Z

Rules
- A secret has at least `MIN_BYTES` bytes. It stands in no repr, no error and no log line, and is in no configuration file.
- A file of keys is nobody's but its owner's: one that others may read or write is refused.
- To change a key, add the new one, let the senders change over, and let the old one end: both hold in between.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VARIABLE = "PARTFILL_INGEST_KEYS"
"""Environment variable with keys as `id:hexadecimal`, a space between two."""
MIN_BYTES = 32
MAX_KEYS = 100

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)


class WrongKeys(ValueError):
    """Keys that cannot be used; the message names the key and what would be right, never a secret."""


class Key:
    """One secret, valid from `not_before` to `not_after` (ms UTC, both included; None: no such bound). Raises `WrongKeys`."""

    __slots__ = ("_secret", "not_after", "not_before")

    def __init__(self, secret: bytes, *, not_before: int | None = None, not_after: int | None = None) -> None:
        if not isinstance(secret, bytes) or len(secret) < MIN_BYTES:
            raise WrongKeys(f"a key is {MIN_BYTES} random bytes or more; this one is shorter, or no bytes")
        if not_before is not None and not_after is not None and not_before > not_after:
            raise WrongKeys(f"a key that ends at {not_after} before it begins at {not_before}")
        self._secret = secret
        self.not_before = not_before
        self.not_after = not_after

    def __repr__(self) -> str:
        return f"Key(not_before={self.not_before}, not_after={self.not_after})"

    def __reduce__(self) -> Any:
        raise TypeError("a key is not written anywhere")

    def reveal(self) -> bytes:
        """The secret, for the one place that signs with it."""
        return self._secret

    def valid_at(self, now: int) -> bool:
        """Whether it may be used at `now` (ms UTC)."""
        return (self.not_before is None or self.not_before <= now) and (self.not_after is None or now <= self.not_after)


def checked(keys: Mapping[str, Key]) -> dict[str, Key]:
    """The keys by id, each id one that a signature can name. Raises `WrongKeys`."""
    if not 0 < len(keys) <= MAX_KEYS:
        raise WrongKeys(f"there are {len(keys)} keys; there may be 1 to {MAX_KEYS}")
    for name in keys:
        if _ID.fullmatch(name) is None:
            raise WrongKeys(f"{name[:70]!r} is no id of a key; give 1 to 64 letters, digits, dashes and underscores")
    return dict(keys)


def from_file(path: str | Path) -> dict[str, Key]:
    """The keys in a TOML file that only its owner may read. Raises `WrongKeys`."""
    try:
        with Path(path).open("rb") as file:
            # Of what was opened, whatever stands there by now.
            mode = os.fstat(file.fileno()).st_mode
            said = file.read()
    except OSError as error:
        raise WrongKeys(f"{path} cannot be read: {error.strerror}; give a file of keys") from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise WrongKeys(f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}); chmod 600 it, and change its keys")
    try:
        tables = tomllib.loads(said.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The message may hold a part of a secret: only where it is is told.
        where = re.search(r"line \d+", str(error))
        raise WrongKeys(f"{path} is no TOML{f', {where[0]}' if where else ''}") from None
    return checked({name: _of_table(name, table) for name, table in tables.items()})


def from_environment(environ: Mapping[str, str]) -> dict[str, Key]:
    """The keys of `VARIABLE`; none when it is not set. Raises `WrongKeys`."""
    keys: dict[str, Key] = {}
    words = environ.get(VARIABLE, "").split()
    for number, word in enumerate(words, 1):
        name, colon, secret = word.partition(":")
        if not colon or _ID.fullmatch(name) is None or name in keys:
            # It may be a secret that somebody put in front.
            raise WrongKeys(f"{VARIABLE}: word {number} of {len(words)} does not begin with an id of its own and a colon")
        keys[name] = Key(_secret(name, secret))
    return checked(keys) if keys else {}


def _of_table(name: str, table: Any) -> Key:
    if not isinstance(table, dict) or not table.keys() <= {"secret", "not_before", "not_after"}:
        raise WrongKeys(f"key {name[:70]!r} is no table of secret, not_before and not_after")
    return Key(
        _secret(name, table.get("secret")), not_before=_ms(name, table, "not_before"), not_after=_ms(name, table, "not_after")
    )


def _secret(name: str, said: Any) -> bytes:
    if not isinstance(said, str) or _HEX.fullmatch(said) is None or len(said) < 2 * MIN_BYTES:
        raise WrongKeys(f"the secret of key {name[:70]!r} is not {2 * MIN_BYTES} hexadecimal digits or more")
    return bytes.fromhex(said)


def _ms(name: str, table: dict[str, Any], which: str) -> int | None:
    at = table.get(which)
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise WrongKeys(f"{which} of key {name[:70]!r} is no time with a zone; give one such as 2026-12-01T00:00:00Z")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
