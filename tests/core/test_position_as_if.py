"""Positions after corrections: as if the fills had always been so, however many there are and whatever was known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.engine import Engine
from partfill.core.holdings import Holdings
from partfill.core.position import KEPT, Position, Share
from partfill.model.inputs import Execution, ExecutionRevised, ExecutionVoided, Input, InstrumentListed, OrderPlaced
from partfill.model.terms import Terms
from partfill.model.words import Side
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


def test_another_price_of_a_sale_is_as_if_it_had_always_been_so() -> None:
    book = entered(("1", "-10", "100"), ("2", "4", "90")).to(1, "-10", "-900")
    assert (book.position.cost, book.position.realised) == (-540, 0)


def test_a_price_that_comes_with_another_fill_is_of_what_had_none() -> None:
    book = Book().to(1, "10", "400", unpriced=True).trade(2, "-5", "110").to(1, "12", "1200")
    assert book.seen == entered(("1", "10", "100"), ("2", "-5", "110"), ("1", "2", "100")).seen
    assert book.position.cost == 700


def test_a_fill_that_is_corrected_to_a_price_of_zero_stays() -> None:
    free = ExecutionRevised(venue="v", order_id="b", key="1", new_key="y", qty=D(10), px=D(0), as_of=6)
    position = after(fill("b", "1", 10, 100), fill("b", "2", 4, 90), free)
    assert (position.held, position.cost) == (14, 360)


def test_a_price_that_cannot_be_divided_leaves_no_digit_behind() -> None:
    book = entered(("1", "1", "100"), ("1", "1", "100"), ("1", "1", "101")).to(1, "3", "304")
    assert (book.position.cost, sum(each.value for each in book.position.recent)) == (304, 304)
    book.trade(2, "-3", "100")
    assert book.seen == (0, None, -4)


def crowded() -> Book:
    """A hundred of order 1 at 10, of which nothing is remembered: its fill is a part of what was there before the others."""
    book = Book().trade(1, "100", "10")
    for number in range(KEPT):
        book.trade(2, "1", str(20 + number))
    assert not any(each.child == 1 for each in book.position.recent)
    return book


def test_what_is_taken_back_of_what_is_not_remembered_is_a_trade_of_its_own() -> None:
    book = crowded()
    held, cost, paid = book.position.held, book.position.cost, book.position.paid
    book.to(1, "90", "900")
    assert (book.position.held, book.position.paid) == (held - 10, paid - 100)
    assert book.position.avg_px is not None
    assert abs(book.position.cost - cost * (held - 10) / held) < D("1e-20")


def test_another_price_of_what_is_not_remembered_is_a_part_of_the_cost_and_stays_one() -> None:
    book = crowded()
    cost = book.position.cost
    book.to(1, "100", "1090")
    assert (book.position.cost, book.position.realised) == (cost + 90, 0)
    # The half of the newest of order 2 goes, at what it cost, and nobody says that it is that one.
    newest = D(20 + KEPT - 1) / 2
    share = book.shares[2]
    book.to(2, str(share.qty - D("0.5")), str(share.value - newest))
    assert (book.position.cost, book.position.realised) == (cost + 90 - newest, 0)
    assert all(each.qty or each.value for each in book.position.recent)
    book.to(1, "100", "1000")
    assert (book.position.cost, book.position.realised) == (cost - newest, 0)
    book.trade(1, "1", "500").to(1, "100", "1000")
    assert (book.position.cost, book.position.realised) == (cost - newest, 0)


def test_what_is_taken_back_of_what_is_not_remembered_leaves_another_price_of_it_alone() -> None:
    book = crowded().to(1, "100", "1090")
    held, cost = book.position.held, book.position.cost
    book.to(1, "95", "1035.5")
    assert book.position.held == held - 5
    assert abs(book.position.cost - cost * (held - 5) / held) < D("1e-20")


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
    turning = Book().trade(1, "-2", "10")
    for number in range(KEPT - 1):
        turning.trade(2 + number % 2, "-1" if number % 2 else "1", "10")
    assert (len(turning.position.recent), turning.position.base_qty, turning.position.held) == (KEPT, 0, -1)


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
    # What fees took is a fill of no order.
    assert [(each.child, each.qty) for each in position.recent] == [(1, 10), (0, -1)]
    position = with_fees(("10", "1000", (("USD", "1"),)), base=None)
    position.rebase("ACME", 77)
    assert (position.held, position.cost, position.changed, len(position.recent)) == (10, 1000, 1, 1)


def test_what_fees_took_after_an_exit_opens_the_other_side_at_what_it_had_cost() -> None:
    book = Book().to(1, "10", "1000", fees=(("ACME", D(1)),)).trade(2, "-9.5", "110")
    book.position.rebase("ACME", 77)
    assert (book.position.held, book.position.cost, opened(book.position)) == (D("-0.5"), -50, (2, 77))


def test_what_fees_took_is_no_fill_of_an_order() -> None:
    position = with_fees(("10", "1000", (("ACME", "1"),)), base=None)
    position.rebase("ACME", 77)
    fees = (("ACME", D(1)),)
    position.move(1, Share(D(10), D(1000), fees), Share(D(8), D(800), (*fees,)), 78)
    assert (position.held, position.qty, position.cost) == (7, 8, 700)


def test_what_is_short_by_a_fee_alone_is_a_plain_zero_of_fills() -> None:
    book = Book()
    book.position.base = "ACME"
    book.to(1, "10.00", "1000", fees=(("ACME", D("0.10")),)).trade(2, "-10.00", "100")
    assert (str(book.position.held), str(book.position.qty)) == ("-0.10", "0")


def test_a_base_asset_that_a_venue_does_not_name_is_what_it_was() -> None:
    position = with_fees(("10", "1000", (("ACME", "1"),)))
    position.learn(InstrumentListed(venue="v", instrument="ACME", quote="USD"), 77)
    assert (position.base, position.quote, position.held) == ("ACME", "USD", 9)


def test_a_base_asset_that_is_named_when_nothing_is_held_leaves_what_fees_took_short() -> None:
    book = Book().to(1, "10", "1000", fees=(("ACME", D(1)),)).trade(2, "-10", "100")
    book.position.rebase("ACME", 77)
    assert (book.position.held, book.position.qty, book.position.cost) == (-1, 0, 0)


def executed(order: str, key: str, qty: int, px: int, fee: int) -> Execution:
    return Execution(venue="v", order_id=order, key=key, qty=D(qty), px=D(px), fee=D(fee), fee_currency="X", as_of=5)


def with_base(*inputs: Input) -> Position:
    """The same as `after`, for an order that says what a unit is."""
    engine = Engine()
    engine.holdings = Holdings(engine.listed)
    for number, (name, side) in enumerate((("b", Side.BUY), ("s", Side.SELL)), 1):
        terms = Terms(instrument="X", side=side, order_qty=D(100), price=D(100), base="ACME")
        engine.step(OrderPlaced(venue="v", cl_ord_id=f"c{name}", order_id=name, terms=terms), number)
    for number, each in enumerate(inputs, 10):
        engine.step(each, number)
    (position,) = engine.holdings.positions.values()
    return position


def test_a_fee_in_another_currency_does_not_hide_which_fill_was_taken_back() -> None:
    first, exit_, last = executed("b", "1", 10, 100, 1), executed("s", "2", 5, 120, 1), executed("b", "3", 4, 90, 1)
    told = with_base(first, exit_, last, ExecutionVoided(venue="v", order_id="b", key="1", as_of=6))
    assert (told.base, told.fees, numbers(told)[:3]) == ("ACME", {"X": 2}, numbers(with_base(exit_, last))[:3])
    lower = {"qty": D(8), "px": D(80), "fee": D(1), "fee_currency": "X"}
    told = with_base(first, exit_, last, ExecutionRevised(venue="v", order_id="b", key="1", new_key="y", as_of=6, **lower))
    assert numbers(told) == numbers(with_base(executed("b", "1", 8, 80, 1), exit_, last))
    free = {"qty": D(8), "px": D(80), "fee": D(0), "fee_currency": "X"}
    told = with_base(first, exit_, last, ExecutionRevised(venue="v", order_id="b", key="1", new_key="y", as_of=6, **free))
    assert numbers(told) == numbers(with_base(executed("b", "1", 8, 80, 0), exit_, last))


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
