"""What an adapter says that no journal can keep: told, never dropped, and nothing else is lost by it."""

from __future__ import annotations

from typing import Any

from partfill.core.engine import Engine
from partfill.model.admit import NotAnInput, admit
from partfill.model.commands import Answered, Looked, Outcome
from partfill.model.inputs import MAX_RAW, Unreadable
from partfill.model.limits import MAX_ID, shown
from partfill.model.operations import Place, Replace
from partfill.model.words import Flag


def unreadable(observation: Any, why: NotAnInput) -> Unreadable:
    """The same as a message that could not be read: counted, alarmed, word for word as far as it can be shown."""
    try:
        said = repr(observation)
    except Exception:  # somebody else's class may do anything
        said = shown(observation)
    raw = said[:MAX_RAW].encode("ascii", "backslashreplace").decode()[:MAX_RAW]
    return Unreadable(venue=_name(observation, "venue"), account=_name(observation, "account"), raw=raw, error=str(why))


def _name(of: Any, field: str) -> str:
    value = getattr(of, field, "")
    return value[:MAX_ID].encode("ascii", "backslashreplace").decode()[:MAX_ID] if isinstance(value, str) else ""


def unwanted(engine: Engine, op: Place | Replace) -> str | None:
    """Why an order, or a replace of one, that has not left yet need not leave any more; None while it is wanted."""
    child = engine.children.get(op.order)
    if child is not None and child.flags & Flag.QUARANTINED:
        return "not sent: it went into quarantine while it waited"
    if isinstance(op, Replace):
        # Whatever else is wanted by now: the next request says so.
        return None
    stop = child.work.parent.stop if child is not None and child.work is not None else None
    return None if stop is None else f"not sent: it was {stop} while it waited"


def without_words(answer: Answered | Looked, why: str) -> Answered | Looked:
    """The same answer when nothing that it says can be kept; without its time where that is what cannot be."""
    found: Answered | Looked
    for as_of in (answer.as_of, None):
        if isinstance(answer, Answered):
            found = Answered(venue=answer.venue, account=answer.account, request=answer.request, cl_ord_id=answer.cl_ord_id,
                             outcome=Outcome.UNKNOWN, reason=why, as_of=as_of)  # fmt: skip
        else:
            found = Looked(venue=answer.venue, account=answer.account, cl_ord_id=answer.cl_ord_id, order_id=answer.order_id,
                           error=why, as_of=as_of)  # fmt: skip
        try:
            return admit(found)[0]  # type: ignore[return-value]
        except NotAnInput:
            continue
    return found
