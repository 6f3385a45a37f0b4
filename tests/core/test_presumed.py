"""Ends that no word says: what proves that nothing of an order works, what does not, and how such an order comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from partfill.journal.state import freeze, thaw
from partfill.model.capabilities import Capabilities, Cumulative
from partfill.model.commands import Outcome, Restarted
from partfill.model.events import AlarmKind
from partfill.model.numbers import NotANumber
from partfill.model.observations import ExecutionVoided, OrderSnapshot
from partfill.model.operations import Cancel, Place, Query
from partfill.model.refusals import OURS, Refusal, meaning
from partfill.model.words import ExecType, Flag, OrdStatus, OrdType, TimeInForce
from tests.core.driven import MS, SECOND, VENUE, D, Driven, execution, rule, working

LAG = 3 * SECOND
FINAL = Capabilities(executions_complete=True)
LATE = Capabilities(executions_complete=True, end_is_final=False)
TOTALS = Capabilities(end_is_final=False)
SLICES = Capabilities(executions_complete=True, end_is_final=False, shows_slices=True)
FILLED = {"ord_status": OrdStatus.FILLED}
ODD = {"status_text": "archived"}
WORDS = pytest.mark.parametrize("word", [FILLED, ODD], ids=["filled", "unknown"])


def shown(desk: Driven, word: dict[str, Any], *, leaves: str | None = "0", cum: str | None = "7", listed: str | None = "7",
          after: int = 2 * SECOND, kind: ExecType | None = None, **also: Any) -> None:  # fmt: skip
    """A question `after` ns from now, and its answer."""
    desk.now += after
    lists = desk.engine.rules[VENUE].executions_complete and listed is not None
    executions = (execution("first", listed),) if lists and listed else () if lists else None
    said = {"cum_qty": cum, "leaves_qty": leaves, "executions": executions, "asked": desk.now, "as_of": desk.now} | word | also
    desk.feed(desk.report(kind, **said))


def presumed(desk: Driven) -> bool:
    return bool(desk.child().flags & Flag.PRESUMED)


def answers(desk: Driven, word: dict[str, Any] | None, rules: Capabilities = LATE, why: str = "refused") -> None:
    """The venue refuses whatever is asked of it, and shows this; None: it knows no such order."""
    todo = desk.sent(Cancel)[-1:] + desk.sent(Query)[-1:]
    for _ in range(100):
        before = len(desk.ops)
        for op in todo:
            desk.now += 10 * MS
            if not isinstance(op, Query):
                desk.reply(op, Outcome.REFUSED, reason=why)
            elif word is None:
                desk.looked(op)
            else:
                listed = (execution("first", "7"),) if rules.executions_complete else None
                said = {"cum_qty": "7", "leaves_qty": "0", "executions": listed, "asked": desk.now, "as_of": desk.now} | word
                desk.looked(op, desk.report(None, **said))
        desk.wake()
        todo = desk.ops[before:]
        if not todo and desk.engine.desk.timers.next_at is None:
            break


# ---------------------------------------------------------------------- proof


@WORDS
def test_fills_7_of_10_then_filled_or_an_unknown_word_with_leaves_0_has_ended_with_3_unfilled(word: dict[str, Any]) -> None:
    desk = working(LATE, filled="7", resubmit=rule())
    shown(desk, word)
    assert desk.child().leaves == 3
    shown(desk, word, after=LAG)
    assert (desk.child().cum, desk.child().leaves, desk.child().status) == (7, 0, OrdStatus.CANCELED)
    assert presumed(desk)
    (said,) = desk.alarms(AlarmKind.PRESUMED)
    assert "3 of 10 did not fill" in said
    odd = Flag.STATUS_AHEAD if word is FILLED else Flag.UNKNOWN_STATUS
    assert desk.child().flags & odd
    query = desk.last(Query)
    answer = desk.report(None, cum_qty="7", leaves_qty="0", executions=(execution("first", "7"),), asked=desk.now, **word)
    desk.looked(query, msgspec.structs.replace(answer, as_of=desk.now))
    assert [place.terms.order_qty for place in desk.sent(Place)] == [10, 3]
    assert desk.sent(Cancel) == []


@WORDS
def test_one_answer_is_enough_where_the_venues_end_is_final(word: dict[str, Any]) -> None:
    desk = working(FINAL, filled="7")
    shown(desk, word)
    assert presumed(desk)
    assert desk.outcomes() == [("canceled", D(7))]


@WORDS
def test_by_look_ups_alone_and_with_totals_alone(word: dict[str, Any]) -> None:
    for rules in (LATE, TOTALS):
        desk = working(rules, filled="7")
        desk.stop()
        answers(desk, word, rules)
        assert desk.outcomes() == [("canceled", D(7))]
        # It is asked twice, the lag apart; it is not canceled again and again.
        assert len(desk.sent(Cancel)) <= 5


def test_nothing_filled_at_all() -> None:
    desk = working(LATE)
    for _ in range(2):
        shown(desk, ODD, cum="0", listed="", after=LAG)
    assert presumed(desk)
    assert (desk.child().cum, desk.child().leaves) == (0, 0)


def test_an_observed_order_that_nobody_placed_here() -> None:
    desk = Driven(LATE)
    desk.feed(desk.report(ExecType.NEW, "X1", order_qty="10", as_of=desk.now))
    desk.feed(execution("first", "7", "X1"))
    for _ in range(2):
        desk.now += LAG
        answer = {"cum_qty": "7", "leaves_qty": "0", "executions": (execution("first", "7", "X1"),)}
        desk.feed(desk.report(None, "X1", asked=desk.now, as_of=desk.now, **FILLED, **answer))
    (child,) = desk.engine.children.values()
    assert child.flags & Flag.PRESUMED
    assert (child.cum, child.leaves) == (7, 0)


# ---------------------------------------------------------------------- no proof


@pytest.mark.parametrize(
    "word",
    [
        OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_NEW, OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE,
        OrdStatus.SUSPENDED, OrdStatus.STOPPED, OrdStatus.DONE_FOR_DAY, OrdStatus.ACCEPTED_FOR_BIDDING,
    ],
)  # fmt: skip
@pytest.mark.parametrize("rules", [FINAL, LATE], ids=["final", "late"])
@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.GTD])
def test_words_of_orders_that_live_on_prove_nothing(word: OrdStatus, rules: Capabilities, tif: TimeInForce) -> None:
    desk = working(rules, filled="7", time_in_force=tif)
    for _ in range(10):
        shown(desk, {"ord_status": word})
    assert not presumed(desk)
    assert desk.parent().exposure == 10
    assert desk.outcomes() == []
    assert desk.sent(Cancel) == []


@WORDS
@pytest.mark.parametrize(
    "answer",
    [
        {"leaves": None},
        {"leaves": "1"},
        {"cum": None, "listed": None},
        {"cum": "6", "listed": None},
        {"cum": "7", "listed": "6"},
        {"asked": None},
        {"kind": ExecType.ORDER_STATUS},
    ],
    ids=["no leaves", "some leaves", "no quantity", "a low total", "a low list", "not asked for", "a report"],
)
def test_an_answer_that_does_not_say_all_of_it_proves_nothing(word: dict[str, Any], answer: dict[str, Any]) -> None:
    for rules in (FINAL, LATE, TOTALS):
        if rules is TOTALS and answer.get("listed") == "6":
            continue
        desk = working(rules, filled="7")
        for _ in range(8):
            shown(desk, word, **answer)
        assert not presumed(desk)
        assert desk.parent().exposure == 10
        assert desk.outcomes() == []


def test_where_totals_are_hints_only_a_list_states_the_quantity() -> None:
    hints = Capabilities(cumulative=Cumulative.HINT, end_is_final=False)
    desk = working(hints, filled="7")
    for _ in range(6):
        shown(desk, FILLED)
    assert not presumed(desk)
    desk = working(msgspec.structs.replace(hints, executions_complete=True), filled="7")
    for _ in range(3):
        shown(desk, FILLED, cum="10")
    assert presumed(desk)
    assert desk.child().cum == 7


def test_two_answers_within_the_lag_are_one() -> None:
    desk = working(LATE, filled="7")
    shown(desk, FILLED)
    for _ in range(10):
        shown(desk, FILLED, after=200 * MS)
    assert not presumed(desk)
    shown(desk, FILLED, after=LAG)
    assert presumed(desk)


def test_an_answer_in_between_that_shows_it_at_work_begins_anew() -> None:
    desk = working(LATE, filled="7")
    shown(desk, FILLED)
    shown(desk, {"ord_status": OrdStatus.PARTIALLY_FILLED}, leaves="3", after=LAG)
    shown(desk, FILLED, after=LAG)
    assert not presumed(desk)
    shown(desk, FILLED, after=LAG + MS)
    assert presumed(desk)


def test_a_fill_in_between_begins_anew() -> None:
    desk = working(TOTALS, filled="7")
    shown(desk, FILLED)
    desk.fill("second", "1")
    shown(desk, FILLED, cum="8", after=LAG)
    assert not presumed(desk)
    shown(desk, FILLED, cum="8", after=LAG + MS)
    assert presumed(desk)
    assert desk.child().cum == 8


def test_an_answer_asked_for_before_our_last_request_had_its_effect_proves_nothing() -> None:
    desk = working(FINAL, filled="7")
    asked = desk.now
    desk.stop()
    shown(desk, FILLED, asked=asked, after=SECOND)
    assert not presumed(desk)
    shown(desk, FILLED, after=SECOND)
    assert not presumed(desk)
    shown(desk, FILLED, after=LAG)
    assert presumed(desk)
    assert desk.outcomes() == [("canceled", D(7))]


# ---------------------------------------------------------------------- where only a refused cancel proves it


@pytest.mark.parametrize("slices", [True, False], ids=["slices", "a stop that did not trigger"])
@pytest.mark.parametrize("refusal", ["unknown_order: there is none", "too late", "code -2011: Unknown order sent."])
def test_a_cancel_is_sent_and_its_refusal_is_the_proof(slices: bool, refusal: str) -> None:
    rules = msgspec.structs.replace(SLICES, shows_slices=slices, refusals=(("-2011", Refusal.ENDED),))
    also: dict[str, Any] = {} if slices else {"ord_type": OrdType.STOP_LIMIT, "stop_px": D(99)}
    desk = working(rules, filled="7" if slices else None, **also)
    filled = {} if slices else {"cum": "0", "listed": ""}
    shown(desk, FILLED, **filled)
    assert desk.sent(Cancel) == []
    shown(desk, FILLED, after=LAG + MS, **filled)
    assert not presumed(desk)
    desk.wait(LAG)
    (cancel,) = desk.sent(Cancel)
    desk.reply(cancel, Outcome.REFUSED, reason=refusal)
    for _ in range(3):
        shown(desk, {"ord_status": OrdStatus.PARTIALLY_FILLED} if slices else FILLED, after=LAG, **filled)
    assert presumed(desk)


@pytest.mark.parametrize("refusal", ["rate_limit", "not now", "unknown_orders are many", None])
def test_a_refusal_of_another_kind_is_no_proof(refusal: str | None) -> None:
    desk = working(SLICES, filled="7")
    for _ in range(4):
        shown(desk, FILLED, after=LAG)
    desk.wait(LAG)
    desk.reply(desk.last(Cancel), Outcome.REFUSED, reason=refusal)
    for _ in range(4):
        shown(desk, FILLED, after=LAG)
    assert not presumed(desk)
    assert desk.parent().exposure == 10


def test_a_cancel_that_works_ends_it_as_always() -> None:
    desk = working(SLICES, filled="7")
    for _ in range(2):
        shown(desk, FILLED, after=LAG + MS)
    desk.wait(LAG)
    cancel = desk.last(Cancel)
    desk.feed(desk.report(ExecType.CANCELED, cl=cancel.cl_ord_id, cum_qty="7", leaves_qty="0", as_of=desk.now))
    assert not presumed(desk)
    assert desk.child().status is OrdStatus.CANCELED


def test_an_order_that_its_venue_forgot_ends_with_a_cancel_that_is_refused() -> None:
    desk = working(LATE, filled="7")
    desk.stop()
    answers(desk, None, why="unknown_order")
    assert desk.outcomes() == [("canceled", D(7))]
    assert presumed(desk)


def test_an_order_that_its_venue_forgot_and_nobody_cancels_counts_as_open() -> None:
    desk = working(LATE, filled="7", resubmit=rule())
    desk.feed(Restarted(desk="d"))
    answers(desk, None)
    assert desk.alarms(AlarmKind.MISSING)
    assert not presumed(desk)
    assert len(desk.sent(Place)) == 1
    assert desk.parent().exposure == 10


# ---------------------------------------------------------------------- signs of life


def ended(rules: Capabilities = LATE) -> Driven:
    """Taken for ended at 7 of 10, and 3 placed anew."""
    desk = working(rules, filled="7", resubmit=rule())
    for _ in range(2):
        shown(desk, FILLED, after=LAG + MS)
    answer = {"cum_qty": "7", "leaves_qty": "0", "executions": (execution("first", "7"),)}
    desk.wait(SECOND)
    for op in desk.sent(Query)[-1:]:
        desk.looked(op, desk.report(None, asked=desk.now, as_of=desk.now, **FILLED, **answer))
    place = desk.sent(Place)[-1]
    assert place.terms.order_qty == 3
    desk.acknowledge(place, "O2")
    return desk


def test_a_fill_revives_it_and_what_was_placed_in_its_stead_is_taken_off() -> None:
    desk = ended()
    desk.fill("second", "1")
    assert not presumed(desk)
    assert (desk.child().cum, desk.child().leaves) == (8, 2)
    assert desk.parent().exposure == 13
    assert desk.alarms(AlarmKind.EXPOSURE)
    assert desk.last(Cancel).order_id == "O2"
    assert "it lives" in desk.alarms(AlarmKind.PRESUMED)[-1]


def test_an_answer_that_shows_it_at_work_revives_it() -> None:
    desk = ended()
    shown(desk, {"ord_status": OrdStatus.PARTIALLY_FILLED}, leaves="3")
    assert not presumed(desk)
    assert desk.child().leaves == 3
    assert desk.last(Cancel).order_id == "O2"


def test_the_fill_that_completes_it_is_a_sign_of_life_too() -> None:
    desk = ended()
    desk.fill("second", "3")
    assert not presumed(desk)
    assert desk.child().status is OrdStatus.FILLED
    assert desk.parent().exposure == 13
    assert desk.last(Cancel).order_id == "O2"


def test_a_statement_from_before_the_proof_revives_nothing() -> None:
    desk = ended()
    proven = desk.child().gone
    assert proven is not None
    desk.feed(
        desk.report(ExecType.NEW, order_qty="10", leaves_qty="10", as_of=proven.proven_at - SECOND),
        desk.report(None, ord_status=OrdStatus.PARTIALLY_FILLED, leaves_qty="3", asked=proven.proven_at, as_of=desk.now),
    )
    assert presumed(desk)


def test_a_word_of_the_end_is_no_presumption_any_more() -> None:
    desk = ended()
    desk.ended(leaves_qty="0", cum_qty="7", as_of=desk.now)
    assert not presumed(desk)
    assert desk.child().gone is None
    assert desk.child().status is OrdStatus.CANCELED
    desk.fill("late", "1")
    # A late fill after a real end counts and reopens nothing.
    assert (desk.child().cum, desk.child().leaves) == (8, 0)


def test_what_was_taken_back_since_has_not_to_fill_again_before_it_lives() -> None:
    desk = ended()
    desk.feed(ExecutionVoided(venue=VENUE, order_id="O1", key="first", as_of=desk.now))
    assert presumed(desk)
    desk.fill("second", "1")
    assert not presumed(desk)
    assert desk.child().cum == 1


def test_after_a_restart_it_is_the_same() -> None:
    desk = working(LATE, filled="7")
    for count in (1, 2):
        shown(desk, FILLED, after=LAG + MS)
        child = desk.child()
        rows = [(0, key, packed) for key, packed in child.ledger.rows.items()]
        back, _ = thaw(freeze(child), rows, {child.venue: child.rules})
        assert back.gone == child.gone
        assert freeze(back) == freeze(child)
        assert bool(back.flags & Flag.PRESUMED) is (count == 2)


# ---------------------------------------------------------------------- refusals


def test_exists_already_is_looked_up() -> None:
    desk = Driven(Capabilities(refusals=(("-2010", Refusal.EXISTS),)))
    (place,) = desk.submit()
    fresh = desk.reply(place, Outcome.REFUSED, reason="code -2010: Duplicate order sent.")
    (query,) = [op for op in fresh if isinstance(op, Query)]
    assert desk.parent().exposure == 10
    assert desk.outcomes() == []
    placed = desk.report(None, "O1", place.cl_ord_id, ord_status=OrdStatus.NEW, order_qty="10", leaves_qty="10", cum_qty="0")  # type: ignore[union-attr]
    desk.looked(query, placed)
    assert desk.child().order_id == "O1"
    assert desk.child().leaves == 10


def test_exists_already_and_is_found_nowhere_never_worked() -> None:
    desk = Driven(Capabilities(refusals=(("-2010", Refusal.EXISTS),)))
    (place,) = desk.submit()
    (query,) = desk.reply(place, Outcome.REFUSED, reason="-2010")
    desk.looked(query)
    assert desk.outcomes() == [("rejected", D(0))]


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("code -2021: Order would immediately trigger.", Refusal.WOULD_TRIGGER), ("-2021", Refusal.WOULD_TRIGGER),
        ("code -20211", None), ("code 1-2021", Refusal.WOULD_TRIGGER), ("Would_Trigger", Refusal.WOULD_TRIGGER),
        ("rate_limit", Refusal.RATE_LIMIT), ("no", None), ("", None), (None, None), ("xwould_trigger", None),
    ],
)  # fmt: skip
def test_words_are_found_whole(reason: str | None, found: Refusal | None) -> None:
    assert meaning(reason, (("-2021", Refusal.WOULD_TRIGGER),)) is found


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_word_is_refused(word: str) -> None:
    with pytest.raises(NotANumber, match="empty word for would_trigger"):
        Capabilities(refusals=((word, Refusal.WOULD_TRIGGER),))


def test_every_refusal_has_a_word_of_ours() -> None:
    assert {means for _, means in OURS} == set(Refusal)


def test_the_state_of_capabilities_of_before_is_read() -> None:
    assert msgspec.json.decode(b"{}", type=Capabilities).refusals == ()
    assert isinstance(OrderSnapshot(venue=VENUE, order_id="x"), OrderSnapshot)


@pytest.mark.parametrize("why", ["too late", "refused"])
def test_a_refused_replace_is_no_half_of_a_proof(why: str) -> None:
    desk = working(Capabilities(can_replace=True, end_is_final=False), filled="7")
    (replace,) = desk.amend(price="101")
    desk.reply(replace, Outcome.REFUSED, reason=why)
    assert desk.child().gone is None
