"""Where the control socket of a journal is: `<journal>.ctl`, beside the file, whatever link led there."""

from __future__ import annotations

import os
from pathlib import Path

MAX_BYTES = 103
"""Longest path of a Unix socket that every system takes."""


def control_path(journal: str | Path) -> str:
    """The control socket of the journal at this path."""
    return os.path.realpath(journal) + ".ctl"


__all__ = ["MAX_BYTES", "control_path"]
