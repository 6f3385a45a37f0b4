"""A paper exchange whose orders outlive its process: what it did is in a file before anybody hears of it.

Theory of operation. `KeptExchange` is the exchange with a record (`Kept`) of its own, which no desk writes or reads. One
call of it is one transaction: orders that changed, executions, positions. Reports are held back until that is on disk, and
so is the answer. When the file is opened again the orders come back with all that filled; those that worked end Canceled,
`RESTARTED`, as at an exchange that takes day orders off when it restarts: its book is empty then, and their places in the
queues are gone.

Rules
- What was told is on disk; what is not on disk was told to nobody. So a desk never knows more than the exchange.
- Fail-stop: when a write fails, memory is ahead of the file and not to be believed. Every call raises `VenueDown` from then
  on; whoever asked meanwhile has no answer, which is the truth.
- One process per file. Several venues may share one; each sees its own orders only.
- What has ended is forgotten once `remember` others ended after it, in the file too. Positions stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import msgspec

from partfill.model.commands import Answered
from partfill.model.numbers import ZERO, add, mul, text
from partfill.model.observations import Execution, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query, Replace
from partfill.model.terms import Terms
from partfill.model.words import ExecType, OrdStatus
from partfill.venues.paper.events import MarketEvent
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.listing import Listing
from partfill.venues.paper.orders import PaperOrder
from partfill.venues.protocol import VenueDown

RESTARTED = "exchange_restarted"
"""Why an order ended that worked when the exchange went down."""
REMEMBER = 100_000
"""Orders that ended, and executions per account, that are kept unless told otherwise."""

_VERSION = 1
_CHECKPOINT_PAGES = 250
_TABLES = """
CREATE TABLE orders (venue TEXT, order_id TEXT, number INTEGER, body TEXT, PRIMARY KEY (venue, order_id)) STRICT, WITHOUT ROWID;
CREATE TABLE executions (
    venue TEXT, number INTEGER, order_id TEXT, body TEXT, PRIMARY KEY (venue, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_order ON executions (venue, order_id);
CREATE TABLE positions (
    venue TEXT, account TEXT, instrument TEXT, qty TEXT, PRIMARY KEY (venue, account, instrument)
) STRICT, WITHOUT ROWID;
CREATE TABLE forgotten (venue TEXT, account TEXT, until INTEGER, PRIMARY KEY (venue, account)) STRICT, WITHOUT ROWID;
"""
_encode = msgspec.json.Encoder(decimal_format="string").encode


class InUse(RuntimeError):
    """Another process has this file."""


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """One order, without its executions. `works`: whether it may still fill."""

    account: str
    cl_ord_id: str
    client_ids: tuple[str, ...]
    terms: Terms
    price: Decimal | None
    total: Decimal
    works: bool
    ended: OrdStatus | None
    reason: str | None
    shrunk: bool
    born: int


_read_row = msgspec.json.Decoder(_Row).decode
_read_execution = msgspec.json.Decoder(Execution).decode


class Kept:
    """The file. Raises `InUse` for one that another process has, `VenueDown` for one that cannot be used."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        try:
            self.db = apsw.Connection(self.path)
        except apsw.Error as error:
            raise VenueDown(f"{path} cannot be opened: {error}") from None
        try:
            # Exclusive: a second exchange on the same file would take the orders of the first off.
            self.db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = FULL")
            self.db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            with self.db:
                version = self.db.execute("PRAGMA user_version").fetchone()[0]  # type: ignore[index]
                tables = self.db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]  # type: ignore[index]
                if not version and not tables:
                    self.db.execute(_TABLES)
                    self.db.execute(f"PRAGMA user_version = {_VERSION}")
                elif version != _VERSION:
                    raise VenueDown(f"{path} is no file of a paper exchange of this version; move it away")
        except BaseException as error:
            self.db.close()
            if isinstance(error, apsw.BusyError):
                raise InUse(f"{path} is being written by another process; stop it first") from None
            if isinstance(error, apsw.Error):
                raise VenueDown(f"{path} is no file of a paper exchange: {error}; move it away") from None
            raise

    def close(self) -> None:
        """Close the file."""
        self.db.close()


class KeptExchange(Exchange):
    """An exchange on a file. What worked when it was last closed, or killed, has ended at `now` (ns UTC)."""

    def __init__(
        self, listings: Iterable[Listing], kept: Kept, *, venue: str = "paper", session: str = "", now: int = 0,
        remember: int = REMEMBER,
    ) -> None:  # fmt: skip
        super().__init__(listings, venue=venue, session=session, remember=remember)
        self.down: str | None = None
        """Why nothing is believed any more."""
        self._kept = kept
        self._now = now
        self._touched: dict[str, PaperOrder] = {}
        self._fresh: list[tuple[int, Execution]] = []
        """(place among all of the venue, execution) of those that are not on disk yet."""
        self._executions = 0
        self._moved: set[tuple[str, str]] = set()
        self._gone: list[PaperOrder] = []
        self._unsaid: list[OrderSnapshot] = []
        self._restore()
        self._keep()

    # ------------------------------------------------------------------ what changes something

    def apply(self, op: Place | Cancel | Replace, now: int) -> Answered:
        """Do one request; it is on disk when this returns. Raises `VenueDown`."""
        self._believe()
        answer = super().apply(op, now)
        self._keep()
        return answer

    def market(self, event: MarketEvent, now: int, at: int | None = None) -> None:
        """Something that other participants do; what it means for our orders is on disk after it. Raises `VenueDown`."""
        self._believe()
        super().market(event, now, at)
        if self._touched:
            self._keep()

    def end_day(self, now: int) -> None:
        """The trading day is over. Raises `VenueDown`."""
        self._believe()
        super().end_day(now)
        self._keep()

    # ------------------------------------------------------------------ what only looks

    def find(self, op: Query, now: int) -> OrderSnapshot | None:
        """The order of a query. Raises `VenueDown`."""
        self._believe()
        return super().find(op, now)

    def snapshot(self, account: str, order_ids: Sequence[str], now: int) -> list[OrderSnapshot]:
        """Orders that work, and the named ones. Raises `VenueDown`."""
        self._believe()
        return super().snapshot(account, order_ids, now)

    def history(self, account: str, since: int) -> list[Execution]:
        """Executions from `since` (ns UTC) on. Raises `LookupError`, `VenueDown`."""
        self._believe()
        return super().history(account, since)

    # ------------------------------------------------------------------ the record

    def _believe(self) -> None:
        if self.down is not None:
            raise VenueDown(self.down)

    def _tell(self, order: PaperOrder, kind: ExecType, **also: Any) -> OrderSnapshot:
        self._touched[order.order_id] = order
        return super()._tell(order, kind, **also)

    def _publish(self, report: OrderSnapshot) -> None:
        self._unsaid.append(report)

    def _filled(self, order: PaperOrder, key: str, qty: Decimal, px: Decimal, fee: Decimal, currency: str) -> None:
        super()._filled(order, key, qty, px, fee, currency)
        self._executions += 1
        self._fresh.append((self._executions, order.executions[-1]))
        self._moved.add((order.account, order.terms.instrument))

    def _forget(self, old: PaperOrder) -> None:
        super()._forget(old)
        self._gone.append(old)

    def _keep(self) -> None:
        """Write what the call changed, then tell of it."""
        try:
            self._write()
        except apsw.Error as error:
            where = f"its orders cannot be written to {self._kept.path}"
            self.down = f"{self.venue} is down: {where} ({error}); put it right (disk full?) and start again"
            raise VenueDown(self.down) from error
        unsaid, self._unsaid = self._unsaid, []
        for report in unsaid:
            super()._publish(report)

    def _write(self) -> None:
        if not (self._touched or self._gone):
            return
        db, venue = self._kept.db, self.venue
        with db:
            db.executemany(
                "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)",
                [(venue, name, order.number, _encode(_row(order)).decode()) for name, order in self._touched.items()],
            )
            db.executemany(
                "INSERT INTO executions VALUES (?, ?, ?, ?)",
                [(venue, number, execution.order_id, _encode(execution).decode()) for number, execution in self._fresh],
            )
            db.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                [(venue, *where, text(self.positions[where])) for where in self._moved],
            )
            for old in self._gone:
                db.execute("DELETE FROM orders WHERE venue = ? AND order_id = ?", (venue, old.order_id))
                db.execute("DELETE FROM executions WHERE venue = ? AND order_id = ?", (venue, old.order_id))
                if old.executions:
                    db.execute(
                        "INSERT INTO forgotten VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                        (venue, old.account, old.executions[-1].as_of),
                    )
        self._touched.clear()
        self._fresh.clear()
        self._moved.clear()
        self._gone.clear()

    # ------------------------------------------------------------------ the start

    def _restore(self) -> None:
        db, mine = self._kept.db, (self.venue,)
        listed: dict[str, list[Execution]] = {}
        for number, name, body in db.execute(
            "SELECT number, order_id, body FROM executions WHERE venue = ? ORDER BY number", mine
        ):
            execution = _read_execution(body)
            self._executions = number
            listed.setdefault(name, []).append(execution)
            self._account(execution.account).executions.append(execution)
        for name, number, body in db.execute("SELECT order_id, number, body FROM orders WHERE venue = ? ORDER BY number", mine):
            self._number = number
            self._bring_back(name, number, _read_row(body), listed.get(name, []))
        for account, instrument, qty in db.execute("SELECT account, instrument, qty FROM positions WHERE venue = ?", mine):
            self.positions[account, instrument] = Decimal(qty)
        until: dict[str, int] = dict(db.execute("SELECT account, until FROM forgotten WHERE venue = ?", mine))
        for old in self._gone:
            # It remembers fewer than it did.
            if old.executions:
                until[old.account] = max(until.get(old.account, 0), old.executions[-1].as_of or 0)
        for account, at in until.items():
            self._account(account).forgotten_until = at

    def _bring_back(self, name: str, number: int, row: _Row, executions: list[Execution]) -> None:
        order = PaperOrder(self.venue, row.account, number, name, row.cl_ord_id, row.terms, row.born)
        order.client_ids = list(row.client_ids)
        order.price, order.reason, order.shrunk, order.stop_waits = row.price, row.reason, row.shrunk, False
        order.ended = row.ended
        if row.works:
            order.ended, order.reason = OrdStatus.CANCELED, RESTARTED
            self._touched[name] = order
        order.executions = executions
        for execution in executions:
            assert execution.px is not None
            order.book.filled = add(order.book.filled, execution.qty)
            order.notional = add(order.notional, mul(execution.qty, execution.px))
            order.fees = add(order.fees, execution.fee or ZERO)
        order.book.total, order.book.open = row.total, ZERO
        of = self._account(row.account)
        of.orders[name] = order
        of.clients.update(dict.fromkeys(order.client_ids, order))
        self._finish(order)


def _row(order: PaperOrder) -> _Row:
    return _Row(
        order.account, order.cl_ord_id, tuple(order.client_ids), order.terms, order.price, order.book.total, order.works,
        order.ended, order.reason, order.shrunk, order.born,
    )  # fmt: skip


__all__ = ["REMEMBER", "RESTARTED", "InUse", "Kept", "KeptExchange"]
