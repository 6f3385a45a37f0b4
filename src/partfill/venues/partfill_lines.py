"""partfill's own recording: one input a line, JSON as `model.codec` writes it. Anybody's adapter can write it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from partfill.model.admit import NotAnInput, admit_unkept
from partfill.model.codec import input_from_json
from partfill.model.inputs import OrderSnapshot, VenueDeclared
from partfill.venues.decoding import MAX_NUMBER, Damaged, Framing, Message, Printed

_LONG = re.compile(rf"[0-9]{{{MAX_NUMBER + 1}}}")


class PartfillDecoder:
    """One file of inputs."""

    format = "partfill"
    framing = Framing.LINES

    def __init__(self) -> None:
        self._clock = 0

    def declare(self) -> Iterable[VenueDeclared]:
        """The file declares its venues itself, by venue_declared lines."""
        return ()

    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The input of one line; nothing for a blank line or one that starts with #."""
        line = raw.strip()
        if not line or line.startswith("#"):
            return ()
        if len(line) > MAX_NUMBER and (found := _LONG.search(line)) and '"unreadable"' not in line:
            raise Damaged(f"{found[0][:40]}... has more than {MAX_NUMBER} digits; no market has such a number")
        try:
            inp = input_from_json(line)
            # By the file's own clock so far: milliseconds where nanoseconds are meant are no time of it.
            inp = admit_unkept(inp, self._clock)
        except NotAnInput as error:
            raise Damaged(str(error)) from None
        self._clock = max(self._clock + 1, getattr(inp, "as_of", None) or 0)
        snapshot = inp if isinstance(inp, OrderSnapshot) else None
        printed = Printed()
        if snapshot is not None and snapshot.exec_type is not None:
            # Only a report states the order as of itself; a poll may lag and is evidence, not a comparison.
            printed = Printed(
                ord_status=snapshot.ord_status,
                order_qty=snapshot.order_qty,
                cum_qty=snapshot.cum_qty,
                leaves_qty=snapshot.leaves_qty,
                avg_px=snapshot.avg_px,
            )
        return (
            Message(
                inputs=(inp,),
                at=self._clock,
                msg=str(inp.__struct_config__.tag),
                exec_type=None if snapshot is None or snapshot.exec_type is None else snapshot.exec_type.value,
                exec_id=getattr(inp, "key", None),
                cl_ord_id=getattr(inp, "cl_ord_id", None),
                orig_cl_ord_id=getattr(inp, "orig_cl_ord_id", None),
                order_id=getattr(inp, "order_id", None),
                printed=printed,
            ),
        )
