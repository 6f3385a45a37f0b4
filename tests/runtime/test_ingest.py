"""Reports of partial fills from outside, at a real manager on the paper venue: what is decided, asked, repeated and refused."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from partfill import CancelRest, Chase, FillManager, Hold, Limit, Market
from partfill.core.parent import Done
from partfill.journal.verify import verify
from partfill.model.book import Book
from partfill.model.observations import Execution, Observation
from partfill.model.policy import Mode
from partfill.model.reasons import Reason
from partfill.model.reports import ExecutionReport
from partfill.model.terms import Terms
from partfill.model.words import Side
from partfill.runtime import agreement, ingest
from partfill.runtime.ingest import Answer, Heard, PartialReports
from partfill.runtime.keys import Key, WrongKeys
from partfill.runtime.order import Order
from partfill.runtime.partials import Partial, Refusal, Refused, sign
from partfill.runtime.remainders import RemainderSettings
from partfill.runtime.settings import FillManagement
from partfill.venues.clock import Clock
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.venue import PaperVenue
from tests.core.driven import D, Driven
from tests.core.test_handling import partly as driven
from tests.runtime.test_decisions import partly
from tests.runtime.test_manager import NAMES, WAIT_S, price, same_as_the_venue, until

LIVE = RemainderSettings(mode=Mode.GENERAL_LIVE)
SELDOM = FillManagement(poll_interval_ms=3_600_000)
HOLD = Hold(cancel_on_book_thin=False)
SECRET, OTHER = b"s" * 32, b"t" * 32
CENT = Decimal("0.01")


class Place(PaperVenue):
    """A paper venue whose clock can be set, whose stream can be cut without a word, and whose book can hang."""

    def __init__(self) -> None:
        self.offset_ns = 0
        self.clock = Clock(lambda: time.time_ns() + self.offset_ns)
        shapes = [SHAPES[name] for name in NAMES]
        super().__init__(Exchange([shape.listing for shape in shapes]), generated(shapes, 1), now=self.clock)
        self.deaf = False
        self.clear = asyncio.Event()
        self.clear.set()
        self.advance(1500)

    async def _heard(self, account: str) -> AsyncIterator[Observation]:
        async for each in super().stream(account):
            if not self.deaf:
                yield each

    def stream(self, account: str) -> Any:
        return self._heard(account)

    async def book(self, instrument: str, side: Side | None = None, order_id: str | None = None) -> Book:
        await self.clear.wait()
        return await super().book(instrument, side, order_id)


class Desk:
    """A manager, its venue, and a sender that signs as it likes."""

    def __init__(self, fills: FillManager, venue: Place, reports: PartialReports) -> None:
        self.fills, self.venue, self.reports = fills, venue, reports

    @property
    def now_ms(self) -> int:
        return self.venue.clock() // 1_000_000

    async def send(self, body: bytes, *, key_id: str = "k1", secret: bytes = SECRET, at: int | None = None) -> Answer:
        at = self.now_ms if at is None else at
        return await self.reports.accept(body, sign(secret, key_id, at, body), key_id, at)

    async def say(self, order: Order, **changed: Any) -> Answer:
        return await self.send(self.body(order, **changed))

    async def refused(self, code: Refusal, answer: Any) -> Answer:
        """The answer is this refusal, and the journal is what it was."""
        before = self.fills.journal.seq
        counted = self.reports.refused[code]
        found: Answer = await answer
        assert (found.heard, found.code) == (Heard.REFUSED, code), found
        assert found.why
        assert self.reports.refused[code] == counted + 1
        assert self.fills.journal.seq == before
        return found

    def body(self, order: Order, **changed: Any) -> bytes:
        """What an honest sender says of the order, with `changed` instead; `...` leaves a field out."""
        parent = order.parent
        original = parent.handling.original if parent.handling is not None else parent.price
        assert original is not None
        said = {
            "order_id": parent.children[-1].order_id, "status": "PARTIAL", "filled_usd": str(parent.cum * original),
            "remaining_usd": str(parent.rest * original), "original_price": str(original),
            "side": parent.terms.side.upper(), "event_ts_ms": self.now_ms,
        } | changed  # fmt: skip
        return json.dumps({name: value for name, value in said.items() if value is not ...}).encode()


@asynccontextmanager
async def opened(
    folder: Path, venue: Place, *, remainders: RemainderSettings = LIVE, keys: dict[str, Key] | None = None, **also: Any
) -> AsyncIterator[Desk]:
    async with FillManager.open(
        folder / "f.db", venues=[venue], remainders=remainders, settings=SELDOM, clock=venue.clock
    ) as fills:
        reports = PartialReports(fills, keys or {"k1": Key(SECRET)}, **{"collateral": "pUSD", "timeout_s": WAIT_S} | also)
        try:
            yield Desk(fills, venue, reports)
        finally:
            await reports.close()


async def held(desk: Desk, policy: Any = HOLD, **also: Any) -> Order:
    """An order that is partly filled, decided on, and left alone."""
    order = await partly(desk.fills, desk.venue, policy, **also)
    if order.parent.handling is not None:
        await until(lambda: order.parent.handling.decided, "its fill is decided on")  # type: ignore[union-attr]
    # Whatever else is said about the placing.
    await desk.fills.pollers[0].poll_once()
    return order


def sizes(folder: Path) -> list[tuple[str, int]]:
    """Every file and its bytes."""
    return sorted((each.name, each.stat().st_size) for each in folder.iterdir())


# ---------------------------------------------------------------------- what is taken


async def test_a_report_that_agrees_is_answered_with_the_decision_it_called_for(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        books = (order.cum_qty, order.leaves_qty)
        event = order.parent.handling.event  # type: ignore[union-attr]
        answer = await desk.say(order, collateral="pUSD", market_id="ACME", policy="hold", builder_code="0x706f")
        assert (answer.heard, answer.ref) == (Heard.DECIDED, order.ref)
        assert answer.report is not None
        assert (answer.report.verdict, answer.report.event) == (Reason.HOLD_REMAINDER, event + 1)
        assert (order.cum_qty, order.leaves_qty) == books
        assert answer.report.remaining_qty == order.leaves_qty
        same_as_the_venue(desk.fills, desk.venue)
    assert verify(tmp_path / "f.db").problems == []


@pytest.mark.parametrize("which", ["order id", "client id", "ref"])
async def test_an_order_is_known_by_any_of_its_names(which: str, tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk, ref="mine")
        child = order.parent.children[-1]
        name = {"order id": child.order_id, "client id": child.cl_ord_id, "ref": "mine"}[which]
        assert (await desk.say(order, order_id=name, venue="paper", account="")).heard is Heard.DECIDED


async def test_a_decision_that_a_report_calls_for_is_carried_out(tmp_path: Path) -> None:
    shadow = RemainderSettings(mode=Mode.SHADOW_ONLY)
    async with opened(tmp_path, Place(), remainders=shadow) as desk:
        await held(desk, CancelRest(cancel_on_book_thin=False), ref="one")
    async with opened(tmp_path, Place()) as desk:
        order = desk.fills.order("one")
        assert order is not None
        order.parent.handling.decided = order.parent.handling.event  # type: ignore[union-attr]
        answer = await desk.say(order)
        assert answer.report is not None
        assert (answer.report.verdict, answer.report.carried_out) == (Reason.CANCELLED_REMAINDER, True)


async def test_rounding_by_a_cent_is_no_inflation_and_more_is(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        original = order.parent.handling.original  # type: ignore[union-attr]
        assert original is not None
        left, filled = order.leaves_qty * original, order.cum_qty * original
        assert (await desk.say(order, remaining_usd=str(left + CENT))).heard is Heard.DECIDED
        for much in (left + CENT + Decimal("0.0001"), left * 2, left + filled, Decimal(10) ** 50):
            await desk.refused(Refusal.INFLATED, desk.say(order, remaining_usd=str(much)))
        # What is left may be right where the whole is not.
        await desk.refused(Refusal.INFLATED, desk.say(order, filled_usd=str(filled + 2 * CENT)))


def test_a_sale_at_better_prices_than_asked_for_is_no_inflation() -> None:
    """Ten to sell at 100, four of which brought 101: honest senders count what they brought, or what was asked for."""
    desk = Driven()
    desk.submit(side=Side.SELL, remainder=HOLD)
    desk.acknowledge()
    desk.fill("first", "4", px="101")
    parent = desk.parent()

    def agrees(filled: str, left: str = "600") -> bool:
        said = Partial(order_id="O1", side=Side.SELL, filled_usd=D(filled), remaining_usd=D(left), original_price=D(100),
                       event_ts=1)  # fmt: skip
        return agreement.agrees(said, parent, D(1))

    assert agrees("404")
    assert agrees("400")
    assert agrees("404.01")
    assert not agrees("405", "599")
    with pytest.raises(Refused, match="are more than 1004"):
        agrees("405")


def test_a_multiplier_counts() -> None:
    parent = driven(HOLD).parent()
    said = Partial(order_id="O1", side=Side.BUY, filled_usd=D(20_000), remaining_usd=D(30_000), original_price=D(100),
                   event_ts=1)  # fmt: skip
    assert agreement.agrees(said, parent, D(50))
    with pytest.raises(Refused, match="our books leave 600 of p"):
        agreement.agrees(said, parent, D(1))


async def test_the_policy_of_the_settings_decides_for_an_order_without_one(tmp_path: Path) -> None:
    venue = Place()
    async with opened(tmp_path, venue) as desk:
        order = await partly(desk.fills, venue, None, ref="one")
        await desk.fills.pollers[0].poll_once()
        await desk.refused(Refusal.NO_POLICY, desk.say(order))
    usual = RemainderSettings(mode=Mode.GENERAL_LIVE, policy=HOLD)
    async with opened(tmp_path, venue, remainders=usual) as desk:
        found = desk.fills.order("one")
        assert found is not None
        answer = await desk.say(found)
        assert answer.report is not None
        assert answer.report.verdict is Reason.HOLD_REMAINDER
    assert verify(tmp_path / "f.db").problems == []


async def test_a_decision_that_takes_long_is_told_later(tmp_path: Path) -> None:
    slow = RemainderSettings(mode=Mode.GENERAL_LIVE, timeout_ms=60_000)
    async with opened(tmp_path, Place(), remainders=slow, timeout_s=0.05) as desk:
        order = await held(desk)
        reports: list[Any] = []
        desk.fills.subscribe(lambda told: reports.append(told.event))
        desk.venue.clear.clear()
        assert (await desk.say(order)).heard is Heard.WANTED
        desk.venue.clear.set()
        await until(lambda: any(isinstance(each, ExecutionReport) for each in reports), "it comes all the same")


async def test_what_fills_while_it_is_looked_at_leaves_nothing_to_decide(tmp_path: Path) -> None:
    slow = RemainderSettings(mode=Mode.GENERAL_LIVE, timeout_ms=60_000)
    async with opened(tmp_path, Place(), remainders=slow, timeout_s=20) as desk:
        order = await held(desk)
        desk.venue.clear.clear()
        asking = asyncio.create_task(desk.say(order))
        await until(lambda: order.parent.handling.event > 1, "a decision is wanted")  # type: ignore[union-attr]
        await order.cancel()
        assert await order.done(20) == "canceled"
        assert (await asking).heard is Heard.NOTHING


# ---------------------------------------------------------------------- repeats


async def test_the_same_again_is_a_repeat_within_the_window_and_stale_beyond_it(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        body, at = desk.body(order), desk.now_ms
        signature = sign(SECRET, "k1", at, body)
        assert (await desk.reports.accept(body, signature, "k1", at)).heard is Heard.DECIDED
        before = desk.fills.journal.seq
        assert (await desk.reports.accept(body, signature, "k1", at)).heard is Heard.REPEATED
        # Signed anew it is the same event, and so is an older one.
        assert (await desk.send(body)).heard is Heard.REPEATED
        assert (await desk.say(order, event_ts_ms=at - 5_000)).heard is Heard.REPEATED
        assert desk.reports.heard[Heard.REPEATED] == 3
        desk.venue.offset_ns += 31 * 1_000_000_000
        await desk.refused(Refusal.STALE, desk.reports.accept(body, signature, "k1", at))
        assert desk.fills.journal.seq == before


async def test_a_repeat_is_one_after_a_restart(tmp_path: Path) -> None:
    venue = Place()
    async with opened(tmp_path, venue) as desk:
        order = await held(desk, ref="one")
        body = desk.body(order)
        assert (await desk.send(body)).heard is Heard.DECIDED
    async with opened(tmp_path, venue) as desk:
        assert (await desk.send(body)).heard is Heard.REPEATED
        again = desk.fills.order("one")
        assert again is not None
        assert (await desk.say(again)).heard is Heard.DECIDED


async def test_of_many_at_once_one_calls_for_a_decision(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        body = desk.body(order)
        answers = await asyncio.gather(*(desk.send(body) for _ in range(60)))
        heard = [answer.heard for answer in answers]
        assert (heard.count(Heard.DECIDED), heard.count(Heard.REPEATED)) == (1, 59)
        assert order.parent.handling.reports == 2  # type: ignore[union-attr]


async def test_many_events_at_once_are_all_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        now = desk.now_ms
        answers = await asyncio.gather(*(desk.say(order, event_ts_ms=now + number) for number in range(20)))
        assert {answer.heard for answer in answers} == {Heard.DECIDED}
        assert all(answer.report is not None for answer in answers)


# ---------------------------------------------------------------------- ahead of us


async def test_more_filled_than_is_known_is_asked_for_and_never_booked_from_the_report(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        original = order.parent.handling.original  # type: ignore[union-attr]
        assert original is not None
        desk.venue.deaf = True
        known = order.cum_qty
        (child,) = order.parent.children
        assert child.order_id is not None

        def there() -> Decimal:
            (found,) = desk.venue.exchange.snapshot("", [str(child.order_id)], 1)
            assert found.cum_qty is not None
            return found.cum_qty

        while there() == known:
            desk.venue.advance(20)
        asked = order.parent.asked
        decided = order.parent.handling.decided  # type: ignore[union-attr]
        # The sender claims even more than the venue will say.
        much = there() + (asked - there()) // 2
        said = {"filled_usd": str(much * original), "remaining_usd": str((asked - much) * original)}
        assert (await desk.say(order, **said)).heard is Heard.ASKED
        await until(lambda: order.cum_qty == there(), "the venue's word is booked")
        await until(lambda: order.parent.handling.decided > decided, "and decided on by itself")  # type: ignore[union-attr]
        assert order.parent.handling.reported == 0  # type: ignore[union-attr]
        same_as_the_venue(desk.fills, desk.venue)


async def test_more_filled_than_is_known_where_nobody_can_be_asked_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        terms = Limit("ACME", "buy", qty=10, price="25.00")
        order = await desk.fills.track(terms, order_id="T1", venue="elsewhere", ref="theirs", remainder=HOLD)
        await desk.fills.observe(Execution(venue="elsewhere", order_id="T1", key="x", qty=Decimal(4), px=Decimal(25)))
        ahead = {"order_id": "T1", "filled_usd": 125, "remaining_usd": 125}
        await desk.refused(Refusal.AHEAD, desk.say(order, **ahead))
        answer = await desk.say(order, order_id="theirs")
        assert answer.report is not None
        assert answer.report.verdict is Reason.BOOK_UNAVAILABLE


async def test_an_order_of_which_nothing_filled_here_is_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        far = price(desk.venue, "ACME", "buy", -50)
        order = await desk.fills.submit(Limit("ACME", "buy", qty=10, price=far), remainder=HOLD, ref="far")
        await until(lambda: order.parent.children[-1].order_id is not None, "it works")
        said = {"filled_usd": str(4 * far), "remaining_usd": str(6 * far)}
        assert (await desk.say(order, **said)).heard is Heard.ASKED
        assert order.parent.cum == 0


# ---------------------------------------------------------------------- refusals


async def test_what_is_not_signed_right_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        body, now = desk.body(order), desk.now_ms
        right = sign(SECRET, "k1", now, body)
        accept = desk.reports.accept
        await desk.refused(Refusal.TOO_LONG, desk.send(b" " * 16_385))
        await desk.refused(Refusal.UNKNOWN_KEY, desk.send(body, key_id="k2"))
        await desk.refused(Refusal.UNKNOWN_KEY, accept(body, right, "k1\n", now))
        await desk.refused(Refusal.BAD_SIGNATURE, desk.send(body, secret=OTHER))
        await desk.refused(Refusal.BAD_SIGNATURE, accept(body, "", "k1", now))
        await desk.refused(Refusal.BAD_SIGNATURE, accept(body, right, "k1", now + 1))
        await desk.refused(Refusal.BAD_SIGNATURE, accept(b"no json", right, "k1", now))
        for at in (-1, 1 << 60, 10**5000, True, "5", None, 1.5):
            await desk.refused(Refusal.BAD_SIGNATURE, accept(body, right, "k1", at))  # type: ignore[arg-type]
        for wrong in (
            (None, right, "k1"),
            (body, None, "k1"),
            (body, right, None),
            (body, right, []),
            (body.decode(), right, "k1"),
        ):
            await desk.refused(Refusal.MALFORMED, accept(*wrong, now))  # type: ignore[arg-type]
        # The right one is right.
        assert (await accept(body, right, "k1", now)).heard is Heard.DECIDED


async def test_a_byte_changed_anywhere_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        body, now = desk.body(order), desk.now_ms
        signature = sign(SECRET, "k1", now, body)
        for at in range(len(body)):
            changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            await desk.refused(Refusal.BAD_SIGNATURE, desk.reports.accept(changed, signature, "k1", now))


async def test_what_was_signed_too_long_ago_or_for_later_is_stale(tmp_path: Path) -> None:
    async with opened(tmp_path, Place(), window_ms=20_000) as desk:
        order = await held(desk)
        for away in (-21_000, 21_000, -(10**9)):
            await desk.refused(Refusal.STALE, desk.send(desk.body(order), at=desk.now_ms + away))
        assert (await desk.send(desk.body(order), at=desk.now_ms - 10_000)).heard is Heard.DECIDED
        assert (await desk.send(desk.body(order), at=desk.now_ms + 10_000)).heard is Heard.DECIDED


async def test_keys_change_over_with_both_of_them_valid_in_between(tmp_path: Path) -> None:
    venue = Place()
    now = venue.clock() // 1_000_000
    keys = {"old": Key(SECRET, not_after=now + 60_000), "new": Key(OTHER, not_before=now + 30_000)}
    async with opened(tmp_path, venue, keys=keys) as desk:
        order = await held(desk)

        async def by(key_id: str) -> Any:
            return await desk.send(desk.body(order), key_id=key_id, secret=SECRET if key_id == "old" else OTHER)

        assert (await by("old")).heard is Heard.DECIDED
        await desk.refused(Refusal.KEY_NOT_VALID, by("new"))
        venue.offset_ns += 40_000_000_000
        assert ((await by("old")).heard, (await by("new")).heard) == (Heard.DECIDED, Heard.DECIDED)
        venue.offset_ns += 40_000_000_000
        await desk.refused(Refusal.KEY_NOT_VALID, by("old"))
        assert (await by("new")).heard is Heard.DECIDED


REFUSED: list[tuple[Refusal, dict[str, Any]]] = [
    (Refusal.MALFORMED, {"filled_usd": "x"}),
    (Refusal.MALFORMED, {"event_ts_ms": ...}),
    (Refusal.NOT_PARTIAL, {"status": "FILLED"}),
    (Refusal.UNKNOWN_ORDER, {"order_id": "nobody's"}),
    (Refusal.UNKNOWN_ORDER, {"venue": "elsewhere"}),
    (Refusal.UNKNOWN_ORDER, {"account": "other"}),
    (Refusal.WRONG_SIDE, {"side": "SELL"}),
    (Refusal.WRONG_MARKET, {"market_id": "BTC-USD"}),
    (Refusal.WRONG_PRICE, {"original_price": "25.001"}),
    (Refusal.WRONG_COLLATERAL, {"collateral": "USDC"}),
    (Refusal.WRONG_POLICY, {"policy": "chase"}),
    (Refusal.INFLATED, {"remaining_usd": "100000000"}),
    (Refusal.EVENT_TIME, {"event_ts_ms": 4_000_000_000_000}),
]


@pytest.mark.parametrize(("code", "changed"), REFUSED, ids=lambda each: str(each))
async def test_what_contradicts_our_books_is_refused_and_changes_nothing(
    code: Refusal, changed: dict[str, Any], tmp_path: Path
) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        await desk.refused(code, desk.say(order, **changed))
        assert sum(desk.reports.refused.values()) == desk.reports.heard[Heard.REFUSED] == 1
        assert order.parent.handling.reported == 0  # type: ignore[union-attr]


async def test_a_name_of_two_orders_is_refused_until_more_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk, ref="same")
        terms = Limit("ACME", "buy", qty=10, price="25.00")
        await desk.fills.track(terms, order_id="T1", venue="elsewhere", ref="same", remainder=HOLD)
        await desk.refused(Refusal.AMBIGUOUS_ORDER, desk.say(order, order_id="same"))
        assert (await desk.say(order, order_id="same", venue="paper")).heard is Heard.DECIDED


async def test_there_is_nothing_to_decide_on_what_has_ended_or_has_no_rest(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        body = desk.body(order)
        order.parent.halted = True
        await desk.refused(Refusal.HALTED, desk.send(body))
        order.parent.halted = False
        await order.cancel()
        await order.done(20)
        await desk.refused(Refusal.ENDED, desk.send(body))
        assert order.parent.done is Done.CANCELED
        resting = await held(desk)
        await desk.fills.kill(True, by="test")
        await desk.refused(Refusal.ENDED, desk.say(resting))


async def test_an_order_in_cash_or_without_a_price_has_nothing_to_compare(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        cash = Terms(instrument="ACME", side=Side.BUY, cash_order_qty=Decimal(100), price=Decimal(25))
        await desk.fills.track(cash, order_id="C1", venue="elsewhere", ref="cash", remainder=HOLD)
        await desk.refused(Refusal.NO_REST, desk.say(order, order_id="C1"))
        await desk.fills.track(Market("ACME", "buy", qty=10), order_id="M1", venue="elsewhere", ref="market", remainder=HOLD)
        await desk.refused(Refusal.WRONG_PRICE, desk.say(order, order_id="M1"))


async def test_another_builder_s_code_is_refused_where_the_order_carries_one(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk, tags={"builder_code": "0x70", "strategy": "one"})
        await desk.refused(Refusal.WRONG_BUILDER, desk.say(order, builder_code="0x71"))
        assert (await desk.say(order, builder_code="0x70")).heard is Heard.DECIDED


async def test_too_many_that_wait_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MAX_WAITING", 2)
    slow = RemainderSettings(mode=Mode.GENERAL_LIVE, timeout_ms=60_000)
    async with opened(tmp_path, Place(), remainders=slow, timeout_s=20) as desk:
        order = await held(desk)
        desk.venue.clear.clear()
        now = desk.now_ms
        waiting = [asyncio.create_task(desk.say(order, event_ts_ms=now + number)) for number in range(2)]
        await until(lambda: order.parent.handling.event == 3, "both are taken")  # type: ignore[union-attr]
        await desk.refused(Refusal.BUSY, desk.say(order, event_ts_ms=now + 5))
        desk.venue.clear.set()
        assert [(await each).heard for each in waiting] == [Heard.DECIDED] * 2
        # A refusal for want of room is no event that was heard.
        assert (await desk.say(order, event_ts_ms=now + 5)).heard is Heard.DECIDED


async def test_refusals_are_said_once_per_burst_and_show_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)

        def lines() -> list[str]:
            return [record.getMessage() for record in caplog.records if record.name == "partfill.ingest"]

        for _ in range(50):
            await desk.say(order, side="SELL")
            await desk.say(order, status="FILLED")
        assert [line.split(":")[0] for line in lines()] == [
            "a report of a partial fill is refused, WRONG_SIDE",
            "a report of a partial fill is refused, NOT_PARTIAL",
        ]
        desk.venue.offset_ns += ingest.BURST_NS + 1
        await desk.say(order, side="SELL")
        assert lines()[-1].endswith("(49 more of the burst before)")
        assert desk.reports.refused[Refusal.WRONG_SIDE] == 51
        assert SECRET.decode() not in caplog.text
        assert SECRET.hex() not in caplog.text


async def test_ten_thousand_bodies_of_garbage_change_nothing_and_never_raise(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        order = await held(desk)
        # Wrong in three ways, so that no garbage makes it right.
        honest = desk.body(order, remaining_usd=10**15, original_price="99.99", side="SELL")
        journal = desk.fills.journal
        await until(lambda: journal.seq == journal.durable_seq, "all that is said by then is on disk")
        # From here on nothing else has its turn: a refusal waits for nothing.
        before, size = journal.seq, sizes(tmp_path)
        random = Random(7)
        for number in range(10_000):
            body = bytearray(honest)
            for _ in range(random.randint(1, 6)):
                at = random.randrange(len(body) + 1)
                match random.randint(0, 3):
                    case 0:
                        body[at:at] = random.randbytes(random.randint(1, 4))
                    case 1:
                        del body[at : at + random.randint(1, 20)]
                    case 2:
                        body[at : at + 1] = random.choice((b'"', b"{", b"}", b",", b":", b"0", b"e", b"-", b"\\"))
                    case _:
                        body[at:at] = body[: random.randrange(len(body) + 1)]
                body = body[:20_000]
            raw = bytes(body) if number % 10 else random.randbytes(random.randint(0, 300))
            # Nine of ten are signed right, so that they are read.
            secret = SECRET if random.random() < 0.9 else OTHER
            answer = await desk.send(raw, secret=secret)
            assert answer.heard is Heard.REFUSED, raw
        assert journal.seq == before
        assert sizes(tmp_path) == size
        assert len([code for code, count in desk.reports.refused.items() if count]) >= 5
        assert (await desk.say(order)).heard is Heard.DECIDED


async def test_a_chase_that_a_report_calls_for_stays_within_its_cap_and_quantity(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        policy = Chase(5, cancel_on_book_thin=False, rechase_ms=50, min_remainder_size=Decimal(1))
        order = await held(desk, policy)
        tick = SHAPES["ACME"].listing.instrument.tick_at(Decimal(25))
        original = order.parent.terms.price
        assert tick is not None
        assert original is not None
        for _ in range(60):
            if order.ended:
                break
            await desk.say(order)
            desk.venue.advance(10)
            await asyncio.sleep(0.001)
            assert order.parent.price is not None
            assert order.parent.price <= original + 5 * tick
            assert order.parent.exposure <= order.parent.asked
    assert verify(tmp_path / "f.db").problems == []


async def test_keys_and_window_are_judged_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, Place()) as desk:
        for keys in ({}, {"a b": Key(SECRET)}):
            with pytest.raises(WrongKeys):
                PartialReports(desk.fills, keys)
        for window_ms in (0, 3_600_001):
            with pytest.raises(ValueError, match=f"window_ms is {window_ms}; it is 1 to 3600000"):
                PartialReports(desk.fills, {"a": Key(SECRET)}, window_ms=window_ms)
