"""Positions: quantity, cost and result of fills that come, go, and turn out to have been others."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.position import KEPT, NOTHING, Position, Share
from partfill.model.events import AlarmKind
from partfill.model.inputs import PositionSeen
from tests.core.driven import PLAIN, SECOND, VENUE, Driven, working

D = Decimal


class Book:
    """A position and the orders that it is made of."""

    def __init__(self) -> None:
        self.position = Position(1, "v", "", "ACME")
        self.shares: dict[int, Share] = {}
        self.now = 0

    def to(self, child: int, qty: str, value: str, **also: object) -> Book:
        """The share of an order is this now."""
        self.now += 1
        after = Share(D(qty), D(value), **also)  # type: ignore[arg-type]
        self.position.move(child, self.shares.get(child, NOTHING), after, self.now)
        self.shares[child] = after
        return self

    def trade(self, child: int, qty: str, px: str) -> Book:
        """One more fill of an order: a sell below zero."""
        was = self.shares.get(child, NOTHING)
        return self.to(child, str(was.qty + D(qty)), str(was.value + D(qty) * D(px)))

    @property
    def seen(self) -> tuple[Decimal, Decimal | None, Decimal]:
        return self.position.qty, self.position.avg_px, self.position.realised


def test_entries_average_and_exits_leave_the_average() -> None:
    book = Book().trade(1, "100", "10").trade(2, "50", "13")
    assert book.seen == (150, 11, 0)
    book.trade(3, "-60", "12")
    assert book.seen == (90, 11, 60)
    book.trade(4, "30", "15")
    assert book.seen == (120, 12, 60)


def test_a_position_that_is_closed_has_its_result_to_the_last_digit() -> None:
    book = Book().trade(1, "3", "0.1").trade(2, "4", "0.3").trade(3, "-1", "0.7").trade(4, "-6", "0.01")
    # Got 0.7 and 0.06 for what cost 0.3 and 1.2.
    assert book.seen == (0, None, D("-0.74"))
    assert book.position.cost == 0


def test_a_short_position_is_the_mirror_of_a_long_one() -> None:
    book = Book().trade(1, "-100", "10").trade(2, "40", "9")
    assert book.seen == (-60, 10, 40)


def test_a_fill_through_zero_closes_and_opens() -> None:
    book = Book().trade(1, "50", "10").trade(2, "-80", "12")
    assert book.seen == (-30, 12, 100)
    assert (book.position.rounds, book.position.since) == (2, 2)
    book.trade(3, "30", "11")
    assert book.seen == (0, None, 130)


def test_a_voided_fill_is_as_if_it_had_never_been() -> None:
    book = Book().trade(1, "100", "10").trade(2, "100", "20").trade(3, "-100", "18").to(2, "0", "0")
    assert book.seen == (0, None, 800)
    again = Book().trade(1, "100", "10").trade(2, "100", "20").trade(3, "-50", "18").to(2, "0", "0")
    assert again.seen == (50, 10, 400)


def test_a_voided_exit_gives_the_position_back_at_what_it_had_cost() -> None:
    book = Book().trade(1, "100", "10").trade(2, "-100", "12")
    assert book.seen == (0, None, 200)
    book.to(2, "0", "0")
    assert book.seen == (100, 10, 0)


def test_a_corrected_price_corrects_what_it_had_cost() -> None:
    book = Book().trade(1, "100", "10").trade(2, "-50", "12").to(1, "100", "1100")
    assert book.seen == (50, 11, 50)


def test_of_several_fills_of_an_order_the_one_that_is_taken_back_goes() -> None:
    book = Book().trade(1, "10", "10").trade(1, "10", "20").trade(2, "-5", "30")
    # The first of them is voided.
    book.to(1, "10", "200")
    assert book.seen == (5, 20, 50)


def test_what_is_taken_back_of_a_round_that_is_over_keeps_the_sums() -> None:
    book = Book().trade(1, "10", "10").trade(2, "-10", "12").trade(3, "5", "11").to(2, "0", "0")
    position = book.position
    assert position.qty == 15
    assert position.paid == 100 + 55


def test_a_fill_without_a_price_has_no_average_until_it_has_one() -> None:
    book = Book().trade(1, "10", "10").to(2, "5", "0", unpriced=True)
    assert (book.position.qty, book.position.avg_px) == (15, None)
    book.to(2, "5", "65")
    assert book.seen == (15, 11, 0)


def test_fees_are_kept_per_currency_and_go_with_their_fills() -> None:
    book = Book().to(1, "10", "100", fees=(("USD", D("0.5")),)).to(2, "-4", "-44", fees=(("BNB", D("0.01")), ("USD", D("0.2"))))
    assert book.position.fees == {"USD": D("0.7"), "BNB": D("0.01")}
    book.to(2, "0", "0")
    assert book.position.fees == {"USD": D("0.5")}


def test_a_position_that_is_never_closed_remembers_a_bounded_number_of_fills() -> None:
    book = Book()
    for number in range(10 * KEPT):
        book.trade(number, "2", "10").trade(-1 - number, "-1", "11")
    assert len(book.position.recent) == KEPT
    assert book.position.qty == 10 * KEPT
    assert book.position.avg_px == 10


FILLS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 30), st.integers(1, 40)), min_size=1, max_size=40)


def signed(child: int, qty: int) -> int:
    """Orders with an even number buy, the others sell."""
    return qty if child % 2 == 0 else -qty


@given(FILLS, st.randoms(use_true_random=False))
def test_quantity_and_sums_do_not_depend_on_the_order_of_fills(fills: list[tuple[int, int, int]], random: object) -> None:
    forwards, mixed = Book(), Book()
    for child, qty, px in fills:
        forwards.trade(child, str(signed(child, qty)), str(px))
    shuffled = list(fills)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for child, qty, px in shuffled:
        mixed.trade(child, str(signed(child, qty)), str(px))
    assert (forwards.position.qty, forwards.position.paid) == (mixed.position.qty, mixed.position.paid)
    if not forwards.position.qty:
        assert forwards.position.realised == mixed.position.realised


@given(FILLS, st.integers(0, 40))
def test_whatever_is_voided_what_remains_is_what_the_others_make(fills: list[tuple[int, int, int]], which: int) -> None:
    book, without = Book(), Book()
    which %= len(fills)
    for number, (child, qty, px) in enumerate(fills):
        # Every fill is an order of its own.
        book.trade(2 * number + child % 2, str(signed(child, qty)), str(px))
        if number != which:
            without.trade(2 * number + child % 2, str(signed(child, qty)), str(px))
    book.to(2 * which + fills[which][0] % 2, "0", "0")
    assert (book.position.qty, book.position.paid) == (without.position.qty, without.position.paid)
    rounds = [number for number in range(len(fills) + 1) if not sum(signed(c, q) for c, q, _ in fills[:number])]
    if which >= rounds[-1] and not any(
        not sum(signed(c, q) for k, (c, q, _) in enumerate(fills[:number]) if k != which)
        for number in range(which + 1, len(fills))
    ):
        assert book.position.cost == without.position.cost


@pytest.mark.parametrize("exits", [1, 3, 7])
def test_the_cost_of_what_is_open_shrinks_in_proportion(exits: int) -> None:
    book = Book().trade(1, str(exits + 1), "10")
    for number in range(exits):
        book.trade(10 + number, "-1", "12")
    assert book.seen == (1, 10, 2 * exits)


# ---------------------------------------------------------------------- the venue's own word


def held(desk: Driven, qty: str, *, ago: int = 0, instrument: str = "ACME") -> None:
    """The venue says what is held."""
    desk.feed(PositionSeen(venue=VENUE, instrument=instrument, qty=D(qty), as_of=desk.now - ago))


def test_a_difference_that_stays_is_told_once_and_changes_nothing() -> None:
    desk = working(PLAIN, filled="4")
    desk.now += SECOND
    held(desk, "4")
    held(desk, "7")
    desk.now += 9 * SECOND
    held(desk, "7")
    assert desk.alarms(AlarmKind.POSITION) == []
    desk.now += SECOND
    held(desk, "7")
    desk.now += 60 * SECOND
    held(desk, "7")
    assert desk.alarms(AlarmKind.POSITION) == [
        "venue holds 7 of ACME, fills here add up to 4: a difference of 3; nothing was changed"
    ]
    assert desk.engine.holdings is not None
    assert desk.engine.holdings.positions[VENUE, "", "ACME"].qty == 4
    held(desk, "4")
    held(desk, "4")
    assert desk.alarms(AlarmKind.POSITION_AGREES) == ["venue and fills agree again: 4 of ACME"]


def test_what_was_asked_before_a_fill_says_nothing_about_it() -> None:
    desk = working(PLAIN, filled="4")
    held(desk, "0", ago=SECOND)
    desk.now += 20 * SECOND
    held(desk, "4")
    assert desk.alarms(AlarmKind.POSITION) == []


def test_a_difference_that_goes_in_time_is_not_told() -> None:
    desk = working(PLAIN, filled="4")
    desk.now += SECOND
    held(desk, "6")
    desk.fill("late", "2")
    desk.now += 20 * SECOND
    held(desk, "6")
    held(desk, "6")
    assert desk.alarms(AlarmKind.POSITION) == desk.alarms(AlarmKind.POSITION_AGREES) == []


def test_what_is_held_of_an_instrument_that_was_never_traded_here_is_told_too() -> None:
    desk = Driven(PLAIN)
    held(desk, "0", instrument="OLD")
    assert desk.engine.holdings is not None
    assert desk.engine.holdings.positions == {}
    held(desk, "-5", instrument="OLD")
    desk.now += 10 * SECOND
    held(desk, "-5", instrument="OLD")
    (said,) = desk.alarms(AlarmKind.POSITION)
    assert said == "venue holds -5 of OLD, fills here add up to 0: a difference of -5; nothing was changed"


def test_a_void_of_a_fill_that_is_remembered_is_exact_however_many_came_before_it() -> None:
    book = Book()
    for number in range(KEPT + 6):
        book.trade(number, "1", str(100 + number))
    book.to(KEPT + 5, "0", "0")
    assert (book.position.cost, book.position.realised) == (sum(range(100, 105 + KEPT)), 0)


def test_the_oldest_fill_that_is_remembered_is_taken_back_exactly() -> None:
    book = Book()
    for number in range(KEPT):
        book.trade(number, "1", str(100 + number))
    book.to(0, "0", "0")
    assert (book.position.cost, book.position.realised) == (sum(range(101, 100 + KEPT)), 0)
    assert len(book.position.recent) == KEPT - 1


def test_a_void_that_turns_a_position_round_opens_it_anew_and_one_that_closes_it_does_not() -> None:
    book = Book().trade(1, "10", "100").trade(2, "-4", "101")
    assert (book.position.rounds, book.position.since) == (1, 1)
    book.to(1, "0", "0")
    assert (book.position.held, book.position.rounds, book.position.since) == (-4, 2, 3)
    book.to(2, "0", "0")
    assert (book.position.held, book.position.rounds, book.position.since) == (0, 2, 3)
    long = Book().trade(1, "5", "100").to(1, "0", "0")
    assert (long.position.held, long.position.rounds, long.position.since) == (0, 1, 1)
