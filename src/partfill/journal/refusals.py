"""Why a file is not opened as a journal."""

from __future__ import annotations


class NotAJournal(ValueError):
    """A file that is no journal of ours, of a newer version, or not whole; the message says which and what to do."""


class InUse(RuntimeError):
    """Another process writes this journal."""
