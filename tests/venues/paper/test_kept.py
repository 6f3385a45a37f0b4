"""An exchange on a file: what it told is there after a restart, what worked has ended, and nothing else is different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from partfill.model.commands import Outcome
from partfill.model.observations import OrderSnapshot
from partfill.model.words import ExecType, OrdStatus
from partfill.venues.clock import CLOCK
from partfill.venues.paper.events import Add, Take
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.kept import RESTARTED, InUse, Kept, KeptExchange
from partfill.venues.paper.venue import PaperVenue
from partfill.venues.protocol import VenueDown
from tests.runtime.test_trouble import disk_with_room
from tests.venues.paper.desk import BUY, LISTING, SELL, D, cancel, place, query, replace, stop, terms
from tests.venues.paper.trader import LISTINGS, Trader

CANCELED, FILLED = OrdStatus.CANCELED, OrdStatus.FILLED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.db.paper"


class Lives:
    """One exchange with one share through its restarts, and everything it said."""

    def __init__(self, file: Path, **options: Any) -> None:
        self._file, self._options = file, options
        self.said: list[OrderSnapshot] = []
        self.now = 0
        self.begin()

    def begin(self) -> None:
        self.kept = Kept(self._file)
        self.exchange = KeptExchange([LISTING], self.kept, session=f"{self.now}-", now=self.now, **self._options)
        self.exchange.listeners.append(self.said.append)

    def restart(self) -> None:
        """Down, as a kill brings it down: nothing is written on the way. And up again."""
        self.kept.close()
        self.now += 1
        self.begin()

    def do(self, op: Any) -> Any:
        self.now += 1
        return self.exchange.apply(op, self.now)

    def others(self, event: Any) -> None:
        self.now += 1
        self.exchange.market(event, self.now)

    def look(self, name: str) -> OrderSnapshot:
        found = self.exchange.find(query(name), 0)
        assert found is not None
        return found


def pictures(exchange: Exchange) -> dict[str, OrderSnapshot]:
    """Every order of an exchange, as a poll at time 0 shows it."""
    return {name: order.picture(0) for of in exchange.accounts.values() for name, order in of.orders.items()}


@pytest.mark.parametrize("seed", range(8))
def test_after_a_restart_every_order_has_what_filled_and_none_works(seed: int, file: Path) -> None:
    plain = Trader(seed, None)
    kept = Kept(file)
    trader = Trader(seed, None, KeptExchange(LISTINGS, kept))
    assert trader.lines == plain.lines, "it says the same as one that forgets"
    before = pictures(trader.exchange)
    assert before == pictures(plain.exchange)
    kept.close()
    for life in range(2):
        kept = Kept(file)
        again = KeptExchange(LISTINGS, kept, session=f"{life}-", now=10_000 + life)
        after = pictures(again)
        assert after.keys() == before.keys()
        worked = 0
        for name, was in before.items():
            if was.leaves_qty:
                worked += 1
                changed = {"ord_status": CANCELED, "leaves_qty": D(0), "reason": RESTARTED}
                was = msgspec.structs.replace(was, **changed)
            assert after[name] == was
        assert worked
        assert again.positions == trader.exchange.positions
        for account in "ab":
            assert again.history(account, 0) == trader.exchange.history(account, 0)
            assert again.snapshot(account, [], 0) == []
        kept.close()


def test_what_had_filled_is_told_and_the_rest_is_off(file: Path) -> None:
    lives = Lives(file)
    lives.do(place("one", terms(BUY, "10", "10")))
    lives.others(Take("ACME", SELL, D(4), D(10)))
    lives.restart()
    seen = lives.look("one")
    assert (seen.ord_status, seen.cum_qty, seen.leaves_qty, seen.reason) == (CANCELED, 4, 0, RESTARTED)
    assert [each.qty for each in seen.executions or ()] == [4]
    lives.others(Take("ACME", SELL, D(4), D(10)))
    assert lives.look("one") == seen, "its place in the queue is gone"


def test_what_had_ended_stays_as_it_was(file: Path) -> None:
    lives = Lives(file)
    lives.others(Add("ACME", "o1", SELL, D(10), D(11)))
    lives.do(place("filled", terms(BUY, "10", "11")))
    lives.do(place("off", terms(BUY, "10", "10")))
    lives.do(cancel("off"))
    lives.do(place("bad", terms(BUY, "10", "10.001")))
    lives.do(place("moved", terms(BUY, "10", "10")))
    lives.do(replace("moved", "6", "9"))
    names = ("filled", "off", "bad")
    before = [lives.look(name) for name in names]
    lives.restart()
    assert [lives.look(name) for name in names] == before
    assert [each.ord_status for each in before] == [FILLED, CANCELED, OrdStatus.REJECTED]
    for name in ("moved", "moved-r"):
        assert (lives.look(name).order_qty, lives.look(name).price, lives.look(name).ord_status) == (6, 9, CANCELED)


def test_ids_that_were_used_stay_used_and_new_ones_are_new(file: Path) -> None:
    lives = Lives(file)
    lives.do(place("one"))
    first = lives.look("one").order_id
    lives.restart()
    answer = lives.do(place("one"))
    assert (answer.outcome, answer.reason.split(":")[0]) == (Outcome.REFUSED, "duplicate_id")
    lives.do(place("two"))
    assert lives.look("two").order_id != first
    answer = lives.do(cancel("one", "late"))
    assert answer.reason == f"too_late: order {first} is Canceled"


def test_a_position_and_a_stop_go_through_a_restart(file: Path) -> None:
    lives = Lives(file)
    lives.others(Add("ACME", "o1", SELL, D(10), D(11)))
    lives.do(place("in", terms(BUY, "10", "11")))
    lives.do(place("guard", stop(SELL, "10", "9")))
    lives.restart()
    assert lives.look("guard").ord_status is CANCELED
    assert lives.do(place("out", terms(SELL, "10", "12", reduce_only=True))).outcome is Outcome.DONE
    assert lives.do(place("more", terms(BUY, "10", "8", reduce_only=True))).outcome is Outcome.REFUSED


def test_what_is_forgotten_is_forgotten_in_the_file_too(file: Path) -> None:
    lives = Lives(file, remember=2)
    lives.do(place("filled", terms(BUY, "1", "10")))
    lives.others(Take("ACME", SELL, D(1), D(10)))
    at = lives.now
    for name in ("one", "two"):
        lives.do(place(name))
        lives.do(cancel(name))
    lives.restart()
    assert sorted(lives.exchange.accounts["a"].clients) == ["one", "two"]
    assert lives.exchange.positions["a", "ACME"] == 1
    with pytest.raises(LookupError, match=f"kept from {at} on"):
        lives.exchange.history("a", at)
    assert lives.exchange.history("a", at + 1) == []
    (rows,) = lives.kept.db.execute("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM executions)")
    assert rows == (2, 0)


def test_two_venues_share_a_file_and_nothing_else(file: Path) -> None:
    kept = Kept(file)
    for venue in ("x", "y"):
        KeptExchange([LISTING], kept, venue=venue).apply(place("one", terms(BUY, "1" if venue == "x" else "2")), 1)
    kept.close()
    kept = Kept(file)
    for venue, qty in (("x", 1), ("y", 2)):
        (seen,) = pictures(KeptExchange([LISTING], kept, venue=venue)).values()
        assert (seen.venue, seen.order_qty) == (venue, qty)
    kept.close()


def test_a_second_exchange_on_the_same_file_is_refused_and_the_first_goes_on(file: Path) -> None:
    lives = Lives(file)
    lives.do(place("one"))
    with pytest.raises(InUse, match="being written by another process"):
        Kept(file)
    assert lives.do(place("two")).outcome is Outcome.DONE
    assert lives.look("one").ord_status is OrdStatus.NEW
    lives.kept.close()
    assert [each.name for each in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("what", ["letter", "database", "newer"])
def test_a_file_of_something_else_is_named_and_left_alone(what: str, file: Path) -> None:
    if what == "letter":
        file.write_text("dear reader, " * 1000)
    else:
        db = apsw.Connection(str(file))
        db.execute("CREATE TABLE letters (body)" if what == "database" else "PRAGMA user_version = 9; CREATE TABLE orders (x)")
        db.close()
    before = file.stat().st_size
    with pytest.raises(VenueDown, match="no file of a paper exchange"):
        Kept(file)
    assert file.stat().st_size == before
    with pytest.raises(VenueDown, match="cannot be opened"):
        Kept(file.parent / "none" / "f.paper")


async def test_what_cannot_be_written_is_told_to_nobody_and_nothing_is_believed_any_more(file: Path) -> None:
    lives = Lives(file)
    venue = PaperVenue(lives.exchange, now=CLOCK)
    stream = venue.stream("a")
    await venue.place(place("kept"))
    lives.said.clear()
    with disk_with_room(file.with_name(file.name + "-wal").stat().st_size):
        answer = await venue.place(place("lost"))
    assert (answer.outcome, "is down" in (answer.reason or "")) == (Outcome.UNKNOWN, True)
    assert lives.said == []
    # With room again it is still not believed: memory has what the file has not.
    assert (await venue.cancel(cancel("kept"))).outcome is Outcome.UNKNOWN
    looked = await venue.find(query("lost"))
    assert (looked.definite, looked.order, "is down" in (looked.error or "")) == (False, None, True)
    with pytest.raises(VenueDown, match="start again"):
        await venue.snapshot("a")
    with pytest.raises(VenueDown, match="start again"):
        _ = [each async for each in venue.history("a", 0)]
    with pytest.raises(VenueDown, match="start again"):
        lives.others(Take("ACME", SELL, D(1), D(10)))
    await venue.close()
    assert [each.exec_type async for each in stream if isinstance(each, OrderSnapshot)] == [ExecType.NEW]
    lives.restart()
    assert lives.exchange.find(query("lost"), 0) is None
    assert lives.look("kept").reason == RESTARTED
