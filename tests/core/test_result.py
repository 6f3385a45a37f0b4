"""Results of positions: net of fees, with the multiplier, and right where the fee is taken in what was bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partfill.core.position import NOTHING, Position, Share
from partfill.model.events import AlarmKind, PositionChanged
from partfill.model.inputs import InstrumentListed, PositionSeen
from partfill.model.numbers import NotANumber
from partfill.model.observations import Charge, Execution, ExecutionVoided
from partfill.model.words import Side
from tests.core.driven import PLAIN, SECOND, VENUE, Driven
from tests.core.test_position import Book

D = Decimal
SPOT = InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", base="BTC")
OPTION = InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", multiplier=D(100))


def book(listed: InstrumentListed | None = SPOT) -> Book:
    """An empty position in an instrument of which this was said."""
    one = Book()
    if listed is not None:
        one.position.learn(listed, 0)
    return one


def fees(**by_currency: str) -> dict[str, Any]:
    return {"fees": tuple((currency, D(amount)) for currency, amount in sorted(by_currency.items()))}


# ---------------------------------------------------------------------- fees in quote currency, the multiplier


def test_of_a_long_position_net_is_the_result_less_every_fee() -> None:
    one = book().to(1, "100", "1000", **fees(USD="0.5"))
    assert (one.position.gross, one.position.net) == (0, D("-0.5"))
    one.to(2, "-40", "-480", **fees(USD="0.24"))
    assert (one.position.gross, one.position.net) == (80, D("79.26"))
    one.to(3, "-60", "-540", **fees(USD="0.27"))
    assert (one.position.gross, one.position.net) == (20, D("18.99"))


def test_of_a_short_one_too_and_a_rebate_adds() -> None:
    one = book().to(1, "-10", "-1000", **fees(USD="-0.1")).to(2, "10", "900", **fees(USD="0.45"))
    assert (one.position.held, one.position.net) == (0, D("99.65"))


def test_through_zero_every_fee_counts_once() -> None:
    one = book().to(1, "50", "500", **fees(USD="1")).to(2, "-80", "-960", **fees(USD="2"))
    assert (one.seen, one.position.net) == ((-30, 12, 100), 97)
    one.to(3, "30", "330", **fees(USD="3"))
    assert (one.seen, one.position.net) == ((0, None, 130), 124)


def test_an_option_is_worth_a_hundred_times_its_price_and_its_fees_are_not() -> None:
    one = book(OPTION).to(1, "2", "3.00", **fees(USD="1.30")).to(2, "-2", "-4.20", **fees(USD="1.30"))
    assert (one.position.realised, one.position.gross, one.position.net) == (D("1.20"), 120, D("117.40"))
    one.to(3, "1", "2.00")
    assert one.position.avg_px == 2


def test_a_multiplier_below_one_is_exact_too() -> None:
    one = book(InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", multiplier=D("0.0001")))
    assert one.to(1, "3", "0.3").to(2, "-3", "-1.0").position.net == D("0.00007")


def test_a_fill_that_is_taken_back_takes_its_fee_along() -> None:
    one = book().to(1, "10", "100", **fees(USD="0.5")).to(2, "-10", "-120", **fees(USD="0.6"))
    assert one.position.net == D("18.9")
    one.to(2, "0", "0")
    assert (one.seen, one.position.net) == ((10, 10, 0), D("-0.5"))


def test_fees_in_a_third_currency_stay_apart() -> None:
    one = book().to(1, "1", "100", **fees(BNB="0.01", USD="0.1")).to(2, "-1", "-110", **fees(BNB="0.02"))
    assert one.position.net == D("9.9")
    assert one.position.fees == {"BNB": D("0.03"), "USD": D("0.1")}


# ---------------------------------------------------------------------- fees in the base asset


def test_of_what_was_bought_less_is_held_where_the_fee_is_taken_from_it() -> None:
    one = book().to(1, "1", "100", **fees(BTC="0.001"))
    position = one.position
    assert (position.qty, position.held, position.cost) == (1, D("0.999"), D("99.9"))
    assert (position.avg_px, position.gross, position.net) == (100, D("-0.1"), D("-0.1"))
    one.to(2, "-0.999", "-109.89", **fees(USD="0.11"))
    assert (position.held, position.qty, position.cost, position.avg_px) == (0, D("0.001"), 0, None)
    # Got 109.89 less 0.11, paid 100.
    assert (position.gross, position.net) == (D("9.89"), D("9.78"))
    # What fees took of the first round is nothing in the second.
    one.to(3, "2", "240", **fees(BTC="0.002"))
    assert (position.held, position.avg_px, position.net) == (D("1.998"), 120, D("9.54"))
    assert (position.rounds, position.since) == (2, 3)


def test_sold_too_much_is_short_by_what_the_fee_took() -> None:
    one = book().to(1, "1", "100", **fees(BTC="0.001")).to(2, "-1", "-110")
    position = one.position
    assert (position.qty, position.held, position.avg_px) == (0, D("-0.001"), 110)
    assert position.net == D("9.89")


def test_a_fee_of_a_sale_in_the_base_asset_takes_more_of_it() -> None:
    one = book().to(1, "1", "100").to(2, "-0.5", "-55", **fees(BTC="0.001"))
    assert (one.position.qty, one.position.held, one.position.avg_px) == (D("0.5"), D("0.499"), 100)
    # Of 0.501 that are gone, which cost 50.1, 55 are left.
    assert one.position.net == D("4.9")


def test_a_fee_that_comes_later_ends_where_one_that_came_along_does() -> None:
    along = book().to(1, "2", "200", **fees(BTC="0.002")).to(2, "1", "130", **fees(BTC="0.001"))
    later = (
        book().to(1, "2", "200").to(2, "1", "130").to(2, "1", "130", **fees(BTC="0.001")).to(1, "2", "200", **fees(BTC="0.002"))
    )
    assert (along.seen, along.position.held) == (later.seen, later.position.held) == ((3, 110, D("-0.33")), D("2.997"))


def test_one_of_several_fills_with_their_fees_is_taken_back() -> None:
    one = book().to(1, "10", "1000", **fees(BTC="0.01")).to(1, "20", "3000", **fees(BTC="0.02")).to(2, "-5", "-600")
    one.to(1, "10", "2000", **fees(BTC="0.01"))
    position = one.position
    assert (position.qty, position.held, position.avg_px, position.paid) == (5, D("4.99"), 200, 1400)


def test_of_a_contract_no_fee_takes_a_part() -> None:
    one = book(InstrumentListed(venue=VENUE, instrument="ACME", quote="USD", base="BTC", multiplier=D("0.01")))
    one.to(1, "5", "500", **fees(BTC="0.0001"))
    assert (one.position.qty, one.position.held, one.position.base) == (5, 5, None)
    assert (one.position.net, one.position.fees) == (0, {"BTC": D("0.0001")})


# ---------------------------------------------------------------------- what cannot be told


def test_without_a_quote_currency_a_fee_with_a_name_may_be_anything() -> None:
    one = book(None).to(1, "1", "100").to(2, "-1", "-110")
    assert one.position.net == 10
    one.to(2, "-1", "-110", **fees(BNB="0.1"))
    assert (one.position.gross, one.position.net) == (10, None)
    one.position.learn(SPOT, 9)
    assert one.position.net == 10


def test_a_fee_without_a_currency_is_in_that_of_the_deal() -> None:
    one = book(None).to(1, "1", "100", fees=(("", D("0.2")),)).to(2, "-1", "-110")
    assert one.position.net == D("9.8")
    one.position.learn(SPOT, 9)
    assert one.position.net == D("9.8")


def test_while_a_price_is_missing_net_is_too() -> None:
    one = book().to(1, "1", "0", unpriced=True)
    assert one.position.net is None
    assert one.to(1, "1", "100").to(2, "-1", "-110").position.net == 10


@pytest.mark.parametrize(
    ("multiplier", "said"),
    [
        (D(0), "multiplier of ACME is 0; it must be above zero"), (D(-5), "multiplier of ACME is -5; it must be above zero"),
        (D("NaN"), "multiplier of ACME is NaN"), (100, "multiplier of ACME is 100 of type int"),
        (0.5, "multiplier of ACME is the float 0.5"),
    ],
)  # fmt: skip
def test_a_multiplier_that_is_none_is_named(multiplier: Any, said: str) -> None:
    with pytest.raises(NotANumber, match=said):
        InstrumentListed(venue=VENUE, instrument="ACME", multiplier=multiplier)


# ---------------------------------------------------------------------- whatever comes in which order


FILLS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 3000), st.integers(1, 40_000), st.sampled_from(("", "USD", "BTC", "BNB"))),
    min_size=1, max_size=30,
)  # fmt: skip


def filled(fills: list[tuple[int, int, int, str]]) -> Book:
    """Even orders buy, odd ones sell; a fee is a thousandth of the value, or of the quantity where it is taken from that."""
    one = book()
    total: dict[int, dict[str, Decimal]] = {}
    for child, units, cents, currency in fills:
        qty, px = D(units).scaleb(-2), D(cents).scaleb(-2)
        mine = total.setdefault(child, {})
        if currency:
            mine[currency] = mine.get(currency, D(0)) + (qty if currency == "BTC" else qty * px) / 1000
        sign = -1 if child % 2 else 1
        was = one.shares.get(child, NOTHING)
        one.to(child, str(was.qty + sign * qty), str(was.value + sign * qty * px), fees=tuple(sorted(mine.items())))
        assert one.position.held == one.position.qty - one.position.fees.get("BTC", 0)
    return one


@given(FILLS, st.randoms(use_true_random=False), st.integers(1, 40_000))
def test_net_of_what_is_closed_does_not_depend_on_the_order_of_arrival(
    fills: list[tuple[int, int, int, str]], random: Any, cents: int
) -> None:
    forwards = filled(fills)
    held = forwards.position.held
    value = held * D(cents).scaleb(-2)
    # An order that the shuffle cannot tear from the others: it brings to nothing whatever is held.
    forwards.to(7, str(-held), str(-value))
    shuffled = list(fills)
    random.shuffle(shuffled)
    mixed = filled(shuffled).to(7, str(-held), str(-value))
    cash = -sum((share.value for share in forwards.shares.values()), D(0))
    spent = sum((amount for share in forwards.shares.values() for name, amount in share.fees if name == "USD"), D(0))
    assert forwards.position.held == mixed.position.held == 0
    assert forwards.position.net == mixed.position.net == cash - spent


@given(FILLS, st.integers(0, 5))
def test_whatever_is_voided_leaves_the_sums_of_the_others(fills: list[tuple[int, int, int, str]], gone: int) -> None:
    one, without = filled(fills), filled([each for each in fills if each[0] != gone])
    one.to(gone, "0", "0")
    ours, theirs = one.position, without.position
    assert (ours.qty, ours.held, ours.paid, ours.fees) == (theirs.qty, theirs.held, theirs.paid, theirs.fees)


@given(FILLS)
def test_a_base_asset_that_is_named_late_leaves_the_same_held_and_paid(fills: list[tuple[int, int, int, str]]) -> None:
    early = filled(fills)
    late = Book()
    for child, share in early.shares.items():
        late.position.move(child, NOTHING, share, 1)
    late.position.learn(SPOT, 2)
    ours, theirs = late.position, early.position
    assert (ours.qty, ours.held, ours.paid, ours.fees) == (theirs.qty, theirs.held, theirs.paid, theirs.fees)


# ---------------------------------------------------------------------- through the engine


def filling(
    desk: Driven, ref: str, qty: str, px: str, side: Side = Side.BUY, *, fee: tuple[str, str] | None, **also: Any
) -> None:
    """An order that fills at once."""
    desk.submit(qty, px, ref=ref, side=side, **also)
    desk.acknowledge(order_id=f"V-{ref}")
    taken = {} if fee is None else {"fee": D(fee[0]), "fee_currency": fee[1]}
    desk.feed(Execution(venue=VENUE, order_id=f"V-{ref}", key=ref, qty=D(qty), px=D(px), **taken))  # type: ignore[arg-type]


def position(desk: Driven) -> Position:
    assert desk.engine.holdings is not None
    return desk.engine.holdings.positions[VENUE, "", "ACME"]


def test_what_is_listed_holds_for_positions_to_come_and_for_those_that_are_there() -> None:
    desk = Driven(PLAIN)
    filling(desk, "a", "1", "100", fee=("0.001", "BTC"))
    assert (position(desk).held, position(desk).net) == (1, None)
    desk.feed(SPOT)
    assert (position(desk).held, position(desk).qty, position(desk).avg_px, position(desk).net) == (
        D("0.999"),
        1,
        100,
        D("-0.1"),
    )
    changed = [each for each in desk.events if type(each) is PositionChanged][-1]
    assert (changed.order, changed.qty, changed.held, changed.avg_px, changed.realised) == (0, 1, D("0.999"), 100, D("-0.1"))
    desk.feed(Charge(venue=VENUE, order_id="V-a", key="more", amount=D("0.01"), currency="BTC"))
    assert (position(desk).held, position(desk).avg_px, position(desk).net) == (D("0.989"), 100, D("-1.1"))
    before = desk.engine.counters.duplicates
    assert not desk.feed(SPOT).listed
    assert desk.engine.counters.duplicates == before + 1


def test_a_void_gives_the_base_asset_back() -> None:
    desk = Driven(PLAIN)
    desk.feed(SPOT)
    filling(desk, "a", "1", "100", fee=("0.001", "BTC"))
    filling(desk, "b", "0.5", "110", Side.SELL, fee=("0.1", "USD"))
    assert (position(desk).held, position(desk).net) == (D("0.499"), D("4.8"))
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V-a", key="a"))
    assert (position(desk).held, position(desk).fees) == (D("-0.5"), {"USD": D("0.1")})
    desk.feed(ExecutionVoided(venue=VENUE, order_id="V-b", key="b"))
    assert (position(desk).held, position(desk).cost, position(desk).net, position(desk).fees) == (0, 0, 0, {})


def test_where_the_venue_names_no_base_asset_the_terms_of_an_order_do() -> None:
    desk = Driven(PLAIN)
    filling(desk, "a", "1", "100", fee=None, base="BTC")
    assert position(desk).base is None
    filling(desk, "b", "1", "100", fee=("0.001", "BTC"), base="BTC")
    assert (position(desk).base, position(desk).held, position(desk).net) == ("BTC", D("1.999"), D("-0.1"))


def test_what_the_venue_says_is_held_is_compared_with_what_fees_left() -> None:
    desk = Driven(PLAIN)
    desk.feed(SPOT)
    filling(desk, "a", "1", "100", fee=("0.001", "BTC"))
    for qty in ("0.999", "1", "1"):
        desk.now += 10 * SECOND
        desk.feed(PositionSeen(venue=VENUE, instrument="ACME", qty=D(qty), as_of=desk.now))
    assert desk.alarms(AlarmKind.POSITION) == [
        "venue holds 1 of ACME, fills here add up to 0.999: a difference of 0.001; nothing was changed"
    ]


def test_a_share_without_fees_is_what_it_was() -> None:
    one = book().to(1, "1", "100")
    assert one.shares[1] == Share(D(1), D(100))
    assert one.position.qty is one.position.held
