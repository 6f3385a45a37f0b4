"""Every public call with every kind of wrong value in every place: refused by name with nothing changed, or kept and proved.

Calls and their parameters are found by looking at the classes, so that a new one is tried without anybody thinking of it.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from partfill import FillManager, Limit
from partfill.journal.verify import verify
from partfill.model.admit import NotAnInput
from partfill.model.observations import Execution
from partfill.model.words import Side
from partfill.runtime.manager import Busy, Refused
from partfill.runtime.order import Order
from partfill.runtime.order_manager import OrderManager
from partfill.runtime.positions import Positions
from partfill.runtime.tracking import Tracking
from partfill.runtime.unified import UnifiedFillManager
from tests.runtime.test_manager import paper

D = Decimal


class Text(str):
    """A subclass of text."""


class Number(int):
    """A subclass of a whole number."""


class Word(Enum):
    A = "a"


class Rude:
    """Somebody else's class: whatever is asked of it fails."""

    def __repr__(self) -> str:
        raise RuntimeError("rude")

    def __str__(self) -> str:
        raise RuntimeError("rude")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("rude")

    def __hash__(self) -> int:
        raise RuntimeError("rude")

    def __bool__(self) -> bool:
        raise RuntimeError("rude")


WRONG: dict[str, Any] = {
    "none": None, "true": True, "zero": 0, "one": 1, "minus": -1, "huge": 1 << 70, "float": 1.5, "nan": float("nan"),
    "inf": float("inf"), "empty": "", "blank": "  ", "word": "no-such-thing", "long": "x" * 600, "very long": "9" * 70_000,
    "half": "\ud800", "zero sign": "a\x00b", "line": "a\nb", "bytes": b"x", "bytearray": bytearray(b"x"), "list": [],
    "list of text": ["a"], "tuple": (), "dict": {}, "dict of one": {"a": 1}, "set": {1}, "object": object(), "rude": Rude(),
    "NaN": D("NaN"), "sNaN": D("sNaN"), "Infinity": D("Infinity"), "tiny": D("1e-400"), "big": D("1e400"), "negative": D("-1"),
    "time": datetime(2026, 1, 1, tzinfo=UTC), "uuid": uuid.UUID(int=1), "function": lambda: 1, "enum": Word.A, "class": str,
    "complex": 1j, "str subclass": Text("sub"), "int subclass": Number(3), "terms": Limit("ACME", "buy", qty=1, price=2),
    "error": ValueError("x"), "generator": (each for each in "a"), "side": Side.BUY,
}  # fmt: skip

RIGHT: dict[str, Callable[[int], Any]] = {
    "terms": lambda n: Limit("ACME", "buy", qty=1, price=2), "order": lambda n: Limit("ACME", "buy", qty=1, price=2),
    "ref": lambda n: "r1", "order_id": lambda n: "r1", "venue": lambda n: "paper", "account": lambda n: "",
    "on": lambda n: False, "name": lambda n: "paper",
    "by": lambda n: "me", "reason": lambda n: "why", "cl_ord_id": lambda n: f"c{n}", "cloid": lambda n: f"c{n}",
    "oid": lambda n: f"o{n}", "tid": lambda n: f"t{n}", "sz": lambda n: 1, "px": lambda n: 2, "amount": lambda n: 1,
    "qty": lambda n: "1", "price": lambda n: "2", "instrument": lambda n: "ACME", "side": lambda n: "long",
    "stop": lambda n: "1",
    "symbol": lambda n: "ACME", "place": lambda n: ("paper", "", "ACME"), "fills": lambda n: (), "filled": lambda n: 0,
    "observation": lambda n: Execution(venue="paper", order_id="r1", key=f"k{n}", qty=D(1), px=D(2)),
    "event": lambda n: Execution(venue="paper", order_id="r1", key=f"e{n}", qty=D(1), px=D(2)),
}  # fmt: skip
"""A right value for what has to be given."""
ALSO: dict[str, dict[str, Any]] = {
    "amend": {"qty": "5"},
    "track": {"order_id": "t9"},
    "protect": {"stop": "1"},
    "update_status": {"filled_size": 1},
}
"""What a call is given besides, so that it is about more than nothing."""
WHOLE = ("observe", "on_order_fill", "hear")
"""Calls that take an input as a whole: its fields are named, not it."""
NAMED = {
    "order": ("terms",), "order_id": ("ref",), "filled_size": ("cum_qty",), "avg_price": ("avg_px",), "status": ("ord_status",),
    "targets": ("target", "legs"), "stop": ("legs",), "stop_limit": ("legs",), "name": ("venue",), "filled": ("cum_qty",),
    "time": ("venue_time",), "oid": ("order_id",), "tid": ("key",), "amount": ("cum_qty",), "cloid": ("ref", "cl_ord_id"),
    "cl_ord_id": ("ref",), "sz": ("qty",), "entry": ("tags",), "qty": ("amend",), "price": ("amend",),
}  # fmt: skip
"""Under which other name an error may name a parameter: that of what it becomes."""
NOT_OURS = {
    # What a program hands over as a whole, and what goes on inside.
    ("FillManager", name)
    for name in (
        "open",
        "close",
        "events",
        "subscribe",
        "take",
        "view",
        "refuse",
        "left_alone",
        "check_place",
        "known_accounts",
    )
} | {("Order", "events"), ("Order", "done")}


def doors(fills: FillManager, order: Order) -> list[tuple[Any, str, inspect.Signature]]:
    """Every public call that takes something."""
    found = []
    for door in (fills, fills.positions, fills.tracking, OrderManager(fills, "paper"), UnifiedFillManager(fills), order):
        for name, call in inspect.getmembers(type(door), inspect.isfunction):
            if not name.startswith("_") and (type(door).__name__, name) not in NOT_OURS:
                signature = inspect.signature(call)
                if len(signature.parameters) > 1:
                    found.append((door, name, signature))
    return found


def test_every_door_is_looked_at() -> None:
    assert {cls.__name__ for cls in (FillManager, Positions, Tracking, OrderManager, UnifiedFillManager, Order)}
    assert len(WRONG) >= 30


@pytest.mark.parametrize("kind", list(WRONG))
async def test_any_value_in_any_place_is_refused_by_name_or_kept_and_proved(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    wrong: list[str] = []
    tried = 0
    async with FillManager.open(path, venues=[paper()]) as fills:
        order = await fills.track(Limit("ACME", "buy", qty=10, price=2), order_id="o1", ref="r1")
        for door, name, signature in doors(fills, order):
            for given in list(signature.parameters.values())[1:]:
                if given.kind is inspect.Parameter.VAR_KEYWORD:
                    continue
                tried += 1
                arguments = ALSO.get(name, {}) | {
                    each.name: RIGHT[each.name](tried)
                    for each in list(signature.parameters.values())[1:]
                    if each.default is inspect.Parameter.empty and each.kind is not inspect.Parameter.VAR_KEYWORD
                }
                where = f"{type(door).__name__}.{name}({given.name}={kind})"
                before = fills.journal.seq
                try:
                    answer = getattr(door, name)(**{**arguments, given.name: WRONG[kind]})
                    if inspect.isawaitable(answer):
                        await answer
                except NotAnInput as error:
                    names = (given.name, *NAMED.get(given.name, ()))
                    if not any(each in str(error) for each in names) and name not in WHOLE:
                        wrong.append(f"{where}: does not name it: {error}"[:300])
                    changed = fills.journal.seq != before
                except (Refused, Busy, LookupError):
                    changed = fills.down is not None
                except BaseException as error:
                    wrong.append(f"{where}: {type(error).__name__}: {error!a}"[:300])
                    changed = fills.journal.seq != before
                else:
                    changed = False
                if changed:
                    wrong.append(f"{where}: refused, and something changed")
                assert fills.down is None, where
                if fills.engine.desk.killed:
                    await fills.kill(False, by="me")
    assert wrong == [], f"{len(wrong)} of {tried}:\n" + "\n".join(wrong)
    found = verify(path)
    assert found.ok, found.problems
    async with FillManager.open(path) as fills:
        assert fills.order("r1", venue="paper") is not None
