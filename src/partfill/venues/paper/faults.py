"""Misbehaviour on demand: what a venue and the way to it can do to requests and messages, out of a seed.

Theory of operation. For every request the adapter asks for its `Fate`, for every message of a stream for its `Trouble`; all
luck is here, in one `random.Random`, so a run with the same seed and the same calls goes wrong in the same places.

Rules
- Chances are per thousand, times nanoseconds, all of them whole numbers.
- A request over the rate is refused before it does anything (`rate_limit`). Cancels have `cancel_reserve` requests per second
  beyond what the others may use up.
- A lost reply says nothing about the request: it was applied before, it is applied later, or it never will be.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from random import Random
from typing import NamedTuple

import msgspec

SECOND_NS = 1_000_000_000
RATE_LIMIT = "rate_limit"
"""Reason of a request that was refused for coming too soon."""


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How badly a venue behaves. The defaults are a venue that does not."""

    latency_min_ns: int = 0
    latency_max_ns: int = 0
    """Each way of a request takes between the two."""
    refuse: int = 0
    """Requests refused for no reason, per thousand."""
    lose_request: int = 0
    """Requests that never arrive (answer: unknown), per thousand."""
    lose_reply: int = 0
    """Requests that are applied and whose reply is lost (answer: unknown), per thousand."""
    late: int = 0
    """Requests that are applied only after their sender was told "unknown", per thousand."""
    late_ns: int = 50_000_000
    """How long after."""
    fail_read: int = 0
    """Reads without an answer, per thousand."""
    disconnect: int = 0
    """Stream messages with which a stream breaks, per thousand."""
    lost_messages: int = 8
    """Most messages that are lost with one break."""
    duplicate: int = 0
    """Stream messages that come twice, per thousand."""
    rate: int = 0
    """Requests per second and account; 0 for any number."""
    cancel_reserve: int = 0
    """Cancels per second that may come on top of `rate`."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} is {value}; it is zero or more")
        for name in ("refuse", "lose_request", "lose_reply", "late", "fail_read", "disconnect", "duplicate"):
            if getattr(self, name) > 1000:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a chance per thousand, 0 to 1000")
        if self.latency_max_ns < self.latency_min_ns:
            raise ValueError(f"latency is {self.latency_min_ns} to {self.latency_max_ns} ns; give the smaller first")


class Applied(Enum):
    """When a request takes effect."""

    NOW = "now"
    LATE = "late"
    NEVER = "never"


class Fate(NamedTuple):
    """What happens to one request. `refused`: the reason of a refusal. Delays in ns."""

    delay_there: int
    delay_back: int
    refused: str | None
    applied: Applied
    replied: bool


class Trouble(NamedTuple):
    """What happens to one message: `copies` of it come (0: it is lost); `breaks`: the stream breaks before it."""

    copies: int
    breaks: bool


class Misfortune:
    """The luck of one venue."""

    def __init__(self, faults: Faults, seed: int = 0) -> None:
        self.faults = faults
        self._rng = Random(seed)
        self._sent: dict[str, deque[int]] = {}
        self._losing = 0

    def request(self, account: str, now: int, *, cancel: bool) -> Fate:
        """The fate of a request that `account` sends at `now` (ns UTC)."""
        faults = self.faults
        there, back = self._latency(), self._latency()
        if faults.rate and self._too_soon(account, now, faults.rate + (faults.cancel_reserve if cancel else 0)):
            return Fate(there, back, RATE_LIMIT, Applied.NEVER, True)
        luck = self._rng.randrange(1000)
        for chance, fate in (
            (faults.refuse, Fate(there, back, "unavailable: the venue takes no requests just now", Applied.NEVER, True)),
            (faults.lose_request, Fate(there, back, None, Applied.NEVER, False)),
            (faults.lose_reply, Fate(there, back, None, Applied.NOW, False)),
            (faults.late, Fate(there, back, None, Applied.LATE, False)),
        ):
            if luck < chance:
                return fate
            luck -= chance
        return Fate(there, back, None, Applied.NOW, True)

    def read(self) -> tuple[int, bool]:
        """(delay in ns, whether an answer comes) of a read."""
        return self._latency() + self._latency(), not self._hits(self.faults.fail_read)

    def message(self) -> Trouble:
        """What happens to the next message of a stream."""
        if self._losing:
            self._losing -= 1
            return Trouble(0, False)
        if self._hits(self.faults.disconnect):
            self._losing = self._rng.randrange(self.faults.lost_messages) if self.faults.lost_messages else 0
            return Trouble(0, True)
        return Trouble(2 if self._hits(self.faults.duplicate) else 1, False)

    def fork(self) -> Misfortune:
        """Luck of its own for one stream, drawn from this one's."""
        return Misfortune(self.faults, self._rng.getrandbits(64))

    @property
    def losing(self) -> bool:
        """Whether a broken stream still loses messages."""
        return self._losing > 0

    def _too_soon(self, account: str, now: int, allowed: int) -> bool:
        sent = self._sent.setdefault(account, deque())
        while sent and sent[0] <= now - SECOND_NS:
            sent.popleft()
        if len(sent) >= allowed:
            return True
        sent.append(now)
        return False

    def _hits(self, chance: int) -> bool:
        return chance > 0 and self._rng.randrange(1000) < chance

    def _latency(self) -> int:
        faults = self.faults
        if not faults.latency_max_ns:
            return 0
        return self._rng.randrange(faults.latency_min_ns, faults.latency_max_ns + 1)


__all__ = ["RATE_LIMIT", "Applied", "Fate", "Faults", "Misfortune", "Trouble"]
