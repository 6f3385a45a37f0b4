"""Decisions as a journal has them: runs of one mode, the rows of a run, and what proves a chase. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from partfill.core.parent import Parent
from partfill.journal.store import Store
from partfill.model.codec import input_from_journal
from partfill.model.commands import Amend
from partfill.model.policy import Mode
from partfill.model.reasons import Reason

HOUR_NS = 3_600_000_000_000


class Run(NamedTuple):
    """The newest unbroken row of decisions in one mode: numbers before and of the last, times of the first and last."""

    after: int
    last: int
    first_at: int
    last_at: int

    def begins(self, hours: int) -> int:
        """When its last so many hours begin, or it does (ns UTC)."""
        return max(self.first_at, self.last_at - hours * HOUR_NS)


class Row(NamedTuple):
    """One decision as the table has it; for a chase with its input and its parent's state, where there are such."""

    report_id: str
    parent: int
    seq: int
    verdict: str
    filled_qty: str
    evaluated: int
    body: str
    input: str | None = None
    state: str | None = None


Wished = Callable[[Parent, int], Iterable[Decimal]]
"""The prices that the user asked for by amending this parent, in inputs before this number."""


class Amended:
    """The prices of every amendment in a journal, read when they are first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[tuple[str, str, str], list[tuple[int, Decimal]]] | None = None

    def before(self, parent: Parent, seq: int) -> list[Decimal]:
        """Prices that the user asked for of this parent before input `seq`."""
        if self._found is None:
            self._found = {}
            for number, body in self._store.db.execute("""SELECT seq, body FROM journal WHERE body LIKE '{"type":"amend",%'"""):
                amend = input_from_journal(body)
                if isinstance(amend, Amend) and amend.price is not None:
                    self._found.setdefault((amend.venue, amend.account, amend.ref), []).append((number, amend.price))
        amended = self._found.get((parent.venue, parent.account, parent.ref), [])
        return [price for number, price in amended if number < seq]


def newest_run(store: Store, mode: Mode) -> Run | None:
    """The newest run of decisions in this mode; the kill switch's belong to none."""
    mine, kill = "mode = ?1 AND verdict <> ?2", Reason.KILL_SWITCH_ACTIVE.value
    last = store.db.execute(
        f"SELECT number, evaluated FROM decisions WHERE {mine} ORDER BY number DESC LIMIT 1", (mode.value, kill)
    ).fetchone()
    if last is None:
        return None
    query = "SELECT coalesce(max(number), 0) FROM decisions WHERE mode <> ?1 AND verdict <> ?2 AND number < ?3"
    (after,) = store.db.execute(query, (mode.value, kill, last[0])).fetchone()  # type: ignore[misc]
    query = f"SELECT min(evaluated) FROM decisions WHERE {mine} AND number > ?3"
    (first,) = store.db.execute(query, (mode.value, kill, after)).fetchone()  # type: ignore[misc]
    return Run(int(after), int(last[0]), int(first), int(last[1]))


def rows_of(store: Store, run: Run, hours: int, *, chases: bool = False) -> Iterator[Row]:
    """The decisions of a run within its window, oldest first; only `chases`, with what proves them."""
    columns = "d.report_id, d.parent, d.seq, d.verdict, d.filled_qty, d.evaluated, d.body"
    source, also = "decisions d", ""
    if chases:
        columns += ", j.body, p.state"
        source += " LEFT JOIN journal j ON j.seq = d.seq LEFT JOIN parents p ON p.id = d.parent"
        also = "AND d.body ->> '$.px' IS NOT NULL"
    query = (
        f"SELECT {columns} FROM {source} WHERE d.number > ? AND d.number <= ? AND d.verdict <> ? AND d.evaluated >= ? {also} "
        "ORDER BY d.number"
    )
    bindings = (run.after, run.last, Reason.KILL_SWITCH_ACTIVE.value, run.begins(hours))
    for found in store.db.execute(query, bindings):
        yield Row(*found)
