"""What subscribers hear of a fill beyond the quantity."""

from __future__ import annotations

from partfill.model.events import AlarmKind
from tests.core.evidence import Desk, fill, placed


def test_an_order_that_is_complete_and_fills_once_more_is_alarmed_once() -> None:
    desk = Desk(None, placed("10"), fill("x", "10"))
    assert desk.alarms(AlarmKind.OVERFILL) == []
    desk.hear(fill("y", "2"))
    assert desk.alarms(AlarmKind.OVERFILL) == ["12 filled of 10 ordered: 2 too much"]
    desk.hear(fill("z", "1"))
    assert (desk.child.overfill_qty, len(desk.alarms(AlarmKind.OVERFILL))) == (3, 1)
