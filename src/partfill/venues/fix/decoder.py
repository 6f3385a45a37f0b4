"""FIX order logs (4.0 to 5.0 SP2), both directions, as inputs of the engine.

Theory. An ExecutionReport is one OrderSnapshot; a Trade lists its one execution in it. A bust or a correction is the
void or revision first, then the snapshot of what the report prints. Client messages (D, F, G) become our own orders and
requests, which count for nothing until the venue acknowledges them.

Rules
- `as_of` rises with the log: the order of a sequenced session is the order of its statements. Only a message that says
  it is old (PossDup, PossResend) keeps its own time, and one printed behind its successors takes its place before them.
- Which side sent a message is told by its type, never by its CompIDs; the pair of them names the account, with the field
  that the dialect names.
- A message of an application that is not read is counted and named at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from partfill.model.capabilities import Capabilities, IdScope
from partfill.model.inputs import Input, OrderSnapshot, VenueDeclared
from partfill.model.numbers import NotANumber
from partfill.model.words import ExecType
from partfill.venues.decoding import Damaged, Framing, Message, Printed, only_damaged
from partfill.venues.fix.dialect import ACCOUNT_TAGS, READY, Dialect
from partfill.venues.fix.guess import Guess
from partfill.venues.fix.message import FixMessage
from partfill.venues.fix.order_of_lines import Sessions
from partfill.venues.fix.orders import order, order_list, request
from partfill.venues.fix.reports import VENUE, printed, refusal, report
from partfill.venues.fix.soundness import Soundness
from partfill.venues.fix.trades import sides, trade

_NAMES = {
    "D": "NewOrderSingle",
    "F": "OrderCancelRequest",
    "G": "OrderCancelReplaceRequest",
    "8": "ExecutionReport",
    "9": "OrderCancelReject",
    "E": "NewOrderList",
    "AB": "NewOrderMultileg",
    "AC": "MultilegOrderCancelReplace",
    "AE": "TradeCaptureReport",
}
_SESSION = frozenset({"0", "1", "2", "4", "5", "A"})
"""Messages that keep a session going and say nothing of orders."""
WEIGHED = 2_000
"""Messages of the head whose checks (9, 10) are looked at; what they are worth is plain by then."""
MAX_KINDS = 50
"""Most kinds of messages that are told apart when they are passed over."""
MAX_ACCOUNTS = 200_000
"""Most ids whose account is remembered."""


class FixDecoder:
    """One FIX log. `dialect` None: guessed from its head (`look`, `settle`)."""

    format = "fix"
    framing = Framing.FIX

    def __init__(self, dialect: Dialect | None = None) -> None:
        self._clock = 0
        self._given = dialect
        self._read_as(READY["fix"] if dialect is None else dialect)
        self._guess = Guess(self.dialect)
        self._soundness = Soundness()
        self._sessions = Sessions()
        self._passed: Counter[str] = Counter()
        self._accounts: dict[tuple[str | None, str | None], str] = {}
        self._known: dict[tuple[str, int, str], str | None] = {}
        """(session, tag, id) -> its account, None when several have it."""
        self._seen = 0
        self._trades = False
        """Whether an ExecutionReport told of a trade."""

    def _read_as(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._nameless = dialect.nameless()

    def declare(self) -> Iterable[VenueDeclared]:
        """FIX is what the core assumes of a venue that declares nothing, unless its order ids are used again."""
        if self.dialect.ids == "day":
            return (VenueDeclared(venue=VENUE, capabilities=Capabilities(id_scope=IdScope.DAY)),)
        return ()

    # ------------------------------------------------------------------ the head of a file

    def look(self, raw: str) -> None:
        """One frame of the head: evidence of the dialect and of what the checks are worth."""
        fix = FixMessage.glance(raw, self._nameless) if self._seen >= WEIGHED else None
        try:
            fix = fix or FixMessage.parse(raw, self._nameless, weigh=self._seen < WEIGHED)
        except Damaged:
            return
        if fix is not None:
            self._seen += 1
            if self._seen <= WEIGHED:
                self._soundness.learn(fix)
            self._trades = self._trades or (fix.tags[35] == "8" and fix.tags.get(150) in ("F", "1", "2"))
            if self._given is None:
                self._guess.hear(fix)

    def settle(self) -> str:
        """Read the file by what was looked at, or as was said. Returns one line."""
        if self._given is not None:
            return f"dialect {self.dialect}"
        found = self._guess.dialect()
        if found == msgspec.structs.replace(READY["fix"], name=found.name):
            return ""
        self._read_as(found)
        return f"dialect {self.dialect} (from the first {self._seen} messages; --dialect says otherwise)"

    def notes(self) -> list[str]:
        """What was passed over or not checked."""
        passed = ", ".join(f"{count} x 35={kind}" for kind, count in self._passed.most_common())
        return ([f"passed over: {passed}"] if passed else []) + self._soundness.notes()

    # ------------------------------------------------------------------ messages

    @only_damaged
    def decode(self, raw: str, number: int) -> Iterable[Message]:
        """The order message in one frame, if it is one."""
        fix = FixMessage.parse(raw, self._nameless)
        if fix is None:
            return ()
        self._soundness.judge(fix)
        kind = fix.tags[35]
        if kind not in _NAMES:
            if kind not in _SESSION:
                self._pass_over(kind)
            return ()
        sent = fix.time(52) or fix.time(60)
        late, as_of = self._as_of(fix, sent or 0)
        try:
            inputs = self._inputs(fix, kind, as_of, late=late)
        except NotANumber as error:
            raise Damaged(str(error)) from None
        if not inputs:
            return ()
        said = next((inp for inp in inputs if type(inp) is OrderSnapshot), None) if kind in "89" else None
        exec_type = said.exec_type if said is not None and kind == "8" else None
        ids = (fix.id(11), fix.id(41), fix.id(37)) if said is None else (said.cl_ord_id, said.orig_cl_ord_id, said.order_id)
        remarks: tuple[str, ...] = ()
        if late:
            said_by = f"34={fix.tags[34][:20]}" if 34 in fix.tags else "its SendingTime (52)"
            remarks = (f"printed behind what was sent after it: taken in the order of its session, by {said_by}",)
        return (
            Message(
                inputs=inputs,
                at=sent or as_of,
                msg=_NAMES[kind],
                exec_type=None if exec_type is None else exec_type.value,
                exec_id=fix.text(17),
                cl_ord_id=ids[0],
                orig_cl_ord_id=ids[1],
                order_id=ids[2],
                # What was printed too late was true at another time: there is nothing to compare it with.
                printed=printed(fix, kind, said) if kind in "89" and not late else _NOTHING,
                odd=tuple(fix.odd),
                remarks=remarks,
            ),
        )

    def _inputs(self, fix: FixMessage, kind: str, as_of: int, *, late: bool) -> tuple[Input, ...]:
        if kind == "8":
            inputs = report(fix, self._account(fix), as_of)
            if not late and len(inputs) > 1:
                # A bust or correction speaks twice: the void first, then what it prints.
                self._clock = max(self._clock, as_of + len(inputs) - 1)
            if not self._trades and type(inputs[-1]) is OrderSnapshot:
                self._trades = inputs[-1].exec_type is ExecType.TRADE
            return inputs
        if kind == "9":
            return (refusal(fix, self._account(fix), as_of),)
        if kind in ("D", "AB"):
            return (order(fix, self._account(fix), as_of),)
        if kind == "E":
            orders = order_list(fix)
            found = tuple(order(each, self._account(each), as_of) for each in orders)
            for each in orders:
                fix.odd.extend(each.odd)
            return found
        if kind == "AE":
            return self._captured(fix, as_of)
        return (request(fix, self._account(fix), as_of),)

    def _captured(self, fix: FixMessage, as_of: int) -> tuple[Input, ...]:
        named = [side for side in sides(fix) if side.id(37) is not None or side.id(11) is not None]
        if not named or (fix.id(17) is None and self._trades):
            # Nobody's order, or a trade that an ExecutionReport has told under another identity.
            self._pass_over("AE")
            return ()
        return tuple(trade(side, self._account(side), as_of) for side in named)

    def _pass_over(self, kind: str) -> None:
        name = kind[:4] if len(self._passed) < MAX_KINDS or kind[:4] in self._passed else "other"
        self._passed[name] += 1

    # ------------------------------------------------------------------ when and whose

    def _as_of(self, fix: FixMessage, at: int) -> tuple[bool, int]:
        """(whether it was printed behind its successors, when it was true)."""
        if fix.tags.get(43) == "Y":
            return False, fix.time(122) or at or self._clock
        if fix.tags.get(97) == "Y" and (told := fix.time(60)) is not None:
            return False, told
        as_of = max(at, self._clock + 1)
        early = self._sessions.take(fix, at, as_of)
        if early is not None:
            return True, early
        self._clock = as_of
        return False, as_of

    def _account(self, fix: FixMessage) -> str:
        ends = (fix.tags.get(49), fix.tags.get(56))
        base = self._accounts.get(ends)
        if base is None:
            base = "|".join(sorted(filter(None, ends)))
            if len(self._accounts) < MAX_KINDS:
                self._accounts[ends] = base
        if self.dialect.account is None:
            return base
        own = next((value for tag in ACCOUNT_TAGS[self.dialect.account] if (value := fix.text(tag)) is not None), None)
        names = [(base, tag, name) for tag, name in ((37, fix.id(37)), (11, fix.id(11)), (11, fix.id(41))) if name is not None]
        if own is None:
            # A request or refusal that leaves it out is of the account that its order is of.
            own = next((found for name in names if (found := self._known.get(name)) is not None), None)
            return base if own is None else f"{base}|{own}"
        for name in names:
            if name not in self._known:
                if len(self._known) < MAX_ACCOUNTS:
                    self._known[name] = own
            elif self._known[name] != own:
                self._known[name] = None
        return f"{base}|{own}"


_NOTHING = Printed()
