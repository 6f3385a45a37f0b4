"""The dialect of a FIX log, guessed from its messages: which "ids" name no order, and whether accounts share client ids.

Evidence, within one day
- An order id under which two client ids have their own New or NewOrderSingle, and no OrigClOrdID joins them, is none.
- A client id under which three order ids have their own New is none.
- Where reports under one id differ in an account field and in instrument or side, that field tells accounts apart.
"""

from __future__ import annotations

from partfill.venues.fix import tables
from partfill.venues.fix.dialect import ACCOUNT_TAGS, Dialect
from partfill.venues.fix.message import FixMessage

MAX_IDS = 100_000
"""Most ids that are remembered; what comes beyond is not looked at."""
_OWN = frozenset({"0", "A", "8"})
"""ExecTypes (or statuses) that speak of an order under its own client id."""


class Guess:
    """Hears messages, and has an opinion."""

    def __init__(self, given: Dialect) -> None:
        self._given = given
        self._nameless = given.nameless()
        self._own: dict[tuple[str, str, str], None] = {}
        """(session, day, client id) that had a New or NewOrderSingle of its own."""
        self._clients: dict[tuple[str, str, str], str] = {}
        """(session, day, order id) -> the first client id under it."""
        self._seconds: list[tuple[str, str, str, str, str]] = []
        """(session, day, order id, its first client id, another one)."""
        self._orders: dict[tuple[str, str, str], set[str]] = {}
        """(session, day, client id) -> order ids with their own New, at most three."""
        self._joined: dict[str, str] = {}
        """Client id -> an older one of its chain."""
        self._traits: dict[tuple[str, int, str], tuple[tuple[str | None, ...], str | None, str | None]] = {}
        """(session, tag, id) -> its accounts, instrument and side."""
        self._account: str | None = None

    def hear(self, fix: FixMessage) -> None:
        """One message."""
        kind = fix.tags.get(35)
        if kind not in ("8", "D", "G", "F") or len(self._clients) + len(self._own) > MAX_IDS:
            return
        session = "|".join(sorted((fix.tags.get(49, ""), fix.tags.get(56, ""))))
        day = fix.tags.get(52, fix.tags.get(60, ""))[:8]
        client, orig = fix.id(11), fix.id(41)
        if orig is not None and client is not None and orig != client:
            self._joined.setdefault(client, orig)
        if kind in "FG":
            return
        own = orig is None and client is not None and (kind == "D" or fix.tags.get(150, fix.tags.get(39)) in _OWN)
        if own and client is not None:
            self._own.setdefault((session, day, client))
        if kind == "D":
            return
        order = fix.id(37)
        self._tell_accounts(fix, session, order, client)
        if order is None or client is None or orig is not None:
            return
        first = self._clients.setdefault((session, day, order), client)
        if first != client and len(self._seconds) < MAX_IDS:
            self._seconds.append((session, day, order, first, client))
        if own and fix.tags.get(150, fix.tags.get(39)) != "8":
            found = self._orders.setdefault((session, day, client), set())
            if len(found) < 3:
                found.add(order)

    def dialect(self) -> Dialect:
        """What was heard, as a dialect."""
        none37 = {
            order.strip().upper()
            for session, day, order, first, other in self._seconds
            if (session, day, first) in self._own and (session, day, other) in self._own and not self._same(first, other)
        }
        account = self._account or self._given.account
        none11 = set[str]()
        if account is None:
            none11 = {client.strip().upper() for (_, _, client), orders in self._orders.items() if len(orders) > 2}
        placeholders = {tag: frozenset(words) for tag, words in ((37, none37), (11, none11), (41, none11)) if words}
        return Dialect(name="guessed", placeholders=placeholders, account=account)

    def _same(self, one: str, other: str) -> bool:
        return self._root(one) == self._root(other)

    def _root(self, client: str) -> str:
        for _ in range(1000):
            older = self._joined.get(client)
            if older is None:
                break
            client = older
        return client

    def _tell_accounts(self, fix: FixMessage, session: str, order: str | None, client: str | None) -> None:
        accounts = tuple(fix.tags.get(tags[0]) for tags in ACCOUNT_TAGS.values())
        if self._account is not None or not any(accounts):
            return
        side = tables.SIDES.get(fix.tags.get(54, ""))
        now = (accounts, fix.tags.get(55), None if side is None else side.value)
        for tag, name in ((37, order), (11, client)):
            if name is None or len(self._traits) > MAX_IDS:
                continue
            before = self._traits.setdefault((session, tag, name), now)
            if before is now or not (_differ(before[1], now[1]) or _differ(before[2], now[2])):
                continue
            for which, one, other in zip(ACCOUNT_TAGS, before[0], now[0], strict=True):
                if _differ(one, other):
                    self._account = which
                    return


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
