"""What of an order grows without end, in rows of its own: what a report writes does not depend on what came before it.

Theory. Ids of a chain, its venue orders, corrections and the like are written with the order while there are few of them
(`FEW`). When there are more, each is a row in table `parts`, and only rows that say something new are written. The rows are a
function of the order and not of when it was written, so a journal and its replay agree.

    sequences (ids, claims)    what stands at which place; compared with what the rows say
    dictionaries (links)       become a `Noted` one, which knows what was touched since
    ledgers                    become `NotedLedger`s where there are many: an attribute that is set is noted

Rules
- Whatever is not known to be unchanged is compared with what the rows say; only a difference is written.
- Where the ledgers of an order are others than before, and not only more, all its rows are written anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from partfill.core.child import Child
from partfill.core.corrections import Case, history
from partfill.core.doubts import Doubt
from partfill.core.ledger import Ledger

FEW = 8
"""So many of a kind are written with the order."""

SEQUENCES = ("order_ids", "client_ids", "left", "reductions")
DICTIONARIES = ("requests", "in_flight", "ids", "bound")
LEDGER_SEQUENCES = ("claims", "scales")
DOUBT_SEQUENCES = ("missing", "lacked", "aside")

encode = msgspec.json.Encoder(order="deterministic").encode


class Noted(dict[Any, Any]):
    """A dictionary that knows which of its keys were set or taken out."""

    __slots__ = ("touched",)

    def __init__(self, of: dict[Any, Any]) -> None:
        super().__init__(of)
        self.touched: set[Any] = set()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.touched.add(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.touched.add(key)
        super().__delitem__(key)

    def pop(self, key: Any, *default: Any) -> Any:
        """As of any dictionary."""
        self.touched.add(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        """As of any dictionary."""
        key, value = super().popitem()
        self.touched.add(key)
        return key, value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As of any dictionary."""
        self.touched.add(key)
        return super().setdefault(key, default)

    def update(self, *others: Any, **named: Any) -> None:
        """As of any dictionary."""
        new = dict(*others, **named)
        self.touched.update(new)
        super().update(new)

    def clear(self) -> None:
        """As of any dictionary."""
        self.touched.update(self)
        super().clear()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self


class Handed(Noted):
    """One whose values may be changed by whoever was handed one."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        self.touched.add(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As of any dictionary."""
        self.touched.add(key)
        return super().get(key, default)


class NotedLedger(Ledger):
    """A ledger of an order that has many: what is set on it is noted."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        saved: Saved | None = self.child.saved
        if saved is not None:
            saved.touched.add(self)


class Saved:
    """What the rows of one order say."""

    __slots__ = ("bodies", "ledgers", "lively", "sequences", "touched", "versions")

    def __init__(self) -> None:
        self.sequences: dict[str, tuple[Any, ...]] = {}
        self.bodies: dict[str, dict[str, str]] = {}
        """Part -> key -> body."""
        self.versions: dict[str, dict[str, dict[str, str]]] = {}
        """Part -> execution -> correction of it -> body."""
        self.ledgers: list[Ledger] = []
        """The ledgers of the order then."""
        self.touched: set[Ledger] = set()
        """Where there are many: ledgers on which something was set since."""
        self.lively: set[Ledger] = set()
        """Those that hold what may change without being set anew."""


class Diff:
    """The rows in which an order differs from what was written of it, in the order in which they are to be written."""

    __slots__ = ("anew", "child", "gone", "new")

    def __init__(self, child: int) -> None:
        self.child = child
        self.anew = False
        """Whether all rows that there are go first."""
        self.gone: list[tuple[int, str, str]] = []
        self.new: list[tuple[int, str, str, str]] = []

    def put(self, part: str, key: str, body: str) -> None:
        """This row says so now."""
        self.new.append((self.child, part, key, body))

    def drop(self, part: str, keys: Iterable[str]) -> None:
        """These rows are no more."""
        self.gone.extend((self.child, part, key) for key in keys)


def is_short(child: Child) -> bool:
    """Whether there is little enough of everything, and always was: then it has no rows here."""
    if child.saved is not None or len(child.ledgers) > FEW or len(child.order_ids) > FEW or len(child.client_ids) > FEW:
        return False
    for each in child.ledgers:
        if len(each.claims) > FEW:
            return False
        rare = each.links is not None or each.cases is not None or each.owed is not None or each.doubt is not None
        if (rare or each.scales is not None) and not _has_few(each):
            return False
    return (
        (child.ids is None or len(child.ids) <= FEW)
        and (child.in_flight is None or len(child.in_flight) <= FEW)
        and (child.requests is None or len(child.requests) <= FEW)
        and len(child.left) <= FEW
        and len(child.reductions) <= FEW
        and (child.bound is None or len(child.bound) <= FEW)
    )


def _has_few(ledger: Ledger) -> bool:
    for each in (ledger.links, ledger.cases, ledger.owed, ledger.scales):
        if each is not None and len(each) > FEW:
            return False
    doubt = ledger.doubt
    if doubt is None:
        return True
    if doubt.kept is not None and len(doubt.kept[2]) > FEW:
        return False
    return len(doubt.missing) <= FEW and len(doubt.lacked) <= FEW and len(doubt.aside) <= FEW


class Splitter:
    """Tells what of one order goes into rows, and which of them have to be written."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.diff = Diff(child.id)
        saved: Saved | None = child.saved
        known = [] if saved is None else saved.ledgers
        if saved is not None and known != (child.ledgers if len(known) == len(child.ledgers) else child.ledgers[: len(known)]):
            self.diff.anew = True
            saved = None
        self.saved = saved or Saved()

    def split(self) -> dict[str, Any]:
        """What stands in rows and not with the order: field -> what stands with the order instead."""
        child = self.child
        out: dict[str, Any] = {}
        for name in SEQUENCES:
            if self._sequence(name, getattr(child, name)):
                out[name] = ()
        for name in DICTIONARIES:
            noted = self._dictionary(name, getattr(child, name))
            if noted is not None:
                setattr(child, name, noted)
                out[name] = None
        return out

    def ledger(self, place: int, ledger: Ledger) -> dict[str, Any]:
        """The same for one of its ledgers."""
        out: dict[str, Any] = {}
        for name in LEDGER_SEQUENCES:
            value = getattr(ledger, name)
            if self._sequence(f"{name}/{place}", value or ()):
                out[name] = () if name == "claims" else None
        noted = self._dictionary(f"owed/{place}", ledger.owed, Handed)
        if noted is not None:
            ledger.owed, out["owed"] = noted, None
        if self._corrections(place, ledger):
            out |= {name: None for name in ("links", "cases", "losses") if getattr(ledger, name)}
        if ledger.doubt is not None:
            doubt = self._doubt(place, ledger.doubt)
            if doubt is not None:
                out["doubt"] = doubt
        else:
            for name in (*DOUBT_SEQUENCES, "kept"):
                self._sequence(f"{name}/{place}", ())
        return out

    def many_ledgers(self, frozen: Any) -> bool:
        """Write its ledgers as rows where there are many; `frozen` gives one as it is written, of its place."""
        child, saved = self.child, self.saved
        before = len(saved.ledgers)
        if before != len(child.ledgers):
            saved.ledgers = list(child.ledgers)
        bodies = saved.bodies.get("ledgers")
        if len(child.ledgers) <= FEW:
            return False
        if bodies is None:
            bodies, before = saved.bodies.setdefault("ledgers", {}), 0
        places = {ledger: place for place, ledger in enumerate(child.ledgers[before:], before)}
        for ledger in saved.touched | saved.lively:
            if ledger not in places and ledger.child is child and ledger.into is None:
                places[ledger] = place_of(ledger)
        for ledger, place in places.items():
            body = encode(frozen(place, ledger)).decode()
            if bodies.get(str(place)) != body:
                bodies[str(place)] = body
                self.diff.put("ledgers", str(place), body)
            ledger.__class__ = NotedLedger
            holds = (ledger.links, ledger.cases, ledger.losses, ledger.owed, ledger.doubt)
            (saved.lively.add if any(each is not None for each in holds) else saved.lively.discard)(ledger)
        saved.touched.clear()
        return True

    def done(self) -> Diff:
        """The rows to be written; from now on they say it all."""
        saved = self.saved
        child = self.child
        kept = saved.sequences or saved.bodies or saved.versions
        child.saved = saved if kept else None
        return self.diff

    # ------------------------------------------------------------------ inside

    def _sequence(self, part: str, value: Any) -> bool:
        """Whether it stands in rows."""
        sequences = self.saved.sequences
        old = sequences.get(part)
        if len(value) <= FEW:
            if old is not None:
                self.diff.drop(part, map(str, range(len(old))))
                del sequences[part]
            return False
        if old is value:
            return True
        now, old = tuple(value), old or ()
        at = 0
        if now and type(now[0]) is str and now[: len(old)] == old:
            at = len(old)
        for place in range(at, len(now)):
            if place >= len(old) or now[place] is not old[place]:
                self.diff.put(part, str(place), encode(now[place]).decode())
        self.diff.drop(part, map(str, range(len(now), len(old))))
        sequences[part] = value if type(value) is tuple else now
        return True

    def _dictionary(self, part: str, value: dict[Any, Any] | None, kind: type[Noted] = Noted) -> Noted | None:
        """The dictionary that takes its place where it stands in rows."""
        return self._keyed(part, value, {} if value is None or len(value) <= FEW else value, kind, lambda key, each: each)

    def _keyed(self, part: str, value: Any, shown: dict[Any, Any], kind: type[Noted], body_of: Any) -> Noted | None:
        bodies = self.saved.bodies
        known = bodies.get(part)
        if not shown:
            if known is not None:
                self.diff.drop(part, known)
                del bodies[part]
            return None
        assert value is not None
        keys: Iterable[Any] = value.touched if isinstance(value, Noted) and known is not None else {*value, *(known or ())}
        if known is None:
            known = bodies[part] = {}
        for key in keys:
            if key in value:
                body = encode(body_of(key, dict.__getitem__(value, key))).decode()
                if known.get(key) != body:
                    known[key] = body
                    self.diff.put(part, key, body)
            elif known.pop(key, None) is not None:
                self.diff.drop(part, (key,))
        noted = value if type(value) is kind else kind(value)
        noted.touched.clear()
        return noted

    def _corrections(self, place: int, ledger: Ledger) -> bool:
        """Links, cases and losses stand in rows together."""
        links, cases = ledger.links, ledger.cases
        many = (links is not None and len(links) > FEW) or (cases is not None and len(cases) > FEW)
        losses = ledger.losses

        def lost(key: str, told: Any) -> Any:
            # What follows from the case is not written.
            case = None if cases is None else dict.get(cases, key)
            return None if case is not None and told == history(case, links or {}, ledger.scales) else told

        touched = set(cases.touched) if isinstance(cases, Noted) else None
        noted = self._keyed(f"links/{place}", links, links if many and links else {}, Noted, lambda key, each: each)
        if noted is not None:
            ledger.links = noted
        if isinstance(losses, Noted) and touched is not None:
            losses.touched |= touched & losses.keys()
        noted = self._keyed(f"losses/{place}", losses, losses if many and losses else {}, Noted, lost)
        if noted is not None:
            ledger.losses = noted
        noted = self._keyed(f"cases/{place}", cases, cases if many and cases else {}, Handed, _case)
        if noted is not None:
            ledger.cases = noted
        self._versions(f"versions/{place}", cases if many and cases else {}, touched)
        return many

    def _versions(self, part: str, cases: dict[str, Case], touched: set[str] | None) -> None:
        """The corrections of each case."""
        known = self.saved.versions.get(part)
        if not cases and known is None:
            return
        if known is None:
            known, touched = self.saved.versions.setdefault(part, {}), None
        for root in {*cases, *known} if touched is None or not cases else touched:
            case = dict.get(cases, root)
            there = known.pop(root, {})
            here = {} if case is None else {name: encode(each).decode() for name, each in case.versions.items()}
            for name, body in here.items():
                if there.get(name) != body:
                    self.diff.put(part, _pair(root, name), body)
            self.diff.drop(part, (_pair(root, name) for name in there if name not in here))
            if here:
                known[root] = here
        if not cases:
            del self.saved.versions[part]

    def _doubt(self, place: int, doubt: Doubt) -> Doubt | None:
        """The doubt as it stands with the order, where it names many executions."""
        less: dict[str, Any] = {}
        for name in DOUBT_SEQUENCES:
            if self._sequence(f"{name}/{place}", getattr(doubt, name)):
                less[name] = [] if name == "aside" else ()
        kept = doubt.kept
        if self._sequence(f"kept/{place}", () if kept is None else kept[2]):
            assert kept is not None
            less["kept"] = (kept[0], kept[1], ())
        return replace(doubt, **less) if less else None


def _case(key: str, case: Case) -> Any:
    return (case.first, case.void, case.state, case.charged)


def _pair(root: str, name: str) -> str:
    return encode((root, name)).decode()


def place_of(ledger: Ledger) -> int:
    """Where a ledger stands in the chain of its order; most often it is the last one."""
    ledgers = ledger.child.ledgers
    return len(ledgers) - 1 if ledgers[-1] is ledger else ledgers.index(ledger)
