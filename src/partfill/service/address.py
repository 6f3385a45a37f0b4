"""Where a daemon is found.

What stands beside a journal, whatever link led there: its control socket `<journal>.ctl`, and `<journal>.paper`, the record of
the paper exchanges that run with it. And which addresses of a network are this machine's own.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

MAX_BYTES = 103
"""Longest path of a Unix socket that every system takes."""


class Unusable(OSError):
    """An address that cannot be served at; the message says which, why, and what would be right."""


def is_loopback(host: str) -> bool:
    """Whether `host` is an address of this machine's own. A name is none: what it means is decided elsewhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def control_path(journal: str | Path) -> str:
    """The control socket of the journal at this path."""
    return os.path.realpath(journal) + ".ctl"


def paper_path(journal: str | Path) -> str:
    """The file in which paper exchanges keep what they did for the desk of this journal."""
    return os.path.realpath(journal) + ".paper"


__all__ = ["MAX_BYTES", "Unusable", "control_path", "is_loopback", "paper_path"]
