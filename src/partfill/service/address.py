"""What stands beside a journal, whatever link led there: its control socket `<journal>.ctl`, and `<journal>.paper`, the record
of the paper exchanges that run with it."""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 103
"""Longest path of a Unix socket that every system takes."""


def control_path(journal: str | Path) -> str:
    """The control socket of the journal at this path."""
    return os.path.realpath(journal) + ".ctl"


def paper_path(journal: str | Path) -> str:
    """The file in which paper exchanges keep what they did for the desk of this journal."""
    return os.path.realpath(journal) + ".paper"


__all__ = ["MAX_BYTES", "control_path", "paper_path"]
