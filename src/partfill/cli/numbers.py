"""Numbers on the command line: what is out of range, no number, or endless is refused with what would be right."""

from __future__ import annotations

import math
from typing import Any

import click

MOST = 2**63 - 1
"""The largest whole number that a journal can hold or be asked for."""


def whole(least: int = 0, most: int = MOST) -> click.IntRange:
    """A whole number from `least` to `most`."""
    return click.IntRange(min=least, max=most)


class Seconds(click.FloatRange):
    """A time in seconds that ends."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; `nan`, which compares with nothing, and `inf` are none."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is no time; give seconds, such as 10 or 0.5", param, ctx)
        return found
