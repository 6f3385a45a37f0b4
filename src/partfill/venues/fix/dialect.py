"""What one FIX log means by its ids: the words that stand for "none", and whether accounts share a session.

Given by hand (`--dialect NAME` or `--dialect key=value,...`), or guessed from the head of the file (`guess`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

ID_TAGS = (37, 11, 41, 17, 19)
"""OrderID, ClOrdID, OrigClOrdID, ExecID, ExecRefID."""

NO_ID = frozenset({"", "NONE", "N/A", "[N/A]", "NA", "UNKNOWN", "NULL", "0", "-1", "-"})
"""What venues print for "no id", in capitals."""

ACCOUNT_TAGS = {"1": (1,), "109": (109,), "115": (115, 128), "128": (128, 115)}
"""What can tell accounts apart. OnBehalfOf (115) and DeliverTo (128) are one thing, seen from the two sides."""

IdScope = Literal["forever", "day"]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How the ids of one log are read."""

    name: str = "fix"
    placeholders: Mapping[int, frozenset[str]] = msgspec.field(default_factory=dict)
    """Per id tag: further words, in capitals, that stand for none."""
    real: frozenset[str] = frozenset()
    """Words of `NO_ID` that are ids here, in capitals."""
    account: str | None = None
    """The tag of `ACCOUNT_TAGS` that joins the account, None where one session is one account."""
    ids: IdScope = "forever"
    """Whether order ids are used again on another day."""

    def nameless(self) -> dict[int, frozenset[str]]:
        """Per id tag: every word that is no id."""
        base = NO_ID - self.real
        return {tag: base | self.placeholders.get(tag, frozenset()) for tag in ID_TAGS}

    def __str__(self) -> str:
        words = [f"{tag}={'+'.join(sorted(found))} is no id" for tag, found in sorted(self.placeholders.items()) if found]
        if self.real:
            words.append(f"{'+'.join(sorted(self.real))} is an id")
        words.append("one account a session" if self.account is None else f"tag {self.account} tells accounts apart")
        words.append("order ids are for ever" if self.ids == "forever" else "order ids are for a day")
        return f"{self.name}: {', '.join(words)}"


READY = {
    "fix": Dialect(),
    "quickfix": Dialect(name="quickfix"),
    "cme": Dialect(name="cme"),
    "lmax": Dialect(name="lmax"),
    "fxcm": Dialect(name="fxcm", account="1"),
    "drop-copy": Dialect(name="drop-copy", account="1"),
}
"""Ready ones. quickfix, cme and lmax use the standard's ids. One FXCM login, and one drop copy, has many accounts, told apart
by tag 1."""

_KEYS = "none37, none11, none41, none17 or real (words joined by +), account (1, 109, 115, 128), ids (forever, day)"


def parse(said: str) -> Dialect:
    """The dialect that `said` names or describes. Raises `ValueError` that says what would be right."""
    found = READY["fix"]
    for part in said.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals:
            if key not in READY:
                raise ValueError(f"dialect {key!r} is not known; give one of {', '.join(READY)}, or key=value with {_KEYS}")
            found = msgspec.structs.replace(READY[key], name=key)
            continue
        found = _changed(found, key, value)
    return found


def _changed(dialect: Dialect, key: str, value: str) -> Dialect:
    words = frozenset(each.strip().upper() for each in value.split("+") if each.strip())
    if key.startswith("none") and key[4:] in {"37", "11", "41", "17"} and words:
        placeholders = {**dialect.placeholders, int(key[4:]): words}
        return msgspec.structs.replace(dialect, placeholders=placeholders)
    if key == "real" and words and words <= NO_ID:
        return msgspec.structs.replace(dialect, real=words)
    if key == "account" and (value in ACCOUNT_TAGS or value == "none"):
        return msgspec.structs.replace(dialect, account=None if value == "none" else value)
    if key == "ids" and value in ("forever", "day"):
        return msgspec.structs.replace(dialect, ids=value)
    raise ValueError(f"dialect {key}={value} is not known; give {_KEYS}")
