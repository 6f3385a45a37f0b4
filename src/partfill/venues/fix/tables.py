"""FIX code values in our words (FIX 4.2 and 4.4 data dictionaries)."""

from __future__ import annotations

from partfill.model.words import ExecType, OrdStatus, OrdType, Side, TimeInForce

TAGS = {
    1: "Account", 6: "AvgPx", 8: "BeginString", 9: "BodyLength", 10: "CheckSum", 11: "ClOrdID", 12: "Commission",
    13: "CommType", 14: "CumQty", 15: "Currency", 17: "ExecID", 19: "ExecRefID", 20: "ExecTransType", 31: "LastPx",
    32: "LastQty", 34: "MsgSeqNum", 35: "MsgType", 37: "OrderID", 38: "OrderQty", 39: "OrdStatus", 40: "OrdType",
    41: "OrigClOrdID", 43: "PossDupFlag", 44: "Price", 49: "SenderCompID", 52: "SendingTime", 54: "Side", 55: "Symbol",
    56: "TargetCompID", 58: "Text", 59: "TimeInForce", 60: "TransactTime", 73: "NoOrders", 97: "PossResend", 99: "StopPx",
    102: "CxlRejReason", 103: "OrdRejReason", 109: "ClientID", 115: "OnBehalfOfCompID", 122: "OrigSendingTime",
    128: "DeliverToCompID", 136: "NoMiscFees", 137: "MiscFeeAmt", 138: "MiscFeeCurr", 139: "MiscFeeType", 150: "ExecType",
    151: "LeavesQty", 152: "CashOrderQty", 378: "ExecRestatementReason", 424: "DayOrderQty", 425: "DayCumQty",
    442: "MultiLegReportingType", 479: "CommCurrency", 487: "TradeReportTransType", 552: "NoSides", 571: "TradeReportID",
    572: "TradeReportRefID", 654: "LegRefID", 1003: "TradeID", 1009: "SideLastQty", 1126: "OrigTradeID",
}  # fmt: skip
"""The tags that are read, and what errors call them."""

EXEC_TYPES = {
    "0": ExecType.NEW,
    "1": ExecType.TRADE,
    "2": ExecType.TRADE,
    "3": ExecType.DONE_FOR_DAY,
    "4": ExecType.CANCELED,
    "5": ExecType.REPLACED,
    "6": ExecType.PENDING_CANCEL,
    "7": ExecType.STOPPED,
    "8": ExecType.REJECTED,
    "9": ExecType.SUSPENDED,
    "A": ExecType.PENDING_NEW,
    "B": ExecType.CALCULATED,
    "C": ExecType.EXPIRED,
    "D": ExecType.RESTATED,
    "E": ExecType.PENDING_REPLACE,
    "F": ExecType.TRADE,
    "G": ExecType.TRADE_CORRECT,
    "H": ExecType.TRADE_CANCEL,
    "I": ExecType.ORDER_STATUS,
    "L": ExecType.TRIGGERED,
}
"""Tag 150. 1 and 2 are FIX 4.2's partial fill and fill."""

TRANS_TYPES = {"1": ExecType.TRADE_CANCEL, "2": ExecType.TRADE_CORRECT, "3": ExecType.ORDER_STATUS}
"""Tag 20, FIX 4.2 only: what it makes of a report, whatever tag 150 says. 0 is a report as it stands."""

STATUS_TYPES = {
    "0": ExecType.NEW,
    "3": ExecType.DONE_FOR_DAY,
    "4": ExecType.CANCELED,
    "5": ExecType.REPLACED,
    "6": ExecType.PENDING_CANCEL,
    "7": ExecType.STOPPED,
    "8": ExecType.REJECTED,
    "9": ExecType.SUSPENDED,
    "A": ExecType.PENDING_NEW,
    "B": ExecType.CALCULATED,
    "C": ExecType.EXPIRED,
    "E": ExecType.PENDING_REPLACE,
}
"""Why a report without tag 150 (FIX 4.0) was sent, by its tag 39. 1 and 2 are an execution where it has a quantity."""

ORD_STATUS = {
    "0": OrdStatus.NEW,
    "1": OrdStatus.PARTIALLY_FILLED,
    "2": OrdStatus.FILLED,
    "3": OrdStatus.DONE_FOR_DAY,
    "4": OrdStatus.CANCELED,
    "6": OrdStatus.PENDING_CANCEL,
    "7": OrdStatus.STOPPED,
    "8": OrdStatus.REJECTED,
    "9": OrdStatus.SUSPENDED,
    "A": OrdStatus.PENDING_NEW,
    "B": OrdStatus.CALCULATED,
    "C": OrdStatus.EXPIRED,
    "D": OrdStatus.ACCEPTED_FOR_BIDDING,
    "E": OrdStatus.PENDING_REPLACE,
}
"""Tag 39. 5 (Replaced, FIX 4.2) is no state of an order: it says why, and tag 150 says that too."""
NO_STATUS = frozenset({"5"})

SIDES = {"1": Side.BUY, "2": Side.SELL, "3": Side.BUY, "4": Side.SELL, "5": Side.SELL, "6": Side.SELL}
"""Tag 54: buy minus and sell plus are their plain sides, short sales are sells."""

ORD_TYPES = {"1": OrdType.MARKET, "2": OrdType.LIMIT, "3": OrdType.STOP, "4": OrdType.STOP_LIMIT}
"""Tag 40; anything else is OTHER."""

TIMES_IN_FORCE = {
    "0": TimeInForce.DAY,
    "1": TimeInForce.GTC,
    "2": TimeInForce.OPENING,
    "3": TimeInForce.IOC,
    "4": TimeInForce.FOK,
    "5": TimeInForce.DAY,
    "6": TimeInForce.GTD,
    "7": TimeInForce.CLOSING,
}
"""Tag 59."""

RESTATEMENTS = {
    "0": "split", "1": "renewal", "2": "verbal", "3": "repricing", "4": "broker option", "5": "decline", "6": "halt",
    "7": "system failure", "8": "market option", "9": "not best",
}  # fmt: skip
"""Tag 378."""

CANCEL_REJECTS = {
    "0": "too late", "1": "unknown order", "2": "broker option", "3": "already pending", "6": "duplicate id", "99": "other",
}  # fmt: skip
"""Tag 102."""

DUPLICATE_ORDER = "6"
"""Tag 103: the report refuses a second order under an id, it does not speak of the first."""

LEG_REPORT = "2"
"""Tag 442: a report of one leg; it counts in positions, its quantities are not the order's."""
