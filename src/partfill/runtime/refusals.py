"""How a command of the user is turned down."""

from __future__ import annotations


class Refused(ValueError):
    """A command that changes nothing; the message says why and what would be right."""


class Busy(RuntimeError):
    """Too much is queued for the venues; submit again later."""


__all__ = ["Busy", "Refused"]
