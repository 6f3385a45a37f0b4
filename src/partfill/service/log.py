"""The log: one line a record, whatever a venue said and whatever went wrong."""

from __future__ import annotations

import logging
import sys

from partfill.model.harmless import escaped

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class OneLine(logging.Formatter):
    """Writes line ends and control characters of a record out; a traceback is part of its line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        try:
            said = super().format(record)
        except Exception as error:  # arguments that do not fit their message are no reason to lose a record
            said = f"{record.levelname} {record.name}: {record.msg!a} ({type(error).__name__}: {error!a})"
        return escaped(said)


def to_stderr(level: str) -> None:
    """Log to standard error from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def last_resort() -> None:
    """Commands that set up no log: their warnings are one line each, too."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(OneLine("partfill: %(levelname)s %(name)s: %(message)s"))


__all__ = ["OneLine", "last_resort", "to_stderr"]
