"""How long to wait for a venue, and how often to try, before a person is told."""

from __future__ import annotations

from partfill.model.protection import Retry

MS = 1_000_000
BACKOFF_NS = 200_000_000
"""First wait before a question or a refused request is tried anew; it doubles up to `BACKOFF_MAX_NS`."""
BACKOFF_MAX_NS = 30_000_000_000
GRACE_NS = 2_000_000_000
"""How long the venue is not asked for the report of a request that it answered "done", and for the executions of a total."""
MANY = 5
"""Refusals or fruitless questions in a row after which a person is told."""


def backoff(tries: int, retry: Retry | None = None) -> int:
    """Wait before try number `tries` (ns), as `retry` says where somebody did."""
    first, most = (BACKOFF_NS, BACKOFF_MAX_NS) if retry is None else (retry.retry_ms * MS, retry.retry_max_ms * MS)
    return min(first << min(max(tries - 1, 0), 20), most)


def many(retry: Retry | None) -> int:
    """Failures in a row after which a person is told."""
    return MANY if retry is None else retry.alarm_after_failures
