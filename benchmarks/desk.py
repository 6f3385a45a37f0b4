"""The live desk: step cost, decision time, memory over many orders, simulator. Prints JSON."""

from __future__ import annotations

import json

from partfill.runtime.bench.desk import run

if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
