"""`python -m partfill.venues.paper`: a paper venue as a process of its own, on loopback.

Prints one JSON line with its port once it listens, and runs until SIGINT or SIGTERM. A market comes from a seed, or from a
file of events (`events`); `--speed 0` leaves it to the client to let events happen.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time

import msgspec

from partfill.venues.paper.events import read_events
from partfill.venues.paper.exchange import Exchange
from partfill.venues.paper.faults import Faults
from partfill.venues.paper.market import SHAPES, generated
from partfill.venues.paper.server import PaperServer
from partfill.venues.paper.venue import PaperVenue


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m partfill.venues.paper", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of market and faults")
    parser.add_argument("--instruments", default=",".join(SHAPES), help=f"of {','.join(SHAPES)}")
    parser.add_argument("--events", help="file of market events (JSON lines) instead of the seed's")
    parser.add_argument("--speed", type=int, default=1, help="market time per real time, a whole number; 0: step by step")
    parser.add_argument("--warm-up", type=int, default=0, help="market events before the first request")
    parser.add_argument("--faults", default="{}", help='JSON of faults, such as {"lose_reply":20,"rate":50}')
    parser.add_argument("--venue", default="paper", help="name of the venue")
    parser.add_argument(
        "--session", help="put before order and execution ids; default: the time of the start, so that no two runs share ids"
    )
    return parser


async def serve(options: argparse.Namespace) -> None:
    """Run until told to stop. Raises `ValueError` for an option that cannot be."""
    names = [name.strip() for name in options.instruments.split(",") if name.strip()]
    unknown = [name for name in names if name not in SHAPES]
    if unknown or not names:
        raise ValueError(f"--instruments {options.instruments!r}: give some of {', '.join(SHAPES)}")
    shapes = [SHAPES[name] for name in names]
    faults = msgspec.json.decode(options.faults, type=Faults)
    lines = open(options.events, encoding="utf-8") if options.events else None  # noqa: ASYNC230, SIM115
    market = generated(shapes, options.seed) if lines is None else read_events(lines)
    session = options.session if options.session is not None else f"{time.time_ns() // 1_000_000:x}-"
    exchange = Exchange([shape.listing for shape in shapes], venue=options.venue, session=session)
    speed = options.speed or None
    venue = PaperVenue(exchange, market, now=time.time_ns, faults=faults, seed=options.seed, speed=speed)
    venue.advance(options.warm_up)
    server = PaperServer(venue, options.host, options.port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = await server.start()
    if speed is not None:
        venue.start()
    print(msgspec.json.encode({"port": port, "venue": options.venue, "instruments": names}).decode(), flush=True)
    await stop.wait()
    await server.close()
    if lines is not None:
        lines.close()


def main() -> int:
    """Exit code 2 for an option that cannot be."""
    try:
        asyncio.run(serve(arguments().parse_args()))
    except (ValueError, OSError) as error:
        print(f"paper venue: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
