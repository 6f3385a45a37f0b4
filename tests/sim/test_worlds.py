"""The simulator: it finds nothing in the engine, and everything that is planted there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from partfill.cli.main import main
from partfill.core import answers, dust, firing, handling, ledger, planner, protection, remainder, reported
from partfill.core.desk import Desk
from partfill.core.ledger import Ledger
from partfill.core.parent import Parent
from partfill.model.book import Book
from partfill.model.capabilities import Capabilities
from partfill.model.commands import Amend, Decide, KillSwitch, Outcome, Reported, Restarted, Stop, Submit
from partfill.model.inputs import VenueDeclared
from partfill.model.instrument import Instrument
from partfill.model.numbers import ZERO, add, sub
from partfill.model.words import Request, Side
from partfill.sim.run import live, simulate
from partfill.sim.world import World

pytestmark = pytest.mark.timeout(600)
"""Thousands of worlds: 20 s on a machine of its own, several times that beside others."""

RUNS = 2000
FIRST = 500_000
"""Where the worlds of every test run begin; `partfill simulate` draws others."""

REGRESSIONS = {
    4: "the report of an order came before the reply that made it ours",
    14: "a void of a correction whose own message was lost",
    22: "what a correction took off worked again after the rest was voided",
    283: "a placement was on its way while the user asked for less",
    320: "a void opened an order again whose parent had ended",
    328: "two children were made larger in one plan",
    1183: "an answer to a question asked before a replace came after the replace",
    1223: "a Replaced report came twice where its quantity is an open one",
    9921: "the end of a new leg was heard before the replace that made it",
    10303: "an order was settled while a question about it was out",
    1001483: "a poll showed other terms than ours, and nobody asked",
    9101679: "a restatement put back to work what was voided only after it",
    71003640: "the answer to a question asked before a void stated a total that may have counted what was taken back",
    91004273: "a restatement came after the replace that had made it old news",
    11149: "a replace was cut down by fills that were taken back since",
    1901584066: "a total asked for before a void and answered after it had counted the void already",
    1901584148: "two orders of the very same terms at a venue without client ids, one of which never reached it",
    88022995: "a venue cut an order down while the outcome of a replace was asked for, and an older answer undid it",
    1901582301: "a venue moved the limit of an order that has none",
    3996: "a protective order that a void opened again was not counted when its successor was asked for",
    4140805506: "a process died between the operations of a step that used dust, and the world had not heard of that",
    84873: "a protective order that a void opened again was made as large as it once had been",
    9080: "other legs were asked for while those before were still on their way",
}
"""Seeds that once broke, and what it was."""


TROUBLES = (
    *("the process dies (0)", "the process dies (1)", "the process dies (2)", "lost: ", "<- Gap", "ExecutionVoided"),
    *("ExecutionRevised", "-> Replace", "-> Cancel", "-> Query", "Outcome.UNKNOWN", "Outcome.REFUSED", "ResubmitTriggered"),
    *(
        "KillSwitchChanged",
        "ParentDone",
        "AlarmKind.EXPOSURE",
        "AlarmKind.LATE_FILL",
        "the clock jumps",
        "OutcomeUnknown",
        "by its venue",
    ),
    *(
        "decided: HOLD_REMAINDER",
        "decided: CANCELLED_REMAINDER, sent",
        "decided: CHASE_ORDER_SUBMITTED, sent",
        "decided: PARTIAL_FILL_CHASE_ABORTED, sent",
        "decided: PARTIAL_FILL_BOOK_THIN_UNCONFIRMED",
        "decided: PARTIAL_FILL_BOOK_THIN_CANCEL, sent",
        "decided: PARTIAL_FILL_DUST_AUTO_CANCEL, sent",
        "decided: KILL_SWITCH_ACTIVE, sent",
        "decided: PARTIAL_FILL_BOOK_UNAVAILABLE",
        "decided: PARTIAL_FILL_SHED",
        "PARTIAL_FILL_FAVOURABLE_MOVE",
        "PARTIAL_FILL_CHASE_WIDE",
        "PARTIAL_FILL_HOLD_EXPIRED",
        "PARTIAL_FILL_BOOK_IMPLAUSIBLE",
        "DustUsed(order=0, order_id=None, cl_ord_id=None, ref='dust:",
        "DustUsed(order=0, order_id=None, cl_ord_id=None, ref='late",
        "another system called for a decision",
        "<- Protect",
        "<- Unprotect",
        "protective orders closed",
        "ref='flat:",
        "ended by itself",
        "<- Reported",
    ),
)


def test_nothing_breaks() -> None:
    outcome = simulate(RUNS, FIRST)
    assert outcome.runs == RUNS
    assert outcome.events > RUNS * 50
    assert [broken.why for broken in outcome.violations] == []


@pytest.mark.parametrize("seed", REGRESSIONS, ids=REGRESSIONS.get)
def test_what_once_broke_holds(seed: int) -> None:
    # The world as it was then: without what later worlds are made of.
    assert live(World, seed, only=frozenset())[1] is None


def test_a_world_is_its_seed() -> None:
    stories = []
    for _ in range(2):
        one = World(320, story=True)
        one.run()
        stories.append(one.story)
    assert stories[0] == stories[1]
    assert stories[0] is not None
    assert len(stories[0]) > 50


def test_worlds_meet_every_kind_of_trouble() -> None:
    told = ""
    for seed in range(FIRST, FIRST + 500):
        one = World(seed, story=True)
        one.run()
        told += "\n".join(one.story or [])
    for trouble in TROUBLES:
        assert trouble in told, f"no world of these met {trouble}"


# ---------------------------------------------------------------------- planted bugs


def add_instead_of_join(patch: pytest.MonkeyPatch) -> None:
    """Itemised and claimed quantity are added."""
    book, rejoin = Ledger.book, Ledger.rejoin

    def booked(self: Ledger, *args: Any) -> Any:
        known = book(self, *args)
        self.cum = add(self.itemised, self.claimed) if self.claimed else self.cum
        return known

    def rejoined(self: Ledger) -> None:
        rejoin(self)
        self.cum = add(self.itemised, self.claimed)

    patch.setattr(Ledger, "book", booked)
    patch.setattr(Ledger, "rejoin", rejoined)


def forget_the_fill_of_a_canceled_child(patch: pytest.MonkeyPatch) -> None:
    """A successor is placed for the whole quantity of the child before it, and the law looks away."""
    patch.setattr(Parent, "rest", property(lambda self: self.children[-1].order_qty if self.asked > self.cum else ZERO))
    patch.setattr(Parent, "exposure", property(lambda self: ZERO))


def resend_under_a_new_id(patch: pytest.MonkeyPatch) -> None:
    """A placement without an answer is taken for lost and made again."""
    answered = answers.answered

    def hasty(desk: Any, a: Any, now: int, effects: Any) -> None:
        child = desk.engine.index.by_client.get((a.venue, a.account, a.cl_ord_id))
        if a.outcome is Outcome.UNKNOWN and a.request is Request.PLACE and child is not None and not answers.heard_of(child):
            effects.enter(child, child.ledger, desk.engine)
            effects.bound = True
            child.work.retarget = True
            answers._never_worked(desk, child, now, "no answer", effects)
            return
        answered(desk, a, now, effects)

    patch.setattr(answers, "answered", hasty)


def act_before_commit(patch: pytest.MonkeyPatch) -> None:
    """Operations leave although the process dies before the input that made them is durable."""

    def die(self: World, operations: Any) -> None:
        for op in operations:
            self.send(op)
        if not isinstance(self.log[-1][0], (VenueDeclared, Restarted, Submit, Stop, Amend, KillSwitch)):
            self.log.pop()
        self.recover()

    patch.setattr(World, "die", die)


def trust_a_claim_older_than_a_void(patch: pytest.MonkeyPatch) -> None:
    """What was voided since a claim was made is not taken off it."""
    best = ledger.best
    patch.setattr(ledger, "best", lambda claims, losses: best(claims, None))


def place_before_the_end_is_proven(patch: pytest.MonkeyPatch) -> None:
    """A cancel that was sent counts as the end of the order, for the planner and for the law."""
    patch.setattr(Parent, "exposure", property(lambda self: self.cum))
    following = planner._next

    def hasty(parent: Parent) -> Any:
        return following(parent)

    def plan(parent: Parent, now: int) -> Any:
        canceled = all(child.work is not None and child.work.request is Request.CANCEL for child in parent.active)
        if parent.active and canceled and parent.stop is None and not parent.halted and parent.rest > ZERO:
            yield planner.Step(request=Request.PLACE, qty=parent.rest)
            return
        yield from original(parent, now)

    original = planner.plan
    patch.setattr("partfill.core.desk.plan", plan)
    patch.setattr(planner, "_next", hasty)


def absolute_ticks(patch: pytest.MonkeyPatch) -> None:
    """The market coming towards an order counts like the market going away."""

    def distance(self: Instrument, side: Side, original: Decimal, price: Decimal) -> int:
        return int(abs(price - original))

    patch.setattr(Instrument, "adverse_ticks", distance)


def cap_from_the_last_price(patch: pytest.MonkeyPatch) -> None:
    """Every chase is measured from the one before it."""
    decided = handling.decided

    def forgetful(desk: Any, d: Decide, now: int, effects: Any) -> None:
        decided(desk, d, now, effects)
        parent = desk.by_ref.get((d.venue, d.account, d.ref))
        if parent is not None and parent.handling is not None:
            parent.handling.original, parent.handling.cap = parent.price, None

    patch.setattr(handling, "decided", forgetful)


def chase_for_the_original_size(patch: pytest.MonkeyPatch) -> None:
    """What is placed after a chase took an order off is all that was asked for, and the law looks away."""
    following = planner._next

    def greedy(parent: Parent) -> Any:
        step = following(parent)
        if step is not None and step.request is Request.PLACE and parent.handling is not None:
            return step._replace(qty=parent.asked)
        return step

    patch.setattr(planner, "_next", greedy)
    patch.setattr(Desk, "_law", lambda self, parent, effects: parent.exposure)
    exposure = Parent.exposure
    looks_away = property(lambda self: exposure.fget(self) if self.handling is None else min(self.asked, exposure.fget(self)))  # type: ignore[attr-defined]
    patch.setattr(Parent, "exposure", looks_away)


def believe_a_thin_book_at_once(patch: pytest.MonkeyPatch) -> None:
    """One look at a thin book is enough."""
    decide = handling.decide

    def hasty(s: remainder.Situation) -> remainder.Verdict:
        return decide(dataclasses.replace(s, policy=msgspec.structs.replace(s.policy, thin_confirm_ms=0)))

    patch.setattr(handling, "decide", hasty)


def believe_a_stale_book(patch: pytest.MonkeyPatch) -> None:
    """A book is a book, however old."""
    patch.setattr(remainder, "_fresh", lambda s, book: True)


def look_at_the_worst_levels(patch: pytest.MonkeyPatch) -> None:
    """Depth is taken from the wrong end of a side."""
    against = Book.against
    patch.setattr(Book, "against", lambda self, side: against(self, side)[::-1])
    patch.setattr(Book, "best_against", lambda self, side: next((level.px for level in against(self, side)), None))


def compare_units_with_money(patch: pytest.MonkeyPatch) -> None:
    """Depth is counted in units, the rest in quote currency."""
    look = remainder._look

    def mixed(s: remainder.Situation, book: Book | None, value: Decimal | None) -> Any:
        seen = look(s, book, value)
        levels = () if book is None else book.against(s.side)[:5]
        return msgspec.structs.replace(seen, book_depth_usd=None if book is None else sum((x.qty for x in levels), ZERO))

    patch.setattr(remainder, "_look", mixed)


def believe_a_book_without_our_order(patch: pytest.MonkeyPatch) -> None:
    """Somebody feeds us another market."""
    patch.setattr(remainder, "_shows_ours", lambda s, book: True)


def use_dust_twice(patch: pytest.MonkeyPatch) -> None:
    """What one order took, the next takes again."""
    change = dust.Dust.change

    def keeps(self: dust.Dust, speck: Any, effects: Any) -> None:
        change(self, speck, effects)
        if speck.state == "taken":
            self.keep(speck.but(state="open", taken_by=None))

    patch.setattr(dust.Dust, "change", keeps)


def count_what_was_taken_back_as_dust(patch: pytest.MonkeyPatch) -> None:
    """All that is missing at the end is dust, though it had been filled once."""
    left = dust.left

    def greedy(desk: Any, parent: Any, now: int, effects: Any) -> None:
        if parent.handling is not None:
            parent.handling.dust_qty = parent.asked
        left(desk, parent, now, effects)

    patch.setattr(dust, "left", greedy)


def take_dust_at_any_price(patch: pytest.MonkeyPatch) -> None:
    """Dust is bought at the price of whoever takes it."""
    patch.setattr(dust, "within", lambda side, px, worst: True)


def decide_on_repeats(patch: pytest.MonkeyPatch) -> None:
    """What another system said before calls for a decision again."""
    hear = reported.reported

    def forgetful(desk: Any, r: Reported, effects: Any) -> None:
        parent = desk.by_ref.get((r.venue, r.account, r.ref))
        if parent is not None and parent.handling is not None:
            parent.handling.reported = 0
        hear(desk, r, effects)

    patch.setattr(reported, "reported", forgetful)


def size_protection_from_the_order(patch: pytest.MonkeyPatch) -> None:
    """A stop is as large as what was ordered, not as what filled."""
    held = protection.open_qty

    def ordered(desk: Any, of: Any) -> Decimal:
        entries = [parent.asked for parent in desk.parents.values() if parent.guards is None and parent.terms.side is of.side]
        return max(entries) if held(desk, of) else ZERO

    patch.setattr(protection, "open_qty", ordered)


def end_one_leg_with_a_partial_fill_of_the_other(patch: pytest.MonkeyPatch) -> None:
    """What is called one cancels other, done at the first fill."""
    assign = protection.assign

    def hasty(of: Any, held: Decimal, rules: Capabilities) -> list[Decimal]:
        found = assign(of, held, rules)
        filled = [guard.parent is not None and guard.parent.cum > ZERO for guard in of.guards]
        return [part if mine or not any(filled) else ZERO for part, mine in zip(found, filled, strict=True)]

    patch.setattr(protection, "assign", hasty)


def resize_by_differences(patch: pytest.MonkeyPatch) -> None:
    """Every fill asks for so much more, or less, than was asked for before; what goes wrong stays wrong."""
    assign = protection.assign
    was: dict[tuple[int, int, int], Decimal] = {}

    def differences(of: Any, held: Decimal, rules: Capabilities) -> list[Decimal]:
        found = assign(of, held, rules)
        for place, guard in enumerate(of.guards):
            key = (id(of), of.number, place)
            if guard.parent is not None and guard.parent.done is None:
                # What filled of the leg is taken off twice: by itself, and by the position.
                found[place] = max(ZERO, sub(add(guard.parent.rest, held), was.get(key, held)))
            was[key] = held
        return found

    patch.setattr(protection, "assign", differences)


def grow_before_the_other_leg_is_gone(patch: pytest.MonkeyPatch) -> None:
    """What a leg is to have is asked for at once, whatever the others may still fill."""
    patch.setattr(protection, "within", lambda of, held, parts: parts)


def fire_at_the_price_of_the_wrong_side(patch: pytest.MonkeyPatch) -> None:
    """A long position is held against what is asked, not against what is bid."""
    reached = firing.reached
    other = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
    patch.setattr(firing, "reached", lambda leg, side, book: reached(leg, other[side], book))


def believe_a_market_that_nobody_sees(patch: pytest.MonkeyPatch) -> None:
    """An old book is as good as a new one."""
    patch.setattr(protection, "fresh", lambda book, now: True)


PLANTED: list[Callable[[pytest.MonkeyPatch], None]] = [
    add_instead_of_join, forget_the_fill_of_a_canceled_child, resend_under_a_new_id, act_before_commit,
    trust_a_claim_older_than_a_void, place_before_the_end_is_proven, absolute_ticks, cap_from_the_last_price,
    chase_for_the_original_size, believe_a_thin_book_at_once, believe_a_stale_book, look_at_the_worst_levels,
    compare_units_with_money, believe_a_book_without_our_order, use_dust_twice, take_dust_at_any_price,
    count_what_was_taken_back_as_dust, decide_on_repeats, size_protection_from_the_order,
    end_one_leg_with_a_partial_fill_of_the_other, resize_by_differences, grow_before_the_other_leg_is_gone,
    fire_at_the_price_of_the_wrong_side, believe_a_market_that_nobody_sees,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_caught(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    outcome = simulate(2000, FIRST, stop_at=1)
    assert outcome.violations, f"{plant.__name__} lived through {outcome.runs} worlds"


def test_a_broken_world_is_told_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    resend_under_a_new_id(monkeypatch)
    (broken,) = simulate(2000, FIRST, stop_at=1, shrink=True).violations
    assert broken.why
    assert broken.story[0].startswith(f"seed {broken.seed}")
    assert any("Place(" in line for line in broken.story)


def test_the_command_prints_figures_and_its_seed() -> None:
    done = CliRunner().invoke(main, ["simulate", "--runs", "20", "--seed", "3"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)
    assert (figures["runs"], figures["seed"], figures["violations"]) == (20, 3, 0)
    assert figures["events"] > 500
    assert Decimal(figures["events_per_s"]) > 0
