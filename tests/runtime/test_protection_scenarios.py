"""What happens to a protected position, case by case: through the engine, the journal and the paper venue over its socket.

Every case is told of both sides and of three kinds of venue, and in the middle of each the desk is closed or killed, trading
goes on without it, and it comes back on the same journal.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from partfill.core.covering import CROWD
from tests.runtime.scene import EVERYWHERE, Scene, scene
from tests.runtime.test_partial_fill_handler import street

D = Decimal
__all__ = ["scene", "street"]


# ---------------------------------------------------------------------- entries


@EVERYWHERE
@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [([], [120], []), ([70], [], [50]), ([3] * 20, [3] * 5, [3] * 15)],
    ids=["one", "two", "forty"],
)
async def test_an_entry_is_protected_in_however_many_fills_it_comes(
    scene: Scene, before: list[int], meanwhile: list[int], after: list[int]
) -> None:
    await scene.protects()
    await scene.enters(120, *before)
    await scene.settles(sum(before))
    async with scene.gone():
        for part in meanwhile:
            scene.sells_to_it(part)
    await scene.settles(sum(before) + sum(meanwhile))
    await scene.enters(120, *after)
    await scene.settles(120)
    # Where orders are replaced, what came first after a start may be an order of its own; elsewhere many are brought together.
    most = 2 if scene.fills.venues["paper"].capabilities.can_replace else CROWD + 1
    await scene.waits(lambda: max(len(scene.exits(stops=True)), len(scene.exits(stops=False))) <= most)
    await scene.is_over()
    assert scene.told() == (D("9.60"), {"long": D("9.4416"), "short": D("9.4608")}[scene.case.side])


@EVERYWHERE
async def test_a_double_down_grows_the_protection_and_what_was_protected_stays_so(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(100, 100)
    await scene.settles(100)
    scene.floor = D(100)
    await scene.enters(100, 20, ref="more", price="0.60")
    async with scene.gone():
        scene.sells_to_it(40, "0.60")
    await scene.settles(160)
    await scene.enters(100, 40, ref="more", price="0.60")
    await scene.settles(200)
    assert not scene.bare
    scene.floor = D(0)
    assert scene.fills.positions.of("TOKEN").avg_px == D(scene.px("0.61"))
    await scene.is_over()
    assert scene.told() == (D(18), {"long": D("17.738"), "short": D("17.766")}[scene.case.side])


# ---------------------------------------------------------------------- exits


@EVERYWHERE
async def test_a_target_that_fills_in_parts_takes_the_stop_along_down_to_nothing(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(300, 180, 120)
    await scene.settles(300)
    scene.takes_target(100)
    await scene.settles(200)
    async with scene.gone():
        scene.takes_target(50)
    await scene.settles(150)
    assert scene.fills.positions.of("TOKEN").realised == 12
    scene.takes_target(150)
    await scene.is_over()
    assert scene.told()[0] == 24


@EVERYWHERE
async def test_a_stop_that_fills_in_parts_takes_the_target_along_down_to_nothing(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(600, 350, 250)
    await scene.settles(600)
    scene.falls(200)
    await scene.settles(400)
    scene.takes_stop(100)
    await scene.settles(300)
    async with scene.gone():
        scene.takes_stop(150)
    await scene.settles(150)
    assert scene.fills.positions.of("TOKEN").realised == -14 - 30
    scene.takes_stop(150)
    await scene.is_over()
    assert scene.told()[0] == -14 - 48


@EVERYWHERE
async def test_a_double_down_after_a_partial_target_protects_what_is_held_then(scene: Scene) -> None:
    await scene.protects()
    await scene.enters(300, 300)
    await scene.settles(300)
    scene.takes_target(100)
    await scene.knows()
    async with scene.gone():
        scene.takes_target(20)
    await scene.enters(100, 60, ref="more", price="0.60")
    await scene.settles(240)
    await scene.enters(100, 40, ref="more", price="0.60")
    await scene.settles(280)
    await scene.is_over()
    assert scene.told()[0] == 30 + 4
