"""A protected position while things go wrong: fills on top of each other, legs that the venue takes off or refuses, trades
past the desk, voids. Told like the plain cases: both sides, three kinds of venue, and a desk that goes and comes back.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill import Limit
from partfill.model.words import OrdType
from tests.runtime.scene import EVERYWHERE, HELD_TO_IT, NOT_HELD_TO_IT, Scene, scene
from tests.runtime.test_partial_fill_handler import street

D = Decimal
__all__ = ["scene", "street"]


# ---------------------------------------------------------------------- both legs in one instant


def both(scene: Scene, target: int, *stop: int) -> None:
    """A part of the target trades, and the market falls through the stop before anybody can do anything."""
    scene.takes_target(target)
    scene.falls(*stop)
    scene.street.puts(scene.word("sell"), 1000, scene.px("0.56"))


@HELD_TO_IT
@pytest.mark.parametrize(("target", "stop"), [(100, 0), (60, 40)])
@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_both_legs_in_one_instant_close_what_is_held_and_no_more(
    scene: Scene, target: int, stop: int, away: bool
) -> None:
    await scene.protects()
    await scene.enters(100, 100)
    await scene.settles(100)
    if away:
        async with scene.gone():
            both(scene, target, stop)
    else:
        both(scene, target, stop)
        async with scene.gone():
            pass
    await scene.ended()
    assert not scene.over_closed


@NOT_HELD_TO_IT
@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_both_legs_in_one_instant_close_too_much_where_no_venue_holds_them_and_a_person_is_told(
    scene: Scene, away: bool
) -> None:
    await scene.protects()
    await scene.enters(100, 100)
    await scene.settles(100)
    if away:
        async with scene.gone():
            both(scene, 60, 100)
    else:
        both(scene, 60, 100)
        await scene.knows()
        async with scene.gone():
            pass
    await scene.knows()
    await scene.waits(lambda: not scene.street.ours and not scene.fills.lanes.busy)
    assert (scene.held, scene.legs) == (-60, (0, 0))
    assert scene.fills.positions.of("TOKEN").covered
    await scene.stops()
    assert scene.alarms() == [("over_close", "protective orders closed 60 of TOKEN more than was held")]


@NOT_HELD_TO_IT
@pytest.mark.parametrize("moment", ["away", "asked", "done"])
async def test_what_was_closed_too_much_is_traded_back_once_whenever_the_desk_goes(scene: Scene, moment: str) -> None:
    await scene.protects(over_close="flatten")
    await scene.enters(100, 100)
    await scene.settles(100)
    scene.far()
    if moment == "away":
        async with scene.gone():
            both(scene, 60, 70, 30)
    else:
        both(scene, 60, 70, 30)
        if moment == "asked":
            await scene.waits(lambda: any(parent.ref.startswith("flat:") for parent in scene.fills.parents()))
        else:
            await scene.waits(lambda: not scene.held)
        async with scene.gone():
            pass
    await scene.waits(lambda: not scene.held)
    await scene.ended("over_close")
    flats = [order for order in scene.street.every if order.terms.ord_type is OrdType.MARKET]
    assert [order.cum_qty for order in flats] in ([60], [30, 30])
    # Bought for 0.62, sold for 0.70 and 0.55, and sixty bought back for 0.56.
    assert scene.told()[0] == D("42") + D("55") - D("62") - D("33.6")


# ---------------------------------------------------------------------- fills while requests are on their way


@EVERYWHERE
async def test_fills_that_come_faster_than_answers_take_fewer_requests_than_fills(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(200)
    scene.far()
    before = scene.requests
    for _ in range(20):
        scene.sells_to_it(5)
    await scene.waits(lambda: scene.requests > before)
    for _ in range(10):
        scene.sells_to_it(5)
    async with scene.gone():
        for _ in range(10):
            scene.sells_to_it(5)
    await scene.settles(200)
    assert scene.requests - before < 40
    # An order that was killed on its way to the venue is one that the venue never had.
    await scene.is_over(perhaps=("unprotected",))
    assert scene.told()[0] == 16


async def _resizing(scene: Scene, qty: int) -> None:
    """Of an entry of `qty` 60 filled and are protected, 40 more fill, and the request for those is on its way."""
    await scene.protects()
    await scene.enters(qty, 60)
    await scene.settles(60)
    scene.far()
    before = scene.requests
    scene.sells_to_it(40)
    await scene.waits(lambda: scene.requests > before)


@EVERYWHERE
async def test_an_exit_while_a_resize_is_on_its_way_and_an_entry_after_it_end_with_what_is_held(scene: Scene) -> None:
    await _resizing(scene, 200)
    scene.takes_target(30)
    async with scene.gone():
        scene.takes_target(20)
        scene.sells_to_it(25)
    await scene.settles(75)
    before = scene.requests
    scene.sells_to_it(25)
    await scene.waits(lambda: scene.requests > before)
    scene.takes_target(10)
    scene.sells_to_it(50)
    await scene.settles(140)
    await scene.is_over()
    assert scene.told()[0] == 16


@EVERYWHERE
async def test_a_stop_that_fills_while_a_resize_is_on_its_way_ends_with_what_is_held(scene: Scene) -> None:
    await _resizing(scene, 100)
    async with scene.gone():
        scene.falls(25)
    await scene.settles(75)
    scene.takes_stop(15)
    await scene.settles(60)
    # The stop rests at its limit, and whoever buys has that before the target.
    await scene.is_over()
    assert scene.told()[0] == -25 * D("0.07") - 75 * D("0.12")


# ---------------------------------------------------------------------- legs that go


@EVERYWHERE
async def test_a_leg_that_the_venue_takes_off_comes_back(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(100, 60, 40)
    await scene.settles(100)
    for order in scene.exits(stops=True):
        scene.cancels(order)
    await scene.settles(100)
    async with scene.gone():
        for order in scene.exits(stops=False):
            scene.cancels(order)
    await scene.settles(100)
    await scene.is_over("unprotected")
    told = [text for _, text in scene.alarms()]
    assert [text.split()[0] for text in told] == ["stop", "target"]
    assert all("of TOKEN ended by itself" in text and "100 " in text for text in told)


@EVERYWHERE
async def test_a_leg_that_is_refused_is_asked_for_again_until_it_is_taken(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(100)
    with scene.halted():
        before = scene.requests
        scene.sells_to_it(60)
        await scene.waits(lambda: scene.requests >= before + 3)
        assert scene.legs == (0, 0)
        async with scene.gone():
            scene.sells_to_it(10)
    await scene.settles(70)
    await scene.is_over("unprotected")
    assert any(text.startswith("stop of TOKEN ended by itself") for _, text in scene.alarms())


@EVERYWHERE
async def test_a_resize_that_is_refused_is_asked_for_again_and_what_works_stays(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(100, 60)
    await scene.settles(60)
    scene.floor = D(60)
    with scene.halted():
        before = scene.requests
        scene.sells_to_it(40)
        await scene.waits(lambda: scene.requests >= before + 2)
        async with scene.gone():
            pass
        assert scene.legs == (60, 60)
    await scene.settles(100)
    assert not scene.bare
    scene.floor = D(0)
    await scene.is_over()


# ---------------------------------------------------------------------- past the desk


@EVERYWHERE
async def test_what_the_user_sells_by_an_order_or_past_the_desk_shrinks_both_legs(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(100, 70, 30)
    await scene.settles(100)
    scene.street.puts(scene.word("buy"), 25, scene.px("0.60"))
    await scene.fills.submit(Limit("TOKEN", scene.word("sell"), qty=25, price=scene.px("0.60"), tif="ioc"), ref="by hand")
    await scene.waits(lambda: scene.held == 75)
    async with scene.gone():
        scene.by_hand(15, "mine-1")
    await scene.settles(60)
    scene.by_hand(20, "mine-2")
    await scene.settles(40)
    # What came of it is heard of before the order; and a resize that was killed on its way is one the venue never had.
    await scene.is_over(perhaps=("parked", "unprotected"))
    assert scene.told()[0] == 40 * D("0.08") - 60 * D("0.02")


# ---------------------------------------------------------------------- voids


@EVERYWHERE
@pytest.mark.parametrize("sold", [100, 40])
async def test_an_exit_that_is_taken_back_is_protected_again(scene: Scene, sold: int) -> None:
    await scene.protects()
    await scene.enters(100, 100)
    await scene.settles(100)
    (target,) = scene.exits(stops=False)
    scene.takes_target(sold)
    await scene.settles(100 - sold)
    async with scene.gone():
        pass
    # What is taken back while nobody listens is told to nobody, and what is not on disk has not been heard.
    await scene.waits(lambda: scene.fills.followers[0].listening)
    scene.far()
    scene.voids(target)
    await scene.knows()
    await scene.fills.journal.flush()
    async with scene.gone():
        pass
    await scene.settles(100)
    assert target.cum_qty == 0
    # A leg that was killed on its way to the venue is one that it never had.
    await scene.is_over(perhaps=("unprotected",))
    assert scene.told()[0] == 8
