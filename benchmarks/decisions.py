"""What a decision on a remainder costs, and how soon 50 at once are made; prints JSON. Run: python benchmarks/decisions.py"""

from __future__ import annotations

import json

from partfill.runtime.bench.decisions import run

if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
