"""Positions after corrections: as if the fills had always been so, however many there are and whatever was known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.position import KEPT, Position
from partfill.model.inputs import Execution, ExecutionRevised, ExecutionVoided, Input
from tests.core.test_position import Book
from tests.core.test_position_corrections import after, fill

D = Decimal


def numbers(position: Position) -> tuple[Decimal, Decimal, Decimal, int]:
    """What is held, what it cost, what was made, and how often it was opened."""
    return position.held, position.cost, position.realised, position.rounds


Change = tuple[str, int, int, int]


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """(what, number of the fill, quantity, price) of fills, voids and corrections; no two fills look alike."""
    kinds = draw(st.lists(st.sampled_from(["b", "b", "s", "void", "correct"]), min_size=2, max_size=10))
    found: list[Change] = []
    for number, kind in enumerate(kinds):
        which = number if kind in "bs" else draw(st.integers(0, number))
        found.append((kind, which, draw(st.integers(1, 9)), 50 + 7 * number))
    return found


@given(changes(), st.booleans())
def test_it_is_as_if_it_had_always_been_so(said: list[Change], short: bool) -> None:
    """A first fill that stays keeps the position open and on its side."""
    first, other = ("s", "b") if short else ("b", "s")
    sides = {"b": first, "s": other}
    live: dict[int, tuple[str, int, int]] = {}
    versions: dict[int, str] = {}
    told: list[Input] = [fill(first, "first", 1000, 100)]
    for number, (kind, which, qty, px) in enumerate(said):
        if kind in sides:
            live[which], versions[which] = (sides[kind], qty, px), f"k{which}"
            told.append(fill(sides[kind], f"k{which}", qty, px))
        elif which in live:
            order, most, _ = live[which]
            if kind == "void":
                del live[which]
                told.append(ExecutionVoided(venue="v", order_id=order, key=versions[which], as_of=6 + number))
            else:
                # What a correction adds is a fill of its own, of now.
                qty = min(qty, most)
                live[which] = (order, qty, px)
                names = {"key": versions[which], "new_key": f"k{which}.{number}"}
                told.append(ExecutionRevised(venue="v", order_id=order, qty=D(qty), px=D(px), as_of=6 + number, **names))
                versions[which] = f"k{which}.{number}"
    always = [fill(order, f"k{which}", qty, px) for which, (order, qty, px) in sorted(live.items())]
    assert numbers(after(*told)) == numbers(after(fill(first, "first", 1000, 100), *always))


# ---------------------------------------------------------------------- nobody says which fill it was

ENTERED = (("1", "10", "100"), ("2", "-4", "110"), ("1", "5", "120"))


def entered(*trades: tuple[str, str, str]) -> Book:
    """These fills: (order, quantity, price)."""
    book = Book()
    for child, qty, px in trades:
        book.trade(int(child), qty, px)
    return book


@pytest.mark.parametrize(
    ("qty", "value", "as_if"),
    [
        # A part of the newest goes at what it cost, and the others cost the rest.
        ("12", "1240", (ENTERED[0], ENTERED[1], ("1", "2", "120"))),
        ("12", "1200", (ENTERED[0], ENTERED[1], ("1", "2", "100"))),
        ("12", "960", (("1", "10", "80"), ENTERED[1], ("1", "2", "80"))),
        # All of the newest.
        ("10", "1000", (ENTERED[0], ENTERED[1])),
        ("10", "900", (("1", "10", "90"), ENTERED[1])),
        # More than the newest: what is left of it goes from the one before.
        ("8", "800", (("1", "8", "100"), ENTERED[1])),
        ("8", "640", (("1", "8", "80"), ENTERED[1])),
        # Another value alone.
        ("15", "1500", (("1", "10", "100"), ENTERED[1], ("1", "5", "100"))),
        ("15", "1800", (("1", "10", "120"), ENTERED[1], ("1", "5", "120"))),
        # The whole order.
        ("0", "0", (ENTERED[1],)),
    ],
)
def test_the_newest_fills_of_the_order_go_and_the_others_cost_the_rest(
    qty: str, value: str, as_if: tuple[tuple[str, str, str], ...]
) -> None:
    book = entered(*ENTERED).to(1, qty, value)
    assert book.seen == entered(*as_if).seen
    assert book.position.cost == entered(*as_if).position.cost
    assert all(each.qty for each in book.position.recent)


def test_fills_of_another_order_stay_as_they_are() -> None:
    book = entered(("1", "10", "100"), ("2", "10", "130"), ("3", "10", "90")).to(2, "4", "400")
    assert book.seen == entered(("1", "10", "100"), ("2", "4", "100"), ("3", "10", "90")).seen
    book.to(3, "0", "0")
    assert book.seen == entered(("1", "10", "100"), ("2", "4", "100")).seen
    book.to(1, "0", "0")
    assert (book.seen, book.position.cost) == ((4, 100, 0), 400)


def test_a_price_that_cannot_be_divided_leaves_no_digit_behind() -> None:
    book = entered(("1", "1", "100"), ("1", "1", "100"), ("1", "1", "101")).to(1, "3", "304")
    assert (book.position.cost, sum(each.value for each in book.position.recent)) == (304, 304)
    book.trade(2, "-3", "100")
    assert book.seen == (0, None, -4)


def test_less_than_what_is_remembered_of_an_order_is_a_trade_of_its_own() -> None:
    book = Book().trade(1, "100", "10")
    for number in range(KEPT):
        book.trade(2, "1", str(20 + number))
    held, _, realised = book.seen
    cost = book.position.cost
    # Nothing of the first order is remembered: its fill was folded into what was there before the others.
    assert not any(each.child == 1 for each in book.position.recent)
    book.to(1, "90", "900")
    assert (book.position.held, book.position.paid) == (held - 10, cost - 100)
    book.to(1, "90", "990")
    assert (book.position.held, book.position.paid, book.position.cost - book.position.paid) == (
        held - 10, cost - 10, book.position.realised,
    )  # fmt: skip
    assert realised == 0


def test_just_as_many_fills_are_remembered_as_are_said() -> None:
    book = Book()
    for number in range(KEPT):
        book.trade(1, "1", str(10 + number))
    assert (len(book.position.recent), book.position.base_qty) == (KEPT, 0)
    book.trade(1, "1", "500")
    assert (len(book.position.recent), book.position.base_qty, book.position.base_cost) == (KEPT, 1, 10)
    short = Book().trade(1, "-2", "10")
    for number in range(KEPT):
        short.trade(2 + number % 2, "1" if number % 2 else "-1", str(10 + number))
    assert (len(short.position.recent), short.position.base_qty, short.position.base_cost) == (KEPT, -2, -20)


def test_a_price_of_a_round_that_is_over_is_none_of_what_is_held() -> None:
    book = entered(("1", "10", "100"), ("2", "-10", "110"), ("3", "4", "90")).to(1, "10", "1100")
    assert (book.position.held, book.position.cost, book.position.realised) == (4, 360, 0)


# ---------------------------------------------------------------------- rounds


def opened(position: Position) -> tuple[int, int]:
    return position.rounds, position.since


def test_a_void_that_leaves_the_side_as_it_is_opens_nothing() -> None:
    book = entered(("1", "10", "100"), ("2", "5", "100"))
    assert opened(book.position) == (1, 1)
    book.to(2, "3", "300")
    assert opened(book.position) == (1, 1)
    short = entered(("1", "-10", "100"), ("2", "-5", "100")).to(2, "-3", "-300")
    assert opened(short.position) == (1, 1)


def test_a_void_of_the_exit_opens_the_position_again() -> None:
    book = entered(("1", "10", "100"), ("2", "-10", "110")).to(2, "0", "0")
    assert (opened(book.position), book.position.held) == ((2, 3), 10)
    short = entered(("1", "-10", "100"), ("2", "10", "110")).to(2, "0", "0")
    assert (opened(short.position), short.position.held) == ((2, 3), -10)


def test_a_void_of_the_entry_turns_the_position_round() -> None:
    book = entered(("1", "10", "100"), ("2", "-4", "110")).to(1, "0", "0")
    assert (opened(book.position), book.position.held) == ((2, 3), -4)
    short = entered(("1", "-10", "100"), ("2", "4", "110")).to(1, "0", "0")
    assert (opened(short.position), short.position.held) == ((2, 3), 4)


def test_every_change_has_its_moment() -> None:
    book = Book().trade(1, "10", "100")
    assert book.position.changed == 1
    book.to(1, "10", "1000", fees=(("USD", D(1)),))
    assert book.position.changed == 2


def test_after_a_position_was_closed_nothing_of_it_is_remembered() -> None:
    book = entered(("1", "10", "100"), ("2", "-10", "110"), ("3", "4", "90"))
    assert [(each.child, each.qty) for each in book.position.recent] == [(3, 4)]
    for number in range(KEPT + 3):
        book.trade(4, "1", str(50 + number))
    book.trade(5, str(-book.position.held), "60").trade(6, "2", "70")
    assert (book.position.base_qty, book.position.base_cost, len(book.position.recent)) == (0, 0, 1)
    assert (book.position.held, book.position.cost) == (2, 140)


# ---------------------------------------------------------------------- fees in what is held


def with_fees(*shares: tuple[str, str, tuple[tuple[str, str], ...]], base: str | None = "ACME") -> Position:
    """A position of one order whose share becomes each of these: (quantity, value, fees)."""
    book = Book()
    book.position.base = base
    for qty, value, fees in shares:
        book.to(1, qty, value, fees=tuple((currency, D(amount)) for currency, amount in fees))
    return book.position


def test_a_fee_in_the_base_asset_lowers_what_is_held_at_what_it_cost() -> None:
    position = with_fees(("10", "1000", (("ACME", "1"), ("USD", "3"))))
    assert (position.held, position.qty, position.cost, position.paid) == (9, 10, 900, 1000)
    assert (position.realised, position.fees) == (-100, {"ACME": 1, "USD": 3})
    position = with_fees(("10", "1000", ()), ("10", "1000", (("ACME", "1"),)))
    assert (position.held, position.qty, position.cost) == (9, 10, 900)


def test_what_closes_it_in_full_leaves_a_plain_zero() -> None:
    book = Book()
    book.position.base = "ACME"
    book.to(1, "10.00", "1000", fees=(("ACME", D("0.10")),)).trade(2, "-9.90", "100")
    assert (str(book.position.held), book.position.cost) == ("0", 0)


def test_a_base_asset_that_is_named_late_takes_the_fees_from_what_is_held() -> None:
    position = with_fees(("10", "1000", (("ACME", "1"),)), base=None)
    assert (position.held, position.qty, position.cost) == (10, 10, 1000)
    position.rebase("ACME", 77)
    assert (position.held, position.qty, position.cost, position.realised, position.changed) == (9, 10, 900, -100, 77)
    position = with_fees(("10", "1000", (("USD", "1"),)), base=None)
    position.rebase("ACME", 77)
    assert (position.held, position.cost, position.changed, len(position.recent)) == (10, 1000, 1, 1)


def test_a_base_asset_that_is_named_when_nothing_is_held_leaves_what_fees_took_short() -> None:
    book = Book().to(1, "10", "1000", fees=(("ACME", D(1)),)).trade(2, "-10", "100")
    book.position.rebase("ACME", 77)
    assert (book.position.held, book.position.qty, book.position.cost) == (-1, 0, 0)


def executed(order: str, key: str, qty: int, px: int, fee: int) -> Execution:
    return Execution(venue="v", order_id=order, key=key, qty=D(qty), px=D(px), fee=D(fee), fee_currency="X", as_of=5)


Said = dict[str, Any]


@pytest.mark.parametrize(
    ("told", "always"),
    [
        (
            (fill("b", "1", 10, 100), fill("b", "2", 10, 120), ExecutionVoided(venue="v", order_id="b", key="1", as_of=6)),
            (fill("b", "2", 10, 120),),
        ),
        (
            (
                executed("b", "1", 10, 100, 1),
                fill("b", "2", 10, 120),
                ExecutionVoided(venue="v", order_id="b", key="1", as_of=6),
            ),
            (fill("b", "2", 10, 120),),
        ),
    ],
    ids=["no fee", "its fee goes too"],
)
def test_a_void_takes_the_fee_back_as_well(told: tuple[Input, ...], always: tuple[Input, ...]) -> None:
    assert numbers(after(*told)) == numbers(after(*always))
