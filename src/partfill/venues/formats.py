"""The formats that `partfill audit` reads, by name."""

from __future__ import annotations

from collections.abc import Callable

from partfill.venues.binance.decoder import BinanceFuturesDecoder
from partfill.venues.decoding import Decoder
from partfill.venues.fix.decoder import FixDecoder
from partfill.venues.hyperliquid.decoder import HyperliquidDecoder
from partfill.venues.lobster.decoder import LobsterDecoder
from partfill.venues.marketdata.bitstamp import BitstampDecoder
from partfill.venues.marketdata.inet import InetDecoder
from partfill.venues.marketdata.mbo import MboDecoder
from partfill.venues.marketdata.pitch import PitchDecoder
from partfill.venues.partfill_lines import PartfillDecoder
from partfill.venues.schwab.decoder import SchwabDecoder

FORMATS: dict[str, Callable[[], Decoder]] = {
    "partfill": PartfillDecoder,
    "fix": FixDecoder,
    "lobster": LobsterDecoder,
    "binance-futures": BinanceFuturesDecoder,
    "hyperliquid": HyperliquidDecoder,
    "schwab": SchwabDecoder,
    "bitstamp": BitstampDecoder,
    "inet": InetDecoder,
    "pitch": PitchDecoder,
    "mbo": MboDecoder,
}
"""A fresh decoder per file."""

SHOWN_IDS: dict[str, Callable[[str], str]] = {
    "binance-futures": lambda order_id: order_id.partition(":")[2],
}
"""How a format's order ids are shown where ours carry a scope (Binance counts per symbol: ours are "SYMBOL:id")."""
