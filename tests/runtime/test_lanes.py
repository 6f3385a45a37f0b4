"""Lanes carry requests to a small venue in memory: in order within a lane, side by side across lanes, each answered once."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from partfill.model.capabilities import Capabilities
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.instrument import Instrument
from partfill.model.observations import Observation, OrderSnapshot
from partfill.model.operations import Cancel, Operation, Place, Query, Replace
from partfill.model.words import Request
from partfill.runtime.lanes import QUESTIONS, Lanes
from partfill.runtime.limits import FAILURES, REFUSALS, Budget
from tests.core.driven import terms

NAMES = ("A", "B", "C", "D", "E")


class SmallVenue:
    """A venue in memory: it keeps what it got, waits where it is told to, and answers what it is told to."""

    def __init__(self) -> None:
        self.name = "v"
        self.capabilities = Capabilities(can_replace=True)
        self.instruments: Mapping[str, Instrument] = {}
        self.got: list[Operation] = []
        self.ended: list[Operation] = []
        self.working: dict[str, int] = {}
        """Requests that are being handled, per instrument."""
        self.kinds: dict[str, list[int]] = {}
        """What is being handled, per instrument: cancels 0, what protects 1, other orders 2."""
        self.most = 0
        """Most instruments that were being handled at once."""
        self.gates: dict[str, asyncio.Event] = {}
        """Instrument -> what its requests wait for."""
        self.shows: OrderSnapshot | None = None
        """What is found."""
        self.outcome: Callable[[Operation], tuple[Outcome, str | None]] = lambda op: (Outcome.DONE, None)

    async def handle(self, op: Any, request: Request) -> Answered:
        kind = 0 if isinstance(op, Cancel) else 1 if op.urgent else 2
        mine = self.kinds.setdefault(op.instrument, [])
        assert not mine or kind < min(mine), "two requests of one kind of a lane at once, or one before what goes first"
        self.got.append(op)
        mine.append(kind)
        self.working[op.instrument] = len(mine)
        self.most = max(self.most, sum(self.working.values()))
        try:
            await asyncio.sleep(0)
            gate = self.gates.get(op.instrument)
            if gate is not None:
                await gate.wait()
            outcome, reason = self.outcome(op)
        finally:
            mine.remove(kind)
            self.working[op.instrument] = len(mine)
            self.ended.append(op)
        return Answered(venue="v", request=request, cl_ord_id=op.cl_ord_id, outcome=outcome, reason=reason)

    async def place(self, op: Place) -> Answered:
        return await self.handle(op, Request.PLACE)

    async def cancel(self, op: Cancel) -> Answered:
        return await self.handle(op, Request.CANCEL)

    async def replace(self, op: Replace) -> Answered:
        return await self.handle(op, Request.REPLACE)

    async def find(self, op: Query) -> Looked:
        self.got.append(op)
        self.working["?"] = self.working.get("?", 0) + 1
        self.most = max(self.most, self.working["?"])
        try:
            gate = self.gates.get("?")
            if gate is not None:
                await gate.wait()
            self.outcome(op)
        finally:
            self.working["?"] -= 1
        return Looked(venue="v", cl_ord_id=op.cl_ord_id, order=self.shows, definite=True, as_of=1)

    async def snapshot(self, account: str, order_ids: Sequence[str] = ()) -> list[OrderSnapshot]:
        return []

    async def history(self, account: str, since: int) -> AsyncIterator[Observation]:
        return
        yield

    async def stream(self, account: str) -> AsyncIterator[Observation]:
        return
        yield

    async def close(self) -> None:
        """Nothing is open."""


class Floor:
    """Lanes, their venue, and the answers that came back."""

    def __init__(self, **options: Any) -> None:
        self.venue = SmallVenue()
        self.answers: list[Answered | Looked] = []
        self.lanes = Lanes({"v": self.venue}, self.take, per_second={"v": 100_000}, **options)

    async def take(self, answer: Answered | Looked) -> None:
        self.answers.append(answer)

    async def drain(self) -> None:
        async with asyncio.timeout(20):
            await self.lanes.drain()

    def outcomes(self) -> list[tuple[str | None, Outcome]]:
        return [(answer.cl_ord_id, answer.outcome) for answer in self.answers if type(answer) is Answered]


def place(name: str, number: int = 1) -> Place:
    return Place(
        venue="v", account="", instrument=name, order=number, cl_ord_id=f"{name}{number}", terms=terms(instrument=name)
    )


def cancel(name: str, number: int = 1) -> Cancel:
    return Cancel(venue="v", account="", instrument=name, order=number, cl_ord_id=f"{name}{number}.c",
                  orig_cl_ord_id=f"{name}{number}", order_id=None)  # fmt: skip


def query(number: int = 1) -> Query:
    return Query(
        venue="v", account="", instrument="A", order=number, cl_ord_id=f"A{number}", order_id=None, terms=terms(), since=0
    )


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - any condition, not one event
            await asyncio.sleep(0)


async def test_within_a_lane_strictly_in_order_and_each_sent_once() -> None:
    floor = Floor()
    ops = [place("A", number) for number in range(1, 41)]
    for op in ops:
        floor.lanes.send(op)
    await floor.drain()
    assert floor.venue.got == ops == floor.venue.ended
    assert [name for name, _ in floor.outcomes()] == [op.cl_ord_id for op in ops]
    assert floor.lanes.sent == 40
    assert (floor.lanes.waiting, floor.lanes.busy) == (0, 0)


async def test_lanes_of_five_instruments_go_side_by_side() -> None:
    floor = Floor()
    gate = asyncio.Event()
    floor.venue.gates = dict.fromkeys(NAMES, gate)
    for number in (1, 2):
        for name in NAMES:
            floor.lanes.send(place(name, number))
    await until(lambda: len(floor.venue.got) == 5)
    assert floor.venue.most == 5
    assert floor.lanes.waiting == 5
    gate.set()
    await floor.drain()
    for name in NAMES:
        assert [op.order for op in floor.venue.got if op.instrument == name] == [1, 2]


async def test_a_lane_that_waits_holds_up_no_other() -> None:
    floor = Floor()
    floor.venue.gates["A"] = asyncio.Event()
    floor.lanes.send(place("A"))
    floor.lanes.send(place("A", 2))
    floor.lanes.send(place("B"))
    await until(lambda: len(floor.answers) == 1)
    assert floor.outcomes() == [("B1", Outcome.DONE)]
    floor.venue.gates["A"].set()
    await floor.drain()


async def test_cancels_go_first() -> None:
    floor = Floor()
    floor.venue.gates["A"] = asyncio.Event()
    for op in (place("A", 1), place("A", 2), place("A", 3), cancel("A", 9), cancel("A", 8)):
        floor.lanes.send(op)
    floor.venue.gates["A"].set()
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A9.c", "A8.c", "A1", "A2", "A3"]


async def test_what_protects_a_position_goes_before_other_orders_and_after_cancels() -> None:
    floor = Floor()
    floor.venue.gates["A"] = asyncio.Event()
    urgent = [msgspec.structs.replace(place("A", number), urgent=True) for number in (4, 5)]
    for op in (place("A", 1), place("A", 2), *urgent, cancel("A", 9)):
        floor.lanes.send(op)
    assert floor.lanes.waiting == 5
    floor.venue.gates["A"].set()
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A9.c", "A4", "A5", "A1", "A2"]


async def test_a_request_that_hangs_holds_up_nothing_that_goes_first() -> None:
    floor = Floor()
    floor.venue.gates["A"] = asyncio.Event()
    floor.lanes.send(place("A", 1))
    await until(lambda: len(floor.venue.got) == 1)
    protects = msgspec.structs.replace(place("A", 4), urgent=True)
    for op in (place("A", 2), protects):
        floor.lanes.send(op)
    await until(lambda: len(floor.venue.got) == 2)
    for op in (cancel("A", 9), cancel("A", 8)):
        floor.lanes.send(op)
    await until(lambda: len(floor.venue.got) == 3)
    assert floor.venue.kinds["A"] == [2, 1, 0], "each kind has one request out"
    assert (floor.lanes.waiting, floor.lanes.busy) == (2, 3)
    floor.venue.gates["A"].set()
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A1", "A4", "A9.c", "A8.c", "A2"]
    assert (floor.lanes.waiting, floor.lanes.busy) == (0, 0)


async def test_while_a_cancel_hangs_nothing_else_of_its_lane_leaves() -> None:
    floor = Floor(timeout_s=0.2)
    floor.venue.gates["A"] = asyncio.Event()
    floor.lanes.send(cancel("A", 9))
    await until(lambda: len(floor.venue.got) == 1)
    for op in (place("A", 1), msgspec.structs.replace(place("A", 2), urgent=True), place("B", 1)):
        floor.lanes.send(op)
    await until(lambda: len(floor.answers) == 1)
    assert [op.cl_ord_id for op in floor.venue.got] == ["A9.c", "B1"]
    await until(lambda: ("A9.c", Outcome.UNKNOWN) in floor.outcomes())
    floor.venue.gates["A"].set()
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A9.c", "B1", "A2", "A1"]


async def test_what_protects_a_position_may_use_what_is_kept_back_of_the_budget_and_waits_out_a_pause() -> None:
    budget = Budget(10, lambda: 0.0, reserve=4)
    while budget.wait(cancel=False) == 0:
        pass
    assert budget.wait(cancel=False, urgent=True) == 0
    budget.pause(5)
    assert budget.wait(cancel=False, urgent=True) == 5
    assert budget.wait(cancel=True) == 0


async def test_protection_that_comes_while_an_order_waits_for_its_turn_is_not_held_up() -> None:
    floor = Floor()
    floor.lanes.budget("v", "")._left = 0.0
    floor.lanes.send(place("A", 1))
    await asyncio.sleep(0)
    floor.lanes.send(msgspec.structs.replace(place("A", 2), urgent=True))
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A2", "A1"]


async def test_what_goes_wrong_is_an_unknown_outcome_and_the_lane_goes_on() -> None:
    floor = Floor()

    def breaks(op: Operation) -> tuple[Outcome, str | None]:
        if op.cl_ord_id == "A1":
            raise ConnectionResetError("gone")
        return Outcome.DONE, None

    floor.venue.outcome = breaks
    floor.lanes.send(place("A", 1))
    floor.lanes.send(place("A", 2))
    await floor.drain()
    assert floor.outcomes() == [("A1", Outcome.UNKNOWN), ("A2", Outcome.DONE)]
    assert len(floor.venue.got) == 2, "nothing is sent twice"


@pytest.mark.parametrize("op", [place("A"), cancel("A")])
async def test_no_answer_in_time_is_an_unknown_outcome(op: Operation) -> None:
    floor = Floor(timeout_s=0.01)
    floor.venue.gates["A"] = asyncio.Event()
    floor.lanes.send(op)
    await floor.drain()
    assert floor.outcomes() == [(op.cl_ord_id, Outcome.UNKNOWN)]


async def test_a_question_that_fails_is_an_answer_without_an_order() -> None:
    floor = Floor(timeout_s=0.01)
    floor.venue.gates["?"] = asyncio.Event()
    floor.lanes.send(query())
    await floor.drain()
    (answer,) = floor.answers
    assert isinstance(answer, Looked)
    assert (answer.cl_ord_id, answer.definite) == ("A1", False)
    assert answer.error


async def test_questions_wait_for_no_lane_and_are_bounded() -> None:
    floor = Floor()
    floor.venue.gates = {"A": asyncio.Event(), "?": asyncio.Event()}
    floor.lanes.send(place("A"))
    for number in range(1, 3 * QUESTIONS):
        floor.lanes.send(query(number))
    await until(lambda: floor.venue.working.get("?") == QUESTIONS)
    floor.venue.gates["?"].set()
    await until(lambda: len(floor.answers) == 3 * QUESTIONS - 1)
    assert floor.venue.most == QUESTIONS
    assert floor.outcomes() == []
    floor.venue.gates["A"].set()
    await floor.drain()


async def test_a_breaker_refuses_orders_and_lets_cancels_and_questions_pass() -> None:
    floor = Floor()
    floor.venue.outcome = lambda op: (Outcome.UNKNOWN, "down")
    for number in range(FAILURES):
        floor.lanes.send(place("A", number))
    await floor.drain()
    sent = len(floor.venue.got)
    for op in (place("A", 50), place("B", 51), cancel("A", 1), query()):
        floor.lanes.send(op)
    await floor.drain()
    assert [type(op) for op in floor.venue.got[sent:]] in ([Cancel, Query], [Query, Cancel])
    refused = [answer for answer in floor.answers if type(answer) is Answered and answer.outcome is Outcome.REFUSED]
    assert sorted(answer.cl_ord_id for answer in refused) == ["A50", "B51"]
    assert all("not sent" in (answer.reason or "") and "down" in (answer.reason or "") for answer in refused)


@pytest.mark.parametrize("why", ["silence", "refusals"])
async def test_a_breaker_holds_back_no_order_that_protects_a_position(why: str) -> None:
    floor = Floor()
    floor.venue.outcome = lambda op: (Outcome.UNKNOWN, "down") if why == "silence" else (Outcome.REFUSED, "no margin")
    for number in range(max(FAILURES, REFUSALS)):
        floor.lanes.send(place("A", number))
    await floor.drain()
    assert floor.lanes.breakers["v"].open
    sent = len(floor.venue.got)
    floor.venue.outcome = lambda op: (Outcome.DONE, None)
    for number, urgent in ((50, False), (51, True), (52, False)):
        floor.lanes.send(msgspec.structs.replace(place("A", number), urgent=urgent))
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got[sent:]] == ["A51"]
    assert sorted(floor.outcomes()[-3:]) == [("A50", Outcome.REFUSED), ("A51", Outcome.DONE), ("A52", Outcome.REFUSED)]


async def test_under_load_what_protects_is_next_however_much_waits_before_it() -> None:
    floor = Floor()
    floor.lanes = Lanes({"v": floor.venue}, floor.take, per_second={"v": 20})
    floor.lanes.budget("v", "")._left = 8.0
    for number in range(60):
        floor.lanes.send(place("A", number))
    await until(lambda: len(floor.answers) >= 3)
    # Orders have used up what is theirs: they wait for the budget, and what is kept back of it is there.
    await asyncio.sleep(0.01)
    before = len(floor.venue.got)
    for number in range(100, 103):
        floor.lanes.send(msgspec.structs.replace(place("A", number), urgent=True))
    await until(lambda: sum(op.urgent for op in floor.venue.got) == 3)
    assert [op.order for op in floor.venue.got[before : before + 3]] == [100, 101, 102]
    assert len(floor.venue.got) < 20
    await floor.lanes.stop()


async def test_whoever_watches_is_told_of_every_operation_and_holds_up_none() -> None:
    floor = Floor()
    told: list[Operation] = []

    def fails(op: Operation) -> None:
        raise RuntimeError("no")

    floor.lanes.watchers += [fails, told.append]
    ops = [place("A"), cancel("A", 2), query(3)]
    for op in ops:
        floor.lanes.send(op)
    await floor.drain()
    assert told == ops
    assert len(floor.answers) == 3


async def test_an_order_that_is_not_wanted_when_its_turn_comes_is_refused_here_and_opens_no_breaker() -> None:
    unwanted: dict[str, str] = {}
    floor = Floor(unwanted=lambda op: unwanted.get(op.cl_ord_id))
    floor.venue.gates["A"] = asyncio.Event()
    for number in range(1, 3 + REFUSALS):
        floor.lanes.send(place("A", number))
    await until(lambda: len(floor.venue.got) == 1)
    unwanted.update({f"A{number}": "not sent: killed" for number in range(1, 2 + REFUSALS)})
    floor.venue.gates["A"].set()
    await floor.drain()
    last = f"A{2 + REFUSALS}"
    assert [op.cl_ord_id for op in floor.venue.got] == ["A1", last], "what has left is not called back"
    assert floor.outcomes() == [
        ("A1", Outcome.DONE), *((name, Outcome.REFUSED) for name in list(unwanted)[1:]), (last, Outcome.DONE)
    ]  # fmt: skip
    assert not floor.lanes.breakers["v"].open


async def test_an_order_that_is_not_wanted_does_not_wait_for_the_budget() -> None:
    floor = Floor(unwanted=lambda op: "not sent: killed" if op.order > 1 else None)
    floor.venue.outcome = lambda op: (Outcome.REFUSED, "rate_limit")
    floor.lanes.send(place("A", 1))
    await until(lambda: len(floor.answers) == 1)
    for number in (2, 3):
        floor.lanes.send(place("A", number))
    # Everything else waits until the pause is over; these need not.
    for _ in range(10):
        await asyncio.sleep(0)
    assert [name for name, _ in floor.outcomes()] == ["A1", "A2", "A3"]
    assert len(floor.venue.got) == 1


async def test_identical_refusals_open_the_breaker() -> None:
    floor = Floor()
    floor.venue.outcome = lambda op: (Outcome.REFUSED, "margin")
    for number in range(REFUSALS + 3):
        floor.lanes.send(place("A", number))
    await floor.drain()
    assert len(floor.venue.got) == REFUSALS
    assert len(floor.answers) == REFUSALS + 3


async def test_too_many_requests_is_a_pause_and_opens_no_breaker() -> None:
    floor = Floor()
    floor.venue.outcome = lambda op: (Outcome.REFUSED, "rate_limit") if type(op) is Place else (Outcome.DONE, None)
    floor.lanes.send(place("A"))
    await until(lambda: len(floor.answers) == 1)
    floor.lanes.send(place("B"))
    floor.lanes.send(cancel("C"))
    await until(lambda: len(floor.answers) == 2)
    assert [op.cl_ord_id for op in floor.venue.got] == ["A1", "C1.c"]
    await floor.lanes.stop()


async def test_a_cancel_that_comes_while_an_order_waits_for_its_turn_is_not_held_up() -> None:
    floor = Floor()
    floor.venue.outcome = lambda op: (Outcome.REFUSED, "rate_limit") if op.cl_ord_id == "A1" else (Outcome.DONE, None)
    floor.lanes.send(place("A", 1))
    await until(lambda: len(floor.answers) == 1)
    floor.lanes.send(place("A", 2))
    await asyncio.sleep(0.01)
    floor.lanes.send(cancel("A", 9))
    await floor.drain()
    assert [op.cl_ord_id for op in floor.venue.got] == ["A1", "A9.c", "A2"]


async def test_stop_leaves_nothing_running() -> None:
    floor = Floor()
    floor.venue.gates = {"A": asyncio.Event(), "?": asyncio.Event()}
    for op in (place("A", 1), place("A", 2), cancel("A", 3), query()):
        floor.lanes.send(op)
    await until(lambda: len(floor.venue.got) == 2)
    before = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    await floor.lanes.stop()
    assert floor.lanes.busy == 0
    assert all(task.done() for task in before)
    assert floor.answers == []


async def test_an_answer_that_cannot_be_taken_loses_no_later_request() -> None:
    floor = Floor()
    taken: list[str | None] = []

    async def take(answer: Answered | Looked) -> None:
        taken.append(answer.cl_ord_id)
        if answer.cl_ord_id == "A1":
            raise RuntimeError("no room")

    floor.lanes = Lanes({"v": floor.venue}, take, per_second={"v": 100_000})
    floor.lanes.send(place("A", 1))
    floor.lanes.send(place("A", 2))
    await floor.drain()
    floor.lanes.send(place("A", 3))
    await floor.drain()
    assert taken == ["A1", "A2", "A3"]


# ---------------------------------------------------------------------- the log


async def test_the_log_follows_an_operation_from_its_step_to_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "partfill.lanes")
    floor = Floor(unwanted=lambda op: "not sent: killed" if op.order == 2 else None)
    floor.venue.outcome = lambda op: (Outcome.REFUSED, "margin") if type(op) is Cancel else (Outcome.DONE, None)
    for op, step in ((place("A", 1), 12), (cancel("B", 3), 15), (place("C", 2), 16), (query(), 18)):
        floor.lanes.send(op, step)
    await floor.drain()
    said = [re.sub(r"\d+\.\d ms", "N ms", record.getMessage()) for record in caplog.records]
    asked = f"Query {query().cl_ord_id} of order {query().order} at v ''"
    assert sorted(said) == sorted([
        "Place A1 of order 1 at v '' sent, because of 12", "Place A1 of order 1 at v '' after N ms, because of 12: done",
        "Cancel B3.c of order 3 at v '' sent, because of 15",
        "Cancel B3.c of order 3 at v '' after N ms, because of 15: refused (margin)",
        "Place C2 of order 2 at v '' stays here, because of 16: not sent: killed",
        f"{asked} sent, because of 18", f"{asked} after N ms, because of 18: not found",
    ])  # fmt: skip
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


async def test_an_answer_that_did_not_come_is_in_the_log_with_the_time_it_was_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "partfill.lanes")
    floor = Floor(timeout_s=0.02)
    floor.venue.gates = {"A": asyncio.Event(), "?": asyncio.Event()}
    floor.lanes.send(place("A", 1), 7)
    floor.lanes.send(query(), 8)
    await floor.drain()
    waited = {record.args[2]: record.args[1] for record in caplog.records if record.args and len(record.args) == 4}  # type: ignore[index]
    assert set(waited) == {7, 8}
    assert all(ms >= 19 for ms in waited.values())  # type: ignore[operator]
    assert "because of 7: unknown (no answer within 0.02 s)" in caplog.text
    assert "because of 8: none came (TimeoutError: )" in caplog.text


async def test_nothing_is_written_or_measured_above_that_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "partfill.lanes")
    floor = Floor()
    floor.lanes.send(place("A", 1), 7)
    floor.lanes.send(query(), 8)
    await floor.drain()
    assert caplog.records == []
    assert len(floor.answers) == 2


async def test_an_answer_is_stamped_with_the_moment_when_it_was_asked_for() -> None:
    now = 100
    floor = Floor(clock=lambda: now)
    floor.venue.shows = OrderSnapshot(venue="v", order_id="O1")
    floor.venue.gates["?"] = asyncio.Event()
    floor.lanes.send(query())
    await until(lambda: floor.venue.got == [query()])
    now = 900
    floor.venue.gates["?"].set()
    await floor.drain()
    (answer,) = floor.answers
    assert isinstance(answer, Looked)
    assert answer.order is not None
    assert answer.order.asked == 100
