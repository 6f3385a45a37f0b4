"""Orders whose growing parts stand in rows of their own, read back (see `parts`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.claims import Claim, History
from partfill.core.corrections import Case, Version, Void, history
from partfill.journal import parts as few
from partfill.journal.parts import (
    DICTIONARIES,
    DOUBT_SEQUENCES,
    LEDGER_SEQUENCES,
    SEQUENCES,
    Handed,
    Noted,
    NotedLedger,
    Saved,
)
from partfill.model.words import Request

Parts = Sequence[tuple[str, str, str]]
"""(part, key, body)"""

_KINDS: dict[str, Any] = {
    **dict.fromkeys(("order_ids", "client_ids", "left", "links", *DOUBT_SEQUENCES, "kept"), str),
    "reductions": tuple[int, Decimal],
    "requests": Request,
    "in_flight": tuple[Request, Decimal | None, Decimal | None],
    "ids": str | None,
    "bound": int,
    "claims": Claim,
    "scales": tuple[int, Decimal, Decimal],
    "owed": dict[str, Decimal],
    "losses": History | None,
    "cases": tuple[Version | None, Void | None, str, dict[str, Decimal]],
    "versions": Version,
}
_decoders = {name: msgspec.json.Decoder(kind).decode for name, kind in _KINDS.items()}
_read_pair = msgspec.json.Decoder(tuple[str, str]).decode

_Read = dict[str, dict[str, Any]]


def join_parts(state: Any, parts: Parts, ledger_type: type[Any]) -> None:
    """Put what stands in rows where it belongs. Raises `ValueError`, `LookupError` for rows that belong nowhere."""
    of_order: dict[str, dict[str, str]] = defaultdict(dict)
    of_ledger: dict[int, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for part, key, body in parts:
        name, slash, place = part.partition("/")
        (of_ledger[int(place)][name] if slash else of_order[name])[key] = body
    ledgers = of_order.pop("ledgers", None)
    if ledgers is not None:
        if state.ledgers:
            raise ValueError("it has its venue orders twice")
        read = msgspec.json.Decoder(ledger_type).decode
        state.ledgers = _in_order({key: read(body) for key, body in ledgers.items()})
    _fill(state, of_order, SEQUENCES, DICTIONARIES)
    for position, its in of_ledger.items():
        _fill_ledger(state.ledgers[position], its)


def _fill_ledger(ledger: Any, its: dict[str, dict[str, str]]) -> None:
    named: list[str] = [each for each in (*DOUBT_SEQUENCES, "kept") if each in its]
    if named and ledger.doubt is None:
        raise ValueError("rows of a doubt that there is not")
    for name in named:
        read = _in_order(_each(name, its.pop(name)))
        if name == "kept":
            ledger.doubt.kept = (*ledger.doubt.kept[:2], read)
        else:
            setattr(ledger.doubt, name, list(read) if name == "aside" else read)
    versions: dict[str, dict[str, Version]] = defaultdict(dict)
    for pair, body in its.pop("versions", {}).items():
        root, name = _read_pair(pair)
        versions[root][name] = _decoders["versions"](body)
    cases = _each("cases", its.pop("cases", {}))
    if cases:
        ledger.cases = {
            root: Case(first, versions.pop(root, {}), void, word, charged)
            for root, (first, void, word, charged) in cases.items()
        }
    if versions:
        raise ValueError("corrections of executions that there are not")
    losses = _each("losses", its.pop("losses", {}))
    _fill(ledger, its, LEDGER_SEQUENCES, ("links", "owed"))
    if losses:
        told = {
            key: history(ledger.cases[key], ledger.links or {}, ledger.scales) if each is None else each
            for key, each in losses.items()
        }
        ledger.losses = told


def _fill(into: Any, its: dict[str, dict[str, str]], sequences: Sequence[str], dictionaries: Sequence[str]) -> None:
    for name, bodies in its.items():
        if (name not in sequences and name not in dictionaries) or getattr(into, name):
            raise ValueError(f"rows of {name} belong nowhere")
        read = _each(name, bodies)
        setattr(into, name, read if name in dictionaries else _listed(name, _in_order(read)))


def _listed(name: str, read: tuple[Any, ...]) -> Any:
    return list(read) if name == "scales" else read


def _each(name: str, bodies: dict[str, str]) -> dict[str, Any]:
    decode = _decoders[name]
    return {key: decode(body) for key, body in bodies.items()}


def _in_order(read: dict[str, Any]) -> tuple[Any, ...]:
    places = sorted(map(int, read))
    if places != list(range(len(places))):
        raise ValueError("a row is missing")
    return tuple(read[str(place)] for place in places)


def is_long(state: Any) -> bool:
    """Whether something stands with an order that stands in rows today: older versions wrote everything with it."""
    for each in (state, *state.ledgers):
        for name in (*SEQUENCES, *DICTIONARIES, *LEDGER_SEQUENCES, "links", "cases", "owed", "ledgers"):
            value = getattr(each, name, None)
            if value is not None and len(value) > few.FEW:
                return True
        doubt = getattr(each, "doubt", None)
        if doubt is not None and any(len(getattr(doubt, name)) > few.FEW for name in DOUBT_SEQUENCES):
            return True
        if doubt is not None and doubt.kept is not None and len(doubt.kept[2]) > few.FEW:
            return True
    return False


def follow(child: Child, parts: Parts) -> None:
    """The order was read back with these rows: from now on only what differs from them is written."""
    saved = child.saved = Saved()
    saved.ledgers = list(child.ledgers)
    for part, key, body in parts:
        name, _, place = part.partition("/")
        if name == "versions":
            root, correction = _read_pair(key)
            saved.versions.setdefault(part, {}).setdefault(root, {})[correction] = body
        elif name not in SEQUENCES and name not in LEDGER_SEQUENCES and name not in DOUBT_SEQUENCES and name != "kept":
            saved.bodies.setdefault(part, {})[key] = body
        elif part not in saved.sequences:
            holder: Any = child.ledgers[int(place)] if place else child
            holder = holder.doubt if name in (*DOUBT_SEQUENCES, "kept") else holder
            value = getattr(holder, name)
            saved.sequences[part] = tuple(value[2] if name == "kept" else value)
            if type(value) is tuple and name != "kept":
                saved.sequences[part] = value
    for part in saved.bodies:
        name, _, place = part.partition("/")
        if name != "ledgers":
            holder = child.ledgers[int(place)] if place else child
            kind = Handed if name in ("cases", "owed") else Noted
            setattr(holder, name, kind(getattr(holder, name)))
    if "ledgers" in saved.bodies:
        for ledger in child.ledgers:
            ledger.__class__ = NotedLedger
            if any(each is not None for each in (ledger.links, ledger.cases, ledger.losses, ledger.owed, ledger.doubt)):
                saved.lively.add(ledger)
    saved.touched.clear()
