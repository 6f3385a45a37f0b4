"""The client ids of a chain of replaces: which one is in force, and which are of before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partfill.core.child import Child


def accept(child: Child, cl_ord_id: str, replaced: str | None) -> None:
    """`cl_ord_id` is accepted as the id in force, unless a later one of the chain is already."""
    ids = child.ids if child.ids is not None else {}
    child.ids = ids
    if child.cl_ord_id is not None and child.cl_ord_id not in ids:
        ids[child.cl_ord_id] = None
    if cl_ord_id not in ids or ids[cl_ord_id] is None:
        ids[cl_ord_id] = replaced if replaced != cl_ord_id else None
    if not supersedes(child, cl_ord_id):
        child.cl_ord_id = cl_ord_id


def supersedes(child: Child, cl_ord_id: str) -> bool:
    """Whether the id in force came after `cl_ord_id` in the chain (so a report under it is an old one)."""
    if child.ids is None or child.cl_ord_id is None or child.cl_ord_id == cl_ord_id:
        return False
    at: str | None = child.cl_ord_id
    for _ in range(len(child.ids) + 1):
        at = child.ids.get(at) if at is not None else None
        if at is None:
            return False
        if at == cl_ord_id:
            return True
    return False


def has_left(child: Child, cl_ord_id: str, replaced: str | None, as_of: int | None) -> bool:
    """Whether what was said at `as_of` under `cl_ord_id`, which replaced `replaced`, is of before the id in force.

    Two requests may name the same id as the one they replace, where nobody knew what became of the first: the later statement
    rules then.
    """
    if supersedes(child, cl_ord_id):
        return True
    if as_of is None or as_of >= child.terms_at or replaced is None or replaced == cl_ord_id:
        return False
    return cl_ord_id != child.cl_ord_id and supersedes(child, replaced)
