"""Durable executions per second beside a bare loop and the disk; prints JSON. Run: python benchmarks/durable.py"""

import json

from partfill.runtime.bench.durable import run

if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
