"""Two replaces of one id: which of them came first, where the one is told of after the other.

    A is replaced by B, nobody tells;  A is replaced by C, which is in force;  "B replaced A" comes late  ->  A, B, C

Theory of operation. A venue prints with a replace the id that it replaces (tag 41). What it prints is often what the request
said, and that is the last id that the sender knew of. Where the word on one replace is late, the next one is asked for under
the same id, and both are said to replace it. Only one of them is in force.

Rules
- Of two requests of ours it is the one that was sent later: nothing is sent before the last one was applied, or never will be.
- Of two that a venue tells of by itself, it is the one that is stamped later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partfill.core.child import Child
    from partfill.core.effects import Effects


def weave(child: Child | None, name: str | None, replaced: str | None, as_of: int | None, effects: Effects) -> None:
    """It is told, as of `as_of` (ns UTC), that `name` replaced an id: where another is said to have done so, note the order."""
    if child is None or name is None or replaced is None or name in (replaced, child.cl_ord_id):
        return
    ids, in_force = child.ids or {}, child.cl_ord_id
    if in_force is None or ids.get(name, replaced) != replaced:
        return
    beside = _successor(ids, in_force, replaced)
    if beside is None or beside == name:
        return
    if _is_before(child, name, beside, as_of):
        effects.touch(child)
        ids[name], ids[beside] = replaced, name
    elif _is_after(child, name, in_force, as_of):
        effects.touch(child)
        ids[name] = in_force


def _successor(ids: dict[str, str | None], in_force: str, replaced: str) -> str | None:
    """Which id of the chain that is in force is said to have replaced this one; None where none is."""
    at: str | None = in_force
    for _ in ids:
        if at is None or ids.get(at) == replaced:
            return at
        at = ids.get(at)
    return None


def _is_before(child: Child, name: str, other: str, as_of: int | None) -> bool:
    if child.work is None:
        return as_of is not None and as_of < child.terms_at
    return name in child.client_ids and other in child.client_ids and _sent(child, name) < _sent(child, other)


def _is_after(child: Child, name: str, in_force: str, as_of: int | None) -> bool:
    if child.work is None:
        return as_of is not None and as_of > child.terms_at > 0
    return name in child.client_ids and in_force in child.client_ids and _sent(child, name) > _sent(child, in_force)


def _sent(child: Child, name: str) -> int:
    """The place of a request of ours among all of its order."""
    return child.client_ids.index(name)
