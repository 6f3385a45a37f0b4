"""What is set for each venue by itself: the accounts that are traded there, and how many requests a second it takes.

    FillManager.open("f.db", venues=[a, b], accounts=["main"])                    both have one account, main
    FillManager.open("f.db", venues=[a, b], accounts={"a": ["main", "hedge"]})    b has the unnamed one
    FillManager.open("f.db", venues=[a, b], per_second={"a": 20, "b": 200})

Rules
- One value is for all venues; a mapping says it by the venue's name, and who is not in it has what holds without a word.
- Every mistake is named at once, with what would be right.
- An account that a venue was not given is a mistake wherever it is named: what is placed there nobody would follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ACCOUNTS = ("",)
"""Where nobody said which: the one account without a name."""
PER_SECOND = 50
"""Requests a second to one account of a venue, where nobody said how many."""

Accounts = Iterable[str] | Mapping[str, Iterable[str]]
PerSecond = int | Mapping[str, int]


class Wrong(ValueError):
    """Settings of venues that cannot be; the message holds every mistake, one a line."""


Settled = tuple[dict[str, tuple[str, ...]], dict[str, int]]


def settle(venues: Iterable[str], accounts: Accounts, per_second: PerSecond) -> Settled:
    """(accounts, requests a second) by the name of each venue. Raises `Wrong` with all that is wrong."""
    names = list(venues)
    wrong = [f"{names.count(name)} venues are called {name!r}; give each a name of its own" for name in dict.fromkeys(names)
             if names.count(name) > 1]  # fmt: skip
    names = list(dict.fromkeys(names))
    many = _accounts(accounts, names, wrong)
    fast = _per_second(per_second, names, wrong)
    if wrong:
        raise Wrong("\n".join(wrong))
    return many, fast


def no_such_account(venue: str, account: str, known: Iterable[str]) -> str:
    """The words for an account that a venue does not have."""
    return f"venue {venue!r} has no account {account!r}; it has {', '.join(map(repr, sorted(known)))}"


def _accounts(said: Accounts, venues: list[str], wrong: list[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(said, Mapping):
        found = _names(said, "accounts", wrong)
        return dict.fromkeys(venues, found)
    _strangers("accounts", said, venues, wrong)
    return {name: _names(said[name], f"accounts of {name!r}", wrong) if name in said else ACCOUNTS for name in venues}


def _names(said: Iterable[str], what: str, wrong: list[str]) -> tuple[str, ...]:
    # A single name would else be taken for an account per letter.
    found = (said,) if isinstance(said, str) else tuple(said)
    if not found or len(set(found)) < len(found) or not all(isinstance(each, str) for each in found):
        wrong.append(f"{what}: {found!r}; give one name or more, each once")
    return found


def _per_second(said: PerSecond, venues: list[str], wrong: list[str]) -> dict[str, int]:
    if not isinstance(said, Mapping):
        return dict.fromkeys(venues, _rate(said, "per_second", wrong))
    _strangers("per_second", said, venues, wrong)
    return {name: _rate(said.get(name, PER_SECOND), f"per_second of {name!r}", wrong) for name in venues}


def _rate(said: int, what: str, wrong: list[str]) -> int:
    if type(said) is not int or said < 1:
        wrong.append(f"{what}: {said!r}; give a whole number from 1")
    return said


def _strangers(what: str, said: Mapping[str, object], venues: list[str], wrong: list[str]) -> None:
    for name in said:
        if name not in venues:
            wrong.append(f"{what}: there is no venue {name!r}; there are: {', '.join(map(repr, venues)) or 'none'}")


__all__ = ["ACCOUNTS", "PER_SECOND", "Accounts", "PerSecond", "Wrong", "no_such_account", "settle"]
