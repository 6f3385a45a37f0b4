"""Nanoseconds and bytes per execution in memory; prints JSON. Run: python benchmarks/engine.py"""

import json

from partfill.runtime.bench.engine import run

if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
